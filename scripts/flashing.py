"""Configuring a board, and writing data behind its bitstream."""

from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.flash import FlashError, load
from popflip.boards.flows import FLOWS
from popflip.scripts.console import say

__all__ = ["flash_board"]


def flash_board(
    board: Board,
    bitstream: Path | None,
    persistent: bool,
    data: Path | None = None,
    cable: str | None = None,
) -> dict:
    """Write a bitstream to a board, after the data that it is to find in the flash.

    Parameters
    ----------
    board : Board
    bitstream : Path, optional
        The one in ``build/BOARD`` if left out.
    persistent : bool
        Into the flash.
    data : Path, optional
        An image of packed samples; always into the flash.
    cable : str, optional
        Instead of the board's own.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    bitstream = bitstream or _built(board)
    offset = None
    if data is not None:
        if board.flash is None or not board.flash.resource:
            raise FlashError(f"{board.title} has no flash that a design can read data from")
        offset = board.flash.data_offset
        size = bitstream.stat().st_size if bitstream.is_file() else 0
        if persistent and size > offset:
            raise FlashError(f"{bitstream} of {size:,} bytes reaches into the data at {offset:,}")
        # First: to write the flash ends what runs in the FPGA.
        load(board, data, persistent=True, offset=offset, cable=cable, say=say)
    load(board, bitstream, persistent=persistent, cable=cable, say=say)
    return {
        "verb": "flash",
        "board": board.name,
        "bitstream": str(bitstream),
        "persistent": persistent,
        "data": None if data is None else str(data),
        "data_offset": offset,
    }


def _built(board: Board) -> Path:
    """Return the bitstream that popflip build left for a board, the newest of several."""
    if board.device.flow not in FLOWS:
        raise FlashError(
            f"name the file that the maker's tools wrote for {board.title}: --bitstream"
        )
    folder = Path("build") / board.name
    found = sorted(
        folder.glob(f"*{FLOWS[board.device.flow].suffix}"), key=lambda path: path.stat().st_mtime
    )
    if not found:
        raise FlashError(
            f"{folder} holds no bitstream: popflip build --board {board.name} makes one"
        )
    return found[-1]
