"""The next sample is driven beside the one in hand, whose dot products it leaves alone."""

import pytest

from popflip.rtl.core.overlap_path import OverlapPath
from popflip.rtl.core.tests.test_single_path import Bench


@pytest.mark.parametrize("name", ["overlap", "overlap-narrow", "overlap-alone"])
def test_drives_a_sample_beside_the_one_in_hand(name):
    bench = Bench(OverlapPath, name)
    dut = bench.dut

    async def samples(ctx):
        await bench.arrive(ctx, 0)
        await ctx.tick()
        await bench.pulse(ctx, dut.sample.start)
        await bench.settle(ctx)
        await bench.pulse(ctx, dut.phase.clear)
        await bench.settle(ctx)
        for sample in range(1, len(bench.x)):
            bench.check(ctx, sample - 1)
            await bench.arrive(ctx, sample)
            assert not ctx.get(dut.sample.ahead)
            ctx.set(dut.sample.lead, 1)
            await ctx.tick()
            await ctx.tick()
            assert ctx.get(dut.sample.ahead)
            assert not ctx.get(dut.sample.driven)
            await bench.settle(ctx)
            bench.check(ctx, sample - 1)
            ctx.set(dut.sample.lead, 0)
            await bench.pulse(ctx, dut.sample.release)
            await bench.pulse(ctx, dut.phase.clear)
            await bench.settle(ctx)
        bench.check(ctx, len(bench.x) - 1)

    bench.simulate(samples)


def test_the_cycles_that_a_late_sample_is_waited_for_are_told():
    bench = Bench(OverlapPath, "overlap")
    dut, late = bench.dut, 0

    async def samples(ctx):
        nonlocal late
        await bench.arrive(ctx, 0)
        await bench.pulse(ctx, dut.sample.start)
        await bench.settle(ctx)
        await bench.pulse(ctx, dut.phase.clear)
        ctx.set(dut.sample.lead, 1)
        for _ in range(4):
            await ctx.tick()
        await bench.arrive(ctx, 1)
        while not ctx.get(dut.sample.ahead):
            await ctx.tick()
        ctx.set(dut.sample.lead, 0)
        await bench.pulse(ctx, dut.sample.release)
        ctx.set(dut.sample.waits, 1)
        while not ctx.get(dut.sample.driven):
            late += ctx.get(dut.sample.late)
            await ctx.tick()

    bench.simulate(samples)
    assert late > 4
