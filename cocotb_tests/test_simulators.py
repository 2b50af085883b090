"""Where compiled designs are kept, and places where tools have trouble with names."""

import os

import cocotb_tools.config
import numpy as np
import pytest

from popflip.boards.tests.networks import MICRO
from popflip.boards.tests.odd_folder import move_to_odd_folder
from popflip.cocotb_tests.cosim import cosim
from popflip.cocotb_tests.simulators import build
from popflip.golden.support.cache import is_whole

VERILOG = "module core(clk);\n  input clk;\nendmodule\n"


# Of Verilator, test_model of the virtual board tries the same in less time.
@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def test_folders_with_spaces_and_letters_beyond_ascii(simulator, tmp_path, monkeypatch):
    odd = move_to_odd_folder(tmp_path, monkeypatch)
    (odd / "libs").symlink_to(cocotb_tools.config.libs_dir)
    monkeypatch.setattr(cocotb_tools.config, "libs_dir", odd / "libs")
    assert cosim(MICRO, simulator, np.ones((1, MICRO.n_in), bool), np.array([1]))["agree"]
    [design] = (odd / "cache" / "benches").glob("[0-9a-f]*")
    assert is_whole(design), "a simulation must leave what it runs as it is"


def test_a_design_that_was_cut_short_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    path = build("icarus", "core", VERILOG).folder / "sim.vvp"
    whole = path.read_bytes()
    os.truncate(path, len(whole) // 2)
    assert build("icarus", "core", VERILOG).folder == path.parent
    assert is_whole(path.parent)
    # Names in it differ from one time to the next.
    assert len(path.read_bytes()) > 0.9 * len(whole)
