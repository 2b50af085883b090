"""Vectors of 64 lanes against NumPy."""

import numpy as np
import pytest
from numba import njit

from popflip.golden.engine import lanes

LANES = lanes.LANES


def bits(word):
    return np.array([int(word) >> lane & 1 for lane in range(LANES)], bool)


def words(rng):
    """A few words: all, none, and anything between."""
    drawn = rng.integers(0, 1 << 64, 6, dtype=np.uint64, endpoint=False)
    return [np.uint64(0), ~np.uint64(0), *drawn]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_ones_and_the_lowest_of_them(rng):
    @njit
    def both(word):
        return lanes.popcount(word), lanes.lowest(word)

    for word in words(rng)[1:]:
        assert both(word) == (bits(word).sum(), bits(word).argmax())


@pytest.mark.parametrize(("kind", "limit"), [(np.int8, 127), (np.int8, 31), (np.int16, 32767)])
def test_accumulators_saturate(rng, kind, limit):
    @njit
    def step(latents, at, more, less, limit):
        lanes.accumulate(latents, at, more, less, limit)

    latents = rng.integers(-limit, limit + 1, 3 * LANES).astype(kind)
    latents[70:90], latents[90:110] = limit, -limit
    for word in words(rng):
        expected = latents.astype(np.int64)
        part = expected[LANES : 2 * LANES]
        part += np.where(bits(word), 1, -1)
        expected[LANES : 2 * LANES] = np.clip(part, -limit, limit)
        step(latents, LANES, word, ~word, limit)
        assert latents.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_weights_are_due_and_latents_reset(rng, kind):
    @njit
    def step(latents, weights, tau):
        word = lanes.due(latents, LANES, weights, tau)
        lanes.reset_where(latents, LANES, word)
        return word

    for weights in words(rng):
        latents = rng.integers(-9, 10, 2 * LANES).astype(kind)
        part = latents[LANES:].copy()
        expected = np.where(bits(weights), part <= -6, part >= 6)
        assert bits(step(latents, weights, 6)).tolist() == expected.tolist()
        assert latents[LANES:].tolist() == np.where(expected, 0, part).tolist()


@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("step", [1, -1, 64])
def test_counts_take_a_step_where_they_should(rng, kind, step):
    @njit
    def count(counts, where, step):
        lanes.count_where(counts, 3, where, step)

    counts = np.zeros(LANES + 5, kind)
    expected = counts.astype(int)
    for word in words(rng):
        count(counts, word, step)
        expected[3:-2] += step * bits(word)
        assert counts.tolist() == expected.tolist()


def test_thresholds_and_leaks(rng):
    @njit
    def step(state, total, v_max, threshold):
        changed = lanes.leak(state, 0, total, v_max)
        return changed, lanes.at_least(state, 0, threshold)

    state = rng.integers(0, 257, LANES).astype(np.int32)
    total = rng.integers(-400, 700, LANES).astype(np.int32)
    for _ in range(20):
        expected = np.clip((state + total) >> 1, 0, 256)
        same = (expected == state).all()
        changed, word = step(state, total, 256, 128)
        assert changed == (not same)
        assert state.tolist() == expected.tolist()
        assert bits(word).tolist() == (expected >= 128).tolist()
    assert not changed, "it comes to rest"


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_scaled_sums(rng, kind):
    @njit
    def step(totals, base, counts):
        lanes.add_scaled(totals, 1, base, counts, -7, 100)

    totals = np.zeros(LANES + 1, np.int32)
    base = rng.integers(-1000, 1000, LANES + 1).astype(np.int32)
    counts = rng.integers(-1000, 1000, LANES + 1).astype(kind)
    step(totals, base, counts)
    assert totals[0] == 0
    assert totals[1:].tolist() == (base - 7 * counts.astype(int) + 100)[1:].tolist()


def test_a_word_finds_what_its_lanes_amount_to(rng):
    @njit
    def tabulate(tables):
        for first in range(0, len(tables), 16 * lanes.TOGETHER):
            lanes.complete(tables, first // lanes.TOGETHER)

    @njit
    def add(sums, tables, word):
        lanes.add_found(sums, 5, tables, lanes.ENTRIES, word)

    values = rng.integers(0, 256, (LANES, lanes.TOGETHER))
    values[:, 7] = 255
    tables = np.full((2 * lanes.ENTRIES, lanes.TOGETHER), 9, np.uint16)
    for lane in range(LANES):
        tables[lanes.ENTRIES + lane // 4 * 16 + (1 << lane % 4)] = values[lane]
    tabulate(tables.reshape(-1)[lanes.ENTRIES * lanes.TOGETHER :])
    sums = rng.integers(-(1 << 20), 1 << 20, lanes.TOGETHER + 6).astype(np.int32)
    expected = sums.astype(int)
    for word in words(rng):
        expected[5:-1] += bits(word) @ values
        add(sums, tables.reshape(-1), word)
        assert sums.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("name", "both"), [("look_both", np.bitwise_and), ("look_unlike", np.bitwise_xor)]
)
def test_rows_side_by_side_keep_the_greatest_key(rng, name, both):
    look = getattr(lanes, name)

    @njit
    def step(keys, at, rows, first, seen, begin, n, factor, base):
        look(keys, at, rows, first, seen, begin, n, factor, base)

    n, width = 3, lanes.ABREAST
    rows = rng.integers(0, 1 << 64, (5, width), dtype=np.uint64)
    seen = rng.integers(0, 1 << 64, 7, dtype=np.uint64)
    keys = np.full(width + 2, -(1 << 62), np.int64)
    wanted, raised = keys.copy(), 0
    for first, begin, factor, base in ((0, 0, 512, 9), (2, 4, 512, 8), (1, 2, -512, 40_000)):
        ones = np.bitwise_count(both(rows[first : first + n], seen[begin : begin + n, None])).sum(0)
        new = factor * ones.astype(np.int64) + base
        raised += (new > wanted[1 : 1 + width]).sum()
        wanted[1 : 1 + width] = np.maximum(wanted[1 : 1 + width], new)
        step(keys, 1, rows.reshape(-1), first * width, seen, begin, n, factor, base)
        assert keys.tolist() == wanted.tolist()
    assert width < raised < 3 * width
