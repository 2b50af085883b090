import random
from collections import deque

import pytest
from cobs import cobs

from popflip.boards.host.frames import decode_frame, encode_frame
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC,
    FILL,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    STATUS_ANSWER,
    WRITE,
    RunFlags,
    Status,
    Verb,
)
from popflip.rtl.frontends.uart.link import HostLink, RequestServer
from popflip.rtl.simulation import simulate

IDENTITY = bytes(range(100, 116))
PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {
        "row_lanes": 12,
        "relax_lanes": 4,
        "latent_lanes": [6, 3],
        "uart_divisor": 4,
        "sample_slots": 2,
    },
})
REGIONS = PARAMS.regions


class Core:
    """The core's side of the host port, with plain memories behind it.

    It makes the link wait at random for commands, replies and runs, and insists on being asked only
    for what there is.
    """

    def __init__(self, port, seed=1):
        rng = random.Random(seed)
        self._port, self._rng = port, rng
        self.memory = [
            [rng.getrandbits(region.width) for _ in range(region.depth)] for region in REGIONS
        ]
        self.runs, self.stops = [], 0
        self.busy = False
        self.over = False

    def bytes_of(self, region, address, count):
        words = self.memory[region.index][address : address + count]
        return b"".join(word.to_bytes(region.word_bytes, "little") for word in words)

    async def serve(self, ctx):
        port, rng, regions = self._port, self._rng, REGIONS
        replies = deque()
        while not self.over:
            command_ready = rng.random() < 0.6
            run_ready = not self.busy and rng.random() < 0.3
            has_reply = bool(replies) and rng.random() < 0.5
            ctx.set(port.command.ready, command_ready)
            ctx.set(port.run.ready, run_ready)
            ctx.set(port.busy, self.busy)
            ctx.set(port.reply.valid, has_reply)
            ctx.set(port.reply.payload, replies.popleft() if has_reply else rng.getrandbits(8))
            _, _, commands, command, runs, run, stop = await ctx.tick().sample(
                port.command.valid, port.command.p, port.run.valid, port.run.p, port.stop
            )
            if commands and command_ready:
                assert command.region < len(regions), f"no region {command.region}"
                region = regions[command.region]
                assert command.address < region.depth, f"no word {command.address} of {region.name}"
                assert not (self.busy and region.index > 2), f"{region.name} used in a run"
                if command.write:
                    word = command.data & ((1 << region.width) - 1)
                    self.memory[region.index][command.address] = word
                else:
                    replies.append(self.memory[region.index][command.address])
            if runs and run_ready:
                self.runs.append((run.train, run.internal, run.flush, run.first, run.count))
            self.stops += stop


