"""What a network has learned, compared and checked."""

import re

import numpy as np
import pytest

from popflip.golden.training.state import check_state, differences, initial_state
from popflip.golden.training.tests.glyphs import build


def test_differences_name_every_part_that_differs():
    params = build()
    a, b = initial_state(params, 1), initial_state(params, 1)
    assert differences(a, b) == []
    b.weights[0] ^= np.arange(a.weights[0].size).reshape(a.weights[0].shape) < 3
    assert differences(a, b) == ["3 of 1536 weights of layer 0 differ"]
    b.latents[1][5, 7] += 1
    b.latents[0][0, 0] -= 1
    b.sign_state ^= 1
    assert differences(a, b) == [
        "3 of 1536 weights of layer 0 differ",
        "1 of 1536 latents of layer 0 differ",
        "1 of 384 latents of layer 1 differ",
        "the generators of nudge signs differ",
    ]


def test_a_seed_decides_the_initial_network():
    params = build()
    assert not differences(initial_state(params, 3), initial_state(params, 3))
    assert differences(initial_state(params, 3), initial_state(params, 4))
    state = initial_state(params, 3)
    assert not any(latents.any() for latents in state.latents)
    assert state.sign_state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": lambda a: a[:, 1:]}, "layer 1 has bool of shape (24, 15)"),
        ({"weights": lambda a: a.astype(np.int8)}, "layer 1 has int8 of shape (24, 16)"),
        ({"latents": lambda a: a.astype(np.int32)}, "layer 1 has int32 of shape (24, 16)"),
        ({"latents": lambda a: a + np.int16(128)}, "latents of layer 1 are too large"),
        ({"latents": lambda a: a - np.int16(128)}, "latents of layer 1 are too large"),
    ],
)
def test_arrays_of_another_network_are_refused(change, message):
    params = build()
    state = initial_state(params, 1)
    check_state(params, state)
    for name, how in change.items():
        arrays = getattr(state, name)
        arrays[1] = how(arrays[1])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_state(params, state)
