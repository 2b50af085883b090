"""The PyTorch model beside the plain one: every kind of row, step by step, over 20 batches."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from popflip.golden.paper.learning import Learner
from popflip.golden.paper.links import DenseLink
from popflip.golden.paper.network import Network
from popflip.golden.paper.systems import ROWS, Conv, Dense, Row
from popflip.golden.paper.tests import plain

pytestmark = pytest.mark.torch

BATCHES, BATCH = 20, 4

#: Of all comparisons of real numbers.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}

#: Layers of the small networks. The last pooling of a size leaves places over, as in the paper.
FC1 = (Dense(neurons=12), Dense(neurons=10))
FC2 = (Dense(neurons=12), Dense(neurons=9), Dense(neurons=10))
CONV = (
    Conv(channels=3, kernel=3, padding=1),
    Conv(channels=4, kernel=3, padding=1),
    Dense(neurons=10),
)
CIFAR = (Conv(channels=3), Conv(channels=4), Conv(channels=5), Dense(neurons=10))
FULL_FC1 = (Dense(neurons=40), Dense(neurons=20))
FULL_FC2 = (Dense(neurons=40), Dense(neurons=30), Dense(neurons=20))
FULL_CONV = (
    Conv(channels=4, kernel=3, padding=1, pool=3),
    Conv(channels=6, kernel=3, padding=1, pool=2),
    Dense(neurons=20),
)


class Small(Row):
    """A row for small images."""

    side = 8

    @property
    def image(self):
        """Channels, height and width of the input."""
        return (3 if self.data == "cifar10" else 1, self.side, self.side)


class Smaller(Small):
    """For pooling by 3 and then by 2, both of which leave places over: 11, 3, 1."""

    side = 11


def row_of(name, layers, **changes):
    """A row of the paper with other layers, and rates at which so few neurons learn visibly."""
    row = ROWS[name]
    cls = Smaller if layers is FULL_CONV else Small
    depth = len(layers)
    copies = layers[-1].neurons // 10
    leaky = row.dynamics == "leaky"
    kept = {field.name: getattr(row, field.name) for field in fields(row)}
    kept |= {
        "layers": layers, "copies": copies, "free_steps": 9, "nudged_steps": 4, "batch": BATCH,
        "gamma": tuple(0.02 + 0.01 * l for l in range(depth)),
        "tau": tuple((0.0041 if leaky else 0.0013) + 0.0003 * l for l in range(depth)),
        "bias_lr": tuple(0.01 + 0.005 * l for l in range(depth)),
    }  # fmt: skip
    if row.weights == "real":
        kept["weight_lr"] = tuple(0.03 + 0.01 * l for l in range(depth))
    if row.method == "bptt" or row.data == "cifar10":
        # What reaches the first layers is weak.
        kept["tau"] = tuple(2e-5 * 10**l for l in range(depth))
    if row.alpha_lr:
        kept["alpha_lr"] = tuple(0.002 + 0.001 * l for l in range(depth))
    return cls(**{**kept, **changes})


KINDS = {
    "fc1-float": FC1, "fc1-binary": FC1, "fc1-learned": FC1, "fc1-bptt": FC1,
    "fc2-float": FC2, "fc2-binary": FC2, "fc2-learned": FC2, "fc2-bptt": FC2,
    "conv-float": CONV, "conv-binary": CONV, "conv-learned": CONV, "conv-bptt": CONV,
    "cifar-float": CIFAR, "cifar-binary": CIFAR, "cifar-learned": CIFAR, "cifar-bptt": CIFAR,
    "full-fc1": FULL_FC1, "full-fc1-learned": FULL_FC1, "full-fc1-doubled": FULL_FC1,
    "full-fc1-held": FULL_FC1, "full-fc2": FULL_FC2, "full-fc2-learned": FULL_FC2,
    "full-conv": FULL_CONV, "full-conv-learned": FULL_CONV,
}  # fmt: skip


def make_exact(link):
    """Binary weights whose sums have nothing to round: their factors are multiples of 1/1024."""
    link.alpha = torch.round(link.alpha * 1024) / 1024
    link.rescale()


def beside(net, row):
    """The plain model with a network's weights and a row's recipe."""
    layers = []
    for link in net.links:
        weights, bias = link.weight.numpy().copy(), link.bias.numpy().copy()
        if isinstance(link, DenseLink):
            alpha = 1.0 if link.alpha is None else float(link.alpha)
            layers.append(plain.Dense(weights, bias, alpha))
        else:
            one = np.ones(len(bias)) if link.alpha is None else link.alpha.numpy().reshape(-1)
            layers.append(plain.Convolution(weights, bias, link.padding, link.pool, one.copy()))
    binary = "learned" if row.alpha_lr else "fixed"
    return plain.Plain(
        layers, row.free_steps, row.nudged_steps,
        weights="real" if row.weights == "real" else binary,
        binary_activations=row.dynamics == "leaky", held=row.frozen_nudge,
        rates_bias=row.bias_lr, rates_weights=row.weight_lr, rates_alpha=row.alpha_lr,
        gammas=row.gamma, taus=row.tau,
    )  # fmt: skip


def step_beside(net, model, phase, images, *, ties):
    """Take the steps of a phase in both; every state and every place must be the same."""
    states, state, steps, nudge, told = phase
    wheres = None
    with torch.no_grad():
        drive = net.links[0].up(images)
        for _ in range(steps):
            state = net.step(drive, state, nudge)
            hints = None
            if ties:
                hints = [None if i is None else i.numpy() for i in state.indices]
            states, wheres, _ = model.step(states, **told, hints=hints)
            for mine, theirs in zip(states[1:], state.s, strict=True):
                np.testing.assert_allclose(theirs.numpy(), mine, **CLOSE)
            for mine, theirs in zip(wheres, state.indices, strict=True):
                if mine is not None:
                    np.testing.assert_array_equal(theirs.numpy(), mine)
    return states, wheres, state


def places(net, images):
    """Where the poolings of each step of the free phase take their values."""
    found, state = [], net.start(len(images))
    with torch.no_grad():
        drive = net.links[0].up(images)
        for _ in range(net.row.free_steps):
            state = net.step(drive, state)
            found.append([None if i is None else i.numpy() for i in state.indices])
    return found


def contrasted(net, model, images, labels, sign, *, ties):
    """Both phases in both models, and the plain one's estimates."""
    row = net.row
    target, beta = net.targets(labels), sign * row.beta
    start = model.start(images.numpy())
    phase = start, net.start(len(images)), row.free_steps, None, {}
    free, free_wheres, state = step_beside(net, model, phase, images, ties=ties)
    told = {"beta": beta, "target": target.numpy(), "prediction": free[-1]}
    pull = net.nudge(target, beta, state)
    phase = free, state, row.nudged_steps, pull, told
    nudged, nudged_wheres, _ = step_beside(net, model, phase, images, ties=ties)
    return model.contrast(beta, (free, free_wheres), (nudged, nudged_wheres))


