"""The dynamics: states that relax, freely and nudged, and the gradients that come of it.

Layers are numbered from the clamped input (0) to the output (L); lists of states begin with layer
1, lists of links with the one between the input and layer 1. One synchronous step computes every
layer from what its neighbours were before it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from popflip.golden.paper.links import DenseLink, draw_links
from popflip.golden.paper.systems import Row

__all__ = ["Gradient", "Network", "State"]


@dataclass
class State:
    """States of a batch.

    Attributes
    ----------
    s : list of Tensor, shape (batch, ...)
        Of layers 1 to L.
    indices : list
        Where each link's pooling took the last step from; None of links without pooling, and
        before the first step.
    """

    s: list
    indices: list


@dataclass
class Gradient:
    """Direction in which the loss falls, of one link.

    Attributes
    ----------
    weight, bias : Tensor
    alpha : Tensor or None
        Of the scaling factors, in their shape; None where they do not learn.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    alpha: "torch.Tensor | None" = None  # quoted: the documentation is built without PyTorch


class Network:
    """A system of the paper.

    Parameters
    ----------
    row : Row
    rng : Generator
        Draws weights and biases.
    dtype, device
        Of all tensors.

    Attributes
    ----------
    links : list of Link
    """

    def __init__(self, row: Row, rng: np.random.Generator, dtype=torch.float32, device="cpu"):
        self.row, self.dtype, self.device = row, dtype, device
        self.links = draw_links(row, rng, dtype, device)

    # Dynamics -------------------------------------------------------------------------------

    def start(self, batch: int) -> State:
        """Every state at the row's start."""
        shapes = self.row.shapes[1:]
        fill = {"fill_value": self.row.start, "dtype": self.dtype, "device": self.device}
        return State(
            [torch.full((batch, *shape), **fill) for shape in shapes], [None] * len(shapes)
        )

    def send(self, s):
        """Activation that neighbours see: H(s - 1/2) with H(0) = 1, or the state itself."""
        return (s >= 0.5).to(self.dtype) if self.row.dynamics == "leaky" else s

    def settle(self, s, total, nudge=None):
        """New state of a layer that was in ``s`` and receives ``total``.

        Parameters
        ----------
        s, total : Tensor
        nudge : callable, optional
            Of the output in a nudged phase: what ``nudge(s)`` adds.
        """
        pull = nudge(s) if nudge else 0
        if self.row.dynamics == "leaky":
            return ((s + total + pull) / 2).clamp(0, 1)
        pulled = total.clamp(0, 1) + pull
        # The convolutional nets do not clip a nudged output.
        return pulled if nudge and self.row.convolutional else pulled.clamp(0, 1)

    def step(self, drive, state: State, nudge=None) -> State:
        """One synchronous step of all layers.

        Every layer is computed from what its neighbours were before the step. All poolings come
        first; what goes down goes to where they have just taken it from.

        Parameters
        ----------
        drive : (Tensor, Tensor or None)
            What layer 1 receives from the clamped input: ``links[0].up(x)``, always the same.
        state : State
        nudge : callable, optional
        """
        a = [self.send(s) for s in state.s]
        # Link l goes from layer l to layer l + 1, which is a[l].
        ups = [drive, *(link.up(below) for link, below in zip(self.links[1:], a, strict=False))]
        indices = [index for _, index in ups]
        s = []
        for l, (total, _) in enumerate(ups):
            output = l == len(self.links) - 1
            if not output:
                above = self.links[l + 1]
                total = total + above.down(a[l + 1], indices[l + 1], a[l].shape)
            s.append(self.settle(state.s[l], total, nudge if output else None))
        return State(s, indices)

    def relax(self, drive, state: State, steps: int, nudge=None) -> State:
        """Take ``steps`` steps; on a CPU and without gradients only as many as change anything."""
        # A GPU would take longer to answer than to take a step.
        asks = torch.device(self.device).type == "cpu" and not torch.is_grad_enabled()
        for _ in range(steps):
            before, state = state, self.step(drive, state, nudge)
            # The next step would be this one again, bit for bit.
            if asks and _same(before, state):
                break
        return state

    def nudge(self, target, beta: float, free: State):
        """Pull of the output towards a target: beta (target - s_L)."""
        if self.row.frozen_nudge:
            pull = beta * (target - free.s[-1])
            return lambda s: pull
        return lambda s: beta * (target - s)

    # What comes of it -----------------------------------------------------------------------

    def targets(self, labels):
        """One-hot classes, each as often as it has output neurons: shape (batch, n_L)."""
        (outputs,) = self.row.shapes[-1]
        classes = torch.arange(outputs, device=self.device) // self.row.copies
        return (classes == labels[:, None]).to(self.dtype)

    def predict(self, outputs):
        """Class with the greatest mean over its copies; the lowest on a tie."""
        return outputs.view(len(outputs), -1, self.row.copies).mean(-1).argmax(-1)

    @torch.no_grad()
    def infer(self, x):
        """Predict a batch: the free phase alone."""
        free = self.relax(self.links[0].up(x), self.start(len(x)), self.row.free_steps)
        return self.predict(free.s[-1])

    @torch.no_grad()
    def ep(self, x, labels, sign: int = 1) -> tuple[list[Gradient], torch.Tensor]:
        """Estimate gradients by Equilibrium Propagation.

        ``g = (1 / (beta B)) sum (post_nudged pre_nudged^T - post_free pre_free^T)``. With centered
        nudging the phase nudged by -beta takes the place of the free one, and 2 beta that of beta.

        Parameters
        ----------
        x : Tensor, shape (batch, channels, height, width)
        labels : Tensor of int, shape (batch,)
        sign : {-1, 1}
            Of beta.

        Returns
        -------
        list of Gradient
            One per link.
        Tensor, shape (batch, n_L)
            Outputs at the end of the free phase.
        """
        drive = self.links[0].up(x)
        free = self.relax(drive, self.start(len(x)), self.row.free_steps)
        target, beta = self.targets(labels), sign * self.row.beta

        def nudged(beta):
            pull = self.nudge(target, beta, free)
            return self.relax(drive, free, self.row.nudged_steps, pull)

        centered = self.row.nudging == "centered"
        before, after = nudged(-beta) if centered else free, nudged(beta)
        scale = 1 / ((2 if centered else 1) * beta * len(x))
        a, b = ([self.send(s) for s in state.s] for state in (before, after))
        gradients = []
        for l, link in enumerate(self.links):
            if l:
                pairs = link.pair(b[l - 1], b[l], after.indices[l])
                pairs -= link.pair(a[l - 1], a[l], before.indices[l])
            else:  # The input is the same in both phases: one product does.
                pairs = link.pair(x, b[0] - a[0], drive[1])
            gradient = Gradient(scale * pairs, scale * link.pair_bias(b[l] - a[l]))
            if self.row.alpha_lr:
                gradient.alpha = self._alpha_gradient(l, gradient, scale, (a, b), drive)
            gradients.append(gradient)
        return gradients, free.s[-1]

    def _alpha_gradient(self, l, gradient, scale, phases, drive):
        """What the scaling factors of a link see, nudged minus free.

        Of a convolution, per channel: the state times the pre-activation, with its bias, as the
        states of that phase pool it now. Of other links, post^T W pre, which is the sum of W times
        W's own gradient; half of it in fully connected nets.
        """
        link = self.links[l]
        if isinstance(link, DenseLink):
            share = 1.0 if self.row.convolutional else 0.5
            return share * (link.weight * gradient.weight).sum()
        before, after = (
            (a[l] * (link.up(a[l - 1]) if l else drive)[0]).sum((0, 2, 3)) for a in phases
        )
        return (scale * (after - before)).view_as(link.alpha)

    def bptt(self, x, labels) -> tuple[list[Gradient], torch.Tensor]:
        """Back-propagate the loss through the last steps of the T: K + 1, with convolutions K.

        The loss is half the squared error of the outputs, the mean over the batch. Parameters and
        results are those of :meth:`ep`.
        """
        row = self.row
        back = row.nudged_steps if row.convolutional else row.nudged_steps + 1
        with torch.no_grad():
            drive = self.links[0].up(x)
            early = self.relax(drive, self.start(len(x)), row.free_steps - back)
        tensors = [tensor for link in self.links for tensor in (link.weight, link.bias)]
        for tensor in tensors:
            tensor.requires_grad_(True)
        with torch.enable_grad():
            free = self.relax(self.links[0].up(x), early, back)
            loss = ((free.s[-1] - self.targets(labels)) ** 2).sum() / (2 * len(x))
            grads = torch.autograd.grad(loss, tensors)
        for tensor in tensors:
            tensor.requires_grad_(False)
        gradients = [Gradient(-w, -b) for w, b in zip(grads[::2], grads[1::2], strict=True)]
        return gradients, free.s[-1].detach()


def _same(before: State, after: State) -> bool:
    """Whether a step changed nothing: then the next one pools as it did, too."""
    # Outputs settle last, and are the fewest.
    return all(
        torch.equal(old, new)
        for old, new in zip(reversed(before.s), reversed(after.s), strict=True)
    )
