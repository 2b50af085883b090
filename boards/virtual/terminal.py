"""The virtual board as a serial port of this machine, by a pseudo-terminal of the system's."""

import os
import select
import threading
import time
from contextlib import contextmanager

from popflip.boards.tools import ToolError
from popflip.boards.virtual.board import VirtualBoard

__all__ = ["PseudoTerminal", "pseudo_terminal"]


class PseudoTerminal:
    """A virtual board as a serial port of this machine, for programs that open one by name.

    A thread carries bytes between the two and lets the board's time pass: at full speed while
    bytes move or samples are requested and for half a second after, else at about a tenth of it,
    to leave the processor to others. A host that polls the board keeps it at full speed. Programs
    may open and close the port again and again, at any baud rate. Bytes that nobody reads are
    dropped beyond 64 KiB.

    Parameters
    ----------
    board : VirtualBoard
        Not closed with the terminal.

    Raises
    ------
    ToolError
        If this system has no pseudo-terminals.
    """

    _LINGER = 0.5  # seconds at full speed after the last activity
    _SLICE = 0.002  # seconds of wall clock between looks at the terminal
    _NAP = 0.02  # seconds between slices of a board that does nothing
    _LIMIT = 65536  # bytes that wait for either side

    def __init__(self, board: VirtualBoard):
        try:
            import pty
            import tty
        except ImportError as error:
            raise ToolError("a virtual serial port needs a system with pseudo-terminals") from error

        self._board = board
        self._error: Exception | None = None
        self._master, self._slave = pty.openpty()
        # The slave stays open here: the settings outlive each client, and the last one that
        # closes it leaves no hang-up behind.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        #: Name of the serial port.
        self.path = os.ttyname(self._slave)
        self._stop, self._stopper = os.pipe()
        self._closed = False
        self._thread = threading.Thread(target=self._pump, name="pseudo-terminal", daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        try:
            self._carry()
        except Exception as error:  # handed to the thread that calls close()
            self._error = error

    def _carry(self) -> None:
        board, master = self._board, self._master
        cycles = 1000
        outgoing = b""
        requests = board.requests
        nap = 0.0
        active_until = 0.0
        while True:
            wanted = [self._stop] if board.queued > self._LIMIT else [self._stop, master]
            readable, writable, _ = select.select(wanted, [master] if outgoing else [], [], nap)
            if self._stop in readable:
                return
            incoming = os.read(master, 4096) if master in readable else b""
            if incoming:
                board.write(incoming)
            if writable:
                outgoing = outgoing[self._send(outgoing) :]
            start = time.monotonic()
            before = board.cycles
            data = board.read(cycles / board.clock_hz)
            end = time.monotonic()
            if board.cycles - before == cycles:
                change = min(max(self._SLICE / max(end - start, 1e-6), 0.5), 2.0)
                cycles = min(max(int(cycles * change), 100), 1_000_000)
            if data:
                outgoing = (outgoing + data)[-self._LIMIT :]
                outgoing = outgoing[self._send(outgoing) :]
            if incoming or data or board.queued or board.requests != requests:
                requests = board.requests
                active_until = end + self._LINGER
            nap = 0.0 if end < active_until else self._NAP

    def _send(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Stop the thread and remove the port; raises what ended the thread early, if anything."""
        if self._closed:
            return
        self._closed = True
        os.write(self._stopper, b".")
        self._thread.join()
        for descriptor in (self._master, self._slave, self._stop, self._stopper):
            os.close(descriptor)
        if self._error is not None:
            raise self._error


@contextmanager
def pseudo_terminal(board: VirtualBoard):
    """Show a board as a serial port for the length of a ``with`` block, which gets its name.

    Parameters
    ----------
    board : VirtualBoard
        See :class:`PseudoTerminal`.
    """
    terminal = PseudoTerminal(board)
    try:
        yield terminal.path
    finally:
        terminal.close()