def batches(row, *, exact):
    """Noisy patterns, one a class, with their labels and the sign of the nudge."""
    rng = np.random.default_rng(11)
    patterns = rng.random((10, *row.image))
    for _ in range(BATCHES):
        labels = rng.integers(0, 10, BATCH)
        images = (2 * patterns[labels] + rng.random((BATCH, *row.image))) / 3
        if exact:
            images = np.round(64 * images) / 64
        sign = int(rng.choice([-1, 1])) if row.nudging == "random-sign" else 1
        yield torch.from_numpy(images), torch.from_numpy(labels), sign


@pytest.mark.parametrize("name", KINDS)
def test_it_is_the_plain_model(name):
    changes = {}
    exact = name == "full-conv"
    if exact:
        changes["bias_lr"] = (2.0**-9, 2.0**-8, 2.0**-7)
    if name == "full-conv-learned":
        changes["zero_biases"] = False
    row = row_of(name, KINDS[name], **changes)
    # With binary weights, places of equal states tie but for rounding.
    ties = row.convolutional and row.weights == "binary" and not exact
    net = Network(row, np.random.default_rng(3), torch.float64)
    if exact:
        for link in net.links:
            make_exact(link)
    learner = Learner(net, np.random.default_rng(4))
    model = beside(net, row)
    noise = None
    if row.noisy_average:
        rng = np.random.default_rng(4)
        noise = [rng.standard_normal(layer.weights.shape) for layer in model.layers]
    flips = np.zeros(len(row.layers), dtype=int)
    moved = np.zeros(len(row.layers))
    for images, labels, sign in batches(row, exact=exact):
        if row.method == "bptt":
            back = row.nudged_steps if row.convolutional else row.nudged_steps + 1
            target = net.targets(labels).numpy()
            start = model.start(images.numpy())
            wanted = *model.back_propagated(start, target, back, places(net, images)), None
            gradients, _ = net.bptt(images, labels)
        else:
            wanted = contrasted(net, model, images, labels, sign, ties=ties)
            gradients, _ = net.ep(images, labels, sign)
        for l, gradient in enumerate(gradients):
            np.testing.assert_allclose(gradient.weight.numpy(), wanted[0][l], **CLOSE)
            np.testing.assert_allclose(gradient.bias.numpy(), wanted[1][l], **CLOSE)
            if row.alpha_lr:
                np.testing.assert_allclose(gradient.alpha.numpy().squeeze(), wanted[2][l], **CLOSE)
            moved[l] += np.abs(wanted[0][l]).sum()
        counted = learner.learn(gradients)
        flipped = model.update(*wanted, noise=noise)
        if flipped:
            assert counted == [int(flip.sum()) for flip in flipped]
            flips += counted
        compare_learned(net, learner, model)
    assert moved.all()
    assert (flips > 0).all() == (row.weights == "binary")


