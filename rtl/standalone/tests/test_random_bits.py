import random

from popflip.golden.description.lfsr import Lfsr
from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.random_bits import RandomBits


def test_draws_as_golden_draws():
    dut = RandomBits(0x1234ABCD, 20)

    async def bench(ctx):
        rng = random.Random(1)
        for _ in range(2):
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            await ctx.delay(0)
            golden = Lfsr(0x1234ABCD)
            for _ in range(40):
                count = rng.randrange(1, 21)
                assert ctx.get(dut.still) == 1
                assert ctx.get(dut.bits) & ((1 << count) - 1) == golden.draw(count)
                ctx.set(dut.draw, 1)
                ctx.set(dut.count, count)
                await ctx.tick()
                ctx.set(dut.draw, 0)
                for _ in range(count):
                    assert ctx.get(dut.still) == 0
                    await ctx.tick()

    simulate(dut, bench)
