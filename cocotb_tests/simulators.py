"""The simulators: generated Verilog in, a bench played in it, its results out.

A *bench* is a module ``tb_*.py`` that runs inside the simulator, where nothing else of a test does.
It gets a list of *steps* and returns what it saw; what to do and what to expect is decided here,
outside, by the golden model. Steps and results travel in files (:func:`exchange`).
"""

import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
from cocotb_tools.runner import get_runner

from popflip.boards.tools import (
    ToolError,
    first_error,
    plain_folder,
    require,
    run_to_end,
    verilator,
)
from popflip.golden.support.cache import cache_folder, entry, key_of
from popflip.golden.support.errors import InputError, PopflipError

__all__ = [
    "SIMULATORS", "BenchError", "Design", "build", "end_after", "exchange", "play", "play_steps",
    "require_simulators", "run_module",
]  # fmt: skip

#: What a simulator needs.
SIMULATORS = {
    "icarus": ("iverilog",),
    "verilator": ("verilator", "perl", "make", "g++"),
}

_EXCHANGE = "POPFLIP_BENCH"  # environment variable: the folder of steps and results
_TAIL = 40  # lines of a log that an error shows

# Verilator has no X; what nobody has set is random instead, so that nothing can depend on it.
# Models are small and soon done: compiling them well would take longer than it saves.
_FLAGS = {
    "icarus": ["-g2012"],
    "verilator": ["-Wno-fatal", "--x-assign", "unique", "--x-initial", "unique"],
}
# Not --coverage, whose counters of expressions Verilator 5.48 cannot make for memories.
_COVERAGE = ["--coverage-line", "--coverage-toggle"]
_MAKE_FLAGS = ["OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"]
_PLUSARGS = {"icarus": [], "verilator": ["+verilator+rand+reset+2", "+verilator+seed+1"]}


class BenchError(PopflipError):
    """A bench failed inside the simulator; the message holds the end of its log."""


@dataclass(frozen=True)
class Design:
    """A design compiled for a simulator.

    Parameters
    ----------
    simulator : {"icarus", "verilator"}
    top : str
        Name of its top module.
    folder : Path
        Where it is kept.
    coverage : bool
        Whether a simulation counts what of the Verilog it reaches.
    """

    simulator: str
    top: str
    folder: Path
    coverage: bool = False


def require_simulators(*names: str) -> None:
    """Check that all programs of some simulators are there.

    Raises
    ------
    ValueError
        If there is no simulator of that name.
    ToolError
        One line that names every program that is missing.
    """
    for name in names:
        if name not in SIMULATORS:
            raise InputError(f"simulator must be one of {', '.join(SIMULATORS)}, not {name!r}")
    require(*dict.fromkeys(program for name in names for program in SIMULATORS[name]))


def build(simulator: str, top: str, verilog: str, *, coverage: bool = False) -> Design:
    """Compile Verilog for a simulator, or find the result of an earlier time.

    Parameters
    ----------
    simulator : {"icarus", "verilator"}
    top : str
        Name of the top module.
    verilog : str
        Its text, complete.
    coverage : bool
        Whether simulations count the lines and the bits of the Verilog that they reach; in
        Verilator only.

    Raises
    ------
    ToolError
        If a program is missing, or the Verilog does not compile.
    """
    require_simulators(simulator)
    if coverage and simulator != "verilator":
        raise InputError(f"coverage is counted in verilator, not {simulator!r}")
    more = _COVERAGE if coverage else []
    parts = [simulator, _version(simulator), metadata.version("cocotb"), top, verilog]
    parts += [*_FLAGS[simulator], *more, *_MAKE_FLAGS]
    file = "sim.vvp" if simulator == "icarus" else top

    def make(content: Path) -> None:
        with plain_folder() as work:
            _compile(simulator, top, verilog, work, more)
            shutil.copy(work / file, content)

    folder = entry(cache_folder() / "benches" / key_of(*parts), make)
    return Design(simulator, top, folder, coverage)


def _version(simulator: str) -> str:
    if simulator == "verilator":
        return verilator().version
    run = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, timeout=60)
    return run.stdout.partition("\n")[0]


