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
from popflip.golden.support.files import MOST_TEXT, prepare_folder, read_file, write_atomically
from popflip.scripts.console import Display
from popflip.scripts.verbs.explore.sweep.study import connect, default_validation

__all__ = ["Study", "figures"]


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

    def prepare(self, base: Params) -> tuple[int, int]:
        """See that the data fit, and make the folders.

        Returns
        -------
        taught, judging : int
            Training images that teach, and those after them, which judge.
        """
        data = loading.load(self.source, params=base)
        check_data(base, data)
        judging = default_validation(data)
        for folder in (self.work, self.page.parent):
            prepare_folder(folder)
        return len(data.train_labels) - judging, judging

    def run(self, train: Callable[..., dict], networks: dict[str, dict]) -> list[list[dict]]:
        """Train every network from each seed, but for those that were trained before.

        Parameters
        ----------
        train : callable
            Called on a worker with ``source``, ``epochs``, ``seed`` and a network's settings; it
            returns what JSON knows.
        networks : dict of dict
            Settings of what JSON knows, by names.

        Returns
        -------
        list of list of dict
            What came of each network, seed by seed.

        Raises
        ------
        ValueError
            If a file has results of other settings.
        """
        trainings = [
            _Training(
                self.work / f"{name}-seed{seed}.json",
                {"source": self.source, "epochs": self.epochs, "seed": seed, **settings},
            )
            for name, settings in networks.items()
            for seed in range(1, self.seeds + 1)
        ]
        found = _run_all(train, trainings, self.workers or most_threads())
        starts = range(0, len(found), self.seeds)
        return [found[start : start + self.seeds] for start in starts]


class _Training(NamedTuple):
    """One training: the JSON file of its results, and what it is called with."""

    path: Path
    settings: dict


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
                path, settings = trainings[number]
                found[number] = result = future.result()
                saved = {"settings": settings, **result}
                write_atomically(path, json.dumps(saved, indent=1).encode())
                done += 1
                display.show("trainings", done, len(trainings), path.stem)
    return [result for result in found if result is not None]


def _saved(training: _Training) -> dict | None:
    """Return the results that a file has of a training; None if there is none."""
    path, settings = training
    if not path.exists():
        return None
    try:
        saved = json.loads(read_file(path, MOST_TEXT, "results of a training"))
        known = saved.pop("settings")
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} has no results of a training; remove it, or name another folder"
        ) from None
    if known != json.loads(json.dumps(settings)):
        raise InputError(f"{path} is of other settings; name another folder")
    return saved


def figures(results: list[dict]) -> dict:
    """Mean and spread of the seeds' errors, and the mean of their training errors."""
    errors = [result["error"] for result in results]
    return {
        "error": round(statistics.mean(errors), 4),
        "spread": round(statistics.stdev(errors), 4) if len(errors) > 1 else 0.0,
        "train_error": round(statistics.mean(result["train_error"] for result in results), 4),
    }
