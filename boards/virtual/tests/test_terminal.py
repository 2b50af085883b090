import contextlib
import time

import numpy as np
import pytest

from popflip.boards.host.transport import SerialTransport, TransportError
from popflip.boards.virtual.board import VirtualBoard
from popflip.boards.virtual.terminal import PseudoTerminal, pseudo_terminal
from popflip.boards.virtual.tests.echo_top import DIVISOR, collect


def test_clients_come_and_go(board, samples):
    board.store(samples)
    with pseudo_terminal(board) as path:
        for baud, number in ((115200, 9), (1_000_000, 10), (9600, 11)):
            with SerialTransport(path, baud) as port:
                port.write(bytes([0x90, number]))
                expected = b"\x90" + samples[number].tobytes()
                assert collect(port, len(expected), 5) == expected, f"client {number}"
                assert port.read(0.05) == b""


def test_many_bytes(board):
    rng = np.random.default_rng(3)
    with pseudo_terminal(board) as path, SerialTransport(path, 115200) as port:
        for _ in range(20):
            sent = bytes(rng.integers(0x80, 0xEE, 1000, np.uint8))
            port.write(sent)
            assert collect(port, len(sent), 5) == sent
    assert board.framing_errors == 0


def test_board_is_open_to_others(board, samples):
    """Calls from other threads get their turn while the terminal's thread simulates."""
    with pseudo_terminal(board) as path, SerialTransport(path, 115200) as port:
        for number in range(10):
            port.write(b"\x80")  # full speed
            board.store(np.roll(samples, number, axis=0))
            assert port.read(5) == b"\x80"


def test_time_passes_slowly_without_a_client(board):
    with pseudo_terminal(board):
        time.sleep(0.2)
        first, busy = board.cycles, time.process_time()
        time.sleep(0.4)
        assert board.cycles > first
        assert time.process_time() - busy < 0.2


def test_bytes_that_nobody_reads_are_dropped(board):
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


def test_end_of_the_terminal(board):
    with pseudo_terminal(board) as path:
        port = SerialTransport(path, 115200)
    with contextlib.closing(port), pytest.raises(TransportError, match=r" has vanished: "):
        port.read(1)
    with pytest.raises(TransportError, match=rf"^no serial port {path} \("):
        SerialTransport(path, 115200)
    board.write(b"\x82")
    assert board.read(1e-3) == b"\x82"


def test_closed_board_is_reported(text, models):
    board = VirtualBoard(text, divisor=DIVISOR, sample_bytes=1, folder=models)
    terminal = PseudoTerminal(board)
    board.close()
    terminal._thread.join(60)
    with pytest.raises(TransportError, match=r"^the virtual board is closed$"):
        terminal.close()
