"""The paper's systems once more, in plain NumPy with loops: what the PyTorch model is held to.

Written from the text of the equations alone (docs/paper.md), without a look at the model that it
checks. It is slow, in float64, and knows no random numbers: the caller hands over the weights,
the sign of the nudge and the noise.

States are a list: ``states[0]`` the input, ``states[l]`` layer ``l``. ``layers[l - 1]`` joins
``states[l - 1]`` to ``states[l]``.
"""

from dataclasses import dataclass, field

import numpy as np


def padded(images, padding):
    """Images with a border of zeros."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    return np.pad(images, around)


def convolve(images, weights, bias, padding):
    """What a convolution gives, with its bias: (batch, features, height, width)."""
    images = padded(images, padding)
    features, _, kernel, _ = weights.shape
    batch, _, height, width = images.shape
    result = np.empty((batch, features, height - kernel + 1, width - kernel + 1))
    for y in range(result.shape[2]):
        for x in range(result.shape[3]):
            window = images[:, :, y : y + kernel, x : x + kernel]
            result[:, :, y, x] = np.einsum("bcyx,fcyx->bf", window, weights) + bias
    return result


def transposed(maps, weights, padding):
    """The transposed convolution: what maps send back to the images below."""
    batch, _, height, width = maps.shape
    _, channels, kernel, _ = weights.shape
    result = np.zeros((batch, channels, height + kernel - 1, width + kernel - 1))
    for y in range(height):
        for x in range(width):
            sent = np.einsum("bf,fcyx->bcyx", maps[:, :, y, x], weights)
            result[:, :, y : y + kernel, x : x + kernel] += sent
    return result[:, :, padding : result.shape[2] - padding, padding : result.shape[3] - padding]


def correlate(maps, images, kernel, padding):
    """Products of maps and the windows they see, summed over batch and places: (f, c, k, k)."""
    images = padded(images, padding)
    result = np.zeros((maps.shape[1], images.shape[1], kernel, kernel))
    for y in range(maps.shape[2]):
        for x in range(maps.shape[3]):
            window = images[:, :, y : y + kernel, x : x + kernel]
            result += np.einsum("bf,bcyx->fcyx", maps[:, :, y, x], window)
    return result


def pool(maps, size, hint=None):
    """The greatest of each ``size`` x ``size`` block and where it stands; the first one of a tie.

    Places are counted along the rows of the whole map. ``hint`` is another model's choice: it is
    taken where its value is the greatest but for rounding.
    """
    batch, features, height, width = maps.shape
    result = np.empty((batch, features, height // size, width // size))
    where = np.empty(result.shape, dtype=int)
    for b, f, y, x in np.ndindex(result.shape):
        places = [
            (size * y + dy) * width + size * x + dx for dy in range(size) for dx in range(size)
        ]
        values = maps[b, f].flat
        best = places[0]
        for place in places:
            if values[place] > values[best]:
                best = place
        if hint is not None:
            other = int(hint[b, f, y, x])
            if other in places and abs(values[other] - values[best]) < 1e-12:
                best = other
        result[b, f, y, x] = values[best]
        where[b, f, y, x] = best
    return result, where


def unpool(values, where, height, width):
    """Values at the places they were taken from, zeros elsewhere."""
    result = np.zeros((*values.shape[:2], height, width))
    for b, f, y, x in np.ndindex(values.shape):
        result[b, f].flat[where[b, f, y, x]] += values[b, f, y, x]
    return result


def gather(maps, where):
    """The values of maps at these places."""
    result = np.empty(where.shape)
    for b, f, y, x in np.ndindex(where.shape):
        result[b, f, y, x] = maps[b, f].flat[where[b, f, y, x]]
    return result


@dataclass
class Dense:
    """A fully connected layer."""

    weights: np.ndarray
    bias: np.ndarray
    alpha: float = 1.0
    momentum: np.ndarray | None = None

    def up(self, below, hint=None):
        """What the layer receives from below; nothing is pooled."""
        return below.reshape(len(below), -1) @ self.weights.T + self.bias, None

    def down(self, above, _where, below):
        """What the layer sends back to the one below."""
        return (above @ self.weights).reshape(below.shape)

    def products(self, above, _where, below):
        """Sum over the batch of post times pre."""
        return above.T @ below.reshape(len(below), -1)

    def summed(self, above):
        """Sum over the batch of post."""
        return above.sum(0)

    def scaled(self, above, below):
        """Sum over the batch of post^T W pre."""
        total = 0.0
        for post, pre in zip(above, below.reshape(len(below), -1), strict=True):
            total += post @ self.weights @ pre
        return total

    def sent(self, gradient, _where):
        """The derivative of what was sent down, as the layer above sees it."""
        return gradient.reshape(len(gradient), -1) @ self.weights.T

    def rescale(self, alpha):
        """Give the weights another scaling factor."""
        self.weights = self.weights / self.alpha * alpha
        self.alpha = alpha


@dataclass
class Convolution:
    """A convolution with its bias, and its pooling."""

    weights: np.ndarray
    bias: np.ndarray
    padding: int
    pooling: int
    alpha: np.ndarray = field(default_factory=lambda: np.ones(1))
    momentum: np.ndarray | None = None

    @property
    def kernel(self):
        return self.weights.shape[2]

    def sizes(self, below):
        """Height and width before the pooling."""
        return [size + 2 * self.padding - self.kernel + 1 for size in below.shape[2:]]

    def up(self, below, hint=None):
        """What the layer receives from below, and where the pooling took it."""
        return pool(convolve(below, self.weights, self.bias, self.padding), self.pooling, hint)

    def down(self, above, where, below):
        """What the layer sends back to the one below."""
        return transposed(unpool(above, where, *self.sizes(below)), self.weights, self.padding)

    def products(self, above, where, below):
        """Sum over batch and places of the unpooled post times pre."""
        maps = unpool(above, where, *self.sizes(below))
        return correlate(maps, below, self.kernel, self.padding)

    def summed(self, above):
        """Sum over batch and places of post."""
        return above.sum((0, 2, 3))

    def scaled(self, above, below):
        """Sum over batch and places of post times the freshly pooled pre-activation."""
        return (above * self.up(below)[0]).sum((0, 2, 3))

    def sent(self, gradient, where):
        """The derivative of what was sent down, as the layer above sees it."""
        zero = np.zeros(len(self.bias))
        return gather(convolve(gradient, self.weights, zero, self.padding), where)

    def rescale(self, alpha):
        """Give each channel's weights another scaling factor; its magnitude counts."""
        signs = np.sign(self.weights)
        self.alpha = abs(alpha)
        self.weights = signs * self.alpha[:, None, None, None]


