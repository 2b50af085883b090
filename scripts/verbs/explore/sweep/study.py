"""The trials of a sweep: what to try next, where, and its results.

Optuna chooses what to try next and remembers all that was tried; Dask runs the trials, on processes
of this computer or on a cluster, and outlives those of its workers that do not survive theirs. Each
trial trains on all but the last training images and is judged by those: the test set is not
touched, unless it is asked for, to report what was chosen.
"""

import csv
import io
import itertools
import json
import logging
import math
import os
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from distributed import Client, as_completed
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.engine.machine import FastMachine
from popflip.golden.engine.threads import most_threads
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import MOST_TEXT, file_errors, read_file, write_atomically
from popflip.golden.training.calibration import SAMPLES, calibrate
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display, say
from popflip.scripts.plots.style import save_figure
from popflip.scripts.plots.sweep import sweep_results
from popflip.scripts.session import results_folder
from popflip.scripts.verbs.explore.sweep import SweepReport
from popflip.scripts.verbs.explore.sweep.axis import Axis

__all__ = [
    "Sweep",
    "check_sweep",
    "connect",
    "default_epochs",
    "default_validation",
    "hold_back",
    "run_sweep",
]

#: Samples, those of all epochs, that a trial learns at least; within so many epochs.
_SEEN, _MOST_EPOCHS = 10_000, 60


class _Journal(JournalFileBackend):
    """Optuna's memory of a sweep: a file to which each step adds a line."""

    def __init__(self, path: Path):
        self._path = path
        if path.exists():
            # What a full disk or a sudden end left of a last line goes: Optuna would write the
            # next one right behind it, and never again read the file.
            whole = read_file(path, MOST_TEXT, "the journal of a sweep").rfind(b"\n") + 1
            with file_errors(path):
                os.truncate(path, whole)
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with file_errors(self._path):
            super().append_logs(logs)


@dataclass(frozen=True)
class Sweep:
    """What is to be tried.

    Parameters
    ----------
    params : Params
        What the axes do not name.
    axes : tuple of Axis
        None for one trial of the parameters as they are.
    source : str
        The data set's name or folder; workers load it themselves.
    out : Path
        Folder of the results, and of what a resumption needs.
    trials : int
        In all, with those before a resumption; of no use with ``grid``.
    epochs : int
        Of each training.
    seeds : int
        Trainings of each trial, with seeds 1, 2, ...; it is judged by their mean.
    validation : int
        Images at the end of the training set that judge instead of teaching. With 0 all teach, and
        the test set judges.
    samples : int, optional
        Training images per epoch; all but those if left out.
    grid : bool
        Try every combination of choices once, in order.
    seed : int
        Of the sampler.
    workers : int, optional
        Processes on this computer, at most as many as it has threads; so many if left out.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers are taken instead.
    calibrate : bool
        Choose each network's gains and threshold by what it receives from its training samples,
        with the first seed, before it is trained.
    """

    params: Params
    axes: tuple[Axis, ...]
    source: str
    out: Path
    trials: int = 20
    epochs: int = 1
    seeds: int = 1
    validation: int = 10000
    samples: int | None = None
    grid: bool = False
    seed: int = 1
    workers: int | None = None
    scheduler: str | None = None
    calibrate: bool = False

    @property
    def wanted(self) -> int:
        """Trials in all: of a grid, its points."""
        if self.grid or not self.axes:
            return math.prod(len(axis.choices) for axis in self.axes)
        return self.trials

    @property
    def judge(self) -> str:
        """What the errors are of."""
        if self.validation:
            return f"the last {self.validation:,} training images"
        return "the test set"


def train_once(tree: dict, source: str, sweep: dict, seed: int) -> dict:
    """Train one network; runs on a worker.

    Returns
    -------
    dict
        ``error`` and ``first_error``, in percent of the images that judge, after the last and
        after the first epoch, ``train_error`` of the last, and ``memory_bits`` of weights and
        latents.
    """
    params = Params.build(tree)
    dataset = loading.load(source, params=params)
    if sweep["validation"]:
        dataset = hold_back(dataset, sweep["validation"])
    if sweep["calibrate"]:
        images = dataset.train_images[:SAMPLES]
        x = input_of(params.network, images)
        params = calibrate(params, x, np.asarray(dataset.train_labels[: len(images)])).params
    # One thread: the trials themselves run side by side.
    machine = FastMachine(params, threads=1)
    trainer = Trainer(params, dataset, machine, seed=seed, samples=sweep["samples"])
    trainer.run(sweep["epochs"])
    first, last = trainer.history[0], trainer.history[-1]
    return {
        "error": last.test_error,
        "first_error": first.test_error,
        "train_error": last.train_error,
        "memory_bits": params.memory_bits,
    }


def hold_back(dataset: Dataset, images: int) -> Dataset:
    """Return a data set whose last training images judge, in place of its test set."""
    kept, labels = dataset.train_images, dataset.train_labels
    return replace(
        dataset,
        train_images=kept[:-images],
        train_labels=labels[:-images],
        test_images=kept[-images:],
        test_labels=labels[-images:],
    )


