import random

import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.shuffle import shuffled
from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.sample_order import SampleOrder

BITS = 4
PARAMS = Params.build({
    "network": {
        "image": [4, 8], "first": "local", "window": 3, "stride": 1, "features": 1,
    },
    "dynamics": {"gains": [1, 1]},
    "learning": {"tau": [1, 1]},
    "machine": {"row_lanes": 9, "relax_lanes": 1, "latent_lanes": [1, 1]},
    "standalone": {"flash": "quad", "order_bits": BITS},
})  # fmt: skip


@pytest.mark.parametrize("n", [1, 11, 16])
@pytest.mark.parametrize("key", [0, 6, 15])
def test_asks_for_the_samples_of_the_shuffle(n, key):
    dut = SampleOrder(PARAMS)
    rng = random.Random(n + key)
    got = []

    async def core(ctx):
        ctx.set(dut.train, n)
        ctx.set(dut.random, key | 0xABC0)
        ctx.set(dut.still, 1)
        ctx.set(dut.begin, 1)
        await ctx.tick()
        ctx.set(dut.begin, 0)
        ctx.set(dut.random, 0xFFFF)
        ctx.set(dut.shuffling, 1)
        ctx.set(dut.core.request.valid, 1)
        for number in range(n):
            ctx.set(dut.core.request.payload, number)
            ready = 0
            while not ready:
                still = rng.random() < 0.7
                ctx.set(dut.still, still)
                ctx.set(dut.flash.request.ready, rng.random() < 0.5)
                _, _, ready, valid, payload, gone = await ctx.tick().sample(
                    dut.core.request.ready,
                    dut.flash.request.valid,
                    dut.flash.request.payload,
                    dut.flash.request.ready,
                )
                assert still or not valid, "it has no random bits yet"
                assert ready == (valid and gone)
                if ready:
                    got.append(payload)
        # Test samples are those that are asked for.
        ctx.set(dut.shuffling, 0)
        for number in (n, 200, 1 << 20):
            ctx.set(dut.core.request.payload, number)
            ctx.set(dut.flash.request.ready, 1)
            await ctx.delay(0)
            assert ctx.get(dut.flash.request.valid) == 1
            assert ctx.get(dut.flash.request.payload) == number

    simulate(dut, core)
    assert got == shuffled(n, BITS, key).tolist()


def test_draws_for_images_that_are_moved():
    dut = SampleOrder(PARAMS.replace(learning={"shift": 2}))
    assert dut.shift_bits == 16
    assert SampleOrder(PARAMS).shift_bits == 0

    async def bench(ctx):
        ctx.set(dut.train, 16)
        ctx.set(dut.still, 1)
        ctx.set(dut.core.request.valid, 1)
        for ready, shuffling in ((0, 0), (1, 0), (0, 1), (1, 1)):
            ctx.set(dut.shuffling, shuffling)
            ctx.set(dut.flash.request.ready, ready)
            await ctx.delay(0)
            assert ctx.get(dut.drawn) == (ready and shuffling)

    simulate(dut, bench)
