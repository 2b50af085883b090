"""The virtual board around a small real top: an echo, and a reader of the sample store."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from popflip.boards.host.transport import SerialTransport, TransportError
from popflip.boards.tools import ToolError
from popflip.boards.virtual.board import (
    PseudoTerminal,
    VirtualBoard,
    build_model,
    model_path,
    pseudo_terminal,
)
from popflip.rtl.interface import StoreSignature

pytestmark = pytest.mark.usefixtures("default_signals")

DIVISOR = 5
SAMPLE_BYTES = 37
BYTE_CYCLES = 10 * DIVISOR


class Receiver(wiring.Component):
    """Bytes from a UART line."""

    def __init__(self):
        super().__init__({"line": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        now = Signal(init=1)
        wait = Signal(range(2 * DIVISOR))
        bit = Signal(range(10))
        m.d.sync += [now.eq(self.line), self.o.valid.eq(0)]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(bit != 0):
            m.d.sync += bit.eq(bit - 1)
            with m.If(bit == 1):  # the middle of the stop bit
                m.d.sync += self.o.valid.eq(now)
            with m.Else():
                m.d.sync += wait.eq(DIVISOR - 1)
                m.d.sync += self.o.payload.eq(Cat(self.o.payload[1:], now))
        with m.Elif(~now):
            m.d.sync += [bit.eq(9), wait.eq(DIVISOR + DIVISOR // 2 - 2)]
        return m


class Sender(wiring.Component):
    """Bytes to a UART line; ``broken`` spoils the stop bit."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "broken": In(1), "line": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        shift = Signal(10)
        left = Signal(range(11))
        wait = Signal(range(DIVISOR))
        m.d.comb += self.i.ready.eq(left == 0)
        m.d.sync += self.line.eq(shift[0] | (left == 0))
        with m.If(left == 0):
            with m.If(self.i.valid):
                m.d.sync += shift.eq(Cat(Const(0, 1), self.i.payload, ~self.broken))
                m.d.sync += [left.eq(10), wait.eq(DIVISOR - 1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [left.eq(left - 1), wait.eq(DIVISOR - 1), shift.eq(shift >> 1)]
        return m


class Top(wiring.Component):
    """Obeys bytes from ``rx``.

    ==========  ==================================================================
    0x80..0xFF  sent back (0xEE with a broken stop bit, 0xEF not at all)
    0x00..0x3F  sample ``n``: its bytes, as fast as ``tx`` takes them
    0x40..0x4F  sample ``(n & 15) << 28``: likewise
    0x50..0x6F  sample ``n & 15`` read in every cycle (below 0x60) or in every other one:
                sum of its bytes, then cycles from the request to the last byte
    0x70..0x7F  4 samples from ``n & 15`` on, all requested before any byte is taken, each cycle:
                sum of all, then cycles from the last request to the last byte
    ==========  ==================================================================
    """

    def __init__(self):
        super().__init__({
            "rx": In(1, init=1),
            "tx": Out(1, init=1),
            "store": Out(StoreSignature()),
            "led": Out(4),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = Receiver()
        m.submodules.sender = sender = Sender()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8, depth=64)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(sender.line),
            fifo.w_data.eq(receiver.o.payload),
            fifo.w_en.eq(receiver.o.valid),
        ]
        request, data = self.store.request, self.store.data
        order = Signal(8)
        left = Signal(range(4 * SAMPLE_BYTES + 1))
        asked = Signal(2)
        total = Signal(8)
        clock = Signal(8)
        every = Signal()
        m.d.sync += [clock.eq(clock + 1), every.eq(~every), self.led.eq(clock[4:])]
        number = Array([order & 63, order & 63, order & 63, order & 63, (order & 15) << 28])[
            order[4:]
        ]
        with m.FSM():
            with m.State("Listen"):
                m.d.sync += [order.eq(fifo.r_data), total.eq(0), asked.eq(0)]
                m.d.comb += fifo.r_en.eq(fifo.r_rdy)
                with m.If(fifo.r_rdy):
                    with m.If(fifo.r_data[7]):
                        m.next = "Echo"
                    with m.Else():
                        m.next = "Request"
            with m.State("Echo"):
                m.d.comb += [
                    sender.i.payload.eq(order),
                    sender.i.valid.eq(order != 0xEF),
                    sender.broken.eq(order == 0xEE),
                ]
                with m.If(sender.i.ready):
                    m.next = "Listen"
            with m.State("Request"):
                m.d.comb += request.valid.eq(1)
                m.d.comb += request.payload.eq(number)
                with m.If(order >= 0x50):
                    m.d.comb += request.payload.eq((order & 15) + asked)
                with m.If(request.ready):
                    m.d.sync += [clock.eq(1), left.eq(SAMPLE_BYTES)]
                    with m.If(order < 0x50):
                        m.next = "Copy"
                    with m.Elif((order < 0x70) | (asked == 3)):
                        m.next = "Sum"
                    with m.If(order >= 0x70):
                        m.d.sync += [asked.eq(asked + 1), left.eq(4 * SAMPLE_BYTES)]
            with m.State("Copy"):
                m.d.comb += [
                    sender.i.payload.eq(data.payload),
                    sender.i.valid.eq(data.valid),
                    data.ready.eq(sender.i.ready),
                ]
                with m.If(data.valid & data.ready):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "Listen"
            with m.State("Sum"):
                m.d.comb += data.ready.eq(data.valid & (every | (order[4:] != 6)))
                with m.If(data.ready):
                    m.d.sync += [total.eq(total + data.payload), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.d.sync += order.eq(clock)
                        m.next = "Total"
            with m.State("Total"):
                m.d.comb += [sender.i.payload.eq(total), sender.i.valid.eq(1)]
                with m.If(sender.i.ready):
                    m.next = "Clock"
            with m.State("Clock"):
                m.d.comb += [sender.i.payload.eq(order), sender.i.valid.eq(1)]
                with m.If(sender.i.ready):
                    m.next = "Listen"
        return m


@pytest.fixture(scope="session")
def text():
    return verilog.convert(Top(), name="top")


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder for built models, one for all workers of a run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    return folder / "models"


@pytest.fixture
def board(text, models):
    with VirtualBoard(text, divisor=DIVISOR, sample_bytes=SAMPLE_BYTES, folder=models) as board:
        yield board


@pytest.fixture
def samples():
    return np.random.default_rng(2).integers(0, 256, (64, SAMPLE_BYTES), np.uint8)


def collect(board, count, timeout=1e-3):
    """Read ``count`` bytes; simulated milliseconds without one are an end."""
    data = b""
    while len(data) < count and (piece := board.read(timeout)):
        data += piece
    return data


@pytest.mark.parametrize("count", [1, 2, 60])
def test_echo(board, count):
    sent = bytes(np.random.default_rng(count).integers(0x80, 0xEE, count, np.uint8))
    board.write(sent)
    assert board.queued == count
    assert collect(board, count) == sent
    assert board.queued == 0
    # Both directions at once. The sender of the top takes a cycle more per byte.
    assert 0 <= board.cycles - (count + 1) * BYTE_CYCLES <= count + 40


def test_bytes_in_pieces(board):
    """A byte written while others leave follows them, after any pause."""
    sent = bytes(range(0x80, 0xA0))
    rng = np.random.default_rng(5)
    for byte in sent:
        board.write(bytes([byte]))
        board.idle(int(rng.integers(3 * BYTE_CYCLES)) / board.clock_hz)
    assert collect(board, len(sent)) == sent
    assert board.framing_errors == 0


def test_burst_comes_in_one_read(board, samples):
    board.store(samples)
    board.write(b"\x07")
    assert board.read(1e-3) == samples[7].tobytes()


def test_same_calls_same_cycles(text, models, samples):
    def play(slice_cycles):
        with VirtualBoard(text, divisor=DIVISOR, sample_bytes=SAMPLE_BYTES, folder=models) as board:
            board.store(samples)
            seen = []
            for byte in b"\x03\x83\x55\x90":
                board._slice = slice_cycles
                board.write(bytes([byte]))
                seen.append((board.read(1e-4), board.cycles))
                board.idle(1e-6)
            return seen

    assert play(100_000) == play(137)


def test_timeout(board):
    assert board.read(1e-3) == b""
    assert board.cycles == 50_000
    board.write(b"\xef")
    board.idle(5e-4)
    assert board.read(5e-4) == b""
    assert board.cycles == 100_000
    assert board.read(0) == b""
    assert board.cycles == 100_000


def test_bytes_of_an_idle_time_are_kept(board):
    board.write(b"\x81\x82\x83")
    board.idle(1e-4)
    cycles = board.cycles
    assert cycles == 5_000
    assert board.read(1.0) == b"\x81\x82\x83"
    assert board.cycles == cycles


def test_framing_error_is_dropped_and_counted(board):
    board.write(b"\x81\xee\x82")
    assert collect(board, 3) == b"\x81\x82"
    assert board.framing_errors == 1


def test_store_round_trip(board, samples):
    board.store(samples)
    for number in (0, 63, 1, 1, 40):
        board.write(bytes([number]))
        assert collect(board, SAMPLE_BYTES) == samples[number].tobytes(), f"sample {number}"
    assert board.requests == 5
    assert board.out_of_range == 0


@pytest.mark.parametrize(
    ("order", "count", "cycles"),
    [
        (0x50, 1, SAMPLE_BYTES),
        (0x60, 1, None),
        # The first byte waits already when the last request goes out.
        (0x70, 4, 4 * SAMPLE_BYTES),
    ],
    ids=["each-cycle", "polite-every-other", "four-ahead"],
)
def test_store_rate(board, samples, order, count, cycles):
    board.store(samples)
    for number in (3, 12):
        board.write(bytes([order + number]))
        total, clock = collect(board, 2)
        assert total == samples[number : number + count].sum() % 256, f"sample {number}"
        if cycles is None:
            assert clock in (2 * SAMPLE_BYTES - 1, 2 * SAMPLE_BYTES)
        else:
            assert clock == cycles
    assert board.requests == 2 * count


def test_request_out_of_range_is_zeros_and_counted(board, samples):
    board.write(b"\x00")
    assert collect(board, SAMPLE_BYTES) == bytes(SAMPLE_BYTES), "no store yet"
    board.store(samples[:5])
    for order in (b"\x05", b"\x4f", b"\x48"):
        board.write(order)
        assert collect(board, SAMPLE_BYTES) == bytes(SAMPLE_BYTES), f"order {order.hex()}"
    board.write(b"\x04")
    assert collect(board, SAMPLE_BYTES) == samples[4].tobytes()
    assert (board.requests, board.out_of_range) == (5, 4)


def test_store_in_a_file(board, samples, tmp_path):
    path = tmp_path / "samples"
    path.write_bytes(samples.tobytes())
    board.store(np.memmap(path, np.uint8, "r").reshape(-1, SAMPLE_BYTES))
    board.write(b"\x2a")
    assert collect(board, SAMPLE_BYTES) == samples[42].tobytes()


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([[0] * SAMPLE_BYTES], TypeError, "samples must be an array of uint8, not list"),
        (np.zeros((2, SAMPLE_BYTES)), TypeError, "samples must be an array of uint8, not float64"),
        (
            np.zeros((2, 3), np.uint8),
            ValueError,
            f"samples must have shape (count, {SAMPLE_BYTES}), not (2, 3)",
        ),
        (
            np.zeros((SAMPLE_BYTES, 2), np.uint8).T,
            ValueError,
            "samples must be C-contiguous",
        ),
    ],
)
def test_samples_that_do_not_fit(board, samples, error, message):
    with pytest.raises(error) as caught:
        board.store(samples)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("divisor", 3, "divisor must be at least 4, not 3"),
        ("sample_bytes", 0, "sample_bytes must be at least 1, not 0"),
    ],
)
def test_impossible_boards(name, value, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        VirtualBoard("", **{"divisor": 4, "sample_bytes": 1, name: value})


def test_closed_board(text, models):
    board = VirtualBoard(text, divisor=DIVISOR, sample_bytes=1, folder=models)
    board.idle(1e-6)
    board.close()
    board.close()
    assert board.cycles == 50
    for call in (
        lambda: board.read(1),
        lambda: board.write(b""),
        lambda: board.idle(1),
        lambda: board.store(np.zeros((1, 1), np.uint8)),
    ):
        with pytest.raises(TransportError, match=r"^the virtual board is closed$"):
            call()


def test_two_boards_do_not_mix(board, text, models, samples):
    with VirtualBoard(text, divisor=DIVISOR, sample_bytes=SAMPLE_BYTES, folder=models) as other:
        board.store(samples)
        other.store(samples[::-1].copy())
        board.write(b"\x01")
        other.write(b"\x01")
        assert collect(board, SAMPLE_BYTES) == samples[1].tobytes()
        assert collect(other, SAMPLE_BYTES) == samples[-2].tobytes()


def test_interrupt_ends_a_long_wait(board):
    board.idle(0.1)  # Slices have found their length.
    main = threading.main_thread().ident
    sent = []

    def interrupt():
        time.sleep(0.3)
        sent.append(time.monotonic())
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        board.idle(3600)
    delay = time.monotonic() - sent[0]
    thread.join()
    assert delay < 10, "0.1 s on a free processor; whoever waits for the board waits for hours"
    board.write(b"\x99")
    assert board.read(1e-3) == b"\x99"


def test_other_threads_run_meanwhile(board):
    """A simulation holds no lock of the interpreter, and counters can be read beside it."""
    board._slice = 5_000_000  # all of it in one call of the compiled model
    thread = threading.Thread(target=board.idle, args=(0.1,))
    thread.start()
    looks = 0
    while thread.is_alive():
        # Each nap lets go of the interpreter: would the simulation keep it, a few looks at most
        # could find it still at work.
        time.sleep(1e-3)
        looks += board._lock.locked() and board.cycles == 0
    assert board.cycles == 5_000_000
    assert looks > 10


class TestBuild:
    def test_cached_model_needs_no_compiler(self, text, models, board, monkeypatch):
        path = model_path(text, folder=models)
        made = path.stat().st_mtime_ns

        def refuse(*args, **kwargs):
            raise AssertionError(f"a program was started: {args}")

        monkeypatch.setattr(subprocess, "Popen", refuse)
        assert build_model(text, folder=models) == path
        assert path.stat().st_mtime_ns == made

    def test_key_is_the_content(self, text, models):
        paths = {
            model_path(text, folder=models),
            model_path(text + "\n", folder=models),
            model_path(text, top="other", folder=models),
            model_path(text, trace=True, folder=models),
        }
        assert len(paths) == 4

    def test_default_folder(self, text, monkeypatch, tmp_path):
        monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
        assert model_path(text).parent == tmp_path / "models"

    @pytest.mark.parametrize("edge", ["posedge other", "negedge clk"])
    def test_other_clocks_are_refused(self, tmp_path, edge):
        text = f"module top(input clk); reg r; always @({edge}) r <= 1'b1; endmodule"
        with pytest.raises(
            ToolError, match=r"design must have one clock, clk, and its rising edge$"
        ):
            build_model(text, folder=tmp_path)
        assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]

    def test_error_shows_the_end_of_the_log(self, tmp_path):
        broken = "module top(input clk);\n  assign nowhere[3 = 1;\nendmodule\n"
        with pytest.raises(ToolError) as caught:
            build_model(broken, folder=tmp_path)
        first, *rest = str(caught.value).splitlines()
        assert first == "the virtual board's model does not compile:"
        assert any("top.v:2" in line for line in rest)
        assert len(rest) <= 25
        assert [p for p in tmp_path.iterdir() if p.suffix != ".lock"] == []

    def test_builders_of_one_model_build_it_once(self, text, tmp_path):
        code = (
            "import logging, pathlib, sys\n"
            "from popflip.boards.virtual.board import build_model\n"
            "logging.basicConfig(level='INFO', format='%(message)s')\n"
            "print(build_model(sys.stdin.read(), folder=pathlib.Path(sys.argv[1])))\n"
        )

        def build(_):
            command = [sys.executable, "-c", code, str(tmp_path / "a folder")]
            return subprocess.run(
                command, input=text + "// once\n", capture_output=True, text=True, timeout=120
            )

        with ThreadPoolExecutor() as pool:
            runs = list(pool.map(build, range(2)))
        assert [run.returncode for run in runs] == [0, 0], runs
        (path,) = {run.stdout.strip() for run in runs}
        assert os.path.getsize(path) > 0
        assert sum("compiling the virtual board" in run.stderr for run in runs) == 1

    def test_interrupt_leaves_nothing(self, text, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        folder = tmp_path / "models"
        main = threading.main_thread().ident
        compiling = []

        def interrupt():
            # Once make has started: its work lies in the folder of objects.
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not compiling:
                compiling.extend(tmp_path.glob("popflip-*/obj/*.d"))
                time.sleep(0.02)
            signal.pthread_kill(main, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            build_model(text + "// interrupted\n", folder=folder)
        thread.join()
        assert compiling, "make did not start within a minute"
        assert [p.suffix for p in folder.iterdir()] == [".lock"]
        assert list(tmp_path.iterdir()) == [folder]

    def test_waves(self, text, tmp_path):
        waves = tmp_path / "waves.vcd"
        with VirtualBoard(
            text, divisor=DIVISOR, sample_bytes=1, trace=waves, folder=tmp_path
        ) as board:
            board.write(b"\x81")
            assert board.read(1e-3) == b"\x81"
        lines = waves.read_text().splitlines()
        assert sum(line.startswith("#") for line in lines) > board.cycles
        assert any(line.endswith(" order $end") or " order [" in line for line in lines)


class TestPseudoTerminal:
    def test_clients_come_and_go(self, board, samples):
        board.store(samples)
        with pseudo_terminal(board) as path:
            for baud, number in ((115200, 9), (1_000_000, 10), (9600, 11)):
                with SerialTransport(path, baud) as port:
                    port.write(bytes([0x90, number]))
                    expected = b"\x90" + samples[number].tobytes()
                    assert collect(port, len(expected), 5) == expected, f"client {number}"
                    assert port.read(0.05) == b""

    def test_many_bytes(self, board):
        rng = np.random.default_rng(3)
        with pseudo_terminal(board) as path, SerialTransport(path, 115200) as port:
            for _ in range(20):
                sent = bytes(rng.integers(0x80, 0xEE, 1000, np.uint8))
                port.write(sent)
                assert collect(port, len(sent), 5) == sent
        assert board.framing_errors == 0

    def test_board_is_open_to_others(self, board, samples):
        """Calls from other threads get their turn while the terminal's thread simulates."""
        with pseudo_terminal(board) as path, SerialTransport(path, 115200) as port:
            for number in range(10):
                port.write(b"\x80")  # full speed
                board.store(np.roll(samples, number, axis=0))
                assert port.read(5) == b"\x80"

    def test_time_passes_slowly_without_a_client(self, board):
        with pseudo_terminal(board):
            time.sleep(0.2)
            first, busy = board.cycles, time.process_time()
            time.sleep(0.4)
            assert board.cycles > first
            assert time.process_time() - busy < 0.2

    def test_bytes_that_nobody_reads_are_dropped(self, board):
        with pseudo_terminal(board) as path:
            with SerialTransport(path, 115200) as port:
                for _ in range(100):
                    port.write(b"\x80" * 1000)
                deadline = time.monotonic() + 30
                while board.queued and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert board.queued == 0
            with SerialTransport(path, 115200) as port:
                while port.read(0.1):
                    pass
                port.write(b"\x91")
                assert port.read(5) == b"\x91"

    def test_end_of_the_terminal(self, board):
        with pseudo_terminal(board) as path:
            port = SerialTransport(path, 115200)
        with contextlib.closing(port), pytest.raises(TransportError, match=r" has vanished: "):
            port.read(1)
        with pytest.raises(TransportError, match=rf"^no serial port {path} \("):
            SerialTransport(path, 115200)
        board.write(b"\x82")
        assert board.read(1e-3) == b"\x82"

    def test_closed_board_is_reported(self, text, models):
        board = VirtualBoard(text, divisor=DIVISOR, sample_bytes=1, folder=models)
        terminal = PseudoTerminal(board)
        board.close()
        terminal._thread.join(60)
        with pytest.raises(TransportError, match=r"^the virtual board is closed$"):
            terminal.close()
