"""The dynamics, against equations written out, automatic differentiation and the integer model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from popflip.golden.datasets.loading import load
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.paper.images import pixels
from popflip.golden.paper.learning import Learner
from popflip.golden.paper.network import Network
from popflip.golden.paper.systems import ROWS, Dense


def samples(row, n, seed=4):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.random((n, *row.image)))
    return x, torch.from_numpy(rng.integers(0, 10, n))


def network(row, seed=3, dtype=torch.float64):
    return Network(row, np.random.default_rng(seed), dtype)


def cosine(a, b):
    return float((a * b).sum() / a.norm() / b.norm())


def moved_by_a_step(net, x, steps):
    """How far states still are from their fixed point after a free phase."""
    with torch.no_grad():
        drive = net.links[0].up(x)
        state = net.relax(drive, net.start(len(x)), steps)
        after = net.step(drive, state)
    return max(float((a - b).abs().max()) for a, b in zip(state.s, after.s, strict=True))


def rescale(net, *factors):
    for link, factor in zip(net.links, factors, strict=True):
        if link.alpha is None:
            link.weight *= factor
        else:
            link.alpha *= factor
            link.rescale()


# Steps --------------------------------------------------------------------------------------


def by_hand(row, net, x, target, beta):
    """The paper's synchronous updates of a fully connected net, in NumPy; (free, nudged)."""
    w = [link.weight.numpy() for link in net.links]
    b = [link.bias.numpy() for link in net.links]
    last = len(w)
    s = [x, *(np.full((len(x), len(bias)), row.start) for bias in b)]

    def step(s, beta):
        leaky = row.dynamics == "leaky"
        a = [s[0], *((v >= 0.5).astype(float) if leaky else v for v in s[1:])]
        new = [s[0]]
        for l in range(1, last + 1):
            total = a[l - 1] @ w[l - 1].T + b[l - 1]
            if l < last:
                total = total + a[l + 1] @ w[l]
            pull = beta * (target - s[l]) if l == last else 0
            if leaky:
                new.append(np.clip(0.5 * s[l] + 0.5 * total + 0.5 * pull, 0, 1))
            else:
                new.append(np.clip(np.clip(total, 0, 1) + pull, 0, 1))
        return new

    for _ in range(row.free_steps):
        s = step(s, 0)
    free = s
    for _ in range(row.nudged_steps):
        s = step(s, beta)
    return free[1:], s[1:]


