"""Learning: contrasts are added to latents, and weights that are due flip."""

import numpy as np

from popflip.golden.engine.compilation import compiled, inlined
from popflip.golden.engine.drive import abreast_of, pack_lines
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
    words, sign, limit = layout.row_words[layer], layout.sign, layout.limits[layer]
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
            accumulate(latents, (at + k) * LANES, plus & differ, minus & differ, limit)
            dirty[layout.rows[layer] + row] = True


@compiled
def _learn_window(layout, latents, dirty, x, offsets, cut, neuron, up):
    """Add the contrast of a neuron of layer 1, which differs, to its row of weight layer 0."""
    position, words, first = neuron // layout.block, layout.row_words[0], np.int64(0)
    row = neuron % layout.block if layout.shared else neuron
    offset = offsets[neuron]
    top, left = layout.tops[offset, position], layout.lefts[offset, position]
    pack_lines(layout, x, top, layout.height, left, cut, first)
    if not layout.pixels:
        _learn_row(layout, latents, dirty, first, row, up, not up, cut, first, cut, first)
        return
    dirty[row] = True
    for k in range(words):
        # Behind the end of a row pixels are 0.
        accumulate_pixels(latents, (row * words + k) * LANES, cut, 8 * k, up, layout.limits[0])


@compiled
def _learn_first(layout, latents, dirty, workspace, x, sample, group, chunk, chunks):
    """Add one sample's contrasts of up to 64 neurons of layer 1; return those that differ.

    Shared rows only if they are of the chunk.
    """
    at = layout.place[1] + group
    plus, minus = workspace.nudged[sample, 0, at], workspace.nudged[sample, 1, at]
    differ = plus ^ minus
    visit = differ
    while visit:
        lane = lowest(visit)
        visit &= visit - np.uint64(1)
        neuron = group * LANES + lane
        if layout.shared and neuron % layout.block % chunks != chunk:
            continue
        up = (plus >> np.uint64(lane)) & np.uint64(1) != np.uint64(0)
        _learn_window(
            layout, latents, dirty, x, workspace.offsets[sample], workspace.cut[chunk], neuron, up
        )
    return popcount(differ)


@compiled
def _learn_sample(layout, latents, dirty, nudged, layer, group):
    """Add the contrast of one sample to up to 64 rows of a weight layer behind the first."""
    words, one = layout.row_words[layer], np.uint64(1)
    own = layout.place[layer] + group
    plus, minus = nudged[0, own], nudged[1, own]
    visit = plus ^ minus
    upper = layout.place[layer + 1]
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
        at_plus, at_minus = nudged[0], nudged[1]
        _learn_row(layout, latents, dirty, layer, row, up, down, at_plus, upper, at_minus, upper)


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
            if not layer and not layout.pixels:
                place = row // layout.block * layout.abreast + row % layout.block
                synapses.abreast[abreast_of(layout, place, k)] ^= flipped
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
def _flip_rows(layout, synapses, latents, dirty, layer, begin, end, step, tau):
    """Flip the weights of some rows that are due; return how many."""
    flips, first = 0, layout.rows[layer]
    for row in range(begin, end, step):
        if dirty[first + row]:
            dirty[first + row] = False
            flips += _flip_row(layout, synapses, latents, layer, row, tau[layer])
    return flips


@compiled
def learn(
    layout, synapses, latents, dirty, workspace, x, first, samples, tau, chunk, chunks, flipping,
    totals,
):  # fmt: skip
    """Add the contrasts of a block of samples, in order, and flip, in one chunk of all rows.

    Adds to ``totals[chunk]``: the flips of each weight layer, then the neurons of layer 1 that
    differed.
    """
    turn, input_layer, each = 0, np.int64(0), np.int64(1)
    if layout.shared:
        changed, n_rows = 0, layout.rows[1]
        for sample in range(samples):
            for group in range(layout.words[1]):
                changed += _learn_first(
                    layout, latents, dirty, workspace, x[first + sample], sample, group, chunk,
                    chunks,
                )  # fmt: skip
        if chunk == 0:
            totals[0, layout.depth] += changed
        if flipping:
            totals[chunk, 0] += _flip_rows(
                layout, synapses, latents, dirty, input_layer, chunk, n_rows, chunks, tau
            )
    for layer in range(1 if layout.shared else 0, layout.depth):
        lower = max(layer, 1)
        for group in range(layout.words[lower]):
            turn += 1
            if turn % chunks != chunk:
                continue
            for sample in range(samples):
                if layer:
                    _learn_sample(layout, latents, dirty, workspace.nudged[sample], layer, group)
                else:
                    totals[chunk, layout.depth] += _learn_first(
                        layout, latents, dirty, workspace, x[first + sample], sample, group, chunk,
                        chunks,
                    )  # fmt: skip
            if flipping:
                begin = group * LANES
                end = min(layout.sizes[lower], begin + LANES)
                totals[chunk, layer] += _flip_rows(
                    layout, synapses, latents, dirty, layer, begin, end, each, tau
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
