"""Lines as they arrive: from a file that may grow, or from standard input.

Memory is bounded: a line that is too long is dropped as it comes, and no more is read ahead than a
few pieces.
"""

import os
import queue
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO, NamedTuple

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import file_errors

__all__ = ["LONGEST", "FileLines", "Line", "Lines", "PipeLines"]

#: Bytes that a line may have.
LONGEST = 1 << 20

#: Bytes that are read at a time.
_PIECE = 1 << 16

#: Pieces that are read ahead from a pipe.
_AHEAD = 4

#: Seconds between two looks at a file that may grow.
_LOOK_S = 0.05


class Line(NamedTuple):
    """A line, without its end.

    Attributes
    ----------
    number : int
        From 1.
    data : bytes, optional
        None if the line is too long.
    """

    number: int
    data: bytes | None


class Lines(ABC):
    """Lines of something, as far as they have arrived.

    Attributes
    ----------
    name : str
        For messages.
    """

    name: str

    def __init__(self):
        self._rest = bytearray()
        self._dropping = False
        self._ready: list[Line] = []
        self._number = 0
        self._over, self._cut = False, False

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def take(self, most: int, wait: float) -> list[Line] | None:
        """Return the next lines.

        Parameters
        ----------
        most : int
        wait : float
            Seconds to wait for the first one.

        Returns
        -------
        list of Line, optional
            Empty if none has arrived; None at the end.
        """
        end = time.monotonic() + wait
        while not self._ready and not self._over:
            piece = self._piece(max(0.0, end - time.monotonic()))
            if piece is None:
                self._finish()
            elif piece:
                self._split(piece)
            elif time.monotonic() >= end:
                break
        taken, self._ready = self._ready[:most], self._ready[most:]
        return taken if taken or not self._over else None

    def stop(self) -> None:
        """Read no further; lines that are here already can still be taken.

        What has no end yet is no line then: its rest may still come to one who reads it later.
        """
        self._cut = True

    @abstractmethod
    def close(self) -> None:
        """Let go of what is read."""

    @abstractmethod
    def _piece(self, wait: float) -> bytes | None:
        """Return the next bytes; none if none have arrived after a while; None at the end."""

    def _split(self, piece: bytes) -> None:
        *whole, rest = piece.split(b"\n")
        for part in whole:
            self._rest += part
            self._end_line()
        self._rest += rest
        if len(self._rest) > LONGEST:
            self._dropping = True
            self._rest.clear()

    def _end_line(self) -> None:
        self._number += 1
        long = self._dropping or len(self._rest) > LONGEST
        self._ready.append(Line(self._number, None if long else bytes(self._rest)))
        self._rest.clear()
        self._dropping = False

    def _finish(self) -> None:
        """Take in that there is no more: what has no end yet is a line too."""
        self._over = True
        if not self._cut and (self._rest or self._dropping):
            self._end_line()


class FileLines(Lines):
    """Lines of a file.

    Parameters
    ----------
    path : Path
    follow : bool
        Whether it may grow: then there is no end but :meth:`stop`, and what has no end yet is no
        line, because its rest may still come.
    """

    def __init__(self, path: Path, follow: bool = False):
        super().__init__()
        self.name, self._follow, self._path = str(path), follow, path
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a file of samples")
        with file_errors(path):
            self._file: BinaryIO = open(path, "rb", buffering=0)  # noqa: SIM115

    def stop(self) -> None:
        """Read no further."""
        super().stop()
        self._over = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _piece(self, wait: float) -> bytes | None:
        with file_errors(self._path):
            piece = self._file.read(_PIECE)
            if piece:
                return piece
            if not self._follow:
                return None
            if os.fstat(self._file.fileno()).st_size < self._file.tell():
                raise InputError(f"{self.name} was cut shorter while it was read")
        time.sleep(min(wait, _LOOK_S))
        return b""


class PipeLines(Lines):
    """Lines of a pipe or a terminal, such as standard input.

    A thread reads ahead, so that a wait for it can end on every system.

    Parameters
    ----------
    descriptor : int
        Of the open file. It stays open.
    name : str
    """

    def __init__(self, descriptor: int, name: str = "standard input"):
        super().__init__()
        self.name, self._descriptor = name, descriptor
        self._pieces: queue.Queue[bytes | OSError] = queue.Queue(_AHEAD)
        self._stopped, self._closed = threading.Event(), threading.Event()
        self._holding = False  # a piece that was read, and has no place yet
        # It may wait in a read for ever, and must not keep the process from ending.
        threading.Thread(target=self._read, name="lines", daemon=True).start()

    def stop(self) -> None:
        """Read no further."""
        super().stop()
        self._stopped.set()

    def close(self) -> None:
        """Have the thread end as soon as it can."""
        self._stopped.set()
        self._closed.set()

    def _read(self) -> None:
        while not self._stopped.is_set():
            try:
                # Not through Python's streams, whose locks this thread would hold at the exit.
                piece: bytes | OSError = os.read(self._descriptor, _PIECE)
            except OSError as error:
                piece = error
            self._holding = True
            while not self._closed.is_set():
                try:
                    self._pieces.put(piece, timeout=_LOOK_S)
                    break
                except queue.Full:
                    continue
            self._holding = False
            if not piece or isinstance(piece, OSError):
                return

    def _piece(self, wait: float) -> bytes | None:
        stopped = self._stopped.is_set()
        try:
            piece = self._pieces.get(timeout=_LOOK_S if stopped else wait)
        except queue.Empty:
            return None if stopped and not self._holding else b""
        if isinstance(piece, OSError):
            with file_errors(self.name):
                raise piece
        return piece or None
