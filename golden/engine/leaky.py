"""The ``leaky`` dynamics: all layers at once, and a potential in every neuron."""

import numpy as np

from popflip.golden.engine.compilation import compiled
from popflip.golden.engine.lanes import (
    LANES,
    add_scaled,
    at_least,
    count_where,
    leak,
    lowest,
    popcount,
    word_at,
)
from popflip.golden.engine.layout import FREE, PLUS
from popflip.golden.engine.neurons import receive
from popflip.golden.engine.words import common

__all__ = ["run_steps"]

#: Words whose ones are counted in the time that one takes to be added to the counts of its lanes.
_COUNTED = 8


@compiled
def _total(layout, synapses, workspace, t, layer):
    """What the neurons of a hidden layer receive from both sides."""
    active, totals = workspace.active[t], workspace.totals[t]
    n, on = layout.sizes[layer + 1], active[layer + 1]
    first, end = layout.place[layer] * LANES, (layout.place[layer] + layout.words[layer]) * LANES
    base, offset, factor = totals, -on * layout.feedback[layer], 2 * layout.feedback[layer]
    if layer == 1:
        base = workspace.drive[t]  # of layer 1, whose neurons come first in all arrays
        offset += layout.threshold
    else:
        receive(layout, workspace.counts[t], synapses.ones_below, active, layer, totals)
    if layout.sign:
        offset += (n - on) * layout.feedback[layer]
        factor *= 2
    for at in range(first, end, LANES):
        add_scaled(totals, at, base, workspace.raised[t], factor, offset)
        if layout.sign:
            add_scaled(totals, at, totals, synapses.ones_above, -factor // 2, 0)


@compiled
def _recount(matrix, first, rows, bits, place, words, counts, at):
    """Count the bits that each row of a matrix has in common with a layer's activations."""
    for i in range(rows):
        counts[at + i] = common(matrix, first + i * words, bits, place, words)


@compiled
def _correct(matrix, first, words, k, old, new, counts, at):
    """Add the rows of neurons that became active in word ``k``, subtract the others."""
    differ = old ^ new
    while differ:
        lane = lowest(differ)
        differ &= differ - np.uint64(1)
        step = 1 if new >> np.uint64(lane) & np.uint64(1) else -1
        row = first + (k * LANES + lane) * words
        for i in range(words):
            count_where(counts, at + i * LANES, word_at(matrix, row + i), step)


@compiled
def _replace(layout, synapses, workspace, t, layer, fresh, changes):
    """Set a layer's activations, and what the layers above and below receive from it."""
    bits, words, place = workspace.bits[t], layout.words[layer], layout.place[layer]
    above = below = False
    row_words = wide = upper = lower = 0
    if layer < layout.depth:
        row_words, upper = layout.row_words[layer], layout.place[layer + 1] * LANES
        # Whichever touches fewer words; to count them is about _COUNTED times as fast.
        above = changes * row_words * _COUNTED < layout.sizes[layer + 1] * words
    if layer > 1:
        wide, lower = layout.words[layer - 1], layout.place[layer - 1] * LANES
        below = changes * wide * _COUNTED < layout.sizes[layer - 1] * words
    for k in range(words):
        old, new = bits[place + k], fresh[k]
        if old == new:
            continue
        bits[place + k] = new
        workspace.active[t, layer] += popcount(new) - popcount(old)
        if above:
            first = layout.base[layer]
            _correct(synapses.weights, first, row_words, k, old, new, workspace.counts[t], upper)
        if below:
            first = layout.columns[layer - 1]
            _correct(synapses.columns, first, wide, k, old, new, workspace.raised[t], lower)
    if layer < layout.depth and not above:
        first, rows = layout.columns[layer], layout.sizes[layer + 1]
        _recount(synapses.columns, first, rows, bits, place, words, workspace.counts[t], upper)
    if layer > 1 and not below:
        first, rows = layout.base[layer - 1], layout.sizes[layer - 1]
        _recount(synapses.weights, first, rows, bits, place, words, workspace.raised[t], lower)


@compiled
def run_steps(layout, synapses, workspace, t, phase, label):
    """Run the synchronous steps of a phase of the leaky dynamics."""
    bits, fresh = workspace.bits[t], workspace.fresh[t]
    counts, active = workspace.counts[t], workspace.active[t]
    states, totals, stale = workspace.states[t], workspace.totals[t], workspace.stale[t]
    # A nudge that is held follows the free state, in the row of the workspace that keeps it.
    seen = workspace.states[t + layout.hold_nudge * (len(workspace.states) // 2)]
    last, first, end = layout.depth, label * layout.copies, (label + 1) * layout.copies
    steps = layout.free_sweeps if phase == FREE else layout.nudged_sweeps
    beta = 0 if phase == FREE else layout.beta if phase == PLUS else -layout.beta
    for _ in range(steps):
        for layer in range(1, last):
            # Totals stay what they are while no neighbour changes.
            if stale[layer]:
                _total(layout, synapses, workspace, t, layer)
                stale[layer] = False
        receive(layout, counts, synapses.ones_below, active, last, totals)
        if beta:
            at = layout.place[last] * LANES
            for j in range(layout.sizes[last]):
                goal = layout.v_max if first <= j < end else 0
                totals[at + j] += beta * (goal - seen[at + j])
        changed = False
        for layer in range(1, last + 1):
            changes = 0
            for k in range(layout.words[layer]):
                word = layout.place[layer] + k
                changed |= leak(states, word * LANES, totals, layout.v_max)
                new = at_least(states, word * LANES, layout.output_threshold)
                if k == layout.words[layer] - 1:
                    new &= layout.tails[layer]
                fresh[k] = new
                changes += popcount(new ^ bits[word])
            if changes:
                _replace(layout, synapses, workspace, t, layer, fresh, changes)
                stale[layer - 1] = True
                if layer < last:
                    stale[layer + 1] = True
        if not changed:
            break
