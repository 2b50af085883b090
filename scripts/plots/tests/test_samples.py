"""Pictures of a data set."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from popflip.golden.datasets.loading import from_arrays
from popflip.scripts.plots.samples import data_picture


@pytest.mark.parametrize("shape", [(30, 5, 4), (30, 6), (30, 60)])
def test_pictures_have_a_row_for_each_class(shape):
    values = np.random.default_rng(1).random(shape)
    columns = [f"f{i}" for i in range(shape[1])] if len(shape) == 2 else None
    data = from_arrays(values, ["cat", "dog", "fox"] * 10, columns=columns, name="pets")
    (axis,) = data_picture(data).axes
    assert [text.get_text() for text in axis.get_yticklabels()] == ["cat", "dog", "fox"]
    assert axis.get_title(loc="left").startswith("pets: ")
    if shape == (30, 6):
        assert [text.get_text() for text in axis.get_xticklabels()] == columns


def test_names_are_no_formulas():
    data = from_arrays(np.eye(4), ["$x", "a$b$", "$x", "a$b$"], name="costs $5 and $6")
    figure = data_picture(data)
    FigureCanvasAgg(figure).draw()
    assert figure.axes[0].get_yticklabels()[0].get_text() == r"\$x"


def test_the_samples_are_those_of_their_class():
    images = np.zeros((40, 3, 2), np.uint8)
    images[1::2] = 200
    (axis,) = data_picture(from_arrays(images, [0, 1] * 20)).axes
    canvas = axis.get_images()[0].get_array()
    assert canvas.shape == (7, 29)
    assert (canvas[:3, :2] == 0).all()
    assert (canvas[4:, :2] == 200).all()
