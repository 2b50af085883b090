"""The arrays that the kernels work on: a network's synapses, and the workspace of each thread."""

from typing import NamedTuple

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.engine.lanes import ENTRIES, LANES, TOGETHER
from popflip.golden.engine.layout import BLOCK, TILE, Layout

__all__ = ["Synapses", "Workspace", "aligned_zeros", "workspace_of"]

#: Bytes of a cache line.
_LINE = 64


class Synapses(NamedTuple):
    """Weights, and what follows from them alone."""

    weights: np.ndarray  # words of all rows, layer after layer
    abreast: np.ndarray  # those of layer 0 again, of a position's neurons side by side; bits only
    columns: np.ndarray  # the same weights by upper neuron; leaky dynamics only, not of layer 0
    ones_below: np.ndarray  # by neuron, from layer 2 on: weights of +1 in its column
    ones_above: np.ndarray  # by hidden neuron: weights of +1 in its row; leaky dynamics only


class Workspace(NamedTuple):
    """What a sample is computed on.

    An array of two axes has a row per thread, then a row per thread for the free state that both
    nudged phases begin with.
    """

    bits: np.ndarray  # activation bits of layers 1 to the output
    fresh: np.ndarray  # those of one layer, before they are set
    counts: np.ndarray  # by neuron: active lower neurons whose weight is +1
    raised: np.ndarray  # by neuron: active upper neurons whose weight is +1 (leaky dynamics)
    active: np.ndarray  # active neurons of each layer
    v: np.ndarray
    drive: np.ndarray
    everyone: np.ndarray  # all neurons of a layer, as a list
    undecided: np.ndarray
    stale: np.ndarray  # by layer: whether a neighbour has changed since the last visit
    states: np.ndarray  # leaky dynamics: potentials of all neurons
    totals: np.ndarray
    strips: np.ndarray  # what windows with the same first column see
    seen: np.ndarray  # what all windows see; 8-bit pixels: of each sample that is driven at once
    ones: np.ndarray  # of each window
    dots: np.ndarray  # shared weights: of each window and row, times 256
    keys: np.ndarray  # by neuron of a position: greatest dot product and its offset
    offsets: np.ndarray  # by sample of the block and neuron: the window that it sees
    cut: np.ndarray  # the window of a row that learns
    ahead: np.ndarray  # 8-bit pixels: drives of the samples that come next
    tables: np.ndarray  # of those samples, by word of a row
    sums: np.ndarray  # by neuron of a tile and sample
    seeing: np.ndarray  # words of a row in which anyone sees anything
    nudged: np.ndarray  # by sample of the block: activation bits in the plus and the minus state


def workspace_of(p: Params, layout: Layout, threads: int) -> Workspace:
    """Make the workspace of a network for so many threads."""
    n_words = int(layout.place[-1])
    block = max(BLOCK, threads * TOGETHER)
    count = np.int16 if max(p.sizes[1:]) < 1 << 15 else np.int32

    def each(n, dtype):
        return aligned_zeros((2 * threads, n), dtype)

    def for_pixels(n, dtype):
        return aligned_zeros((threads, n if layout.pixels else 0), dtype)

    neurons = n_words * LANES
    stateful = neurons if layout.leaky else 0
    # Rows of a power of two would all fall into the same few places of a cache.
    drives = int(layout.words[1]) * LANES + 16
    windows, n_seen = len(layout.window_strips), int(layout.seen_words)
    return Workspace(
        bits=each(n_words, np.uint64),
        fresh=each(n_words if layout.leaky else 0, np.uint64),
        counts=each(neurons, count),
        raised=each(neurons if layout.leaky else 0, count),
        active=each(p.depth + 1, np.int64),
        v=each(int(layout.words[-1]) * LANES, np.int32),
        drive=each(int(layout.words[1]) * LANES, np.int32),
        everyone=np.arange(max(p.sizes[1:]), dtype=np.int64),
        undecided=each(p.sizes[1], np.int64),
        stale=each(p.depth + 1, bool),
        states=each(stateful, np.int32),
        totals=each(neurons, np.int32),
        strips=each(len(layout.strips) * layout.strip_words, np.uint64),
        seen=aligned_zeros(
            (threads, TOGETHER if layout.pixels else 1, windows * n_seen), np.uint64
        ),
        ones=each(windows, np.int64),
        dots=each(windows * layout.abreast if layout.shared else 0, np.int64),
        keys=each(layout.abreast, np.int64),
        offsets=np.zeros((block, p.sizes[1]), np.uint8),
        cut=each(n_seen, np.uint64),
        ahead=for_pixels(TOGETHER * drives, np.int32).reshape(threads, -1, drives),
        tables=for_pixels(int(layout.row_words[0]) * ENTRIES * TOGETHER, np.uint16),
        sums=for_pixels((TILE + 1) * TOGETHER, np.int32),
        seeing=for_pixels(int(layout.row_words[0]), np.int64),
        nudged=np.zeros((block, 2, n_words), np.uint64),
    )


def aligned_zeros(shape, dtype):
    """Zeros that begin with a cache line, lest each vector lie in two of them."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + _LINE, np.uint8)
    first = -room.ctypes.data % _LINE
    return room[first : first + n_bytes].view(dtype).reshape(shape)
