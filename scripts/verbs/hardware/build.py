"""``popflip build``: a bitstream, with reports of what it is: JSON, Markdown, and one picture."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from popflip.boards.board import Board
from popflip.boards.build import bitstream
from popflip.boards.build.built import write_build
from popflip.boards.build.top import write_project
from popflip.boards.registry import find_board
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.description.reference import to_toml
from popflip.golden.support.cache import cache_folder
from popflip.golden.support.files import prepare_folder, write_atomically
from popflip.rtl.identity import identity
from popflip.scripts.console import Display, say
from popflip.scripts.cycle_counts import counted_cycles
from popflip.scripts.options import Config, Data, Freq, Json, NamedBoard, Preset, Tools
from popflip.scripts.resources import KINDS, add_resources
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.tables import pairs, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "any_cached_report", "build_board", "cached_report"]


def build(
    board: NamedBoard,
    preset: Preset = None,
    config: Config = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Placements to try, side by side; the fastest is taken. If left out, one, and "
            "three more if it misses the clock or cannot be routed.",
            min=1,
        ),
    ] = None,
    freq: Freq = None,
    tools: Tools = None,
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the bitstream. build/BOARD if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Build a bitstream: synthesis, placement and routing, packing, and a report.

    A design that is slower than its clock is refused. What was built before comes from the cache.
    """
    chosen = find_board(board)
    params = named_network(preset, config, chosen.preset)
    out = out or Path("build") / chosen.name
    prepare_folder(out)
    dataset, _ = choose_data(data, params=params)
    report = build_board(
        chosen, params, dataset, out, core_mhz=freq, seeds=seeds, tools=tools
    )  # fmt: skip
    print_json(report) if as_json else show(report)


VERB = Verb(
    build,
    examples=(
        "popflip build --board icebreaker",
        "popflip build --board ulx3s-85f --seeds 8 --freq 60",
        "popflip build --board tang-nano-20k --config mine.toml --out build/mine --json",
    ),
)


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
    from popflip.scripts.plots.build import build_resources
    from popflip.scripts.plots.style import save_figure

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
        made = bitstream.build(
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
    save_figure(build_resources(report), out / "report.png")
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


def any_cached_report(board: Board) -> bool:
    """Whether the cache has a report of any design that was built for a board."""
    return any((cache_folder() / "boards").glob(f"{board.name}-*.json"))


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


def show(report: dict) -> None:
    """Print what was built."""
    if report["bitstream"] is None:
        table = pairs(f"{report['preset']} for {report['board']}")
        for path in report["files"]:
            table.add_row("written", path)
        table.add_row("note", report["note"])
        put(table)
        return
    table = pairs(f"{report['preset']} on {report['title']} ({report['device']})")
    add_resources(table, report)
    table.add_row(
        "clock",
        f"{report['core_mhz']:g} MHz; the routed design reaches {report['fmax_mhz']:g} MHz "
        "(post-place-and-route estimate)",
    )
    if report["cycles"]:
        table.add_row("cycles", f"{report['cycles']['train']:,.0f} per training sample")
        table.add_row(
            "rate",
            f"{report['samples_per_s']:,.0f} training samples/s, "
            f"{report['inferences_per_s']:,.0f} inferences/s",
        )
    table.add_row("host link", f"{report['baud']:,} baud")
    table.add_row("tools", ", ".join(report["tools"]))
    table.add_row("bitstream", f"{report['bitstream']}, {report['bitstream_bytes']:,} bytes")
    put(table)
    say(f"flash it with: popflip flash --board {report['board']}")
