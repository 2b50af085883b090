"""What pictures show, and that the colour-blind see it."""

import base64
import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from popflip.golden.description.params import Params
from popflip.golden.training.state import initial_state
from popflip.scripts.live.page.style import PALETTE
from popflip.scripts.live.pictures import (
    COLD,
    CONTRAST,
    FLIPPED,
    NEURONS,
    NONE,
    WARM,
    contrast_picture,
    weight_picture,
)
from popflip.scripts.live.witness import Snapshot
from popflip.scripts.plots.weights import DARK, LIGHT

#: What eyes without one kind of cones see of light (Machado, Oliveira and Fernandes 2009).
SEEN = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}

#: From linear sRGB to XYZ, each by its white.
XYZ = np.array([
    [0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505],
]) / [[0.9505], [1.0], [1.089]]  # fmt: skip


def seen_as(colour, cones):
    """Return a colour in CIELAB, as eyes see it."""
    share = np.array(colour) / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(np.array(SEEN[cones]) @ light, 0, 1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def rgb(text):
    return tuple(bytes.fromhex(text[1:]))


@pytest.mark.parametrize("cones", SEEN)
@pytest.mark.parametrize(
    "colours",
    [
        (DARK, LIGHT, *FLIPPED),
        NEURONS,
        CONTRAST,
        (COLD, NONE, WARM, FLIPPED[1]),
        [rgb(text) for text in PALETTE[:4]],  # lines, and stages on top of each other
        [rgb(PALETTE[1]), rgb(PALETTE[4])],  # bars in pairs
    ],
)
def test_colours_can_be_told_apart(colours, cones):
    """A difference of 2 in CIELAB is just seen, side by side."""
    for one, other in combinations(colours, 2):
        distance = np.linalg.norm(seen_as(one, cones) - seen_as(other, cones))
        assert distance > 15, (one, other)


def pixels(address):
    """Return a picture as an array."""
    content = base64.b64decode(address.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_weights_that_just_flipped_stand_out():
    params = Params.load("local-small")
    state = initial_state(params, 1)
    flipped = [np.zeros_like(weights) for weights in state.weights]
    rows, bits = [0, 3, 7, 100], [5, 0, 99, 42]
    flipped[0][rows, bits] = True
    picture = pixels(weight_picture(params, Snapshot(9, (0, 9), state, flipped)))
    calm = pixels(weight_picture(params, Snapshot(9, (0, 9), state, [f & False for f in flipped])))
    scale = round((np.abs(picture.astype(int) - calm).any(-1).sum() / len(rows)) ** 0.5)
    for colour, sign in zip(FLIPPED, (False, True), strict=True):
        count = int((picture == colour).all(-1).sum())
        assert count == scale**2 * int((state.weights[0][rows, bits] == sign).sum())
        assert not (calm == colour).all(-1).any()


def test_the_contrast_has_a_colour_for_each_way_to_differ():
    params = Params.load("local-small")
    plus, minus = np.zeros((2, 490), bool)
    plus[[0, 1, 2]] = minus[[2, 3]] = True
    picture = pixels(contrast_picture(params, plus, minus))
    counts = [int((picture == colour).all(-1).sum()) for colour in CONTRAST]
    pixel = counts[1]
    assert counts == [486 * pixel, pixel, 2 * pixel, pixel]
