import pytest

from popflip.golden.description.protocol import FILL, HEADER, RUN, Status, Verb
from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.requests import RequestArbiter


def offer(ctx, port, verb, *, region=0, address=0, count=0, flags=0):
    ctx.set(port.valid, 1)
    ctx.set(port.verb, verb)
    ctx.set(port.region, region)
    ctx.set(port.address, address)
    ctx.set(port.count, count)
    ctx.set(port.run.train, flags & 1)
    ctx.set(port.run.internal, flags >> 1 & 1)
    ctx.set(port.run.flush, flags >> 2)
    ctx.set(port.run.first, address)
    ctx.set(port.run.count, count)


@pytest.mark.parametrize(
    ("verb", "arguments", "values"),
    [
        (Verb.WRITE, FILL.pack(5, 0x123456, 0x89ABCD), {"region": 5}),
        (Verb.READ, FILL.pack(0, 0x123456, 0x89ABCD), {"region": 0}),
        (Verb.RUN, RUN.pack(5, 0x123456, 0x89ABCD), {"region": 15, "flags": 5}),
    ],
    ids=["write", "read", "run"],
)
def test_lays_out_arguments_as_a_frame_has_them(verb, arguments, values):
    dut = RequestArbiter()

    async def bench(ctx):
        ctx.set(dut.frames.data, 0x5A)
        ctx.set(dut.requests.idle, 1)
        offer(ctx, dut.internal, verb, address=0x123456, count=0x89ABCD, **values)
        await ctx.tick()
        ctx.set(dut.requests.idle, 0)
        for position, byte in enumerate(arguments):
            # A cycle after it was looked up: the executor looks at the next one by then.
            ctx.set(dut.requests.address, HEADER.size + position + 1)
            await ctx.delay(0)
            assert ctx.get(dut.requests.data) == byte, position
            await ctx.tick()

    simulate(dut, bench)


def test_hands_on_the_bytes_of_words():
    dut = RequestArbiter()

    async def bench(ctx):
        ctx.set(dut.requests.idle, 1)
        offer(ctx, dut.internal, Verb.WRITE, count=1)
        ctx.set(dut.internal.byte, 0xC3)
        await ctx.tick()
        ctx.set(dut.requests.idle, 0)
        for has_byte in (0, 1):
            ctx.set(dut.internal.has_byte, has_byte)
            await ctx.delay(0)
            assert ctx.get(dut.requests.has_data) == has_byte
        assert ctx.get(dut.internal.take) == 0
        ctx.set(dut.requests.take, 1)
        await ctx.delay(0)
        assert (ctx.get(dut.internal.take), ctx.get(dut.requests.data)) == (1, 0xC3)

    simulate(dut, bench)


def test_the_front_end_goes_first_and_nobody_is_interrupted():
    dut = RequestArbiter()
    frames, requests = dut.frames, dut.requests

    async def offered(ctx):
        await ctx.delay(0)
        return [
            ctx.get(value) for value in (requests.held, requests.next_internal, requests.sequence)
        ]

    async def executed(ctx):
        await ctx.delay(0)
        return [ctx.get(requests.internal), ctx.get(requests.verb)]

    async def bench(ctx):
        ctx.set(requests.idle, 1)
        ctx.set(frames.sequence, 7)
        ctx.set(frames.verb, Verb.STATUS)
        assert (await offered(ctx))[:2] == [0, 0]
        offer(ctx, dut.internal, Verb.RUN)
        # A frame's request, and a complaint, come before the machine's own.
        ctx.set(frames.held, 1)
        assert await offered(ctx) == [1, 0, 7]
        await ctx.tick()
        ctx.set(requests.idle, 0)
        ctx.set(requests.take, 1)
        ctx.set(frames.held, 0)
        await ctx.tick()
        assert await executed(ctx) == [0, Verb.STATUS]
        assert ctx.get(dut.internal.take) == 0
        ctx.set(requests.take, 0)
        ctx.set(requests.idle, 1)
        ctx.set(frames.complaint, 1)
        ctx.set(frames.status, Status.BAD_CRC)
        assert await offered(ctx) == [0, 0, 7]
        assert (ctx.get(requests.complaint), ctx.get(requests.status)) == (1, Status.BAD_CRC)
        await ctx.tick()
        ctx.set(frames.complaint, 0)
        assert await offered(ctx) == [1, 1, 0]
        assert ctx.get(requests.next_report) == 0
        await ctx.tick()
        ctx.set(requests.idle, 0)
        # It stays, whatever the front end has.
        ctx.set(frames.held, 1)
        for _ in range(3):
            assert await executed(ctx) == [1, Verb.RUN]
            await ctx.tick()
        ctx.set(requests.done, 1)
        await ctx.delay(0)
        assert ctx.get(dut.internal.done) == 1
        await ctx.tick()
        ctx.set(requests.done, 0)
        ctx.set(requests.idle, 1)
        assert await offered(ctx) == [1, 0, 7]
        await ctx.tick()
        assert await executed(ctx) == [0, Verb.STATUS]

    simulate(dut, bench)


def test_hands_everything_else_through():
    dut = RequestArbiter()
    frames, requests = dut.frames, dut.requests

    async def bench(ctx):
        values = {"size": 345, "data": 0x77, "has_data": 1, "good": 0x1234, "bad": 0x4321}
        for name, value in values.items():
            ctx.set(getattr(frames, name), value)
        for name, value in {"address": 345, "idle": 1, "take": 1, "release": 1}.items():
            ctx.set(getattr(requests, name), value)
        await ctx.delay(0)
        for name, value in values.items():
            assert ctx.get(getattr(requests, name)) == value, name
        for name, value in {"address": 345, "idle": 1, "take": 1, "release": 1}.items():
            assert ctx.get(getattr(frames, name)) == value, name

    simulate(dut, bench)
