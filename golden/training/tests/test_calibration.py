"""Calibrated networks are active as they should be, whatever their kind and the data."""

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.support.errors import InputError
from popflip.golden.training import calibration
from popflip.golden.training.calibration import (
    LEAST_ACTIVE,
    MOST_ACTIVE,
    calibrate,
    complaints,
    level_of,
    vital_signs,
)

DENSE = {"image": [8, 8], "thresholds": [63, 127], "hidden": [200], "copies": 4}
LOCAL = {
    "image": [12, 12], "thresholds": [127], "first": "local", "window": 5, "stride": 2,
    "features": 16, "copies": 2,
}  # fmt: skip


def network(tree, depth=2, **dynamics):
    """A network whose gains fit no data."""
    return Params.build({
        "network": tree,
        "dynamics": {"gains": [3] * depth, **dynamics},
        "learning": {"tau": [4] * depth},
    })  # fmt: skip


def samples(params, lit=0.3, n=128):
    """Input bits at random, so many of them 1, and classes."""
    rng = np.random.default_rng(3)
    x = rng.random((n, params.n_in)) < lit
    if params.network.pixel_bits == 8:
        x = (x * rng.integers(1, 256, x.shape)).astype(np.uint8)
    return x, rng.integers(0, params.network.classes, n)


@pytest.mark.parametrize("lit", [0.05, 0.3, 0.6])
@pytest.mark.parametrize(
    "tree",
    [
        DENSE,
        LOCAL,
        DENSE | {"hidden": [200, 150]},
        DENSE | {"hidden": [150, 200, 180]},
        LOCAL | {"hidden": [120]},
        {"image": [8, 8], "pixel_bits": 8, "hidden": [200], "copies": 4},
    ],
    ids=["dense", "local", "deep", "deeper", "local and dense", "8-bit pixels"],
)
def test_few_hidden_neurons_are_active_and_outputs_graded(tree, lit):
    params = network(tree, _depth(tree))
    x, labels = samples(params, lit)
    found = calibrate(params, x, labels)
    first, *later = found.after.active
    # With few bits lit, dot products take few values: the share cannot be met exactly.
    assert 0.7 * LEAST_ACTIVE <= first <= 1.5 * MOST_ACTIVE
    assert all(0.02 <= active <= 0.2 for active in later)
    assert 0.15 <= found.after.output_sum <= 0.4
    assert found.after.outputs_active < 0.3
    assert min(found.after.moved) > 0
    assert found.before == vital_signs(Model.initial(params, 1), x, labels)
    assert found.after == vital_signs(Model.initial(found.params, 1), x, labels)


def _depth(tree):
    dense = len(tree.get("hidden", ()))
    return 1 + dense + (tree.get("first") == "local")


def test_only_dynamics_change():
    params = network(DENSE, free_sweeps=6, potential_bits=10, v0=7)
    chosen = calibrate(params, *samples(params)).params
    assert chosen.dynamics.gains != params.dynamics.gains
    kept = {"gains", "feedback_gains", "threshold"}
    assert chosen.dynamics.model_dump(exclude=kept) == params.dynamics.model_dump(exclude=kept)
    assert chosen.replace(dynamics=params.dynamics.model_dump(mode="json")) == params


def test_what_it_had_before_does_not_matter():
    params = network(DENSE)
    x, labels = samples(params)
    other = params.replace(dynamics={"gains": [900, 80], "threshold": -4000})
    assert calibrate(params, x, labels).params == calibrate(other, x, labels).params
    assert calibrate(params, x, labels).params == calibrate(params, x, labels).params


def test_the_leaky_dynamics_keep_their_threshold():
    params = network(DENSE, kind="leaky", free_sweeps=12)
    found = calibrate(params, *samples(params))
    assert found.params.dynamics.threshold is None
    assert 0.03 <= found.after.active[0] <= 0.15
    assert 0.15 <= found.after.output_sum <= 0.45


def test_with_the_sign_code_half_are_active():
    params = network(DENSE, code="sign", free_sweeps=6, v0=128)
    found = calibrate(params, *samples(params))
    assert found.params.dynamics.hidden_threshold == 0
    assert 0.4 <= found.after.active[0] <= 0.6
    assert complaints(found.params, found.after) == []


def test_the_level_is_a_value_that_occurs():
    received = np.array([0] * 90 + [3] * 4 + [8] * 6)
    assert level_of(received) == 8
    assert level_of(np.array([0] * 50 + [1] * 50)) == 1  # never the least, which all reach
    assert level_of(np.array([2, 2])) == 2


def test_input_that_never_differs_is_refused():
    params = network(DENSE)
    x, labels = samples(params, lit=0.0)
    with pytest.raises(
        InputError,
        match=r"^what the hidden neurons receive is the same for all samples: no input bit "
        r"differs; try other network\.thresholds$",
    ):
        calibrate(params, x, labels)


def test_what_cannot_be_reached_is_said():
    # With one input bit a neuron receives -1, 0 or 1: nothing between 0 and a half is active.
    params = network({"image": [1, 1], "hidden": [200], "classes": 2, "copies": 4})
    x, labels = samples(params, lit=0.5)
    found = calibrate(params, x, labels)
    (first, *_) = complaints(found.params, found.after)
    assert first.endswith(
        "% of hidden layer 1 are active, not 5 to 8 %: what its neurons receive takes no value "
        "between"
    )
    assert calibration.complaints(found.params, found.before)[-1].startswith("no nudge moves")
