"""Bytes to and from a board: what the host link stands on.

A :class:`Transport` carries bytes and knows nothing of frames. The serial port of a real board is
one, the virtual board (:mod:`popflip.boards.virtual.board`) is another; host code cannot tell them
apart.
"""

import errno
import termios
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager

import serial
from serial.tools import list_ports

from popflip.golden.support.errors import InputError, PopflipError

__all__ = ["SerialTransport", "Transport", "TransportError"]

# A port that takes no more bytes must not hang its host. A piece takes 1.1 s at 9,600 baud.
_WRITE_PIECE = 1024
_WRITE_TIMEOUT = 10.0


class TransportError(PopflipError):
    """A board cannot be reached, or no longer; the message is one line for the user."""


class Transport(ABC):
    """A two-way stream of bytes, closed at the end of a ``with`` block."""

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

    Raises
    ------
    TransportError
        If the port does not exist, is not ours to open, or is in use; from every method also if
        it vanishes later.
    """

    def __init__(self, port: str, baud: int):
        if baud < 1:  # 0 is a command to hang up
            raise InputError(f"baud must be at least 1, not {baud!r}")
        self._name = port
        self._port: serial.Serial | None = None
        try:
            # Exclusive: two hosts on one board would both see broken frames.
            self._port = serial.Serial(
                port, baud, timeout=0, write_timeout=_WRITE_TIMEOUT, exclusive=True
            )
        except (ValueError, OverflowError) as error:
            raise TransportError(f"serial port {port} cannot be set to {baud} baud") from error
        except (OSError, termios.error) as error:
            raise TransportError(_why_closed(port, error)) from error

    @contextmanager
    def _open(self):
        if self._port is None:
            raise TransportError(f"serial port {self._name} is closed")
        try:
            yield self._port
        except serial.SerialTimeoutException as error:
            raise TransportError(f"serial port {self._name} takes no more bytes") from error
        # pyserial's own exception is an OSError; termios.error, which it lets through, is not.
        except (OSError, termios.error) as error:
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
            if port.timeout != timeout:
                port.timeout = timeout
            first = port.read(1)
            return first + port.read(port.in_waiting) if first else b""

    def idle(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the port."""
        port, self._port = self._port, None
        if port is not None:
            try:
                port.close()
            except OSError:
                pass  # It has vanished already.


def _why_closed(port: str, error: Exception) -> str:
    """Put the reason why a port did not open in one line."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
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
