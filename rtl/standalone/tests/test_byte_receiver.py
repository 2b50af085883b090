import random

import pytest

from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.byte_receiver import ByteReceiver


@pytest.mark.parametrize("pace", ["full-rate", "starved"])
@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("lines", [1, 2, 4])
def test_puts_bytes_together(lines, delay, pace):
    dut = ByteReceiver(lines, delay)
    rng = random.Random(lines + delay)
    sent = rng.randbytes(40)
    got = []

    async def flash(ctx):
        pins = [0] * (1 + delay)  # what the machine sees of the lines, later
        for byte in [*sent, *[None] * (2 + delay)]:
            for at in range(8 - lines, -1, -lines):
                if pace == "starved":
                    while rng.random() < 0.5:
                        await step(ctx, pins, 0, 0, 0)
                new = rng.getrandbits(4) if lines == 1 else 0
                bits = ((byte or 0) >> at) & ((1 << lines) - 1)
                new = new & 0b1101 | bits << 1 if lines == 1 else bits
                await step(ctx, pins, byte is not None, byte is not None and at == 0, new)

    async def step(ctx, pins, sampled, completed, new):
        pins.append(new)
        ctx.set(dut.sampled, sampled)
        ctx.set(dut.completed, completed)
        ctx.set(dut.i, pins.pop(0))
        await ctx.delay(0)
        ctx.set(dut.taken, ctx.get(dut.held))
        if ctx.get(dut.held):
            got.append(ctx.get(dut.byte))
        await ctx.tick()

    simulate(dut, flash)
    assert bytes(got) == sent


def test_holds_a_byte_while_the_next_one_waits():
    dut = ByteReceiver(4, 0)

    async def bench(ctx):
        for nibble, completed in ((0xA, 0), (0xB, 1), (0xC, 0), (0xD, 1)):
            ctx.set(dut.sampled, 1)
            ctx.set(dut.completed, completed)
            await ctx.tick()
            ctx.set(dut.i, nibble)
        ctx.set(dut.sampled, 0)
        ctx.set(dut.completed, 0)
        for _ in range(5):
            await ctx.tick()
            assert ctx.get(dut.held) == 1
            assert ctx.get(dut.byte) == 0xAB
        ctx.set(dut.taken, 1)
        await ctx.tick()
        assert (ctx.get(dut.held), ctx.get(dut.byte)) == (1, 0xCD)
        await ctx.tick()
        assert ctx.get(dut.held) == 0

    simulate(dut, bench)
