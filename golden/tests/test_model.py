"""The model against the textbook: real matrices, potentials in units of V, nothing packed.

The reference below is written from the formulas of the design and the paper: ``w[l]`` is a matrix
of -1 and +1 (0 where there is no synapse) that maps layer ``l`` to ``l + 1``, activations are 0.0
or 1.0 (or -1.0 and +1.0), potentials lie in [0, 1], and a potential is rounded down to a multiple
of 1 / V. V is a power of 2, so that every float here is exact and equality means equality.
"""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report, State

# The textbook ------------------------------------------------------------------------------------


def window(params, neuron):
    """Input bits that a neuron of layer 1 sees, in the order of its row, from their description."""
    net = params.network
    height, width = net.image
    planes = len(net.thresholds)
    if net.first == "dense":
        side_y, side_x, top, left = height, width, 0, 0
    else:
        across = (width - net.window) // net.stride + 1
        position = neuron // net.features
        side_y = side_x = net.window
        top, left = position // across * net.stride, position % across * net.stride
    return [
        ((top + y) * width + left + x) * planes + plane
        for y in range(side_y)
        for x in range(side_x)
        for plane in range(planes)
    ]


def matrices(params, stored):
    """Rows as stored, as matrices from each layer to the next; leading axes stay."""
    first = np.zeros((*stored[0].shape[:-1], params.n_in))
    for neuron in range(first.shape[-2]):
        first[..., neuron, window(params, neuron)] = stored[0][..., neuron, :]
    return [first] + [np.swapaxes(rows, -1, -2).astype(float) for rows in stored[1:]]


def spins(bits):
    return 2.0 * bits - 1.0


def times(w, a):
    """``w @ a`` for every sample: the leading axis before the last of ``a``."""
    return a @ np.swapaxes(w, -1, -2)


class Textbook:
    """The formulas, sample beside sample; ``w`` may have leading axes, for many networks at once.

    ``history`` holds, phase by phase, ``(a, s)`` after each half-sweep or step and before the
    first: the activations and, if leaky, the potentials of layers 1 to L, else of layer L alone.
    """

    def __init__(self, params, stored):
        d = params.dynamics
        self.params, self.depth = params, len(d.gains)
        self.w = matrices(params, [spins(rows) for rows in stored])
        self.v_max = 2.0**d.potential_bits
        self.alpha = [gain / self.v_max for gain in d.gains]
        if d.threshold is not None:
            self.theta = d.threshold / self.v_max
        else:
            self.theta = 0.5 if d.code == "heaviside" else 0.0

    def value(self, on):
        return np.where(on, 1.0, 0.0 if self.params.dynamics.code == "heaviside" else -1.0)

    def relax(self, x, labels, minus_only=False):
        net, learning = self.params.network, self.params.learning
        self.x = self.value(x)
        self.drive = self.alpha[0] * times(self.w[0], self.x)
        target = np.zeros((len(x), net.classes * net.copies))
        for row, label in enumerate(labels):
            target[row, label * net.copies : (label + 1) * net.copies] = 1.0
        self.target = target
        self.history = []
        self.rest = None
        free = self.phase(self.start(), self.params.dynamics.free_sweeps, 0)
        self.rest = outputs = free[1][-1]
        votes = outputs.reshape(*outputs.shape[:-1], net.classes, net.copies).sum(-1)
        # The lowest of the classes with the most votes.
        classes = np.arange(net.classes)
        most = votes == votes.max(-1, keepdims=True)
        self.prediction = np.where(most, classes, net.classes).min(-1)
        plus = minus = free
        if learning.nudging != "random-sign" or not minus_only:
            plus = self.phase(free, learning.nudged_sweeps, learning.beta)
        if learning.nudging == "centered" or (learning.nudging == "random-sign" and minus_only):
            minus = self.phase(free, learning.nudged_sweeps, -learning.beta)
        self.plus, self.minus = plus[0], minus[0]
        return self

    def start(self):
        d = self.params.dynamics
        shape = self.drive.shape[:-1]
        sizes = [w.shape[-2] for w in self.w]
        if d.kind == "leaky":
            return [np.ones((*shape, n)) for n in sizes], [np.ones((*shape, n)) for n in sizes]
        v0 = d.v0 / self.v_max
        a = [self.value(np.zeros((*shape, n), bool)) for n in sizes[:-1]]
        a.append(self.value(np.full((*shape, sizes[-1]), v0 >= 0.5)))
        return a, [np.full((*shape, sizes[-1]), v0)]

    def phase(self, state, sweeps, beta):
        states = [state]
        for _ in range(sweeps):
            if self.params.dynamics.kind == "leaky":
                states.append(self.leaky_step(*states[-1], beta))
            else:
                for parity in (1, 0):
                    states.append(self.half_sweep(*states[-1], beta, parity))
        self.history.append(states)
        return states[-1]

    def below(self, layer, a):
        if layer == 1:
            return self.drive
        return self.alpha[layer - 1] * times(self.w[layer - 1], a[layer - 2])

    def above(self, layer, a):
        return self.alpha[layer] * (a[layer] @ self.w[layer])

    def half_sweep(self, a, s, beta, parity):
        new, v = list(a), s[-1]
        for layer in range(1, self.depth):
            if layer % 2 == parity:
                u = self.below(layer, a) + self.above(layer, a)
                new[layer - 1] = self.value(u >= self.theta)
        if self.depth % 2 == parity:
            v = 0.5 * (v + self.below(self.depth, a) + self.nudge(v, beta))
            v = self.floor(np.clip(v, 0.0, 1.0))
            new[-1] = self.value(v >= 0.5)
        return new, [v]

    def nudge(self, v, beta):
        if not beta:
            return 0.0
        return beta * (self.target - (self.rest if self.params.learning.hold_nudge else v))

    def leaky_update(self, layer, a, s, beta):
        """The paper's step of one layer, not rounded."""
        if layer < self.depth:
            received = self.below(layer, a) + self.above(layer, a)
        else:
            received = self.below(layer, a) + self.nudge(s, beta)
        return np.clip(0.5 * s + 0.5 * received, 0.0, 1.0)

    def leaky_step(self, a, s, beta):
        s = [
            self.floor(self.leaky_update(layer, a, s[layer - 1], beta))
            for layer in range(1, self.depth + 1)
        ]
        return [self.value(state >= 0.5) for state in s], s

    def floor(self, v):
        return np.floor(v * self.v_max) / self.v_max

    def contrast(self, sample):
        """``a(+) a(+)^T - a(-) a(-)^T`` of one sample, in counts, as matrices like ``w``."""
        result = []
        for layer, w in enumerate(self.w):
            low = [self.x if layer == 0 else end[layer - 1] for end in (self.plus, self.minus)]
            high = [end[layer] for end in (self.plus, self.minus)]
            plus, minus = (np.outer(h[sample], l[sample]) for h, l in zip(high, low, strict=True))
            unit = 2 if self.params.dynamics.code == "sign" else 1
            result.append((plus - minus) / unit * (w != 0))
        return result

    def energy(self, a, x):
        """The energy of a state, up to what only depends on the outputs."""
        layers = [self.value(x), *a]
        total = self.theta * sum(layer.sum(-1) for layer in layers[1:-1])
        for layer, w in enumerate(self.w):
            total -= self.alpha[layer] * (layers[layer + 1] * times(w, layers[layer])).sum(-1)
        return total


