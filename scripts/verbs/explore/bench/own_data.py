"""Networks that ``popflip new`` finds, beside what scikit-learn learns of the same samples."""

import os
import statistics
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popflip.boards.registry import find_board
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.loading import load, read_raw
from popflip.golden.datasets.preparation import taken
from popflip.golden.datasets.reading.raw import RawSamples
from popflip.golden.datasets.splits import draw_split
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display
from popflip.scripts.results import latest
from popflip.scripts.session import named_network
from popflip.scripts.tables import new_table, put
from popflip.scripts.verb import fail_unless_verified
from popflip.scripts.verbs.explore.new import NewReport
from popflip.scripts.verbs.explore.new.search import Wish, find_network
from popflip.scripts.verbs.train.verify import VerificationReport, verify_board

__all__ = ["SAMPLES", "TASKS", "Task", "bench_own_data", "show_own_data"]


@dataclass(frozen=True)
class Task:
    """A data set, and what its network may take.

    Attributes
    ----------
    memory : int, optional
        Bits of weights and latents.
    board : str, optional
        What it has to fit instead.
    minutes : float
        Time of a search, at most; it ends by itself before, but on a busy computer.
    searches : int
        Seeds that a network is searched from; the others train the first one.
    iterations : (int, int)
        Most iterations of scikit-learn's logistic regression, and of its perceptron.
    """

    memory: int | None = None
    board: str | None = None
    minutes: float = 60.0
    searches: int = 5
    iterations: tuple[int, int] = (5000, 1000)


#: Data sets that are compared, by name. Small ones take minutes.
TASKS = {
    "digits": Task(memory=2_500_000),
    "breast-cancer": Task(memory=600_000),
    "basic-motions": Task(memory=10_000_000),
}

#: Large ones, which are compared if they are named.
LARGE = {
    "fashion-mnist": Task(board="ulx3s-85f", searches=1, iterations=(100, 20)),
    "mnist": Task(board="icebreaker", searches=1, iterations=(100, 20)),
}

#: Each is split (where the data set gives no test part) and trained so often.
SEEDS = (1, 2, 3, 4, 5)

#: Training samples that the virtual board learns too, if nobody says how many.
SAMPLES = 256

#: Last epochs whose mean error counts.
_LAST = 3


def bench_own_data(only: str | None, folder: Path, samples: int = SAMPLES) -> list[dict]:
    """Find a network for each data set and seed, train it, and compare.

    The seed decides the split (where the data set gives none), the search and the training. The
    test part is touched when the network has been found.

    Parameters
    ----------
    only : str, optional
        One of :data:`TASKS` or :data:`LARGE`; all of :data:`TASKS` if left out.
    folder : Path
        Where the networks are written.
    samples : int
        Training samples, at most, that the virtual board and the golden model learn with the first
        network of each data set, to compare every bit; 0 for none.

    Returns
    -------
    list of dict
        A row for each data set: ``data``, ``error`` and ``spread`` of the networks found,
        ``logistic`` and ``mlp`` (mean errors of scikit-learn's logistic regression and of its
        perceptron with 100 hidden neurons), ``search_seconds`` and ``search_processor_seconds`` (of
        a search: by the clock, and of all processors together), ``by_hand`` (:func:`by_hand`),
        ``bits_equal`` (bits of the virtual board that were compared, and found equal), ``errors``,
        and of the networks the mean ``synapses``.

    Raises
    ------
    InputError
        If there is no such data set.
    typer.Exit
        With status 1, if a bit of the virtual board differs.
    """
    known = TASKS | LARGE
    if only is not None and only not in known:
        raise InputError(f"data must be one of {', '.join(known)}, not {only!r}")
    names = TASKS if only is None else (only,)
    return [_row(name, known[name], folder, samples) for name in names]


