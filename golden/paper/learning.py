"""The learning rules: how gradients become flips, scaling factors, biases and real weights."""

import numpy as np
import torch

from popflip.golden.paper.network import Gradient, Network

__all__ = ["Learner"]


class Learner:
    """Changes a network by gradients, as its row says.

    Parameters
    ----------
    network : Network
    rng : Generator
        Draws what averages start from, where that is noise.

    Attributes
    ----------
    averages : list of Tensor
        m of each link, in the shape of its weights; empty if they are real.
    """

    def __init__(self, network: Network, rng: np.random.Generator):
        self.network = network
        self.averages: list[torch.Tensor] = []
        row = network.row
        if row.weights == "real":
            return
        for link, gamma in zip(network.links, row.gamma, strict=True):
            m = torch.zeros_like(link.weight)
            if row.noisy_average:
                noise = torch.from_numpy(rng.standard_normal(m.shape)).to(m)
                # The first batch adds gamma g to it, and forgets nothing of it.
                m += 2 * gamma / (1 - gamma) * noise
            self.averages.append(m)

    def learn(self, gradients: list[Gradient]) -> list[int]:
        """Take in the gradients of a batch; return how many weights flipped in each link.

        Parameters
        ----------
        gradients : list of Gradient
            One per link.
        """
        row = self.network.row
        flips = []
        for l, (link, g) in enumerate(zip(self.network.links, gradients, strict=True)):
            link.bias += row.bias_lr[l] * g.bias
            if row.weights == "real":
                link.weight += row.weight_lr[l] * g.weight
                flips.append(0)
                continue
            if g.alpha is not None:
                link.learn_alpha(row.alpha_lr[l] * g.alpha)
            flips.append(self._flip(l, link, g.weight))
            link.rescale()
        return [int(count) for count in flips]

    def _flip(self, l, link, g):
        """Average, ``m <- (1 - gamma) m + gamma g``; flip where -sign(W) m > tau, and keep m."""
        row, m = self.network.row, self.averages[l]
        m.mul_(1 - row.gamma[l]).add_(g, alpha=row.gamma[l])
        loyal = link.weight.sign() * m  # W has the factor of before this batch
        flip = loyal <= -row.tau[l] if row.flips_at_tau else loyal < -row.tau[l]
        link.spins = torch.where(flip, -link.spins, link.spins)
        return torch.count_nonzero(flip)
