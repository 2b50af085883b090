import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal

from popflip.rtl.primitives.counters import CounterBank
from popflip.rtl.simulation import simulate


def bank(steps):
    """Make a bank of counters c0, c1 and so on."""
    return CounterBank({f"c{i}": step for i, step in enumerate(steps)})


@pytest.mark.parametrize("steps", [(1, 1), (1, 100, 3), (7, 1, 1, 1, 250)])
def test_counts_what_golden_sums(steps):
    dut, rng = bank(steps), np.random.default_rng(len(steps))
    sums = np.zeros(len(steps), np.int64)
    seen = []

    async def bench(ctx):
        for look in range(40):
            word = look % len(steps)
            if look == 25:
                ctx.set(dut.look.clear, 1)
                await ctx.tick()
                ctx.set(dut.look.clear, 0)
                sums[:] = 0
            # Bursts of the greatest steps, then whatever comes.
            for _ in range(int(rng.integers(0, 70))):
                for i, step in enumerate(steps):
                    n = step if look % 3 == 0 else int(rng.integers(0, step + 1))
                    ctx.set(dut.steps[f"c{i}"], n)
                    sums[i] += n
                await ctx.tick()
            for i in range(len(steps)):
                ctx.set(dut.steps[f"c{i}"], 0)
            ctx.set(dut.look.look, 1)
            ctx.set(dut.look.word, 2 * word)
            await ctx.tick()
            ctx.set(dut.look.look, 0)
            waited = 1
            while not ctx.get(dut.look.valid):
                await ctx.tick()
                waited += 1
            assert waited <= dut.latency
            seen.append((ctx.get(dut.look.data), int(sums[word])))
            await ctx.tick()
            assert not ctx.get(dut.look.valid)

    simulate(dut, bench, deadline=20_000)
    assert [got for got, _ in seen] == [wanted for _, wanted in seen]
    assert max(wanted for _, wanted in seen) > 10 * max(steps)


def test_counts_while_it_is_looked_at():
    """Back-to-back look-ups; no event is lost."""
    dut = bank((1, 9))
    cycles, waits = 0, set()

    async def tick(ctx):
        nonlocal cycles
        cycles += 1
        await ctx.tick()

    async def bench(ctx):
        ctx.set(dut.steps.c1, 9)
        ctx.set(dut.look.word, 2)
        for _ in range(300):
            ctx.set(dut.look.look, 1)
            await tick(ctx)
            ctx.set(dut.look.look, 0)
            began = cycles
            while not ctx.get(dut.look.valid):
                await tick(ctx)
            assert ctx.get(dut.look.data) == cycles * 9
            waits.add(cycles - began + 1)

    simulate(dut, bench)
    assert max(waits) == dut.latency


def test_a_reset_begins_a_new_count():
    """Though a reset clears no memory."""
    dut, reset = bank((1, 9)), Signal()

    async def bench(ctx):
        for steps in (40, 7):
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            ctx.set(dut.steps.c1, 9)
            for _ in range(steps):
                await ctx.tick()
            ctx.set(dut.steps.c1, 0)
            ctx.set(dut.look.word, 2)
            ctx.set(dut.look.look, 1)
            await ctx.tick()
            ctx.set(dut.look.look, 0)
            while not ctx.get(dut.look.valid):
                await ctx.tick()
            assert ctx.get(dut.look.data) == steps * 9

    simulate(ResetInserter(reset)(dut), bench)


def test_carries_into_the_upper_word():
    dut = bank((1 << 20, 1 << 24))
    words = {}

    async def bench(ctx):
        ctx.set(dut.steps.c0, 1 << 20)
        ctx.set(dut.steps.c1, 1 << 24)
        for _ in range(5000):
            await ctx.tick()
        ctx.set(dut.steps.c0, 0)
        ctx.set(dut.steps.c1, 0)
        for word in range(4):
            ctx.set(dut.look.word, word)
            ctx.set(dut.look.look, 1)
            await ctx.tick()
            ctx.set(dut.look.look, 0)
            while not ctx.get(dut.look.valid):
                await ctx.tick()
            words[word] = ctx.get(dut.look.data)

    simulate(dut, bench)
    assert words[0] | words[1] << 32 == 5000 << 20
    assert words[2] | words[3] << 32 == 5000 << 24


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ((1,), ValueError, r"^steps must have at least 2 entries, not 1$"),
        ((1, 0), ValueError, r"^steps\['c1'\] must be at least 1, not 0$"),
        ((1, 1 << 25), ValueError, r"^steps\['c1'\] must be at most 2\*\*24, not 33554432$"),
        ((1, 2.0), TypeError, r"^steps\['c1'\] must be an int, not 2\.0$"),
    ],
)
def test_rejects(steps, error, message):
    with pytest.raises(error, match=message):
        bank(steps)
