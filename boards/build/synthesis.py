"""Bitstreams: synthesis, placement and routing, and packing, each kept by what it was made of.

A build is a folder in the cache that appears whole or not at all. Its name is a digest of the
parameters, of every source file that makes the hardware, of the board's recipe, and of the tools
with their versions. Amaranth hands yosys RTLIL rather than Verilog: nothing is lost on the way, and
yosys reads it in a fraction of the time.
"""

import fcntl
import gc
import hashlib
import inspect
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from popflip.golden.support.errors import InputError, PopflipError
from popflip.boards.build import clocking, top
from popflip.boards.families import flows
from popflip.boards.board import Board
from popflip.boards.families.flows import FLOWS, Flow
from popflip.boards.build.toolchain import Tool, toolchain
from popflip.boards.tools import Jobs
from popflip.boards.build.top import BoardTop
from popflip.golden.support.cache import cache_folder
from popflip.golden.support.files import write_atomically
from popflip.golden.description.params import Params
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.interface import check_hardware
from popflip.rtl.identity import identity
from popflip.rtl.verilog import to_rtlil

__all__ = [
    "Build",
    "BuildError",
    "TimingError",
    "build",
    "design_files",
    "plan",
    "synthesize",
    "synthesize_core",
    "write_project",
]

#: Seeds in all that are tried if the first misses the clock, or cannot be routed, and nobody said
#: how many. Each version of the design carries another identity, which moves what fits tightly by a
#: few percent.
_SEEDS_AFTER_A_MISS = 4

#: Rounds of nextpnr's router2 after which it is not waited for. It has been seen to turn over two
#: wires 46,000 times; what it could route took it 83 rounds at most.
_ROUNDS = 1000

#: Lines of a failed tool's log that go into the message.
_TAIL = 25


class BuildError(PopflipError):
    """There is no bitstream; the first line of the message says why."""