# Networks ----------------------------------------------------------------------------------------

CODES = ("heaviside", "sign")
NUDGINGS = ("centered", "random-sign", "positive")
LOCAL = {"first": "local", "window": 2, "stride": 1, "features": 2}


def build(network, dynamics, learning=None):
    layers = len(network.get("hidden", [])) + 1 + (network.get("first") == "local")
    return Params.build({
        "network": {"image": [3, 3], "classes": 3, **network},
        "dynamics": {"gains": [3, 5, 4, 6][:layers], "potential_bits": 4, **dynamics},
        "learning": {"tau": [2] * layers, **(learning or {})},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1] * layers},
    })


#: By name: 1 to 3 hidden layers behind a dense or a local first one, copies, thresholds, starts.
NETWORKS = {
    "dense-1": ({"hidden": [5]}, {}),
    "dense-2": ({"hidden": [5, 4], "copies": 2}, {"v0": 8}),
    "dense-3": ({"hidden": [5, 4, 3], "image": [2, 4]}, {"v0": 16}),
    "local-1": (LOCAL, {"threshold": 3}),
    "local-2": (LOCAL | {"hidden": [4], "image": [2, 4], "copies": 2}, {}),
    "local-3": (
        LOCAL | {"hidden": [4, 5], "image": [2, 2], "thresholds": [9, 99]},
        {"threshold": 1},
    ),
}


def network(name, code, kind="sweeps", **learning):
    described, dynamics = NETWORKS[name]
    return build(described, {"code": code, "kind": kind, **dynamics}, learning)


def random_weights(params, rng):
    shapes = [params.synapses(layer) for layer in range(params.depth)]
    return [rng.random((shape.rows, shape.row_bits)) < 0.5 for shape in shapes]


def all_inputs(params):
    return np.array(list(itertools.product([False, True], repeat=params.n_in)))


