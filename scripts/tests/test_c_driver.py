"""The C driver on lines that are damaged, dead or not ours: what it says, and that it ends."""

import random
from collections import deque

import numpy as np
import pytest
from cobs import cobs

from popflip.boards.driver.image import NetworkImage, image_bytes
from popflip.boards.driver.tests.native import Driver, Result, compile_driver
from popflip.boards.driver.tests.test_image import network
from popflip.boards.host.frames import Frame, FrameError, decode_frame, encode_frame
from popflip.boards.host.machine import virtual_board
from popflip.golden.description.bus import BusMap
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import CRC, MAX_PAYLOAD, READ, STATUS_ANSWER, Status, Verb
from popflip.golden.model import Model
from popflip.golden.training.state import NetworkState, differences
from popflip.rtl.identity import identity
from popflip.scripts.campaigns.attack.frame_damage import damage
from popflip.scripts.campaigns.attack.link_model import LinkModel, open_frame, pieces
from popflip.scripts.campaigns.networks import NETWORKS

IDENTITY = bytes(range(50, 66))
PARAMS = NETWORKS["batched"]


class Line:
    """A line with a model of the board at its end.

    ``spoil`` makes of the next answers what comes instead; ``drop`` says whether a request is lost;
    ``endless`` comes without end.
    """

    def __init__(self, identity=IDENTITY):
        self.model = LinkModel(PARAMS, identity)
        self.sent, self.coming = bytearray(), deque()
        self.spoil = self.drop = None
        self.endless = b""
        self.requests, self.gets, self.runs, self.busy = [], 0, 0, False

    def put(self, byte):
        self.sent.append(byte)
        if byte:
            return
        for piece in pieces(bytes(self.sent)):
            self.serve(piece)
        self.sent.clear()

    def serve(self, piece):
        verdict = self.model.judge(piece, self.busy)
        self.requests.append(verdict.verb)
        if self.drop and self.drop(verdict.verb):
            return
        verdict = self.model.execute(piece, self.busy)
        payload = verdict.payload or b""
        if verdict.status == Status.OK:
            if verdict.verb == Verb.RUN:
                self.runs, self.busy = self.runs + 1, True
            elif verdict.verb == Verb.STOP:
                self.busy = False
            elif verdict.verb == Verb.STATUS:
                payload = STATUS_ANSWER.pack(self.busy, 0, 0)
            elif verdict.verb == Verb.READ and verdict.payload is None:
                payload = self.words(open_frame(piece)[2])
        answer = encode_frame(verdict.sequence, verdict.status, payload)
        if self.drop and self.drop((verdict.verb, "answer")):
            return
        self.coming.extend(self.spoil(answer) if self.spoil else answer)

    def words(self, request):
        """Words of which the model does not know all."""
        index, address, count = READ.unpack(request)
        region = PARAMS.regions[index]
        words = self.model.memory[region.name][address : address + count]
        return b"".join(word.to_bytes(region.word_bytes, "little") for word in words)

    def get(self):
        self.gets += 1
        if not self.coming and self.endless:
            self.coming.extend(self.endless)
        return self.coming.popleft() if self.coming else None


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compile_driver(tmp_path_factory.mktemp("driver"), PARAMS, "uart", IDENTITY)


@pytest.fixture
def driver(library):
    return Driver(library, PARAMS)


def opened(driver, line, patience=500):
    assert driver.open_line(line.put, line.get, patience) == Result.OK
    line.requests.clear()
    line.gets = 0
    return driver


# The codec ------------------------------------------------------------------------------------


def test_frames_are_encoded_as_in_python(driver):
    rng = random.Random(1)
    for length in (*range(12), *range(248, 260), 507, 508, 509, MAX_PAYLOAD):
        for _ in range(8):
            zeros = rng.choice([0, 0.02, 0.5])
            payload = bytes(
                0 if rng.random() < zeros else rng.randint(1, 255) for _ in range(length)
            )
            sequence, kind = rng.randint(1, 255), rng.randrange(256)
            body = bytes([1, sequence, kind]) + payload
            raw = body + CRC.compute(body).to_bytes(2, "little")
            assert driver.encode(raw) == b"\0" + encode_frame(sequence, kind, payload)
            assert driver.decode(encode_frame(sequence, kind, payload)) == body


