"""The serial line to a board: which port, at which rate, and who said so.

A board talks at the rate that it was built with, so the build is asked first
(:mod:`popflip.boards.build.built`): that of the board's name, or the one beside the parameters. A
time-out says at which rate the port was asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.built import BUILDS, Built, build_beside, builds_in
from popflip.boards.host.transport import SerialTransport
from popflip.boards.registry import find_board, is_board
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["DEFAULT_BAUD", "SerialLine", "line_of", "open_line", "params_of"]

#: Bits per second if neither the user nor a build says it.
DEFAULT_BAUD = 115_200


@dataclass(frozen=True, kw_only=True)
class SerialLine:
    """A serial port that a board is at.

    Parameters
    ----------
    port : str
        Name of the device.
    baud : int
        Bits per second.
    named : bool
        Whether the user named the rate.
    built : Built, optional
        What the board was built with, if that is known.
    board : Board, optional
        The recipe, if the user named it.
    """

    port: str
    baud: int
    named: bool = False
    built: Built | None = None
    board: Board | None = None

    @property
    def clock_mhz(self) -> float | None:
        """Clock of the machine on the board, in MHz; None if nobody knows it."""
        if self.built is not None:
            return self.built.core_mhz
        return None if self.board is None else self.board.core_mhz

    @property
    def advice(self) -> str:
        """Where the rate comes from, in a clause that follows it in a message; may be empty."""
        if self.built is not None:
            if self.built.baud == self.baud:
                return f"that is the rate that {self.built.folder} was built with"
            return f"but {self.built.folder} was built for {self.built.baud}"
        if self.named:
            return ""
        if self.board is not None:
            return f"that is the usual rate of {self.board.name}"
        others = [f"{built.folder} was built for {built.baud}" for built in builds_in()]
        hint = "; ".join([*others[:3], "--baud or --config FOLDER/params.toml names another"])
        return f"that is the default: {hint}"


def _build_of(board: Board) -> Built | None:
    """Return the build in ``build/BOARD``, None if there is none."""
    return build_beside(BUILDS / board.name / "params.toml")


def line_of(
    board: str | None, port: str | None, baud: int | None = None, config: Path | None = None
) -> SerialLine | None:
    """Find out which serial line a user means.

    Parameters
    ----------
    board : str, optional
        A serial port, or the name of a board whose serial port is ``port``; ``virtual`` is none.
    port : str, optional
        Name of the device, if ``board`` is not.
    baud : int, optional
        Goes before all else that tells the rate.
    config : Path, optional
        The file of the parameters, beside which their build may lie.

    Returns
    -------
    SerialLine or None
        None for the virtual board.

    Raises
    ------
    InputError
        If the words do not go together.
    """
    recipe = None
    if board is not None and is_board(board):
        recipe = find_board(board)
        if port is None:
            raise InputError(f"name the serial port of {board} with --port, such as /dev/ttyUSB0")
    elif board is not None and port is not None:
        raise InputError(
            f"--port goes with the name of a board, as popflip boards lists them, not {board!r}"
        )
    port = port or board
    if port in (None, "virtual"):
        return None
    built = build_beside(config) if config is not None else None
    if built is None and recipe is not None:
        built = _build_of(recipe)
    rate = baud or (built.baud if built else None)
    if rate is None and recipe is not None:
        rate = recipe.line_rate(recipe.core_mhz)
    return SerialLine(
        port=port, baud=rate or DEFAULT_BAUD, named=baud is not None, built=built, board=recipe
    )


def params_of(board: str | None, params: Params | None) -> Params | None:
    """Return parameters as a named board runs them.

    Parameters
    ----------
    board : str, optional
        As for :func:`line_of`.
    params : Params, optional
        Those that the user named; of a board's build if left out.

    Returns
    -------
    Params or None
        ``params`` as they are, if ``board`` is no board's name.

    Raises
    ------
    InputError
        If nothing was built, and nothing named.
    """
    if board is None or not is_board(board):
        return params
    recipe = find_board(board)
    built = _build_of(recipe)
    if params is not None:
        return recipe.params(params, built.core_mhz if built else None)
    if built is None:
        raise InputError(
            f"{BUILDS / recipe.name} holds no build: popflip build --board {recipe.name} makes "
            "one; or name the network with --preset or --config"
        )
    return built.params


@contextmanager
def open_line(line: SerialLine) -> Iterator[SerialTransport]:
    """Open a serial line for the length of a ``with`` block.

    Where no board answers, messages end with what :attr:`SerialLine.advice` says.
    """
    with SerialTransport(line.port, line.baud, line.advice) as transport:
        yield transport
