import pytest

from popflip.boards.registry import BOARDS


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_every_board_has_a_clock_that_its_pll_makes(board):
    if board.core_mhz == board.clock_mhz:
        return
    made = board.device.family.pll(board.clock_mhz, board.core_mhz)
    assert abs(made.mhz / board.core_mhz - 1) < 0.005