def test_damaged_frames_are_judged_as_in_python(driver):
    rng = random.Random(2)
    good = 0
    other = encode_frame(9, 0, bytes(range(40)))
    for number in range(20_000):
        payload = rng.randbytes(rng.choice([0, 3, 40, 300]))
        frame = encode_frame(rng.randint(1, 255), rng.randrange(9), payload)
        line = frame if number % 4 == 0 else damage(rng, frame, other)[1]
        for piece in pieces(line):
            try:
                wanted = decode_frame(piece)
            except FrameError:
                wanted = None
            got = driver.decode(piece + b"\0")
            assert (got and Frame(got[1], got[2], got[3:])) == wanted, piece.hex()
            good += got is not None
    assert good > 4000


def test_a_frame_without_end(driver):
    assert driver.decode(b"\x02\x01" * 5000 + b"\0") is None
    raw = bytes([1, 1, 1]) + bytes(MAX_PAYLOAD + 1)
    line = cobs.encode(raw + CRC.compute(raw).to_bytes(2, "little")) + b"\0"
    assert driver.decode(line) is None


# Requests ---------------------------------------------------------------------------------------


def test_reads_and_writes_are_those_of_the_model(driver):
    line, rng = Line(), random.Random(3)
    opened(driver, line)
    for _ in range(300):
        region = rng.choice([r for r in PARAMS.regions if r.name not in ("registers", "results")])
        count = rng.randint(1, min(region.depth, rng.choice([4, 400])))
        word = rng.randint(0, region.depth - count)
        data = b"".join(
            rng.getrandbits(region.width).to_bytes(region.word_bytes, "little")
            for _ in range(count)
        )
        if rng.random() < 0.5:
            assert driver.write(region.name, word, data) == Result.OK
        truth = line.model.bytes_of(region.name, word, count)
        if truth is not None:
            assert driver.read(region.name, word, count) == (Result.OK, truth)
    assert driver.set("tau0", 3) == Result.OK
    assert driver.get("tau0") == (Result.OK, 3)


def test_what_there_is_not_is_not_asked_for(driver):
    line = Line()
    opened(driver, line)
    depth = PARAMS.regions["weights0"].depth
    for word, count in ((depth, 1), (depth - 1, 2), (0, depth + 1), (1 << 31, 1 << 31)):
        arguments = 3, word, count, b""
        assert driver._call("write", *arguments) == Result.RANGE
    assert driver._call("write", 99, 0, 1, b"\0") == Result.RANGE
    for flags, first, count in ((8, 0, 1), (1, 0, 0), (1, 1 << 24, 1), (1, 0, 1 << 24)):
        assert driver.begin(flags, first, count) == Result.RANGE
    assert line.requests == []


def test_damaged_answers_are_asked_for_again(driver):
    line, rng = Line(), random.Random(4)
    opened(driver, line)
    other = encode_frame(7, 0, bytes(30))
    data = bytes(rng.randrange(8) for _ in range(40))
    assert driver.write("weights0", 0, data) == Result.OK
    truth = line.model.bytes_of("weights0", 0, 40)
    results = []
    for _ in range(150):
        once = [lambda answer: damage(rng, answer, other)[1]]
        line.spoil = lambda answer, once=once: once.pop()(answer) if once else answer
        result, got = driver.read("weights0", 0, 40)
        results.append(result)
        assert got == truth if result == Result.OK else result == Result.GARBAGE
    assert results.count(Result.OK) > 145


def test_damaged_requests_are_sent_again(driver):
    line = Line()
    opened(driver, line)
    for status in (Status.BAD_FRAME, Status.OVERSIZE, Status.BAD_CRC):
        once = [status]

        def spoil(answer, once=once):
            frame = decode_frame(answer[:-1])
            return encode_frame(frame.sequence, once.pop()) if once else answer

        line.spoil = spoil
        assert driver.begin(2, 0, 1) == Result.OK
        assert driver.stop() == Result.OK
    line.spoil = lambda answer: encode_frame(decode_frame(answer[:-1]).sequence, Status.BAD_CRC)
    assert driver.stop() == Result.REFUSED


