"""The learning rules, step by step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from popflip.golden.paper.learning import Learner
from popflip.golden.paper.network import Gradient, Network
from popflip.golden.paper.systems import ROWS, Dense


def learner(name="fc1-binary", dtype=torch.float64, **changes):
    row = ROWS[name]
    if not row.convolutional:
        row = replace(row, layers=(Dense(neurons=3), Dense(neurons=10)), copies=1)
    row = replace(row, **changes)
    rng = np.random.default_rng(2)
    return Learner(Network(row, rng, dtype), rng)


def gradients(network, seed):
    rng = np.random.default_rng(seed)

    def like(tensor):
        return torch.from_numpy(rng.standard_normal(tuple(tensor.shape))).to(tensor)

    return [Gradient(like(link.weight), like(link.bias)) for link in network.links]


def test_weights_flip_when_the_average_speaks_against_them():
    one = learner(gamma=(0.1, 0.2), tau=(0.15, 0.3))
    links = one.network.links
    m = [np.zeros(link.spins.shape) for link in links]
    w = [link.spins.numpy().copy() for link in links]
    flipped = 0
    for batch in range(20):
        g = gradients(one.network, batch)
        expected = []
        for l in range(2):
            m[l] = (1 - one.network.row.gamma[l]) * m[l] + one.network.row.gamma[l] * (
                g[l].weight.numpy()
            )
            flip = -w[l] * m[l] > one.network.row.tau[l]
            w[l] = np.where(flip, -w[l], w[l])
            expected.append(int(flip.sum()))
        assert one.learn(g) == expected
        flipped += sum(expected)
        for l, link in enumerate(links):
            np.testing.assert_array_equal(link.spins.numpy(), w[l])
            # Not reset by a flip.
            np.testing.assert_allclose(one.averages[l].numpy(), m[l])
            assert torch.equal(link.weight, link.alpha * link.spins)
    assert flipped > 50


@pytest.mark.parametrize(("at_tau", "flips"), [(False, 0), (True, 1)])
def test_an_average_equal_to_tau(at_tau, flips):
    one = learner(gamma=(0.5, 0.5), tau=(0.25, 0.25), flips_at_tau=at_tau)
    g = gradients(one.network, 0)
    for gradient in g:
        gradient.weight.zero_()
    g[0].weight[1, 2] = -0.5 * one.network.links[0].spins[1, 2]
    assert one.learn(g) == [flips, 0]


def test_noise_to_start_from():
    one = learner("full-conv")
    for m, gamma in zip(one.averages, one.network.row.gamma, strict=True):
        assert m.std().item() == pytest.approx(2 * gamma, rel=0.05)
    assert not any(m.any() for m in learner("conv-binary").averages)


def test_biases_and_real_weights_climb():
    one = learner("fc1-float")
    before = [(link.weight.clone(), link.bias.clone()) for link in one.network.links]
    g = gradients(one.network, 3)
    assert one.learn(g) == [0, 0]
    for l, link in enumerate(one.network.links):
        row = one.network.row
        torch.testing.assert_close(link.weight, before[l][0] + row.weight_lr[l] * g[l].weight)
        torch.testing.assert_close(link.bias, before[l][1] + row.bias_lr[l] * g[l].bias)


def test_scaling_factors_learn():
    one = learner("cifar-learned", dtype=torch.float32)
    before = [(link.alpha.clone(), link.weight.clone()) for link in one.network.links]
    g = gradients(one.network, 4)
    for gradient, (alpha, _) in zip(g, before, strict=True):
        gradient.alpha = torch.linspace(-1, 1, alpha.numel()).view_as(alpha)
    # One channel's factor passes zero.
    g[2].alpha[5] = -2 * before[2][0][5] / one.network.row.alpha_lr[2]
    one.learn(g)
    for l, link in enumerate(one.network.links):
        expected = before[l][0] + one.network.row.alpha_lr[l] * g[l].alpha
        torch.testing.assert_close(link.alpha, expected.abs() if l < 4 else expected)
        assert torch.equal(link.weight, link.alpha * link.spins)
    torch.testing.assert_close(link.alpha, before[4][0] - one.network.row.alpha_lr[4])
    torch.testing.assert_close(one.network.links[2].alpha[5], before[2][0][5])
