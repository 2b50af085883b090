"""Samples that have arrived, as images and classes."""

import numpy as np
import pytest

from popflip.golden.datasets.encoder import fit_encoder
from popflip.golden.datasets.reading.raw import RawSamples
from popflip.golden.description.params import Params
from popflip.golden.description.sections.data import Data
from popflip.golden.support.errors import InputError
from popflip.scripts.training.streaming.parsing import Arrival
from popflip.scripts.training.streaming.samples import ClassNames, Sample, SampleEncoder

PARAMS = Params.build({
    "network": {"image": [1, 4], "hidden": [8], "classes": 3},
    "dynamics": {"gains": [40, 20]},
    "learning": {"tau": [4, 4]},
    "machine": {"row_lanes": 4, "relax_lanes": 1, "latent_lanes": [1, 1]},
})

TABLE = {
    "size": np.arange(40.0),
    "colour": np.array(["red", "blue", "green"] * 13 + ["red"]),
}


def encoder():
    """An encoder of two columns, which make four pixels."""
    fitted, _ = fit_encoder(RawSamples(TABLE, None, "t"), Data(), "table", (1, 4))
    return fitted


def encoded(arrivals, fitted=None, names=("a",), **options):
    """Encode arrivals; return what becomes of them and the names of the classes."""
    classes = ClassNames(names, 3, **options)
    return SampleEncoder(PARAMS, fitted, classes).encode(arrivals), classes


def test_values_are_encoded_as_the_training_samples_were():
    fitted = encoder()
    wanted = fitted.encode(RawSamples(TABLE, None, "t"))
    arrivals = [
        Arrival(i + 1, {"colour": str(TABLE["colour"][i]), "size": TABLE["size"][i]}, "a")
        for i in range(40)
    ]
    found, _ = encoded(arrivals, fitted)
    assert [sample.number for sample in found] == list(range(1, 41))
    np.testing.assert_array_equal(np.stack([sample.image for sample in found]), wanted)


def test_one_bad_sample_does_not_touch_the_others():
    good = np.array([0, 1, 2, 255])
    arrivals = [
        Arrival(1, good, "a"),
        Arrival(2, np.array([0, 1, 2]), "a"),
        Arrival(3, np.array([0, 1, 2, 256]), "a"),
        Arrival(4, why="it is no JSON"),
        Arrival(5, good, None),
    ]
    found, _ = encoded(arrivals)
    assert [isinstance(each, Sample) for each in found] == [True, False, False, False, True]
    assert found[1].why == "network.image must be 1 x 3 for x, not 1 x 4"
    assert found[2].why.startswith("x: values must be whole numbers from 0 to 255")
    assert found[3].why == "it is no JSON"
    assert (found[0].label, found[4].label) == (0, None)
    np.testing.assert_array_equal(found[0].image, good[None])
    np.testing.assert_array_equal(found[4].image, good[None])


def test_columns_are_the_network_s():
    bad = [
        {"size": 1.0},
        {"size": "big", "colour": "red"},
        {"size": float("nan"), "colour": "red"},
    ]
    found, _ = encoded([Arrival(i, values) for i, values in enumerate(bad)], encoder())
    assert found[0].why.startswith("x lacks columns that the network was trained with: colour")
    assert found[1].why.startswith("x: column 'size' must hold numbers, as in training, not texts")
    assert "lacks 1 of 1 values" in found[2].why


def test_an_odd_kind_in_one_sample_of_many():
    good = {"size": 3.0, "colour": "red"}
    found, _ = encoded([Arrival(1, good), Arrival(2, {**good, "size": "x"})], encoder())
    assert isinstance(found[0], Sample)
    assert isinstance(found[1], Arrival)


def test_new_classes_take_outputs_that_are_free():
    values = np.zeros(4)
    labels = ["a", "b", 7, "b", "c", 7.0, True]
    found, classes = encoded([Arrival(i, values, label) for i, label in enumerate(labels, 1)])
    labels = [each.label if isinstance(each, Sample) else "bad" for each in found]
    assert labels == [0, 1, 2, 1, "bad", 2, "bad"]
    assert classes.known == ["a", "b", "7"]
    assert classes.added == ["b", "7"]
    assert found[4].why == (
        "label 'c' would be a new class, and the network's 3 outputs are taken: a, b, 7"
    )
    assert [classes.name(number) for number in (0, 1, 2)] == ["a", "b", "7"]


def test_a_bad_sample_makes_no_new_class():
    _, classes = encoded([Arrival(1, np.zeros(3), "b")])
    assert classes.added == []
    assert classes.name(1) == "1", "an output without a name"


def test_new_classes_can_be_ruled_out():
    found, classes = encoded([Arrival(1, np.zeros(4), "b")], growing=False)
    assert found[0].why == "label 'b' is none of the classes: a"
    assert classes.known == ["a"]


@pytest.mark.parametrize("label", ["", "  ", 0.5, float("nan")])
def test_labels_that_are_none_are_refused(label):
    found, _ = encoded([Arrival(1, np.zeros(4), label)])
    assert isinstance(found[0], Arrival)
    assert found[0].why.startswith("label: ")


def test_there_cannot_be_more_names_than_outputs():
    with pytest.raises(InputError, match=r"^names must be at most 1, as outputs, not 2$"):
        ClassNames(["a", "b"], 1)


def test_an_output_without_a_class_is_not_called_as_one():
    names = ClassNames(["1", "2"], outputs=4)
    assert [names.name(number) for number in range(4)] == ["1", "2", "output 2", "3"]