@pytest.mark.parametrize("lost", [Verb.RUN, (Verb.RUN, "answer")])
def test_a_run_begins_once_whatever_is_lost(driver, lost):
    line = Line()
    opened(driver, line)
    once = [lost]

    def drop(what):
        if once and what == once[0]:
            return once.pop()
        return None

    line.drop = drop
    assert driver.begin(3, 0, 2) == Result.OK
    assert not once
    assert line.runs == 1
    assert driver.begin(3, 0, 2) == Result.BUSY


def test_a_line_that_echoes(driver):
    line = Line()
    opened(driver, line)
    put = line.put

    def echo(byte):
        line.coming.append(byte)
        return put(byte)

    assert driver.open_line(echo, line.get, 500) == Result.OK
    assert driver.set("tau1", 2) == Result.OK
    assert driver.get("tau1") == (Result.OK, 2)


# Boards that are none ---------------------------------------------------------------------------


def test_nobody_answers(driver):
    line = Line()
    line.drop = lambda verb: True
    assert driver.open_line(line.put, line.get, 300) == Result.TIMEOUT
    assert line.gets < 3000
    assert set(line.requests) == {Verb.IDENTIFY}


@pytest.mark.parametrize("endless", [b"hello\r\n", b"\0", b"\x05abc\0", bytes(range(1, 256))])
def test_something_else_talks(driver, endless):
    line = Line()
    line.drop, line.endless = lambda verb: True, endless
    assert driver.open_line(line.put, line.get, 300) == Result.GARBAGE
    assert line.gets < 100_000


def test_something_else_answers(driver):
    line = Line()
    line.spoil = lambda answer: b"OK\r\n"
    assert driver.open_line(line.put, line.get, 300) == Result.GARBAGE
    assert line.gets < 3000


def test_the_line_is_down(driver):
    assert driver.open_line(lambda byte: False, lambda: None, 300) == Result.LINE


def test_another_design(driver):
    line = Line(bytes(16))
    assert driver.open_line(line.put, line.get, 300) == Result.OTHER_DESIGN
    assert line.requests == [Verb.IDENTIFY]


def test_it_falls_silent_in_the_midst_of_a_run(driver):
    line = Line()
    opened(driver, line)
    assert driver.begin(3, 0, 2) == Result.OK
    assert driver.wait() == Result.TIMEOUT  # a run that does not go on
    line.drop = lambda verb: True
    assert driver.wait() == Result.TIMEOUT


# Buses with nothing of ours on them ----------------------------------------------------------


class Bus:
    """Registers at addresses, of a machine that begins runs and ends none.

    ``answer`` makes of what is read what comes instead; None is the bus's error.
    """

    def __init__(self, identity=IDENTITY, answer=lambda word: word):
        registers = BusMap(PARAMS, "wishbone").registers
        self.words = {4 * r.index: r.reset for r in registers}
        for i in range(4):
            self.words[4 * i] = int.from_bytes(identity[4 * i : 4 * i + 4], "little")
        self.run, self.status = (4 * registers[name].index for name in ("run", "status"))
        self.answer, self.reads, self.writes = answer, 0, []

    def read(self, address):
        self.reads += 1
        return self.answer(self.words.get(address, 0))

    def write(self, address, value):
        self.writes.append(address)
        if address == self.run:
            self.words[self.status] = 1
        return True


@pytest.fixture(scope="module")
def on_bus(tmp_path_factory):
    path = compile_driver(tmp_path_factory.mktemp("bus"), PARAMS, "wishbone", IDENTITY)
    return Driver(path, PARAMS)


@pytest.mark.parametrize(
    ("bus", "result"),
    [
        (Bus(answer=lambda word: None), Result.REFUSED),
        (Bus(answer=lambda word: 0), Result.OTHER_DESIGN),
        (Bus(answer=lambda word: 0xFFFFFFFF), Result.OTHER_DESIGN),
        (Bus(bytes(16)), Result.OTHER_DESIGN),
    ],
)
def test_a_bus_without_the_machine(on_bus, bus, result):
    assert on_bus.open_bus(bus.read, bus.write, patience=50) == result
    assert bus.writes == []
    assert bus.reads <= 5