class TimingError(BuildError):
    """The routed design is slower than its clock."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """A bitstream and what is known of it.

    Parameters
    ----------
    folder : Path
        Where it is kept, with the tools' logs.
    bitstream : Path
    facts : dict
        ``board``, ``device``, ``digest``, ``identity``, ``tools``; ``core_mhz`` and ``fmax_mhz``
        (a post-place-and-route estimate); ``seed`` and ``seeds`` (the frequency that each one
        reached); ``used`` and ``available`` by ``lut``, ``ff``, ``block``, ``spram``, ``dsp``;
        ``cells`` (yosys's counts); ``seconds`` by stage.
    """

    folder: Path
    bitstream: Path
    facts: dict


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def _recipe(board: Board) -> str:
    """All of a board's side of the hardware: its facts, and the sources of its platform and top."""
    parts = [repr(board)]
    for thing in (board.platform, clocking, flows, top):
        parts.append(Path(inspect.getfile(thing)).read_text("utf-8"))
    return _digest(*parts)


def plan(board: Board, params: Params, core_mhz: float):
    """Elaborate a board's design for its platform.

    Parameters
    ----------
    board : Board
    params : Params
        As :meth:`Board.params` returns them.
    core_mhz : float

    Returns
    -------
    amaranth.build.run.BuildPlan
        Its files: RTLIL (for a vendor's tools: Verilog), pins, scripts.
    """
    check_hardware(params)
    enabled = gc.isenabled()
    gc.disable()  # It would take half of the time.
    try:
        return board.platform().prepare(BoardTop(board, params, core_mhz), "top", emit_src=False)
    finally:
        if enabled:
            gc.enable()


def design_files(board: Board, params: Params, core_mhz: float) -> dict[str, str]:
    """Return what synthesis and placement read: ``top.il``, the pins, yosys's ``top.ys``."""
    flow = FLOWS[board.device.flow]
    files = plan(board, params, core_mhz).files
    wanted = ("top.il", f"top{flow.constraints}")
    texts = {name: files[name] for name in wanted}
    texts = {k: v if isinstance(v, str) else v.decode() for k, v in texts.items()}
    return texts | {"top.ys": flow.script(board)}


@contextmanager
def _made(folder: Path):
    """Make a folder of the cache, unless it is there: yields where to work, or None.

    Others that want the same one wait. What is left behind by an error is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            yield None
            return
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            yield work
            os.rename(work, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _run(
    jobs: Jobs,
    tool: Tool,
    arguments: list[str],
    folder: Path,
    log: str,
    hopeless: Callable[[Path], bool] = lambda log: False,
) -> None:
    """Run a tool; its log (what it wrote, if it has none) goes into the error."""
    path = folder / log
    status, text = jobs.run(
        [str(tool.path), *arguments], folder, dict(os.environ), lambda: hopeless(path)
    )
    if status:
        # WebAssembly builds lose part of what they write to a pipe.
        logged = path.read_text(errors="replace") if path.is_file() else ""
        lines = (logged + text).splitlines()
        errors = [line for line in lines if line.startswith("ERROR")]
        said = errors[0].removeprefix("ERROR: ") if errors else f"exit status {status}"
        tail = "\n".join(lines[-_TAIL:])
        raise BuildError(f"{tool.name} failed: {said}\n{tail}")


Progress = Callable[[str, int, int], None]


def _silent(stage: str, done: int, total: int) -> None:
    pass


def synthesize(
    board: Board,
    params: Params,
    *,
    core_mhz: float | None = None,
    tools: str | None = None,
    progress: Progress = _silent,
) -> tuple[Path, dict]:
    """Synthesize a board's design, or find it in the cache.

    Parameters
    ----------
    board, params, core_mhz, tools, progress
        As for :func:`build`.

    Returns
    -------
    Path
        A folder with ``top.il``, ``top.json`` (the netlist), ``yosys.log`` and the file of pins.
        It is the cache's: read only.
    dict
        Yosys's counts of cells by kind.
    """
    flow = _flow(board)
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    params = board.params(params, core_mhz)
    found = toolchain(flow, tools)
    with Jobs() as jobs:
        return _synthesize(board, params, flow, core_mhz, found[0], jobs, progress)


def synthesize_core(board: Board, params: Params, *, tools: str | None = None) -> tuple[Path, dict]:
    """Synthesize the trainer core by itself, with the script of a board's whole design.

    Parameters
    ----------
    board, params, tools
        As for :func:`build`.

    Returns
    -------
    Path
        A folder with ``top.json``, whose top module is ``core``. It is the cache's: read only.
    dict
        Yosys's counts of cells by kind.
    """
    flow = _flow(board)
    check_hardware(params)
    yosys = toolchain(flow, tools)[0]
    key = _digest("core", identity(params).hex(), _recipe(board), str(yosys))
    folder = cache_folder() / "synthesis" / key
    with Jobs() as jobs, _made(folder) as work:
        if work is not None:
            core = to_rtlil(TrainerCore(params), "core", board.platform())
            (work / "top.il").write_text(core)
            (work / "top.ys").write_text(flow.script(board, top="core", machine=""))
            _run_yosys(jobs, yosys, work)
    return folder, _cells(folder)


def _run_yosys(jobs: Jobs, yosys: Tool, work: Path) -> None:
    _run(jobs, yosys, ["-q", "-l", "yosys.log", "top.ys"], work, "yosys.log")
    if not (work / "top.json").is_file():
        raise BuildError("yosys wrote no netlist")


def _cells(folder: Path) -> dict:
    counts = json.loads((folder / "stat.json").read_text())
    return dict(counts["design"]["num_cells_by_type"])


def _flow(board: Board) -> Flow:
    if board.device.flow not in FLOWS:
        raise BuildError(
            f"{board.title} takes its maker's tools: popflip build --board {board.name} writes "
            "a project for them, not a bitstream"
        )
    return FLOWS[board.device.flow]


def _synthesize(board, params, flow, core_mhz, yosys, jobs, progress):
    key = _digest("synthesis", identity(params).hex(), _recipe(board), repr(core_mhz), str(yosys))
    folder = cache_folder() / "synthesis" / key
    with _made(folder) as work:
        if work is not None:
            progress("elaboration", 0, 1)
            for name, text in design_files(board, params, core_mhz).items():
                (work / name).write_text(text)
            progress("elaboration", 1, 1)
            progress("synthesis", 0, 1)
            _run_yosys(jobs, yosys, work)
    progress("elaboration", 1, 1)
    progress("synthesis", 1, 1)
    return folder, _cells(folder)


def _place(board, flow, core_mhz, netlist, seed, tool, jobs):
    """Place and route with one seed; return the folder with ``top.routed``, and the report.

    There is no report, and nothing routed, if the router found no end.
    """
    key = _digest("placement", netlist.name, str(seed), str(tool))
    folder = cache_folder() / "placements" / key
    with _made(folder) as work:
        if work is not None:
            for name in ("top.json", f"top{flow.constraints}"):
                _link(netlist / name, work / name)
            log, report = work / "place.log", work / "report.json"
            try:
                _run(jobs, tool, flow.place(board, seed, core_mhz), work, log.name, _endless)
            except BuildError as error:
                if not _endless(log):
                    raise _overfull(board, flow, log) or error from None
                report.write_text("null")
            (work / "top.json").unlink()
    return folder, json.loads((folder / "report.json").read_text())


def _endless(log: Path) -> bool:
    """Whether the router goes on without an end, over the same few wires again and again."""
    if not log.is_file():
        return False
    rounds = re.findall(r"\biter=(\d+)", log.read_text(errors="replace"))
    return bool(rounds) and int(rounds[-1]) > _ROUNDS


def _overfull(board: Board, flow: Flow, log: Path) -> BuildError | None:
    """Say of what there is too little, if that is why a placement failed."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    sites = {
        name: (int(used), int(available))
        for name, used, available in re.findall(r"Info:\s+(\w+):\s+(\d+)/\s*(\d+)", text)
    }
    lacking = []
    for kind, cells in flow.cells.items():
        used = sum(sites[cell][0] for cell in cells if cell in sites)
        if used > sites.get(cells[0], (0, used))[1]:
            lacking.append(f"{kind} {used:,} of {sites[cells[0]][1]:,}")
    if not lacking:
        return None
    return BuildError(
        f"the network does not fit {board.title}: {', '.join(lacking)}; "
        f"popflip fit --board {board.name} names one that does"
    )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _margin(report: dict) -> tuple[float, float, str]:
    """Achieved and wanted MHz of the clock that is worst off, and its name."""
    worst = min(
        report["fmax"].items(), key=lambda item: item[1]["achieved"] / item[1]["constraint"]
    )
    return worst[1]["achieved"], worst[1]["constraint"], worst[0]


