"""What tests share: names of the four files, their content, and a comparison."""

import re

import numpy as np
import pytest

from popflip.golden.datasets.dataset import DataError

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


def idx(array, type_code=8):
    """The content of an IDX file."""
    header = bytes((0, 0, type_code, array.ndim))
    return header + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def check(dataset, arrays):
    """See that a data set holds the arrays."""
    parts = (
        dataset.train_images,
        dataset.train_labels,
        dataset.test_images,
        dataset.test_labels,
    )
    for part, (name, array) in zip(parts, arrays.items(), strict=True):
        assert part.dtype == np.uint8, name
        if part.ndim == 1:  # classes are numbered, and called by their labels
            part = np.array([int(dataset.classes[number]) for number in part])
        np.testing.assert_array_equal(part, array, name)


def raises(message):
    """Expect a DataError of one line."""
    assert "\n" not in message
    return pytest.raises(DataError, match=f"^{re.escape(message)}$")
