"""Trainings of software that no sweep knows: side by side, each kept on disk as it ends."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from distributed import as_completed

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import check_data
from popflip.golden.description.params import Params
from popflip.golden.engine.threads import most_threads
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import (
    prepare_file,
    prepare_folder,
    read_json,
    write_atomically,
)
from popflip.scripts.console import Display
from popflip.scripts.verbs.explore.sweep.study import connect, default_validation

__all__ = ["Split", "Study", "figures"]


@dataclass(frozen=True)
class Study:
    """What all trainings of a page have in common.

    Parameters
    ----------
    source : str
        The data set's name or folder.
    work : Path
        Folder of the results, which a later call goes on with.
    page : Path
        Markdown.
    epochs, seeds : int
        Of each network.
    workers : int, optional
        Processes; as many as there are threads if left out.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    source: str
    work: Path
    page: Path
    epochs: int
    seeds: int
    workers: int | None = None

    def __post_init__(self):
        for name in ("epochs", "seeds"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        most = most_threads()
        if self.workers is not None and not 1 <= self.workers <= most:
            raise InputError(
                f"workers must be 1 to {most}, as many as there are threads, not {self.workers}"
            )

    def prepare(self, base: Params) -> "Split":
        """See that the data fit and that there is room for what comes of them."""
        data = loading.load(self.source, params=base)
        check_data(base, data)
        judging = default_validation(data)
        prepare_file(self.page, "page")
        prepare_folder(self.work)
        return Split(len(data.train_labels) - judging, judging, data.digest)

    def run(
        self, train: Callable[..., dict], networks: dict[str, dict], split: "Split"
    ) -> list[list[dict]]:
        """Train every network from each seed, but for those that were trained before.

        Parameters
        ----------
        train : callable
            Called on a worker with ``source``, ``validation``, ``epochs``, ``seed`` and a network's
            settings; it returns ``error``, ``train_error`` and more that JSON knows.
        networks : dict of dict
            Settings of what JSON knows, by names.
        split : Split

        Returns
        -------
        list of list of dict
            What came of each network, seed by seed.

        Raises
        ------
        ValueError
            If a file has results of other settings, or of other data.
        """
        same = {"source": self.source, "validation": split.judging, "epochs": self.epochs}
        trainings = [
            _Training(
                self.work / f"{name}-seed{seed}.json",
                {**same, "seed": seed, **settings},
                split.digest,
            )
            for name, settings in networks.items()
            for seed in range(1, self.seeds + 1)
        ]
        found = _run_all(train, trainings, self.workers or most_threads())
        starts = range(0, len(found), self.seeds)
        return [found[start : start + self.seeds] for start in starts]


class Split(NamedTuple):
    """Training images that teach, and those after them, which judge; and which data these are."""

    taught: int
    judging: int
    digest: str


class _Training(NamedTuple):
    """One training: the JSON file of its results, what it is called with, and on which data."""

    path: Path
    settings: dict
    digest: str

    @property
    def described(self) -> dict:
        """What its file says of it."""
        return json.loads(json.dumps({"settings": self.settings, "data": self.digest}))


def _run_all(train, trainings: list[_Training], workers: int) -> list[dict]:
    found = [_saved(training) for training in trainings]
    left = [number for number, result in enumerate(found) if result is None]
    done = len(trainings) - len(left)
    if left:
        with Display() as display, connect(min(workers, len(left))) as client:
            futures = {
                client.submit(train, **trainings[number].settings, pure=False): number
                for number in left
            }
            waiting = as_completed(futures)
            display.show("trainings", done, len(trainings), "")
            for _ in left:
                while not waiting.has_ready():
                    interrupts.check()
                    time.sleep(0.02)
                future = next(waiting)
                number = futures[future]
                training = trainings[number]
                found[number] = result = future.result()
                saved = {**training.described, **result}
                write_atomically(training.path, json.dumps(saved, indent=1).encode())
                done += 1
                display.show("trainings", done, len(trainings), training.path.stem)
    return [result for result in found if result is not None]


def _saved(training: _Training) -> dict | None:
    """Return the results that a file has of a training; None if there is none."""
    path = training.path
    if not path.exists():
        return None
    saved = read_json(path, "results of a training")
    numbers = isinstance(saved, dict) and all(
        isinstance(saved.get(name), int | float) for name in ("error", "train_error")
    )
    if not numbers:
        raise InputError(f"{path} has no results of a training; remove it, or name another folder")
    for name, wanted in training.described.items():
        if saved.pop(name, None) != wanted:
            raise InputError(f"{path} is of other {name}; name another folder")
    return saved


def figures(results: list[dict]) -> dict:
    """Mean and spread of the seeds' errors, and the mean of their training errors."""
    errors = [result["error"] for result in results]
    return {
        "error": round(statistics.mean(errors), 4),
        "spread": round(statistics.stdev(errors), 4) if len(errors) > 1 else 0.0,
        "train_error": round(statistics.mean(result["train_error"] for result in results), 4),
    }
