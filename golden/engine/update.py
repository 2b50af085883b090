"""Learning: contrasts are added to latents, and weights that are due flip."""

import numpy as np

from popflip.golden.engine.compilation import compiled, inlined
from popflip.golden.engine.lanes import (
    LANES,
    accumulate,
    accumulate_pixels,
    count_where,
    due,
    lowest,
    popcount,
    reset_where,
    word_at,
)

__all__ = ["count_ones", "learn"]


@inlined
def _learn_row(layout, latents, dirty, layer, row, up, down, plus_bits, i, minus_bits, j):
    """Add the contrast of one row.

    Whether its own neuron is active: ``up`` in the plus state, ``down`` in the minus state.
    The bits of the neurons at the row's other side begin at ``plus_bits[i]`` and ``minus_bits[j]``.
    """
    words, sign = layout.row_words[layer], layout.sign
    at = layout.base[layer] + row * words
    everything, nothing = ~np.uint64(0), np.uint64(0)
    plus_mask, minus_mask = (everything, everything) if sign else (nothing, nothing)
    # What the other side's bits become if the row's own neuron is active, and if it is not.
    plus_keep = everything if up or sign else nothing
    minus_keep = everything if down or sign else nothing
    if up:
        plus_mask = nothing
    if down:
        minus_mask = nothing
    for k in range(words):
        plus = (word_at(plus_bits, i + k) & plus_keep) ^ plus_mask
        minus = (word_at(minus_bits, j + k) & minus_keep) ^ minus_mask
        differ = plus ^ minus
        if k == words - 1:
            differ &= layout.row_tails[layer]
        if differ:
            accumulate(latents, (at + k) * LANES, plus & differ, minus & differ, layout.limit)
            dirty[layout.rows[layer] + row] = True


@inlined
def _learn_pixels(layout, latents, dirty, row, up, windows):
    """Add the contrast of one row of weight layer 0 whose input is pixels of 8 bits."""
    words, seen = layout.row_words[0], row // layout.block * layout.seen_words
    dirty[row] = True
    for k in range(words):
        # Behind the end of a row pixels are 0.
        at = (row * words + k) * LANES
        accumulate_pixels(latents, at, windows, seen + 8 * k, up, layout.limit)


@compiled
def _learn_sample(layout, latents, dirty, windows, nudged, layer, group):
    """Add the contrast of one sample to up to 64 rows; return the rows' neurons that differ."""
    words, one = layout.row_words[layer], np.uint64(1)
    own = layout.place[max(layer, 1)] + group
    plus, minus = nudged[0, own], nudged[1, own]
    differ = visit = plus ^ minus
    upper = layout.place[layer + 1]
    if layer:
        for k in range(words):
            if nudged[0, upper + k] != nudged[1, upper + k]:
                visit = plus | minus
                if layout.sign:
                    visit = ~np.uint64(0)
                    if group == layout.words[layer] - 1:
                        visit = layout.tails[layer]
                break
    while visit:
        lane = lowest(visit)
        visit &= visit - one
        row = group * LANES + lane
        up = (plus >> np.uint64(lane)) & one != np.uint64(0)
        down = (minus >> np.uint64(lane)) & one != np.uint64(0)
        if layer == 0 and layout.pixels:
            _learn_pixels(layout, latents, dirty, row, up, windows)
        elif layer == 0:
            seen = row // layout.block * words
            _learn_row(layout, latents, dirty, 0, row, up, down, windows, seen, windows, seen)
        else:
            at_plus, at_minus = nudged[0], nudged[1]
            _learn_row(
                layout, latents, dirty, layer, row, up, down, at_plus, upper, at_minus, upper
            )
    return popcount(differ)


@compiled
def _flip_row(layout, synapses, latents, layer, row, tau):
    """Flip the weights of a row that are due; return how many."""
    first = layout.base[layer] + row * layout.row_words[layer]
    weights, own, flips = synapses.weights, np.uint64(1) << np.uint64(row & 63), 0
    for k in range(layout.row_words[layer]):
        word = first + k
        flipped = due(latents, word * LANES, weights[word], tau)
        if flipped:
            weights[word] ^= flipped
            if layout.leaky and layer:
                left = flipped
                while left:
                    column = (k * LANES + lowest(left)) * layout.words[layer] + (row >> 6)
                    synapses.columns[layout.columns[layer] + column] ^= own
                    left &= left - np.uint64(1)
            flips += popcount(flipped)
            if layout.reset_on_flip:
                reset_where(latents, word * LANES, flipped)
    return flips


@compiled
def learn(
    layout, synapses, latents, dirty, workspace, samples, tau, chunk, chunks, flipping, totals
):
    """Add the contrasts of a block of samples, in order, and flip, in one chunk of all rows.

    Adds to ``totals[chunk]``: the flips of each weight layer, then the neurons of layer 1 that
    differed.
    """
    turn = 0
    for layer in range(layout.depth):
        lower = max(layer, 1)
        for group in range(layout.words[lower]):
            turn += 1
            if turn % chunks != chunk:
                continue
            changed = 0
            for sample in range(samples):
                windows, nudged = workspace.windows[sample], workspace.nudged[sample]
                changed += _learn_sample(layout, latents, dirty, windows, nudged, layer, group)
            if layer == 0:
                totals[chunk, layout.depth] += changed
            if flipping:
                first = layout.rows[layer] + group * LANES
                end = min(layout.rows[layer] + layout.sizes[lower], first + LANES)
                for row in range(first, end):
                    if dirty[row]:
                        dirty[row] = False
                        totals[chunk, layer] += _flip_row(
                            layout, synapses, latents, layer, row - layout.rows[layer], tau[layer]
                        )


@compiled
def count_ones(layout, synapses):
    """Count the weights of +1 below each neuron from layer 2 on, and above each hidden one.

    Sweeps of the ``heaviside`` code, whose neurons begin silent, need neither.
    """
    if not layout.sign and not layout.leaky:
        return
    synapses.ones_below[:] = 0
    for layer in range(1, layout.depth):
        words = layout.row_words[layer]
        at, own = layout.place[layer + 1] * LANES, layout.place[layer] * LANES
        for row in range(layout.sizes[layer]):
            first, ones = layout.base[layer] + row * words, 0
            for k in range(words):
                word = synapses.weights[first + k]
                count_where(synapses.ones_below, at + k * LANES, word, 1)
                ones += popcount(word)
            if layout.leaky:
                synapses.ones_above[own + row] = ones