def build(
    board: Board,
    params: Params,
    *,
    core_mhz: float | None = None,
    seeds: int | None = None,
    tools: str | None = None,
    workers: int | None = None,
    progress: Progress = _silent,
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
    flow = _flow(board)
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    params = board.params(params, core_mhz)
    found = toolchain(flow, tools)
    yosys, placer, packer = found
    with Jobs() as jobs:
        netlist, cells = _synthesize(board, params, flow, core_mhz, yosys, jobs, progress)
        for count in [seeds] if seeds else [1, _SEEDS_AFTER_A_MISS]:
            results = _search(
                board, flow, core_mhz, netlist, count, placer, jobs, workers, progress
            )  # fmt: skip
            if not results:
                continue
            seed = max(results, key=lambda seed: _slack(results[seed][1]))
            placed, report = results[seed]
            achieved, wanted, clock = _margin(report)
            if achieved >= wanted:
                break
        else:
            tried = f"the best of {count} seeds" if count > 1 else f"seed {board.seed}"
            if not results:
                raise BuildError(
                    f"the router found no end for {board.title} (seeds tried: {count}): try "
                    f"--seeds {max(8, 2 * count)}, or a smaller network"
                )
            raise TimingError(
                f"{board.title} misses its timing: {achieved:.2f} MHz of {wanted:.2f} MHz with "
                f"{tried}: try --seeds {max(8, 2 * count)}, or a lower clock with --freq"
            )
        folder = _pack(board, flow, placed, packer, jobs, progress)

    sites = report["utilization"]
    kinds = {kind: cells for kind, cells in flow.cells.items() if cells[0] in sites}
    facts = {
        "board": board.name,
        "device": board.device.part,
        "preset": params.name,
        "digest": params.digest,
        "identity": identity(params).hex(),
        "tools": [str(tool) for tool in found],
        "core_mhz": core_mhz,
        "fmax_mhz": round(achieved, 2),
        "clock": clock,
        "seed": seed,
        "seeds": {str(n): round(_margin(r)[0], 2) for n, (_, r) in sorted(results.items())},
        "used": {
            kind: sum(sites[cell]["used"] for cell in cells if cell in sites)
            for kind, cells in kinds.items()
        },
        "available": {kind: sites[cells[0]]["available"] for kind, cells in kinds.items()},
        "cells": cells,
    }
    return Build(folder=folder, bitstream=folder / f"top{flow.suffix}", facts=facts)


def _slack(report: dict) -> float:
    achieved, wanted, _ = _margin(report)
    return achieved / wanted


def _search(board, flow, core_mhz, netlist, seeds, tool, jobs, workers, progress):
    """Place with ``seeds`` seeds, from the board's own on, several at a time.

    Return the folder and the report of each that could be routed.
    """
    results = {}
    progress("placement", 0, seeds)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        futures = {
            seed: pool.submit(_place, board, flow, core_mhz, netlist, seed, tool, jobs)
            for seed in range(board.seed, board.seed + seeds)
        }
        try:
            for seed, future in futures.items():
                results[seed] = future.result()
                progress("placement", len(results), seeds)
        except BaseException:
            # Before the pool waits for its threads, which wait for these.
            jobs.stop()
            for future in futures.values():
                future.cancel()
            raise
    return {seed: (placed, report) for seed, (placed, report) in results.items() if report}


def _pack(board, flow, placed, tool, jobs, progress):
    folder = cache_folder() / "bitstreams" / _digest("bitstream", placed.name, str(tool))
    progress("bitstream", 0, 1)
    with _made(folder) as work:
        if work is not None:
            _link(placed / "top.routed", work / "top.routed")
            _run(jobs, tool, flow.pack(board), work, "pack.log")
            (work / "top.routed").unlink()
            if not (work / f"top{flow.suffix}").is_file():
                raise BuildError(f"{tool.name} wrote no bitstream")
    progress("bitstream", 1, 1)
    return folder


def write_project(board: Board, params: Params, core_mhz: float, folder: Path) -> list[Path]:
    """Write the whole project of a board for its maker's tools, which are not run.

    Parameters
    ----------
    board, params, core_mhz
        As for :func:`plan`.
    folder : Path
        For the Verilog, the constraints and the scripts.

    Returns
    -------
    list of Path
        What was written.
    """
    paths = []
    for name, content in plan(board, params, core_mhz).files.items():
        paths.append(folder / name)
        write_atomically(paths[-1], content if isinstance(content, bytes) else content.encode())
    return paths