def _compile(simulator: str, top: str, verilog: str, work: Path, more: list[str]) -> None:
    (work / "design.v").write_text(verilog)
    environment = dict(os.environ)
    if simulator == "icarus":
        (work / "options").write_text("+timescale+1ns/1ps\n")
        flags = [*_FLAGS[simulator], "-s", top, "-c", "options", "-o", "sim.vvp"]
        commands = [["iverilog", *flags, "design.v"]]
    else:
        # Cocotb's own runner makes every signal public, which costs minutes and a tenfold slower
        # model; here it is the ports of the top module.
        [ports] = re.findall(rf"^module {top}\((.*?)\);", verilog, re.MULTILINE | re.DOTALL)
        public = [
            f'public_flat_rw -module "{top}" -var "{port.strip()}"' for port in ports.split(",")
        ]
        (work / "ports.vlt").write_text("\n".join(["`verilator_config", *public, ""]))
        shutil.copy(cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp", work)
        tool = verilator().plain(work)
        environment = tool.environment()
        # Found there by the linker; the loader is told by `play` where they are.
        (work / "libraries").symlink_to(cocotb_tools.config.libs_dir)
        flags = ["--cc", "--exe", "--vpi", "--prefix", "Vtop", "--top-module", top]
        flags += ["--Mdir", ".", "-o", top, "--timescale", "1ns/1ps", *_FLAGS[simulator], *more]
        flags += ["-LDFLAGS", "-Llibraries -Wl,-rpath-link,libraries -lcocotbvpi_verilator"]
        commands = [
            [str(tool.program), *flags, "ports.vlt", "design.v", "verilator.cpp"],
            ["make", "-j", str(os.cpu_count()), "-f", "Vtop.mk", *_MAKE_FLAGS],
        ]
    for command in commands:
        text = run_to_end(command, work, environment)
        if text is not None:
            raise ToolError(
                f"{simulator} does not compile {top}: {first_error(text)}\n{_tail(text)}"
            )


def play(
    design: Design,
    bench: str,
    steps: list,
    *,
    seconds: float = 240,
    counts: list[str] | None = None,
) -> list:
    """Play the steps of a bench in a simulator.

    Parameters
    ----------
    design : Design
    bench : str
        Module of the bench, such as ``tb_core``.
    steps : list
        What the bench understands; anything that can be pickled.
    seconds : float
        Wall-clock time after which the simulator is ended.
    counts : list of str, optional
        What the simulation of a design built for ``coverage`` counted is appended: a file of
        Verilator's.

    Returns
    -------
    list
        What the bench returned.

    Raises
    ------
    BenchError
        If it failed, or did not return in time.
    """
    with tempfile.TemporaryDirectory(prefix="popflip-") as name:
        work = Path(name)
        (work / "steps").write_bytes(pickle.dumps((steps, seconds)))
        run_module(
            design, f"popflip.cocotb_tests.{bench}", work, {_EXCHANGE: name}, seconds=seconds
        )
        if counts is not None:
            counts.append((work / "coverage.dat").read_text())
        return pickle.loads((work / "results").read_bytes())


def run_module(
    design: Design, module: str, work: Path, variables: Mapping[str, str], *, seconds: float
) -> None:
    """Run the cocotb tests of a module in a simulator.

    Parameters
    ----------
    design : Design
    module : str
        Its name, which Python can import.
    work : Path
        Folder for what the simulation writes.
    variables : mapping of str to str
        Of its environment.
    seconds : float
        What :func:`end_after` has ended it after, for the message.

    Raises
    ------
    BenchError
        If a test failed, none was there, or the simulation ended otherwise.
    """
    log, start = work / "bench.log", time.monotonic()
    libraries = [str(cocotb_tools.config.libs_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    loader = {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))}
    with _environment({**variables, **loader}, without="PYTEST_CURRENT_TEST"):
        runner = get_runner(design.simulator)
        try:
            results = runner.test(
                test_module=module,
                hdl_toplevel=design.top,
                hdl_toplevel_lang="verilog",
                build_dir=design.folder,
                test_dir=work,
                results_xml=str(work / "results.xml"),
                plusargs=_PLUSARGS[design.simulator],
                log_file=log,
            )
        except (SystemExit, RuntimeError):  # with or without a results file
            results = work / "results.xml"
    if not _passed(results) or (_EXCHANGE in variables and not (work / "results").exists()):
        late = time.monotonic() - start >= seconds
        what = f"was not done in {seconds:g} s" if late else "failed"
        text = log.read_text(errors="replace") if log.exists() else "it left no log"
        name = module.rpartition(".")[2]
        raise BenchError(f"{name} {what} in {design.simulator}:\n{_tail(text)}")


def end_after(seconds: float) -> None:
    """End this process, a simulator, after so many seconds, even if it never returns to Python."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(seconds))


def _passed(results: Path) -> bool:
    """Tell whether a results file is there, speaks of a test, and of no failure."""
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return False
    return bool(cases) and not any(
        case.find(bad) is not None for case in cases for bad in ("failure", "error", "skipped")
    )


@contextmanager
def exchange():
    """Give a bench its steps and a list to put its results in; they are kept if it does not fail.

    Yields
    ------
    steps, results : list
    """
    folder = Path(os.environ[_EXCHANGE])
    results: list = []
    steps, seconds = pickle.loads((folder / "steps").read_bytes())
    end_after(seconds)
    yield steps, results
    signal.alarm(0)
    (folder / "results").write_bytes(pickle.dumps(results))


@contextmanager
def _environment(variables: Mapping[str, str], without: str = ""):
    """Change this process's environment, which cocotb's runner hands on, for a moment.

    ``without`` is taken out: the runner has manners of its own under pytest.
    """
    before = dict(os.environ)
    os.environ.update(variables)
    os.environ.pop(without, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def play_steps(host, steps: list) -> list:
    """Play steps inside the simulator; return the results of those that have some.

    Parameters
    ----------
    host : object
        Has a method of the name that a step begins with; ``packed`` are the samples that it sends,
        as the step ``"samples"`` sets them.
    steps : list of tuple
    """
    results = []
    for what, *arguments in steps:
        if what == "samples":
            [host.packed] = arguments
            continue
        result = await getattr(host, what)(*arguments)
        if result is not None:
            results.append(result)
    return results


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL:])
