"""One sample explained: the trace against the model, the cycle model and the textbook."""

import numpy as np
import pytest

from popflip.golden.cycles.sample import SampleRun
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.support.errors import InputError
from popflip.golden.trace import trace

PARAMS = Params.load("local-small")


def build(**sections):
    tree = {
        "network": {"image": [6, 6], "hidden": [10], "classes": 3, "copies": 4},
        "dynamics": {"gains": [40, 30]},
        "learning": {"tau": [3, 2]},
        "machine": {"row_lanes": 36, "relax_lanes": 3, "latent_lanes": [18, 3]},
    }
    for name, section in sections.items():
        tree[name] = tree[name] | section
    return Params.build(tree)


def learned(params, seed, samples=40):
    """A model that has learned a little, and another sample."""
    rng = np.random.default_rng(seed)
    model = Model.initial(params, seed)
    n = params.n_in
    for _ in range(samples):
        model.train(rng.random((1, n)) < 0.3, rng.integers(0, params.network.classes, 1))
    return model, rng.random(n) < 0.3, int(rng.integers(0, params.network.classes))


NETWORKS = {
    "local": PARAMS,
    "dense": build(),
    "sign": build(dynamics={"code": "sign"}),
    "positive": build(learning={"nudging": "positive"}),
    "random-sign": build(learning={"nudging": "random-sign"}),
    "reset": build(learning={"reset_on_flip": True}),
    "leaky": build(dynamics={"kind": "leaky", "gains": [40, 30]}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_moves_are_what_the_model_learns(name):
    params = NETWORKS[name]
    for seed in range(1, 6):
        model, x, label = learned(params, seed)
        before = [weights.copy() for weights in model.weights]
        traced = trace(model, x, label)
        for mine, theirs in zip(before, model.weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        latents = [array.copy() for array in model.latents]
        report, relaxed = model.train(x[None], np.array([label]), keep_history=True)
        assert traced.prediction == relaxed.prediction[0]
        assert [int(moves.flips.sum()) for moves in traced.moves] == report.flips
        assert traced.differ[0].sum() == report.changed
        for layer, moves in enumerate(traced.moves):
            at = moves.rows, moves.bits
            np.testing.assert_array_equal(moves.before, latents[layer][at])
            kept = ~moves.flips if params.learning.reset_on_flip else np.ones(len(moves), bool)
            np.testing.assert_array_equal(moves.after[kept], model.latents[layer][at][kept])
            np.testing.assert_array_equal(moves.weights ^ moves.flips, model.weights[layer][at])
            rest = np.ones_like(latents[layer], bool)
            rest[at] = False
            np.testing.assert_array_equal(latents[layer][rest], model.latents[layer][rest])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_phases_are_those_of_the_model(name):
    params = NETWORKS[name]
    model, x, label = learned(params, 3)
    traced = trace(model, x, label)
    nudged = 1 if params.learning.nudging != "centered" else 2
    assert len(traced.phases) == 1 + nudged
    assert traced.phases[0].name == "free"
    relaxed = Model(params, model.weights, model.latents).relax(x[None], keep_history=True)
    for mine, theirs in zip(traced.phases[0].states, relaxed.history[0], strict=True):
        np.testing.assert_array_equal(mine.v, theirs.v[0])
        for a, b in zip(mine.a, theirs.a, strict=True):
            np.testing.assert_array_equal(a, b[0])
    for phase in traced.phases[1:]:  # each starts from the free state
        np.testing.assert_array_equal(phase.states[0].v, traced.phases[0].states[-1].v)


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("name", ["local", "dense", "sign"])
def test_undecided_neurons_are_those_that_the_machine_visits(name, seed):
    params = NETWORKS[name]
    model, x, label = learned(params, seed)
    relaxed = Model(params, model.weights, model.latents).relax(x[None], [label], True)
    run = SampleRun(params, relaxed, 0)
    run.relax()
    np.testing.assert_array_equal(trace(model, x, label).undecided, run.undecided)


def test_what_a_neuron_that_is_decided_does_is_its_drive_s_sign():
    model, x, label = learned(PARAMS, 2)
    traced = trace(model, x, label)
    decided = ~traced.undecided
    assert 0 < decided.sum() < len(decided)
    for phase in traced.phases:
        for state in phase.states[1:]:
            np.testing.assert_array_equal(state.a[0][decided], traced.drive[decided] >= 0)


def test_the_energy_does_not_rise_in_the_hidden_half_of_a_free_sweep():
    model, x, label = learned(build(dynamics={"gains": [40, 30]}), 4)
    phase = trace(model, x, label).phases[0]
    for before, after in zip(phase.energies[0::2], phase.energies[1::2], strict=False):
        assert after <= before


def test_a_phase_says_when_it_has_settled():
    model, x, label = learned(PARAMS, 5)
    for phase in trace(model, x, label).phases:
        for state in phase.states[phase.settled :]:
            np.testing.assert_array_equal(state.v, phase.states[-1].v)


def test_what_cannot_be_traced():
    model = Model.initial(PARAMS)
    with pytest.raises(InputError, match=r"^x must be of shape \(784,\), not \(3,\)$"):
        trace(model, np.zeros(3, bool), 1)
    with pytest.raises(InputError, match=r"^label must be 0 to 9, not 10$"):
        trace(model, np.zeros(784, bool), 10)
