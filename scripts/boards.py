"""The table of boards: what each carries, from builds and sweeps that were made, nothing else."""

import json
import statistics
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.step import BuildError
from popflip.boards.registry import BOARDS
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.scripts.building import build_board, cached_report
from popflip.scripts.console import say

__all__ = ["PEERS", "board_rows", "table_markdown"]

#: Published figures to read ours beside, with their sources.
PEERS = (
    {
        "board": "ZCU104",
        "net": "ConvCoTM",
        "clock_mhz": 50,
        "samples_per_s": 40000,
        "test_error": 2.4,
        "source": "IEEE TCSI 72(2) 2025, doi 10.1109/TCSI.2024.3519191: trained on the FPGA",
    },
    {
        "board": "D-Wave annealer",
        "net": "Equilibrium Propagation",
        "test_error": 11.2,
        "source": "Nat. Commun. 15, 2024, arXiv 2305.18321: 1,000 training images",
    },
    {
        "board": "simulated oscillators",
        "net": "784-500-10, Equilibrium Propagation",
        "test_error": 2.8,
        "source": "arXiv 2505.02103",
    },
)


def board_rows(
    runs: Path,
    *,
    build_with: Dataset | None = None,
    seeds: int | None = None,
    tools: str | None = None,
) -> list[dict]:
    """Collect a row for each board.

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
    rows = []
    for board in BOARDS.values():
        params = Params.load(board.preset)
        report, state = _report(board, params, build_with, seeds, tools)
        rows.append(_row(board, params, report, state, errors))
    return rows


def _report(board, params, build_with, seeds, tools) -> tuple[dict | None, str]:
    if not board.device.family.makes_bitstreams:
        return None, "a project for its maker's tools"
    path = cached_report(board, board.params(params))
    if path.is_file():
        return json.loads(path.read_text("utf-8")), "built"
    if build_with is None:
        return None, "not built"
    say(f"building {params.name} for {board.title}")
    try:
        out = Path("build") / board.name
        return build_board(board, params, build_with, out, seeds=seeds, tools=tools), "built"
    except BuildError as error:
        return None, str(error).splitlines()[0]


def _row(board: Board, params: Params, report: dict | None, state: str, errors: list) -> dict:
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
            report = json.loads(path.read_text("utf-8"))
            if report["verb"] != "sweep" or report["validation"] or report["varied"]:
                continue
            if report["data"] != "mnist" or report["samples"] or not report["rows"]:
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


def table_markdown(rows: list[dict]) -> str:
    """Tell the rows, and those of :data:`PEERS`, as a table for the README."""
    lines = [
        "| board | device | net | latents | LUT | BRAM | Fmax | clock | cycles | samples/s "
        "| inferences/s | test error |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lut = f"{row['lut']:,} of {row['luts']:,}" if row["lut"] is not None else row["state"]
        bram = f"{row['bram']} of {row['brams']}" if row["bram"] is not None else ""
        if row["spram"]:
            bram += f" + {row['spram']} SPRAM"
        cells = [
            row["board"], row["device"], row["net"], f"{row['latent_bits']} bits", lut, bram,
            _cell(row["fmax_mhz"], ".1f"), _cell(row["clock_mhz"], "g"),
            _cell(row["cycles_per_sample"], ",.0f"), _cell(row["samples_per_s"], ",.0f"),
            _cell(row["inferences_per_s"], ",.0f"), _error(row),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for peer in PEERS:
        rate, clock = peer.get("samples_per_s"), peer.get("clock_mhz")
        cells = [
            f"*{peer['board']}*", "", f"{peer['net']} ({peer['source']})", "", "", "", "",
            _cell(clock, "g"), "", _cell(rate, ",.0f"), "", f"{peer['test_error']:g}%",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value, form: str) -> str:
    return "" if value is None else format(value, form)


def _error(row: dict) -> str:
    if row["test_error"] is None:
        return ""
    spread = f" ± {row['test_error_spread']:.2f}" if row["test_error_seeds"] > 1 else ""
    return f"{row['test_error']:.2f}{spread}%"
