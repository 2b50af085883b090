"""From samples to a data set."""

import numpy as np
import pytest

from popflip.golden.datasets.loading import from_arrays
from popflip.golden.datasets.preparation import prepare, prepare_to_predict
from popflip.golden.datasets.reading.raw import RawData, RawSamples, Unlabelled
from popflip.golden.datasets.tests.small import raises
from popflip.golden.description.params import Params

PARAMS = Params.load("local-small")


def few(labels, values=None):
    n = len(labels)
    values = np.arange(n, dtype=np.uint8)[:, None, None] if values is None else values
    return RawSamples(values, np.array(labels), "s")


def test_a_split_is_drawn_and_every_sample_keeps_its_label():
    labels = ["even", "odd"] * 50
    data = prepare(RawData(few(labels)), "mine")
    assert data.classes == ("even", "odd")
    assert (len(data.train_labels), len(data.test_labels)) == (80, 20)
    for images, numbers in (
        (data.train_images, data.train_labels), (data.test_images, data.test_labels),
    ):  # fmt: skip
        assert (images[:, 0, 0] % 2 == numbers).all()
    assert (
        len(
            prepare(
                RawData(few(labels)), "m", PARAMS.replace(data={"test_percent": 50})
            ).test_labels
        )
        == 50
    )


def test_given_parts_are_kept_and_in_order_only_if_that_means_something():
    train, test = few([3, 1, 2, 1] * 5), few([2, 1, 3])
    data = prepare(RawData(train, test, ordered=True), "mine")
    assert data.train_labels.tolist() == [2, 0, 1, 0] * 5
    assert data.test_labels.tolist() == [1, 0, 2]
    mixed = prepare(RawData(train, test), "mine")
    assert mixed.train_labels.tolist() != data.train_labels.tolist()
    assert sorted(mixed.train_images.ravel()) == sorted(data.train_images.ravel())
    np.testing.assert_array_equal(mixed.test_images, data.test_images)


def test_classes_of_one_part_only_are_said():
    data = prepare(RawData(few(["a", "b", "b"]), few(["a", "c"]), ordered=True), "mine")
    assert data.warnings[:2] == ("no training sample of class c", "no test sample of class b")


def test_what_cannot_be_learned():
    with pytest.raises(Unlabelled, match=r"^s has no labels: what is to be learned of it\?$"):
        prepare(RawData(RawSamples(np.zeros((3, 2)), None, "s")), "mine")
    with raises("s must have at least 2 classes, not 1: all samples are 'a'"):
        prepare(RawData(few(["a", "a"])), "mine")
    with raises("s: each class has a single sample: none is left for a test"):
        prepare(RawData(few(["a", "b"])), "mine")
    with raises("s must have a label for each of its 3 samples, not 2"):
        prepare(RawData(few(["a", "b"], np.zeros((3, 2)))), "mine")


def test_the_test_part_is_encoded_as_the_training_part():
    data = from_arrays([[0.0], [1.0], [2.0]], [0, 1, 0], ([[1.0], [9.0]], [1, 1]))
    at = dict(zip(data.train_images.ravel().tolist(), data.train_labels.tolist(), strict=True))
    assert data.test_images.ravel().tolist() == [next(p for p, l in at.items() if l == 1), 255]


def test_samples_to_predict_are_encoded_and_numbered_as_in_training():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(60, 3))
    params = Params.build({
        "network": {"image": [1, 3], "hidden": [4], "classes": 2},
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
    })
    data = from_arrays(values, np.where(values[:, 0] > 0, "up", "down"), params=params)
    new = RawSamples(values[:5], np.array(["up"] * 5), "new")
    images, labels = prepare_to_predict(new, data.encoder, data.classes, params)
    assert labels.tolist() == [1] * 5
    assert images.shape == (5, 1, 3)
    images, labels = prepare_to_predict(
        RawSamples(values[:5], None, "new"), data.encoder, data.classes, params
    )
    assert labels is None
    with raises("new has labels that the training samples lack: left; the classes are down, up"):
        prepare_to_predict(
            RawSamples(values[:1], np.array(["left"]), "new"), data.encoder, data.classes, params
        )
    # Without an encoder, as of an older checkpoint, samples must be pixels.
    pixels = np.array([[1, 2, 3]], np.uint8)
    images, _ = prepare_to_predict(RawSamples(pixels, None, "new"), None, (), params)
    assert images.tolist() == [[[1, 2, 3]]]
    with raises("network.image must be 1 x 2 for new, not 1 x 3"):
        prepare_to_predict(RawSamples(pixels[:, :2], None, "new"), None, (), params)


@pytest.mark.parametrize(
    "values",
    [
        np.full((6, 2), 7.0),
        {"a": np.full(6, 3.0), "b": np.full(6, "x")},
        np.zeros((6, 2, 2), np.uint8),
        np.full((6, 2, 2), 0.5),
    ],
)
def test_values_that_never_differ_are_refused(values):
    samples = RawSamples(values, np.array([0, 1] * 3), "s")
    with raises("s must have values that differ: each one is the same in all training samples"):
        prepare(RawData(samples), "mine")