@dataclass
class Plain:
    """A network with its recipe.

    Parameters
    ----------
    layers : list of Dense and Convolution
    binary_activations : bool
    weights : {"real", "fixed", "learned"}
        Real weights, or binary ones whose scaling factors are fixed or learned.
    steps, nudged_steps : int
        T and K.
    rates_bias, rates_weights, rates_alpha, gammas, taus : list of float, one a layer
    held : bool
        Nudge towards the target from the prediction of the free phase, held fixed.
    """

    layers: list
    steps: int
    nudged_steps: int
    weights: str = "fixed"
    binary_activations: bool = False
    held: bool = False
    rates_bias: list = ()
    rates_weights: list = ()
    rates_alpha: list = ()
    gammas: list = ()
    taus: list = ()

    @property
    def convolutional(self):
        return any(isinstance(layer, Convolution) for layer in self.layers)

    def start(self, images):
        """States before the first step, for a batch of images."""
        value = 1.0 if self.binary_activations else 0.5 if self.convolutional else 0.0
        states = [images]
        for layer in self.layers:
            states.append(np.full(layer.up(states[-1])[0].shape, value))
        return states

    def sent(self, states):
        """What neurons send to their neighbours; the input sends its pixels."""
        if not self.binary_activations:
            return states
        return [states[0], *((state >= 0.5).astype(float) for state in states[1:])]

    def step(self, states, beta=0.0, target=None, prediction=None, hints=None):
        """One synchronous step: new states, where the poolings took them, and the drives."""
        active = self.sent(states)
        hints = hints or [None] * len(self.layers)
        drives, wheres = [], []
        for layer, below, hint in zip(self.layers, active[:-1], hints, strict=True):
            drive, where = layer.up(below, hint)
            drives.append(drive)
            wheres.append(where)
        for index in range(len(self.layers) - 1):
            above = self.layers[index + 1]
            sent = above.down(active[index + 2], wheres[index + 1], active[index + 1])
            drives[index] = drives[index] + sent
        new = [states[0]]
        for index, drive in enumerate(drives):
            old = states[index + 1]
            last = index == len(drives) - 1
            nudge = 0.0
            if last and beta:
                nudge = beta * (target - (prediction if self.held else old))
            if self.binary_activations:
                state = np.clip(0.5 * old + 0.5 * drive + 0.5 * nudge, 0, 1)
            else:
                state = np.clip(drive, 0, 1) + nudge
                if not (last and beta and self.convolutional):
                    state = np.clip(state, 0, 1)
            new.append(state)
        return new, wheres, drives

    def relax(self, states, steps, **nudge):
        """Some steps; the last states, and where the poolings of the last step took them."""
        wheres = None
        for _ in range(steps):
            states, wheres, _ = self.step(states, **nudge)
        return states, wheres

    def contrast(self, beta, free, nudged):
        """Gradient estimates of weights, biases and scaling factors, each a list.

        ``free`` and ``nudged`` are states and the places of their poolings.
        """
        (free, free_wheres), (nudged, nudged_wheres) = free, nudged
        scale = 1 / (beta * len(free[0]))
        free, nudged = self.sent(free), self.sent(nudged)
        weights, biases, alphas = [], [], []
        for index, layer in enumerate(self.layers):
            plus = nudged[index + 1], nudged_wheres[index], nudged[index]
            minus = free[index + 1], free_wheres[index], free[index]
            weights.append(scale * (layer.products(*plus) - layer.products(*minus)))
            biases.append(scale * (layer.summed(plus[0]) - layer.summed(minus[0])))
            factor = 1.0 if self.convolutional else 0.5
            scaled = layer.scaled(plus[0], plus[2]) - layer.scaled(minus[0], minus[2])
            alphas.append(factor * scale * scaled)
        return weights, biases, alphas

    def back_propagated(self, states, target, back, hints):
        """Gradients of minus half the squared error, ``back`` steps back from step T."""
        tape = []
        for hint in hints:
            new, wheres, drives = self.step(states, hints=hint)
            tape.append((states, wheres, drives))
            states = new
        tape = tape[self.steps - back :]
        weights = [np.zeros_like(layer.weights) for layer in self.layers]
        biases = [np.zeros_like(layer.bias) for layer in self.layers]
        ascent = [np.zeros_like(state) for state in states]
        ascent[-1] = (target - states[-1]) / len(target)
        for states, wheres, drives in reversed(tape):
            before = [np.zeros_like(state) for state in states]
            for index, layer in enumerate(self.layers):
                inside = (drives[index] >= 0) & (drives[index] <= 1)
                gradient = ascent[index + 1] * inside
                weights[index] += layer.products(gradient, wheres[index], states[index])
                biases[index] += layer.summed(gradient)
                before[index] += layer.down(gradient, wheres[index], states[index])
                if index + 1 < len(self.layers):
                    above = self.layers[index + 1]
                    where = wheres[index + 1]
                    weights[index + 1] += above.products(states[index + 2], where, gradient)
                    before[index + 2] += above.sent(gradient, where)
            ascent = before
        return weights, biases

    def update(self, weights, biases, alphas=None, noise=None):
        """Learn from gradients; which weights flipped, one array a layer."""
        flipped = []
        for index, layer in enumerate(self.layers):
            if self.weights == "real":
                layer.weights = layer.weights + self.rates_weights[index] * weights[index]
            else:
                gamma, tau = self.gammas[index], self.taus[index]
                if layer.momentum is None:
                    layer.momentum = gamma * weights[index]
                    if noise is not None:
                        layer.momentum = layer.momentum + 2 * gamma * noise[index]
                else:
                    layer.momentum = (1 - gamma) * layer.momentum + gamma * weights[index]
                pull = -np.sign(layer.weights) * layer.momentum
                flips = pull >= tau if self.convolutional else pull > tau
                layer.weights = np.where(flips, -layer.weights, layer.weights)
                flipped.append(flips)
            layer.bias = layer.bias + self.rates_bias[index] * biases[index]
            if self.weights == "learned":
                layer.rescale(layer.alpha + self.rates_alpha[index] * alphas[index])
        return flipped


def scaling_factors(weights):
    """The factors of drawn weights: one a layer, in convolutions one an output channel."""
    if weights.ndim == 2:
        return round(float(abs(weights).mean()), 4)
    return np.array([round(float(abs(channel).mean()), 4) for channel in weights])
