import random

import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import FILL, RUN
from popflip.rtl.frontends.uart.arguments import RequestArguments
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {"row_lanes": 12, "relax_lanes": 4, "latent_lanes": [6, 3]},
})
REGIONS = list(PARAMS.regions)


async def give(ctx, dut, arguments):
    ctx.set(dut.take, 1)
    for position, byte in enumerate(arguments):
        ctx.set(dut.position, position)
        ctx.set(dut.byte, byte)
        await ctx.tick()
    ctx.set(dut.take, 0)
    await ctx.tick()


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_goes_from_word_to_word(region):
    dut = RequestArguments(PARAMS)

    async def bench(ctx):
        for first, n in ((0, 3), (region.depth - 2, 3), (0, 0), (region.depth + 1, 1)):
            await give(ctx, dut, FILL.pack(region.index, first, n))
            facts = dut.known, dut.region, dut.last_byte, dut.read_in_run, dut.written_in_run
            assert [ctx.get(fact) for fact in facts] == [
                1,
                region.index,
                region.word_bytes - 1,
                region.name in ("registers", "results"),
                region.name == "samples",
            ]
            for number in range(n):
                assert ctx.get(dut.some) == 1
                assert ctx.get(dut.address) == first + number
                ctx.set(dut.advance, 1)
                await ctx.tick()
                ctx.set(dut.advance, 0)
                # Known in the cycle behind `advance`, for the words up to the one left behind.
                assert ctx.get(dut.too_far) == (first + number + 1 > region.depth)
                await ctx.tick()
            assert ctx.get(dut.some) == 0

    simulate(dut, bench)


def test_no_region_and_arguments_that_reach_too_far():
    dut = RequestArguments(PARAMS)

    async def bench(ctx):
        await give(ctx, dut, FILL.pack(len(REGIONS), 0, 1))
        assert ctx.get(dut.known) == 0
        for arguments in ((0x10, 0, 1), (0, 1 << 24, 1), (0, 0, 1 << 24), (0, 1 << 23, 1)):
            await give(ctx, dut, FILL.pack(*arguments))
            assert ctx.get(dut.too_far) == 1, arguments
        await give(ctx, dut, FILL.pack(0, 0, 1))
        assert ctx.get(dut.too_far) == 0

    simulate(dut, bench)


def test_a_count_of_16_bits():
    dut = RequestArguments(PARAMS)

    async def bench(ctx):
        # The bits above are left from a request before.
        await give(ctx, dut, FILL.pack(0, 0, 0x50000))
        await give(ctx, dut, FILL.pack(0, 0, 0)[:7])
        for is_read in (0, 1):
            ctx.set(dut.is_read, is_read)
            await ctx.delay(0)
            assert ctx.get(dut.some) == (not is_read)

    simulate(dut, bench)


def test_runs():
    dut = RequestArguments(PARAMS)
    rng = random.Random(2)

    async def bench(ctx):
        for flags in range(16):
            first, n = rng.getrandbits(24), rng.getrandbits(24) | 1
            await give(ctx, dut, RUN.pack(flags, first, n))
            assert ctx.get(dut.no_run) == (flags >= 8)
            run = ctx.get(dut.run)
            assert (run.first, run.count) == (first, n)
            bits = run.train, run.internal, run.flush
            assert bits == tuple(flags >> i & 1 for i in range(3))
        for arguments in ((1, 0, 0), (1, 1 << 24, 1), (1, 0, 1 << 24), (16, 0, 1)):
            await give(ctx, dut, RUN.pack(*arguments))
            assert ctx.get(dut.no_run) == 1, arguments

    simulate(dut, bench)