def equal_history(params, got, reference):
    """Assert that every half-sweep of a relaxation is the textbook's."""
    d, ref = params.dynamics, reference
    units = ref.v_max
    np.testing.assert_array_equal(got.drive, units * (ref.drive - ref.theta), "drive")
    assert got.drive.dtype == np.int32
    assert len(got.history) == len(ref.history), "phases"
    for phase, (states, expected) in enumerate(zip(got.history, ref.history, strict=True)):
        assert len(states) == len(expected), f"half-sweeps of phase {phase}"
        for half, (state, (a, s)) in enumerate(zip(states, expected, strict=True)):
            where = f"phase {phase}, half-sweep or step {half}"
            for layer, (bits, value) in enumerate(zip(state.a, a, strict=True), 1):
                assert bits.dtype == bool
                np.testing.assert_array_equal(ref.value(bits), value, f"layer {layer}, {where}")
            np.testing.assert_array_equal(state.v, units * s[-1], f"outputs, {where}")
            if d.kind == "leaky":
                for layer, (mine, theirs) in enumerate(zip(state.s, s, strict=True), 1):
                    np.testing.assert_array_equal(mine, units * theirs, f"s of {layer}, {where}")
    np.testing.assert_array_equal(got.prediction, ref.prediction, "prediction")
    assert got.free is got.history[0][-1]
    for name in ("plus", "minus"):
        for layer, (bits, value) in enumerate(
            zip(getattr(got, name), getattr(ref, name), strict=True), 1
        ):
            np.testing.assert_array_equal(ref.value(bits), value, f"{name} end of layer {layer}")


# Against the textbook ----------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "v0"), [("heaviside", 0), ("sign", 8)])
def test_relaxes_like_the_textbook_for_all_weights_inputs_and_labels(code, v0):
    # 2 x 2 pixels, 2 hidden neurons, 2 outputs: 2**12 networks, each on 16 inputs by 2 labels.
    params = build(
        {"image": [2, 2], "hidden": [2], "classes": 2},
        {"code": code, "gains": [2, 6], "potential_bits": 3, "free_sweeps": 3, "v0": v0},
        {"nudged_sweeps": 2},
    )
    x = np.repeat(all_inputs(params), 2, axis=0)
    labels = np.tile([0, 1], 16)
    bits = np.array(list(itertools.product([False, True], repeat=12)))
    stored = [bits[:, :8].reshape(-1, 2, 4), bits[:, 8:].reshape(-1, 2, 2)]
    ref = Textbook(params, stored).relax(x, labels)

    results = [
        Model(params, weights).relax(x, labels, keep_history=True)
        for weights in zip(*stored, strict=True)
    ]

    def gather(pick):
        return np.array([pick(result) for result in results])

    units = ref.v_max
    np.testing.assert_array_equal(gather(lambda r: r.drive), units * (ref.drive - ref.theta))
    for phase, states in enumerate(ref.history):
        for half, (a, s) in enumerate(states):
            where = f"phase {phase}, half-sweep {half}"
            for layer in range(2):
                got = gather(lambda r: r.history[phase][half].a[layer])  # noqa: B023
                np.testing.assert_array_equal(ref.value(got), a[layer], f"{layer + 1}, {where}")
            got = gather(lambda r: r.history[phase][half].v)  # noqa: B023
            np.testing.assert_array_equal(got, units * s[-1], f"potentials, {where}")
    np.testing.assert_array_equal(gather(lambda r: r.prediction), ref.prediction)
    for layer in range(2):
        np.testing.assert_array_equal(ref.value(gather(lambda r: r.plus[layer])), ref.plus[layer])  # noqa: B023
        np.testing.assert_array_equal(ref.value(gather(lambda r: r.minus[layer])), ref.minus[layer])  # noqa: B023
    # All of it matters: feedback, neurons exactly at their threshold, potentials at both rails.
    (before, _), (after, _) = ref.history[0][-4], ref.history[0][-2]
    assert (before[0] != after[0]).any()
    feedback = ref.above(1, ref.history[0][-3][0])
    assert (ref.drive + feedback == ref.theta).any()
    assert {0, units} <= set(np.unique(units * ref.history[1][-1][1][-1]))
    for layer in range(2):
        assert (ref.plus[layer] != ref.minus[layer]).any()
    assert set(np.unique(ref.prediction)) == {0, 1}


@pytest.mark.parametrize(
    ("nudging", "hold"), [*((nudging, False) for nudging in NUDGINGS), ("centered", True)]
)
@pytest.mark.parametrize("kind", ["sweeps", "leaky"])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", NETWORKS)
def test_relaxes_like_the_textbook_for_all_inputs(name, code, kind, nudging, hold):
    params = network(name, code, kind, nudging=nudging, hold_nudge=hold, beta=3)
    x = all_inputs(params)
    rng = np.random.default_rng(list(NETWORKS).index(name))
    for trial in range(2):
        stored = random_weights(params, rng)
        labels = rng.integers(0, params.network.classes, len(x))
        seed = 2 + trial  # draws a plus first, then a minus
        model = Model(params, stored, sign_seed=seed)
        minus_only = bool(Lfsr(seed).draw(1))
        model.batch = len(x)
        report, got = model.train(x, labels, keep_history=True)
        ref = Textbook(params, stored).relax(x, labels, minus_only)
        equal_history(params, got, ref)
        assert report.correct == (ref.prediction == labels).sum()
        assert report.changed == (ref.plus[0] != ref.minus[0]).sum()
        if nudging != "centered":
            free = ref.plus if nudging == "random-sign" and minus_only else ref.minus
            assert free is ref.history[0][-1][0]


