"""``popflip ablate layers``: a second layer of windows."""

import re
from dataclasses import replace

import numpy as np
import pytest

from popflip.golden.description.first_layer import Windows
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.state import initial_state
from popflip.scripts.verbs.explore.ablate import layers
from popflip.scripts.verbs.explore.ablate.layers import (
    STACKS,
    StackPlan,
    WindowPlan,
    build_stack,
    run_layers,
)
from popflip.scripts.verbs.explore.ablate.stack import Layer, Stack, StackSettings
from popflip.scripts.verbs.explore.ablate.trainings import Study

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]

#: Small, with a first layer whose windows are pooled and moved back inside at the border.
NETWORK = {
    "network": {
        "image": [8, 8], "thresholds": [85, 170], "first": "local", "window": 4, "stride": 2,
        "features": 6, "copies": 1, "pool": 2, "sharing": "full",
    },
    "dynamics": {"gains": [20, 10], "feedback_gains": [30], "threshold": 64},
    "learning": {
        "batch": 8, "latent_bits": 16, "first_latent_bits": 16, "tau": [3, 3], "beta": 6,
    },
}  # fmt: skip


def settings(params, windows=None):
    d, l = params.dynamics, params.learning
    layer = Layer(
        windows=windows or params.first_layer, gain=d.gains[0], threshold=d.hidden_threshold,
        feedback=d.feedback_gains[0], tau=l.tau[0], latent_bits=16,
    )  # fmt: skip
    return StackSettings(
        layers=(layer,), gain=d.gains[1], tau=l.tau[1], latent_bits=16,
        free_sweeps=d.free_sweeps, nudged_sweeps=l.nudged_sweeps, beta=l.beta, v_max=d.v_max,
    )  # fmt: skip


@pytest.mark.parametrize("sharing", ["full", "none"])
def test_one_layer_is_the_golden_model(sharing):
    params = Params.build(NETWORK).replace(network={"sharing": sharing})
    state = initial_state(params, 1)
    golden = Model(params, state.weights, state.latents, state.sign_state)
    stack = Stack(settings(params), weights=state.weights)
    rng, flips = np.random.default_rng(0), 0
    for _ in range(8):
        x, labels = rng.random((8, params.n_in)) < 0.3, rng.integers(0, 10, 8)
        assert (stack.relax(x)[0] == golden.relax(x).prediction).all()
        report, _ = golden.train(x, labels)
        assert stack.train(x, labels) == report.correct
        for mine, wanted in zip(stack.latents, golden.latents, strict=True):
            assert (mine == wanted).all()
        for mine, wanted in zip(stack.weights, golden.weights, strict=True):
            assert ((mine > 0) == wanted).all()
        flips += sum(report.flips)
    assert flips > 100


def test_a_second_layer_that_sees_all_of_the_first_is_the_golden_model():
    params = Params.build(NETWORK).replace(
        network={"pool": 1, "sharing": "none", "hidden": [9]},
        dynamics={"gains": [20, 10, 7], "feedback_gains": [30, 25], "threshold": 20},
        learning={"tau": [3, 3, 3]},
    )
    golden, first = Model.initial(params, seed=3), params.first_layer
    whole = Windows(image=first.grid, planes=first.block, block=9, size=first.grid, step=(1, 1))
    parts = {"threshold": params.dynamics.hidden_threshold, "tau": 3, "latent_bits": 16}
    below, above = (
        Layer(
            windows=windows, gain=params.dynamics.gains[l], feedback=params.feedback_gain(l + 1),
            **parts,
        )
        for l, windows in enumerate((first, whole))
    )  # fmt: skip
    wanted = replace(settings(params), layers=(below, above), gain=7)
    # The golden model keeps those of a second layer by the neurons below.
    weights = [golden.weights[0], golden.weights[1].T, golden.weights[2]]
    stack, rng, flips = Stack(wanted, weights=weights), np.random.default_rng(5), 0
    for _ in range(12):
        x, labels = rng.random((8, params.n_in)) < 0.4, rng.integers(0, 10, 8)
        report, _ = golden.train(x, labels)
        assert stack.train(x, labels) == report.correct
        turned = [stack.latents[0], stack.latents[1].T, stack.latents[2]]
        for mine, theirs in zip(turned, golden.latents, strict=True):
            assert (mine == theirs).all()
        assert ((stack.weights[1].T > 0) == golden.weights[1]).all()
        flips += sum(report.flips)
    assert flips > 100


def two(step=2, pool=2):
    below = Windows(
        image=(10, 10), planes=1, block=3, pool=(1, 1), shared=True, size=(3, 3), step=(1, 1)
    )
    above = Windows(
        image=below.grid, planes=3, block=4, pool=(pool, pool), shared=True, size=(3, 3),
        step=(step, step),
    )  # fmt: skip
    parts = {"gain": 1, "threshold": 1, "feedback": 1, "tau": 5, "latent_bits": 12}
    layers = tuple(Layer(windows=windows, **parts) for windows in (below, above))
    return StackSettings(
        layers=layers, gain=4, tau=5, latent_bits=12, free_sweeps=3, nudged_sweeps=2, beta=4
    )


