"""A machine in a shell of shift registers, to see what it takes."""

import re

import pytest

from popflip.boards.build.shell import Shell, measure_front_end
from popflip.boards.build.synthesis import synthesis_script
from popflip.boards.registry import find_board
from popflip.boards.tests.networks import MICRO
from popflip.golden.description.bus import BUSES
from popflip.rtl.designs import design


@pytest.mark.parametrize("bus", BUSES)
def test_every_port_is_joined(bus):
    """By as many flip-flops as are subtracted; memories are where synthesis looks for them."""
    board = find_board("hx8k-b-evn")
    shell = Shell(board, design(MICRO, bus, bytes(16)), bus == "none")
    ports = {"none": 20, "uart": 3, "axi": 30, "wishbone": 8}[bus]
    assert min(shell.n_in, shell.n_out) > ports
    text = board.platform().prepare(shell, "top", emit_src=False).files["top.il"]
    text = text if isinstance(text, str) else text.decode()
    top = text.partition("module \\top\n")[2].partition("\nend\n")[0]
    registers = re.findall(r"cell \$dff \S+\n +parameter \\WIDTH (\d+)", top)
    assert sorted(map(int, registers)) == sorted([shell.n_in, shell.n_out])
    assert "module \\top.machine.core.memory0" in text
    assert "top.machine.core.memory*" in synthesis_script(board, MICRO)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_bus_costs_something():
    board = find_board("hx8k-b-evn")
    core, bus = (measure_front_end(board, MICRO, name, 60) for name in ("none", "wishbone"))
    assert 500 < core.lut < bus.lut < 2 * core.lut
    assert core.block <= bus.block
    assert min(core.fmax_mhz, bus.fmax_mhz) > 20
