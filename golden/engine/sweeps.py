"""The ``sweeps`` dynamics: first the odd layers, then the even ones, until nothing changes."""

import numpy as np

from popflip.golden.engine.compilation import compiled
from popflip.golden.engine.lanes import LANES, at_least, lowest, popcount
from popflip.golden.engine.layout import FREE, PLUS
from popflip.golden.engine.neurons import pull_of, receive, toggle

__all__ = ["FIRST_BOUND", "bound_of", "list_undecided", "reach_of", "run_sweeps"]

#: Neurons of layer 2 that a sample is expected to have active at most.
FIRST_BOUND = 8


@compiled
def reach_of(layout, bound):
    """How far ``bound`` active neurons above can move a neuron of layer 1; within 32 bits."""
    return min(layout.feedback[1] * bound, (1 << 31) - 1)


@compiled
def list_undecided(layout, drive, undecided, bound):
    """List the neurons of layer 1 that ``bound`` active neurons above could change."""
    reach = reach_of(layout, bound)
    n = 0
    for k in range(layout.words[1]):
        mask = at_least(drive, k * LANES, -reach) & ~at_least(drive, k * LANES, reach)
        if k == layout.words[1] - 1:
            mask &= layout.tails[1]
        while mask:
            undecided[n] = k * LANES + lowest(mask)
            mask &= mask - np.uint64(1)
            n += 1
    return n


@compiled
def bound_of(layout, active, bound):
    """Double a bound until no more neurons of layer 2 are active than it allows."""
    if layout.sign:
        return layout.sizes[2]
    while bound < active[2]:
        bound *= 2
    return bound


@compiled
def _visit(layout, synapses, workspace, t, layer, neurons, own):
    """Update hidden neurons of a layer from their neighbours; return whether any changed.

    ``own`` is what each receives from below, minus its threshold.
    """
    bits, counts, active = workspace.bits[t], workspace.counts[t], workspace.active[t]
    words, gain, sign = layout.row_words[layer], layout.feedback[layer], layout.sign
    first, above = layout.base[layer], layout.place[layer + 1]
    n, on = layout.sizes[layer + 1], active[layer + 1]
    mine = bits[layout.place[layer] :]
    moved = False
    for i in neurons:
        pull = pull_of(synapses.weights, first + i * words, bits, above, words, sign, n, on)
        is_on = own[i] + gain * pull >= 0
        was_on = (mine[i >> 6] >> np.uint64(i & 63)) & np.uint64(1) != np.uint64(0)
        if is_on != was_on:
            toggle(layout, synapses.weights, bits, counts, active, layer, i)
            moved = True
    return moved


@compiled
def _integrate(layout, workspace, t, received, beta, label):
    """Update the outputs from what they received; return whether an activation or v changed."""
    bits, v, last = workspace.bits[t], workspace.v[t], layout.depth
    # A nudge that is held follows the free state, in the row of the workspace that keeps it.
    seen = workspace.v[t + layout.hold_nudge * (len(workspace.v) // 2)]
    v_max = layout.v_max
    first, end = label * layout.copies, (label + 1) * layout.copies
    changed = False
    for j in range(layout.sizes[last]):
        goal = v_max if first <= j < end else 0
        total = v[j] + received[j] + beta * (goal - seen[j])
        new = min(max(total >> 1, 0), v_max)
        changed |= new != v[j]
        v[j] = new
    moved = False
    if changed:
        on = 0
        for k in range(layout.words[last]):
            word = at_least(v, k * LANES, layout.output_threshold)
            if k == layout.words[last] - 1:
                word &= layout.tails[last]
            moved |= word != bits[layout.place[last] + k]
            bits[layout.place[last] + k] = word
            on += popcount(word)
        workspace.active[t, last] = on
    return moved, changed


@compiled
def run_sweeps(layout, synapses, workspace, t, phase, label, bound, listed):
    """Run the sweeps of a phase; return the bound in force and how many neurons it leaves open."""
    counts, active = workspace.counts[t], workspace.active[t]
    drive, undecided, stale = workspace.drive[t], workspace.undecided[t], workspace.stale[t]
    totals = workspace.totals[t]
    last = layout.depth
    sweeps = layout.free_sweeps if phase == FREE else layout.nudged_sweeps
    beta = 0 if phase == FREE else layout.beta if phase == PLUS else -layout.beta
    for _ in range(sweeps):
        changed = False
        for half in range(2):
            for layer in range(1 + half, last + 1, 2):
                at = layout.place[layer] * LANES
                if layer == last:
                    receive(layout, counts, synapses.ones_below, active, last, totals)
                    moved, shifted = _integrate(layout, workspace, t, totals[at:], beta, label)
                    changed |= shifted
                elif not stale[layer]:
                    continue
                elif layer == 1:
                    wider = bound_of(layout, active, bound)
                    if wider != bound:
                        bound = wider
                        listed = list_undecided(layout, drive, undecided, bound)
                    moved = _visit(layout, synapses, workspace, t, 1, undecided[:listed], drive)
                else:
                    receive(layout, counts, synapses.ones_below, active, layer, totals)
                    for i in range(at, at + layout.sizes[layer]):
                        totals[i] -= layout.threshold
                    neurons = workspace.everyone[: layout.sizes[layer]]
                    moved = _visit(layout, synapses, workspace, t, layer, neurons, totals[at:])
                stale[layer] = False
                if moved:
                    changed = True
                    stale[layer - 1] = True
                    if layer < last:
                        stale[layer + 1] = True
        if not changed:
            break
    return bound, listed
