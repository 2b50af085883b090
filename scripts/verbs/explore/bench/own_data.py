"""Networks that ``popflip new`` finds, beside what scikit-learn learns of the same samples."""

import statistics
import warnings
from pathlib import Path

import numpy as np

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
from popflip.scripts.session import named_network
from popflip.scripts.tables import new_table, put
from popflip.scripts.verbs.explore.new.search import Wish, find_network

__all__ = ["DATA", "bench_own_data", "show_own_data"]

#: Data sets, each with the bits of weights and latents that its network may take.
DATA = {"digits": 2_500_000, "breast-cancer": 600_000, "basic-motions": 10_000_000}

#: Each is split, searched and trained so often.
SEEDS = (1, 2, 3, 4, 5)

#: Time of each search.
MINUTES = 3.0

#: Last epochs whose mean error counts.
_LAST = 3


def bench_own_data(only: str | None, folder: Path) -> list[dict]:
    """Find a network for each data set and seed, train it, and compare.

    The seed decides the split (where the data set gives none), the search and the training. The
    test part is touched when the network has been found.

    Parameters
    ----------
    only : str, optional
        One of :data:`DATA`; all if left out.
    folder : Path
        Where the networks are written.

    Returns
    -------
    list of dict
        A row for each data set: ``data``, ``error`` and ``spread`` of the networks found,
        ``logistic`` and ``mlp`` (mean errors of scikit-learn's logistic regression and of its
        perceptron with 100 hidden neurons), ``errors``, and of the networks the mean ``synapses``.
    """
    if only is not None and only not in DATA:
        raise InputError(f"data must be one of {', '.join(DATA)}, not {only!r}")
    rows = []
    for name in DATA if only is None else (only,):
        found = []
        for seed in SEEDS:
            found.append(_once(name, seed, folder))
        errors = [each["error"] for each in found]
        rows.append({
            "data": name,
            "minutes": MINUTES,
            "seeds": len(SEEDS),
            "error": round(statistics.mean(errors), 2),
            "spread": round(statistics.stdev(errors), 2),
            "logistic": round(statistics.mean(each["logistic"] for each in found), 2),
            "mlp": round(statistics.mean(each["mlp"] for each in found), 2),
            "synapses": round(statistics.mean(each["synapses"] for each in found)),
            "errors": errors,
            "networks": [each["what"] for each in found],
        })
    return rows


def _once(name: str, seed: int, folder: Path) -> dict:
    reading = named_network(None, None).replace(data={"seed": seed})
    wish = Wish(name, reading, None, DATA[name], seed, MINUTES, f"{name}-{seed}")
    text, report = find_network(wish)
    path = folder / f"new-{name}-{seed}.toml"
    write_atomically(path, text.encode())
    params = Params.load(path)
    trainer = Trainer(params, load(name, params=params), FastMachine(params), seed=seed)
    with Display() as display:
        trainer.run(
            report["epochs"],
            lambda now: display.show(f"{name}, seed {seed}", now.epoch, now.epochs),
        )
    error = statistics.mean(log.test_error for log in trainer.history[-_LAST:])
    best = report["best"]
    others = _others(name, seed, params)
    return {"error": round(error, 3), "synapses": best["synapses"], "what": best["what"], **others}


def _others(name: str, seed: int, params: Params) -> dict[str, float]:
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
        "logistic": LogisticRegression(max_iter=5000),
        "mlp": MLPClassifier((100,), max_iter=1000, random_state=seed),
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
    for name in ("popflip new", "spread", "logistic regression", "MLP of 100", "synapses"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["data"], f"{row['error']:.2f}", f"{row['spread']:.2f}", f"{row['logistic']:.2f}",
            f"{row['mlp']:.2f}", f"{row['synapses']:,}",
        )  # fmt: skip
    put(table)