def test_a_machine_on_a_bus_that_does_not_go_on(on_bus):
    bus = Bus()
    assert on_bus.open_bus(bus.read, bus.write, patience=50) == Result.OK
    assert on_bus.begin(3, 0, 2) == Result.OK
    assert on_bus.begin(3, 0, 2) == Result.BUSY
    bus.reads = 0
    assert on_bus.wait() == Result.TIMEOUT
    assert bus.reads < 200


def test_a_network_of_another_design_does_not_reach_the_bus(on_bus):
    bus = Bus()
    assert on_bus.open_bus(bus.read, bus.write, patience=50) == Result.OK
    assert on_bus.load(network(PARAMS).pack(PARAMS, bytes(16))) == Result.OTHER_DESIGN
    assert bus.writes == []


# A board that is one ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_virtual_board_learns_by_it(tmp_path, folder):
    """More samples than there are slots, in batches across runs; every bit as in golden."""
    params = Params.load(folder / "tiny.toml")
    own, model = identity(params), Model.initial(params, 3)
    model.batch, model.tau = 6, (2, 1)
    rng = np.random.default_rng(1)
    x, labels = rng.random((40, params.n_in)) < 0.4, rng.integers(0, 3, 40)

    def image():
        state = NetworkState(model.weights, model.latents, model.signs.state)
        return NetworkImage(state, model.batch, False, tuple(model.tau))

    with virtual_board(params) as board:
        sent, coming = bytearray(), deque()

        def put(byte):
            sent.append(byte)
            if not byte:
                board.write(bytes(sent))
                sent.clear()

        def get():
            if not coming:
                coming.extend(board.read(0.001))
            return coming.popleft() if coming else None

        driver = Driver(compile_driver(tmp_path, params, "uart"), params)
        assert driver.open_line(put, get) == Result.OK
        assert driver.load(image().pack(params, own)) == Result.OK
        assert driver.clear() == Result.OK
        trained = driver.train(pack_samples(params, x, labels))
        result, data = driver.save()
        correct = driver.count("correct")
        inferred = driver.infer(pack_samples(params, x, labels))
    classes = []
    for start in range(0, len(x), model.batch):
        part = slice(start, start + model.batch)
        _, relaxation = model.train(x[part], labels[part], keep_history=True)
        classes += relaxation.prediction.tolist()
    model.flush()
    assert trained == (Result.OK, classes)
    assert correct == (Result.OK, (np.array(classes) == labels).sum())
    assert result == Result.OK
    assert differences(NetworkImage.unpack(params, own, data).state, image().state) == []
    assert inferred == (Result.OK, model.relax(x).prediction.tolist())


# Images -----------------------------------------------------------------------------------------


def test_an_image_comes_and_goes(driver):
    line = Line()
    opened(driver, line)
    image = network(PARAMS)
    data = image.pack(PARAMS, IDENTITY)
    assert len(data) == image_bytes(PARAMS)
    assert driver.load(data) == Result.OK
    assert driver.get("batch") == (Result.OK, image.batch)
    result, saved = driver.save()
    assert (result, saved) == (Result.OK, data)


def test_little_memory_will_do(tmp_path):
    """Frames are shorter, and there are more of them."""
    path = compile_driver(tmp_path, PARAMS, "uart", IDENTITY, "-DPOPFLIP_PAYLOAD=32")
    line, driver = Line(), Driver(path, PARAMS)
    opened(driver, line)
    data = network(PARAMS).pack(PARAMS, IDENTITY)
    assert driver.load(data) == Result.OK
    assert driver.save() == (Result.OK, data)
    assert len(line.requests) > 2 * len(data) / 32


def test_what_is_no_image_changes_nothing(driver):
    line = Line()
    opened(driver, line)
    data = network(PARAMS).pack(PARAMS, IDENTITY)
    other = network(PARAMS).pack(PARAMS, bytes(16))
    rng = random.Random(5)
    assert driver.load(other) == Result.OTHER_DESIGN
    assert driver.load(b"") == Result.IMAGE
    for _ in range(200):
        bad = bytearray(data)
        bad[rng.randrange(24, len(data))] ^= 1 << rng.randrange(8)
        assert driver.load(bytes(bad)) == Result.IMAGE
        assert driver.load(data[: rng.randrange(len(data))]) == Result.IMAGE
    assert driver.load(data + b"\0") == Result.IMAGE
    assert line.requests == []
