"""Where everything lies: a network's numbers, and its packed words, as compiled code wants them.

A row of bits is packed into words of 64, bit 0 first; the last word of a row is padded with zeros.
"""

from typing import NamedTuple

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.engine.lanes import LANES
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
    free_sweeps: int
    nudged_sweeps: int
    limit: int
    reset_on_flip: bool
    block: int
    positions: int
    windowed: bool  # whether a position sees a window, or the whole image
    tops: np.ndarray  # first pixel row of a position's window
    lefts: np.ndarray  # first pixel column
    height: int  # of a window
    width: int
    pixels: bool  # of 8 bits, where else each has bits by thresholds
    pixel_bits: int  # of either
    image_words: int  # of an image row
    seen_words: int  # of what a position sees
    everything: np.ndarray  # a row of ones, for 8-bit pixels


def layout_of(p: Params) -> Layout:
    """Lay out a network."""
    net, d, learning = p.network, p.dynamics, p.learning
    words = [ceil_div(n, LANES) for n in p.sizes]
    shapes = [p.synapses(layer) for layer in range(p.depth)]
    row_words = [ceil_div(s.row_bits, LANES) for s in shapes]
    pixel_bits = p.planes * net.pixel_bits
    first = p.first_layer
    corners = first.windows[:, 0] // p.planes  # a window's first bit is of its first pixel

    def after(counts):
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    return Layout(
        depth=p.depth,
        sign=d.code == "sign",
        leaky=d.kind == "leaky",
        sizes=np.array([first.fan_in, *p.sizes[1:]], np.int64),
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
        free_sweeps=d.free_sweeps,
        nudged_sweeps=learning.nudged_sweeps,
        limit=learning.latent_max,
        reset_on_flip=learning.reset_on_flip,
        block=first.block,
        positions=first.positions,
        windowed=first.windowed,
        tops=corners // net.image[1],
        lefts=corners % net.image[1],
        height=first.kernel[0],
        width=first.kernel[1],
        pixels=net.pixel_bits == 8,
        pixel_bits=pixel_bits,
        image_words=ceil_div(net.image[1] * pixel_bits, LANES),
        seen_words=row_words[0] * net.pixel_bits,
        everything=np.full(row_words[0] if net.pixel_bits == 8 else 0, ~np.uint64(0)),
    )


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
