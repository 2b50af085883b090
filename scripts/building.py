"""Bitstreams, with the reports that tell what they are: JSON, Markdown, and one picture."""

import json
import time
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.bitstream import build
from popflip.boards.build.built import write_build
from popflip.boards.build.top import write_project
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.support.cache import cache_folder
from popflip.golden.support.files import write_atomically
from popflip.rtl.identity import identity
from popflip.scripts import plots
from popflip.scripts.console import Display
from popflip.scripts.rates import counted_cycles

__all__ = ["KINDS", "build_board", "cached_report", "to_toml"]

#: What resources are called in reports.
KINDS = {
    "lut": "LUTs", "ff": "flip-flops", "block": "block RAMs", "spram": "single-port RAMs",
    "dsp": "multipliers",
}  # fmt: skip


class _Stages:
    """Shows the stages of a build, each with the seconds that it took."""

    def __init__(self, display: Display):
        self._display = display
        self._started: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        began = self._started.setdefault(stage, now)
        self.seconds[stage] = round(now - began, 1)
        self._display.show(stage, done, total, f"{now - began:.0f} s" if done == total else "")


def build_board(
    board: Board,
    params: Params,
    dataset: Dataset | None,
    out: Path,
    *,
    core_mhz: float | None = None,
    seeds: int | None = None,
    tools: str | None = None,
) -> dict:
    """Build a bitstream and write it with its reports.

    Parameters
    ----------
    board : Board
    params : Params
    dataset : Dataset, optional
        On whose images cycles are counted; they are left out if it is None, or if the machine
        does not train.
    out : Path
        Folder of the bitstream, of ``params.toml``, and of ``report.json``, ``.md`` and ``.png``.
    core_mhz, seeds, tools
        As for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    started = time.monotonic()
    built = board.params(params, core_mhz)
    if not board.device.family.makes_bitstreams:
        files = write_project(board, built, core_mhz, out)
        write_atomically(out / "params.toml", to_toml(built).encode())
        write_build(out, board, built, core_mhz)
        return {
            "verb": "build",
            "board": board.name,
            "preset": params.name,
            "bitstream": None,
            "files": [str(path) for path in files],
            "note": board.notes[0],
            "seconds": round(time.monotonic() - started, 1),
        }
    with Display() as display:
        stages = _Stages(display)
        made = build(
            board, params, core_mhz=core_mhz, seeds=seeds, tools=tools, progress=stages
        )  # fmt: skip
        cycles = None
        if dataset is not None and params.machine.training:
            stages("cycles", 0, 1)
            cycles = counted_cycles(params, dataset)
            stages("cycles", 1, 1)
    target = out / f"{board.name}-{params.name}{made.bitstream.suffix}"
    report = {
        "verb": "build",
        **made.facts,
        "title": board.title,
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "latent_bits": params.learning.latent_bits,
        "baud": board.line_rate(core_mhz),
        "cycles": cycles,
        "samples_per_s": _per_second(core_mhz, cycles, "train"),
        "inferences_per_s": _per_second(core_mhz, cycles, "infer"),
        "bitstream": str(target),
        "bitstream_bytes": made.bitstream.stat().st_size,
        "seconds": round(time.monotonic() - started, 1),
        "stages": stages.seconds,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(target, made.bitstream.read_bytes())
    write_atomically(out / "params.toml", to_toml(built).encode())
    write_build(out, board, built, core_mhz, target.name)
    text = json.dumps(report, indent=1).encode()
    write_atomically(out / "report.json", text)
    write_atomically(cached_report(board, built), text)
    write_atomically(out / "report.md", markdown(board, report).encode())
    plots.save(plots.build_resources(report), out / "report.png")
    return report


def _per_second(core_mhz: float, cycles: dict | None, kind: str) -> float | None:
    return round(core_mhz * 1e6 / cycles[kind], 1) if cycles else None


def cached_report(board: Board, params: Params) -> Path:
    """Return where the cache keeps the report of a board's last build of a design.

    Parameters
    ----------
    board : Board
    params : Params
        As :meth:`~popflip.boards.board.Board.params` returns them.
    """
    return cache_folder() / "boards" / f"{board.name}-{identity(params).hex()}.json"


def to_toml(params: Params) -> str:
    """Write parameters as TOML, which :meth:`Params.load` reads."""
    lines = []
    for section, values in params.model_dump(mode="json", exclude_none=True).items():
        if isinstance(values, dict):
            # Numbers, strings and arrays of them are the same in JSON.
            lines += [f"[{section}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items()), ""]
    return "\n".join(lines)


def markdown(board: Board, report: dict) -> str:
    """Tell a build's report in Markdown."""
    rows = [
        f"| {KINDS[kind]} | {report['used'][kind]:,} | {n:,} | {report['used'][kind] / n:.0%} |"
        for kind, n in report["available"].items()
    ]
    seeds = ", ".join(f"{n}: {mhz:g}" for n, mhz in report["seeds"].items())
    lines = [
        f"# {report['preset']} on {board.title}",
        "",
        f"{report['device']}, {'-'.join(map(str, report['sizes']))} neurons, "
        f"{report['synapses']:,} synapses with {report['latent_bits']} latent bits.",
        "",
        "| resource | used | of | |",
        "|---|---:|---:|---:|",
        *rows,
        "",
        f"Clock {report['core_mhz']:g} MHz; the routed design reaches {report['fmax_mhz']:g} MHz "
        f"(post-place-and-route estimate; by seed: {seeds}).",
    ]
    if report["cycles"]:
        c = report["cycles"]
        lines += [
            "",
            f"{c['train']:,.0f} cycles per training sample ({c['counted']} samples counted after "
            f"the first epoch): {report['samples_per_s']:,.0f} training samples/s, "
            f"{report['inferences_per_s']:,.0f} inferences/s at that clock.",
        ]
    lines += [
        "",
        f"Host link: {report['baud']:,} baud. Tools: {', '.join(report['tools'])}.",
        *(f"\n{note}" for note in board.notes),
        "",
        f"    popflip flash --board {board.name} --bitstream {report['bitstream']}",
        f"    popflip train --config {Path(report['bitstream']).parent / 'params.toml'} "
        f"--board /dev/ttyUSB1 --baud {report['baud']}",
        "",
    ]
    return "\n".join(lines)
