"""Bytes to and from a board: what the host link stands on.

A :class:`Transport` carries bytes and knows nothing of frames. The serial port of a real board is
one, the virtual board (:mod:`popflip.boards.virtual.board`) is another; host code cannot tell them
apart.
"""

import errno
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

from popflip.golden.support.errors import InputError, PopflipError

if TYPE_CHECKING:
    pass

__all__ = ["SerialTransport", "Transport", "TransportError"]

# A port that takes no more bytes must not hang its host. A piece takes 1.1 s at 9,600 baud.
_WRITE_PIECE = 1024
_WRITE_TIMEOUT = 10.0

_ADVICE = "is it the right port, and its baud that of the build (--baud)?"


class TransportError(PopflipError):
    """A board cannot be reached, or no longer; the message is one line for the user."""


class Transport(ABC):
    """A two-way stream of bytes, closed at the end of a ``with`` block.

    Attributes
    ----------
    title : str
        What messages call it, such as ``serial port /dev/ttyUSB0 at 115200 baud``; may be empty.
    baud : int or None
        Bits per second of the line, 10 of them for a byte; None if bytes take no time.
    advice : str
        What to try where no board answers; may be empty.
    """

    title: str = ""
    advice: str = ""
    baud: int | None = None

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes, or queue them to be sent while time passes."""

    @abstractmethod
    def read(self, timeout: float) -> bytes:
        """Return what has arrived.

        Parameters
        ----------
        timeout : float
            Seconds of the board's time to wait for the first byte.

        Returns
        -------
        bytes
            At least one byte, or none if nothing arrived in time.
        """

    @abstractmethod
    def idle(self, seconds: float) -> None:
        """Let time pass on the board."""

    @abstractmethod
    def now(self) -> float:
        """Return the board's time in seconds, from any beginning: what waits are measured in."""

    def line_seconds(self, count: int) -> float:
        """Return how long some bytes take on the line."""
        return 10 * count / self.baud if self.baud else 0.0

    @abstractmethod
    def close(self) -> None:
        """Let go of the board. Closing twice does no harm."""

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class SerialTransport(Transport):
    """A serial port: 8 data bits, no parity, 1 stop bit, no flow control.

    Parameters
    ----------
    port : str
        Name of the device, such as ``/dev/ttyUSB0``.
    baud : int
        Bits per second.
    advice : str
        What to try where no board answers, such as the baud of a build.

    Raises
    ------
    TransportError
        If the port does not exist, is not ours to open, or is in use; from every method also if
        it vanishes later.
    """

    def __init__(self, port: str, baud: int, advice: str = _ADVICE):
        # Here, because on a POSIX system it needs modules that others lack.
        import serial

        if baud < 1:  # 0 is a command to hang up
            raise InputError(f"baud must be at least 1, not {baud!r}")
        self.baud = baud
        self.title = f"serial port {port} at {baud} baud"
        self.advice = advice
        self._name = port
        self._full = serial.SerialTimeoutException
        self._vanished = _failures()
        self._port: serial.Serial | None = None
        try:
            # Exclusive: two hosts on one board would both see broken frames.
            self._port = serial.Serial(
                port, baud, timeout=0, write_timeout=_WRITE_TIMEOUT, exclusive=True
            )
        except (ValueError, OverflowError) as error:
            raise TransportError(f"serial port {port} cannot be set to {baud} baud") from error
        except self._vanished as error:
            raise TransportError(_why_closed(port, error)) from error

    @contextmanager
    def _open(self):
        if self._port is None:
            raise TransportError(f"serial port {self._name} is closed")
        try:
            yield self._port
        except self._full as error:
            raise TransportError(f"{self.title} takes no more bytes") from error
        except self._vanished as error:
            raise TransportError(f"serial port {self._name} has vanished: {error}") from error

    def write(self, data: bytes) -> None:
        """Send bytes."""
        with self._open() as port:
            for start in range(0, len(data), _WRITE_PIECE):
                port.write(data[start : start + _WRITE_PIECE])

    def read(self, timeout: float) -> bytes:
        """Return at least one byte, or none after ``timeout`` seconds."""
        with self._open() as port:
            waiting = port.in_waiting
            if waiting:
                return port.read(waiting)
            # A change is a system call or four; a little too long does not matter.
            if port.timeout is None or not timeout <= port.timeout <= 1.1 * timeout:
                port.timeout = timeout
            first = port.read(1)
            return first + port.read(port.in_waiting) if first else b""

    def idle(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def now(self) -> float:
        """Return the time of this machine."""
        return time.monotonic()

    def close(self) -> None:
        """Close the port."""
        port, self._port = self._port, None
        if port is not None:
            try:
                port.close()
            except OSError:
                pass  # It has vanished already.


def _failures() -> tuple[type[Exception], ...]:
    """What pyserial raises where a port fails."""
    # Its own exception is an OSError; termios.error, which it lets through, is not.
    try:
        import termios
    except ImportError:
        return (OSError,)
    return OSError, termios.error


def _why_closed(port: str, error: Exception) -> str:
    """Put the reason why a port did not open in one line."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        from serial.tools import list_ports

        ports = ", ".join(sorted(p.device for p in list_ports.comports()))
        return f"no serial port {port} (there are: {ports or 'none'})"
    if code in (errno.EACCES, errno.EPERM):
        return (
            f"no permission to open serial port {port} "
            "(on Linux: add yourself to its group, often dialout, and log in again)"
        )
    if code in (errno.EBUSY, errno.EAGAIN):
        return f"serial port {port} is in use by another program"
    return f"serial port {port} does not open: {error}"
