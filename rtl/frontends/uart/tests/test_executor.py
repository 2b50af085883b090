import random

import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC,
    CRC_BYTES,
    FILL,
    HEADER,
    MAX_PAYLOAD,
    READ,
    RUN,
    VERSION,
    WRITE,
    Status,
    Verb,
)
from popflip.rtl.frontends.uart.executor import RequestExecutor
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {"row_lanes": 12, "relax_lanes": 4, "latent_lanes": [6, 3]},
})
REGION = PARAMS.regions.latents(0)
SIZE = REGION.word_bytes


class Bench:
    """Who brings the requests, the core, and who takes the answers; all are ready at once."""

    def __init__(self, dut, memory=None):
        self.dut = dut
        self.memory = memory or {}
        self.runs = []
        self.answer = b""
        self.ended = False

    async def core(self, ctx):
        host = self.dut.host
        ctx.set(host.command.ready, 1)
        ctx.set(host.run.ready, 1)
        while True:
            _, _, valid, command, run_valid, run = await ctx.tick().sample(
                host.command.valid, host.command.p, host.run.valid, host.run.p
            )
            ctx.set(host.reply.valid, valid and not command.write)
            if valid and command.write:
                self.memory[command.region, command.address] = command.data & (1 << 8 * SIZE) - 1
            elif valid:
                ctx.set(host.reply.payload, self.memory[command.region, command.address])
            if run_valid:
                self.runs.append((run.train, run.internal, run.flush, run.first, run.count))

    async def frame(self, ctx, verb, payload):
        """Hold a frame's request; return the status and payload of the answer, and the cycles.

        Those are counted until the header of the answer begins.
        """
        request = self.dut.requests
        ctx.set(request.held, 1)
        ctx.set(request.verb, verb)
        ctx.set(request.sequence, 42)
        ctx.set(request.size, HEADER.size + len(payload))
        ctx.set(request.has_data, 1)
        return await self.serve(ctx, lambda at, _: payload[at] if at < len(payload) else 0x55)

    async def serve(self, ctx, look_up):
        """Answer for the bytes that are looked up until the answer has ended."""
        request, out = self.dut.requests, self.dut.answers
        ctx.set(out.ready, 1)
        answer, cycles, released = b"", 0, False
        while True:
            await ctx.delay(0)
            at = (ctx.get(request.address) - HEADER.size) % MAX_PAYLOAD
            valid, last, byte = (ctx.get(value) for value in (out.valid, out.p.last, out.p.data))
            done = ctx.get(request.done)
            released |= bool(ctx.get(request.release))
            await ctx.tick()
            if released:
                ctx.set(request.held, 0)
            ctx.set(request.data, look_up(at, ctx.get(request.take)))
            if valid and last:
                break
            if valid:
                answer += bytes([byte])
            if done:
                return None
            cycles += not answer
        body, crc = answer[:-CRC_BYTES], answer[-CRC_BYTES:]
        assert crc == CRC.compute(body).to_bytes(CRC_BYTES, "little")
        version, sequence, status = HEADER.unpack(body[: HEADER.size])
        assert version == VERSION
        self.sequence = sequence
        assert released == (status != Status.REPORT)
        return status, body[HEADER.size :], cycles


def play(script, memory=None):
    dut = RequestExecutor(PARAMS, bytes(16))
    bench = Bench(dut, memory)

    async def run(ctx):
        await script(ctx, bench)

    simulate(dut, run, background=[bench.core])
    return bench


def words_of(n):
    rng = random.Random(n)
    return [rng.getrandbits(REGION.width) for _ in range(n)]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_cycles_of_a_write(n):
    words = words_of(n)
    tail = b"".join(word.to_bytes(SIZE, "little") for word in words)

    async def script(ctx, bench):
        answer = await bench.frame(ctx, Verb.WRITE, WRITE.pack(REGION.index, 1) + tail)
        arguments, look = 2 * WRITE.size + 1, n * SIZE + 1
        assert answer == (Status.OK, b"", 1 + 2 * arguments + look + n * (2 * SIZE + 2) + 1)
        assert bench.sequence == 42

    assert play(script).memory == {(REGION.index, 1 + i): word for i, word in enumerate(words)}


@pytest.mark.parametrize("n", [0, 1, 4])
def test_cycles_of_a_fill(n):
    [word] = words_of(1)

    async def script(ctx, bench):
        payload = FILL.pack(REGION.index, 0, n) + word.to_bytes(SIZE, "little")
        status, _, cycles = await bench.frame(ctx, Verb.FILL, payload)
        arguments, collect, look = 2 * FILL.size + 1, 2 * SIZE, n + 1
        assert (status, cycles) == (Status.OK, 1 + 2 * arguments + collect + look + 2 * n + 1)

    assert play(script).memory == {(REGION.index, i): word for i in range(n)}


