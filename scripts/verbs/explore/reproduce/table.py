"""The results of the paper's systems, as a table."""

from pathlib import Path

from popflip.golden.paper.systems import ROWS
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import read_json
from popflip.golden.training.checkpoint import CheckpointError
from popflip.scripts.results import Entry, PaperRow, latest

__all__ = ["list_rows", "read_result", "results"]


def list_rows() -> list[dict]:
    """Every row: its name, what it is, and what the paper says of it."""
    return [
        {
            "row": row.name, "network": row.network, "method": row.method_name,
            "data": row.data, "epochs": row.epochs, "claim": row.claim,
            "parameters": row.describe(),
        }
        for row in ROWS.values()
    ]  # fmt: skip


def results(folder: Path) -> list[dict]:
    """Every row with its results, as ``--table --json`` prints it.

    What was recorded stands below what is in the folder, with its ``commit`` and ``date``. A row
    that was trained with several seeds, or not on all images, has an entry for each. The difference
    to its reference is taken after the last epoch that both have completed, with the same seed and
    images.

    Parameters
    ----------
    folder : Path
        With a folder of results for each training.
    """
    found: dict[str, list[dict]] = {name: [] for name in ROWS}
    for path in sorted(folder.glob("*/row.json")):
        what = read_result(path)
        log = path.parent / "log.json"
        history = read_result(log) if log.exists() else []
        if what.get("row") in found and history:
            found[what["row"]].append({**what, "history": history, "out": str(path.parent)})
    recorded = latest("paper")
    table = []
    for name, row in ROWS.items():
        base = {
            "row": name, "network": row.network, "method": row.method_name,
            "paper_epochs": row.epochs, "claim": row.claim, "reference": row.reference,
        }  # fmt: skip
        if not found[name] and name not in recorded:
            table.append({**base, "epochs": 0, "commit": None, "date": None})
        for run in found[name]:
            history = run["history"]
            partner = _partner(run, found.get(row.reference, []))
            table.append({
                **base,
                "epochs": len(history),
                "test_error": history[-1]["test_error"],
                "train_error": history[-1]["train_error"],
                "flips": history[-1]["flips"],
                **_difference(history, partner),
                "seconds": round(sum(log["seconds"] for log in history), 1),
                **{key: run[key] for key in ("data", "samples", "test_samples", "seed")},
                "command": run["command"],
                "out": run["out"],
                "commit": None,
                "date": None,
            })
        if name in recorded:
            table.append(base | _recorded(recorded[name]))
    return table


def _recorded(entry: Entry[PaperRow]) -> dict:
    values = entry.values
    return {
        **values.model_dump(include={"epochs", "test_error", "difference", "seconds", "data"}),
        "difference_epoch": None if values.difference is None else values.epochs,
        "seed": entry.seeds[0],
        "command": entry.command,
        "commit": entry.commit,
        "date": entry.date.isoformat(),
    }


def _partner(run: dict, candidates: list[dict]) -> list[dict]:
    """History of the reference that was trained like ``run``; empty if there is none."""
    keys = ("seed", "data", "samples", "test_samples")
    like = [c["history"] for c in candidates if all(c[key] == run[key] for key in keys)]
    return like[0] if like else []


def _difference(history: list[dict], reference: list[dict]) -> dict:
    epochs = min(len(history), len(reference))
    if not epochs:
        return {"difference": None, "difference_epoch": None}
    mine, theirs = history[epochs - 1]["test_error"], reference[epochs - 1]["test_error"]
    return {"difference": round(mine - theirs, 4), "difference_epoch": epochs}


def read_result(path: Path):
    """Read a file of the results.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """
    try:
        return read_json(path, "a result")
    except InputError:
        raise CheckpointError(f"{path} is damaged; remove its folder to go on without it") from None
