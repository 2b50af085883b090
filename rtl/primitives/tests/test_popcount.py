import random

import pytest

from popflip.rtl.primitives.popcount import PopcountTree
from popflip.rtl.simulation import simulate


def count(dut, words, stall=0.0, seed=1):
    """Feed words back to back, with frozen cycles between, and check every output."""
    rng = random.Random(seed)

    async def bench(ctx):
        pipeline = [None] * dut.latency  # what is inside, newest first; unknown until filled
        for number, word in enumerate([*words, *[0] * dut.latency]):
            while rng.random() < stall:
                ctx.set(dut.en, 0)
                ctx.set(dut.i, rng.getrandbits(dut.width))
                before = ctx.get(dut.o)
                await ctx.tick()
                assert ctx.get(dut.o) == before, f"moved while frozen, before word {number}"
            ctx.set(dut.en, 1)
            ctx.set(dut.i, word)
            await ctx.tick()
            pipeline = [word, *pipeline[:-1]]
            if pipeline[-1] is not None:
                expected = pipeline[-1].bit_count()
                assert ctx.get(dut.o) == expected, f"{pipeline[-1]:#x}, behind word {number}"

    simulate(dut, bench, deadline=20 * (len(words) + dut.latency) + 100)


@pytest.mark.parametrize("levels_per_register", [1, 3])
@pytest.mark.parametrize("width", range(1, 10))
def test_every_word(width, levels_per_register):
    count(PopcountTree(width, levels_per_register), range(1 << width))


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(
    ("width", "levels_per_register"), [(13, 2), (31, 3), (49, 1), (100, 3), (101, 10), (784, 3)]
)
def test_random_words(width, levels_per_register, stall):
    rng = random.Random(width)
    ones = (1 << width) - 1
    words = [ones, 0, ones, 1, 1 << (width - 1)]
    words += [1 << bit for bit in rng.sample(range(width), 5)]
    words += [rng.getrandbits(width) for _ in range(30)]
    words += [rng.getrandbits(width) | rng.getrandbits(width) for _ in range(10)]
    count(PopcountTree(width, levels_per_register), words, stall, seed=width)


@pytest.mark.parametrize(
    ("width", "levels_per_register", "latency"),
    [(1, 3, 1), (3, 1, 1), (4, 1, 2), (12, 3, 1), (13, 3, 2), (100, 3, 3), (784, 3, 4)]
    + [(784, 1, 10), (784, 10, 1)],
)
def test_latency(width, levels_per_register, latency):
    assert PopcountTree(width, levels_per_register).latency == latency


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "width must be at least 1, not 0"),
        ((8, 0), ValueError, "levels_per_register must be at least 1, not 0"),
        (("8",), TypeError, "width must be an int, not '8'"),
    ],
)
def test_rejected(arguments, error, message):
    with pytest.raises(error) as caught:
        PopcountTree(*arguments)
    assert str(caught.value) == message
