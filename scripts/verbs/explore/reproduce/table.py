"""The results of the paper's systems, as a table: each row over its seeds, beside its reference."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from popflip.golden.paper.systems import ROWS, Row
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import read_json
from popflip.golden.training.checkpoint import CheckpointError
from popflip.scripts.results import Entry, PaperRow, read

__all__ = ["list_rows", "read_result", "recorded_results", "results"]


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One training of a row from one seed.

    Attributes
    ----------
    errors : tuple of (float or None)
        Test error after each epoch; None where only the last one was recorded.
    told : float or None
        Difference to the reference, as it was recorded of a run without such errors.
    samples, test_samples : int or None
        None of a recorded run, which had all images.
    commit, date : str or None
        Of a recorded run.
    """

    row: str
    seed: int
    data: str
    errors: tuple[float | None, ...]
    seconds: float
    command: str
    train_error: float | None = None
    flips: list[int] | None = None
    told: float | None = None
    samples: int | None = None
    test_samples: int | None = None
    out: str | None = None
    commit: str | None = None
    date: str | None = None

    @property
    def images(self) -> tuple:
        """What runs must have in common to be compared, besides the seed."""
        return self.data, self.samples, self.test_samples, self.commit is None

    @property
    def group(self) -> tuple:
        """What runs must have in common to be one line of the table."""
        return (*self.images, len(self.errors) if None in self.errors else None)


def list_rows() -> list[dict]:
    """Every row: its name, what it is, and what the paper says of it."""
    return [
        {
            "row": row.name, "network": row.network, "method": row.method_name,
            "data": row.data, "epochs": row.epochs, "claim": row.claim, "size": row.size,
            "changed": row.changed, "parameters": row.describe(),
        }
        for row in ROWS.values()
    ]  # fmt: skip


def results(folder: Path) -> list[dict]:
    """Every row with its results, as ``--table --json`` prints it.

    What was recorded stands below what is in the folder, with its ``commit`` and ``date``. Errors
    are means over the seeds, after the last epoch that all of them have completed, with the
    standard deviation as spread. The difference to the reference is taken seed by seed,
    after the last epoch that all of these and their references have completed. A row that was
    trained on several choices of images has an entry for each. One without any results has an entry
    with 0 epochs, and so has one with results that stand no longer; ``void`` says why.

    Parameters
    ----------
    folder : Path
        With a folder of results for each training.
    """
    recorded, void = _recorded()
    trained, old = _trained(folder)
    found = [*trained, *recorded]
    table = []
    for row in ROWS.values():
        entries = list(_entries(row, found))
        if row.name in old or not entries:
            gone = old.get(row.name) or void.get(row.name)
            entries.append({"epochs": 0, "commit": None, "date": None, "void": gone})
        table += [_base(row) | entry for entry in entries]
    return table


def recorded_results() -> list[dict]:
    """Entries of :func:`results` of what was recorded alone, void rows included."""
    recorded, void = _recorded()
    table = []
    for row in ROWS.values():
        entries = list(_entries(row, recorded))
        if not entries and row.name in void:
            entries = [{"epochs": 0, "void": void[row.name]}]
        table += [_base(row) | entry for entry in entries]
    return table


def _base(row: Row) -> dict:
    return {
        "row": row.name, "network": row.network, "method": row.method_name, "size": row.size,
        "changed": row.changed, "paper_epochs": row.epochs, "claim": row.claim,
        "reference": row.reference,
    }  # fmt: skip


def _trained(folder: Path) -> tuple[list[_Run], dict[str, str]]:
    """Runs whose results are in a folder, and of rows why others' do not count."""
    runs, void = [], {}
    for path in sorted(folder.glob("*/row.json")):
        what = read_result(path)
        log = path.parent / "log.json"
        row = ROWS.get(str(what.get("row")))
        history = read_result(log, list) if log.exists() else []
        if row is None or not history:
            continue
        if fault := row.fault(what):
            void[row.name] = f"{path.parent} {fault}"
            continue
        try:
            runs.append(_run(path.parent, what, history))
        except (KeyError, TypeError):
            raise _damaged(path) from None
    return runs, void


