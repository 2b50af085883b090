"""Links: down is up transposed, and pairs are the derivative of what went up."""

import math

import numpy as np
import pytest
import torch

from popflip.golden.paper.links import ConvLink, DenseLink, draw_links
from popflip.golden.paper.systems import ROWS

RNG = np.random.default_rng(1)


def real(*shape):
    return torch.from_numpy(RNG.standard_normal(shape))


def dense():
    return DenseLink(real(7, 12), real(7), True), real(5, 3, 2, 2)


def conv(padding, pool, side):
    size = side + 2 * padding - 4
    link = ConvLink(real(4, 3, 5, 5), real(4), True, padding, pool, (size, size))
    return link, real(5, 3, side, side)


LINKS = [dense, lambda: conv(2, 2, 8), lambda: conv(1, 3, 10)]


@pytest.mark.parametrize("make", LINKS)
def test_down_is_up_transposed(make):
    link, below = make()
    product, indices = link.up(below)
    above = real(*product.shape)
    # Within the pooling that has been chosen, up is linear in what is below.
    other = real(*below.shape)
    if indices is None:
        lifted = link.up(other)[0] - link.bias
    else:
        plain = torch.nn.functional.conv2d(other, link.weight, padding=link.padding)
        lifted = plain.flatten(2).gather(2, indices.flatten(2)).view(product.shape)
    down = link.down(above, indices, below.shape)
    assert down.shape == below.shape
    torch.testing.assert_close((above * lifted).sum(), (down * other).sum())


@pytest.mark.parametrize("make", LINKS)
def test_pairs_are_the_derivative_by_the_weights(make):
    link, below = make()
    link.weight.requires_grad_(True)
    product, indices = link.up(below)
    above = real(*product.shape)
    (expected,) = torch.autograd.grad((above * product).sum(), link.weight)
    torch.testing.assert_close(link.pair(below, above, indices), expected)


@pytest.mark.parametrize("make", LINKS)
def test_biases_see_the_sum_of_what_is_above(make):
    link, below = make()
    bias = link.bias.requires_grad_(True)
    product, _ = link.up(below)
    above = real(*product.shape)
    (expected,) = torch.autograd.grad((above * product).sum(), bias)
    torch.testing.assert_close(link.pair_bias(above), expected)


def test_pooling_remembers_the_greatest():
    link, below = conv(2, 2, 8)
    product, indices = link.up(below)
    plain = torch.nn.functional.conv2d(below, link.weight, padding=2) + link.bias[:, None, None]
    for y in range(4):
        for x in range(4):
            window = plain[:, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].flatten(2)
            torch.testing.assert_close(product[:, :, y, x], window.max(2).values)
    torch.testing.assert_close(plain.flatten(2).gather(2, indices.flatten(2)), product.flatten(2))


def test_binary_weights_are_signs_times_a_scaling_factor():
    weight = torch.tensor([[0.5, -0.25, 0.0], [-0.125, 0.75, -0.1]], dtype=torch.float64)
    link = DenseLink(weight, torch.zeros(2), True)
    assert link.spins.tolist() == [[1, -1, 1], [-1, 1, -1]]  # sign(0) = +1
    assert link.alpha.item() == 0.2875  # to 4 decimals
    assert torch.equal(link.weight, 0.2875 * link.spins)


def test_convolutions_have_a_scaling_factor_for_each_channel():
    weight = real(4, 3, 5, 5)
    link = ConvLink(weight, torch.zeros(4), True, 2, 2, (8, 8))
    for channel in range(4):
        alpha = round(float(weight[channel].abs().mean()), 4)
        assert set(link.weight[channel].flatten().tolist()) == {alpha, -alpha}


@pytest.mark.parametrize(
    ("name", "fans", "scales"),
    [
        ("full-fc1", [784, 8192], [0.0179, 0.0055]),
        ("fc1-binary", [784, 4096], [0.0179, 0.0078]),
        ("conv-binary", [25, 800, 3136], [0.1, 0.0177, 0.0089]),
        ("full-conv", [25, 6400, 2048], [0.1, 0.0062, 0.011]),
    ],
)
def test_weights_are_drawn_as_the_paper_draws_them(name, fans, scales):
    row = ROWS[name]
    links = draw_links(row, np.random.default_rng(1), torch.float32, "cpu")
    for link, fan, scale in zip(links, fans, scales, strict=True):
        assert link.weight[0].numel() == fan
        bound = 1 / math.sqrt(fan)
        if row.zero_biases:
            assert not link.bias.any()
        else:
            assert 0.5 * bound < link.bias.abs().max() <= bound
        # A channel of a first convolution has but 25 weights.
        assert link.alpha.mean().item() == pytest.approx(scale, abs=0.01 if fan == 25 else 1.5e-4)
    real_links = draw_links(ROWS["fc1-float"], np.random.default_rng(1), torch.float32, "cpu")
    assert real_links[0].alpha is None
    assert 0.99 / 28 < real_links[0].weight.abs().max() <= 1 / 28


def test_the_scaling_factor_of_8192_by_8192_is_that_of_an_exact_sum():
    # Uniform draws have a mean of 0.00552. A float32 sum of so many gives 0.0039 to 0.0055.
    drawn = np.random.default_rng(5).random((8192, 8192), np.float32) * 2 - 1
    link = DenseLink(torch.from_numpy(drawn / np.float32(8192**0.5)), torch.zeros(8192), True)
    assert link.alpha == np.float32(0.0055)


def test_scaling_factors_are_multiplied():
    weight = torch.tensor([[0.25, -0.125]])
    link = DenseLink(weight, torch.zeros(1), binary=True, factor=2)
    assert link.alpha == 2 * 0.1875
    assert torch.equal(link.weight, torch.tensor([[0.375, -0.375]]))
