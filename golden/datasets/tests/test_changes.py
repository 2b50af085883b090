"""Changes of the world: samples, and what they are called."""

import re

import numpy as np
import pytest

from popflip.golden.datasets.changes import KINDS, Change
from popflip.golden.support.errors import InputError

IMAGES = np.random.default_rng(1).integers(1, 255, (20, 6, 6)).astype(np.uint8)
LABELS = np.arange(20) % 4


@pytest.mark.parametrize("kind", KINDS)
def test_each_change_changes_something_and_keeps_type_and_shape(kind):
    change = Change(kind)
    images, labels = change.images(IMAGES), change.labels(LABELS)
    assert (images.shape, images.dtype) == (IMAGES.shape, np.uint8)
    assert (labels.shape, labels.dtype) == (LABELS.shape, LABELS.dtype)
    assert (images != IMAGES).any() or (labels != LABELS).any()
    assert (images == IMAGES).all() or (labels == LABELS).all(), "one of the two only"
    np.testing.assert_array_equal(images, Change(kind).images(IMAGES))


@pytest.mark.parametrize("kind", KINDS)
def test_it_does_not_matter_how_many_are_changed_at_a_time(kind):
    change = Change(kind, seed=4)
    parts = [change.images(IMAGES[i : i + 7], i) for i in range(0, 20, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), change.images(IMAGES))


@pytest.mark.parametrize(
    ("kind", "times"), [("rotate-90", 4), ("rotate-180", 2), ("invert", 2), ("swap-labels", 2)]
)
def test_some_changes_undo_themselves(kind, times):
    images, labels = IMAGES, LABELS
    for _ in range(times):
        images, labels = Change(kind).images(images), Change(kind).labels(labels)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_permuting_moves_the_pixels_of_all_images_alike():
    images = Change("permute", seed=3).images(IMAGES).reshape(20, -1)
    flat = IMAGES.reshape(20, -1)
    order = [int((flat == column[:, None]).all(axis=0).argmax()) for column in images.T]
    assert sorted(order) == list(range(36))


@pytest.mark.parametrize(("percent", "pixels"), [(0, 0), (1, 1), (25, 9), (100, 36)])
def test_dead_pixels_are_the_same_in_all_images(percent, pixels):
    images = Change("dead-pixels", percent=percent).images(IMAGES)
    dead = (images == 0).all(axis=0)
    assert dead.sum() == pixels
    np.testing.assert_array_equal(images[:, ~dead], IMAGES[:, ~dead])


def test_dead_columns_are_whole():
    images = Change("dead-columns", percent=50).images(IMAGES)
    dead = (images == 0).all(axis=(0, 1))
    assert dead.sum() == 3
    np.testing.assert_array_equal(images[:, :, ~dead], IMAGES[:, :, ~dead])


def test_noise_strikes_the_share_that_was_asked_for():
    images = np.full((200, 10, 10), 100, np.uint8)
    noisy = Change("noise", percent=30).images(images)
    assert set(np.unique(noisy)) == {0, 100, 255}
    assert 0.28 < (noisy != 100).mean() < 0.32
    assert (noisy[0] != noisy[1]).any()


def test_labels_are_swapped_for_the_classes_that_are_named():
    labels = Change("swap-labels", classes=(1, 3)).labels(np.array([0, 1, 2, 3], np.uint8))
    assert labels.tolist() == [0, 3, 2, 1]
    assert labels.dtype == np.uint8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "melt"}, f"change must be one of {', '.join(KINDS)}, not 'melt'"),
        ({"kind": "noise", "percent": 101}, "percent must be 0 to 100, not 101"),
        ({"kind": "noise", "seed": -1}, "seed must be at least 0, not -1"),
    ],
)
def test_what_is_no_change_is_refused(options, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Change(**options)


def test_images_that_cannot_be_turned_are_refused():
    with pytest.raises(ValueError, match=r"^rotate-90 needs square images, not 2 x 3$"):
        Change("rotate-90").images(np.zeros((1, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"^images must have 3 axes, not 2$"):
        Change("invert").images(np.zeros((2, 3), np.uint8))
