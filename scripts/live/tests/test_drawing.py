"""Strokes on a small image."""

import numpy as np

from popflip.scripts.live.drawing import SIZE, Drawing, centred


def test_a_stroke_is_as_long_as_it_was_drawn():
    drawing = Drawing((28, 28))
    drawing.begin(5, 14)
    drawing.go_on(20, 14)
    lit = drawing.image > 127
    assert lit[14, 5:20].all()
    assert not lit[:9].any()
    assert not lit[:, 24:].any()
    drawing.begin(3, 3)  # a new stroke is not joined to the one before
    assert not drawing.image[8, 8]
    drawing.clear()
    assert not drawing.image.any()


def test_places_off_the_image_are_at_its_edge():
    drawing = Drawing((8, 8))
    drawing.begin(-1e9, 4)
    drawing.go_on(1e12, 4)
    assert drawing.image[4].all()


def test_a_centred_drawing_is_as_large_and_central_as_a_digit():
    drawing = Drawing((28, 28))
    drawing.begin(3, 3)
    drawing.go_on(3, 9)
    image = centred(drawing.image)
    rows = np.flatnonzero(image.any(1))
    assert abs(len(rows) - SIZE * 28) <= 1
    middle = (image.sum(1) * (np.arange(28) + 0.5)).sum() / image.sum()
    assert abs(middle - 14) <= 0.6
    np.testing.assert_array_equal(centred(np.zeros((8, 8), np.uint8)), np.zeros((8, 8)))
