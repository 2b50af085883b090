"""``popflip boards``: what each board carries, from one's own builds and recorded ones."""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.boards.board import Board
from popflip.boards.build.step import BuildError
from popflip.boards.registry import BOARDS
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.named.registry import DEFAULT
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import read_json, write_atomically
from popflip.scripts.console import say
from popflip.scripts.options import Data, Json, Tools
from popflip.scripts.results import PUBLISHED, Accuracy, BoardBuild, Entry, latest
from popflip.scripts.session import choose_data
from popflip.scripts.tables import new_table, put
from popflip.scripts.verb import Verb, print_json
from popflip.scripts.verbs.hardware.build import any_cached_report, build_board, cached_report

__all__ = ["VERB", "BoardRow", "board_rows", "table_markdown"]


def boards(
    build: Annotated[bool, typer.Option("--build", help="Build what is missing.")] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Placements of each build, as for popflip build.", min=1)
    ] = None,
    tools: Tools = None,
    runs: Annotated[
        Path, typer.Option(help="Folder of sweeps, for the test errors.", metavar="DIR")
    ] = Path("runs"),
    page: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown.", metavar="MD")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the boards with what they carry: your builds, and the recorded ones beside them.

    Recorded rows name their commit. Your own errors are those that popflip sweep --validation 0 has
    left in runs/. --json prints a list.
    """
    dataset = choose_data(data)[0] if build else None
    rows = board_rows(runs, build_with=dataset, seeds=seeds, tools=tools)
    if page is not None:
        write_atomically(page, table_markdown(rows).encode())
    print_json(rows) if as_json else show(rows)


VERB = Verb(
    boards,
    examples=(
        "popflip boards",
        "popflip boards --build --seeds 4",
        "popflip boards --json",
    ),
)


class BoardRow(TypedDict):
    """One row of the list that ``--json`` prints; figures that nobody has measured are None.

    ``state`` is ``built``, ``recorded`` or why there is nothing; a recorded row has its ``commit``
    and ``date``.
    """

    board: str
    device: str
    net: str
    sizes: list[int]
    synapses: int
    latent_bits: int
    state: str
    lut: int | None
    luts: int
    bram: int | None
    brams: int
    spram: int | None
    fmax_mhz: float | None
    clock_mhz: float | None
    cycles_per_sample: float | None
    samples_per_s: float | None
    inferences_per_s: float | None
    test_error: float | None
    test_error_spread: float | None
    test_error_seeds: int | None
    commit: str | None
    date: str | None


def board_rows(
    runs: Path,
    *,
    build_with: Dataset | None = None,
    seeds: int | None = None,
    tools: str | None = None,
) -> list[BoardRow]:
    """Collect the rows of each board: one's own build, and the recorded ones.

    Parameters
    ----------
    runs : Path
        Folder of sweeps, which tell the errors of networks.
    build_with : Dataset, optional
        Build what is missing, and count cycles on its images.
    seeds, tools
        Of such builds, as for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    list of dict
        Figures that nobody has measured are None; ``state`` says why.
    """
    errors = _errors(runs)
    builds, accuracy = latest("boards"), latest("accuracy").values()
    rows = []
    for board in BOARDS.values():
        params = Params.load(board.preset)
        report, state = _report(board, params, build_with, seeds, tools)
        recorded = builds.get(board.name)
        if report or not recorded:
            rows.append(_row(board, params, report, state, errors))
        others = [build for name, build in builds.items() if name.startswith(f"{board.name} ")]
        rows += [
            _recorded_row(board, build, accuracy)
            for build in (*([recorded] if recorded else []), *others)
        ]
    return rows


def _report(board, params, build_with, seeds, tools) -> tuple[dict | None, str]:
    if not board.device.family.makes_bitstreams:
        return None, "a project for its maker's tools"
    # Which design a report is of takes a while to find out: not if there is none of the board.
    path = cached_report(board, board.params(params)) if any_cached_report(board) else None
    if path is not None and path.is_file():
        try:
            return read_json(path, "the report of a build"), "built"
        except InputError:
            pass  # Damaged: as if it were not there.
    if build_with is None:
        return None, "not built"
    say(f"building {params.name} for {board.title}")
    try:
        out = Path("build") / board.name
        return build_board(board, params, build_with, out, seeds=seeds, tools=tools), "built"
    except BuildError as error:
        return None, str(error).splitlines()[0]


def _row(board: Board, params: Params, report: dict | None, state: str, errors: list) -> BoardRow:
    used = report["used"] if report else {}
    cycles = report["cycles"] if report else None
    found = [entry for entry in errors if entry["key"] == _key(params)]
    best = max(found, key=lambda entry: entry["seeds"], default=None)
    return {
        "board": board.name,
        "device": board.device.part,
        "net": params.name,
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "latent_bits": params.learning.latent_bits,
        "state": state,
        "lut": used.get("lut"),
        "luts": board.device.luts,
        "bram": used.get("block"),
        "brams": board.device.blocks,
        "spram": used.get("spram"),
        "fmax_mhz": report["fmax_mhz"] if report else None,
        "clock_mhz": report["core_mhz"] if report else None,
        "cycles_per_sample": cycles["train"] if cycles else None,
        "samples_per_s": report["samples_per_s"] if report else None,
        "inferences_per_s": report["inferences_per_s"] if report else None,
        "test_error": best["error"] if best else None,
        "test_error_spread": best["spread"] if best else None,
        "test_error_seeds": best["seeds"] if best else None,
        "commit": None,
        "date": None,
    }


def _recorded_row(
    board: Board, build: Entry[BoardBuild], accuracy: Iterable[Entry[Accuracy]]
) -> BoardRow:
    values = build.values
    params = Params.load(values.network)
    errors = [
        entry
        for entry in accuracy
        if entry.values.network == values.network and entry.values.data == DEFAULT
    ]
    best = max(errors, key=lambda entry: entry.values.epochs, default=None)
    return {
        "board": board.name,
        "device": values.device,
        "net": values.network,
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "latent_bits": values.latent_bits,
        "state": "recorded",
        "lut": values.lut,
        "luts": values.luts,
        "bram": values.bram,
        "brams": values.brams,
        "spram": values.spram or None,
        "fmax_mhz": values.fmax_mhz,
        "clock_mhz": values.clock_mhz,
        "cycles_per_sample": values.cycles_per_sample,
        "samples_per_s": values.samples_per_s,
        "inferences_per_s": values.inferences_per_s,
        "test_error": best.values.error if best else None,
        "test_error_spread": best.values.spread if best else None,
        "test_error_seeds": len(best.seeds) if best else None,
        "commit": build.commit,
        "date": build.date.isoformat(),
    }


def _key(params: Params) -> str:
    """What decides a network's bits, and so its error: all but the machine and the name."""
    tree = params.model_dump(mode="json")
    parts = {part: tree[part] for part in ("network", "dynamics", "learning")}
    return json.dumps(parts, sort_keys=True)


