"""The virtual board: the generated Verilog of a top, compiled by Verilator, behind a UART.

Host code reaches it through the same :class:`~popflip.boards.host.transport.Transport` as a serial
port, with the same bytes: pins ``rx`` and ``tx`` are driven and sampled bit by bit. A sample store
in the host's memory stands in for the board's flash. Time is simulated time: the same calls give
the same cycles on every machine.

:mod:`popflip.boards.virtual.model` compiles it, :mod:`popflip.boards.virtual.terminal` shows it as
a serial port.
"""

import ctypes
import os
import threading
import time
from pathlib import Path

import numpy as np

from popflip.boards.host.transport import Transport, TransportError
from popflip.boards.tools import ToolError
from popflip.boards.virtual.model import build_model
from popflip.golden.support.errors import InputError

__all__ = ["VirtualBoard"]

# Wall-clock seconds that one call into the model should take: Ctrl-C waits for its end.
_SLICE = 0.03


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    board = ctypes.c_void_p
    u64 = ctypes.c_uint64
    for name, result, *arguments in (
        ("board_new", board, ctypes.c_uint32, u64),
        ("board_delete", None, board),
        ("board_trace", ctypes.c_int, board, ctypes.c_char_p),
        ("board_store", None, board, ctypes.c_void_p, u64),
        ("board_flash", None, board, ctypes.c_void_p, u64),
        ("board_write", None, board, ctypes.c_char_p, u64),
        ("board_run", ctypes.c_bool, board, u64, ctypes.c_bool),
        ("board_waiting", u64, board),
        ("board_read", None, board, ctypes.c_char_p),
        ("board_counters", None, board, ctypes.POINTER(u64)),
        ("board_reset", ctypes.c_int, board, u64),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


class VirtualBoard(Transport):
    """A Verilated top behind its UART pins, with a sample store or an SPI flash.

    The top has the ports ``clk``, ``rst``, ``rx``, ``tx`` and those of a member ``store`` of
    :class:`popflip.rtl.interface.StoreSignature`; others are left open. ``rst`` stays low, unless
    :meth:`reset` pulls it: the board starts as if just configured. The store offers the first byte
    of a sample in the cycle after the request was accepted, then one byte per cycle, and takes up
    to 4 requests ahead.

    Or, in the place of ``store``, it has those of a member ``flash`` of
    :class:`popflip.rtl.standalone.flash_commands.FlashSignature`, and ``start``, which stays low.
    The flash starts in deep power-down. It knows the instructions ABh, B9h, 03h, 0Bh and 6Bh, and
    counts what no flash would stand as :attr:`flash_errors`.

    With ``error_pin`` it has the port ``error``, too, which :attr:`error` shows.

    Methods may be called from several threads, and let others run while they simulate.

    Parameters
    ----------
    verilog : str
        Text of the Verilog, complete. Compiled by :func:`build_model` unless it was before.
    divisor : int
        Clock cycles per bit of the UART, at least 4.
    sample_bytes : int
        Bytes per sample in the store, at least 1.
    clock_hz : int
        Clock cycles per second of simulated time, which timeouts are given in.
    trace : Path, optional
        Write waves (VCD) to this file.
    top, flash_delay, resettable, error_pin, folder
        As for :func:`build_model`.
    flash : bytes, optional
        Content of the flash, from address 0 on; ones behind it. With ``flash_delay`` only.
    """

    def __init__(
        self,
        verilog: str,
        *,
        divisor: int,
        sample_bytes: int,
        clock_hz: int = 50_000_000,
        trace: Path | None = None,
        top: str = "top",
        flash_delay: int | None = None,
        resettable: bool = False,
        error_pin: bool = False,
        flash: bytes = b"",
        folder: Path | None = None,
    ):
        self._handle = None
        self.title = "the virtual board"
        if divisor < 4:
            raise InputError(f"divisor must be at least 4, not {divisor!r}")
        if sample_bytes < 1:
            raise InputError(f"sample_bytes must be at least 1, not {sample_bytes!r}")
        self._sample_bytes = sample_bytes
        #: Clock cycles per second of simulated time.
        self.clock_hz = clock_hz
        self.baud = clock_hz // divisor
        self._has_flash = flash_delay is not None
        model = build_model(
            verilog, top=top, flash_delay=flash_delay, resettable=resettable,
            error_pin=error_pin, trace=trace is not None, folder=folder,
        )  # fmt: skip
        self._library = _load(model)
        self._lock = threading.Lock()
        self._samples: np.ndarray | None = None
        self._slice = 20_000
        self._seconds = 0.0
        self._counters = (0,) * 7
        self._handle = self._library.board_new(divisor, sample_bytes)
        self._flash = np.frombuffer(flash, np.uint8)
        self._library.board_flash(self._handle, self._flash.ctypes.data, len(flash))
        if trace is not None and not self._library.board_trace(self._handle, os.fsencode(trace)):
            self.close()
            raise ToolError(f"cannot write waves to {trace}")

    @property
    def has_store(self) -> bool:
        """Whether :meth:`store` can hand it samples; else it has a flash."""
        return not self._has_flash

    def store(self, samples: np.ndarray) -> None:
        """Hand the samples that the store answers requests with.

        Parameters
        ----------
        samples : ndarray of uint8, shape (count, sample_bytes)
            Packed samples, C-contiguous, in memory or mapped from a file. They are not copied.
        """
        if not isinstance(samples, np.ndarray) or samples.dtype != np.uint8:
            kind = getattr(samples, "dtype", type(samples).__name__)
            raise TypeError(f"samples must be an array of uint8, not {kind}")
        if samples.ndim != 2 or samples.shape[1] != self._sample_bytes:
            raise InputError(
                f"samples must have shape (count, {self._sample_bytes}), not {samples.shape!r}"
            )
        if not samples.flags.c_contiguous:
            raise InputError("samples must be C-contiguous")
        with self._lock:
            self._library.board_store(self._open(), samples.ctypes.data, len(samples))
            # Only now: the harness reads the former ones until here.
            self._samples = samples

    def write(self, data: bytes) -> None:
        """Queue bytes for pin ``rx``. They leave as simulated time passes."""
        with self._lock:
            self._library.board_write(self._open(), bytes(data), len(data))
            self._count()

    def read(self, timeout: float) -> bytes:
        """Simulate until bytes have arrived.

        Parameters
        ----------
        timeout : float
            Seconds of simulated time to wait.

        Returns
        -------
        bytes
            What had arrived before, else all of a burst (up to 64 KiB): bytes with less than two
            bits of silence between them. What there is of it, or none, when time is up.
        """
        with self._lock:
            data = self._take()
        if data:
            return data
        self._simulate(timeout, True)
        with self._lock:
            return self._take()

    def idle(self, seconds: float) -> None:
        """Simulate for a time; bytes that arrive are kept for :meth:`read`."""
        self._simulate(seconds, False)

    def now(self) -> float:
        """Return the simulated time."""
        return self.cycles / self.clock_hz

    def reset(self, cycles: int = 4) -> None:
        """Pull the reset of a board that is ``resettable``, for some cycles.

        Bytes on their way to the board go on; what the store was asked for is forgotten.
        """
        with self._lock:
            if not self._library.board_reset(self._open(), cycles):
                raise InputError("the virtual board must be resettable to be reset")
            self._count()

    def close(self) -> None:
        """Discard the board. Its counters stay readable."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                self._library.board_delete(handle)
            self._samples = None

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return self._counters[0]

    @property
    def seconds(self) -> float:
        """Wall-clock time that these cycles took, which the host's own work is not part of."""
        return self._seconds

    @property
    def requests(self) -> int:
        """Samples that the top has requested from the store."""
        return self._counters[1]

    @property
    def out_of_range(self) -> int:
        """Requests beyond the end of the store; they were answered with zeros."""
        return self._counters[2]

    @property
    def framing_errors(self) -> int:
        """Bytes from pin ``tx`` that had no stop bit and were dropped."""
        return self._counters[3]

    @property
    def queued(self) -> int:
        """Bytes that have still to leave for pin ``rx``."""
        return self._counters[4]

    @property
    def flash_errors(self) -> int:
        """What the flash did not understand, or would be damaged by."""
        return self._counters[5]

    @property
    def error(self) -> bool:
        """Level of the pin ``error``; low if the board is made without."""
        return bool(self._counters[6])

    def _open(self) -> int:
        if self._handle is None:
            raise TransportError("the virtual board is closed")
        return self._handle

    def _count(self) -> None:
        # Kept here, so that nobody who looks at a counter waits for a thread that simulates.
        counters = (ctypes.c_uint64 * 7)()
        self._library.board_counters(self._handle, counters)
        self._counters = tuple(counters)

    def _take(self) -> bytes:
        handle = self._open()
        data = ctypes.create_string_buffer(self._library.board_waiting(handle))
        self._library.board_read(handle, data)
        return data.raw

    def _simulate(self, seconds: float, until_bytes: bool) -> None:
        left = round(seconds * self.clock_hz)
        over = False
        while left > 0 and not over:
            with self._lock:
                count = min(left, self._slice)
                start = time.perf_counter()
                over = self._library.board_run(self._open(), count, until_bytes)
                elapsed = time.perf_counter() - start
                self._seconds += elapsed
                self._count()
                # Where a slice ends changes nothing that can be seen from outside.
                if count == self._slice and not over:
                    change = min(max(_SLICE / max(elapsed, 1e-6), 0.5), 2.0)
                    self._slice = min(max(int(count * change), 100), 10_000_000)
            left -= count
