"""What joins two layers: weights that are used in both directions, and what they learn from.

A link carries activations *up*, to the layer nearer to the output, and *down*, through the same
weights transposed. Where it pools, it says which positions were the greatest, and on the way down
each activation goes to the position that the pooling of this step took it from.
"""

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from popflip.golden.paper.systems import Conv, Dense, Row

__all__ = ["ConvLink", "DenseLink", "Link", "draw_links"]


class Link:
    """Weights, scaling factors and biases between two layers.

    Parameters
    ----------
    weight : Tensor, shape (n_above, ...)
        As drawn. Binary ones keep only its sign.
    bias : Tensor, shape (n_above,)
    binary : bool
    factor : float
        What the scaling factors of binary weights are multiplied by.

    Attributes
    ----------
    weight : Tensor
        W; ``alpha * spins`` if it is binary.
    spins : Tensor or None
        Binary weights, -1 or +1; None of real ones.
    alpha : Tensor or None
        Their scaling factor: one, or one per channel of a convolution, in a shape that broadcasts.
    bias : Tensor, shape (n_above,)
    """

    def __init__(self, weight, bias, binary: bool, factor: float = 1):
        self.weight, self.bias = weight, bias
        self.spins = self.alpha = None
        if binary:
            # sign(0) = +1
            self.spins = torch.where(weight >= 0, 1.0, -1.0).to(weight.dtype)
            # In float64, whose sum is the same to far more than 4 decimals in any order. A float32
            # sum of 8192 x 8192 weights is not: it depends on the number of threads.
            mean = partial(weight.abs().mean, dtype=torch.float64)
            alpha = torch.round(self.by_scale(mean), decimals=4)
            self.alpha = factor * alpha.to(weight.dtype)
            self.weight = torch.empty_like(weight)
            self.rescale()

    def by_scale(self, reduce):
        """Reduce weights, by a method such as ``tensor.mean``, to the shape of ``alpha``."""
        raise NotImplementedError

    def rescale(self):
        """Take over new spins or scaling factors, in place: W = alpha spins."""
        torch.mul(self.alpha, self.spins, out=self.weight)

    def up(self, below):
        """What the layer above receives, with its bias; where pooling took it from, or None."""
        raise NotImplementedError

    def down(self, above, indices, shape):
        """What the layer below, of such a shape, receives."""
        raise NotImplementedError

    def pair(self, below, above, indices):
        """Sum over the batch of ``above below^T``, in the shape of W."""
        raise NotImplementedError

    def learn_alpha(self, step):
        """Add a step to the scaling factors. The weights follow with :meth:`rescale`."""
        self.alpha = self.alpha + step

    def pair_bias(self, above):
        """Sum over the batch, and over positions, of ``above``: what biases see."""
        return above.sum([i for i in range(above.ndim) if i != 1])


class DenseLink(Link):
    """Every neuron below with every neuron above. W has shape (n_above, n_below)."""

    def by_scale(self, reduce):
        """Reduce to one number."""
        return reduce()

    def up(self, below):
        """W below, and biases."""
        return below.flatten(1) @ self.weight.T + self.bias, None

    def down(self, above, indices, shape):
        """W^T above."""
        return (above @ self.weight).view(shape)

    def pair(self, below, above, indices):
        """Sum of outer products."""
        return above.T @ below.flatten(1)


class ConvLink(Link):
    """A convolution and max-pooling. W has shape (channels above, channels below, side, side).

    Parameters
    ----------
    padding, pool : int
        See :class:`popflip.golden.paper.systems.Conv`.
    size : tuple of int
        Height and width between convolution and pooling.
    """

    def __init__(self, weight, bias, binary, padding: int, pool: int, size, factor=1):
        self.padding, self.pool, self.size = padding, pool, size
        super().__init__(weight, bias, binary, factor)

    def by_scale(self, reduce):
        """Reduce to one number per channel above."""
        return reduce((1, 2, 3), keepdim=True)

    def up(self, below):
        """max-pool(W * below + bias), and where the greatest were."""
        product = F.conv2d(below, self.weight, self.bias, padding=self.padding)
        # On a CPU, pooling is several times faster where channels are the last axis in memory.
        product = product.contiguous(memory_format=torch.channels_last)
        pooled, indices = F.max_pool2d(product, self.pool, return_indices=True)
        return pooled.contiguous(), indices.contiguous()

    def down(self, above, indices, shape):
        """W transposed, on ``above`` unpooled."""
        unpooled = self._unpool(above, indices)
        return F.conv_transpose2d(unpooled, self.weight, padding=self.padding)

    def pair(self, below, above, indices):
        """What a convolution's weights see, with ``above`` unpooled."""
        unpooled = self._unpool(above, indices)
        shape = self.weight.shape
        return torch.nn.grad.conv2d_weight(below, shape, unpooled, padding=self.padding)

    def learn_alpha(self, step):
        """Add a step; a factor that passes zero goes on with its magnitude."""
        self.alpha = (self.alpha + step).abs()

    def _unpool(self, above, indices):
        return F.max_unpool2d(above, indices, self.pool, output_size=self.size)


def draw_links(row: Row, rng: np.random.Generator, dtype, device) -> list[Link]:
    """Draw weights and biases uniformly from -1/sqrt(fan_in) to 1/sqrt(fan_in)."""

    def uniform(bound, *shape):
        return torch.from_numpy(rng.uniform(-bound, bound, shape)).to(device, dtype)

    links: list[Link] = []
    factors = row.alpha_factors or (1,) * len(row.layers)
    for layer, below, factor in zip(row.layers, row.shapes, factors, strict=False):
        binary = row.weights == "binary"
        fan_in = math.prod(below)
        if isinstance(layer, Conv):
            fan_in = below[0] * layer.kernel**2
        bound = 1 / math.sqrt(fan_in)
        n = layer.channels if isinstance(layer, Conv) else layer.neurons
        bias = uniform(0.0 if row.zero_biases else bound, n)
        if isinstance(layer, Dense):
            links.append(DenseLink(uniform(bound, n, fan_in), bias, binary, factor))
            continue
        _, height, width = below
        grown = 2 * layer.padding - layer.kernel + 1
        links.append(
            ConvLink(
                uniform(bound, n, below[0], layer.kernel, layer.kernel), bias, binary,
                layer.padding, layer.pool, (height + grown, width + grown), factor,
            )
        )  # fmt: skip
    return links