def _errors(runs: Path) -> list[dict]:
    """Errors on the whole test set that sweeps have left, by network."""
    found = []
    for path in sorted(runs.glob("*/report.json")):
        try:
            report = read_json(path, "a report")
            if report["verb"] != "sweep" or report["validation"] or report["varied"]:
                continue
            if report["data"] != DEFAULT or report["samples"] or not report["rows"]:
                continue
            params = Params.build(report["parameters"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of another verb, or of an earlier popflip
        found.append({
            "key": _key(params),
            "error": statistics.mean(row["error"] for row in report["rows"]),
            "spread": report["rows"][0]["spread"],
            "seeds": report["seeds"],
        })
    return found


def table_markdown(rows: list[BoardRow]) -> str:
    """Write the rows, and published figures below them, as a table."""
    lines = [
        "| board | device | net | latents | LUT | BRAM | Fmax | clock | cycles | samples/s "
        "| inferences/s | test error | from |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        lut = f"{row['lut']:,} of {row['luts']:,}" if row["lut"] is not None else ""
        bram = f"{row['bram']} of {row['brams']}" if row["bram"] is not None else ""
        if row["spram"]:
            bram += f" + {row['spram']} SPRAM"
        cells = [
            row["board"], row["device"], row["net"], f"{row['latent_bits']} bits", lut, bram,
            _cell(row["fmax_mhz"], ".1f"), _cell(row["clock_mhz"], "g"),
            _cell(row["cycles_per_sample"], ",.0f"), _cell(row["samples_per_s"], ",.0f"),
            _cell(row["inferences_per_s"], ",.0f"), _error(row), _origin(row),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for one in PUBLISHED:
        cells = [
            f"*{one.name}*", "", f"{one.network} ({one.source})", "", "", "", "",
            _cell(one.clock_mhz, "g"), "", _cell(one.samples_per_s, ",.0f"), "",
            f"{one.test_error:g}%", "published",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _origin(row: BoardRow) -> str:
    """Say where a row's figures are from."""
    return f"recorded {row['commit']}, {row['date']}" if row["commit"] else row["state"]


def _cell(value, form: str) -> str:
    return "" if value is None else format(value, form)


def _error(row: BoardRow) -> str:
    if row["test_error"] is None or row["test_error_seeds"] is None:
        return ""
    spread = f" ± {row['test_error_spread']:.2f}" if row["test_error_seeds"] > 1 else ""
    return f"{row['test_error']:.2f}{spread}%"


def show(rows: list[BoardRow]) -> None:
    """Print the table of boards."""
    table = new_table("Boards")
    table.add_column("board", no_wrap=True)
    table.add_column("net")
    for name in ("LUT", "BRAM", "Fmax", "clock", "cycles", "samples/s", "error"):
        table.add_column(name, justify="right")
    table.add_column("from")
    for row in rows:
        cells = [
            None if row["lut"] is None else f"{row['lut']:,}",
            None if row["bram"] is None else str(row["bram"]),
            row["fmax_mhz"] and f"{row['fmax_mhz']:.1f}",
            row["clock_mhz"] and f"{row['clock_mhz']:g}",
            row["cycles_per_sample"] and f"{row['cycles_per_sample']:,.0f}",
            row["samples_per_s"] and f"{row['samples_per_s']:,.0f}",
            row["test_error"] and f"{row['test_error']:.2f} %",
            f"recorded {row['commit']}" if row["commit"] else row["state"],
        ]
        table.add_row(row["board"], row["net"], *(cell or "" for cell in cells))
    put(table)