def run_sweep(sweep: Sweep) -> SweepReport:
    """Try what is left to try, and return the report that ``--json`` prints.

    Every trial that ends is on disk at once. Ctrl-C ends the sweep; the next call goes on.

    Raises
    ------
    ValueError
        If the sweep makes no sense, or the folder holds another one.
    """
    check_sweep(sweep)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with results_folder(sweep.out):
        study = _study(sweep)
        with Display() as display:
            try:
                _run(sweep, study, display)
            finally:
                report = _report(sweep, study)
    return report


def default_validation(dataset: Dataset) -> int:
    """Return how many training images judge if nobody says it: a sixth, from 1 to 10,000.

    One at least, since with none the test set would judge; unless there is but one to learn from.
    """
    samples = len(dataset.train_labels)
    return min(10_000, max(1, samples // 6), samples - 1)


def default_epochs(samples: int) -> int:
    """Return the epochs of a trial if nobody says it: one, or more if there are few samples.

    After a handful of samples no network has learned enough to be compared.

    Parameters
    ----------
    samples : int
        Training images per epoch.
    """
    return max(1, min(_MOST_EPOCHS, _SEEN // max(1, samples)))


def check_sweep(sweep: Sweep) -> None:
    """Raise ValueError if a sweep makes no sense, or its data do not fit."""
    for name in ("trials", "epochs", "seeds"):
        if getattr(sweep, name) < 1:
            raise InputError(f"{name} must be at least 1, not {getattr(sweep, name)}")
    if sweep.workers is not None and not 1 <= sweep.workers <= most_threads():
        raise InputError(
            f"workers must be 1 to {most_threads()}, as many as there are threads, "
            f"not {sweep.workers}"
        )
    names = [axis.name for axis in sweep.axes]
    if len({*names}) < len(names):
        raise InputError("vary must name each parameter once")
    if sweep.grid and not all(axis.choices for axis in sweep.axes):
        raise InputError("grid needs choices A,B,C of every parameter, not ranges")
    for axis in sweep.axes:
        axis.put(sweep.params.model_dump(mode="json"), 1)
    dataset = loading.load(sweep.source, params=sweep.params)
    check_data(sweep.params, dataset)
    most = len(dataset.train_labels) - 1
    if not 0 <= sweep.validation <= most:
        raise InputError(f"validation must be 0 to {most}, not {sweep.validation}")
    most += 1 - sweep.validation
    if sweep.samples is not None and not 1 <= sweep.samples <= most:
        raise InputError(f"samples must be 1 to {most}, not {sweep.samples}")


def _study(sweep: Sweep) -> optuna.Study:
    """Open what was tried so far; trials that nobody ended have failed."""
    described: dict[str, Any] = {
        "params": sweep.params.model_dump(mode="json"),
        "axes": [str(axis) for axis in sweep.axes],
        "source": sweep.source,
        "training": [sweep.epochs, sweep.seeds, sweep.validation, sweep.samples, sweep.grid],
    }
    if sweep.calibrate:  # of earlier sweeps nothing is said
        described["calibrate"] = True
    storage = JournalStorage(_Journal(sweep.out / "sweep.journal"))
    study = optuna.create_study(storage=storage, study_name="sweep", load_if_exists=True)
    # A resumed sampler would draw again what it drew first.
    drawn = len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(multivariate=True, seed=sweep.seed + drawn)
    before = study.user_attrs.get("sweep")
    if before is not None and before != described:
        parts = [part for part in before | described if before.get(part) != described.get(part)]
        raise InputError(
            f"{sweep.out} holds another sweep: its {', '.join(parts)} differ; name another folder"
        )
    study.set_user_attr("sweep", described)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    if sweep.grid or not sweep.axes:
        tried = study.get_trials(
            states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.WAITING)
        )
        known = [trial.params or trial.system_attrs.get("fixed_params") for trial in tried]
        names = [axis.name for axis in sweep.axes]
        for values in itertools.product(*(axis.choices for axis in sweep.axes)):
            texts = dict(zip(names, map(json.dumps, values), strict=True))
            if texts not in known:
                study.enqueue_trial(texts)
    return study


def connect(workers: int, scheduler: str | None = None) -> Client:
    """Start processes of one thread each, or take those of a Dask scheduler.

    Raises
    ------
    ValueError
        If the scheduler does not answer.
    """
    # Its own words about workers that die and come back are not for the user.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler is None:
        return Client(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            silence_logs=logging.CRITICAL,
            dashboard_address="127.0.0.1:0",
        )
    try:
        return Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler {scheduler!r} does not answer: {type(error).__name__}"
        ) from None


def _run(sweep: Sweep, study: optuna.Study, display: Display) -> None:
    settings = {
        "validation": sweep.validation, "samples": sweep.samples, "epochs": sweep.epochs,
        "calibrate": sweep.calibrate,
    }  # fmt: skip
    done = len(study.get_trials(states=(TrialState.COMPLETE,)))
    left = sweep.wanted - done
    if left <= 0:
        return
    # Compiled here, so that workers find it compiled.
    FastMachine(sweep.params, threads=1)
    workers = sweep.workers or most_threads()
    with connect(workers, sweep.scheduler) as client:
        running: dict = {}  # by future: its trial and what its seeds came to
        waiting = as_completed()

        def begin():
            """Submit one more trial; False if there are no more."""
            refused = ""
            for _ in range(1000):
                if (sweep.grid or not sweep.axes) and not study.get_trials(
                    states=(TrialState.WAITING,)
                ):
                    return False
                trial = study.ask()
                tree = sweep.params.model_dump(mode="json")
                try:
                    for axis in sweep.axes:
                        axis.put(tree, axis.suggest(trial))
                    Params.build(tree)
                except ParamsError as error:
                    refused = str(error)
                    trial.set_user_attr("refused", refused)
                    study.tell(trial, state=TrialState.PRUNED)
                    continue
                results: list[dict] = []
                for seed in range(1, sweep.seeds + 1):
                    future = client.submit(
                        train_once, tree, sweep.source, settings, seed, pure=False
                    )
                    running[future] = (trial, results)
                    waiting.add(future)
                return True
            raise InputError(f"vary must leave networks that can be: {refused}")

        slots = max(1, sum(client.nthreads().values()) if sweep.scheduler else workers)
        failed: set[int] = set()
        open_trials = 0
        while open_trials < min(slots, left) and begin():
            open_trials += 1
        display.show("sweep", done, sweep.wanted, _best(study))
        while open_trials:
            while not waiting.has_ready():
                interrupts.check()
                time.sleep(0.02)
            future = next(waiting)
            trial, results = running.pop(future)
            try:
                results.append(future.result())
            except Exception as error:  # of the worker's death, or of its memory, or of ours
                if trial.number not in failed:
                    failed.add(trial.number)
                    trial.set_user_attr("failed", f"{type(error).__name__}: {error}"[:300])
                    study.tell(trial, state=TrialState.FAIL)
                    say(f"trial {trial.number} failed: {type(error).__name__}")
                results.append({})
            if len(results) < sweep.seeds:
                continue
            open_trials -= 1
            left -= 1
            if trial.number not in failed:
                _tell(study, trial, results)
                done += 1
            display.show("sweep", done, sweep.wanted, _best(study))
            if left > open_trials and begin():
                open_trials += 1


def _tell(study: optuna.Study, trial: optuna.Trial, results: list[dict]) -> None:
    """Record a trial."""
    for name in results[0]:
        trial.set_user_attr(name, [result[name] for result in results])
    study.tell(trial, statistics.mean(result["error"] for result in results))


def _spread(errors: list[float]) -> float:
    """Standard deviation of the seeds' errors; 0 of a single one."""
    return round(statistics.stdev(errors), 4) if len(errors) > 1 else 0.0


def _best(study: optuna.Study) -> str:
    ended = study.get_trials(states=(TrialState.COMPLETE,), deepcopy=False)
    return f"best {min(t.value or 0.0 for t in ended):.2f} %" if ended else ""


def _report(sweep: Sweep, study: optuna.Study) -> SweepReport:
    """Write the table and the picture, and return the report."""
    rows = []
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        found = trial.user_attrs
        rows.append({
            "trial": trial.number,
            "error": round(statistics.mean(found["error"]), 4),
            "spread": _spread(found["error"]),
            "first_epoch_error": round(statistics.mean(found["first_error"]), 4),
            "first_epoch_spread": _spread(found["first_error"]),
            "train_error": round(statistics.mean(found["train_error"]), 4),
            # Of trials from before this was written down there is none.
            "memory_bits": found.get("memory_bits", [None])[0],
            **{
                a.name: json.loads(trial.params[a.name]) if a.choices else trial.params[a.name]
                for a in sweep.axes
            },
        })
    rows.sort(key=lambda row: (row["error"], row["trial"]))
    files = {}
    if rows:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(sweep.out / "sweep.csv", text.getvalue().encode())
        files["table"] = str(sweep.out / "sweep.csv")
    varied = [axis.name for axis in sweep.axes if len(axis.choices) != 1]
    if rows and varied:
        figure = sweep_results(rows, varied, sweep.judge)
        save_figure(figure, sweep.out / "sweep.png")
        files["picture"] = str(sweep.out / "sweep.png")
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    report: SweepReport = {
        "verb": "sweep",
        "preset": sweep.params.name,
        "data": sweep.source,
        "epochs": sweep.epochs,
        "seeds": sweep.seeds,
        "judge": sweep.judge,
        "validation": sweep.validation,
        "samples": sweep.samples,
        "varied": [str(axis) for axis in sweep.axes],
        "parameters": sweep.params.model_dump(mode="json"),
        "complete": states.count(TrialState.COMPLETE),
        "failed": states.count(TrialState.FAIL),
        "refused": states.count(TrialState.PRUNED),
        "best": rows[0] if rows else None,
        "rows": rows,
        "files": files,
        "out": str(sweep.out),
    }
    write_atomically(sweep.out / "report.json", json.dumps(report, indent=1).encode())
    return report
