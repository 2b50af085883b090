"""Labels of any kind."""

import numpy as np
import pytest

from popflip.golden.datasets.labels import absent, class_names, names_of_outputs, numbered, texts
from popflip.golden.datasets.tests.small import raises


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3, 1, 2], ["3", "1", "2"]),
        ([[3], [1]], ["3", "1"]),
        ([1.0, 2.0], ["1", "2"]),
        ([True, False], ["True", "False"]),
        (["b ", "a"], ["b", "a"]),
        ([b"b", b"a"], ["b", "a"]),
        (["01", "1.0", "2"], ["1", "1", "2"]),
        (np.array(["b", "a"], object), ["b", "a"]),
        (np.array([1, 2.0], object), ["1", "2"]),
        ([[0, 1], [1, 0], [0, 1]], ["1", "0", "1"]),
        (np.array([1, 2], np.uint8), ["1", "2"]),
    ],
)
def test_texts(labels, expected):
    assert texts(labels, "s").tolist() == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [1.5, 2.0],
            "s: labels must be classes (whole numbers or texts), not fractions such as 1.5",
        ),
        (
            [1.0, np.nan, np.nan],
            "s: 2 of 3 labels are missing, the first of sample 2; fill them in, or remove those "
            "samples",
        ),
        (
            ["a", ""],
            "s: 1 of 2 labels are missing, the first of sample 2; fill them in, or remove those "
            "samples",
        ),
        (
            np.array(["a", None], object),
            "s: 1 of 2 labels are missing, the first of sample 2; fill them in, or remove those "
            "samples",
        ),
        (np.array(["a", 1], object), "s: labels must be of one type, not int and str"),
        (
            np.array([1 + 2j]),
            "s: labels must be whole numbers, texts or truth values, not complex128",
        ),
        (
            [[1, 1], [0, 1]],
            "s: labels of shape (2, 2) must have one 1 in each row and 0 else, a column for each "
            "class",
        ),
        (5, "s: labels must be one for each sample, of shape (n,), not ()"),
        (
            [np.inf, 1],
            "s: labels must be classes (whole numbers or texts), not fractions such as inf",
        ),
    ],
)  # fmt: skip
def test_labels_that_are_none(labels, message):
    with raises(message):
        texts(labels, "s")


def test_classes_are_in_order_and_numbers_by_their_size():
    assert class_names(np.array(["10", "9", "-1", "9"]), "s") == ("-1", "9", "10")
    assert class_names(np.array(["b", "10", "9"]), "s") == ("10", "9", "b")


def test_how_many_classes_there_may_be():
    with raises("s must have at least 2 classes, not 1: all samples are 'a'"):
        class_names(np.array(["a", "a"]), "s")
    with raises(
        "s must have at most 256 classes, not 257 (0, 1, 10, 100, ... (257 in all)); check that "
        "its labels are classes"
    ):
        class_names(np.arange(257).astype(str), "s")
    assert len(class_names(np.arange(256).astype(str), "s")) == 256


def test_numbers():
    found = numbered(np.array(["b", "a", "b"]), ("a", "b"), "s")
    assert found.dtype == np.uint8
    assert found.tolist() == [1, 0, 1]
    with raises("s has labels that the training samples lack: c, d; the classes are a, b"):
        numbered(np.array(["d", "a", "c"]), ("a", "b"), "s")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "", " "], [False, True, True]),
        ([b"a", b""], [False, True]),
        ([1.0, float("nan")], [False, True]),
        (np.array([None, "a", 3, float("nan")], object), [True, False, False, True]),
        ([[""], ["b"]], [True, False]),
        ([0, 1], [False, False]),
        ([[0, 1], [1, 0]], [False, False]),
    ],
)
def test_labels_that_are_absent(labels, expected):
    assert absent(labels).tolist() == expected


def test_no_two_outputs_are_called_alike():
    assert names_of_outputs(["a", "b"], 2) == ["a", "b"]
    letters = [str(number) for number in range(1, 27)]
    assert names_of_outputs(letters, 28) == [*letters, "output 26", "27"]
    assert names_of_outputs(["2", "output 2"], 3) == ["2", "output 2", "output output 2"]
