import itertools
import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.rtl.primitives.uart import UartReceiver, UartTransmitter
from popflip.rtl.simulation import simulate

DIVISORS = (4, 5, 8, 13)


async def drive(ctx, line, levels, divisor):
    """Put one level after another on a line, each for a bit's time (cycles may be fractional)."""
    due = 0.0
    for level in levels:
        ctx.set(line, level)
        cycles = round(due + divisor) - round(due)
        due += divisor
        for _ in range(cycles):
            await ctx.tick()


def byte_levels(byte, stop=1):
    return [0, *(byte >> i & 1 for i in range(8)), stop]


def receive(divisor, levels, *, bit_cycles=None, ready=lambda: True):
    """Return the bytes that a receiver makes of the levels."""
    dut = UartReceiver(divisor)
    got = []
    done = False

    async def line(ctx):
        nonlocal done
        await drive(ctx, dut.rx, [1, 1, *levels, 1, 1], bit_cycles or divisor)
        for _ in range(50):
            await ctx.tick()
        done = True

    async def consumer(ctx):
        while not done:
            is_ready = ready()
            ctx.set(dut.o.ready, is_ready)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid and is_ready:
                got.append(payload)

    simulate(dut, line, consumer, deadline=(len(levels) + 10) * (divisor + 1) + 100)
    return got


@pytest.mark.parametrize("divisor", DIVISORS)
def test_receives_every_byte(divisor):
    sent = list(range(256)) if divisor == 4 else random.Random(divisor).sample(range(256), 40)
    assert receive(divisor, [l for byte in sent for l in byte_levels(byte)]) == sent


@pytest.mark.parametrize("skew", [-0.03, 0.03])
def test_receives_from_a_clock_that_is_off(skew):
    sent = random.Random(2).sample(range(256), 40)
    levels = [l for byte in sent for l in byte_levels(byte)]
    assert receive(16, levels, bit_cycles=16 * (1 + skew)) == sent


def test_drops_bytes_without_stop_bit():
    levels = byte_levels(0x11) + byte_levels(0x22, stop=0) + [1] + byte_levels(0x33)
    assert receive(8, levels) == [0x11, 0x33]


def test_a_break_is_no_byte():
    levels = byte_levels(0x11) + [0] * 35 + [1] + byte_levels(0x33)
    assert receive(8, levels) == [0x11, 0x33]


def test_a_glitch_is_no_start_bit():
    # At 2 cycles per level, the low one is over before the middle of a bit of 8.
    sent = byte_levels(0xA5)
    levels = [1, 0, *[1] * 8, *(l for level in sent for l in [level] * 4)]
    assert receive(8, levels, bit_cycles=2) == [0xA5]


def test_an_offered_byte_holds_still_and_later_ones_are_lost():
    levels = [l for byte in (0x11, 0x22, 0x33) for l in byte_levels(byte)]
    cycles = 0

    def late():
        nonlocal cycles
        cycles += 1
        return cycles > 25 * 8

    # Taken while the third is on the line, so that this one finds room again.
    assert receive(8, levels, ready=late) == [0x11, 0x33]


@pytest.mark.parametrize("divisor", DIVISORS)
@pytest.mark.parametrize("starved", [False, True])
def test_transmits_at_exact_times(divisor, starved):
    rng = random.Random(divisor)
    dut = UartTransmitter(divisor)
    sent = [0x00, 0xFF, 0x55, *(rng.randrange(256) for _ in range(20))]
    line, starts = [], []
    over = False

    async def producer(ctx):
        nonlocal over
        for byte in sent:
            for _ in range(rng.randrange(25 * divisor) if starved else 0):
                await ctx.tick()
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            async for _, _, ready in ctx.tick().sample(dut.i.ready):
                if ready:
                    break
            starts.append(len(line))
            ctx.set(dut.i.valid, 0)
        for _ in range(11 * divisor):
            await ctx.tick()
        over = True

    async def watch(ctx):
        async for _, _, tx in ctx.tick().sample(dut.tx):
            line.append(tx)
            if over:
                return

    simulate(dut, watch, producer, deadline=len(sent) * 40 * divisor)
    expected = [1] * len(line)
    for start, byte in zip(starts, sent, strict=True):
        levels = [l for level in byte_levels(byte) for l in [level] * divisor]
        expected[start : start + len(levels)] = levels
    assert line == expected
    if not starved:
        gaps = {b - a for a, b in itertools.pairwise(starts)}
        assert gaps == {10 * divisor}


class Loop(wiring.Component):
    """A transmitter whose line is a receiver's."""

    def __init__(self, divisor):
        self._divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
        m.submodules.receiver = receiver = UartReceiver(self._divisor)
        m.d.comb += receiver.rx.eq(transmitter.tx)
        wiring.connect(m, wiring.flipped(self.i), transmitter.i)
        wiring.connect(m, wiring.flipped(self.o), receiver.o)
        return m


@pytest.mark.parametrize("divisor", DIVISORS)
def test_loop(divisor):
    dut = Loop(divisor)
    sent = [random.Random(divisor).randrange(256) for _ in range(60)]
    got = []

    async def producer(ctx):
        ctx.set(dut.i.valid, 1)
        for byte in sent:
            ctx.set(dut.i.payload, byte)
            async for _, _, ready in ctx.tick().sample(dut.i.ready):
                if ready:
                    break
        ctx.set(dut.i.valid, 0)

    async def consumer(ctx):
        ctx.set(dut.o.ready, 1)
        async for _, _, valid, payload in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                got.append(payload)
            if len(got) == len(sent):
                return

    simulate(dut, producer, consumer, deadline=11 * divisor * (len(sent) + 2))
    assert got == sent


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize(
    ("divisor", "error", "message"),
    [
        (3, ValueError, "divisor must be at least 4, not 3"),
        (8.0, TypeError, "divisor must be an int, not 8.0"),
    ],
)
def test_rejected(component, divisor, error, message):
    with pytest.raises(error) as caught:
        component(divisor)
    assert str(caught.value) == message
