"""The virtual board: the generated Verilog of a top, compiled by Verilator, behind a UART.

Host code reaches it through the same :class:`~popflip.boards.host.transport.Transport` as a serial
port, with the same bytes: pins ``rx`` and ``tx`` are driven and sampled bit by bit. A sample store
in the host's memory stands in for the board's flash. Time is simulated time: the same calls give
the same cycles on every machine.

The compiled harness is ``virtual.cpp``; built models are kept by content and used again.
"""

import ctypes
import fcntl
import hashlib
import logging
import os
import platform
import pty
import re
import select
import shutil
import subprocess
import tempfile
import threading
import time
import tty
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from popflip.boards.host.transport import Transport, TransportError
from popflip.boards.tools import ToolError, compiler, require, run_to_end, verilator
from popflip.golden.support.cache import cache_folder
from popflip.golden.support.errors import InputError

__all__ = ["PseudoTerminal", "VirtualBoard", "build_model", "model_path", "pseudo_terminal"]

log = logging.getLogger(__name__)

_HARNESS = Path(__file__).with_name("virtual.cpp")

# Registering the inputs leaves no combinational logic behind the ports of the Verilated model, so
# that it is evaluated once per cycle (see virtual.cpp). A constant reset goes further: Amaranth
# multiplexes it into the next state of every register, and all of that would hang on a port.
# Registers start at their initial values, as after the configuration of an FPGA.
_WRAPPER = """\
module popflip_bench (
  input clk, input rx, output tx,
  output [31:0] request_payload, output request_valid, input request_ready,
  input [7:0] data_payload, input data_valid, output data_ready
);
  reg rx_q = 1'b1, request_ready_q = 1'b0, data_valid_q = 1'b0;
  reg [7:0] data_payload_q = 8'd0;
  always @(posedge clk) begin
    rx_q <= rx;
    request_ready_q <= request_ready;
    data_valid_q <= data_valid;
    data_payload_q <= data_payload;
  end
  {top} dut (
    .clk(clk), .rst(1'b0), .rx(rx_q), .tx(tx),
    .store__request__payload(request_payload), .store__request__valid(request_valid),
    .store__request__ready(request_ready_q),
    .store__data__payload(data_payload_q), .store__data__valid(data_valid_q),
    .store__data__ready(data_ready)
  );
endmodule
"""

# A machine that reads a flash has its pins instead of a store. Their registers are those that
# ``standalone.flash_delay`` counts; where that is 0, one does no harm: the divider is at least 2.
_FLASH_WRAPPER = """\
module popflip_bench (
  input clk, input rx, output tx,
  output cs_n, output [1:0] sck, output [3:0] o, output [3:0] oe, input [3:0] i
);
  reg rx_q = 1'b1;
  reg [4*{delay}-1:0] i_q = 0;
  always @(posedge clk) begin
    rx_q <= rx;
    i_q <= {chain};
  end
  {top} dut (
    .clk(clk), .rst(1'b0), .rx(rx_q), .tx(tx), .start(1'b0),
    .flash__cs_n(cs_n), .flash__sck(sck), .flash__o(o), .flash__oe(oe),
    .flash__i(i_q[4*{delay}-1:4*{delay}-4])
  );
endmodule
"""

