"""The system of docs/examples/litex: a RISC-V processor, and a machine on its bus."""

import pytest

from popflip.golden.support.errors import PopflipError
from popflip.golden.training.state import differences
from popflip.scripts.litex_system import (
    board_figures,
    compile_system,
    expected,
    missing,
    outcome,
    prepare,
    simulate,
)

PLACED = """\
Info:      TRELLIS_COMB:    2000/  24288     8%
Info: Max frequency for clock '$glbnet$sys_clk': 39.10 MHz (FAIL at 40.00 MHz)
Info:        TRELLIS_FF:    4000/  24288    16%
Info:            DP16KD:      36/     56    64%
Info:      TRELLIS_COMB:    8000/  24288    32%
Info: Max frequency for clock '$glbnet$sys_clk': 50.25 MHz (PASS at 40.00 MHz)
"""


def test_figures_of_a_board():
    assert board_figures(PLACED) == {
        "fmax_mhz": 50.25, "clock_mhz": 40.0,
        "lut": 8000, "lut available": 24288, "ff": 4000, "ff available": 24288,
        "block": 36, "block available": 56,
    }  # fmt: skip


def test_a_clock_that_is_missed():
    with pytest.raises(PopflipError, match=r"clock \$glbnet\$sys_clk reaches 39.10 MHz, and needs"):
        board_figures(PLACED.rsplit("\n", 2)[0])
    with pytest.raises(PopflipError, match="the placer says nothing of a clock"):
        board_figures("")


def test_firmware_that_prints_something_else():
    with pytest.raises(PopflipError, match="this is no image"):
        outcome("open: no answer in time", b"")


@pytest.mark.slow
@pytest.mark.litex
@pytest.mark.timeout(7200)
def test_the_system_learns_what_the_golden_model_learns(tmp_path):
    assert missing() == []
    prepare(tmp_path, 2000, 1000)
    compile_system(tmp_path)
    said, image = simulate(tmp_path)
    found, wanted = outcome(said, image), expected(2000, 1000)
    assert differences(found.state, wanted.state) == []
    assert found[1:] == wanted[1:]
    assert "interrupts: 5\n" in said  # a run to learn, and one for each 256 images
