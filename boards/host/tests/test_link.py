import random
from collections import deque

import numpy as np
import pytest
from amaranth.sim import Simulator
from cobs import cobs

from popflip.boards.host.frames import decode_frame, encode_frame
from popflip.boards.host.link import Identity, Link, LinkError, LinkStatus, LinkTimeout, Refused
from popflip.boards.host.transport import Transport
from popflip.golden.description.layout import Region
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import CRC, MAX_PAYLOAD, VERSION, WRITE, Status, Verb
from popflip.rtl.frontends.uart.link import RequestServer

IDENTITY = bytes(range(16))
PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [60]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {
        "row_lanes": 12,
        "relax_lanes": 4,
        "latent_lanes": [6, 3],
        "sample_slots": 2,
    },
})
REGIONS = PARAMS.regions
CYCLE = 1e-6


class SimulatedBoard(Transport):
    """The link's RTL in Amaranth's simulator, with memories behind it and a line that can fail.

    Attributes
    ----------
    stall : int
        Cycles for which the core takes no command.
    to_board, to_host : function of bytes to bytes
        What the line does to each write of the host, and to each piece that the host reads.
    """

    def __init__(self):
        self.memory = {r.index: [0] * r.depth for r in REGIONS}
        self.busy, self.runs, self.stops = False, [], 0
        self.writes = []
        self.stall = 0
        self.to_board = self.to_host = lambda data: data
        self._out, self._in, self._cycles = deque(), bytearray(), 0
        self._dut = RequestServer(PARAMS, IDENTITY)
        self._simulator = Simulator(self._dut)
        self._simulator.add_clock(CYCLE)
        self._simulator.add_testbench(self._line, background=True)
        self._simulator.add_testbench(self._core, background=True)

    def write(self, data):
        self.writes.append(data)
        self._out += self.to_board(data)

    def read(self, timeout):
        for _ in range(round(timeout / CYCLE / 32) + 1):
            self.idle(32 * CYCLE)
            if self._in:
                data = self.to_host(bytes(self._in))
                self._in.clear()
                if data:
                    return data
        return b""

    def idle(self, seconds):
        self._cycles += round(seconds / CYCLE)
        self._simulator.run_until(self._cycles * CYCLE)

    def now(self):
        return self._cycles * CYCLE

    def close(self):
        pass

    async def _line(self, ctx):
        i, o = self._dut.i, self._dut.o
        ctx.set(o.ready, 1)
        while True:
            ctx.set(i.valid, bool(self._out))
            if self._out:
                ctx.set(i.payload, self._out.popleft())
            _, _, valid, payload = await ctx.tick().sample(o.valid, o.payload)
            if valid:
                self._in.append(payload)

    async def _core(self, ctx):
        port = self._dut.host
        while True:
            ready = self.stall == 0
            self.stall -= not ready
            ctx.set(port.command.ready, ready)
            ctx.set(port.busy, self.busy)
            ctx.set(port.run.ready, not self.busy)
            _, _, valid, command, run_valid, run, stop = await ctx.tick().sample(
                port.command.valid, port.command.p, port.run.valid, port.run.p, port.stop
            )
            ctx.set(port.reply.valid, 0)
            valid = valid and ready
            if valid and command.write:
                self.memory[command.region][command.address] = command.data
            elif valid:
                ctx.set(port.reply.valid, 1)
                ctx.set(port.reply.payload, self.memory[command.region][command.address])
            if run_valid and not self.busy:
                self.runs.append((run.train, run.internal, run.flush, run.first, run.count))
                self.busy = True
            if stop:
                self.stops += 1
                self.busy = False

    def bytes_of(self, region):
        mask = (1 << region.width) - 1
        words = [
            (w & mask).to_bytes(region.word_bytes, "little") for w in self.memory[region.index]
        ]
        return np.frombuffer(b"".join(words), np.uint8).reshape(region.depth, region.word_bytes)


