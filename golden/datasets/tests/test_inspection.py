"""What a data set holds, and what would be wrong with it."""

import numpy as np

from popflip.golden.datasets.inspection import inspect
from popflip.golden.datasets.reading.raw import RawData, RawSamples
from popflip.golden.description.params import Params

PARAMS = Params.build({
    "network": {"image": [1, 2], "hidden": [4], "classes": 2, "thresholds": [63, 191]},
    "dynamics": {"gains": [1, 1]},
    "learning": {"tau": [1, 1]},
})


def table(**columns):
    labels = np.array(["a", "b", "a", "b", "a", "a"])
    return RawData(RawSamples({k: np.array(v) for k, v in columns.items()}, labels, "s"))


def test_a_table():
    raw = table(n=[1.0, 2, 3, 4, 5, 5], m=[0, 0, 1, 1, 0, 1])
    found = inspect(raw, "mine", PARAMS)
    assert not found.problems
    assert (found.samples, found.has_test, found.shape) == (6, False, (6, 2))
    n = found.features[0]
    assert (n.name, n.kind, n.low, n.high, n.different, n.missing) == ("n", "numbers", 1, 5, 5, 0)
    assert found.classes == {"a": (3, 1), "b": (1, 1)}
    assert found.guessed == 50
    assert 0 < found.lit < 100
    assert found.dataset.name == "mine"


def test_all_that_is_missing_is_said():
    raw = table(n=[1, np.nan, 3, 4, 5, 6], t=["x", "", "", "y", "x", "x"], m=[0.0] * 6)
    found = inspect(raw, "mine", PARAMS)
    assert found.dataset is None
    assert len(found.problems) == 2
    assert found.problems[0].startswith("s: column 'n' lacks 1 of 6 values")
    assert found.problems[1] == "values are missing in n (1), t (2)"
    assert found.classes == {"a": (4, 0), "b": (2, 0)}


def test_what_does_not_fit_the_network():
    raw = table(n=[1.0, 2, 3, 4, 5, 6])
    assert inspect(raw, "mine", PARAMS).problems == (
        "network.image must be 1 x 1 for mine, not 1 x 2",
    )
    assert not inspect(raw, "mine", PARAMS, fits=False).problems
    assert not inspect(raw, "mine").problems


def test_labels_that_cannot_be_used():
    raw = RawData(RawSamples(np.zeros((3, 2)), np.array([0.5, 1, 2]), "s"))
    found = inspect(raw, "mine")
    assert found.classes == {}
    assert "fractions" in found.problems[0]


def test_bright_images_are_said():
    images = np.full((6, 2, 2), 250, np.uint8)
    images[:, 0, 0] -= np.arange(6, dtype=np.uint8)
    raw = RawData(RawSamples(images, np.array([0, 1] * 3), "s"), kind="images")
    (warning,) = inspect(raw, "mine").warnings
    assert warning == (
        "100 % of the input bits are 1, and should be few: if the background is bright, set "
        "data.invert = true"
    )


def test_rows_of_numbers_have_no_background():
    values = np.arange(12.0).reshape(6, 2)
    raw = RawData(RawSamples(values, np.array([0, 1] * 3), "s"))
    found = inspect(raw, "mine")
    assert found.lit > 50
    assert found.warnings == ()