def compare_learned(net, learner, model):
    """All that learns, in both models."""
    for l, (link, layer) in enumerate(zip(net.links, model.layers, strict=True)):
        np.testing.assert_allclose(link.weight.numpy(), layer.weights, **CLOSE)
        np.testing.assert_allclose(link.bias.numpy(), layer.bias, **CLOSE)
        if link.spins is None:
            continue
        np.testing.assert_array_equal(np.sign(link.weight.numpy()), np.sign(layer.weights))
        np.testing.assert_allclose(link.alpha.numpy().squeeze(), layer.alpha, **CLOSE)
        np.testing.assert_allclose(learner.averages[l].numpy(), layer.momentum, **CLOSE)


#: At which some scaling factors pass zero.
RATE = 5.0


@pytest.mark.parametrize("name", ["fc1-learned", "conv-learned", "full-conv-learned"])
def test_scaling_factors_may_pass_zero(name):
    """At rates so great that they do, all the same."""
    row = row_of(name, KINDS[name], zero_biases=False)
    depth = len(row.layers)
    # A classifier's factor, which has no share of 1/2 in a convolutional net, would run away.
    rates = (*[RATE] * (depth - 1), 0.05 if row.convolutional else RATE)
    row = replace(row, alpha_lr=rates, tau=(1e9,) * depth)
    net = Network(row, np.random.default_rng(3), torch.float64)
    learner, model = Learner(net, np.random.default_rng(4)), beside(net, row)
    passed = 0
    for images, labels, sign in list(batches(row, exact=False))[:4]:
        before = [layer.alpha for layer in model.layers]
        wanted = contrasted(net, model, images, labels, sign, ties=True)
        gradients, _ = net.ep(images, labels, sign)
        learner.learn(gradients)
        model.update(*wanted)
        passed += sum(
            np.count_nonzero(np.sign(a + rate * g) != np.sign(a))
            for a, rate, g in zip(before, rates, wanted[2], strict=True)
        )
        for link, layer in zip(net.links, model.layers, strict=True):
            np.testing.assert_allclose(link.weight.numpy(), layer.weights, **CLOSE)
            np.testing.assert_allclose(link.alpha.numpy().squeeze(), layer.alpha, **CLOSE)
    assert passed


@pytest.mark.parametrize("name", ["fc2-binary", "conv-binary", "full-conv"])
def test_scaling_factors_at_the_start(name):
    row = row_of(name, KINDS[name])
    net = Network(row, np.random.default_rng(3), torch.float64)
    drawn = Network(
        replace(row, weights="real", weight_lr=(0.0,) * len(row.layers)),
        np.random.default_rng(3), torch.float64,
    )  # fmt: skip
    for link, real in zip(net.links, drawn.links, strict=True):
        factors = plain.scaling_factors(real.weight.numpy())
        np.testing.assert_allclose(link.alpha.numpy().squeeze(), factors, **CLOSE)
