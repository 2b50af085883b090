"""Bitstreams: a board's design through synthesis, placement and packing.

Each step is kept in the cache by what goes into it (texts, options, versions of tools), so that
what has been built once is found again, and a change of a comment builds nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.placement import Placement, search
from popflip.boards.build.step import BuildError, Progress, family_of, link, run_tool, silent
from popflip.boards.build.synthesis import cells_of, design_files, netlist_of
from popflip.boards.build.toolchain import Tool, toolchain
from popflip.boards.families.family import Family
from popflip.boards.tools import Jobs
from popflip.golden.description.params import Params
from popflip.golden.support.cache import cache_folder, entry, key_of
from popflip.golden.support.errors import InputError
from popflip.rtl.identity import identity

__all__ = ["Build", "TimingError", "build"]

#: Seeds in all that are tried if the first misses the clock, or cannot be routed, and nobody said
#: how many. Each version of the design carries another identity, which moves what fits tightly by a
#: few percent.
_SEEDS_AFTER_A_MISS = 4


class TimingError(BuildError):
    """The routed design is slower than its clock."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """A bitstream and what is known of it.

    Parameters
    ----------
    folder : Path
        Where it is kept, with the packer's log.
    bitstream : Path
    facts : dict
        ``board``, ``device``, ``preset``, ``digest``, ``identity``, ``tools``; ``core_mhz``,
        ``fmax_mhz`` (a post-place-and-route estimate) and the name of that ``clock``; ``seed`` and
        ``seeds`` (the frequency that each one reached); ``used`` and ``available`` by ``lut``,
        ``ff``, ``block``, ``spram``, ``dsp``; ``cells`` (yosys's counts).
    """

    folder: Path
    bitstream: Path
    facts: dict


def build(
    board: Board,
    params: Params,
    *,
    core_mhz: float | None = None,
    seeds: int | None = None,
    tools: str | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Build:
    """Build a bitstream, or find it in the cache.

    Parameters
    ----------
    board : Board
    params : Params
        The network; its link is set to the board's.
    core_mhz : float, optional
        The machine's clock; the board's own if left out.
    seeds : int, optional
        Placements to try, each from another random beginning: the fastest is taken. If left out,
        one, and three more if that misses the clock or cannot be routed.
    tools : {"yowasp", "native"}, optional
        Where the tools come from; the first of these that is complete if left out.
    workers : int, optional
        Placements at a time; as many as there are processors if left out.
    progress : callable, optional
        Is told of each stage: its name, how many of its steps are done, and of how many.

    Returns
    -------
    Build

    Raises
    ------
    ToolError
        If there are no tools.
    TimingError
        If no placement is as fast as the clock. There is no bitstream then.
    BuildError
        If a tool fails, as it does if the design does not fit, or no placement can be routed.
    """
    if seeds is not None and seeds < 1:
        raise InputError(f"seeds must be at least 1, not {seeds}")
    family = family_of(board)
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    params = board.params(params, core_mhz)
    found = toolchain(family, tools)
    yosys, placer, packer = found
    progress("elaboration", 0, 1)
    files = design_files(board, params, core_mhz)
    progress("elaboration", 1, 1)
    with Jobs() as jobs:
        netlist = netlist_of(files, yosys, jobs, progress)
        for count in [seeds] if seeds else [1, _SEEDS_AFTER_A_MISS]:
            tried = range(board.seed, board.seed + count)
            placements = search(board, core_mhz, netlist, tried, placer, jobs, workers, progress)
            seed = max(placements, key=lambda seed: placements[seed].margin, default=None)
            if seed is not None and placements[seed].margin >= 1:
                break
        else:
            raise _failure(board, count, placements)
        folder = _pack(board, placements[seed], packer, jobs, progress)
    facts = {
        "board": board.name,
        "device": board.device.part,
        "preset": params.name,
        "digest": params.digest,
        "identity": identity(params).hex(),
        "tools": [str(tool) for tool in found],
        "core_mhz": core_mhz,
        **_timing(placements, seed),
        **_utilization(family, placements[seed]),
        "cells": cells_of(netlist),
    }
    return Build(folder=folder, bitstream=folder / f"top{family.suffix}", facts=facts)


def _failure(board: Board, count: int, placements: dict[int, Placement]) -> BuildError:
    """Say why none of ``count`` placements will do."""
    more = max(8, 2 * count)
    if not placements:
        return BuildError(
            f"the router found no end for {board.title} (seeds tried: {count}): try "
            f"--seeds {more}, or a smaller network"
        )
    best = max(placements.values(), key=lambda placement: placement.margin)
    achieved, wanted, _ = best.worst_clock
    tried = f"the best of {count} seeds" if count > 1 else f"seed {board.seed}"
    return TimingError(
        f"{board.title} misses its timing: {achieved:.2f} MHz of {wanted:.2f} MHz with "
        f"{tried}: try --seeds {more}, or a lower clock with --freq"
    )


def _timing(placements: dict[int, Placement], seed: int) -> dict:
    achieved, _, clock = placements[seed].worst_clock
    return {
        "fmax_mhz": round(achieved, 2),
        "clock": clock,
        "seed": seed,
        "seeds": {str(n): round(p.worst_clock[0], 2) for n, p in sorted(placements.items())},
    }


def _utilization(family: Family, placement: Placement) -> dict:
    """Count what is used of the device, by what it is to us."""
    sites = placement.report["utilization"]
    kinds = {kind: cells for kind, cells in family.cells.items() if cells[0] in sites}
    return {
        "used": {
            kind: sum(sites[cell]["used"] for cell in cells if cell in sites)
            for kind, cells in kinds.items()
        },
        "available": {kind: sites[cells[0]]["available"] for kind, cells in kinds.items()},
    }


def _pack(board: Board, placement: Placement, tool: Tool, jobs: Jobs, progress: Progress) -> Path:
    """Pack a bitstream, or find it in the cache; return its folder."""
    family = board.device.family
    arguments = family.pack(board)

    def make(work: Path) -> None:
        link(placement.folder / "top.routed", work / "top.routed")
        run_tool(jobs, tool, arguments, work, "pack.log")
        (work / "top.routed").unlink()
        if not (work / f"top{family.suffix}").is_file():
            raise BuildError(f"{tool.name} wrote no bitstream")

    progress("bitstream", 0, 1)
    key = key_of("bitstream", placement.folder.name, *arguments, str(tool))
    folder = entry(cache_folder() / "bitstreams" / key, make)
    progress("bitstream", 1, 1)
    return folder
