"""The boards by name."""

from types import MappingProxyType

from popflip.boards.board import Board
from popflip.boards.recipes.arty_a7 import ARTY_A7_35T, ARTY_A7_100T
from popflip.boards.recipes.colorlight_i5 import COLORLIGHT_I5
from popflip.boards.recipes.colorlight_i9 import COLORLIGHT_I9
from popflip.boards.recipes.crosslink_nx_evn import CROSSLINK_NX_EVN
from popflip.boards.recipes.hx8k_b_evn import HX8K_B_EVN
from popflip.boards.recipes.icebreaker import ICEBREAKER
from popflip.boards.recipes.orangecrab import ORANGECRAB_25F, ORANGECRAB_85F
from popflip.boards.recipes.tang_nano_9k import TANG_NANO_9K
from popflip.boards.recipes.tang_nano_20k import TANG_NANO_20K
from popflip.boards.recipes.ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F
from popflip.boards.recipes.upduino_v3 import UPDUINO_V3, UPDUINO_V3_STANDALONE
from popflip.golden.support.errors import InputError

__all__ = ["BOARDS", "find_board"]

#: In the order in which tables show them.
BOARDS = MappingProxyType({
    board.name: board
    for board in (
        ICEBREAKER,
        UPDUINO_V3,
        UPDUINO_V3_STANDALONE,
        HX8K_B_EVN,
        ULX3S_12F,
        ULX3S_25F,
        ULX3S_45F,
        ULX3S_85F,
        ORANGECRAB_25F,
        ORANGECRAB_85F,
        COLORLIGHT_I5,
        COLORLIGHT_I9,
        TANG_NANO_9K,
        TANG_NANO_20K,
        CROSSLINK_NX_EVN,
        ARTY_A7_35T,
        ARTY_A7_100T,
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
        raise InputError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
