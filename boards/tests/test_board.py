import re
from dataclasses import replace

import pytest

from popflip.boards.board import Board, Flash
from popflip.boards.families.devices import ECP5_25F, UP5K
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


@pytest.mark.parametrize(
    ("device", "depth", "width", "blocks"),
    [
        (UP5K, 256, 16, 1),
        (UP5K, 257, 16, 2),
        (UP5K, 1024, 4, 1),
        (UP5K, 1024, 8, 2),
        (UP5K, 2304, 16, 9),
        (UP5K, 1, 1, 1),
        (ECP5_25F, 512, 72, 2),
        (ECP5_25F, 490, 100, 3),
        # Four columns of 18 bits in five rows, and 8 bits in three blocks of 2,048 words.
        (ECP5_25F, 4900, 80, 23),
        (ECP5_25F, 1960, 80, 9),
        (ECP5_25F, 16384, 1, 1),
    ],
)
def test_block_rams_of_a_memory(device, depth, width, blocks):
    assert device.blocks_for(depth, width) == blocks


def test_bits_of_all_blocks():
    assert UP5K.block_bits == 30 * 4096
    assert ECP5_25F.block_bits == 56 * 18432
