"""The virtual board around a small real top: an echo, and a reader of the sample store."""

import signal
import threading
import time

import numpy as np
import pytest

from popflip.boards.host.transport import TransportError
from popflip.boards.virtual.board import VirtualBoard
from popflip.boards.virtual.tests.echo_top import BYTE_CYCLES, DIVISOR, SAMPLE_BYTES, collect

pytestmark = pytest.mark.usefixtures("default_signals")


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


@pytest.mark.parametrize("seen", [True, False])
def test_error_pin(text, models, seen):
    with VirtualBoard(
        text, divisor=DIVISOR, sample_bytes=SAMPLE_BYTES, error_pin=seen, folder=models
    ) as board:
        levels = [board.error]
        for byte in b"\xef\x80":
            board.write(bytes([byte]))
            board.idle(3 * BYTE_CYCLES / board.clock_hz)
            levels.append(board.error)
    assert levels == [False, seen, False]


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
