"""Images moved by whole pixels."""

import numpy as np
import pytest

from popflip.golden.datasets.shifts import draw_shifts, shift_images
from popflip.golden.description.lfsr import Lfsr


def test_shift_images():
    rng = np.random.default_rng(4)
    height, width = 4, 6
    shifts = [(dx, dy) for dx in range(-8, 9) for dy in range(-6, 7)]
    images = rng.integers(1, 256, (len(shifts), height, width), np.uint8)
    dx, dy = np.array(shifts, np.int8).T
    moved = shift_images(images, dx, dy)
    assert moved.dtype == np.uint8
    for i, (right, down) in enumerate(shifts):
        expected = np.zeros((height, width), np.uint8)
        for row in range(height):
            for column in range(width):
                if 0 <= row - down < height and 0 <= column - right < width:
                    expected[row, column] = images[i, row - down, column - right]
        np.testing.assert_array_equal(moved[i], expected, f"moved by {right}, {down}")


def test_shift_all_images_alike():
    images = np.arange(1, 25, dtype=np.uint8).reshape(2, 3, 4)
    moved = shift_images(images, 1, -1)
    np.testing.assert_array_equal(moved[:, :-1, 1:], images[:, 1:, :-1])
    assert not moved[:, -1].any()
    assert not moved[:, :, 0].any()
    np.testing.assert_array_equal(shift_images(images, 0, 0), images)
    assert shift_images(images[:0], 1, 1).shape == (0, 3, 4)


def test_shift_rejects():
    with pytest.raises(ValueError, match=r"^images must have 3 axes, not 2$"):
        shift_images(np.zeros((3, 3), np.uint8), 0, 0)
    with pytest.raises(TypeError, match=r"^images must be uint8, not bool$"):
        shift_images(np.zeros((1, 3, 3), bool), 0, 0)


@pytest.mark.parametrize("reach", [0, 1, 2, 5, 127])
def test_draw_shifts(reach):
    n = 300
    dx, dy = draw_shifts(Lfsr(0xABCDEF01), n, reach)
    assert dx.dtype == dy.dtype == np.int8
    lfsr = Lfsr(0xABCDEF01)
    for i in range(n):
        for axis, drawn in (("dx", dx), ("dy", dy)):
            expected = lfsr.draw(8) * (2 * reach + 1) // 256 - reach
            assert drawn[i] == expected, f"{axis} of image {i}"
    if reach < 10:
        everything = set(range(-reach, reach + 1))
        assert set(dx.tolist()) == set(dy.tolist()) == everything


def test_draws_of_one_generator_go_on():
    whole, parts = Lfsr(5), Lfsr(5)
    dx, dy = draw_shifts(whole, 20, 2)
    first, second = draw_shifts(parts, 8, 2), draw_shifts(parts, 12, 2)
    np.testing.assert_array_equal(dx, np.concatenate([first[0], second[0]]))
    np.testing.assert_array_equal(dy, np.concatenate([first[1], second[1]]))
    assert whole.state == parts.state


@pytest.mark.parametrize("reach", [-1, 128])
def test_draw_shifts_rejects(reach):
    with pytest.raises(ValueError, match=f"^reach must be from 0 to 127, not {reach}$"):
        draw_shifts(Lfsr(1), 1, reach)
