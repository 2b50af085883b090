import random

import pytest

from popflip.rtl.frontends.mapped.sample_gate import SAMPLES, SampleGate
from popflip.rtl.frontends.mapped.tests.test_bridge import PARAMS
from popflip.rtl.simulation import simulate

SIZE = PARAMS.sample_bytes

#: How often the sender offers, the core asks, and the core takes.
PATTERNS = {"full-rate": (1, 1, 1), "backpressure": (1, 0.7, 0.3), "starved": (0.3, 1, 1)}


class Frames:
    """Frames for a gate, the good ones as the core must see them, and what it saw."""

    def __init__(self, seed, n, in_user=False, bad=True):
        rng = random.Random(seed)
        size, self.sent, self.wanted, self.bad = SIZE - in_user, [], [], 0
        for _ in range(n):
            length = rng.choice([size, size, size, size - 1, size + 1, 1, 3 * size, size + 2])
            length = length if bad else size
            data, users = rng.randbytes(length), rng.randbytes(length)
            self.sent.append((data, users))
            if length == size:
                self.wanted.append(data + users[-1:] if in_user else data)
            else:
                self.bad += 1
        self.got, self.counts = [], {"good": 0, "bad": 0}


async def offer(ctx, stream, rng, share, **fields):
    """Offer one word to a stream, after a pause now and then."""
    while rng.random() >= share:
        await ctx.tick()
    for name, value in fields.items():
        ctx.set(getattr(stream.p, name), value)
    ctx.set(stream.valid, 1)
    while not (await ctx.tick().sample(stream.ready))[2]:
        pass
    ctx.set(stream.valid, 0)


def sender(dut, frames, share):
    async def send(ctx):
        rng = random.Random(1)
        for data, users in frames.sent:
            for i, (byte, user) in enumerate(zip(data, users, strict=True)):
                last = i == len(data) - 1
                await offer(ctx, dut.i, rng, share, data=byte, user=user, last=last)

    return send


def core(dut, frames, ask, take):
    async def run(ctx):
        rng, store = random.Random(2), dut.store
        ctx.set(dut.grant, 1)
        for _ in frames.wanted:
            while rng.random() >= ask:
                await ctx.tick()
            ctx.set(store.request.valid, 1)
            while not (await ctx.tick().sample(store.request.ready))[2]:
                pass
            ctx.set(store.request.valid, 0)
            sample = bytearray()
            while len(sample) < SIZE:
                ready = rng.random() < take
                ctx.set(store.data.ready, ready)
                _, _, valid, byte = await ctx.tick().sample(store.data.valid, store.data.payload)
                if valid and ready:
                    sample.append(byte)
            ctx.set(store.data.ready, 0)
            frames.got.append(bytes(sample))
        await ctx.tick().repeat(4 * SIZE)

    return run


def counter(dut, frames):
    async def count(ctx):
        while True:
            _, _, good, bad = await ctx.tick().sample(dut.good, dut.bad)
            frames.counts["good"] += good
            frames.counts["bad"] += bad

    return count


@pytest.mark.parametrize("in_user", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_whole_samples_only(pattern, in_user):
    dut, frames = SampleGate(PARAMS), Frames(3, 40, in_user)
    offers, asks, takes = PATTERNS[pattern]

    async def setting(ctx):
        ctx.set(dut.label_in_user, in_user)

    simulate(
        dut, setting, sender(dut, frames, offers), core(dut, frames, asks, takes),
        background=[counter(dut, frames)],
    )  # fmt: skip
    assert frames.got == frames.wanted
    assert frames.counts == {"good": len(frames.wanted), "bad": frames.bad}
    assert frames.bad > 5 < len(frames.wanted)


def test_one_byte_per_cycle():
    """Two cycles between samples from the same memory, and none while bytes enter."""
    dut, frames = SampleGate(PARAMS), Frames(3, 30, bad=False)
    cycles = []

    async def clock(ctx):
        async for _ in ctx.tick():
            cycles.append(1)

    simulate(dut, sender(dut, frames, 1), core(dut, frames, 1, 1), background=[clock])
    # The bench itself asks a cycle after the last byte, and waits for the answer in another.
    assert len(cycles) <= 30 * (SIZE + 3) + SIZE + 4 * SIZE + 10


def test_no_grant_no_sample():
    dut, frames = SampleGate(PARAMS), Frames(3, SAMPLES, bad=False)

    async def bench(ctx):
        await sender(dut, frames, 1)(ctx)
        ctx.set(dut.store.request.valid, 1)
        for _ in range(10):
            _, _, ready, room, waiting = await ctx.tick().sample(
                dut.store.request.ready, dut.i.ready, dut.waiting
            )
            assert (ready, room) == (0, 0)
        assert waiting == SAMPLES
        ctx.set(dut.grant, 1)
        assert (await ctx.tick().sample(dut.store.request.ready))[2]

    simulate(dut, bench)


@pytest.mark.parametrize("held", range(SAMPLES + 1))
def test_discard(held):
    """What waits is gone, a frame that is under way is bad, and the next ones come through."""
    dut, old, new = SampleGate(PARAMS), Frames(3, held, bad=False), Frames(4, 5, bad=False)

    async def bench(ctx):
        rng = random.Random(1)
        await sender(dut, old, 1)(ctx)
        assert ctx.get(dut.waiting) == held
        if held < SAMPLES:
            await offer(ctx, dut.i, rng, 1, data=1, last=0)
        ctx.set(dut.discard, 1)
        await ctx.tick()
        ctx.set(dut.discard, 0)
        assert ctx.get(dut.waiting) == 0
        if held < SAMPLES:
            for i in range(1, SIZE):
                await offer(ctx, dut.i, rng, 1, data=1, last=i == SIZE - 1)
        await ctx.tick()
        assert ctx.get(dut.waiting) == 0

    discarded: list = []

    async def send(ctx):
        await bench(ctx)
        discarded.append(1)
        await sender(dut, new, 1)(ctx)

    async def serve(ctx):
        while not discarded:
            await ctx.tick()
        await core(dut, new, 1, 1)(ctx)

    simulate(dut, send, serve, background=[counter(dut, new)])
    assert new.got == new.wanted
    assert new.counts == {"good": held + 5, "bad": held < SAMPLES}


def test_begin_anew():
    dut, frames = SampleGate(PARAMS), Frames(3, 3, bad=False)

    async def bench(ctx):
        rng = random.Random(1)
        for discard in (0, 1):
            for byte in range(4):
                await offer(ctx, dut.i, rng, 1, data=byte, last=0)
            # After a discard the rest of the frame would be skipped, but it never comes.
            ctx.set(dut.discard, discard)
            await ctx.tick()
            ctx.set(dut.discard, 0)
            ctx.set(dut.begin_anew, 1)
            await ctx.tick()
            ctx.set(dut.begin_anew, 0)
        await sender(dut, frames, 1)(ctx)

    async def serve(ctx):
        await core(dut, frames, 1, 1)(ctx)

    simulate(dut, bench, serve)
    assert frames.got == frames.wanted
