"""One sample, from its drive to its prediction and its nudged states."""

import numpy as np

from popflip.golden.engine.compilation import compiled
from popflip.golden.engine.lanes import LANES, at_least, lowest
from popflip.golden.engine.layout import FREE
from popflip.golden.engine.leaky import run_steps
from popflip.golden.engine.neurons import toggle
from popflip.golden.engine.sweeps import (
    FIRST_BOUND,
    bound_of,
    list_undecided,
    reach_of,
    run_sweeps,
)
from popflip.golden.engine.words import copy

__all__ = ["relax"]


@compiled
def _start(layout, synapses, workspace, t):
    """Put a sample's workspace in the state before its first step."""
    bits, counts, active = workspace.bits[t], workspace.counts[t], workspace.active[t]
    last = layout.depth
    workspace.stale[t][:] = True
    if layout.leaky:
        copy(synapses.ones_below, counts)
        copy(synapses.ones_above, workspace.raised[t])
        for layer in range(1, last + 1):
            place = layout.place[layer]
            workspace.states[t, place * LANES : place * LANES + layout.sizes[layer]] = layout.v_max
            bits[place : place + layout.words[layer]] = ~np.uint64(0)
            bits[place + layout.words[layer] - 1] = layout.tails[layer]
            active[layer] = layout.sizes[layer]
        return 0, 0
    bits[:] = np.uint64(0)
    counts[:] = 0
    active[:] = 0
    workspace.v[t][:] = layout.v0
    if layout.v0 >= layout.output_threshold:
        place = layout.place[last]
        bits[place : place + layout.words[last]] = ~np.uint64(0)
        bits[place + layout.words[last] - 1] = layout.tails[last]
        active[last] = layout.sizes[last]
    bound = bound_of(layout, active, FIRST_BOUND)
    drive = workspace.drive[t]
    listed = list_undecided(layout, drive, workspace.undecided[t], bound)
    # Nobody sees layer 1 before it is visited: what the drive decides can be set at once.
    reach = reach_of(layout, bound)
    for k in range(layout.words[1]):
        mask = at_least(drive, k * LANES, reach)
        if k == layout.words[1] - 1:
            mask &= layout.tails[1]
        while mask:
            toggle(layout, synapses.weights, bits, counts, active, 1, k * LANES + lowest(mask))
            mask &= mask - np.uint64(1)
    return bound, listed


@compiled
def _copy_state(workspace, source, into):
    """Copy what phases change from one row of the workspace to another."""
    copy(workspace.bits[source], workspace.bits[into])
    copy(workspace.counts[source], workspace.counts[into])
    copy(workspace.raised[source], workspace.raised[into])
    copy(workspace.active[source], workspace.active[into])
    copy(workspace.v[source], workspace.v[into])
    copy(workspace.states[source], workspace.states[into])


@compiled
def _vote(layout, potentials):
    """Class with the greatest summed potential, the lowest on a tie."""
    best, most = 0, np.int64(-1)
    for c in range(layout.classes):
        votes = np.int64(0)
        for j in range(c * layout.copies, (c + 1) * layout.copies):
            votes += potentials[j]
        if votes > most:
            best, most = c, votes
    return best


@compiled
def relax(layout, synapses, workspace, t, label, sample, phases):
    """Settle one sample from its drive and return the prediction.

    ``phases`` are bits, of values ``1 << PLUS`` and ``1 << MINUS``: the nudged phases that
    follow the free one. ``workspace.nudged`` takes the two nudged states, for
    :func:`popflip.golden.engine.update.learn`; that of a phase left out is the free state.
    """
    kept = t + len(workspace.bits) // 2
    bound, listed = _start(layout, synapses, workspace, t)
    best = 0
    for phase in range(3):
        if phase and not phases >> phase & 1:
            continue
        if layout.leaky:
            run_steps(layout, synapses, workspace, t, phase, label)
        else:
            bound, listed = run_sweeps(layout, synapses, workspace, t, phase, label, bound, listed)
        if phase == FREE:
            at = layout.place[layout.depth] * LANES
            if layout.leaky:
                best = _vote(layout, workspace.states[t][at : at + layout.sizes[layout.depth]])
            else:
                best = _vote(layout, workspace.v[t])
            if not phases:
                break
            copy(workspace.bits[t], workspace.nudged[sample, 0])
            copy(workspace.bits[t], workspace.nudged[sample, 1])
            _copy_state(workspace, t, kept)
        else:
            copy(workspace.bits[t], workspace.nudged[sample, phase - 1])
            _copy_state(workspace, kept, t)
            workspace.stale[t][:] = True
    return best
