"""Several layers of windows, one above the other, that learn like the machine: in software only.

The hardware's windows look at the input alone. Here those of a second layer look at the activations
of the first, with the same geometry (:class:`popflip.golden.description.first_layer.Windows`), and
feedback goes back to the window that a pooled neuron has seen last. Activations and products are
float32, in which all of these integers are exact; the contrasts of a batch are summed before
latents saturate. But for that, a stack is the golden model of a network with the ``heaviside``
code, sweeps, centered nudging, one output for each class, ``v0`` 0 and no reset on flips.
"""

from dataclasses import dataclass

import numpy as np

from popflip.golden.description.first_layer import Windows
from popflip.golden.support.errors import InputError

__all__ = ["Layer", "Stack", "StackSettings"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A hidden layer of windows.

    Parameters
    ----------
    windows : Windows
        Their image is the input, or the grid of the layer below with its features as planes.
    gain, threshold : int
        Of what its neurons receive from below.
    feedback : int
        Gain of what they receive from above.
    tau : int
        Flip threshold of its weights.
    latent_bits : int
    """

    windows: Windows
    gain: int
    threshold: int
    feedback: int
    tau: int
    latent_bits: int

    @property
    def weights(self) -> tuple[int, int]:
        """Rows of weights, and bits of one."""
        return self.windows.rows, self.windows.fan_in


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """Layers, outputs and how they learn.

    Parameters
    ----------
    layers : tuple of Layer
        From the input upwards.
    gain : int
        Of the outputs, one for each of ``classes``.
    tau, latent_bits : int
        Of the outputs' weights.
    free_sweeps, nudged_sweeps, beta : int
    v_max : int
    classes : int

    Raises
    ------
    ValueError
        If a layer's image is not what is below it.
    """

    layers: tuple[Layer, ...]
    gain: int
    tau: int
    latent_bits: int
    free_sweeps: int
    nudged_sweeps: int
    beta: int
    v_max: int = 256
    classes: int = 10

    def __post_init__(self):
        for below, layer in zip(self.layers, self.layers[1:], strict=False):
            wanted = below.windows.grid, below.windows.block
            if (layer.windows.image, layer.windows.planes) != wanted:
                raise InputError(
                    f"windows must look at an image of {wanted[0]} with {wanted[1]} planes, "
                    f"not {layer.windows.image} with {layer.windows.planes}"
                )

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows of weights and their bits, layer by layer; the outputs' by the neurons below."""
        return [layer.weights for layer in self.layers] + [
            (self.layers[-1].windows.neurons, self.classes)
        ]

    @property
    def bits(self) -> tuple[int, ...]:
        """Width of each weight layer's latents."""
        return (*(layer.latent_bits for layer in self.layers), self.latent_bits)

    @property
    def synapses(self) -> int:
        """Weights in all."""
        return sum(rows * width for rows, width in self.shapes)

    @property
    def memory_bits(self) -> int:
        """Bits of weights and latents."""
        return sum(
            rows * width * (1 + bits)
            for (rows, width), bits in zip(self.shapes, self.bits, strict=True)
        )


@dataclass
class _State:
    """Activations of all layers, potentials of the outputs, and the windows that were seen."""

    a: list[np.ndarray]
    v: np.ndarray
    seen: list[np.ndarray]


class Stack:
    """Layers of windows, and outputs that see all of the last.

    Parameters
    ----------
    settings : StackSettings
    seed : int
        Draws the weights.
    weights : list of ndarray of bool, optional
        Instead; in the shapes of ``settings.shapes``.
    """

    def __init__(self, settings: StackSettings, seed: int = 1, weights=None):
        self.settings = settings
        rng = np.random.default_rng(seed)
        if weights is None:
            weights = [rng.integers(0, 2, shape).astype(bool) for shape in settings.shapes]
        self.weights = [np.where(w, np.float32(1), np.float32(-1)) for w in weights]
        self.latents = [np.zeros(shape, np.int32) for shape in settings.shapes]

    # Relaxation -----------------------------------------------------------------------------

    def receives(self, l: int, below: np.ndarray) -> np.ndarray:
        """What hidden layer ``l``, counted from 0, receives from below, less its threshold.

        Parameters
        ----------
        l : int
        below : ndarray of bool, shape (batch, neurons below)
        """
        return self._look(l, _bits(below))[0]

    def _look(self, l, below):
        """What layer ``l`` receives from below, less its threshold, and the windows it sees."""
        layer = self.settings.layers[l]
        rows = self._rows(l)
        greatest = offset = np.zeros((len(below), layer.windows.neurons))
        for number, windows in enumerate(layer.windows.pooled_windows):
            dot = np.matmul(below[:, windows].swapaxes(0, 1), rows.swapaxes(1, 2))
            dot = dot.swapaxes(0, 1).reshape(len(below), -1)
            greater = (dot > greatest) | (number == 0)
            greatest = np.where(greater, dot, greatest)
            offset = np.where(greater, number, offset)
        return layer.gain * greatest - layer.threshold, offset

    def _rows(self, l):
        """Weights of each position's neurons: shape (positions or 1, block, fan_in)."""
        windows = self.settings.layers[l].windows
        return self.weights[l].reshape(-1, windows.block, windows.fan_in)

    def _down(self, l, a, offset):
        """What the layer below layer ``l`` receives from it."""
        windows = self.settings.layers[l].windows
        rows, total = self._rows(l), np.zeros((len(a), windows.n_in), np.float32)
        cells = windows.fan_in // windows.planes
        for number, inputs in enumerate(windows.pooled_windows):
            active = (a * (offset == number)).reshape(len(a), windows.positions, windows.block)
            back = np.matmul(active.swapaxes(0, 1), rows).swapaxes(0, 1)
            # A pixel of a window is that of no other window: so each is added once at a time.
            parts = back.reshape(len(a), windows.positions, cells, windows.planes)
            places = inputs.reshape(windows.positions, cells, windows.planes)
            for cell in range(cells):
                for turn in _turns(places[:, cell, 0]):
                    total[:, places[turn, cell]] += parts[:, turn, cell]
        return total

    def _settle(self, state, drive, sweeps, nudge=None):
        """Sweep: the odd layers from their neighbours, then the even ones."""
        settings, depth = self.settings, len(self.settings.layers) + 1
        for _ in range(sweeps):
            for parity in (1, 0):
                a, v, seen = list(state.a), state.v, list(state.seen)
                for number in range(1, depth + 1):
                    if number % 2 != parity:
                        continue
                    if number == depth:
                        total = v + settings.gain * (state.a[-2] @ self.weights[-1])
                        total = total + (nudge(v) if nudge else 0)
                        v = np.clip(np.floor(total / 2), 0, settings.v_max)
                        a[-1] = _bits(v >= settings.v_max // 2)
                        continue
                    total, l = drive, number - 1
                    if l:
                        total, seen[l] = self._look(l, state.a[l - 1])
                    if number == depth - 1:
                        above = state.a[-1] @ self.weights[-1].T
                    else:
                        above = self._down(l + 1, state.a[l + 1], state.seen[l + 1])
                    a[l] = _bits(total + settings.layers[l].feedback * above >= 0)
                state = _State(a, v, seen)
        return state

    def relax(self, x, labels=None):
        """Settle a batch.

        Parameters
        ----------
        x : ndarray of bool, shape (batch, n_in)
        labels : ndarray of int, optional

        Returns
        -------
        prediction : ndarray of int
        states : list of _State
            The plus and the minus state; empty without labels.
        """
        settings, x = self.settings, _bits(x)
        drive, offset = self._look(0, x)
        sizes = [layer.windows.neurons for layer in settings.layers] + [settings.classes]
        quiet = [np.zeros((len(x), n), np.float32) for n in sizes]
        seen = [offset, *(np.zeros_like(a) for a in quiet[1:-1])]
        start = _State(quiet, np.zeros((len(x), settings.classes), np.float32), seen)
        free = self._settle(start, drive, settings.free_sweeps)
        states = []
        if labels is not None:
            goal = settings.v_max * (np.arange(settings.classes) == labels[:, None])
            for beta in (settings.beta, -settings.beta):
                pull = _Pull(beta, goal)
                states.append(self._settle(free, drive, settings.nudged_sweeps, pull))
        return free.v.argmax(-1), states

    # Learning -------------------------------------------------------------------------------

    def train(self, x, labels, growth: float = 1.0) -> int:
        """Learn from a batch, then flip; return how many samples were predicted rightly.

        Parameters
        ----------
        x : ndarray of bool, shape (batch, n_in)
        labels : ndarray of int, shape (batch,)
        growth : float
            What tau is multiplied by.
        """
        prediction, (plus, minus) = self.relax(x, labels)
        belows = ([_bits(x), *state.a[: len(self.settings.layers)]] for state in (plus, minus))
        for state, below, sign in zip((plus, minus), belows, (1, -1), strict=True):
            for l in range(len(self.settings.layers)):
                pairs = self._pairs(l, state.a[l], below[l], state.seen[l])
                self.latents[l] += sign * pairs.astype(np.int32)
            pairs = below[-1].T @ state.a[-1]
            self.latents[-1] += sign * pairs.astype(np.int32)
        taus = (*(layer.tau for layer in self.settings.layers), self.settings.tau)
        for l, (tau, bits) in enumerate(zip(taus, self.settings.bits, strict=True)):
            most = (1 << (bits - 1)) - 1
            np.clip(self.latents[l], -most, most, out=self.latents[l])
            tau = round(min(most, tau * growth))
            self.weights[l][self.latents[l] * self.weights[l] <= -tau] *= -1
        return int((prediction == labels).sum())

    def _pairs(self, l, a, below, offset):
        """Sum over the batch of each weight's two activations."""
        windows = self.settings.layers[l].windows
        total = np.zeros((windows.positions, windows.block, windows.fan_in), np.float32)
        for number, inputs in enumerate(windows.pooled_windows):
            active = (a * (offset == number)).reshape(len(a), windows.positions, windows.block)
            total += np.matmul(active.transpose(1, 2, 0), below[:, inputs].swapaxes(0, 1))
        if windows.shared:
            total = total.sum(0)
        return total.reshape(self.weights[l].shape)


@dataclass(frozen=True)
class _Pull:
    """What a nudge adds to potentials."""

    beta: int
    goal: np.ndarray

    def __call__(self, v):
        return self.beta * (self.goal - v)


def _bits(a):
    return a.astype(np.float32)


def _turns(places):
    """Positions in turns that name no place twice (windows at the border are moved together)."""
    left, turns = np.arange(len(places)), []
    while len(left):
        _, first = np.unique(places[left], return_index=True)
        turns.append(left[first])
        left = np.delete(left, first)
    return turns
