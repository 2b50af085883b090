"""Trainings of software that no sweep knows: side by side, each kept on disk as it ends."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from distributed import as_completed

from popflip.golden.engine.threads import most_threads
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import MOST_TEXT, read_file, write_atomically
from popflip.scripts.console import Display
from popflip.scripts.verbs.explore.sweep.study import connect

__all__ = ["Training", "check_counts", "figures", "run_trainings"]


class Training(NamedTuple):
    """One training.

    Attributes
    ----------
    path : Path
        JSON file of its results.
    settings : dict
        Keyword arguments of the function that trains, of what JSON knows.
    """

    path: Path
    settings: dict


def check_counts(epochs: int, seeds: int, workers: int | None) -> None:
    """Raise ValueError if a number is out of its range."""
    for name, value in (("epochs", epochs), ("seeds", seeds)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    if workers is not None and not 1 <= workers <= most_threads():
        raise InputError(
            f"workers must be 1 to {most_threads()}, as many as there are threads, not {workers}"
        )


def run_trainings(
    train: Callable[..., dict], trainings: list[Training], workers: int | None = None
) -> list[dict]:
    """Run those that no file of results knows; return the results of all, in order.

    Parameters
    ----------
    train : callable
        Called on a worker with a training's settings; it returns what JSON knows.
    trainings : list of Training
    workers : int, optional
        Processes; as many as there are threads if left out.

    Raises
    ------
    ValueError
        If a file has results of other settings.
    """
    found = [_saved(training) for training in trainings]
    left = [number for number, result in enumerate(found) if result is None]
    done = len(trainings) - len(left)
    if left:
        workers = min(workers or most_threads(), len(left))
        with Display() as display, connect(workers) as client:
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


def _saved(training: Training) -> dict | None:
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