class Script(Transport):
    """A line on which a peer says what the test tells it to, whatever it is asked."""

    def __init__(self, answer):
        self._answer = answer
        self._in = b""
        self._now = 0.0
        self.writes = []

    def write(self, data):
        self.writes.append(data)
        self._in += self._answer(data)

    def read(self, timeout):
        data, self._in = self._in, b""
        self._now += 0.0 if data else timeout
        return data

    def idle(self, seconds):
        self._now += seconds

    def now(self):
        return self._now

    def close(self):
        pass


@pytest.fixture
def board():
    return SimulatedBoard()


@pytest.fixture
def link(board):
    # A full WRITE takes some 4,200 cycles.
    return Link(board, PARAMS, timeout=6000 * CYCLE, quiet=300 * CYCLE)


@pytest.fixture
def hasty(board):
    """A link that gives up soon, for short requests."""
    return Link(board, PARAMS, timeout=1000 * CYCLE, quiet=300 * CYCLE)


def random_words(region, n, seed=1):
    """Words as they come back, padding zero."""
    rng = random.Random(seed)
    words = [rng.getrandbits(region.width).to_bytes(region.word_bytes, "little") for _ in range(n)]
    return np.frombuffer(b"".join(words), np.uint8).reshape(n, region.word_bytes)


# Requests ---------------------------------------------------------------------------------------


def test_identify(link):
    assert link.identify() == Identity(IDENTITY, MAX_PAYLOAD)


@pytest.mark.parametrize("name", REGIONS.names)
def test_whole_regions_come_back_in_the_fewest_frames(link, board, name):
    region = REGIONS[name]
    words = random_words(region, region.depth)
    link.write(name, 0, words)
    np.testing.assert_array_equal(board.bytes_of(region), words)
    write_frames = len(board.writes)
    np.testing.assert_array_equal(link.read(name), words)
    read_frames = len(board.writes) - write_frames
    assert write_frames == -(-region.depth // ((MAX_PAYLOAD - WRITE.size) // region.word_bytes))
    assert read_frames == -(-region.depth // (MAX_PAYLOAD // region.word_bytes))
    assert any(r.n_bytes > 2 * MAX_PAYLOAD for r in REGIONS)


def test_parts_of_regions(link, board):
    region = REGIONS["weights0"]
    words = random_words(region, 7)
    link.write(region, 10, words)
    np.testing.assert_array_equal(link.read(region, 12, 3), words[2:5])
    before = len(board.writes)
    assert link.read(region, 5, 0).shape == (0, region.word_bytes)
    link.write(region, region.depth, words[:0])
    assert len(board.writes) == before
    np.testing.assert_array_equal(board.bytes_of(region)[10:17], words)
    assert not board.bytes_of(region)[:10].any()
    assert not board.bytes_of(region)[17:].any()


def test_fill(link, board):
    region = REGIONS["weights0"]
    link.fill(region, 3, 5, 0xABC)
    link.fill("weights0", 6, 1, b"\x21\x03")
    words = [int.from_bytes(bytes(word), "little") for word in board.bytes_of(region)[:9]]
    assert words == [0] * 3 + [0xABC] * 3 + [0x321] + [0xABC] + [0]


def test_run_status_stop(link, board):
    assert link.status() == LinkStatus(busy=False, good_frames=1, bad_frames=0)
    link.run(train=True, internal=False, flush=True, first=60_000, count=1 << 23)
    assert board.runs == [(1, 0, 1, 60_000, 1 << 23)]
    assert link.status() == LinkStatus(busy=True, good_frames=3, bad_frames=0)
    link.stop()
    assert link.status() == LinkStatus(busy=False, good_frames=5, bad_frames=0)
    link.run(train=False, internal=True, flush=False, first=0, count=1)
    assert board.runs[1:] == [(0, 1, 0, 0, 1)]


def test_sequence_numbers_come_round_and_spare_0():
    seen = []

    def answer(data):
        seen.append(decode_frame(data.strip(b"\0")).sequence)
        return encode_frame(seen[-1], Status.OK)

    link = Link(Script(answer))
    for _ in range(520):
        link.stop()
    assert seen == [n % 255 + 1 for n in range(520)]


# Refusals ---------------------------------------------------------------------------------------


def test_a_busy_board_refuses(link, board):
    board.busy = True
    for ask, verb in (
        (lambda: link.read("weights1", 0, 1), "READ"),
        (lambda: link.fill("latents0", 0, 1, 0), "FILL"),
        (lambda: link.write("registers", 0, bytes(4)), "WRITE"),
        (lambda: link.run(train=True, internal=True, flush=True, first=0, count=1), "RUN"),
    ):
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.status is Status.BUSY
        assert str(caught.value) == f"the board refused {verb}: a run is on"
    assert len(board.writes) == 4


def test_a_board_with_other_memories_refuses(link, board):
    with pytest.raises(Refused) as caught:
        link.read(Region("weights9", 9, 100, 8))
    assert caught.value.status is Status.OUT_OF_RANGE
    with pytest.raises(LinkError) as caught:
        link.read(REGIONS["weights0"]._replace(width=20), 0, 2)
    assert str(caught.value) == (
        "the answer to READ must have 6 bytes, not 4: is this another bitstream?"
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda link: link.read("weights7"),
            ValueError,
            f"region must be {', '.join(REGIONS.names)}, not 'weights7'",
        ),
        (
            lambda link: link.read("weights0", 179, 2),
            ValueError,
            "words must lie in 0 to 179 of weights0, not 2 from 179 on",
        ),
        (
            lambda link: link.read("weights0", -1, 1),
            ValueError,
            "words must lie in 0 to 179 of weights0, not 1 from -1 on",
        ),
        (
            lambda link: link.write("weights0", 179, bytes(4)),
            ValueError,
            "words must lie in 0 to 179 of weights0, not 2 from 179 on",
        ),
        (
            lambda link: link.write("weights0", 0, bytes(3)),
            ValueError,
            "words of weights0 must have 2 bytes each, not 3 bytes in all",
        ),
        (
            lambda link: link.write("weights0", 0, np.array([[1, 256]])),
            TypeError,
            "words must be uint8, not int64",
        ),
        (
            lambda link: link.fill("weights0", 0, 1, 1 << 12),
            ValueError,
            "word must fit 12 bits of weights0, not 4096",
        ),
        (
            lambda link: link.fill("weights0", 0, 1, bytes(4)),
            ValueError,
            "word must be one word, not 2",
        ),
        (
            lambda link: link.run(train=True, internal=True, flush=True, first=0, count=0),
            ValueError,
            "count must be 1 to 2**24 - 1, not 0",
        ),
        (
            lambda link: link.run(train=True, internal=True, flush=True, first=-1, count=1),
            ValueError,
            "first must be 0 to 2**24 - 1, not -1",
        ),
    ],
)
def test_impossible_requests_are_not_sent(call, error, message):
    line = Script(lambda data: b"")
    with pytest.raises(error) as caught:
        call(Link(line, PARAMS))
    assert str(caught.value) == message
    assert line.writes == []