@pytest.mark.parametrize("reset", [False, True], ids=["kept", "reset"])
@pytest.mark.parametrize("nudging", NUDGINGS)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", NETWORKS)
def test_learns_like_the_textbook(name, code, nudging, reset):
    params = network(
        name, code, nudging=nudging, reset_on_flip=reset, batch=5, latent_bits=3, beta=3
    )
    rng = np.random.default_rng(11)
    stored = random_weights(params, rng)
    # One layer due more readily than another, so that each is compared with its own tau.
    taus = [1 + layer % 3 for layer in range(params.depth)]
    top = 3.0
    x = rng.random((43, params.n_in)) < 0.5
    labels = rng.integers(0, params.network.classes, len(x))
    model, signs = Model(params, stored, sign_seed=0b1011010), Lfsr(0b1011010)
    model.tau = tuple(taus)

    ref = Textbook(params, stored)
    m = [np.zeros_like(w) for w in ref.w]
    total = Report()
    changed, flips, correct, saturated = 0, np.zeros(params.depth, int), 0, False
    for first in range(0, len(x), 5):
        batch = slice(first, first + 5)
        report, _ = model.train(x[batch], labels[batch])
        total += report
        if len(x[batch]) < 5:
            total += Report(flips=model.flush())

        minus_only = nudging == "random-sign" and bool(signs.draw(1))
        ref.relax(x[batch], labels[batch], minus_only)
        correct += (ref.prediction == labels[batch]).sum()
        changed += (ref.plus[0] != ref.minus[0]).sum()
        for sample in range(len(x[batch])):
            for layer, c in enumerate(ref.contrast(sample)):
                saturated |= (np.abs(m[layer] + c) > top).any()
                m[layer] = np.clip(m[layer] + c, -top, top)
        for layer, tau in enumerate(taus):
            due = m[layer] * ref.w[layer] <= -tau
            ref.w[layer] = np.where(due, -ref.w[layer], ref.w[layer])
            m[layer] = np.where(due & reset, 0.0, m[layer])
            flips[layer] += due.sum()

        where = f"after sample {first + 4}"
        weights = matrices(params, [spins(rows) for rows in model.weights])
        latents = matrices(params, model.latents)
        for layer in range(params.depth):
            np.testing.assert_array_equal(weights[layer], ref.w[layer], f"{layer}, {where}")
            np.testing.assert_array_equal(latents[layer], m[layer], f"latents {layer}, {where}")
            assert model.latents[layer].dtype == np.int16
    assert total == Report(len(x), correct, changed, flips.tolist())
    assert flips.sum() > 0, "nothing was learned"
    assert saturated or reset, "no latent met its rail"
    assert model.signs.state == signs.state


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", NETWORKS)
def test_leaky_is_the_papers_equation_rounded_down(name, code):
    params = network(name, code, "leaky", nudging="centered", beta=3)
    x = all_inputs(params)
    rng = np.random.default_rng(5)
    stored = random_weights(params, rng)
    labels = rng.integers(0, params.network.classes, len(x))
    ref = Textbook(params, stored).relax(x, labels)
    history = Model(params, stored).relax(x, labels, keep_history=True).history
    betas = (0, params.learning.beta, -params.learning.beta)
    seen = set()
    for beta, states in zip(betas, history, strict=True):
        real = [np.ones(s.shape) for s in states[0].s]
        for step, (state, after) in enumerate(itertools.pairwise(states), 1):
            a = [ref.value(bits) for bits in state.a]
            for layer in range(1, params.depth + 1):
                where = f"layer {layer}, step {step}, beta {beta}"
                s, s_after = state.s[layer - 1] / ref.v_max, after.s[layer - 1]
                # One step loses half a unit or nothing, and never an activation.
                exact = ref.leaky_update(layer, a, s, beta)
                loss = exact * ref.v_max - s_after
                assert set(np.unique(loss)) <= {0.0, 0.5}, where
                seen |= set(np.unique(loss))
                np.testing.assert_array_equal(exact >= 0.5, after.a[layer - 1], where)
                if beta == 0:
                    # Never rounding at all leads away by less than one unit, however many steps.
                    real[layer - 1] = ref.leaky_update(layer, a, real[layer - 1], 0)
                    drift = real[layer - 1] * ref.v_max - s_after
                    assert drift.min() >= 0, where
                    assert drift.max() <= 1 - 0.5**step, where
    assert seen == {0.0, 0.5}


# Energy ------------------------------------------------------------------------------------------


