"""Networks that go on learning after a change, and how well they do."""

import hashlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder, read_json, write_atomically
from popflip.golden.training.learner import Learner
from popflip.golden.training.machine import Machine
from popflip.golden.training.state import NetworkState, initial_state
from popflip.golden.training.trainer import Trainer
from popflip.scripts.campaigns.adaptation.problems import (
    DEFAULT_CHANGES,
    OF_PIXELS,
    Problem,
    problem_of,
)
from popflip.scripts.console import Display
from popflip.scripts.plots.adaptation import adaptation_curves
from popflip.scripts.plots.style import save_figure
from popflip.scripts.session import Target, TargetReport, open_machine, results_folder

__all__ = ["WAYS", "AdaptJob", "AdaptReport", "possible_changes", "run_adaptation"]

#: How a network comes to terms with a change, by the word that the report has for it.
WAYS = {
    "on": "learns on",
    "replay": "learns on, with old samples in between",
    "cleared": "learns on, with its latents cleared at the change",
    "scratch": "a new network learns only what comes",
}

#: Samples that are learned between two looks at the display.
CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class AdaptJob:
    """What is to be measured.

    Attributes
    ----------
    params : Params
    dataset : Dataset
    source : str
        The data set's name or folder.
    changes : tuple of str
    seeds : int
        Networks of each change: seeds 1, 2, ...
    epochs : int
        That a network learns before the change.
    samples, test_samples : int, optional
        The first so many of the data set; all if None.
    at : tuple of int
        Samples after the change at which it is tested, ascending.
    replay : int
        Old samples that follow each new one in way ``replay``.
    target : Target
    out : Path
        Folder of what is done; a later call goes on there.
    picture : Path
    """

    params: Params
    dataset: Dataset
    source: str
    changes: tuple[str, ...]
    seeds: int
    epochs: int
    samples: int | None
    test_samples: int | None
    at: tuple[int, ...]
    replay: int
    target: Target
    out: Path
    picture: Path

    def __post_init__(self):
        if list(self.at) != sorted(set(self.at)) or not self.at or self.at[0] < 1:
            raise InputError(f"at must be samples in ascending order, from 1, not {self.at}")
        if len(set(self.changes)) != len(self.changes) or not self.changes:
            raise InputError("change must name each change once")
        for name in ("seeds", "epochs", "replay"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def settings(self) -> dict:
        """All that the curves depend on; not the machine, whose bits are the same."""
        return {
            "params": self.params.digest,
            "data": self.dataset.digest,
            "epochs": self.epochs,
            "samples": self.samples,
            "test_samples": self.test_samples,
            "at": list(self.at),
            "replay": self.replay,
        }


class AdaptReport(TargetReport):
    """What ``--json`` prints; errors in percent."""

    verb: str
    preset: str
    data: str
    seeds: int
    epochs: int
    samples: int
    at: list[int]
    replay: int
    rows: list[dict]
    curves: dict[str, dict]
    picture: str
    out: str
    seconds: float


class _Store:
    """Curves that are done, in a file that a later call finds."""

    def __init__(self, job: AdaptJob):
        self._path, self._settings = job.out / "curves.json", job.settings
        self.curves: dict[str, dict] = {}
        if not self._path.exists():
            return
        try:
            tree = read_json(self._path, "curves")
            settings, self.curves = tree["settings"], dict(tree["curves"])
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{self._path} is damaged; remove it to begin anew") from None
        odd = [name for name, value in self._settings.items() if settings.get(name) != value]
        if odd:
            raise InputError(
                f"{job.out} holds curves of other settings ({', '.join(odd)}): name another folder "
                "with --out"
            )

    def add(self, name: str, curve: dict) -> None:
        """Keep a curve."""
        self.curves[name] = curve
        tree = {"settings": self._settings, "curves": self.curves}
        write_atomically(self._path, json.dumps(tree, indent=1).encode())


def run_adaptation(job: AdaptJob) -> AdaptReport:
    """Measure what is left to measure, draw it, and return the report that ``--json`` prints."""
    started = time.perf_counter()
    data = _first(job.dataset, job.samples, job.test_samples)
    thumbs = _first(data, 1, 1, of_each=True)
    for kind in job.changes:  # refuses what cannot be; changed pixels take their time
        problem_of(thumbs if kind in OF_PIXELS else data, kind, 1)
    prepare_folder(job.picture.parent)
    with results_folder(job.out):
        store = _Store(job)
        names = {
            (seed, kind, way): f"seed {seed}, {kind}, {way}"
            for seed in range(1, job.seeds + 1)
            for kind in job.changes
            for way in WAYS
        }
        left = [key for key, name in names.items() if name not in store.curves]
        with open_machine(job.params, job.target) as machine, Display() as display:
            met, problem = None, None
            for done, (seed, kind, way) in enumerate(left, len(names) - len(left)):
                name = names[seed, kind, way]

                def show(note: str, done=done, name=name) -> None:
                    display.show("curves", done, len(names), f"{name}: {note}")

                if problem is None or met != (seed, kind):
                    met, problem = (seed, kind), problem_of(data, kind, seed)
                store.add(name, _curve(job, machine, problem, way, seed, show))
            display.show("curves", len(names), len(names))
        curves = {name: store.curves[name] for name in names.values()}
    rows = [
        row for kind in job.changes for way in WAYS for row in _rows(job, curves, names, kind, way)
    ]
    save_figure(adaptation_curves(job.params.name, rows), job.picture)
    return {
        "verb": "adapt",
        "preset": job.params.name,
        "data": job.source,
        **job.target.report,
        "seeds": job.seeds,
        "epochs": job.epochs,
        "samples": len(data.train_labels),
        "at": list(job.at),
        "replay": job.replay,
        "rows": rows,
        "curves": curves,
        "picture": str(job.picture),
        "out": str(job.out),
        "seconds": round(time.perf_counter() - started, 1),
    }


def possible_changes(data: Dataset) -> tuple[tuple[str, ...], list[str]]:
    """Return those of :data:`DEFAULT_CHANGES` that a data set can meet, and why not the others."""
    found, why, few = [], [], _first(data, None, None, of_each=True)
    for kind in DEFAULT_CHANGES:
        try:
            problem_of(few, kind, 1)
            found.append(kind)
        except InputError as error:
            why.append(str(error))
    return tuple(found), why


def _first(data: Dataset, samples: int | None, tests: int | None, of_each: bool = False) -> Dataset:
    """Return the first samples of a data set, or of each of its classes."""
    parts = []
    for name, images, labels, most in (
        ("samples", data.train_images, data.train_labels, samples),
        ("test_samples", data.test_images, data.test_labels, tests),
    ):
        if of_each:
            _, firsts = np.unique(labels, return_index=True)
            parts += [images[firsts], labels[firsts]]
            continue
        if most is not None and not 1 <= most <= len(labels):
            raise InputError(f"{name} must be 1 to {len(labels)}, not {most}")
        parts += [images[:most], labels[:most]]
    return Dataset(data.name, *parts, classes=data.classes, encoder=data.encoder)


def _curve(
    job: AdaptJob,
    machine: Machine,
    problem: Problem,
    way: str,
    seed: int,
    show: Callable[[str], None],
) -> dict:
    """Have one network meet one change; return its errors."""
    params = job.params
    if way == "scratch":
        before, state, tau = None, initial_state(params, seed), params.learning.tau
    else:
        before, state = _trained(job, machine, problem, seed, show)
        tau = params.learning.tau_in_epoch(job.epochs)
        if way == "cleared":
            state = state.without_latents()
    learner = Learner(params, machine, state, tau)
    points, done = [], 0
    order = np.random.default_rng([seed, 1]).permutation(len(problem.train))
    old = np.random.default_rng([seed, 2]).integers(
        0, len(problem.rehearsed), (job.at[-1], job.replay)
    )
    for goal in (0, *job.at):
        while done < goal:
            count = min(CHUNK, goal - done)
            # After the last of the new samples the first one comes again.
            which = order[np.arange(done, done + count) % len(order)]
            images, labels = problem.train.images[which], problem.train.labels[which]
            if way == "replay":
                images, labels = _mixed(images, labels, problem, old[done : done + count])
            learner.train(images, labels)
            done += count
            show(f"{done:,} of {job.at[-1]:,} samples")
        learner.end_batch()
        points.append({
            "samples": done,
            "error": round(learner.error(problem.test.images, problem.test.labels), 4),
            "old_error": round(learner.error(problem.kept.images, problem.kept.labels), 4),
        })
    return {"before": before, "points": points, "digest": _digest(learner.state())}


def _mixed(images, labels, problem: Problem, old: np.ndarray):
    """Have each new sample followed by old ones."""
    each = old.shape[1]
    shape = (len(images), 1 + each)
    mixed = np.empty((*shape, *images.shape[1:]), np.uint8)
    names = np.empty(shape, labels.dtype)
    mixed[:, 0], names[:, 0] = images, labels
    mixed[:, 1:], names[:, 1:] = problem.rehearsed.images[old], problem.rehearsed.labels[old]
    return mixed.reshape(-1, *images.shape[1:]), names.reshape(-1)


def _trained(
    job: AdaptJob, machine: Machine, problem: Problem, seed: int, show
) -> tuple[float, NetworkState]:
    """Return the error and the network before the change, which is trained once for all of them."""
    path = job.out / f"trained-{problem.old.digest[:12]}-seed{seed}.npz"
    trainer = Trainer(job.params, problem.old, machine, seed=seed)
    if path.exists():
        trainer.resume(path)

    def on_progress(progress):
        show(f"before it, epoch {progress.epoch}/{job.epochs}")

    trainer.run(job.epochs, on_progress, lambda log: trainer.save(path))
    return trainer.history[-1].test_error, machine.read_state()


def _digest(state: NetworkState) -> str:
    """Tell networks apart, bit by bit."""
    digest = hashlib.sha256()
    for array in (*state.weights, *state.latents):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _rows(job: AdaptJob, curves: dict, names: dict, kind: str, way: str) -> list[dict]:
    """Mean and spread over the seeds, of one change and one way."""
    found = [curves[names[seed, kind, way]] for seed in range(1, job.seeds + 1)]
    before = [curve["before"] for curve in found if curve["before"] is not None]
    rows = []
    for points in zip(*(curve["points"] for curve in found), strict=True):
        row = {"change": kind, "way": way, "samples": points[0]["samples"]}
        if before:
            row["before"] = round(statistics.mean(before), 4)
        for name in ("error", "old_error"):
            values = [point[name] for point in points]
            row[name] = round(statistics.mean(values), 4)
            row[f"{name}_spread"] = round(statistics.stdev(values), 4) if len(values) > 1 else 0.0
        rows.append(row)
    return rows
