"""Values as arrays that can be encoded."""

import numpy as np
import pytest

from popflip.golden.datasets.reading.raw import RawSamples
from popflip.golden.datasets.reading.values import shaped, table_of
from popflip.golden.datasets.tests.small import raises


def found(values):
    return shaped(RawSamples(values, None, "s"))


@pytest.mark.parametrize(
    ("values", "shape", "dtype"),
    [
        (np.zeros(5), (5, 1), np.float64),
        (np.zeros((5, 2), np.int32), (5, 2), np.float64),
        (np.zeros((5, 2, 3), np.uint8), (5, 2, 3), np.uint8),
        (np.zeros((5, 2, 3, 1)), (5, 2, 3), np.float64),
        (np.zeros((5, 1, 2, 6)), (5, 2, 6), np.float64),
        (np.zeros((5, 4, 6, 3), np.uint8), (5, 4, 6), np.uint8),
        (np.zeros((5, 3, 4, 6)), (5, 4, 6), np.float64),
        (np.zeros((5, 4, 6, 4)), (5, 4, 6), np.float64),
    ],
)
def test_shapes(values, shape, dtype):
    assert found(values).shape == shape
    assert found(values).dtype == dtype


def test_truth_values_are_black_and_white_and_colours_grey():
    assert found(np.array([[True, False]])).tolist() == [[255, 0]]
    colours = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], np.uint8)
    assert found(colours).tolist() == [[[76, 150, 29, 255]]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((0, 3)), "s must have at least 1 sample, not 0"),
        (np.array(["a"]), "s: values must be numbers, not <U1"),
        (
            np.array([[1, 2], [3]], dtype=object),
            "s: values must be numbers, not Python objects of several shapes",
        ),
        (
            np.zeros((2, 6, 4, 5)),
            "s: images must have 1, 3 or 4 colours as their last axis, not 2, 6, 4, 5",
        ),
        (
            np.zeros((2, 2, 2, 2, 2)),
            "s: values must be of shape (samples, values), (samples, height, width) or (samples, "
            "height, width, colours), not (2, 2, 2, 2, 2)",
        ),
        (
            np.array([[1.0, 2], [np.nan, np.inf]]),
            "s: 2 values are missing or infinite (NaN), the first in sample 2; fill them in, or "
            "remove those samples",
        ),
    ],
)
def test_values_that_are_none(values, message):
    with raises(message):
        found(values)


def test_tables():
    table = {"a": np.array([1, 2]), "b": np.array(["x", ""])}
    samples = RawSamples(table, None, "s")
    with raises(
        "s: column 'b' lacks 1 of 2 values, the first in sample 2; fill them in, remove those "
        'samples, or leave the column out: data.ignore = ["b"]'
    ):
        table_of(samples)
    # What does not matter may be missing.
    assert table_of(samples, ["a"])["a"].dtype == np.float64
    with raises("s has no column but that of the labels"):
        table_of(RawSamples({}, None, "s"))
    with raises("s must have at least 1 sample, not 0"):
        table_of(RawSamples({"a": np.zeros(0)}, None, "s"))
