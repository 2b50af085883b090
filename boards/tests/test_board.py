import re
from dataclasses import replace

import pytest

from popflip.boards.board import Board, Flash
from popflip.boards.families.ice40 import UP5K
from popflip.boards.families.nexus import LIFCL_40
from popflip.boards.tests.networks import MICRO


def board(**changes):
    values = {
        "name": "b", "title": "B", "device": UP5K, "platform": object, "preset": "p",
        "clock": "clk", "clock_mhz": 12, "core_mhz": 24,
    }  # fmt: skip
    return Board(**values | changes)


def test_the_divisor_makes_the_rate():
    assert board(core_mhz=24).uart_divisor(24) == 24
    assert board(core_mhz=27, baud=3_000_000).uart_divisor(27) == 9
    # 25.3 cycles per bit are 25, 1.2% too fast.
    assert board(core_mhz=25.3).uart_divisor(25.3) == 25


@pytest.mark.parametrize(
    ("core_mhz", "baud", "near"), [(2.5, 1_000_000, 4), (24, 7_000_000, 28), (10.4, 1_000_000, 11)]
)
def test_a_clock_that_does_not_make_the_rate_is_refused(core_mhz, baud, near):
    text = (
        f"core_mhz must be near a multiple of {baud / 1e6:g} for {baud} baud "
        f"(and at least 4 of it), such as {near:g}, not {core_mhz:g}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        board(core_mhz=core_mhz, baud=baud)


def test_parameters_get_the_divisor_and_stay_otherwise():
    made = board().params(MICRO)
    assert made == MICRO.replace(machine={"uart_divisor": 24}, standalone={"flash": "none"})
    assert board().params(MICRO, 48).machine.uart_divisor == 48


QUAD = Flash(bytes=16 << 20, data_offset=3 << 20, resource="spi_flash_4x", lines="quad")


@pytest.mark.parametrize(
    ("core_mhz", "divider", "delay"), [(24, 1, 2), (50, 1, 2), (51, 2, 0), (150, 4, 0)]
)
def test_a_board_with_a_flash_trains_alone(core_mhz, divider, delay):
    made = board(flash=QUAD).params(MICRO, core_mhz)
    standalone = {
        "flash": "quad", "flash_divider": divider, "flash_delay": delay, "flash_base": 3 << 20,
    }  # fmt: skip
    assert made == MICRO.replace(machine={"uart_divisor": core_mhz}, standalone=standalone)
    assert board(flash=QUAD).params(made, core_mhz) == made
    dual = board(flash=replace(QUAD, lines="dual", mhz=10)).params(MICRO, core_mhz).standalone
    assert (dual.flash, dual.flash_divider % 2) == ("dual", 0)
    assert core_mhz / 10 <= dual.flash_divider < core_mhz / 10 + 2


@pytest.mark.parametrize("lines", ["single", "dual", "quad"])
def test_named_lines_keep_their_divider(lines):
    params = MICRO.replace(standalone={"flash": lines, "flash_divider": 4, "flash_delay": 3})
    standalone = board(flash=QUAD).params(params).standalone
    assert (standalone.flash, standalone.flash_divider, standalone.flash_delay) == (lines, 4, 0)
    assert standalone.flash_base == QUAD.data_offset


@pytest.mark.parametrize(
    ("flash", "changes", "why"),
    [
        (None, {}, "the board's flash is not wired to the design"),
        (replace(QUAD, resource=""), {}, "the board's flash is not wired to the design"),
        (QUAD, {"standalone": {"flash": "none"}}, "standalone.flash is none"),
        (
            QUAD, {"machine": {"training": False}},
            "machine.training must be true for standalone training, not false",
        ),
        (
            QUAD, {"learning": {"shift": 1}},
            "learning.shift must be 0 for a dense first layer in standalone training, not 1",
        ),
    ],
    ids=["no-flash", "not-wired", "switched-off", "infers", "dense-shifted"],
)  # fmt: skip
def test_what_stands_against_training_alone(flash, changes, why):
    params = MICRO.replace(**changes)
    assert board(flash=flash).obstacle(params) == why
    assert board(flash=flash).params(params).standalone.lines == 0
    assert board(flash=QUAD).obstacle(MICRO) is None


@pytest.mark.parametrize(
    ("flash", "lines", "complaint"),
    [
        (
            None, "single",
            "standalone.flash must be auto or none for b, whose flash is not wired to the design, "
            "not single",
        ),
        (
            replace(QUAD, lines="dual"), "quad",
            "standalone.flash must be auto, none, single or dual for b, which wires two lines, "
            "not quad",
        ),
    ],
)  # fmt: skip
def test_lines_that_a_board_does_not_wire_are_refused(flash, lines, complaint):
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        board(flash=flash).params(MICRO.replace(standalone={"flash": lines}))


@pytest.mark.parametrize(
    ("offset", "complaint"),
    [
        (1000, "data_offset must be a multiple of 65536, not 1000"),
        (0, "data_offset must be 1 to 1048575, within the flash, not 0"),
        (1 << 20, "data_offset must be 1 to 1048575, within the flash, not 1048576"),
    ],
)
def test_data_begin_at_an_erasable_block_of_the_flash(offset, complaint):
    with pytest.raises(ValueError, match=f"^{complaint}$"):
        Flash(bytes=1 << 20, data_offset=offset, resource="spi_flash")


def test_a_family_whose_pins_have_no_registers_halves_the_clock_of_the_flash():
    nexus = board(flash=QUAD, device=LIFCL_40, core_mhz=12)
    standalone = nexus.params(MICRO).standalone
    assert (standalone.flash_divider, standalone.flash_delay) == (2, 0)
    named = MICRO.replace(standalone={"flash": "quad", "flash_divider": 1, "flash_delay": 2})
    text = (
        "standalone.flash_divider must be at least 2 for b, whose tools put no registers into "
        "pins, not 1"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        nexus.params(named)


def test_the_rate_of_the_line_is_what_the_divisor_makes():
    assert board(core_mhz=24.375).line_rate(24.375) == 1_015_625


def test_a_pll_is_one_of_the_familys():
    assert board(pll="pad").pll == "pad"
    with pytest.raises(
        ValueError, match=r"^pll must be core or pad for iCE40UP5K-SG48, not 'rpll'"
    ):
        board(pll="rpll")
    with pytest.raises(ValueError, match=r"^pll must be empty for LIFCL-40-9BG400C, not 'pad'$"):
        board(device=LIFCL_40, pll="pad")
