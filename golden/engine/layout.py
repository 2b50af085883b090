"""Where everything lies: a network's numbers, and its packed words, as compiled code wants them.

A row of bits is packed into words of 64, bit 0 first; the last word of a row is padded with zeros.
"""

from typing import NamedTuple

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.engine.lanes import ABREAST, LANES
from popflip.golden.support.integers import ceil_div

__all__ = [
    "BLOCK",
    "FREE",
    "MINUS",
    "PLUS",
    "TILE",
    "Layout",
    "layout_of",
    "packed_bits",
    "packed_bytes",
]

#: Samples that are relaxed before the latents take their contrasts.
BLOCK = 256

#: Neurons that use the tables of one word, which a core's first cache holds, before the next one's.
TILE = 64

#: Phases of a relaxation; the latter two are nudged by +beta and by -beta.
FREE, PLUS, MINUS = 0, 1, 2


class Layout(NamedTuple):
    """Numbers of a network, as compiled code wants them; layers as in :class:`Params`."""

    depth: int
    sign: bool
    leaky: bool
    sizes: np.ndarray
    words: np.ndarray  # of a layer's activation bits
    place: np.ndarray  # first of those words among those of layers 1 to the output
    tails: np.ndarray  # which bits of a layer's last word exist
    base: np.ndarray  # first word of a weight layer
    row_words: np.ndarray
    row_tails: np.ndarray
    rows: np.ndarray  # first row of a weight layer
    columns: np.ndarray  # first word of a weight layer by its upper neurons (leaky dynamics)
    gains: np.ndarray
    feedback: np.ndarray  # gains on the way down, by the layer that receives; none for layer 0
    threshold: int
    output_threshold: int
    v_max: int
    v0: int
    classes: int
    copies: int
    beta: int
    hold_nudge: bool
    free_sweeps: int
    nudged_sweeps: int
    limits: np.ndarray  # of latents, by weight layer
    reset_on_flip: bool
    block: int
    abreast: int  # neurons of a position, filled up to whole vectors
    shared: bool  # whether all positions use the same rows
    positions: int
    tops: np.ndarray  # by offset and position: first stored line of a window
    lefts: np.ndarray  # first bit in its lines
    height: int  # lines of a window
    span: int  # bits of a line of a window
    lines: int  # of a stored image: rows of pixels, or one for all of them
    line_words: int
    strips: np.ndarray  # first bits of all windows, without repetition
    strip_words: int
    window_strips: np.ndarray  # by window, without repetition: its strip
    window_tops: np.ndarray  # and its first line
    looks: np.ndarray  # by position: where its looks begin in the next two
    look_windows: np.ndarray  # a window that the position's neurons look at
    look_offsets: np.ndarray  # the lowest offset that it has there
    pixels: bool  # of 8 bits, where else each has bits by thresholds
    window_words: int  # of what a neuron sees
    window_tail: np.uint64
    seen_words: int  # the same with the pixels that fill up a row's last word
    everything: np.ndarray  # a row of ones, for 8-bit pixels