def test_names_need_params():
    with pytest.raises(ValueError, match="without params") as caught:
        Link(Script(lambda data: b"")).read("samples")
    assert str(caught.value) == (
        "region must be a Region (without params, none has a name), not 'samples'"
    )


# A bad line -------------------------------------------------------------------------------------


def once(fault):
    """Let a fault happen to the first piece only."""
    left = [fault]
    return lambda data: left.pop()(data) if left else data


def flip_bit(data):
    return data[:2] + bytes([data[2] ^ 4]) + data[3:]


def lose(data):
    return b""


FAULTS = {
    "flipped": flip_bit,
    "lost": lose,
    "cut": lambda data: data[: len(data) // 2],
    "doubled": lambda data: data + data,
    "with-noise": lambda data: b"\x93\x11\0\x07" + data,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_survives_a_bad_way_there(hasty, board, fault):
    region = REGIONS["weights0"]
    words = random_words(region, 20)
    board.to_board = once(FAULTS[fault])
    hasty.write(region, 0, words)
    np.testing.assert_array_equal(board.bytes_of(region)[:20], words)
    np.testing.assert_array_equal(hasty.read(region, 0, 20), words)


@pytest.mark.parametrize("fault", FAULTS)
def test_survives_a_bad_way_back(hasty, board, fault):
    region = REGIONS["weights0"]
    words = random_words(region, 20)
    hasty.write(region, 0, words)
    board.to_host = once(FAULTS[fault])
    np.testing.assert_array_equal(hasty.read(region, 0, 20), words)
    np.testing.assert_array_equal(hasty.read(region, 5, 10), words[5:15])


def test_a_late_answer_is_not_taken_for_another(hasty, board):
    region = REGIONS["weights0"]
    words = random_words(region, 20)
    hasty.write(region, 0, words)
    held = []

    def hold(data):
        held.append(data)
        return b""

    board.to_host = hold
    with pytest.raises(LinkTimeout):
        hasty.read(region, 0, 2)
    board.to_host = once(lambda data: b"".join(held) + data)
    np.testing.assert_array_equal(hasty.read(region, 2, 2), words[2:4])


def test_a_slow_answer_is_let_pass_before_asking_again(board):
    """The board would not hear the second request before it has answered the first."""
    region = REGIONS["weights0"]
    board.stall = 1500
    link = Link(board, PARAMS, timeout=1000 * CYCLE, quiet=1500 * CYCLE, retries=1)
    assert link.read(region).shape == (region.depth, region.word_bytes)
    assert [len(data) > 1 for data in board.writes] == [True, False, True]


def test_a_lost_run_is_not_sent_again(hasty, board):
    board.to_board = lose
    with pytest.raises(LinkTimeout) as caught:
        hasty.run(train=True, internal=True, flush=True, first=0, count=1)
    assert str(caught.value) == (
        "no answer to RUN within 0.001 s; whether it was heard, STATUS may tell"
    )
    board.to_board = flip_bit
    with pytest.raises(Refused) as caught:
        hasty.run(train=True, internal=True, flush=True, first=0, count=1)
    assert str(caught.value) == "the board refused RUN: the frame arrived with a wrong CRC"
    board.to_board = lambda data: data
    hasty.run(train=True, internal=True, flush=True, first=0, count=1)
    assert len(board.runs) == 1


def test_a_run_that_arrived_damaged_is_sent_again(hasty, board):
    board.to_board = once(flip_bit)
    hasty.run(train=True, internal=True, flush=True, first=0, count=1)
    assert len(board.writes) == 2
    assert len(board.runs) == 1


def test_resync_after_a_fragment(hasty, board):
    board.write(encode_frame(3, Verb.FILL, bytes(11))[:9])
    hasty.resync()
    assert hasty.status() == LinkStatus(busy=False, good_frames=1, bad_frames=1)
    assert len(board.writes) == 3


@pytest.mark.parametrize("retries", [0, 2])
def test_a_dead_board_times_out(retries):
    line = Script(lambda data: b"")
    with pytest.raises(LinkTimeout) as caught:
        Link(line, timeout=1.5, retries=retries).status()
    assert str(caught.value) == "no answer to STATUS within 1.5 s"
    assert sum(len(data) > 1 for data in line.writes) == 1 + retries


def test_another_version_is_named():
    body = bytes([VERSION + 1, 1, Status.OK])
    answer = cobs.encode(body + CRC.compute(body).to_bytes(2, "little")) + b"\0"
    with pytest.raises(LinkTimeout) as caught:
        Link(Script(lambda data: answer), timeout=1, retries=0).identify()
    assert str(caught.value) == (
        "no answer to IDENTIFY within 1 s from the line, which talks, but not as a popflip board "
        "does (7 bytes; the last: protocol version is 2, not 1)"
    )


@pytest.mark.parametrize("ask", [Link.identify, Link.status, Link.stop])
def test_a_line_that_echoes_is_named(ask):
    with pytest.raises(LinkTimeout, match=r"talks, .*; the last: an echo of the request\)$"):
        ask(Link(Script(lambda data: data), timeout=1, retries=0))


def test_unknown_errors_are_passed_on():
    def answer(data):
        return encode_frame(decode_frame(data.strip(b"\0")).sequence, 77)

    with pytest.raises(Refused) as caught:
        Link(Script(answer)).stop()
    assert caught.value.status == 77
    assert str(caught.value) == "the board refused STOP: unknown status 77"


# A line that never ends ---------------------------------------------------------------------------


class Babble(Script):
    """A line that never falls silent: a piece of 100 bytes each ``pause`` seconds."""

    title = "the line"
    advice = "the build talks at 1 baud"

    def __init__(self, pieces, pause):
        super().__init__(lambda data: b"")
        self._pieces, self._pause, self._next = pieces, pause, 0.0

    def read(self, timeout):
        if self._next > self._now + timeout:
            self._now += timeout
            return b""
        self._now = max(self._now, self._next)
        self._next = self._now + self._pause
        return next(self._pieces)


def noise(seed=1):
    rng = random.Random(seed)
    while True:
        yield rng.randbytes(100)


def constant(piece):
    while True:
        yield piece


ENDLESS = {
    "random": lambda: noise(),
    "zeros": lambda: constant(bytes(100)),
    "no-zeros": lambda: constant(b"\x55" * 100),
    "text": lambda: constant(b"$GPGLL,4916.45,N,12311.12,W,225444,A*31\r\n"),
    "frames": lambda: constant(encode_frame(200, Status.OK, bytes(90))),
    "reports": lambda: constant(encode_frame(0, Status.REPORT, bytes(90))),
}


@pytest.mark.parametrize("pause", [1e-4, 0.01, 1])
@pytest.mark.parametrize("kind", ENDLESS)
def test_a_line_that_never_ends_holds_no_request(kind, pause):
    line = Babble(ENDLESS[kind](), pause)
    link = Link(line, timeout=2, retries=2)
    with pytest.raises(LinkError) as caught:
        link.identify()
    # Three times the request, twice the resync between, and what the quiet takes.
    assert line.now() < 3 * 2 + 2 * 2 + 1
    text = str(caught.value)
    assert "the line" in text
    assert text.endswith("; the build talks at 1 baud") == (kind not in ("frames", "reports"))


def test_what_an_endless_line_says_is_named():
    with pytest.raises(LinkTimeout) as caught:
        Link(Babble(ENDLESS["frames"](), 0.01), retries=0).status()
    assert str(caught.value) == (
        "no answer to STATUS within 2 s from the line, which talks, but not as a popflip board "
        "does (19400 bytes; the last: an answer to request 200, not 1)"
    )
    with pytest.raises(LinkTimeout) as caught:
        Link(Babble(ENDLESS["text"](), 1), retries=0).status()
    assert str(caught.value) == (
        "no answer to STATUS within 2 s from the line, which talks, but not as a popflip board "
        "does (123 bytes; no frame among them); the build talks at 1 baud"
    )


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_line_that_never_ends_holds_no_resync(kind):
    line = Babble(ENDLESS[kind](), 0.01)
    with pytest.raises(LinkError) as caught:
        Link(line, timeout=2).resync()
    assert line.now() < 2.5
    assert str(caught.value).startswith("the line is never silent, as a popflip board would be (")


@pytest.mark.parametrize("kind", [kind for kind in ENDLESS if kind != "reports"])
def test_a_line_that_never_ends_holds_no_listener(kind):
    line = Babble(ENDLESS[kind](), 0.01)
    Link(line).listen(0.5)
    assert line.now() < 1


class Slow(Script):
    """A line that hands out an answer byte by byte, a second each."""

    def read(self, timeout):
        if not self._in or timeout < 1:
            self._now += timeout
            return b""
        self._now += 1
        data, self._in = self._in[:1], self._in[1:]
        return data


def test_an_answer_that_has_begun_is_waited_for():
    def answer(data):
        return encode_frame(decode_frame(data.strip(b"\0")).sequence, Status.OK)

    line = Slow(answer)
    Link(line, timeout=5, retries=0).stop()
    assert line.now() > 5


def test_an_answer_that_never_ends_is_given_up():
    """One that begins as the right one would, and holds back its end."""
    line = Slow(lambda data: b"\3" + bytes((VERSION, 1)) + b"\7" * 500)
    with pytest.raises(LinkTimeout):
        Link(line, timeout=5, retries=0).stop()
    assert 50 < line.now() < 60
