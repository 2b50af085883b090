"""The first layer's geometry against a count of pixels, one by one."""

import numpy as np
import pytest

from popflip.golden.description.first_layer import DenseInput, Windows


def pixel_bits(image, planes, top, left, height, width):
    """Input bits of a rectangle, in the order in which a reader sees them."""
    return [
        (y * image[1] + x) * planes + plane
        for y in range(top, top + height)
        for x in range(left, left + width)
        for plane in range(planes)
    ]


WINDOWS = [
    Windows(image=(28, 28), planes=1, block=10, size=(10, 10), step=(3, 3)),
    Windows(image=(5, 9), planes=2, block=3, size=(2, 2), step=(3, 3)),
    Windows(image=(4, 4), planes=3, block=1, size=(4, 4), step=(9, 9)),
    Windows(image=(6, 8), planes=2, block=2, size=(3, 2), step=(1, 4)),
    Windows(image=(1, 20), planes=1, block=4, size=(1, 7), step=(1, 5)),
]

POOLED = [
    Windows(image=(28, 28), planes=2, block=3, size=(10, 10), step=(2, 2), pool=(3, 3)),
    Windows(image=(6, 8), planes=1, block=2, size=(3, 2), step=(2, 3), pool=(2, 4)),
    Windows(image=(1, 20), planes=3, block=4, size=(1, 7), step=(1, 5), pool=(1, 5)),
    Windows(image=(5, 5), planes=1, block=1, size=(5, 4), step=(1, 1), pool=(3, 5)),
]


@pytest.mark.parametrize("layer", WINDOWS, ids=lambda l: f"{l.image}-{l.size}-{l.stride}")
def test_windows_see_what_lies_in_them(layer):
    (height, width), (down, right) = layer.size, layer.stride
    corners = [
        (top, left)
        for top in range(0, layer.image[0] - height + 1, down)
        for left in range(0, layer.image[1] - width + 1, right)
    ]
    assert layer.positions == len(corners) == layer.grid[0] * layer.grid[1]
    assert layer.neurons == layer.rows == len(corners) * layer.block
    assert layer.fan_in == height * width * layer.planes
    expected = [
        pixel_bits(layer.image, layer.planes, top, left, height, width) for top, left in corners
    ]
    np.testing.assert_array_equal(layer.windows, expected)
    for neuron in range(layer.neurons):
        position = neuron // layer.block
        assert (layer.position_of(neuron), layer.row_of(neuron)) == (position, neuron)
        np.testing.assert_array_equal(layer.input_bits(neuron), expected[position])
    assert (layer.load_rows, layer.step_rows) == (height, down)
    # A sample is stored as the rows of its image.
    assert layer.sample_shape(7) == (layer.image[0], layer.image[1] * layer.planes)


def test_dense_neurons_see_everything():
    layer = DenseInput(image=(3, 5), planes=2, block=7)
    assert (layer.positions, layer.neurons, layer.fan_in, layer.n_in) == (1, 7, 30, 30)
    np.testing.assert_array_equal(layer.windows, [range(30)])
    np.testing.assert_array_equal(layer.input_bits(np.array([0, 6])), [range(30)] * 2)
    assert (layer.load_rows, layer.step_rows) == (0, 0)
    assert layer.sample_shape(8) == (4, 8)
    assert layer.sample_shape(30) == (1, 30)


def test_arrays_of_neurons():
    layer = WINDOWS[1]
    neurons = np.array([0, 2, 3, 17])
    assert layer.position_of(neurons).tolist() == [0, 0, 1, 5]
    assert layer.row_of(neurons).tolist() == neurons.tolist()
    assert layer.input_bits(neurons).shape == (4, layer.fan_in)


def test_nobody_writes_to_what_others_read():
    layer = Windows(image=(4, 4), planes=1, block=1, size=(2, 2), step=(2, 2))
    assert layer.windows is layer.windows
    with pytest.raises(ValueError, match="read-only"):
        layer.windows[0] = 3


def test_what_each_kind_can_do():
    for layer in (*WINDOWS, DenseInput(image=(3, 5), planes=2, block=7)):
        able = layer.can_fetch_serially, layer.can_overlap, layer.can_shift
        assert able == (layer.windowed,) * 3


@pytest.mark.parametrize("layer", POOLED, ids=lambda l: f"{l.image}-{l.size}-{l.pool}")
def test_pooled_windows_are_moved_and_stay_in_the_image(layer):
    (rows, columns), (height, width), (down, right) = layer.image, layer.size, layer.step
    (high, wide), offset = layer.pool, 0
    assert layer.offsets == high * wide
    for dy in range(-((high - 1) // 2), high // 2 + 1):
        for dx in range(-((wide - 1) // 2), wide // 2 + 1):
            for position in range(layer.positions):
                top, left = position // layer.grid[1] * down, position % layer.grid[1] * right
                top = min(max(top + dy, 0), rows - height)
                left = min(max(left + dx, 0), columns - width)
                seen = pixel_bits(layer.image, layer.planes, top, left, height, width)
                assert layer.corners[offset, position].tolist() == [top, left]
                assert layer.pooled_windows[offset, position].tolist() == seen
                neuron = position * layer.block
                assert layer.input_bits(neuron, offset).tolist() == seen
            if dy == dx == 0:
                assert offset == layer.own_offset
            offset += 1
    # All that are seen are those that stay inside without being moved back.
    inside = [
        (
            position,
            [
                (position // layer.grid[1] * down + dy, position % layer.grid[1] * right + dx)
                for dy in range(-((high - 1) // 2), high // 2 + 1)
                for dx in range(-((wide - 1) // 2), wide // 2 + 1)
            ],
        )
        for position in range(layer.positions)
    ]
    moves_down, moves_across = layer.moves_inside
    for position, corners in inside:
        line, column = divmod(position, layer.grid[1])
        kept = [dy * wide + dx for dy in moves_down[line] for dx in moves_across[column]]
        assert kept == [
            offset
            for offset, (top, left) in enumerate(corners)
            if 0 <= top <= rows - height and 0 <= left <= columns - width
        ]
        assert {tuple(corner) for corner in layer.corners[:, position].tolist()} == {
            corners[offset] for offset in kept
        }
    assert layer.load_rows == height + high - 1
    # The window of no offset is where it would be without pooling.
    plain = Windows(
        image=layer.image, planes=layer.planes, block=layer.block, size=layer.size, step=layer.step
    )
    np.testing.assert_array_equal(layer.windows, plain.windows)
    np.testing.assert_array_equal(layer.input_bits(layer.block), plain.input_bits(layer.block))


def test_shared_rows_are_features():
    layer = Windows(
        image=(6, 6), planes=1, block=3, size=(2, 2), step=(2, 2), pool=(3, 3), shared=True
    )
    assert (layer.neurons, layer.rows) == (27, 3)
    assert layer.row_of(np.arange(7)).tolist() == [0, 1, 2, 0, 1, 2, 0]
    turns = layer.turns(np.array([0, 2, 3, 5, 12, 26]))
    assert [turn.tolist() for turn in turns] == [[0, 2], [3, 5], [12], [26]]
    assert [turn.tolist() for turn in layer.turns(np.array([4]))] == [[4]]
    (nobody,) = layer.turns(np.array([], int))
    assert not len(nobody)


def test_rows_that_nobody_shares_take_one_turn():
    (turn,) = WINDOWS[1].turns(np.array([0, 2, 3, 17]))
    assert turn.tolist() == [0, 2, 3, 17]