# Waves excepted, everything here is for speed: two-state values, no assertions, and no symbol but
# the harness's own visible from outside, or the compiler could not inline across functions.
# (With -fno-expand as well, a cycle of local-small took 8% less time, but one of local-large-wide
# 40% more, that one measured at the compiler's -O2.)
# The peephole pass turns `if (en) x = a + b; else x = 0;` into masks, computed in every cycle:
# without it, a cycle of local-small or of local-large-wide takes 8% less time.
_VERILATOR_FLAGS = [
    *("--cc", "--exe", "--build", "-j", "2"),
    *("-O3", "-fno-dfg-peephole", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    *("-Wno-fatal", "--prefix", "Vbench", "--top-module", "popflip_bench"),
    *("--Mdir", "obj", "-o", "model.so"),
]
_COMPILER_FLAGS = "-fPIC -fvisibility=hidden"

# For the evaluation of the design; for what runs once, such as initial values, which is most of
# the text, and takes 24 s more of a processor if optimised; and for Verilator's library.
# Stages that rest are skipped by branches: passes that compute ahead of a branch what lies behind
# it undo that. Without them a cycle of local-small takes 11% less time, of local-large-wide 6%.
_HOT_FLAGS = "-O3 -fno-tree-pre -fno-code-hoisting -fno-gcse -fno-schedule-insns2"
_COLD_FLAGS = "-O0"
_LIBRARY_FLAGS = "-O1"

# Lines of a failed build's log that go into the message.
_TAIL = 25

# Wall-clock seconds that one call into the model should take: Ctrl-C waits for its end.
_SLICE = 0.03


@cache
def _machine() -> str:
    """Name the kind of this CPU, which ``-march=native`` compiles for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    # The first block of lines describes the first core. `flags` (`Features` on ARM) says what
    # the compiler may use, the model what it tunes for; the rest changes from minute to minute.
    wanted = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
    first = lines[: lines.index("")] if "" in lines else lines
    kept = [line for line in first if line.split(":")[0].strip() in wanted]
    return "\n".join([platform.machine(), *kept])


def _wrapper(top: str, flash_delay: int | None, resettable: bool) -> str:
    if flash_delay is None:
        text = _WRAPPER.replace("{top}", top)
    else:
        delay = max(1, flash_delay)
        chain = "i" if delay == 1 else f"{{i_q[{4 * delay - 5}:0], i}}"
        text = _FLASH_WRAPPER.replace("{top}", top).replace("{delay}", str(delay))
        text = text.replace("{chain}", chain)
    if resettable:
        text = text.replace("input clk,", "input clk, input rst,")
        text = text.replace("  reg rx_q", "  reg rst_q = 1'b0;\n  reg rx_q")
        text = text.replace("    rx_q <= rx;", "    rst_q <= rst;\n    rx_q <= rx;")
        text = text.replace(".rst(1'b0)", ".rst(rst_q)")
    return text


def model_path(
    verilog: str,
    *,
    top: str = "top",
    flash_delay: int | None = None,
    resettable: bool = False,
    trace: bool = False,
    folder: Path | None = None,
) -> Path:
    """Return where the compiled model of some Verilog is kept, whether it is there or not.

    Parameters
    ----------
    verilog, top, flash_delay, resettable, trace, folder
        As for :func:`build_model`.
    """
    key = hashlib.sha256()
    parts = (
        verilog,
        _wrapper(top, flash_delay, resettable),
        _HARNESS.read_text(),
        " ".join([*_VERILATOR_FLAGS, _COMPILER_FLAGS, _HOT_FLAGS, _COLD_FLAGS, _LIBRARY_FLAGS]),
        f"trace={trace}",
        verilator().version,
        _machine(),
    )
    for part in parts:
        # The length keeps the parts apart.
        data = part.encode()
        key.update(len(data).to_bytes(8, "little"))
        key.update(data)
    return (
        folder if folder is not None else cache_folder() / "models"
    ) / f"{key.hexdigest()[:32]}.so"


def build_model(
    verilog: str,
    *,
    top: str = "top",
    flash_delay: int | None = None,
    resettable: bool = False,
    trace: bool = False,
    folder: Path | None = None,
) -> Path:
    """Compile Verilog and the harness to a shared library, or find the one made earlier.

    Builders of the same model wait for each other, and one that is interrupted leaves nothing.

    Parameters
    ----------
    verilog : str
        Text of the Verilog, complete.
    top : str
        Name of its top module, with the ports named in :class:`VirtualBoard`.
    flash_delay : int, optional
        If it has a flash: ``standalone.flash_delay`` of its parameters.
    resettable : bool
        Whether its reset can be pulled. It is slower then.
    trace : bool
        Whether the model can write waves. It is slower then.
    folder : Path, optional
        Where models are kept; the default is ``models`` in the cache folder.

    Returns
    -------
    Path
        The library.

    Raises
    ------
    ToolError
        If a program is missing, or the Verilog does not compile (the end of the log is shown).
    """
    # Only Verilator's version is needed for a model that is there; all the rest to make one.
    require("verilator")
    path = model_path(
        verilog, top=top, flash_delay=flash_delay, resettable=resettable, trace=trace, folder=folder
    )
    if path.exists():
        return path
    require("verilator", "perl", "make", "g++")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            log.info("compiling the virtual board (once for this design)")
            start = time.monotonic()
            # Not below the cache folder: make gives up where a folder's name has a space.
            with tempfile.TemporaryDirectory(prefix="popflip-") as work:
                _compile(verilog, _wrapper(top, flash_delay, resettable), trace, Path(work), path)
            log.info("compiled in %.1f s", time.monotonic() - start)
    return path


def _known(flags: str) -> str:
    """Return those of some flags that the compiler knows, as not every one is GCC."""

    def knows(flag):
        probe = [compiler(), flag, "-x", "c++", "-E", os.devnull]
        quiet = subprocess.DEVNULL
        return subprocess.run(probe, stdout=quiet, stderr=quiet).returncode == 0

    return " ".join(filter(knows, flags.split()))


def _defines(wrapper: str) -> str:
    """Tell the harness what the wrapper has."""
    return f"-DFLASH={int('cs_n' in wrapper)} -DRESET={int('rst_q' in wrapper)}"


def _compile(verilog: str, wrapper: str, trace: bool, work: Path, path: Path) -> None:
    sources = {"top.v": verilog, "bench.v": wrapper}
    for name, source in sources.items():
        (work / name).write_text(source if trace else _every_edge(source))
    shutil.copy(_HARNESS, work / "virtual.cpp")
    tool = verilator()
    hot = _known(f"{_HOT_FLAGS} -march=native")
    command = [
        str(tool.program),
        *_VERILATOR_FLAGS,
        *(["--trace"] if trace else []),
        *("-CFLAGS", f"{_COMPILER_FLAGS} {_defines(wrapper)}"),
        *("-LDFLAGS", "-shared"),
        *("-MAKEFLAGS", f"OPT_FAST='{hot}' OPT_SLOW={_COLD_FLAGS} OPT_GLOBAL={_LIBRARY_FLAGS}"),
        *("bench.v", "top.v", "virtual.cpp"),
    ]
    # Names are relative and files small in number, so that ccache knows the library again.
    text = run_to_end(command, work, tool.environment())
    built = work / "obj" / "model.so"
    if text is not None or not built.exists():
        tail = "\n".join((text or "no library came out").splitlines()[-_TAIL:])
        raise ToolError(f"the virtual board's model does not compile:\n{tail}")
    # The last step has to be a rename within one folder: nobody sees half a library.
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        shutil.copy(built, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _every_edge(text: str) -> str:
    """Have each edge of the clock do what the rising one does; see virtual.cpp.

    An evaluation for falling edges would find nothing to do, but the search takes 5% of the time.
    """
    text = text.replace("posedge clk", "edge clk")
    if re.search(r"\b(pos|neg)edge\b", text):
        raise ToolError("the virtual board's design must have one clock, clk, and its rising edge")
    return text


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
    :class:`popflip.rtl.standalone.flash_reader.FlashSignature`, and ``start``, which stays low. The
    flash starts in deep power-down. It knows the instructions ABh, B9h, 03h, 0Bh and 6Bh, and
    counts what no flash would stand as :attr:`flash_errors`.

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
    top, flash_delay, resettable, folder
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
        flash: bytes = b"",
        folder: Path | None = None,
    ):
        self._handle = None
        if divisor < 4:
            raise InputError(f"divisor must be at least 4, not {divisor!r}")
        if sample_bytes < 1:
            raise InputError(f"sample_bytes must be at least 1, not {sample_bytes!r}")
        self._sample_bytes = sample_bytes
        #: Clock cycles per second of simulated time.
        self.clock_hz = clock_hz
        self._has_flash = flash_delay is not None
        model = build_model(
            verilog, top=top, flash_delay=flash_delay, resettable=resettable,
            trace=trace is not None, folder=folder,
        )  # fmt: skip
        self._library = _load(model)
        self._lock = threading.Lock()
        self._samples: np.ndarray | None = None
        self._slice = 20_000
        self._seconds = 0.0
        self._counters = (0,) * 6
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

    def _open(self) -> int:
        if self._handle is None:
            raise TransportError("the virtual board is closed")
        return self._handle

    def _count(self) -> None:
        # Kept here, so that nobody who looks at a counter waits for a thread that simulates.
        counters = (ctypes.c_uint64 * 6)()
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
    """

    _LINGER = 0.5  # seconds at full speed after the last activity
    _SLICE = 0.002  # seconds of wall clock between looks at the terminal
    _NAP = 0.02  # seconds between slices of a board that does nothing
    _LIMIT = 65536  # bytes that wait for either side

    def __init__(self, board: VirtualBoard):
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