class ByteLine:
    """The host at the streams of a request server."""

    def __init__(self, dut):
        self.dut = dut
        self._received = bytearray()
        self.over = False

    async def send(self, ctx, line):
        ctx.set(self.dut.i.valid, 1)
        for number, byte in enumerate(line):
            ctx.set(self.dut.i.payload, byte)
            _, _, ready = await ctx.tick().sample(self.dut.i.ready)
            assert ready, f"byte {number} was not taken"
        ctx.set(self.dut.i.valid, 0)

    async def watch(self, ctx):
        rng = random.Random(3)
        while not self.over:
            ready = rng.random() < 0.8
            ctx.set(self.dut.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
            if valid and ready:
                self._received.append(payload)

    async def answer(self, ctx, patience=20_000):
        """Wait for one frame, or for ``None`` until patience ends."""
        for _ in range(patience):
            end = self._received.find(0)
            if end >= 0:
                raw = bytes(self._received[:end])
                del self._received[: end + 1]
                return decode_frame(raw)
            await ctx.tick()
        return None

    async def ask(self, ctx, sequence, verb, payload=b""):
        """Send a request and return its answer, which must come."""
        await self.send(ctx, encode_frame(sequence, verb, payload))
        return await self.expect(ctx, sequence)

    async def expect(self, ctx, sequence):
        answer = await self.answer(ctx)
        assert answer is not None, f"no answer to {sequence}"
        assert answer.sequence == sequence
        return answer


class PinLine(ByteLine):
    """The host at the pins of a link."""

    divisor = PARAMS.machine.uart_divisor

    async def send(self, ctx, line):
        for byte in line:
            await self.send_levels(ctx, [0, *(byte >> i & 1 for i in range(8)), 1])

    async def send_levels(self, ctx, levels):
        for level in levels:
            ctx.set(self.dut.rx, level)
            for _ in range(self.divisor):
                await ctx.tick()

    async def watch(self, ctx):
        level = 1
        while not self.over:
            # A start bit has begun just before this edge: sample every bit two cycles later.
            if not level:
                for _ in range(self.divisor // 2 - 1):
                    await ctx.tick()
                byte = 0
                for bit in range(9):
                    for _ in range(self.divisor - 1):
                        await ctx.tick()
                    _, _, level = await ctx.tick().sample(self.dut.tx)
                    byte |= level << bit
                assert byte >> 8, "no stop bit"
                self._received.append(byte & 0xFF)
            _, _, level = await ctx.tick().sample(self.dut.tx)


def converse(script, *, pins=False, deadline=150_000):
    """Run ``script(ctx, line, core)``, and return the core behind the link."""
    dut = (HostLink if pins else RequestServer)(PARAMS, IDENTITY)
    line = (PinLine if pins else ByteLine)(dut)
    core = Core(dut.host)

    async def bench(ctx):
        await script(ctx, line, core)
        line.over = core.over = True

    simulate(dut, bench, line.watch, core.serve, deadline=deadline)
    return core


def request(verb, *fields, tail=b""):
    """A request's payload."""
    layout = {Verb.READ: READ, Verb.WRITE: WRITE, Verb.FILL: FILL, Verb.RUN: RUN}[verb]
    return verb, layout.pack(*fields) + tail


def raw_frame(body, crc_error=0):
    """Any bytes as a frame with a CRC."""
    crc = CRC.compute(body) ^ crc_error
    return cobs.encode(body + crc.to_bytes(2, "little")) + b"\0"


async def counts(ctx, line):
    answer = await line.ask(ctx, 99, Verb.STATUS)
    assert answer.kind == Status.OK
    return STATUS_ANSWER.unpack(answer.payload)


async def still_works(ctx, line, core):
    """Whether the next good request is executed: it writes what was there."""
    region = REGIONS["weights0"]
    answer = await line.ask(ctx, 77, *request(Verb.READ, region.index, 3, 4))
    assert answer == (77, Status.OK, core.bytes_of(region, 3, 4))


# Good requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pins", [False, True])
def test_identifies_itself(pins):
    async def script(ctx, line, core):
        answer = await line.ask(ctx, 17, Verb.IDENTIFY)
        assert answer.kind == Status.OK
        assert IDENTIFY_ANSWER.unpack(answer.payload) == (IDENTITY, MAX_PAYLOAD)

    converse(script, pins=pins)


@pytest.mark.parametrize("name", REGIONS.names)
def test_reads_words(name):
    region = REGIONS[name]
    most = min(region.depth, MAX_PAYLOAD // region.word_bytes)

    async def script(ctx, line, core):
        for first, n in ((0, 1), (region.depth - most, most), (region.depth - 1, 1), (2, 0)):
            answer = await line.ask(ctx, n % 256, *request(Verb.READ, region.index, first, n))
            assert answer.kind == Status.OK
            assert answer.payload == core.bytes_of(region, first, n), f"{n} words from {first} on"

    converse(script)


@pytest.mark.parametrize("name", REGIONS.names)
def test_writes_words_and_nothing_else(name):
    region = REGIONS[name]
    most = min(region.depth, (MAX_PAYLOAD - WRITE.size) // region.word_bytes)
    rng = random.Random(4)

    async def script(ctx, line, core):
        for first, n in ((0, 1), (region.depth - most, most), (region.depth - 1, 1), (2, 0)):
            expected = [list(words) for words in core.memory]
            words = [rng.getrandbits(region.width) for _ in range(n)]
            expected[region.index][first : first + n] = words
            tail = b"".join(word.to_bytes(region.word_bytes, "little") for word in words)
            answer = await line.ask(ctx, 5, *request(Verb.WRITE, region.index, first, tail=tail))
            assert answer == (5, Status.OK, b"")
            assert core.memory == expected, f"{n} words from {first} on"

    converse(script)


@pytest.mark.parametrize("name", REGIONS.names)
def test_fills_words_and_nothing_else(name):
    region = REGIONS[name]
    rng = random.Random(4)

    async def script(ctx, line, core):
        for first, n in ((0, region.depth), (region.depth - 2, 2), (1, 1), (2, 0)):
            expected = [list(words) for words in core.memory]
            word = rng.getrandbits(region.width)
            expected[region.index][first : first + n] = [word] * n
            tail = word.to_bytes(region.word_bytes, "little")
            answer = await line.ask(ctx, 5, *request(Verb.FILL, region.index, first, n, tail=tail))
            assert answer == (5, Status.OK, b"")
            assert core.memory == expected, f"{n} words from {first} on"

    converse(script)


def test_takes_words_of_more_bytes_than_its_arguments():
    wide = PARAMS.replace(machine={"row_lanes": 36, "latent_lanes": [36, 3]})
    region = wide.regions.latents(0)
    assert region.word_bytes > 32
    dut = RequestServer(wide, IDENTITY)
    line = ByteLine(dut)

    async def script(ctx):
        ctx.set(dut.host.command.ready, 1)
        for sequence, verb, numbers in ((3, Verb.FILL, (0, 1)), (4, Verb.WRITE, (0,))):
            word = random.Random(sequence).randbytes(region.word_bytes)
            answer = await line.ask(
                ctx, sequence, *request(verb, region.index, *numbers, tail=word)
            )
            assert answer == (sequence, Status.OK, b"")
            assert ctx.get(dut.host.command.payload.data) == int.from_bytes(word, "little")
        line.over = True

    simulate(dut, script, line.watch)


def test_runs_and_stops():
    async def script(ctx, line, core):
        for flags in range(8):
            payload = request(Verb.RUN, flags, 0x010203 + flags, 60_000 + flags)
            assert await line.ask(ctx, flags, *payload) == (flags, Status.OK, b"")
            assert core.runs.pop() == (
                bool(flags & RunFlags.TRAIN),
                bool(flags & RunFlags.INTERNAL),
                bool(flags & RunFlags.FLUSH),
                0x010203 + flags,
                60_000 + flags,
            )
        assert core.stops == 0
        assert await line.ask(ctx, 9, Verb.STOP) == (9, Status.OK, b"")

    core = converse(script)
    assert (core.runs, core.stops) == ([], 1)


def test_status_counts_frames():
    async def script(ctx, line, core):
        assert await counts(ctx, line) == (0, 1, 0)
        core.busy = True
        await line.send(ctx, b"\0\0\x02\x01\0\0")
        assert (await line.answer(ctx)).kind == Status.BAD_FRAME
        # A refused request arrived whole all the same.
        assert (await line.ask(ctx, 4, 200)).kind == Status.UNKNOWN_VERB
        assert await counts(ctx, line) == (1, 3, 1)

    converse(script)


# Bad requests -----------------------------------------------------------------------------------

SAMPLES, WEIGHTS, LATENTS = (REGIONS[name] for name in ("samples", "weights0", "latents0"))
WORD = b"\xff" * WEIGHTS.word_bytes

REFUSED = {
    "unknown-verb-0": (0, b"", Status.UNKNOWN_VERB),
    "unknown-verb": (8, b"", Status.UNKNOWN_VERB),
    "unknown-verb-with-payload": (255, b"\xff" * 40, Status.UNKNOWN_VERB),
    "identify-with-payload": (Verb.IDENTIFY, b"\0", Status.BAD_LENGTH),
    "status-with-payload": (Verb.STATUS, b"\0", Status.BAD_LENGTH),
    "stop-with-payload": (Verb.STOP, b"\0", Status.BAD_LENGTH),
    "run-short": (Verb.RUN, b"\1" * 8, Status.BAD_LENGTH),
    "run-long": (Verb.RUN, b"\1" * 10, Status.BAD_LENGTH),
    "run-of-nothing": (*request(Verb.RUN, 7, 0, 0), Status.OUT_OF_RANGE),
    "run-of-too-many": (*request(Verb.RUN, 7, 0, 1 << 24), Status.OUT_OF_RANGE),
    "run-too-far": (*request(Verb.RUN, 7, 1 << 24, 1), Status.OUT_OF_RANGE),
    "run-unknown-flag": (*request(Verb.RUN, 8, 0, 1), Status.OUT_OF_RANGE),
    "run-unknown-flag-beyond": (*request(Verb.RUN, 16, 0, 1), Status.OUT_OF_RANGE),
    "read-short": (Verb.READ, b"\0" * 6, Status.BAD_LENGTH),
    "read-long": (Verb.READ, b"\0" * 8, Status.BAD_LENGTH),
    "read-nothing": (Verb.READ, b"", Status.BAD_LENGTH),
    "read-no-region": (*request(Verb.READ, len(REGIONS), 0, 1), Status.OUT_OF_RANGE),
    "read-region-alias": (*request(Verb.READ, 16 + WEIGHTS.index, 0, 1), Status.OUT_OF_RANGE),
    "read-beyond": (*request(Verb.READ, WEIGHTS.index, WEIGHTS.depth, 1), Status.OUT_OF_RANGE),
    "read-across-end": (*request(Verb.READ, WEIGHTS.index, 1, WEIGHTS.depth), Status.OUT_OF_RANGE),
    "read-far": (*request(Verb.READ, WEIGHTS.index, 1 << 31, 1), Status.OUT_OF_RANGE),
    "read-wraps": (*request(Verb.READ, WEIGHTS.index, (1 << 32) - 1, 2), Status.OUT_OF_RANGE),
    "read-too-many": (*request(Verb.READ, WEIGHTS.index, 0, 65535), Status.OUT_OF_RANGE),
    "read-4096": (*request(Verb.READ, WEIGHTS.index, 0, 1 << 12), Status.OUT_OF_RANGE),
    "write-short": (Verb.WRITE, b"\0" * 4, Status.BAD_LENGTH),
    "write-part-of-word": (
        *request(Verb.WRITE, WEIGHTS.index, 0, tail=WORD + WORD[1:]),
        Status.BAD_LENGTH,
    ),
    "write-no-region": (*request(Verb.WRITE, 99, 0, tail=WORD), Status.OUT_OF_RANGE),
    "write-across-end": (
        *request(Verb.WRITE, WEIGHTS.index, WEIGHTS.depth - 1, tail=WORD * 2),
        Status.OUT_OF_RANGE,
    ),
    "write-far": (*request(Verb.WRITE, WEIGHTS.index, 1 << 16, tail=WORD), Status.OUT_OF_RANGE),
    "fill-short": (Verb.FILL, b"\0" * 8, Status.BAD_LENGTH),
    "fill-without-word": (*request(Verb.FILL, WEIGHTS.index, 0, 1), Status.BAD_LENGTH),
    "fill-two-words": (
        *request(Verb.FILL, WEIGHTS.index, 0, 1, tail=WORD * 2),
        Status.BAD_LENGTH,
    ),
    "fill-no-region": (*request(Verb.FILL, 99, 0, 1, tail=WORD), Status.OUT_OF_RANGE),
    "fill-across-end": (
        *request(Verb.FILL, WEIGHTS.index, 1, WEIGHTS.depth, tail=WORD),
        Status.OUT_OF_RANGE,
    ),
    "fill-too-many": (
        *request(Verb.FILL, WEIGHTS.index, 0, 1 << 20, tail=WORD),
        Status.OUT_OF_RANGE,
    ),
}


def test_refuses_what_is_impossible():
    async def script(ctx, line, core):
        before = [list(words) for words in core.memory]
        for sequence, (case, (verb, payload, status)) in enumerate(REFUSED.items(), 1):
            answer = await line.ask(ctx, sequence, verb, payload)
            assert answer == (sequence, status, b""), case
            assert core.memory == before, case
            await still_works(ctx, line, core)
        assert await counts(ctx, line) == (0, 2 * len(REFUSED) + 1, 0)

    core = converse(script)
    assert (core.runs, core.stops) == ([], 0)


def test_refuses_answers_that_are_too_long():
    # Only regions of more words than a frame has bytes, or of wide ones, have that many.
    long = PARAMS.replace(machine={"sample_slots": 256})
    samples = long.regions["samples"]
    assert samples.depth > MAX_PAYLOAD + 1
    dut = RequestServer(long, IDENTITY)
    line = ByteLine(dut)

    async def script(ctx):
        answer = await line.ask(ctx, 3, *request(Verb.READ, samples.index, 0, MAX_PAYLOAD + 1))
        assert answer == (3, Status.OUT_OF_RANGE, b"")
        line.over = True

    simulate(dut, script, line.watch)


def test_refuses_what_would_disturb_a_run():
    allowed = {
        "registers": {Verb.READ},
        "samples": {Verb.WRITE, Verb.FILL},
        "results": {Verb.READ},
    }

    async def script(ctx, line, core):
        core.busy = True
        assert (await line.ask(ctx, 1, *request(Verb.RUN, 1, 0, 1))).kind == Status.BUSY
        for region in REGIONS:
            before = [list(words) for words in core.memory]
            word = bytes(region.word_bytes)
            for verb, payload in (
                request(Verb.READ, region.index, 0, 1),
                request(Verb.WRITE, region.index, 0, tail=word),
                request(Verb.FILL, region.index, 0, 2, tail=word),
            ):
                may = verb in allowed.get(region.name, ())
                answer = await line.ask(ctx, 2, verb, payload)
                assert answer.kind == (Status.OK if may else Status.BUSY), (region.name, verb.name)
                if not may:
                    assert core.memory == before, (region.name, verb.name)
        core.busy = False
        await still_works(ctx, line, core)

    assert converse(script).runs == []


GOOD = encode_frame(42, *request(Verb.WRITE, WEIGHTS.index, 0, tail=WORD * 3))
BODY = cobs.decode(GOOD[:-1])[:-2]

DAMAGED = {
    "wrong-crc": (raw_frame(BODY, crc_error=0x0100), 42, Status.BAD_CRC),
    "one-bit": (GOOD[:9] + bytes([GOOD[9] ^ 0x10]) + GOOD[10:], 42, Status.BAD_CRC),
    "wrong-version": (raw_frame(b"\2" + BODY[1:]), 42, Status.BAD_VERSION),
    "version-0": (raw_frame(b"\0" + BODY[1:]), 42, Status.BAD_VERSION),
    "cut-in-a-piece": (GOOD[:14] + b"\0", 42, Status.BAD_FRAME),
    "cut-short": (cobs.encode(BODY[:2]) + b"\0", 0, Status.BAD_FRAME),
    "no-verb": (raw_frame(BODY[:2]), 42, Status.BAD_FRAME),
    "empty": (b"\1\0", 0, Status.BAD_FRAME),
    "one-byte": (b"\2\7\0", 0, Status.BAD_FRAME),
    "code-only": (b"\xff\0", 0, Status.BAD_FRAME),
    "payload-one-too-long": (
        raw_frame(BODY + b"\xff" * (MAX_PAYLOAD + 1 - len(BODY) + 3)),
        42,
        Status.OVERSIZE,
    ),
    "endless": (raw_frame(BODY + b"\xaa" * 2500), 42, Status.OVERSIZE),
}
AT_PINS = ("wrong-crc", "cut-in-a-piece")


@pytest.mark.parametrize("pins", [False, True])
def test_answers_damaged_frames_and_changes_nothing(pins):
    async def script(ctx, line, core):
        before = [list(words) for words in core.memory]
        cases = {k: v for k, v in DAMAGED.items() if not pins or k in AT_PINS}
        for number, (case, (raw, sequence, status)) in enumerate(cases.items(), 1):
            await line.send(ctx, raw)
            answer = await line.answer(ctx)
            assert answer == (sequence, status, b""), case
            assert core.memory == before, case
            assert ctx.get(line.dut.fault), case
            await still_works(ctx, line, core)
            assert not ctx.get(line.dut.fault), case
            _, _, bad = await counts(ctx, line)
            assert bad == number, case

    converse(script, pins=pins)


@pytest.mark.parametrize("pins", [False, True])
def test_is_in_step_behind_rubbish(pins):
    """A good frame that follows rubbish at once is executed, also if the rubbish was answered."""
    rng = random.Random(8)

    async def script(ctx, line, core):
        bad = 0
        for number in range(4 if pins else 40):
            rubbish = rng.randbytes(rng.randrange(1, 30))
            await line.send(ctx, rubbish + b"\0" + encode_frame(200, Verb.STATUS))
            answers = [await line.answer(ctx)]
            while answers[-1] is not None and answers[-1].sequence != 200:
                assert answers[-1].kind in (Status.BAD_FRAME, Status.BAD_CRC)
                answers.append(await line.answer(ctx))
            assert answers[-1] is not None, f"no answer behind {rubbish!r}, number {number}"
            assert answers[-1].kind == Status.OK
            bad += len([piece for piece in rubbish.split(b"\0") if piece])
            assert STATUS_ANSWER.unpack(answers[-1].payload) == (0, number + 1, bad)

    converse(script, pins=pins)


@pytest.mark.parametrize("pins", [False, True])
def test_a_host_vanishes(pins):
    """Whatever part of a write arrived, nothing is written, and the next host is served."""

    async def script(ctx, line, core):
        before = [list(words) for words in core.memory]
        for cut in range(1, len(GOOD), 7 if pins else 1):
            await line.send(ctx, GOOD[:cut])
            for _ in range(50):
                await ctx.tick()
            await line.send(ctx, b"\0" + encode_frame(7, Verb.STATUS))
            # All its bytes are a whole frame, but for the closing zero: that one is executed.
            fragment = await line.answer(ctx)
            if cut == len(GOOD) - 1:
                assert fragment == (42, Status.OK, b"")
                break
            assert core.memory == before, f"cut behind {cut} bytes"
            assert fragment.kind in (Status.BAD_FRAME, Status.BAD_CRC), f"cut behind {cut} bytes"
            assert (await line.expect(ctx, 7)).kind == Status.OK, f"cut behind {cut} bytes"
        await line.send(ctx, b"\0")
        while await line.answer(ctx, 700 if pins else 100) is not None:
            pass
        await still_works(ctx, line, core)

    converse(script, pins=pins)


def test_noise_on_the_pins_is_survived():
    async def script(ctx, line, core):
        rng = random.Random(6)
        before = [list(words) for words in core.memory]
        for number in range(5):
            # Levels of any length: glitches, bad stop bits, breaks.
            for _ in range(rng.randrange(1, 30)):
                ctx.set(line.dut.rx, rng.getrandbits(1))
                for _ in range(rng.randrange(1, 12)):
                    await ctx.tick()
            ctx.set(line.dut.rx, 1)
            for _ in range(12 * line.divisor):
                await ctx.tick()
            await line.send(ctx, b"\0")
            while await line.answer(ctx, 600) is not None:
                pass
            assert core.memory == before, f"behind burst {number}"
            await still_works(ctx, line, core)

    converse(script, pins=True)


def test_drops_frames_that_come_during_a_request():
    async def script(ctx, line, core):
        region = REGIONS["samples"]
        read = encode_frame(1, *request(Verb.READ, region.index, 0, region.depth))
        early = encode_frame(2, *request(Verb.WRITE, region.index, 0, tail=b"\x77"))
        before = core.bytes_of(region, 0, region.depth)
        # The second ends while the answer to the first is sent, the third begins there.
        await line.send(ctx, read + early + early[:-4])
        assert await line.expect(ctx, 1) == (1, Status.OK, before)
        for _ in range(200):
            await ctx.tick()
        await line.send(ctx, early[-4:])
        assert await line.answer(ctx, 500) is None
        assert core.bytes_of(region, 0, region.depth) == before
        assert await counts(ctx, line) == (0, 2, 2)
        await still_works(ctx, line, core)

    converse(script)


def test_fuzz():
    """Any frame is answered or counted, and only a good write changes the memories."""
    rng = random.Random(11)
    names = ["samples", "weights0", "weights1", "latents1"]

    def mutate(raw):
        raw = bytearray(raw[:-1])
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(raw))
            match rng.randrange(4):
                case 0:
                    raw[at] ^= 1 << rng.randrange(8)
                case 1:
                    del raw[at:]
                case 2:
                    raw.insert(at, rng.randrange(256))
                case 3:
                    raw[at : at + 3] = rng.randbytes(3)
            if not raw:
                break
        return bytes(raw) + b"\0"

    async def script(ctx, line, core):
        good = bad = 0
        expected = [list(words) for words in core.memory]
        for number in range(300):
            region = REGIONS[rng.choice(names)]
            first, n = rng.randrange(region.depth + 2), rng.randrange(4)
            words = [rng.getrandbits(region.width) for _ in range(n)]
            tail = b"".join(word.to_bytes(region.word_bytes, "little") for word in words)
            verb, payload = rng.choice([
                request(Verb.READ, region.index, first, n),
                request(Verb.WRITE, region.index, first, tail=tail),
                request(Verb.FILL, region.index, first, n, tail=tail[: region.word_bytes]),
                (rng.randrange(9, 256), tail),
            ])
            damaged = rng.random() < 0.6
            line_bytes = encode_frame(number % 256, verb, payload)
            if damaged:
                line_bytes = mutate(line_bytes)
            pieces = [piece for piece in line_bytes.split(b"\0") if piece]
            if damaged and any(is_whole(piece) for piece in pieces):
                continue  # The damage was undone, or is still a frame: not what this is about.
            await line.send(ctx, line_bytes)
            if damaged:
                bad += len(pieces)
                answer = await line.answer(ctx, 40) if pieces else None
                while answer is not None:
                    assert answer.kind in (Status.BAD_FRAME, Status.BAD_CRC, Status.BAD_VERSION)
                    answer = await line.answer(ctx, 40)
            else:
                good += 1
                answer = await line.expect(ctx, number % 256)
                if verb not in (Verb.READ, Verb.WRITE, Verb.FILL):
                    status = Status.UNKNOWN_VERB
                elif verb == Verb.FILL and n == 0:
                    status = Status.BAD_LENGTH
                elif first + n > region.depth:
                    status = Status.OUT_OF_RANGE
                else:
                    status = Status.OK
                    if verb == Verb.WRITE:
                        expected[region.index][first : first + n] = words
                    elif verb == Verb.FILL:
                        expected[region.index][first : first + n] = words[:1] * n
                assert answer.kind == status, f"frame {number}: {verb!r} {payload!r}"
                if verb == Verb.READ and status == Status.OK:
                    assert answer.payload == core.bytes_of(region, first, n), f"frame {number}"
            assert core.memory == expected, f"frame {number}: {line_bytes!r}"
        assert await counts(ctx, line) == (0, good + 1, bad)
        assert min(good, bad) > 50

    converse(script)


def is_whole(piece):
    try:
        decode_frame(piece)
    except ValueError:
        return False
    return True


# Construction -----------------------------------------------------------------------------------


def test_rejects_an_identity_of_another_length():
    with pytest.raises(ValueError, match=r"^identity must be 16 bytes, not 15$"):
        RequestServer(PARAMS, bytes(15))


def test_rejects_words_that_fit_no_frame():
    wide = PARAMS.replace(
        network={"image": [28, 28], "thresholds": [1, 2, 3, 4, 5, 6, 7, 8]},
        machine={"row_lanes": 6272, "latent_lanes": [1017, 3]},
    )
    message = "^a word of latents0 must be at most 1015 bytes to fit a frame of the host link, not"
    with pytest.raises(ValueError, match=message + " 1017$"):
        HostLink(wide, IDENTITY)