def layout_of(p: Params) -> Layout:
    """Lay out a network."""
    net, d, learning = p.network, p.dynamics, p.learning
    words = [ceil_div(n, LANES) for n in p.sizes]
    shapes = [p.synapses(layer) for layer in range(p.depth)]
    row_words = [ceil_div(s.row_bits, LANES) for s in shapes]

    def after(counts):
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    return Layout(
        depth=p.depth,
        sign=d.code == "sign",
        leaky=d.kind == "leaky",
        sizes=np.array([p.fan_in, *p.sizes[1:]], np.int64),
        words=np.array(words, np.int64),
        place=np.concatenate([[0], after(words[1:])]),
        tails=np.array([tail_of(n) for n in p.sizes], np.uint64),
        base=after([s.rows * n for s, n in zip(shapes, row_words, strict=True)]),
        row_words=np.array(row_words, np.int64),
        row_tails=np.array([tail_of(s.row_bits) for s in shapes], np.uint64),
        rows=after([s.rows for s in shapes]),
        columns=after([0] + [s.row_bits * n for s, n in zip(shapes[1:], words[1:], strict=False)]),
        gains=np.array(d.gains, np.int64),
        feedback=np.array([0, *map(p.feedback_gain, range(1, p.depth))], np.int64),
        threshold=d.hidden_threshold,
        output_threshold=d.output_threshold,
        v_max=d.v_max,
        v0=d.v0,
        classes=net.classes,
        copies=net.copies,
        beta=learning.beta,
        hold_nudge=learning.hold_nudge,
        free_sweeps=d.free_sweeps,
        nudged_sweeps=learning.nudged_sweeps,
        limits=np.array([learning.latent_max_of(layer) for layer in range(p.depth)], np.int64),
        reset_on_flip=learning.reset_on_flip,
        pixels=net.pixel_bits == 8,
        seen_words=row_words[0] * net.pixel_bits,
        everything=np.full(row_words[0] if net.pixel_bits == 8 else 0, ~np.uint64(0)),
        **_windows_of(p),
    )


def _windows_of(p: Params) -> dict:
    """Lay out what layer 1 sees.

    A stored image is lines of bits: rows of pixels where windows stand, else all pixels in one. A
    *strip* is what all windows with the same first column see, in all lines. A position *looks* at
    the windows of its offsets, but only once at a window that several offsets have: the lowest of
    them wins.
    """
    first, bits = p.first_layer, p.planes * p.network.pixel_bits
    height, width = first.kernel if first.windowed else (1, first.n_in // p.planes)
    lines, line = (first.image[0], first.image[1]) if first.windowed else (1, width)
    span = width * bits
    tops, lefts = first.corners[..., 0], first.corners[..., 1] * bits
    windows, which = np.unique(lefts * (lines + 1) + tops, return_inverse=True)
    which = which.reshape(tops.shape)
    strips, of_window = np.unique(windows // (lines + 1), return_inverse=True)
    looks, counts = [], []
    for seen in which.T:
        _, offsets = np.unique(seen, return_index=True)
        offsets.sort()
        looks += [(seen[offset], offset) for offset in offsets]
        counts.append(len(offsets))
    look_windows, look_offsets = np.array(looks, np.int64).T.copy()
    return {
        "block": first.block,
        "abreast": ceil_div(first.block, ABREAST) * ABREAST,
        "shared": first.shared,
        "positions": first.positions,
        "tops": np.ascontiguousarray(tops),
        "lefts": np.ascontiguousarray(lefts),
        "height": height,
        "span": span,
        "lines": lines,
        "line_words": ceil_div(line * bits, LANES),
        "strips": strips,
        "strip_words": ceil_div(lines * span, LANES) + 1,  # windows are read a word further
        "window_strips": of_window.reshape(-1).astype(np.int64),
        "window_tops": windows % (lines + 1),
        "looks": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "look_windows": look_windows,
        "look_offsets": look_offsets,
        "window_words": ceil_div(height * span, LANES),
        "window_tail": np.uint64(tail_of(height * span)),
    }


def tail_of(n):
    """Which bits of the last word of ``n`` exist."""
    return (1 << ((n - 1) % LANES + 1)) - 1


def packed_bits(bits):
    """Pack the last axis into words, bit 0 first, the last padded with zeros."""
    return packed_bytes(np.packbits(np.asarray(bits, bool), axis=-1, bitorder="little"))


def packed_bytes(octets):
    """Pack bytes into words, the first into the low bits, the last padded with zeros."""
    out = np.zeros((len(octets), ceil_div(octets.shape[-1], 8) * 8), np.uint8)
    out[:, : octets.shape[-1]] = octets
    return out.view("<u8").astype(np.uint64, copy=False)
