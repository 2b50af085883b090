"""What training from the flash takes: the arithmetic."""

from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO
from popflip.golden.description.flash_image import TURN_CYCLES, flash_cycles
from popflip.scripts.flash_budget import flash_budget


def test_the_slower_one_is_told():
    board = BOARDS["ulx3s-12f"]
    params = board.params(MICRO, 50)
    found = flash_budget(board, MICRO, 50, None)
    # 8 rows of a byte and the label: 40 bits of command, 2 clocks a byte, and the turns.
    cycles = 40 + 2 * 9 + (9).bit_length() + 2 + 4 + TURN_CYCLES
    waits = 4 * 2  # for each byte but the last, of which two may be on their way
    assert found["flash_cycles"] == flash_cycles(params) + TURN_CYCLES == cycles + waits
    assert (found["flash"], found["divider"], found["flash_mhz"]) == ("quad", 1, 50)
    assert (found["bound"], found["obstacle"], found["sample_bytes"]) == (None, None, 9)
    assert found["room"] == 1 << 20
    assert {"flash": "quad", "divider": 1, "cycles_per_sample": cycles + waits} in found["ways"]
    assert flash_budget(board, MICRO, 50, cycles + waits)["bound"] is False
    assert flash_budget(board, MICRO, 50, cycles + waits - 1)["bound"] is True
    off = MICRO.replace(standalone={"flash": "none"})
    assert flash_budget(board, off, 50, 10) == {"obstacle": "standalone.flash is none"}