@pytest.mark.parametrize("name", ["fc1-binary", "fc2-float", "full-fc1", "full-fc2"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_phases_and_gradients_are_those_of_the_equations(small, name, sign):
    row = small(name, free_steps=7, nudged_steps=4)
    net = network(row)
    x, labels = samples(row, 6)
    target = net.targets(labels)
    flat = x.flatten(1).numpy()
    free, nudged = by_hand(row, net, flat, target.numpy(), sign * row.beta)
    gradients, outputs = net.ep(x, labels, sign)
    np.testing.assert_allclose(outputs.numpy(), free[-1], atol=1e-12)
    act = (lambda s: (s >= 0.5).astype(float)) if row.dynamics == "leaky" else (lambda s: s)
    low, high = [flat, *map(act, free)], [flat, *map(act, nudged)]
    moved = 0
    for l, gradient in enumerate(gradients):
        pairs = high[l + 1].T @ high[l] - low[l + 1].T @ low[l]
        scale = 1 / (sign * row.beta * len(x))
        np.testing.assert_allclose(gradient.weight.numpy(), scale * pairs, atol=1e-12)
        sums = (high[l + 1] - low[l + 1]).sum(0)
        np.testing.assert_allclose(gradient.bias.numpy(), scale * sums, atol=1e-12)
        moved += np.abs(pairs).sum()
    assert moved > 0


@pytest.mark.parametrize("name", ["fc2-binary", "conv-binary", "full-fc1"])
def test_nudging_both_ways_is_the_mean_of_either(small, name):
    row = small(name, free_steps=8, nudged_steps=4)
    x, labels = samples(row, 6)
    plus, _ = network(row).ep(x, labels, 1)
    minus, _ = network(row).ep(x, labels, -1)
    both, _ = network(replace(row, nudging="centered")).ep(x, labels)
    for p, m, b in zip(plus, minus, both, strict=True):
        torch.testing.assert_close(b.weight, (p.weight + m.weight) / 2)
        torch.testing.assert_close(b.bias, (p.bias + m.bias) / 2)


def test_targets_and_predictions_with_copies(small):
    net = network(small("full-fc1", copies=3))
    target = net.targets(torch.tensor([2, 9]))
    assert target.sum(1).tolist() == [3, 3]
    assert target[0, 6:9].tolist() == [1, 1, 1]
    outputs = torch.zeros(3, 30, dtype=torch.float64)
    outputs[0, 6:9] = 0.4
    outputs[0, 3] = 1.0  # one of three copies: a mean of 1/3
    outputs[1, 29] = 0.1
    assert net.predict(outputs).tolist() == [2, 9, 0]


def test_the_nudge_of_the_binary_convolutional_net_is_that_of_the_free_phase(small):
    row = small("full-conv")
    assert row.frozen_nudge
    net = network(row)
    target = torch.ones(1, 30, dtype=torch.float64)
    free = net.start(1)
    free.s[-1] = torch.full_like(target, 0.25)
    pull = net.nudge(target, 2.0, free)
    assert torch.equal(pull(target), torch.full_like(target, 1.5))
    pull = network(small("full-fc1")).nudge(target, 2.0, free)
    assert torch.equal(pull(target), torch.zeros_like(target))


@pytest.mark.parametrize("name", ["full-fc1", "full-fc2"])
def test_ending_a_phase_that_stands_still_changes_nothing(small, name):
    row = small(name)
    net = network(row, dtype=torch.float32)
    x, _ = samples(row, 3)
    taken = 0
    with torch.no_grad():
        drive = net.links[0].up(x.float())
        slow = net.start(3)
        for _ in range(200):
            slow = net.step(drive, slow)
        step = net.step

        def counted(*args):
            nonlocal taken
            taken += 1
            return step(*args)

        net.step = counted
        fast = net.relax(drive, net.start(3), 200)
    assert taken < 100
    assert all(torch.equal(a, b) for a, b in zip(slow.s, fast.s, strict=True))


@pytest.mark.parametrize("name", ["conv-float", "conv-binary"])
def test_at_the_papers_size_the_free_phase_comes_to_rest(name):
    """Within T steps, on 8 images of MNIST."""
    row = ROWS[name]
    net = network(row, dtype=torch.float32)
    images = load("mnist").train_images[:8, None]
    x = torch.from_numpy(pixels(row, images))
    assert moved_by_a_step(net, x, 20) > 1e-4
    assert moved_by_a_step(net, x, row.free_steps) < 1e-6


# Gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "fc1-float", "fc1-binary", "fc2-float", "fc2-binary", "conv-float", "conv-binary",
        "cifar-float", "cifar-binary",
    ],
)  # fmt: skip
def test_equilibrium_propagation_approaches_the_gradient(small, name):
    """EP against automatic differentiation of the relaxed network, as beta shrinks.

    The theorem wants a fixed point, and outputs that are not clipped: the nudge acts outside of the
    output's own clip, so a clipped output has no gradient, and yet is pulled. Hence the weights are
    scaled down here. The first draw that comes to rest is taken.
    """
    row = small(name, free_steps=80, nudged_steps=60)
    x, labels = samples(row, 1 if row.convolutional else 4)
    inner = 0.4

    def draw(seed, beta):
        net = network(replace(row, beta=beta), seed)
        rescale(net, 1, *[inner] * (len(net.links) - 2), 0.1)
        net.links[-1].bias.fill_(0.5)
        return net

    seed = next(n for n in range(30) if moved_by_a_step(draw(n, 1.0), x, row.free_steps) < 1e-12)
    angles = []
    for beta in (0.8, 0.1, 0.004):
        net = draw(seed, beta)
        estimate, outputs = net.ep(x, labels)
        exact, same = net.bptt(x, labels)
        assert torch.equal(outputs, same)
        assert outputs.min() > 0
        assert outputs.max() < 1
        angles.append([
            [1 - cosine(e.weight, g.weight), 1 - cosine(e.bias, g.bias)]
            for e, g in zip(estimate, exact, strict=True)
        ])
    first, second, third = np.array(angles)
    assert (third <= second + 1e-6).all()
    assert (second <= first + 1e-6).all()
    assert third.max() < 1e-3
    # And of the right length, not only of the right direction.
    for e, g in zip(estimate, exact, strict=True):
        assert float(e.weight.norm() / g.weight.norm()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["full-fc1", "full-fc2", "full-conv"])
