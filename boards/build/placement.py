"""Placing and routing a netlist with nextpnr, with one seed or several at a time."""

import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.step import BuildError, Progress, link, run_tool
from popflip.boards.build.toolchain import Tool
from popflip.boards.tools import Jobs
from popflip.golden.support.cache import cache_folder, entry, key_of

__all__ = ["Placement", "place", "search"]

#: Rounds of nextpnr's router2 after which it is not waited for. It has been seen to turn over two
#: wires 46,000 times; what it could route took it 83 rounds at most.
_ROUNDS = 1000


@dataclass(frozen=True)
class Placement:
    """A design that is placed and routed.

    Parameters
    ----------
    folder : Path
        With ``top.routed``. It is the cache's: read only.
    report : dict
        nextpnr's.
    """

    folder: Path
    report: dict

    @property
    def worst_clock(self) -> tuple[float, float, str]:
        """The clock with the least margin: what it reaches, what it must reach, and its name."""
        name, clock = min(
            self.report["fmax"].items(),
            key=lambda item: item[1]["achieved"] / item[1]["constraint"],
        )
        return clock["achieved"], clock["constraint"], name

    @property
    def margin(self) -> float:
        """What the worst clock reaches by what it must reach."""
        achieved, wanted, _ = self.worst_clock
        return achieved / wanted


def place(
    board: Board, core_mhz: float, netlist: Path, seed: int, tool: Tool, jobs: Jobs
) -> Placement | None:
    """Place and route with one seed, or find that in the cache.

    Parameters
    ----------
    board : Board
    core_mhz : float
        The clock that is asked for; a slower result is one too.
    netlist : Path
        A folder of :func:`popflip.boards.build.synthesis.netlist_of`.
    seed : int
    tool : Tool
        The placer.
    jobs : Jobs

    Returns
    -------
    Placement or None
        None if the router found no end.

    Raises
    ------
    BuildError
        If the design does not fit, or the placer fails.
    """
    family = board.device.family
    arguments = family.place(board, seed, core_mhz)

    def make(work: Path) -> None:
        for name in ("top.json", f"top{family.constraints}"):
            link(netlist / name, work / name)
        log = work / "place.log"
        try:
            run_tool(jobs, tool, arguments, work, log.name, _endless)
        except BuildError as error:
            if not _endless(log):
                raise _overfull(board, log) or error from None
            (work / "report.json").write_text("null")
        (work / "top.json").unlink()

    key = key_of("placement", netlist.name, *arguments, str(tool))
    folder = entry(cache_folder() / "placements" / key, make)
    report = json.loads((folder / "report.json").read_text())
    return None if report is None else Placement(folder, report)


def _endless(log: Path) -> bool:
    """Whether the router goes on without an end, over the same few wires again and again."""
    if not log.is_file():
        return False
    rounds = re.findall(r"\biter=(\d+)", log.read_text(errors="replace"))
    return bool(rounds) and int(rounds[-1]) > _ROUNDS


def _overfull(board: Board, log: Path) -> BuildError | None:
    """Say of what there is too little, if that is why a placement failed."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    sites = {
        name: (int(used), int(available))
        for name, used, available in re.findall(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)", text)
    }
    lacking = []
    for kind, cells in board.device.family.cells.items():
        used = sum(sites[cell][0] for cell in cells if cell in sites)
        if used > sites.get(cells[0], (0, used))[1]:
            lacking.append(f"{kind} {used:,} of {sites[cells[0]][1]:,}")
    if not lacking:
        return None
    return BuildError(
        f"the network does not fit {board.title}: {', '.join(lacking)}; "
        f"popflip fit --board {board.name} names one that does"
    )


def search(
    board: Board,
    core_mhz: float,
    netlist: Path,
    seeds: Sequence[int],
    tool: Tool,
    jobs: Jobs,
    workers: int | None,
    progress: Progress,
) -> dict[int, Placement]:
    """Place with several seeds, some at a time.

    Parameters
    ----------
    board, core_mhz, netlist, tool, jobs
        As for :func:`place`.
    seeds : sequence of int
    workers : int, optional
        How many at a time; as many as there are processors if left out.
    progress : callable

    Returns
    -------
    dict of int to Placement
        By seed, those that could be routed.
    """
    results = {}
    progress("placement", 0, len(seeds))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        futures = {
            seed: pool.submit(place, board, core_mhz, netlist, seed, tool, jobs) for seed in seeds
        }
        try:
            for seed, future in futures.items():
                results[seed] = future.result()
                progress("placement", len(results), len(seeds))
        except BaseException:
            # Before the pool waits for its threads, which wait for these.
            jobs.stop()
            for future in futures.values():
                future.cancel()
            raise
    return {seed: placement for seed, placement in results.items() if placement is not None}
