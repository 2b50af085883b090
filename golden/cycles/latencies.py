"""Latencies of the machine's engines, in cycles, named once; the tests of the RTL assert them."""

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div

__all__ = [
    "APPLY_LATENCY",
    "DRIVE_LATENCY",
    "GROUP_LATENCY",
    "LEAKY_LATENCY",
    "LIST_LATENCY",
    "MARGIN_LATENCY",
    "OUTPUT_LATENCY",
    "QUEUE_LATENCY",
    "READOUT_LATENCY",
    "SHARED_LATENCY",
    "UPDATE_LATENCY",
    "VISIT_LATENCY",
    "line_waits",
    "looks_at",
    "pool_latency",
    "tree_latency",
]

#: From the address of a group's last word to its first item, beside the popcount tree.
DRIVE_LATENCY = 5
#: From the request of a neuron's last word to the push of its change, beside the tree.
VISIT_LATENCY = 7
#: From a push to the queue until its head.
QUEUE_LATENCY = 2
#: From the request of an application's last word until the counters hold it.
APPLY_LATENCY = 5
#: From the pulse of an update of outputs until it is over, beside its chunks.
OUTPUT_LATENCY = 4
#: From the pulse of a readout until it is over, beside its classes.
READOUT_LATENCY = 3
#: From the issue of latents until their flips are written and counted.
UPDATE_LATENCY = 6
#: The same of a shared update engine.
SHARED_LATENCY = 1
#: With overlap: from the start pulse of a drive until it is over, beside the words, the waits for
#: rows of the image and the tree.
GROUP_LATENCY = 7
#: With overlap: from the pulse of a pass over the lists until it is over, beside the longest.
LIST_LATENCY = 6
#: With leaky dynamics: from the last word of a pass over a layer until it is over, beside the tree.
LEAKY_LATENCY = 7
#: With leaky dynamics: from the address of the last word until a drive is over, beside the tree.
MARGIN_LATENCY = 6


def tree_latency(width: int) -> int:
    """Registers in :class:`popflip.rtl.primitives.popcount.PopcountTree` of ``width`` bits."""
    levels = 1 + (ceil_div(width, 3) - 1).bit_length()
    return ceil_div(levels, 3)


def pool_latency(params: Params) -> int:
    """Cycles in which the greatest of pooled windows is found, beside its latency."""
    return (params.machine.pool_lanes - 1).bit_length() + (params.looks > 1)


def looks_at(params: Params) -> np.ndarray:
    """How often the neurons of each position look at windows."""
    if not params.machine.serial_windows:
        return np.full(params.positions, params.looks)
    down, across = ([len(moves) for moves in way] for way in params.first_layer.moves_inside)
    return np.outer(down, across).reshape(-1)


def line_waits(params: Params) -> int:
    """Cycles in which a drive waits, at the end of a row of windows, for the image's next rows.

    They come while the row is looked at, one per cycle. (Serial windows are fetched otherwise.)
    """
    first = params.first_layer
    looked = params.looks * params.look_words * first.grid[1]
    return max(0, first.step_rows - looked)
