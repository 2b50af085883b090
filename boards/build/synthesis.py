"""Synthesis: a board's design to a netlist of its device's cells, by yosys.

A netlist is kept in the cache by what goes into it: the RTLIL, the pins, the script, and yosys's
version. Amaranth hands yosys RTLIL rather than Verilog: nothing is lost on the way, and yosys reads
it in a fraction of the time.
"""

import json
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.memory_rules import SINGLE_PORT, unshared
from popflip.boards.build.step import BuildError, Progress, family_of, run_tool, silent
from popflip.boards.build.toolchain import Tool, toolchain
from popflip.boards.build.top import plan
from popflip.boards.tools import Jobs
from popflip.golden.description.params import Params
from popflip.golden.support.cache import cache_folder, entry, key_of
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.interface import check_hardware
from popflip.rtl.verilog import to_rtlil

__all__ = [
    "cells_of", "design_files", "netlist_of", "synthesis_script", "synthesize", "synthesize_core",
]  # fmt: skip


def synthesis_script(
    board: Board, params: Params, top: str = "top", machine: str = "top.machine."
) -> str:
    """Return yosys's script: ``top.il`` to ``top.json``, with its statistics in ``stat.json``.

    Parameters
    ----------
    board : Board
    params : Params
    top : str
        Name of the top module.
    machine : str
        What stands before the names of the machine's modules.
    """
    family, spram = board.device.family, board.device.spram
    json_option = " -json top.json" if family.pass_writes_netlist else ""
    options = [board.synthesis, "-spram" if spram else "", f"-top {top}{json_option}"]
    synth = " ".join([family.synth, *filter(None, options)])
    lines = []
    if family.techmap:
        lines += [f"read_verilog <<END{family.techmap}END", "design -stash replacements"]
    lines += [
        "read_rtlil top.il",
        "delete w:$verilog_initial_trigger",
        # ABC9 numbers the bits of a wire like Amaranth the elements of an array: where both are
        # called `old[36]` they would become one net.
        r"rename -hide w:*\[*\]",
    ]
    lines += [
        f"setparam -set COLLISION_X_MASK 1'b1 {machine}{name}/t:$memrd_v2"
        for name in unshared(params)
    ]
    if spram:
        lines.append(f"delete {machine}{SINGLE_PORT}/t:$meminit_v2")
        # Else yosys makes small ones of block RAMs, which the estimate leaves to the weights.
        lines.append(f'setattr -set ram_style "huge" {machine}{SINGLE_PORT}/m:*')
    if family.shallow_in_tables:
        lines.append('setattr -set ram_style "distributed" a:shallow')
    if family.mapping:
        lines.append(f"scratchpad -copy abc9.script.{family.mapping} abc9.script")
    if family.techmap:
        lines += [
            f"{synth} -run begin:map_cells",
            "techmap -max_iter 1 -map %replacements",
            f"{synth} -run map_cells:",
        ]
    else:
        lines.append(synth)
    lines += ["check -assert", f"tee -q -o stat.json stat -json -top {top}"]
    if not family.pass_writes_netlist:
        lines.append("write_json top.json")
    return "\n".join(lines) + "\n"


def design_files(board: Board, params: Params, core_mhz: float) -> dict[str, str]:
    """Return what synthesis and placement read: ``top.il``, the pins, yosys's ``top.ys``."""
    files = plan(board, params, core_mhz).files
    wanted = ("top.il", f"top{board.device.family.constraints}")
    texts = {name: files[name] for name in wanted}
    texts = {k: v if isinstance(v, str) else v.decode() for k, v in texts.items()}
    return texts | {"top.ys": synthesis_script(board, params)}


def netlist_of(files: dict[str, str], yosys: Tool, jobs: Jobs, progress: Progress = silent) -> Path:
    """Synthesize, or find the netlist in the cache.

    Parameters
    ----------
    files : dict of str to str
        By name: ``top.il`` and the script ``top.ys``, and what goes with the netlist to the placer.
    yosys : Tool
    jobs : Jobs
    progress : callable, optional

    Returns
    -------
    Path
        A folder with the files, and with ``top.json`` (the netlist), ``stat.json`` and
        ``yosys.log``. It is the cache's: read only.
    """

    def make(work: Path) -> None:
        for name, text in files.items():
            (work / name).write_text(text)
        progress("synthesis", 0, 1)
        run_tool(jobs, yosys, ["-q", "-l", "yosys.log", "top.ys"], work, "yosys.log")
        if not (work / "top.json").is_file():
            raise BuildError("yosys wrote no netlist")

    parts = [part for item in sorted(files.items()) for part in item]
    folder = entry(cache_folder() / "synthesis" / key_of(*parts, str(yosys)), make)
    progress("synthesis", 1, 1)
    return folder


def cells_of(netlist: Path) -> dict[str, int]:
    """Return yosys's counts of cells by kind, of a folder of :func:`netlist_of`."""
    counts = json.loads((netlist / "stat.json").read_text())
    return dict(counts["design"]["num_cells_by_type"])


def synthesize(
    board: Board,
    params: Params,
    *,
    core_mhz: float | None = None,
    tools: str | None = None,
    progress: Progress = silent,
) -> tuple[Path, dict]:
    """Synthesize a board's design, or find it in the cache.

    Parameters
    ----------
    board, params, core_mhz, tools, progress
        As for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    Path
        As from :func:`netlist_of`.
    dict
        Yosys's counts of cells by kind.
    """
    family = family_of(board)
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    yosys = toolchain(family, tools)[0]
    progress("elaboration", 0, 1)
    files = design_files(board, board.params(params, core_mhz), core_mhz)
    progress("elaboration", 1, 1)
    with Jobs() as jobs:
        folder = netlist_of(files, yosys, jobs, progress)
    return folder, cells_of(folder)


def synthesize_core(board: Board, params: Params, *, tools: str | None = None) -> tuple[Path, dict]:
    """Synthesize the trainer core by itself, with the script of a board's whole design.

    Parameters
    ----------
    board, params, tools
        As for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    Path
        As from :func:`netlist_of`; the top module is ``core``.
    dict
        Yosys's counts of cells by kind.
    """
    family = family_of(board)
    check_hardware(params)
    yosys = toolchain(family, tools)[0]
    files = {
        "top.il": to_rtlil(TrainerCore(params), "core", board.platform()),
        "top.ys": synthesis_script(board, params, top="core", machine=""),
    }
    with Jobs() as jobs:
        folder = netlist_of(files, yosys, jobs)
    return folder, cells_of(folder)
