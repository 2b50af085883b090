"""Data sets that fit together, and their digests."""

import numpy as np
import pytest

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.tests.small import raises


@pytest.fixture
def parts():
    rng = np.random.default_rng(1)
    return {
        "train_images": rng.integers(0, 256, (6, 3, 4), np.uint8),
        "train_labels": rng.integers(0, 5, 6, np.uint8),
        "test_images": rng.integers(0, 256, (2, 3, 4), np.uint8),
        "test_labels": rng.integers(0, 5, 2, np.uint8),
    }


def test_parts_that_fit(parts):
    dataset = Dataset("mine", **parts)
    for name, array in parts.items():
        assert getattr(dataset, name) is array
    assert dataset.n_classes == max(parts[f"{part}_labels"].max() for part in ("train", "test")) + 1


def test_classes_without_a_name_are_called_by_their_number(parts):
    dataset = Dataset("mine", **parts, classes=("a", "b", "c", "d", "e", "f"))
    assert dataset.n_classes == 6
    assert dataset.class_names(8) == ["a", "b", "c", "d", "e", "f", "6", "7"]
    dataset = Dataset("mine", **parts, classes=("0", "7", "3", "9", "8", "2"))
    assert dataset.class_names(9)[6:] == ["6", "output 7", "output 8"]
    assert Dataset("mine", **parts).class_names(3) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train_images": np.zeros((6, 12))},
            "train_images must be uint8 of shape (n, height, width), not float64 of shape (6, 12); "
            "popflip.golden.datasets.loading.from_arrays takes other arrays",
        ),
        (
            {"test_labels": np.zeros(2)},
            "test_labels must be whole numbers of shape (n,), not float64 of shape (2,); "
            "popflip.golden.datasets.loading.from_arrays takes other arrays",
        ),
        (
            {"train_labels": np.zeros(5, np.uint8)},
            "train_labels must have an entry for each of the 6 images, not 5",
        ),
        (
            {"test_images": np.zeros((2, 4, 3), np.uint8)},
            "test_images must have 3 x 4 pixels like train_images, not 4 x 3",
        ),
        (
            {"test_images": np.zeros((0, 3, 4), np.uint8)},
            "test_images must have at least 1 entry, not 0",
        ),
        (
            {"test_labels": np.array([-1, 300])},
            "test_labels must be from 0 to 255, not -1 to 300",
        ),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(parts, change, message):
    with raises(message):
        Dataset("mine", **(parts | change))


def test_the_digest_is_of_the_content_and_its_shape_and_not_of_the_name(parts):
    digests = {Dataset("a", **parts).digest, Dataset("b", **parts).digest}
    assert len(digests) == 1
    for name, array in parts.items():
        other = array.copy()
        other.flat[-1] ^= 1
        digests.add(Dataset("a", **(parts | {name: other})).digest)
    turned = {k: v.swapaxes(1, 2) if v.ndim == 3 else v for k, v in parts.items()}
    digests.add(Dataset("a", **turned).digest)
    assert len(digests) == 6