def test_with_binary_activations_it_points_along_the_surrogate_gradient(small, name, monkeypatch):
    """EP at the paper's beta against the gradient with the rectangular pseudo-derivative.

    Binary activations have no gradient. Nor can beta shrink: a weak nudge moves no activation over
    its threshold, and one that moves a few gives a coarse estimate. So what is asked for is less:
    the mean of both signs of beta, over some samples, must point where a straight-through gradient
    (1 within [0, 1]) does, in every layer. What the estimate is exactly is checked above.
    """
    row = small(name, copies=10, free_steps=40, nudged_steps=20)
    wide = [
        replace(layer, neurons=300) if isinstance(layer, Dense) else replace(layer, channels=24)
        for layer in row.layers[:-1]
    ]
    row = replace(row, layers=(*wide, row.layers[-1]))
    net = network(row)
    rescale(net, 1, *[0.5] * (len(net.links) - 1))
    for link in net.links:
        link.bias.fill_(0.5)
    x, labels = samples(row, 48)
    plus, _ = net.ep(x, labels, 1)
    minus, _ = net.ep(x, labels, -1)

    class StraightThrough(torch.autograd.Function):
        @staticmethod
        def forward(ctx, s):
            return (s >= 0.5).to(s.dtype)

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    monkeypatch.setattr(net, "send", StraightThrough.apply)
    surrogate, _ = net.bptt(x, labels)
    for p, m, g in zip(plus, minus, surrogate, strict=True):
        assert cosine(p.weight + m.weight, g.weight) > 0.25


# The integer model --------------------------------------------------------------------------


@pytest.mark.parametrize(("hidden", "hold"), [([24], False), ([24, 20], False), ([24], True)])
def test_the_integer_golden_model_is_this_one(hidden, hold):
    """States, activations, flips and weights of both, equal, over several batches.

    The integer model halves with a floor. Gains that are multiples of 2^10, in units of V = 2^14,
    leave nothing to round off for ten steps: all of T and K.
    """
    t, k, batch = 6, 4, 8
    gains = [2048, *[3072] * len(hidden)]
    tau = [5, *[4] * len(hidden)]
    params = Params.build({
        "name": "exact",
        "network": {"image": [28, 28], "hidden": hidden, "copies": 2},
        "dynamics": {
            "kind": "leaky", "free_sweeps": t, "potential_bits": 14, "gains": gains,
        },
        "learning": {
            "nudging": "random-sign", "nudged_sweeps": k, "beta": 2, "hold_nudge": hold,
            "batch": batch, "latent_bits": 16, "tau": tau,
        },
        "machine": {
            "row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1] * len(gains),
        },
    })  # fmt: skip
    model = Model.initial(params, seed=5)
    gamma = 2.0**-60  # (1 - gamma) is 1: nothing is forgotten
    row = replace(
        ROWS["full-fc1"], layers=(*(Dense(neurons=n) for n in hidden), Dense(neurons=20)),
        copies=2, free_steps=t, nudged_steps=k, frozen_nudge=hold, gamma=(gamma,) * len(gains),
        # Half a count less than what is reached: `>` is `>=` of whole counts.
        tau=tuple((n - 0.5) * gamma / (2 * batch) for n in tau), bias_lr=(0.0,) * len(gains),
    )  # fmt: skip
    rng = np.random.default_rng(6)
    net = Network(row, rng, torch.float64)
    learner = Learner(net, rng)
    for l, link in enumerate(net.links):
        spins = np.where(model.weights[l], 1.0, -1.0)
        link.spins = torch.from_numpy(spins if l == 0 else spins.T.copy())
        link.alpha = torch.tensor(gains[l] / params.dynamics.v_max, dtype=torch.float64)
        link.bias.zero_()
        link.rescale()
    signs = Lfsr(model.signs.state)
    patterns = rng.random((10, 784)) < 0.1
    flips = 0
    for _ in range(12):
        labels = rng.integers(0, 10, batch)
        bits = patterns[labels] ^ (rng.random((batch, 784)) < 0.02)
        sign = -1 if signs.draw(1) else 1
        x = torch.from_numpy(bits.astype(float)).view(batch, 1, 28, 28)
        drive = net.links[0].up(x)
        free = net.relax(drive, net.start(batch), t)
        gradients, outputs = net.ep(x, torch.from_numpy(labels), sign)
        report, relaxation = model.train(bits, labels)
        for mine, theirs in zip(free.s, relaxation.free.s, strict=True):
            np.testing.assert_array_equal(mine.numpy() * params.dynamics.v_max, theirs)
        assert net.predict(outputs).tolist() == relaxation.prediction.tolist()
        assert learner.learn(gradients) == report.flips
        flips += sum(report.flips)
        for l, link in enumerate(net.links):
            spins = np.where(model.weights[l], 1.0, -1.0)
            np.testing.assert_array_equal(link.spins.numpy(), spins if l == 0 else spins.T)
            counts = learner.averages[l].numpy() / gamma * (2 * batch)
            latents = model.latents[l]
            np.testing.assert_array_equal(counts, latents if l == 0 else latents.T)
    assert flips > 40
