"""Made images: the same everywhere, and such that their classes can be told."""

import numpy as np

from popflip.golden.paper.images import Images
from popflip.golden.paper.synthetic import TEST, TRAIN, synthetic_images


def test_they_are_the_same_on_every_computer():
    arrays = synthetic_images()
    assert [array.dtype for array in arrays] == [np.uint8] * 4
    train, labels, test, test_labels = arrays
    assert train.shape == (TRAIN, 3, 32, 32)
    assert test.shape == (TEST, 3, 32, 32)
    assert np.bincount(labels, minlength=10).min() > 400
    assert np.bincount(test_labels, minlength=10).min() > 70
    digest = Images("synthetic", *arrays).digest
    assert digest == "abf9b596b81725fbd5580c87ceabcbb4a718d98136110d77d0e9c2f81a73855f"


def test_an_image_is_nearest_to_the_mean_of_its_class():
    train, labels, test, test_labels = synthetic_images()
    seen = train.reshape(TRAIN, -1).astype(float) - train.mean()
    means = np.stack([seen[labels == label].mean(0) for label in range(10)])
    found = ((test.reshape(TEST, -1) - train.mean()) @ means.T).argmax(1)
    np.testing.assert_array_equal(found, test_labels)
