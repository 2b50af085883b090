"""Samples enter and leave both halves in turn; each user sees its own half."""

import numpy as np

from popflip.golden.description.packing import pack_samples
from popflip.rtl.core.buffer_pair import BufferPair
from popflip.rtl.core.tests.test_core import CONFIGS
from popflip.rtl.simulation import simulate

PARAMS = CONFIGS["overlap"]


def test_one_half_is_driven_while_the_other_is_scanned():
    dut, rng = BufferPair(PARAMS), np.random.default_rng(9)
    x, labels = rng.random((5, PARAMS.n_in)) < 0.5, np.arange(5) + 1
    windows = x[:, PARAMS.first_layer.windows]
    packed = pack_samples(PARAMS, x, labels)
    columns = PARAMS.grid[1]

    def number(bits):
        return sum(1 << i for i, bit in enumerate(bits) if bit)

    async def arrive(ctx, sample):
        for byte in packed[sample]:
            ctx.set(dut.i.payload, int(byte))
            ctx.set(dut.i.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def restart(ctx, port):
        ctx.set(port.restart, 1)
        await ctx.tick()
        ctx.set(port.restart, 0)
        while not ctx.get(port.ready):
            await ctx.tick()

    async def bench(ctx):
        await arrive(ctx, 0)
        for sample in range(4):
            await arrive(ctx, sample + 1)
            half = sample % 2
            assert ctx.get(dut.half) == half
            assert ctx.get(dut.full)
            assert ctx.get(dut.label) == labels[sample]
            for target in range(2):
                ctx.set(dut.target, target)
                assert ctx.get(dut.target_full)
            # The contrast scan jumps in the older sample, the drive goes through the newer one.
            ctx.set(dut.filled, 1 - half)
            ctx.set(dut.driving, 1)
            await restart(ctx, dut.scan)
            await restart(ctx, dut.drive)
            for position in range(columns):
                ctx.set(dut.drive.next, 1)
                column = int(rng.integers(columns))
                ctx.set(dut.scan.column, column)
                ctx.set(dut.scan.jump, 1)
                await ctx.tick()
                ctx.set(dut.drive.next, 0)
                ctx.set(dut.scan.jump, 0)
                assert ctx.get(dut.drive.x) == number(windows[sample + 1, position])
                await ctx.tick()
                assert ctx.get(dut.scan.x) == number(windows[sample, column])
                if position == columns - 1:
                    break
            ctx.set(dut.driving, 0)
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)
            await ctx.tick()
            ctx.set(dut.target, half)
            assert not ctx.get(dut.target_full)
            assert ctx.get(dut.label) == labels[sample + 1]

    simulate(dut, bench, deadline=4000)
