import numpy as np
import pytest

from popflip.golden.description.layout import Synapses
from popflip.rtl.core.upper_partners import UpperPartners
from popflip.rtl.simulation import simulate


@pytest.mark.parametrize("shared", [False, True])
def test_shows_both_states_chunk_by_chunk(shared):
    word = 7 if shared else 3
    shape = Synapses(
        layer=1, rows=4, row_bits=7, word_bits=word, banks=1, block=1, latent_lanes=word,
        latent_bits=4, shared=shared,
    )  # fmt: skip
    dut, rng = UpperPartners(shape, 7), np.random.default_rng(4)

    async def bench(ctx):
        for _ in range(40):
            first, last = (int(n) for n in rng.integers(128, size=2))
            chunk, swap = int(rng.integers(shape.chunks)), int(rng.integers(2))
            ctx.set(dut.upper.first, first)
            ctx.set(dut.upper.last, last)
            ctx.set(dut.phase.swap, swap)
            ctx.set(dut.partners.chunk, chunk)
            if not shared:
                await ctx.tick()
            plus, minus = (last, first) if swap else (first, last)
            mask = (1 << word) - 1
            assert ctx.get(dut.partners.plus) == plus >> chunk * word & mask
            assert ctx.get(dut.partners.minus) == minus >> chunk * word & mask

    simulate(dut, bench)