@st.composite
def networks(draw):
    hidden = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    first = draw(st.sampled_from(["dense", "local"]))
    layers = len(hidden) + 1
    described = {"hidden": hidden, "copies": draw(st.integers(1, 2))}
    if first == "local":
        described |= LOCAL | {"hidden": hidden[1:]}
    return Params.build({
        "network": {"image": [3, 3], "classes": 3, **described},
        "dynamics": {
            "gains": draw(st.lists(st.integers(1, 40), min_size=layers, max_size=layers)),
            "code": draw(st.sampled_from(CODES)),
            "threshold": draw(st.none() | st.integers(-60, 60)),
            "potential_bits": draw(st.integers(2, 6)),
        },
        "learning": {"tau": [2] * layers},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1] * layers},
    })


@settings(max_examples=150, deadline=None, derandomize=True)
@given(networks(), st.integers(0, 2**32), st.sampled_from([0, 3, -3]))
def test_hidden_half_of_a_sweep_never_raises_the_energy(params, seed, beta):
    rng = np.random.default_rng(seed)
    stored = random_weights(params, rng)
    model, ref = Model(params, stored), Textbook(params, stored)
    batch = 12
    x = rng.random((batch, params.n_in)) < 0.5
    a = [rng.random((batch, n)) < 0.5 for n in params.sizes[1:]]
    v = rng.integers(0, params.dynamics.v_max + 1, (batch, params.n_out))
    before = State(a, v.astype(np.int32))

    def energy(a):
        mine = model.energy(a, x)
        theirs = ref.energy([ref.value(bits) for bits in a], x) * ref.v_max
        # Not exact where V is no unit of it: a threshold times the neurons stays an integer here.
        np.testing.assert_array_equal(mine, theirs)
        return mine

    halves = model.sweep(before, model.drive(x), (lambda v: -beta * v) if beta else None)
    for parity, after in zip((1, 0), halves, strict=True):
        hidden = [*after.a[:-1], before.a[-1]]
        lowered = energy(hidden)
        assert (lowered <= energy(before.a)).all(), f"parity {parity}"
        for layer in range(1, params.depth):
            if layer % 2 != parity:
                np.testing.assert_array_equal(after.a[layer - 1], before.a[layer - 1])
                continue
            # The block is at its minimum: no neuron of it could lower the energy by turning.
            for neuron in range(params.sizes[layer]):
                turned = [bits.copy() for bits in hidden]
                turned[layer - 1][:, neuron] ^= True
                assert (energy(turned) >= lowered).all(), f"neuron {neuron} of layer {layer}"
        before = after


# Ties --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "x", "threshold"),
    # Two pixels of gain 3: 3 * 2 with both on, 3 * (1 - 1) with spins that disagree.
    [("heaviside", [True, True], 6), ("sign", [True, False], None)],
)
def test_neuron_at_its_threshold_is_active(code, x, threshold):
    def hidden(threshold):
        params = build(
            {"image": [1, 2], "hidden": [1], "classes": 2},
            {"code": code, "gains": [3, 1], "threshold": threshold},
        )
        # Opposite weights to the two silent outputs: no feedback.
        model = Model(params, [np.ones((1, 2), bool), np.array([[True, False]])])
        return model.relax(np.array([x]), keep_history=True)

    assert hidden(threshold).drive.tolist() == [[0]]
    assert hidden(threshold).free.a[0].tolist() == [[True]]
    assert hidden((threshold or 0) + 1).drive.tolist() == [[-1]]
    assert hidden((threshold or 0) + 1).free.a[0].tolist() == [[False]]


def outputs(gain, weights, v0=0, sweeps=1, bits=4):
    """Free state of outputs above one active neuron, one per class, with these weights to them."""
    params = build(
        {"image": [1, 1], "hidden": [1], "classes": len(weights)},
        {
            "gains": [100, gain], "threshold": -1000, "v0": v0, "free_sweeps": sweeps,
            "potential_bits": bits,
        },
    )  # fmt: skip
    weights = [np.ones((1, 1), bool), np.array([weights]) > 0]
    relaxation = Model(params, weights).relax(np.array([[True]]))
    assert relaxation.free.a[0].all()
    return relaxation


def test_output_at_half_of_v_is_active():
    # V = 16: (0 + 16) >> 1 is half of it, (0 + 15) >> 1 is not.
    for gain, v, active in ((16, 8, True), (17, 8, True), (15, 7, False)):
        free = outputs(gain, [1, -1]).free
        assert free.v.tolist() == [[v, 0]], f"gain {gain}"
        assert free.a[1].tolist() == [[active, False]], f"gain {gain}"


