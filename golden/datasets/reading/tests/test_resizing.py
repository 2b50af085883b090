"""Images of another size."""

import numpy as np
import pytest
from PIL import Image

from popflip.golden.datasets.reading.resizing import resize_images, resized
from popflip.golden.datasets.tests.small import raises

WIDE = np.full((4, 8), 255, np.uint8)


@pytest.mark.parametrize(("how", "dark"), [("stretch", 0), ("pad", 8), ("crop", 0)])
def test_ways(how, dark):
    found = np.asarray(resized(Image.fromarray(WIDE), (4, 4), how))
    assert found.shape == (4, 4)
    assert (found == 0).sum() == dark, "margins only where the whole image is kept"


def test_many():
    images = np.stack([WIDE, 0 * WIDE])
    assert resize_images(images, (2, 2), "none") is images
    assert resize_images(images, (4, 8), "crop") is images
    assert resize_images(images, (2, 2), "stretch").tolist() == [[[255] * 2] * 2, [[0] * 2] * 2]
    with raises("data.resize needs a network, whose image says to which size"):
        resize_images(images, None, "pad")
