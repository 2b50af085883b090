"""The learning rule against its formulas, for every value that it can meet at small sizes."""

import itertools

import numpy as np
import pytest

from popflip.golden.plasticity import accumulate, contrast, flip

#: Activation of a bit, by code.
LEVELS = {"heaviside": (0.0, 1.0), "sign": (-1.0, 1.0)}


@pytest.mark.parametrize("code", LEVELS)
def test_contrast_is_the_difference_of_the_products(code):
    low, high = LEVELS[code]
    bits = np.array(list(itertools.product([False, True], repeat=4)))
    plus_i, plus_j, minus_i, minus_j = np.where(bits, high, low).T
    # The products of the sign code differ by 0 or 2; its contrast counts in units of 2.
    formula = (plus_i * plus_j - minus_i * minus_j) / (2 if code == "sign" else 1)

    c = contrast(code, *bits.T)

    assert c.dtype == np.int8
    np.testing.assert_array_equal(c, formula)
    assert set(c.tolist()) == {-1, 0, 1}


@pytest.mark.parametrize("code", LEVELS)
def test_contrast_of_two_layers_is_an_outer_product(code):
    rng = np.random.default_rng(1)
    below = rng.random((2, 5)) < 0.5
    above = rng.random((2, 3)) < 0.5
    c = contrast(code, above[0, :, None], below[0], above[1, :, None], below[1])
    assert c.shape == (3, 5)
    for j, i in np.ndindex(c.shape):
        single = contrast(code, above[0, j], below[0, i], above[1, j], below[1, i])
        assert c[j, i] == single, f"synapse from {i} to {j}"


@pytest.mark.parametrize("latent_bits", [2, 3, 8, 16])
def test_accumulate_saturates_at_both_rails(latent_bits):
    top = (1 << (latent_bits - 1)) - 1
    latents = np.unique(np.clip([-top, -top + 1, -1, 0, 1, top - 1, top], -top, top))
    latents = latents.astype(np.int16)
    for c in (-1, 0, 1):
        after = accumulate(latents, np.int8(c), top)
        assert after.dtype == np.int16
        assert after.tolist() == [max(-top, min(top, int(m) + c)) for m in latents]


def test_accumulate_leaves_its_arguments_alone():
    latents = np.array([-3, 0, 3], np.int16)
    c = np.array([1, 1, 1], np.int8)
    assert accumulate(latents, c, 3).tolist() == [-2, 1, 3]
    assert latents.tolist() == [-3, 0, 3]
    assert c.tolist() == [1, 1, 1]


@pytest.mark.parametrize("reset", [False, True], ids=["kept", "reset"])
@pytest.mark.parametrize("top", [1, 3, 7])
def test_flip_is_latent_times_weight_at_most_minus_tau(top, reset):
    m = np.repeat(np.arange(-top, top + 1, dtype=np.int16), 2)
    w = np.tile([False, True], 2 * top + 1)
    for tau in range(1, top + 1):
        flips = m * np.where(w, 1.0, -1.0) <= -tau

        weights, latents, count = flip(w, m, tau, reset)

        assert weights.dtype == bool
        assert latents.dtype == np.int16
        np.testing.assert_array_equal(weights, w != flips, f"tau {tau}")
        np.testing.assert_array_equal(latents, np.where(flips & reset, 0, m), f"tau {tau}")
        assert count == flips.sum()
        assert isinstance(count, int)
        # Either weight flips from tau on, so that no tau here goes untested.
        assert count == 2 * (top - tau + 1)


def test_flip_leaves_its_arguments_alone():
    w, m = np.array([True, False]), np.array([-2, 2], np.int16)
    weights, latents, count = flip(w, m, 2, reset_on_flip=True)
    assert (weights.tolist(), latents.tolist(), count) == ([False, True], [0, 0], 2)
    assert (w.tolist(), m.tolist()) == ([True, False], [-2, 2])
