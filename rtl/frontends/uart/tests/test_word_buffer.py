import random

import pytest

from popflip.golden.description.params import Params
from popflip.rtl.frontends.uart.word_buffer import WordBuffer
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
    "machine": {"row_lanes": 12, "relax_lanes": 4, "latent_lanes": [6, 3]},
})
LENGTHS = sorted({region.word_bytes for region in PARAMS.regions})


def test_lengths_differ():
    assert len(LENGTHS) > 2


@pytest.mark.parametrize("length", LENGTHS)
def test_collects_and_hands_out_the_words_of_a_region(length):
    dut = WordBuffer(PARAMS)
    rng = random.Random(length)

    async def bench(ctx):
        ctx.set(dut.last_byte, length - 1)
        for _ in range(5):
            given = rng.randbytes(length)
            ctx.set(dut.shift, 1)
            for byte in given:
                ctx.set(dut.byte, byte)
                await ctx.tick()
            ctx.set(dut.shift, 0)
            ctx.set(dut.byte, rng.getrandbits(8))
            await ctx.tick()
            mask = (1 << 8 * length) - 1
            assert ctx.get(dut.word) & mask == int.from_bytes(given, "little")

            word = rng.getrandbits(min(8 * length, len(dut.loaded)))
            ctx.set(dut.loaded, word)
            ctx.set(dut.load, 1)
            await ctx.tick()
            ctx.set(dut.load, 0)
            ctx.set(dut.loaded, 0)
            ctx.set(dut.shift, 1)
            sent = []
            for _ in range(length):
                sent.append(ctx.get(dut.word) & 0xFF)
                await ctx.tick()
            ctx.set(dut.shift, 0)
            assert bytes(sent) == word.to_bytes(length, "little")

    simulate(dut, bench)
