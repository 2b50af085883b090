"""A small data set, as arrays and as a folder of IDX files."""

import hashlib

import numpy as np
import pytest

from popflip.golden.datasets.named.published import Original
from popflip.golden.datasets.tests.small import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    idx,
)


@pytest.fixture
def arrays():
    """The arrays of a small data set, by the names of their files."""
    rng = np.random.default_rng(2)
    return {
        TRAIN_IMAGES: rng.integers(0, 256, (7, 5, 4), np.uint8),
        TRAIN_LABELS: rng.integers(0, 256, 7, np.uint8),
        TEST_IMAGES: rng.integers(0, 256, (3, 5, 4), np.uint8),
        TEST_LABELS: rng.integers(0, 256, 3, np.uint8),
    }


@pytest.fixture
def folder(tmp_path, arrays):
    """A folder with a small data set."""
    path = tmp_path / "shapes"
    path.mkdir()
    for name, array in arrays.items():
        (path / name).write_bytes(idx(array))
    return path


@pytest.fixture
def originals(arrays):
    """What the files of the small data set must be."""
    contents = {name: idx(array) for name, array in arrays.items()}
    return {
        name: Original(len(content), hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
