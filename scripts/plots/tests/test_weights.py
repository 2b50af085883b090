"""Pictures of weights."""

import numpy as np
import pytest

from popflip.scripts.plots.tests.pictures import (
    as_image,
    check_nothing_is_cut,
    dense,
    local,
    random_weights,
)
from popflip.scripts.plots.weights import DARK, LIGHT, hidden_weights, tiles


def separate_images(image):
    """Cut an image at its gaps of NaN into {(y, x): values}."""
    there = ~np.isnan(image)
    rows = np.flatnonzero(np.diff(np.concatenate([[0], there.any(1).astype(int), [0]])))
    columns = np.flatnonzero(np.diff(np.concatenate([[0], there.any(0).astype(int), [0]])))
    return [
        image[y0:y1, x0:x1]
        for y0, y1 in rows.reshape(-1, 2)
        for x0, x1 in columns.reshape(-1, 2)
        if there[y0, x0]
    ]


def test_a_local_layer_has_a_block_of_neurons_where_each_window_is():
    params = local(features=1)
    weights = random_weights(params)
    image, centres = tiles(params, weights)
    # 3 x 4 positions of one 4 x 4 window each, with gaps of 3: position by position.
    assert image.shape == (3 * 7 - 3, 4 * 7 - 3)
    for position in range(12):
        y, x = 7 * (position // 4), 7 * (position % 4)
        expected = np.where(weights[position], 1, -1).reshape(4, 4)
        assert (image[y : y + 4, x : x + 4] == expected).all(), f"position {position}"
    assert centres.tolist() == [1.5, 8.5, 15.5, 1.5, 8.5, 15.5, 22.5]


def test_neurons_of_one_window_stand_together():
    params = local(features=6)
    weights = random_weights(params)
    image, _ = tiles(params, weights)
    # 3 across and 2 down, with a gap of 1, is what comes nearest to the shape of a page.
    for neuron in range(len(weights)):
        position, feature = divmod(neuron, 6)
        y = position // 4 * (2 * 5 - 1 + 3) + feature // 3 * 5
        x = position % 4 * (3 * 5 - 1 + 3) + feature % 3 * 5
        expected = np.where(weights[neuron], 1, -1).reshape(4, 4)
        assert (image[y : y + 4, x : x + 4] == expected).all(), f"neuron {neuron}"


def test_a_dense_layer_has_its_neurons_line_by_line():
    params = dense(12)
    weights = random_weights(params)
    image, _ = tiles(params, weights)
    found = separate_images(image)
    assert len(found) == 12
    for neuron, tile in enumerate(found):
        assert (tile == np.where(weights[neuron], 1, -1).reshape(8, 8)).all(), f"neuron {neuron}"


def test_planes_of_a_pixel_are_averaged():
    params = local(features=1, thresholds=(50, 100, 150, 200))
    weights = np.zeros((12, 64), bool)
    weights[0, :4] = True, True, True, False  # the first pixel's four planes
    image, _ = tiles(params, weights)
    assert image[0, 0] == 0.5
    assert image[0, 1] == -1


def test_a_prime_number_of_neurons_is_laid_out_too():
    params = dense(13)
    image, _ = tiles(params, random_weights(params))
    assert len(separate_images(image)) == 13
    assert image.shape[1] < 3 * image.shape[0]


@pytest.mark.parametrize(
    "params",
    [
        local(),
        local(features=20),
        local(image=(28, 28), features=10, stride=3),
        dense(3),
        dense(12, name="a-network-with-a-rather-long-name"),
        dense(12, name="m" * 64),
        dense(512, (28, 28)),
        dense(3000),
    ],
    ids=lambda p: f"{p.network.first}-{'-'.join(map(str, p.sizes))}",
)
def test_the_picture_of_the_weights_is_whole_and_of_sensible_size(params):
    figure = hidden_weights(params, random_weights(params))
    check_nothing_is_cut(figure)
    picture = as_image(figure)
    assert 700 <= picture.width <= 1700
    assert 150 <= picture.height <= 1300


def test_each_weight_is_a_square_of_its_colour():
    params = dense(3)
    weights = random_weights(params)
    pixels = np.asarray(as_image(hidden_weights(params, weights)).convert("RGB"))
    counts = {colour: int((pixels == np.array(colour)).all(-1).sum()) for colour in (DARK, LIGHT)}
    image, _ = tiles(params, weights)
    scale = 24
    legend = 2 * scale**2  # of which some pixels more have the same colours
    for colour, n in ((LIGHT, (image == 1).sum()), (DARK, (image == -1).sum())):
        assert 0 <= counts[colour] - n * scale**2 < legend, colour


def test_a_picture_says_when_it_shows_only_the_first_neurons():
    params = dense(3000)
    figure = hidden_weights(params, random_weights(params))
    assert "first 2,048 of 3,000" in figure.texts[0].get_text()
