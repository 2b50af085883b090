from itertools import pairwise

import numpy as np
import pytest

from popflip.golden.description.shuffle import TAPS, shuffled


@pytest.mark.parametrize("bits", TAPS)
def test_every_sample_comes_once(bits):
    n = (1 << bits) - (1 << bits) // 5
    order = shuffled(n, bits, key=(1 << bits) - 1)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_keys_give_other_orders():
    orders = {tuple(shuffled(50, 6, key)) for key in range(64)}
    assert len(orders) > 50


def test_steps_are_those_of_a_shift_register():
    order = shuffled(16, 4, 0)
    for state, following in pairwise(order):
        assert following & 0b111 == state >> 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 1, 0), "^bits must be 2 to 20, not 1$"),
        ((0, 4, 0), "^n must be 1 to 16, not 0$"),
        ((17, 4, 0), "^n must be 1 to 16, not 17$"),
        ((5, 4, 16), "^key must be 0 to 15, not 16$"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shuffled(*arguments)
