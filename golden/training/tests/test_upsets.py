"""Flipped bits in a network's memories."""

import numpy as np
import pytest

from popflip.golden.training.state import initial_state
from popflip.golden.training.tests.glyphs import build
from popflip.golden.training.upsets import upset


def bits_of(params, state):
    """All bits of weights and latents, the latter in two's complement."""
    width = params.learning.latent_bits
    parts = [weights.ravel().astype(np.int64) for weights in state.weights]
    for latents in state.latents:
        codes = latents.ravel().astype(np.int64) & (1 << width) - 1
        parts += [codes >> bit & 1 for bit in range(width)]
    return np.concatenate(parts)


def test_memory_bits_are_those_of_all_arrays():
    params = build()
    weights, latents = (
        [each.size for each in arrays]
        for arrays in (initial_state(params, 1).weights, initial_state(params, 1).latents)
    )
    assert params.memory_bits == len(bits_of(params, initial_state(params, 1)))
    wider = params.replace(learning={"first_latent_bits": 13})
    narrow = (params.depth - 1) * [params.learning.latent_bits]
    bits = sum(n * width for n, width in zip(latents, [13, *narrow], strict=True))
    assert wider.memory_bits == sum(weights) + bits
    assert params.replace(machine={"training": False}).memory_bits == sum(weights)


@pytest.mark.parametrize("latent_bits", [5, 8, 16])
def test_each_upset_flips_one_bit(latent_bits):
    params = build(latent_bits=latent_bits)
    state, rng = initial_state(params, 1), np.random.default_rng(2)
    before = bits_of(params, state)
    flipped = set()
    for _ in range(60):
        hit = upset(params, state, 1, rng)
        (place,) = np.flatnonzero(bits_of(params, hit) != before)
        flipped.add(int(place))
        assert hit.sign_state == state.sign_state
    assert len(flipped) > 50, "always the same few bits"
    assert (bits_of(params, state) == before).all(), "the network itself has changed"


def test_many_upsets_reach_weights_and_latents():
    params = build()
    state = initial_state(params, 1)
    hit = upset(params, state, 3000, np.random.default_rng(3))
    for arrays, others in ((state.weights, hit.weights), (state.latents, hit.latents)):
        for array, other in zip(arrays, others, strict=True):
            assert (array != other).any()
            assert array.dtype == other.dtype
    assert min(latents.min() for latents in hit.latents) == -params.learning.latent_max - 1


def test_no_upset_changes_nothing():
    params = build()
    state = initial_state(params, 1)
    hit = upset(params, state, 0, np.random.default_rng(1))
    assert (bits_of(params, hit) == bits_of(params, state)).all()