def _run(folder: Path, what: dict, history: list[dict]) -> _Run:
    return _Run(
        errors=tuple(log["test_error"] for log in history),
        train_error=history[-1]["train_error"], flips=history[-1]["flips"],
        seconds=sum(log["seconds"] for log in history), out=str(folder),
        **{
            key: what[key] for key in ("row", "seed", "data", "samples", "test_samples", "command")
        },
    )  # fmt: skip


def _recorded() -> tuple[list[_Run], dict[str, str]]:
    """Recorded runs that stand, and of rows with others why they do not.

    A run takes the place of an earlier one from the same seed only if it has as many epochs.
    """
    runs, void = [], {}
    last: dict[tuple, Entry[PaperRow]] = {
        (entry.name, entry.values.epochs): entry for entry in read("paper")
    }
    for entry in last.values():
        values = entry.values
        if entry.void:
            void[values.row] = entry.void
            continue
        runs.append(
            _Run(
                row=values.row, seed=entry.seeds[0], data=values.data,
                errors=values.errors or (*[None] * (values.epochs - 1), values.test_error),
                told=values.difference, seconds=values.seconds, command=entry.command,
                commit=entry.commit, date=entry.date.isoformat(),
            )
        )  # fmt: skip
    return runs, void


def _entries(row: Row, found: list[_Run]) -> Iterable[dict]:
    """Lines of a row: one for each group of its runs."""
    mine = [run for run in found if run.row == row.name]
    for group in dict.fromkeys(run.group for run in mine):
        runs = sorted((run for run in mine if run.group == group), key=lambda run: run.seed)
        epochs = min(len(run.errors) for run in runs)
        error, spread = _mean([run.errors[epochs - 1] for run in runs])
        first = runs[0]
        yield {
            "epochs": epochs,
            "seeds": [run.seed for run in runs],
            "test_error": error,
            "spread": spread,
            "train_error": first.train_error,
            "flips": first.flips,
            **_difference(runs, [run for run in found if run.row == row.reference]),
            "seconds": round(statistics.mean(run.seconds for run in runs), 1),
            **{
                key: getattr(first, key)
                for key in (
                    "data", "samples", "test_samples", "command", "out", "commit", "date",
                )
            },
            "void": None,
        }  # fmt: skip


def _difference(runs: list[_Run], references: list[_Run]) -> dict:
    """How much greater the error is than that of the reference with the same seed and images."""
    partners = {(run.seed, run.images): run for run in references}
    pairs = [
        (run, partners[run.seed, run.images]) for run in runs if (run.seed, run.images) in partners
    ]
    nothing = {"difference": None, "difference_spread": None, "difference_epoch": None}
    if not pairs:
        return nothing
    epoch = min(len(run.errors) for pair in pairs for run in pair)
    differences = []
    for mine, theirs in pairs:
        a, b = mine.errors[epoch - 1], theirs.errors[epoch - 1]
        if a is not None and b is not None:
            differences.append(a - b)
        elif mine.told is not None:
            differences.append(mine.told)
    if not differences:
        return nothing
    difference, spread = _mean(differences)
    return {
        "difference": difference, "difference_spread": spread, "difference_epoch": epoch,
    }  # fmt: skip


def _mean(values: list) -> tuple[float, float | None]:
    """Mean and standard deviation; None of a single value."""
    spread = round(statistics.stdev(values), 4) if len(values) > 1 else None
    return round(statistics.mean(values), 4), spread


def read_result(path: Path, kind: type = dict):
    """Read a file of the results, which must hold a value of such a kind.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    try:
        found = read_json(path, "a result")
    except InputError:
        raise _damaged(path) from None
    if not isinstance(found, kind):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is damaged; remove its folder to go on without it")
