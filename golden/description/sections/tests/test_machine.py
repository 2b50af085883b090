"""Lanes that nobody gave: what follows from the network, and when."""

import json
import pickle

import pytest

from popflip.golden.description.params import Params, ParamsError

#: What somebody without an FPGA knows.
TREE = {
    "network": {"image": [8, 8], "thresholds": [63, 127], "hidden": [64], "copies": 2},
    "dynamics": {"gains": [14, 12]},
    "learning": {"beta": 2, "tau": [8, 8]},
}


def lanes(**changes):
    """Build TREE with some sections changed; return its lanes."""
    tree = {key: {**TREE.get(key, {}), **changes.get(key, {})} for key in {*TREE, *changes}}
    machine = Params.build(tree).machine
    return machine.row_lanes, machine.relax_lanes, list(machine.latent_lanes)


def test_without_a_word_about_the_machine():
    assert lanes() == (128, 20, [8, 8])
    assert lanes(machine={}) == (128, 20, [8, 8])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"network": {"image": [28, 28]}}, (121, 20, [8, 8]), id="13 equal words"),
        pytest.param({"network": {"image": [2, 2]}}, (8, 20, [8, 8]), id="short rows"),
        pytest.param({"network": {"image": [1, 1]}}, (2, 20, [2, 8]), id="shorter than latents"),
        pytest.param({"network": {"copies": 30}}, (128, 100, [8, 8]), id="300 outputs"),
        pytest.param({"machine": {"row_lanes": 5}}, (5, 20, [5, 8]), id="rows given"),
        pytest.param({"machine": {"relax_lanes": 3}}, (128, 3, [8, 3]), id="later words given"),
        pytest.param({"machine": {"latent_lanes": [1, 2]}}, (128, 20, [1, 2]), id="latents given"),
        pytest.param(
            {
                "network": {"image": [28, 28], "copies": 30},
                "machine": {"shared_update": True, "weight_slice": 8},
            },
            (1568, 300, [8, 8]),
            id="a shared engine takes whole rows",
        ),
    ],
)
def test_lanes_follow_from_the_network(changes, expected):
    assert lanes(**changes) == expected


def test_windows_fetched_serially_or_driven_ahead_are_not_cut():
    window = {"first": "local", "window": 8, "stride": 1, "features": 3, "hidden": []}
    three = {"network": {**window, "thresholds": [10, 20, 30], "copies": 30}}
    assert lanes(**three) == (96, 100, [8, 8])
    assert lanes(**three, machine={"serial_windows": True}) == (192, 100, [8, 8])
    assert lanes(**three, machine={"overlap": True}) == (96, 300, [8, 8])


def test_every_weight_layer_has_its_latents():
    assert lanes(
        network={"hidden": [64, 6, 150]}, dynamics={"gains": [1] * 4}, learning={"tau": [1] * 4}
    ) == (128, 75, [8, 6, 8, 8])


def test_they_are_there_after_loading_and_follow_a_change():
    params = Params.build(TREE)
    assert params.derived_lanes == {"row_lanes", "relax_lanes", "latent_lanes"}
    wider = {"network": {"hidden": [64, 9]}, "dynamics": {"gains": [1] * 3}}
    deeper = params.replace(**wider, learning={"tau": [1] * 3})
    assert deeper.machine.latent_lanes == (8, 8, 8)
    again = pickle.loads(pickle.dumps(deeper))
    assert again.replace(network={"image": [1, 1]}).machine.row_lanes == 2
    # Given, they stay, and are as wrong as any other.
    given = params.replace(machine={"row_lanes": 100})
    assert given.derived_lanes == {"relax_lanes", "latent_lanes"}
    with pytest.raises(ParamsError, match="row_lanes must be at most the fan-in, 2, not 100"):
        given.replace(network={"image": [1, 1]})


def test_what_is_read_back_is_equal_and_derives_nothing():
    params = Params.build(TREE)
    again = Params.build(json.loads(params.model_dump_json()))
    assert again == params
    assert again.digest == params.digest
    assert hash(again) == hash(params)
    assert again.derived_lanes == frozenset()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"copies": 0}}, "network.copies must be at least 1, not 0"),
        (
            {"machine": {"row_lanes": "8"}},
            "machine.row_lanes must be a whole number, not '8'",
        ),
        (
            {"machine": {"relax_lanes": True}},
            "machine.relax_lanes must be a whole number, not True",
        ),
        (
            {"machine": {"latent_lanes": None}},
            "machine.latent_lanes must be a list, not None",
        ),
    ],
)
def test_only_what_was_given_is_complained_about(changes, message):
    with pytest.raises(ParamsError) as caught:
        lanes(**changes)
    assert str(caught.value) == message
