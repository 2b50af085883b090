"""Data sets that fit together, and their digests."""

from pathlib import Path

import numpy as np
import pytest

from popflip.golden.datasets.dataset import Dataset, checked
from popflip.golden.datasets.tests.small import raises

SOURCES = {
    "train_images": Path("in/a"), "train_labels": Path("in/b"),
    "test_images": Path("in/c"), "test_labels": Path("in/d"),
}  # fmt: skip


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
    dataset = checked("mine", parts, SOURCES)
    assert dataset.name == "mine"
    for name, array in parts.items():
        assert getattr(dataset, name) is array


def test_each_image_has_a_label(parts):
    with raises(
        "in/b must have a label for each of the 6 images in a, not 5; take both from one source"
    ):
        checked("mine", parts | {"train_labels": parts["train_labels"][:5]}, SOURCES)
    with raises(
        "in/d must have a label for each of the 2 images in c, not 1; take both from one source"
    ):
        checked("mine", parts | {"test_labels": parts["test_labels"][:1]}, SOURCES)


def test_images_have_one_size(parts):
    with raises("in/c must have images of 3x4 pixels like a, not 4x3; take both from one source"):
        checked("mine", parts | {"test_images": np.zeros((2, 4, 3), np.uint8)}, SOURCES)


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
