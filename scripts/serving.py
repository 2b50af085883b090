"""A virtual board that stays: behind a serial port of this machine, until it is interrupted."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from popflip.boards.host.machine import virtual_board
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.description.params import Params
from popflip.scripts.session import Failure
from popflip.scripts.training import ENDING

__all__ = ["serve"]


def serve(params: Params, link: Path | None, ready: Callable[[dict], None]) -> None:
    """Keep a virtual board at a serial port until Ctrl-C or a request to end.

    Parameters
    ----------
    params : Params
    link : Path, optional
        A name for the port that stays the same: a symbolic link, removed in the end.
    ready : callable
        Gets the report that ``--json`` prints, once programs may open the port.
    """
    over = threading.Event()
    heeded = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: over.set()) for number in heeded}
    try:
        with virtual_board(params) as board, pseudo_terminal(board) as port, _named(link, port):
            ready({
                "verb": "serve",
                "preset": params.name,
                "port": str(link or port),
                "digest": params.digest,
            })
            over.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _named(link: Path | None, port: str):
    """Have a link point to the port for the length of a ``with`` block."""
    if link is None:
        yield
        return
    if link.is_symlink():
        link.unlink()  # of one that was killed, or of another that is cut off by this
    elif link.exists():
        raise Failure(f"link must be a name that is free, and {link} is a file")
    os.symlink(port, link)
    try:
        yield
    finally:
        if link.is_symlink() and os.readlink(link) == port:
            link.unlink()