def test_potentials_round_down_also_below_zero_and_stop_at_both_rails():
    # (3 - 4) >> 1 is -1 and becomes 0; (16 + 40) >> 1 exceeds 16.
    assert outputs(4, [1, -1], v0=3).free.v.tolist() == [[3, 0]]
    assert outputs(40, [1, -1], v0=16).free.v.tolist() == [[16, 0]]
    assert outputs(15, [1, -1], v0=16).free.v.tolist() == [[15, 0]]


@pytest.mark.parametrize(
    ("weights", "prediction"),
    [((1, 1, 1), 0), ((-1, -1, -1), 0), ((-1, 1, 1), 1), ((1, -1, 1), 0), ((-1, -1, 1), 2)],
)
def test_lowest_class_wins_a_tie(weights, prediction):
    relaxation = outputs(16, weights)
    assert relaxation.prediction.tolist() == [prediction]
    assert relaxation.plus == relaxation.minus == relaxation.history == []


def test_copies_vote_by_their_potentials_not_by_their_activations():
    params = build(
        {"image": [1, 1], "hidden": [3], "classes": 2, "copies": 2},
        {"gains": [100, 7], "threshold": -1000, "free_sweeps": 1},
    )
    # Of three active neurons, outputs 0 and 1 get 1 * 7, output 2 gets 3 * 7, output 3 gets less.
    rows = np.array([[1, 1, 1, -1], [1, 1, 1, -1], [-1, -1, 1, -1]]) > 0
    relaxation = Model(params, [np.ones((3, 1), bool), rows]).relax(np.array([[True]]))
    assert relaxation.free.v.tolist() == [[3, 3, 10, 0]]
    assert relaxation.prediction.tolist() == [1]


# Samples -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sweeps", "leaky"])
@pytest.mark.parametrize("name", ["dense-2", "local-2"])
def test_samples_side_by_side_do_not_touch(name, kind):
    params = network(name, "heaviside", kind)
    rng = np.random.default_rng(2)
    model = Model.initial(params, 4)
    x = rng.random((30, params.n_in)) < 0.5
    labels = rng.integers(0, 3, 30)
    together = model.relax(x, labels, keep_history=True)
    for i in range(30):
        single = model.relax(x[i : i + 1], labels[i : i + 1], keep_history=True)
        assert single.prediction.tolist() == [together.prediction[i]]
        np.testing.assert_array_equal(single.drive[0], together.drive[i])
        for phase, states in enumerate(single.history):
            for half, state in enumerate(states):
                other = together.history[phase][half]
                where = f"sample {i}, phase {phase}, half-sweep {half}"
                np.testing.assert_array_equal(state.v[0], other.v[i], where)
                for mine, theirs in zip(state.a + state.s, other.a + other.s, strict=True):
                    np.testing.assert_array_equal(mine[0], theirs[i], where)
        for end in ("plus", "minus"):
            for mine, theirs in zip(getattr(single, end), getattr(together, end), strict=True):
                np.testing.assert_array_equal(mine[0], theirs[i], f"{end} end of sample {i}")


def test_prediction_needs_no_labels_and_changes_nothing():
    params = network("local-1", "heaviside", nudging="random-sign")
    model = Model.initial(params, 4)
    x = all_inputs(params)
    weights, state = [w.copy() for w in model.weights], model.signs.state
    without = model.relax(x)
    assert (without.plus, without.minus, without.history) == ([], [], [])
    with_labels = model.relax(x, np.zeros(len(x), int))
    np.testing.assert_array_equal(without.prediction, with_labels.prediction)
    assert len(np.unique(without.prediction)) > 1
    assert model.signs.state == state
    assert model.pending == 0
    for before, after in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not any(latents.any() for latents in model.latents)


@pytest.mark.parametrize("nudging", NUDGINGS)
def test_batch_in_pieces_is_the_same_batch(nudging):
    params = network("local-2", "heaviside", nudging=nudging, batch=8, tau=[1, 1, 1])
    rng = np.random.default_rng(3)
    x = rng.random((32, params.n_in)) < 0.5
    labels = rng.integers(0, 3, 32)
    whole, pieces = (Model.initial(params, 9) for _ in range(2))
    first, second = Report(), Report()
    for start in range(0, 32, 8):
        report, _ = whole.train(x[start : start + 8], labels[start : start + 8])
        first += report
        assert whole.pending == 0
    cuts = [0, 3, 8, 9, 10, 16, 23, 24, 32]
    for start, end in itertools.pairwise(cuts):
        report, _ = pieces.train(x[start:end], labels[start:end])
        second += report
        assert pieces.pending == end % 8
        assert end % 8 == 0 or report.flips == [0, 0, 0], f"flips inside a batch, at {end}"
    assert first == second
    assert sum(first.flips) > 0
    assert whole.signs.state == pieces.signs.state
    for name in ("weights", "latents"):
        for a, b in zip(getattr(whole, name), getattr(pieces, name), strict=True):
            np.testing.assert_array_equal(a, b, name)


