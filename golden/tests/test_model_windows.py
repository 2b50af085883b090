"""First layers of any windows, against sums taken bit by bit.

Pooled or not, shared or not, of any shape. How the network settles from the drive on is the same
for all of them, and tested in ``test_model.py``.
"""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from popflip.golden.description.params import Params
from popflip.golden.description.random_params import random_params
from popflip.golden.model import Model


def drawn(seed):
    """Parameters of a random network with windows, and a generator."""
    rng = np.random.default_rng(seed)
    while True:
        params = random_params(rng, software=True)
        if params.network.first == "local":
            return params, rng


def both(value):
    return (value, value) if isinstance(value, int) else value


def windows_of(params, neuron):
    """Input bits of a neuron's windows, offset by offset."""
    net, planes = params.network, len(params.network.thresholds)
    (rows, columns), (height, width) = net.image, both(net.window)
    (down, right), (high, wide) = both(net.stride), both(net.pool)
    across = (columns - width) // right + 1
    top, left = neuron // net.features // across * down, neuron // net.features % across * right
    found = []
    for dy in range(-((high - 1) // 2), high // 2 + 1):
        for dx in range(-((wide - 1) // 2), wide // 2 + 1):
            y = min(max(top + dy, 0), rows - height)
            x = min(max(left + dx, 0), columns - width)
            found.append([
                ((y + i) * columns + x + j) * planes + plane
                for i in range(height)
                for j in range(width)
                for plane in range(planes)
            ])
    return found


def row_of(params, neuron):
    return neuron % params.network.features if params.network.sharing == "full" else neuron


def values(params, bits):
    low = 0 if params.dynamics.code == "heaviside" else -1
    return [1 if bit else low for bit in bits]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
@example(506637)  # gains that are scaled end at the greatest that there is
def test_a_neuron_takes_the_greatest_dot_product_at_the_lowest_offset(seed):
    params, rng = drawn(seed)
    model = Model.initial(params, seed)
    x = rng.random((3, params.n_in)) < rng.uniform(0.05, 0.6)
    drive, offset = model.look(x)
    np.testing.assert_array_equal(drive, model.drive(x))
    for neuron in range(params.sizes[1]):
        row = [1 if bit else -1 for bit in model.weights[0][row_of(params, neuron)]]
        for sample in range(3):
            dots = [
                sum(w * v for w, v in zip(row, values(params, x[sample, bits]), strict=True))
                for bits in windows_of(params, neuron)
            ]
            assert offset[sample, neuron] == dots.index(max(dots))
            potential = params.dynamics.gains[0] * max(dots)
            assert drive[sample, neuron] == potential - params.dynamics.hidden_threshold


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 4))
def test_contrasts_are_added_neuron_by_neuron_and_saturate_each(seed, bits):
    # So few bits that latents saturate all the time, and the order matters.
    params, rng = drawn(seed)
    learning = {"tau": [1] * params.depth, "first_latent_bits": bits}
    params = params.replace(learning=learning)
    model, most = Model.initial(params, seed), 2 ** (bits - 1) - 1
    x = rng.random((6, params.n_in)) < rng.uniform(0.05, 0.6)
    labels = rng.integers(0, params.network.classes, 6)
    model.batch = 7  # nothing flips
    _, relaxed = model.train(x, labels)
    wanted = np.zeros_like(model.latents[0])
    for sample in range(6):
        plus, minus = relaxed.plus[0][sample], relaxed.minus[0][sample]
        for neuron in range(params.sizes[1]):
            if plus[neuron] == minus[neuron]:
                continue
            seen = windows_of(params, neuron)[relaxed.offset[sample, neuron]]
            row = row_of(params, neuron)
            step = 1 if plus[neuron] else -1
            for column, value in enumerate(values(params, x[sample, seen])):
                latent = int(wanted[row, column]) + step * value
                wanted[row, column] = min(max(latent, -most), most)
    np.testing.assert_array_equal(model.latents[0], wanted)


#: Three positions along a line, one feature, windows of 2 pixels; weights that count both.
LINE = {
    "network": {
        "image": [1, 8], "first": "local", "window": [1, 2], "stride": [1, 3], "features": 1,
        "classes": 2,
    },
    "dynamics": {"gains": [10, 10], "threshold": 15},
    "learning": {"tau": [1, 1], "batch": 4},
}  # fmt: skip


def line(pool, sharing="none"):
    tree = {**LINE, "network": LINE["network"] | {"pool": pool, "sharing": sharing}}
    params = Params.build(tree)
    weights = [np.ones((params.synapses(l).rows, params.synapses(l).row_bits)) for l in (0, 1)]
    return Model(params, weights)


@pytest.mark.parametrize(
    ("pixels", "drive", "offset"),
    [
        # Windows at 0, 3 and 6, moved by -1, 0 and +1: of the first the left one is moved back, of
        # the last the right one.
        ("00000000", [-15, -15, -15], [0, 0, 0]),
        ("11000000", [5, -15, -15], [0, 0, 0]),
        ("01100000", [5, -5, -15], [2, 0, 0]),
        ("00001100", [-15, 5, -5], [0, 2, 0]),
        ("00000011", [-15, -15, 5], [0, 0, 1]),
        ("11111111", [5, 5, 5], [0, 0, 0]),
    ],
)
def test_windows_by_hand(pixels, drive, offset):
    x = np.array([[pixel == "1" for pixel in pixels]])
    for model in (line([1, 3]), line(3)):  # which has all rows of the pool in one place
        potentials, offsets = model.look(x)
        assert potentials.tolist() == [drive]
        assert offsets.tolist() == [offset]


def test_neurons_that_share_a_row_all_add_to_it():
    model = line(1, "full")
    x = np.array([[True] * 8])
    offset = np.zeros(3, int)
    on, off = np.array([True, True, True]), np.array([False, False, False])
    outputs = [np.zeros(2, bool)] * 2
    assert model._learn(x[0], offset, [on, outputs[0]], [off, outputs[1]]) == 3
    assert model.latents[0].tolist() == [[3, 3]]
    # At the rail the order counts: up, up, down ends one below it.
    model.latents[0][:] = 126
    plus, minus = np.array([True, True, False]), np.array([False, False, True])
    model._learn(x[0], offset, [plus, outputs[0]], [minus, outputs[1]])
    assert model.latents[0].tolist() == [[126, 126]]
    plus, minus = ~plus, ~minus
    model._learn(x[0], offset, [plus, outputs[0]], [minus, outputs[1]])
    assert model.latents[0].tolist() == [[125, 125]]
