"""The boards by name."""

from types import MappingProxyType

from popflip.boards.board import Board
from popflip.boards.hx8k_b_evn import HX8K_B_EVN
from popflip.boards.icebreaker import ICEBREAKER
from popflip.boards.ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F

__all__ = ["BOARDS", "find_board"]

#: In the order in which tables show them.
BOARDS = MappingProxyType({
    board.name: board
    for board in (
        ICEBREAKER,
        HX8K_B_EVN,
        ULX3S_12F,
        ULX3S_25F,
        ULX3S_45F,
        ULX3S_85F,
    )
})


def find_board(name: str) -> Board:
    """Return the board of a name.

    Raises
    ------
    ValueError
        If there is none; names those that there are.
    """
    if name not in BOARDS:
        raise ValueError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
