"""Serial ports; real ones are pseudo-terminals here, whose other end the test holds."""

import os
import pty
import random
import select
import threading
import time
import tty

import pytest
import serial

from popflip.boards.host.frames import encode_frame
from popflip.boards.host.link import Link, LinkError
from popflip.boards.host.transport import SerialTransport, Transport, TransportError
from popflip.golden.description.protocol import Status


class Line:
    """A serial port ``path`` whose far end is the descriptor ``far``."""

    def __init__(self):
        self.far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)

    def cut(self):
        for descriptor in (self.far, self._near):
            if descriptor is not None:
                os.close(descriptor)
        self.far = self._near = None


@pytest.fixture
def line():
    line = Line()
    yield line
    if line.far is not None:
        line.cut()


@pytest.fixture
def port(line):
    with SerialTransport(line.path, 115200) as port:
        yield port


def test_bytes_both_ways(line, port):
    every = bytes(range(256))
    port.write(every)
    assert os.read(line.far, 1000) == every
    os.write(line.far, every)
    data = b""
    while len(data) < 256 and (piece := port.read(5)):
        data += piece
    assert data == every


def test_read_takes_all_that_waits(line, port):
    os.write(line.far, b"abc")
    time.sleep(0.05)
    start = time.monotonic()
    assert port.read(30) == b"abc"
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("timeout", [0, 0.1])
def test_timeout(port, timeout):
    start = time.monotonic()
    assert port.read(timeout) == b""
    assert timeout <= time.monotonic() - start < timeout + 20


def test_idle_sleeps(port):
    start = time.monotonic()
    port.idle(0.05)
    assert time.monotonic() - start >= 0.05


def test_closed(line):
    with SerialTransport(line.path, 115200) as port:
        pass
    port.close()
    for call in (lambda: port.write(b"a"), lambda: port.read(0)):
        with pytest.raises(TransportError) as caught:
            call()
        assert str(caught.value) == f"serial port {line.path} is closed"


def test_not_a_port_but_a_pipe(tmp_path):
    """A named pipe that somebody talks into without end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(descriptor, b"talk" * 100)
        with pytest.raises(TransportError, match=rf"^serial port {path} does not open: "):
            SerialTransport(str(path), 115200)
    finally:
        os.close(descriptor)


def test_in_use(line, port):
    with pytest.raises(TransportError) as caught:
        SerialTransport(line.path, 115200)
    assert str(caught.value) == f"serial port {line.path} is in use by another program"


def test_no_such_port():
    with pytest.raises(TransportError, match=r"^no serial port /dev/ttyNone \(there are: .+\)$"):
        SerialTransport("/dev/ttyNone", 115200)


def test_not_a_port(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(TransportError, match=rf"^serial port {path} does not open: "):
        SerialTransport(str(path), 115200)


def test_no_permission(line, monkeypatch):
    """Root may open everything, so the refusal has to be made up."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(TransportError) as caught:
        SerialTransport(line.path, 115200)
    assert str(caught.value) == (
        f"no permission to open serial port {line.path} "
        "(on Linux: add yourself to its group, often dialout, and log in again)"
    )


@pytest.mark.parametrize("baud", [0, -1])
def test_no_baud_rate(line, baud):
    with pytest.raises(ValueError, match=f"^baud must be at least 1, not {baud}$"):
        SerialTransport(line.path, baud)


def test_impossible_baud_rate(line):
    with pytest.raises(TransportError) as caught:
        SerialTransport(line.path, 1 << 40)
    assert str(caught.value) == f"serial port {line.path} cannot be set to {1 << 40} baud"


@pytest.mark.parametrize(
    "action",
    [lambda port: port.read(0), lambda port: port.read(1), lambda port: port.write(b"a")],
    ids=["read", "wait", "write"],
)
def test_vanished(line, action):
    with SerialTransport(line.path, 115200) as port:
        line.cut()
        with pytest.raises(TransportError, match=rf"^serial port {line.path} has vanished: .+$"):
            action(port)


def test_port_that_takes_nothing(port, monkeypatch):
    """Nobody reads the far end: the kernel's buffer fills, and the host must not hang."""
    monkeypatch.setattr(port._port, "write_timeout", 0.2)
    with pytest.raises(TransportError, match=r" at 115200 baud takes no more bytes$"):
        port.write(bytes(1 << 20))


TALK = {
    "random": lambda: random.Random(1).randbytes(4000),
    "zeros": lambda: bytes(4000),
    "text": lambda: b"$GPGLL,4916.45,N,12311.12,W,225444,A*31\r\n" * 100,
    "frames": lambda: encode_frame(200, Status.OK, bytes(900)) * 4,
}


@pytest.fixture(params=TALK)
def flooded(request, line):
    """A line whose far end sends as fast as it can, and never hears."""
    over = threading.Event()
    talk = TALK[request.param]()

    def flood():
        while not over.is_set():
            if select.select([], [line.far], [], 0.05)[1]:
                os.write(line.far, talk)

    os.set_blocking(line.far, False)
    thread = threading.Thread(target=flood)
    thread.start()
    yield line
    over.set()
    thread.join()


@pytest.mark.parametrize("call", [Link.identify, Link.resync])
def test_a_flood_holds_no_request(flooded, call):
    with SerialTransport(flooded.path, 57600) as port:
        start = time.monotonic()
        with pytest.raises(LinkError, match=f"serial port {flooded.path} at 57600 baud"):
            call(Link(port, timeout=0.3))
        # 3 s at most on a quiet machine; without an end, for ever.
        assert time.monotonic() - start < 60


def test_a_flood_holds_no_listener(flooded):
    with SerialTransport(flooded.path, 57600) as port:
        start = time.monotonic()
        Link(port).listen(0.2)
        assert time.monotonic() - start < 60


def test_a_silent_port_is_named_with_its_baud(line, port):
    with pytest.raises(LinkError) as caught:
        Link(port, timeout=0.1, retries=0).identify()
    assert str(caught.value) == (
        f"no answer to IDENTIFY within 0.1 s from serial port {line.path} at 115200 baud; "
        "is it the right port, and its baud that of the build (--baud)?"
    )
    port.close()
    with SerialTransport(line.path, 9600, "its build talks at 57600") as port:
        with pytest.raises(LinkError, match=r" at 9600 baud; its build talks at 57600$"):
            Link(port, timeout=0.1, retries=0).identify()


def test_is_a_transport():
    assert issubclass(SerialTransport, Transport)
    with pytest.raises(TypeError):
        Transport()
    assert issubclass(serial.SerialException, OSError), "what SerialTransport relies on"