def _row(name: str, task: Task, folder: Path, samples: int) -> dict:
    found, seconds, processor = [], [], []
    networks: list[tuple[Params, NewReport]] = []
    others: list[dict[str, float]] = []
    for number, seed in enumerate(SEEDS):
        if number < task.searches:
            began, worked = time.monotonic(), _processor_seconds()
            networks.append(_searched(name, task, seed, folder))
            seconds.append(time.monotonic() - began)
            processor.append(_processor_seconds() - worked)
            others.append(_others(name, seed, networks[-1][0], task.iterations))
        params, report = networks[-1]
        error = _error(params, load(name, params=params), report["epochs"], name, seed)
        found.append((round(error, 3), report["best"]))
    checked = _on_the_virtual_board(networks[0][0], name, samples)
    errors = [error for error, _ in found]
    report = networks[0][1]
    return {
        "data": name,
        "budget": report["budget"],
        "seeds": len(SEEDS),
        "searches": min(task.searches, len(SEEDS)),
        "search_seconds": round(statistics.mean(seconds), 1),
        "search_processor_seconds": round(statistics.mean(processor), 1),
        "error": round(statistics.mean(errors), 2),
        "spread": round(statistics.stdev(errors), 2),
        "logistic": round(statistics.mean(each["logistic"] for each in others), 2),
        "mlp": round(statistics.mean(each["mlp"] for each in others), 2),
        "by_hand": by_hand(name, task),
        "synapses": round(statistics.mean(best["synapses"] for _, best in found)),
        "epochs": report["epochs"],
        "samples": checked["samples"] if checked else 0,
        "bits_equal": checked["compared_bits"] if checked else None,
        "errors": errors,
        "networks": [best["what"] for _, best in found],
    }


def by_hand(name: str, task: Task) -> float | None:
    """Return the least error on record of a preset; None if there is none for the data set.

    Of the board's preset, if that has learned the data set, else of any.
    """
    found = [e.values for e in latest("accuracy").values() if e.values.data == name]
    if task.board:
        preset = find_board(task.board).preset
        found = [each for each in found if each.network == preset] or found
    return min((each.error for each in found), default=None)


def _searched(name: str, task: Task, seed: int, folder: Path) -> tuple[Params, NewReport]:
    reading = named_network(None, None).replace(data={"seed": seed})
    wish = Wish(name, reading, task.board, task.memory, seed, task.minutes, f"{name}-{seed}")
    text, report = find_network(wish)
    path = folder / f"new-{name}-{seed}.toml"
    write_atomically(path, text.encode())
    return Params.load(path), report


def _processor_seconds() -> float:
    """Time that processors have worked for this process and those that it has started."""
    return sum(os.times()[:4])


def _error(params: Params, dataset: Dataset, epochs: int, name: str, seed: int) -> float:
    """Test error after a training, the mean of its last epochs."""
    trainer = Trainer(params, dataset, FastMachine(params), seed=seed)
    with Display() as display:
        trainer.run(epochs, lambda now: display.show(f"{name}, seed {seed}", now.epoch, now.epochs))
    return statistics.mean(log.test_error for log in trainer.history[-_LAST:])


def _on_the_virtual_board(params: Params, name: str, samples: int) -> VerificationReport | None:
    """Have the virtual board learn some samples, and compare; None if it is to learn none."""
    if not samples:
        return None
    dataset = load(name, params=params)
    report = verify_board(
        params, dataset, name, samples=min(samples, len(dataset.train_labels)), seed=SEEDS[0]
    )
    fail_unless_verified(report)
    return report


def _others(name: str, seed: int, params: Params, iterations: tuple[int, int]) -> dict[str, float]:
    """Errors of scikit-learn's models, on the values as they are."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    raw, _ = read_raw(name, params=params)
    train, test = raw.train, raw.test
    if test is None:
        which = draw_split(np.asarray(train.labels), params.data.test_percent, params.data.seed)
        train, test = (taken(raw.train, part) for part in which)
    models = {
        "logistic": LogisticRegression(max_iter=iterations[0]),
        "mlp": MLPClassifier((100,), max_iter=iterations[1], random_state=seed),
    }
    found = {}
    for key, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what has not converged
            made = make_pipeline(StandardScaler(), model).fit(_values(train), train.labels)
        found[key] = 100 * (1 - float(made.score(_values(test), test.labels)))
    return found


def _values(samples: RawSamples) -> np.ndarray:
    values = samples.values
    table = np.stack(list(values.values()), 1) if isinstance(values, dict) else np.asarray(values)
    return table.reshape(len(table), -1)


def show_own_data(rows: list[dict]) -> None:
    """Print the comparison."""
    table = new_table("Test error in percent, mean of the seeds")
    table.add_column("data", no_wrap=True)
    for name in (
        "popflip new", "spread", "logistic regression", "MLP of 100", "preset by hand", "synapses",
        "bits equal",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for row in rows:
        hand, bits = row["by_hand"], row["bits_equal"]
        table.add_row(
            row["data"], f"{row['error']:.2f}", f"{row['spread']:.2f}", f"{row['logistic']:.2f}",
            f"{row['mlp']:.2f}", "" if hand is None else f"{hand:.2f}", f"{row['synapses']:,}",
            "" if bits is None else f"{bits:,}",
        )  # fmt: skip
    put(table)