def test_weights_hold_still_within_a_batch():
    params = network("dense-1", "heaviside", batch=3, tau=[1, 1])
    rng = np.random.default_rng(1)
    model = Model.initial(params, 2)
    before = [w.copy() for w in model.weights]
    x = rng.random((3, 9)) < 0.5
    model.train(x[:2], np.array([0, 1]))
    assert any(latents.any() for latents in model.latents)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    counts = model.flush()
    assert sum(counts) > 0
    assert counts == [
        int((old != new).sum()) for old, new in zip(before, model.weights, strict=True)
    ]
    # What was flipped is what relaxes next.
    again = Model(params, model.weights).relax(x, keep_history=True)
    after = model.relax(x, keep_history=True)
    np.testing.assert_array_equal(again.drive, after.drive)
    np.testing.assert_array_equal(again.free.v, after.free.v)


def test_latents_stay_at_their_rails():
    params = network("dense-1", "heaviside", latent_bits=2, tau=[1, 1], batch=65535)
    rng = np.random.default_rng(1)
    model = Model.initial(params, 2)
    x = rng.random((200, 9)) < 0.5
    model.train(x, rng.integers(0, 3, 200))
    for layer, latents in enumerate(model.latents):
        assert set(np.unique(latents)) == {-1, 0, 1}, f"layer {layer}"


# Random draws ------------------------------------------------------------------------------------


def test_one_bit_per_batch_decides_the_sign_of_nudging():
    params = network("dense-1", "heaviside", nudging="random-sign", batch=4, tau=[100, 100])
    rng = np.random.default_rng(1)
    seed = 0xC0FFEE
    model, signs = Model(params, random_weights(params, rng), sign_seed=seed), Lfsr(seed)
    seen = []
    for batch in range(12):
        minus_only = bool(signs.draw(1))
        for piece in (slice(0, 1), slice(1, 4)) if batch % 3 else (slice(0, 4),):
            x = rng.random((4, 9)) < 0.5
            _, r = model.train(x[piece], np.zeros(len(x[piece]), int), keep_history=True)
            assert model.signs.state == signs.state, f"batch {batch}"
            free, nudged = r.history[0][-1].a, r.history[1][-1].a
            assert (r.minus, r.plus) == ((nudged, free) if minus_only else (free, nudged))
        seen.append(minus_only)
    assert 0 < sum(seen) < 12
    # A flush ends a batch early: the next sample is of a new one.
    model.train(x[:1], np.zeros(1, int))
    signs.draw(1)
    model.flush()
    assert model.signs.state == signs.state
    model.train(x[:1], np.zeros(1, int))
    signs.draw(1)
    assert model.signs.state == signs.state


@pytest.mark.parametrize("nudging", ["centered", "positive"])
def test_other_nudgings_draw_nothing(nudging):
    model = Model.initial(network("dense-1", "heaviside", nudging=nudging), 1)
    state = model.signs.state
    model.train(np.ones((1, 9), bool), np.array([0]))
    assert model.signs.state == state


def test_initial_weights_follow_from_the_seed():
    params = Params.load("local-small")
    one, same, other = (Model.initial(params, seed) for seed in (1, 1, 2))
    for a, b, c in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        # Even, and independent of another seed's: within four standard deviations.
        n = a.size
        assert abs(a.sum() - n / 2) < 2 * np.sqrt(n)
        assert abs((a == c).sum() - n / 2) < 2 * np.sqrt(n)
    assert one.signs.state == same.signs.state != other.signs.state
    # A state with few ones would draw zeros for long.
    assert 8 <= one.signs.state.bit_count() <= 24
    assert not any(latents.any() for latents in one.latents)


# Order of bits -----------------------------------------------------------------------------------


def test_a_row_holds_its_window_row_by_row_then_plane_by_plane():
    # 3 x 4 pixels of 2 planes; 2 x 2 windows of stride 1: 2 rows of 3 positions, 2 neurons each.
    params = build(
        LOCAL | {"image": [3, 4], "thresholds": [9, 99]}, {"gains": [1, 1], "threshold": 0}
    )
    expected = {
        0: [0, 1, 2, 3, 8, 9, 10, 11],
        1: [2, 3, 4, 5, 10, 11, 12, 13],
        2: [4, 5, 6, 7, 12, 13, 14, 15],
        3: [8, 9, 10, 11, 16, 17, 18, 19],
        5: [12, 13, 14, 15, 20, 21, 22, 23],
    }
    for position, bits in expected.items():
        for feature, column in itertools.product(range(2), range(8)):
            neuron = 2 * position + feature
            rows = np.zeros((12, 8), bool)
            rows[neuron, column] = True
            drive = Model(params, [rows, np.zeros((12, 3), bool)]).drive(np.eye(24, dtype=bool))
            # Only the one bit is seen with a weight of +1, by the one neuron.
            where = f"neuron {neuron}, column {column}"
            assert np.argwhere(drive == 1).tolist() == [[bits[column], neuron]], where
            seen = np.flatnonzero(drive[:, neuron])
            assert seen.tolist() == bits, where