@pytest.mark.parametrize(("step", "pool"), [(2, 2), (1, 1), (1, 3), (3, 2)])
def test_what_goes_down_is_what_came_up(step, pool):
    """Feedback, contrast and drive of the second layer, one synapse at a time."""
    wanted = two(step, pool)
    stack, windows = Stack(wanted, seed=3), wanted.layers[1].windows
    rng = np.random.default_rng(1)
    below = rng.random((2, windows.n_in)) < 0.4
    a = (rng.random((2, windows.neurons)) < 0.4).astype(np.float32)
    received, offset = stack._look(1, below.astype(np.float32))
    down = stack._down(1, a, offset)
    pairs = stack._pairs(1, a, below.astype(np.float32), offset)
    slow_down, slow_pairs = np.zeros_like(down), np.zeros_like(pairs)
    weights = stack.weights[1]
    for i in range(2):
        for neuron in range(windows.neurons):
            row = windows.row_of(neuron)
            dots = [
                weights[row] @ below[i, windows.input_bits(neuron, number)]
                for number in range(windows.offsets)
            ]
            assert received[i, neuron] == max(dots) - 1
            assert offset[i, neuron] == int(np.argmax(dots))
            if a[i, neuron]:
                bits = windows.input_bits(neuron, int(offset[i, neuron]))
                slow_down[i, bits] += weights[row]
                slow_pairs[row] += below[i, bits]
    assert (down == slow_down).all()
    assert (pairs == slow_pairs).all()
    assert down.any()


def test_a_second_layer_learns():
    stack = Stack(two(), seed=1)
    before = [w.copy() for w in stack.weights]
    rng = np.random.default_rng(2)
    for _ in range(30):
        stack.train(rng.random((8, 100)) < 0.4, rng.integers(0, 10, 8))
    for mine, old in zip(stack.weights, before, strict=True):
        assert (mine != old).any()
        assert (abs(mine) == 1).all()


def test_layers_that_do_not_meet_are_refused():
    fine = two()
    with pytest.raises(
        ValueError, match=r"windows must look at an image of \(8, 8\) with 3 planes"
    ):
        StackSettings(
            layers=(fine.layers[0], fine.layers[0]), gain=1, tau=1, latent_bits=8, free_sweeps=1,
            nudged_sweeps=1, beta=1,
        )  # fmt: skip


def test_open_thresholds_follow_from_what_is_received():
    params = Params.build(NETWORK)
    x = np.random.default_rng(0).random((60, params.n_in)) < 0.3
    plan = StackPlan(
        name="two", title="", gain=3,
        layers=(WindowPlan(size=3, features=4), WindowPlan(size=2, step=1, features=5, active=0.2)),
    )  # fmt: skip
    stack = build_stack(plan, params, x, seed=1)
    received = stack.receives(0, x)
    assert 0 < (received >= 0).mean() <= 0.065
    assert 0 < (stack.receives(1, received >= 0) >= 0).mean() <= 0.2
    # The networks that are compared take about as much memory.
    sizes = [
        build_stack(plan, layers.BASE, np.zeros((4, 1200), bool), 1).settings.memory_bits
        for plan in STACKS
    ]
    assert max(sizes) < 1.05 * min(sizes)


def test_layers_make_a_page_and_go_on(folder, tmp_path):
    one = StackPlan(name="one", title="one", gain=3, layers=(WindowPlan(size=4, features=4),))
    two = StackPlan(
        name="two", title="two", gain=3,
        layers=(WindowPlan(size=3, step=1, features=4), WindowPlan(size=3, features=4)),
    )  # fmt: skip
    base = Params.build(NETWORK)
    asked = Study(str(folder), tmp_path / "work", tmp_path / "page.md", 1, 2)
    report = run_layers(asked, base, 64, (one, two))
    text = (tmp_path / "page.md").read_text()
    assert [row["network"] for row in report["reports"]] == ["one", "two"]
    for row in report["reports"]:
        assert f"| {row['error']:.2f} ± {row['spread']:.2f} |" in text
        assert row["synapses"] > 0
        assert row["error"] < 90
    assert run_layers(asked, base, 64, (one, two)) == report
    # Another network of that name is not taken for it.
    other = replace(one, layers=(WindowPlan(size=3, features=12),))
    with pytest.raises(ValueError, match=r"one-seed1\.json is of other settings; name another"):
        run_layers(asked, base, 64, (other,))


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"copies": 2}},
        {"learning": {"reset_on_flip": True}},
        {"dynamics": {"v0": 100}},
        {"learning": {"nudging": "random-sign"}},
    ],
)
def test_other_bases_are_refused(folder, tmp_path, changes):
    asked = Study(str(folder), tmp_path / "work", tmp_path / "page.md", 1, 1)
    with pytest.raises(ValueError, match="base must have the heaviside code"):
        run_layers(asked, Params.build(NETWORK).replace(**changes))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--epochs", "0"], r"epochs must be at least 1, not 0"),
        (["--seeds", "0"], r"seeds must be at least 1, not 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(popflip, folder, tmp_path, options, line):
    paths = ["--data", folder, "--out", tmp_path / "work", "--page", tmp_path / "page.md"]
    status, out, err = popflip("ablate", "layers", *paths, *options)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err
    assert not (tmp_path / "work").exists()
