"""Pixels as input bits."""

import numpy as np
import pytest

from popflip.golden.datasets.encoding import encode, input_of
from popflip.golden.description.params import Params


@pytest.mark.parametrize("thresholds", [(127,), (85, 170), (0, 200, 254, 255, 3)])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 1, 5, 5)])
def test_encode(shape, thresholds):
    images = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    images.flat[: len(thresholds)] = thresholds  # Not above itself.
    bits = encode(images, thresholds)
    *leading, height, width = shape
    planes = len(thresholds)
    assert bits.dtype == bool
    assert bits.shape == (*leading, height * width * planes)
    for where in np.ndindex(*shape):
        *image, row, column = where
        for plane, threshold in enumerate(thresholds):
            bit = (row * width + column) * planes + plane
            expected = int(images[where]) > threshold
            assert bits[*image, bit] == expected, f"pixel {where}, plane {plane}"


def test_encode_rejects():
    images = np.zeros((2, 3, 3), np.uint8)
    with pytest.raises(TypeError, match=r"^images must be uint8, not float64$"):
        encode(images / 255, (0,))
    with pytest.raises(ValueError, match=r"^thresholds must have at least 1 entry, not 0$"):
        encode(images, ())
    with pytest.raises(ValueError, match=r"^thresholds must be from 0 to 255, not 256$"):
        encode(images, (3, 256))


def test_a_network_sees_bits_or_pixels():
    images = np.random.default_rng(5).integers(0, 256, (3, 28, 28), np.uint8)
    params = Params.load("local-small")
    bits = input_of(params.network, images)
    np.testing.assert_array_equal(bits, encode(images, params.network.thresholds))
    grey = params.replace(network={"pixel_bits": 8})
    np.testing.assert_array_equal(input_of(grey.network, images), images.reshape(3, -1))
    with pytest.raises(TypeError, match=r"^images must be uint8, not int64$"):
        input_of(grey.network, images.astype(np.int64))