def test_a_stride_of_more_than_a_pixel_skips_positions():
    params = build(
        {"first": "local", "window": 2, "stride": 3, "features": 1, "image": [6, 5]},
        {"gains": [1, 1], "threshold": 0},
    )
    drive = Model.initial(params).drive(np.eye(30, dtype=bool))
    corners = [0, 3, 15, 18]
    for neuron, corner in enumerate(corners):
        seen = np.flatnonzero(drive[:, neuron]).tolist()
        assert seen == [corner, corner + 1, corner + 5, corner + 6], f"neuron {neuron}"


def test_later_weights_are_stored_by_the_lower_neuron():
    params = build({"hidden": [2]}, {"gains": [100, 7], "threshold": -1000, "free_sweeps": 1})
    model = Model(params, [np.ones((2, 9), bool), np.array([[1, 0, 1], [1, 0, 0]]) > 0])
    v = model.relax(np.ones((1, 9), bool)).free.v
    assert v.tolist() == [[7, 0, 0]]


# Rejections --------------------------------------------------------------------------------------


def test_rejects_arrays_of_another_shape():
    params = network("dense-1", "heaviside")
    good = [np.zeros((5, 9), bool), np.zeros((5, 3), bool)]
    for name, weights, latents, found in (
        ("weights", [good[0].T, good[1]], None, [(9, 5), (5, 3)]),
        ("weights", good[:1], None, [(5, 9)]),
        ("latents", good, [good[0], good[1].T], [(5, 9), (3, 5)]),
    ):
        message = f"{name} must have shapes [(5, 9), (5, 3)], not {found}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            Model(params, weights, latents)


def test_rejects_more_samples_than_the_batch_has_left():
    model = Model.initial(network("dense-1", "heaviside", batch=3))
    model.train(np.zeros((1, 9), bool), np.zeros(1, int))
    message = "x must have at most 2 samples, the rest of the batch, not 3"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.train(np.zeros((3, 9), bool), np.zeros(3, int))
    assert model.pending == 1


def test_takes_copies_of_what_it_is_given():
    params = network("dense-1", "heaviside", tau=[1, 1])
    rng = np.random.default_rng(1)
    weights = random_weights(params, rng)
    latents = [np.zeros(w.shape, np.int16) for w in weights]
    before = [w.copy() for w in weights]
    model = Model(params, weights, latents)
    flips = 0
    for x in rng.random((20, 1, 9)) < 0.5:
        flips += sum(model.train(x, rng.integers(0, 3, 1))[0].flips)
    assert flips > 0
    assert not any(m.any() for m in latents)
    for old, now in zip(before, weights, strict=True):
        np.testing.assert_array_equal(old, now)
    fresh = Model(params, weights, latents)
    for array in weights + latents:
        array[:] = 1
    for array, kept in zip(fresh.weights, before, strict=True):
        np.testing.assert_array_equal(array, kept)
    assert not any(m.any() for m in fresh.latents)


def test_reports_add_up():
    total = Report()
    total += Report(3, 2, 1, [4, 5], {"drive": 6, "total": 7})
    total += Report(10, 20, 30, [40, 50], {"drive": 60, "free": 1, "total": 70})
    assert total == Report(13, 22, 31, [44, 55], {"drive": 66, "free": 1, "total": 77})


def test_8_bit_pixels_count_by_their_value():
    params = Params.build({
        "network": {
            "image": [4, 4], "first": "local", "window": 3, "stride": 1, "features": 2,
            "classes": 2, "pixel_bits": 8,
        },
        "dynamics": {"gains": [60, 90]},
        "learning": {"batch": 50, "latent_bits": 12, "tau": [900, 9]},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })  # fmt: skip
    rng = np.random.default_rng(8)
    model = Model(params, random_weights(params, rng))
    x = rng.integers(0, 256, (40, 16), dtype=np.uint8)
    _, found = model.train(x, rng.integers(0, 2, 40))
    latents, moved = np.zeros((8, 9), int), 0
    for sample, image in enumerate(x.tolist()):
        for neuron in range(8):
            top, left = divmod(neuron // 2, 2)
            seen = [image[4 * (top + r) + left + c] for r in range(3) for c in range(3)]
            signs = [1 if w else -1 for w in model.weights[0][neuron]]
            total = sum(w * p for w, p in zip(signs, seen, strict=True))
            assert found.drive[sample, neuron] == 60 * total // 256 - 128
            step = int(found.plus[0][sample, neuron]) - int(found.minus[0][sample, neuron])
            moved += step != 0
            latents[neuron] = np.clip(latents[neuron] + step * np.array(seen), -2047, 2047)
    assert moved
    assert model.latents[0].tolist() == latents.tolist()