@pytest.mark.parametrize("n", [0, 1, 3])
def test_reads_words(n):
    words = words_of(n)

    async def script(ctx, bench):
        answer = await bench.frame(ctx, Verb.READ, READ.pack(REGION.index, 2, n))
        tail = b"".join(word.to_bytes(SIZE, "little") for word in words)
        arguments, look = 2 * READ.size + 1, n * SIZE + 1
        assert answer == (Status.OK, tail, 1 + 2 * arguments + look)

    play(script, {(REGION.index, 2 + i): word for i, word in enumerate(words)})


def test_refuses_and_lets_go():
    async def script(ctx, bench):
        for verb, payload, status in (
            (Verb.READ, READ.pack(REGION.index, REGION.depth, 1), Status.OUT_OF_RANGE),
            (Verb.READ, READ.pack(REGION.index, 0, 1)[:-1], Status.BAD_LENGTH),
            (Verb.WRITE, WRITE.pack(REGION.index, 0) + b"\0", Status.BAD_LENGTH),
            (0, b"", Status.UNKNOWN_VERB),
        ):
            assert (await bench.frame(ctx, verb, payload))[:2] == (status, b"")
            assert ctx.get(bench.dut.fault) == 1
        assert (await bench.frame(ctx, Verb.STATUS, b""))[0] == Status.OK
        assert ctx.get(bench.dut.fault) == 0

    bench = play(script)
    assert (bench.memory, bench.runs) == ({}, [])


def test_answers_a_complaint():
    async def script(ctx, bench):
        request = bench.dut.requests
        ctx.set(request.complaint, 1)
        ctx.set(request.status, Status.BAD_CRC)
        ctx.set(request.sequence, 17)
        await ctx.tick()
        ctx.set(request.complaint, 0)
        ctx.set(request.sequence, 0)
        ctx.set(bench.dut.answers.ready, 1)
        sent = []
        for _ in range(HEADER.size):
            await ctx.delay(0)
            sent.append(ctx.get(bench.dut.answers.p.data))
            assert ctx.get(request.release) == 0, "what comes meanwhile would be lost"
            await ctx.tick()
        assert bytes(sent) == HEADER.pack(VERSION, 17, Status.BAD_CRC)

    play(script)


def internal(ctx, dut, verb):
    ctx.set(dut.requests.held, 1)
    ctx.set(dut.requests.next_internal, 1)
    ctx.set(dut.requests.next_report, verb == Verb.READ)
    ctx.set(dut.requests.internal, 1)
    ctx.set(dut.requests.verb, verb)
    ctx.set(dut.requests.size, 0)


def test_writes_counted_words_of_an_internal_request_as_they_come():
    words = words_of(3)
    tail = b"".join(word.to_bytes(SIZE, "little") for word in words)
    arguments = FILL.pack(REGION.index, 4, 3)
    taken = []
    rng = random.Random(5)

    async def script(ctx, bench):
        internal(ctx, bench.dut, Verb.WRITE)

        def look_up(at, take):
            ctx.set(bench.dut.requests.has_data, rng.random() < 0.4)
            if take:
                taken.append(tail[len(taken)])
                return taken[-1]
            return arguments[at] if at < len(arguments) else 0

        assert await bench.serve(ctx, look_up) is None, "nobody wants an answer"

    memory = play(script).memory
    assert bytes(taken) == tail
    assert memory == {(REGION.index, 4 + i): word for i, word in enumerate(words)}


def test_runs_and_reports_of_internal_requests():
    words = words_of(2)

    async def script(ctx, bench):
        internal(ctx, bench.dut, Verb.RUN)
        arguments = RUN.pack(5, 3, 9)
        assert await bench.serve(ctx, lambda at, _: arguments[at] if at < 9 else 0) is None
        internal(ctx, bench.dut, Verb.READ)
        report = FILL.pack(REGION.index, 0, 2)
        status, payload, _ = await bench.serve(ctx, lambda at, _: report[at] if at < 9 else 0)
        assert status == Status.REPORT
        assert payload == b"".join(word.to_bytes(SIZE, "little") for word in words)
        assert ctx.get(bench.dut.fault) == 0

    memory = {(REGION.index, i): word for i, word in enumerate(words)}
    assert play(script, memory).runs == [(1, 0, 1, 3, 9)]
