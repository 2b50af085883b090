"""One neuron changes, and what its neighbours receive: the kernels that both dynamics share."""

import numpy as np

from popflip.golden.engine.compilation import compiled, inlined
from popflip.golden.engine.lanes import LANES, count_where
from popflip.golden.engine.words import common, unlike

__all__ = ["pull_of", "receive", "toggle"]


@compiled
def toggle(layout, weights, bits, counts, active, layer, neuron):
    """Change the activation of a neuron, and what the layer above receives."""
    word = layout.place[layer] + (neuron >> 6)
    mask = np.uint64(1) << np.uint64(neuron & 63)
    bits[word] ^= mask
    step = 1 if bits[word] & mask else -1
    active[layer] += step
    if layer < layout.depth:
        words = layout.row_words[layer]
        row = layout.base[layer] + neuron * words
        at = layout.place[layer + 1] * LANES
        for k in range(words):
            count_where(counts, at + k * LANES, weights[row + k], step)


@compiled
def receive(layout, counts, ones, active, layer, totals):
    """What the neurons of a layer receive from the layer below it; not for layer 1."""
    at, n, below = layout.place[layer] * LANES, layout.sizes[layer], layout.sizes[layer - 1]
    gain, on = layout.gains[layer - 1], active[layer - 1]
    if layout.sign:
        for i in range(at, at + n):
            totals[i] = gain * (4 * np.int64(counts[i]) - 2 * np.int64(ones[i]) + below - 2 * on)
    else:
        for i in range(at, at + n):
            totals[i] = gain * (2 * np.int64(counts[i]) - on)


@inlined
def pull_of(weights, row, bits, above, words, sign, n, on):
    """Dot product of the row at ``weights[row]`` with the ``n`` neurons above, ``on`` active."""
    if sign:
        return n - 2 * unlike(weights, row, bits, above, words)
    return 2 * common(weights, row, bits, above, words) - on
