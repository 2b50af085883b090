"""From values to pixels."""

import numpy as np
import pytest

from popflip.golden.datasets.encoder import Encoder, fit_encoder
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.reading.raw import DataError, RawSamples
from popflip.golden.datasets.tests.small import raises
from popflip.golden.description.sections.data import Data


def samples(values):
    return RawSamples(values, None, "s")


def fitted(values, kind=None, image=None, **data):
    encoder, told = fit_encoder(samples(values), Data(**data), kind, image)
    return encoder, told, encoder.encode(samples(values))


def test_pixels_stay_as_they_are():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) * 10
    encoder, told, found = fitted(images)
    assert np.shares_memory(found, images)
    assert encoder.edges is None
    assert not told
    _, told, _ = fitted(images // 2)
    assert told == ['pixels reach only 115 of 255: data.scale = "range" stretches them']


def test_a_range_by_hand():
    values = np.linspace(-1, 3, 257)[:, None]
    _, _, found = fitted(values, scale="range")
    assert found.ravel().tolist() == [*range(256), 255]
    # What was not in training is cut off.
    encoder, _, _ = fitted(values, scale="range")
    assert encoder.encode(samples(np.array([[-9.0], [9.0]]))).ravel().tolist() == [0, 255]


def test_ranges_are_those_of_values_of_rows_or_of_all():
    values = np.array([[[0.0, 1.0], [0.0, 10.0]], [[2.0, 4.0], [20.0, 40.0]]])
    by = {per: fitted(values, scale="range", per=per)[2] for per in ("value", "row", "all")}
    assert by["all"][1].tolist() == [[12, 25], [128, 255]]
    assert by["row"][1].tolist() == [[128, 255], [128, 255]]
    assert by["value"].tolist() == [[[0, 0], [0, 0]], [[255, 255], [255, 255]]]
    # A time series has a range for each channel by itself.
    np.testing.assert_array_equal(fitted(values, "series")[2], by["row"])
    with raises('data.per must not be "row" for samples without rows'):
        fitted(values[:, 0], per="row")


def test_given_ranges():
    values = np.array([[1.0, 5.0]])
    found = fitted(values, scale="range", low=(0.0,), high=(8.0,))[2]
    assert found.ravel().tolist() == [32, 160]
    found = fitted(values, scale="range", low=(0.0, 4.0), high=(2.0, 8.0))[2]
    assert found.ravel().tolist() == [128, 64]
    with raises("data.low must have 1 entry or 2, not 3"):
        fitted(values, scale="range", low=(0.0,) * 3, high=(1.0,) * 3)


def test_thresholds_split_a_table_by_equal_shares():
    """A thermometer code of a feature whose values are anything but even."""
    rng = np.random.default_rng(1)
    values = np.exp(rng.normal(size=(1024, 1)) * 3)
    thresholds = (63, 127, 191)
    bits = encode(fitted(values)[2], thresholds)
    assert bits.sum(axis=0).tolist() == [769, 513, 257]
    order = np.argsort(values.ravel())
    assert (np.diff(bits[order].sum(axis=1)) >= 0).all(), "a greater value has no fewer bits"


def test_a_feature_of_few_values_keeps_them_apart():
    values = np.array([0.0] * 70 + [1.0] * 20 + [2.0] * 10)[:, None]
    found = fitted(values)[2].ravel()
    assert sorted({*found.tolist()}) == [0, 230, 255]
    assert (found[:70] == 0).all()


def test_a_constant_feature_is_empty_and_said():
    table = {"a": np.array([1.0, 2]), "same": np.array([7.0, 7]), "text": np.array(["x", "x"])}
    _, told, found = fitted(table)
    assert told == ["the same in all training samples, so of no use: same, text"]
    assert found[:, 0, 1].tolist() == [0, 0]


def test_categories_are_one_hot():
    table = {"n": np.array([1.0, 2, 3]), "c": np.array(["b", "a", "b"]), "m": np.array([3.0, 2, 1])}
    encoder, _, found = fitted(table)
    assert encoder.image == (1, 4)
    assert found[:, 0, 1:3].tolist() == [[0, 255], [255, 0], [0, 255]]
    new = {"c": np.array(["c"]), "m": np.array([1.0]), "n": np.array([3.0]), "more": np.array([0])}
    assert encoder.encode(samples(new)).tolist() == [[[255, 0, 0, 0]]]
    names = {"c": np.array(["a", "b"] * 50), "id": np.array([f"n{i}" for i in range(100)])}
    with raises(
        "s: column 'id' holds 100 different texts, of which 64 can be told apart; leave it out: "
        'data.ignore = ["id"]'
    ):
        fitted(names)


def test_only_categories():
    encoder, _, found = fitted({"c": np.array(["b", "a"])})
    assert found.tolist() == [[[0, 255]], [[255, 0]]]
    assert encoder.encode(samples({"c": np.array(["a"])})).tolist() == [[[255, 0]]]


def test_what_is_unlike_the_training_is_refused():
    encoder = fitted({"a": np.array([1.0, 2]), "c": np.array(["x", "y"])})[0]
    with raises("s lacks columns that the network was trained with: c; it has: a, b"):
        encoder.encode(samples({"a": np.ones(1), "b": np.ones(1)}))
    with raises("s: column 'c' must hold texts, as in training, not numbers"):
        encoder.encode(samples({"a": np.ones(1), "c": np.ones(1)}))
    with raises("s: column 'a' must hold numbers, as in training, not texts"):
        encoder.encode(samples({"a": np.array(["1"]), "c": np.array(["x"])}))
    encoder = fitted(np.zeros((2, 3, 4), np.uint8))[0]
    with raises("s must have samples of 3 x 4 values, as in training, not 4 x 4"):
        encoder.encode(samples(np.zeros((2, 4, 4), np.uint8)))
    with raises(
        's: values must be whole numbers from 0 to 255 for data.scale "none", not 0.5 to 0.5'
    ):
        encoder.encode(samples(np.full((1, 3, 4), 0.5)))


def test_a_table_without_names_stands_for_one_with_names_and_the_other_way_round():
    values = np.arange(12.0).reshape(4, 3)
    table = dict(zip("abc", values.T, strict=True))
    by_name, by_place = fitted(table)[0], fitted(values)[0]
    expected = by_place.encode(samples(values))
    np.testing.assert_array_equal(by_name.encode(samples(values)), expected)
    np.testing.assert_array_equal(by_place.encode(samples(table)), expected)
    with raises("s must have samples of 3 values, as in training, not 2"):
        by_name.encode(samples(values[:, :2]))


def test_a_table_of_pixels_makes_images():
    values = np.arange(0, 240, 10.0).reshape(2, 12)
    encoder, _, found = fitted(values, image=(3, 4))
    assert encoder.edges is None
    np.testing.assert_array_equal(found, values.reshape(2, 3, 4))
    named = {f"pixel{i}": column for i, column in enumerate(values.T)}
    np.testing.assert_array_equal(fitted(named, image=(3, 4))[2], found)
    assert fitted(values, image=(1, 12))[0].edges is not None


def test_inverted_and_resized():
    images = np.array([[[0, 255]], [[255, 0]]], np.uint8)
    encoder, _, found = fitted(images, image=(2, 2), invert=True, resize="stretch")
    assert found.shape == (2, 2, 2)
    assert (found[0] == found[1][:, ::-1]).all()
    assert found[0, 0, 0] > found[0, 0, 1]
    assert encoder.encode(samples(np.zeros((1, 5, 5), np.uint8))).tolist() == [[[255] * 2] * 2]


def test_too_many_values():
    with raises("s must have at most 1,024 values for each sample, not 1,025"):
        fitted(np.zeros((2, 1025)))
    with raises("s must have at most 1,024 pixels along a side, not 2,000"):
        fitted(np.zeros((2, 2000, 2), np.uint8))


@pytest.mark.parametrize("kind", ["table", "pixels", "categories"])
def test_a_description_says_all(kind):
    values = {
        "table": np.arange(12.0).reshape(4, 3),
        "pixels": np.zeros((2, 3, 4), np.uint8),
        "categories": {"a": np.array(["x", "y"]), "b": np.arange(2.0)},
    }[kind]
    encoder, _, found = fitted(values)
    again = Encoder.described(encoder.describe(), encoder.edges)
    np.testing.assert_array_equal(again.encode(samples(values)), found)
    assert again.describe() == encoder.describe()
    assert isinstance(DataError("x"), ValueError)
