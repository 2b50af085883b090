"""The fast engine: the golden model's bits, on packed words and all cores.

What :class:`popflip.golden.model.Model` computes as a textbook would, computed as little as
possible: 64 neurons or synapses to a word, products by the processor's population count, the input
product once per sample, afterwards only what has changed. Results are equal bit for bit; nothing
else is promised, so the golden model remains the one to read.

Numba compiles it when it is first called and keeps the result, so that nobody needs a compiler;
LLVM, which it brings, knows every processor's population count and vectors
(:mod:`popflip.golden.engine.lanes`), and releases the interpreter's lock meanwhile.

In memory a synapse takes 1 bit of weight and 1 byte of latent, or 2 with latents of more than 8
bits; the leaky dynamics keeps the bits of all layers but the first a second time, by column. A row
is padded to 64 synapses.

Where work is saved, exactly:

- A neuron of layer 1 whose drive is further from its threshold than the feedback can reach, with as
  many neurons of layer 2 active as there are, is not visited in a sweep.
- A sweep or a step that changed nothing ends its phase: so would all that follow.
- The sum that a neuron receives from below is kept, and corrected by those neurons that change.
- 8-bit pixels of 32 samples are summed up at once: what four neighbours amount to, for each way to
  weight them, is tabulated once, and every neuron looks it up.
- Latents change in rows where the two ends of the contrast differ, and only such rows are looked
  through for flips.
"""

import logging
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads
from numba.core import config

from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params, ceil_div
from popflip.golden.engine.lanes import (
    ENTRIES,
    LANES,
    TOGETHER,
    accumulate,
    accumulate_pixels,
    add_found,
    add_scaled,
    at_least,
    complete,
    count_where,
    due,
    leak,
    lowest,
    popcount,
    reset_where,
    sum_where,
    word_at,
)
from popflip.golden.model import Report
from popflip.golden.support.cache import locked
from popflip.golden.support.errors import InputError
from popflip.golden.training.trainer import NetworkState, initial_state

__all__ = ["FastMachine", "check_threads", "compiling", "most_threads"]

#: Samples that are relaxed before the latents take their contrasts.
_BLOCK = 256

#: Neurons of layer 2 that a sample is expected to have active at most.
_FIRST_BOUND = 8

#: Words whose ones are counted in the time that one takes to be added to the counts of its lanes.
_COUNTED = 8

#: Words of a row whose pixels are summed up at once.
_SUMMED = 64

#: Samples from which on tables of their 8-bit pixels, made once for all neurons, are worth it.
_TABLED = 8

#: Bytes of a cache line.
_LINE = 64

#: Neurons that use the tables of one word, which a core's first cache holds, before the next one's.
_TILE = 64

_FREE, _PLUS, _MINUS = 0, 1, 2  # phases, the latter two nudged by +beta and by -beta

log = logging.getLogger(__name__)

# Numba's threads serve one caller at a time.
_one_caller = threading.Lock()


def most_threads() -> int:
    """Threads that this process may use."""
    return int(config.NUMBA_NUM_THREADS)


def check_threads(threads: int | None) -> None:
    """Raise ValueError if there are fewer threads than are asked for."""
    most = most_threads()
    if threads is not None and not 1 <= threads <= most:
        raise InputError(f"threads must be 1 to {most}, as many as there are, not {threads}")


@contextmanager
def compiling():
    """Keep other processes from compiling meanwhile.

    Of two processes that add to Numba's cache at once, for latents of 8 and of 16 bits, one may
    find the other's code behind its own entry, and crash.
    """
    with locked(Path(_train.stats.cache_path, "engine.lock")):
        yield


class _Plan(NamedTuple):
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
    local: bool
    grid_width: int
    stride: int
    window: int
    pixels: bool  # of 8 bits, where else each has bits by thresholds
    pixel_bits: int  # of either
    image_words: int  # of an image row
    seen_words: int  # of what a position sees
    everything: np.ndarray  # a row of ones, for 8-bit pixels


class _Synapses(NamedTuple):
    """Weights, and what follows from them alone."""

    weights: np.ndarray  # words of all rows, layer after layer
    columns: np.ndarray  # the same weights by upper neuron; leaky dynamics only, not of layer 0
    ones_below: np.ndarray  # by neuron, from layer 2 on: weights of +1 in its column
    ones_above: np.ndarray  # by hidden neuron: weights of +1 in its row; leaky dynamics only


class _Desk(NamedTuple):
    """What one sample is worked out on: a row per thread, then one for what each keeps."""

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
    windows: np.ndarray  # by sample of the block: what each position sees
    ahead: np.ndarray  # 8-bit pixels: drives of the samples that come next
    tables: np.ndarray  # of those samples, by word of a row
    sums: np.ndarray  # by neuron of a tile and sample
    seeing: np.ndarray  # words of a row in which anyone sees anything
    ends: np.ndarray  # by sample of the block: bits at the plus and at the minus end


# No reference counts: nothing here allocates, and arrays outlive the call.
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}
_compiled = njit(**_OPTIONS, _nrt=False)
_inlined = njit(**_OPTIONS, _nrt=False, forceinline=True)
_parallel = njit(**_OPTIONS, parallel=True)
_driver = njit(**_OPTIONS)


# One sample ---------------------------------------------------------------------------------


@_compiled
def _cut_windows(plan, x, windows):
    """Pack what each position sees of an image: rows of the window end to end."""
    image_words, window = plan.image_words, plan.window
    span, full = window * plan.pixel_bits, np.uint64(LANES)
    for position in range(plan.positions):
        top = position // plan.grid_width * plan.stride
        left = position % plan.grid_width * plan.stride * plan.pixel_bits
        gathered, n_gathered = np.uint64(0), 0
        into = position * plan.seen_words
        for row in range(top, top + window):
            for at in range(left, left + span, LANES):
                n = min(LANES, left + span - at)
                word, offset = row * image_words + (at >> 6), at & 63
                bits = x[word] >> np.uint64(offset)
                if offset + n > LANES:
                    bits |= x[word + 1] << (full - np.uint64(offset))
                if n < LANES:
                    bits &= (np.uint64(1) << np.uint64(n)) - np.uint64(1)
                gathered |= bits << np.uint64(n_gathered)
                n_gathered += n
                if n_gathered >= LANES:
                    windows[into] = gathered
                    into += 1
                    n_gathered -= LANES
                    # What did not fit; a shift by all 64 would be none.
                    gathered = np.uint64(0)
                    if n_gathered:
                        gathered = bits >> np.uint64(n - n_gathered)
        if n_gathered:
            windows[into] = gathered


@_inlined
def _common(a, i, b, j, words):
    """Ones that two rows of words, from ``a[i]`` and ``b[j]`` on, have in common."""
    if words == 2:  # the commonest: no loop
        low = popcount(word_at(a, i) & word_at(b, j))
        return low + popcount(word_at(a, i + 1) & word_at(b, j + 1))
    n = 0
    for k in range(words):
        n += popcount(word_at(a, i + k) & word_at(b, j + k))
    return n


@_inlined
def _unlike(a, i, b, j, words):
    """Bits in which two rows of words differ."""
    n = 0
    for k in range(words):
        n += popcount(word_at(a, i + k) ^ word_at(b, j + k))
    return n


@_compiled
def _drive(plan, weights, windows, drive):
    """Potential of layer 1 from the input alone, minus its threshold."""
    words, gain, threshold, block = plan.row_words[0], plan.gains[0], plan.threshold, plan.block
    row = 0
    for position in range(plan.positions):
        seen = position * words
        neurons = range(position * block, (position + 1) * block)
        if plan.sign:
            for neuron in neurons:
                dot = plan.sizes[0] - 2 * _unlike(weights, row, windows, seen, words)
                drive[neuron] = gain * dot - threshold
                row += words
        else:
            ones = _common(windows, seen, windows, seen, words)
            for neuron in neurons:
                dot = 2 * _common(weights, row, windows, seen, words) - ones
                drive[neuron] = gain * dot - threshold
                row += words


@_compiled
def _drive_by_pixels(plan, weights, windows, drive):
    """Potential of layer 1 from pixels of 8 bits alone, minus its threshold."""
    words, gain, threshold, block = plan.row_words[0], plan.gains[0], plan.threshold, plan.block
    for position in range(plan.positions):
        seen = position * plan.seen_words
        # Images are often blank at their edges: words that see nothing are left out.
        first, end = 0, words
        while first < end and _blank(windows, seen + 8 * first):
            first += 1
        while first < end and _blank(windows, seen + 8 * (end - 1)):
            end -= 1
        whole = _sum(windows, seen, plan.everything, 0, first, end)
        for neuron in range(position * block, (position + 1) * block):
            dot = 2 * _sum(windows, seen, weights, neuron * words, first, end) - whole
            drive[neuron] = (gain * dot >> 8) - threshold


@_compiled
def _tabulate(plan, windows, seen, tables, seeing):
    """Tabulate the pixels that a position sees of some samples; return the words with tables.

    ``seeing`` says which they are, in order: words that are blank in all samples are left out.
    """
    n = 0
    for k in range(plan.row_words[0]):
        at = seen + k * 8
        blank = True
        for sample in range(len(windows)):
            blank &= _blank(windows[sample], at)
        if blank:
            continue
        first = n * ENTRIES
        for sample in range(len(windows)):
            for eight in range(8):
                pixels = windows[sample, at + eight]
                for i in range(8):
                    entry = first + 32 * eight + 16 * (i >> 2) + (1 << (i & 3))
                    tables[entry * TOGETHER + sample] = pixels >> np.uint64(8 * i) & np.uint64(255)
        for table in range(first, first + ENTRIES, 16):
            complete(tables, table)
        seeing[n] = k
        n += 1
    return n


@_compiled
def _drive_together(plan, weights, windows, tables, sums, seeing, drives):
    """Potentials of layer 1 from pixels of 8 bits alone, minus its threshold, of some samples."""
    words, gain, threshold, block = plan.row_words[0], plan.gains[0], plan.threshold, plan.block
    whole = sums[_TILE * TOGETHER :]
    for position in range(plan.positions):
        n = _tabulate(plan, windows, position * plan.seen_words, tables, seeing)
        whole[:] = 0
        for k in range(n):
            add_found(whole, 0, tables, k * ENTRIES, ~np.uint64(0))
        end = (position + 1) * block
        for first in range(position * block, end, _TILE):
            tile = min(_TILE, end - first)
            sums[: tile * TOGETHER] = 0
            for k in range(n):
                for i in range(tile):
                    word = word_at(weights, (first + i) * words + seeing[k])
                    add_found(sums, i * TOGETHER, tables, k * ENTRIES, word)
            for i in range(tile):
                for sample in range(len(windows)):
                    dot = 2 * np.int64(sums[i * TOGETHER + sample]) - whole[sample]
                    drives[sample, first + i] = (gain * dot >> 8) - threshold


@_inlined
def _blank(pixels, at):
    """Whether all 64 pixels are 0."""
    found = np.uint64(0)
    for i in range(8):
        found |= word_at(pixels, at + i)
    return found == 0


@_inlined
def _sum(pixels, seen, matrix, row, first, end):
    """Sum of the pixels that are set in the words ``first`` to ``end`` of a row."""
    total = 0
    for k in range(first, end, _SUMMED):
        total += sum_where(pixels, seen + 8 * k, matrix, row + k, min(_SUMMED, end - k))
    return total


@_compiled
def _toggle(plan, weights, bits, counts, active, layer, neuron):
    """Change the activation of a neuron, and what the layer above receives."""
    word = plan.place[layer] + (neuron >> 6)
    mask = np.uint64(1) << np.uint64(neuron & 63)
    bits[word] ^= mask
    step = 1 if bits[word] & mask else -1
    active[layer] += step
    if layer < plan.depth:
        words = plan.row_words[layer]
        row = plan.base[layer] + neuron * words
        at = plan.place[layer + 1] * LANES
        for k in range(words):
            count_where(counts, at + k * LANES, weights[row + k], step)


@_compiled
def _receive(plan, counts, ones, active, layer, totals):
    """What the neurons of a layer receive from the layer below it; not for layer 1."""
    at, n, below = plan.place[layer] * LANES, plan.sizes[layer], plan.sizes[layer - 1]
    gain, on = plan.gains[layer - 1], active[layer - 1]
    if plan.sign:
        for i in range(at, at + n):
            totals[i] = gain * (4 * np.int64(counts[i]) - 2 * np.int64(ones[i]) + below - 2 * on)
    else:
        for i in range(at, at + n):
            totals[i] = gain * (2 * np.int64(counts[i]) - on)


@_inlined
def _pull(weights, row, bits, above, words, sign, n, on):
    """Dot product of the row at ``weights[row]`` with the ``n`` neurons above, ``on`` active."""
    if sign:
        return n - 2 * _unlike(weights, row, bits, above, words)
    return 2 * _common(weights, row, bits, above, words) - on


@_compiled
def _reach(plan, bound):
    """How far ``bound`` active neurons above can move a neuron of layer 1; within 32 bits."""
    return min(plan.feedback[1] * bound, (1 << 31) - 1)


@_compiled
def _list_undecided(plan, drive, undecided, bound):
    """List the neurons of layer 1 that ``bound`` active neurons above could change."""
    reach = _reach(plan, bound)
    n = 0
    for k in range(plan.words[1]):
        mask = at_least(drive, k * LANES, -reach) & ~at_least(drive, k * LANES, reach)
        if k == plan.words[1] - 1:
            mask &= plan.tails[1]
        while mask:
            undecided[n] = k * LANES + lowest(mask)
            mask &= mask - np.uint64(1)
            n += 1
    return n


@_compiled
def _bound_of(plan, active, bound):
    if plan.sign:
        return plan.sizes[2]
    while bound < active[2]:
        bound *= 2
    return bound


@_compiled
def _visit(plan, synapses, desk, t, layer, neurons, own):
    """Update hidden neurons of a layer from their neighbours; return whether any changed.

    ``own`` is what each receives from below, minus its threshold.
    """
    bits, counts, active = desk.bits[t], desk.counts[t], desk.active[t]
    words, gain, sign = plan.row_words[layer], plan.feedback[layer], plan.sign
    first, above = plan.base[layer], plan.place[layer + 1]
    n, on = plan.sizes[layer + 1], active[layer + 1]
    mine = bits[plan.place[layer] :]
    moved = False
    for i in neurons:
        pull = _pull(synapses.weights, first + i * words, bits, above, words, sign, n, on)
        is_on = own[i] + gain * pull >= 0
        was_on = (mine[i >> 6] >> np.uint64(i & 63)) & np.uint64(1) != np.uint64(0)
        if is_on != was_on:
            _toggle(plan, synapses.weights, bits, counts, active, layer, i)
            moved = True
    return moved


@_compiled
def _integrate(plan, desk, t, received, beta, label):
    """Update the outputs from what they received; return whether an activation or v changed."""
    bits, v, last = desk.bits[t], desk.v[t], plan.depth
    v_max = plan.v_max
    first, end = label * plan.copies, (label + 1) * plan.copies
    changed = False
    for j in range(plan.sizes[last]):
        goal = v_max if first <= j < end else 0
        total = v[j] + received[j] + beta * (goal - v[j])
        new = min(max(total >> 1, 0), v_max)
        changed |= new != v[j]
        v[j] = new
    moved = False
    if changed:
        on = 0
        for k in range(plan.words[last]):
            word = at_least(v, k * LANES, plan.output_threshold)
            if k == plan.words[last] - 1:
                word &= plan.tails[last]
            moved |= word != bits[plan.place[last] + k]
            bits[plan.place[last] + k] = word
            on += popcount(word)
        desk.active[t, last] = on
    return moved, changed


@_compiled
def _sweeps(plan, synapses, desk, t, phase, label, bound, listed):
    """Run the sweeps of a phase; return the bound in force and how many neurons it leaves open."""
    counts, active = desk.counts[t], desk.active[t]
    drive, undecided, stale = desk.drive[t], desk.undecided[t], desk.stale[t]
    totals = desk.totals[t]
    last = plan.depth
    sweeps = plan.free_sweeps if phase == _FREE else plan.nudged_sweeps
    beta = 0 if phase == _FREE else plan.beta if phase == _PLUS else -plan.beta
    for _ in range(sweeps):
        changed = False
        for half in range(2):
            for layer in range(1 + half, last + 1, 2):
                at = plan.place[layer] * LANES
                if layer == last:
                    _receive(plan, counts, synapses.ones_below, active, last, totals)
                    moved, shifted = _integrate(plan, desk, t, totals[at:], beta, label)
                    changed |= shifted
                elif not stale[layer]:
                    continue
                elif layer == 1:
                    wider = _bound_of(plan, active, bound)
                    if wider != bound:
                        bound = wider
                        listed = _list_undecided(plan, drive, undecided, bound)
                    moved = _visit(plan, synapses, desk, t, 1, undecided[:listed], drive)
                else:
                    _receive(plan, counts, synapses.ones_below, active, layer, totals)
                    for i in range(at, at + plan.sizes[layer]):
                        totals[i] -= plan.threshold
                    neurons = desk.everyone[: plan.sizes[layer]]
                    moved = _visit(plan, synapses, desk, t, layer, neurons, totals[at:])
                stale[layer] = False
                if moved:
                    changed = True
                    stale[layer - 1] = True
                    if layer < last:
                        stale[layer + 1] = True
        if not changed:
            break
    return bound, listed


@_compiled
def _total(plan, synapses, desk, t, layer):
    """What the neurons of a hidden layer receive from both sides."""
    active, totals = desk.active[t], desk.totals[t]
    n, on = plan.sizes[layer + 1], active[layer + 1]
    first, end = plan.place[layer] * LANES, (plan.place[layer] + plan.words[layer]) * LANES
    base, offset, factor = totals, -on * plan.feedback[layer], 2 * plan.feedback[layer]
    if layer == 1:
        base = desk.drive[t]  # of layer 1, whose neurons come first in all arrays
        offset += plan.threshold
    else:
        _receive(plan, desk.counts[t], synapses.ones_below, active, layer, totals)
    if plan.sign:
        offset += (n - on) * plan.feedback[layer]
        factor *= 2
    for at in range(first, end, LANES):
        add_scaled(totals, at, base, desk.raised[t], factor, offset)
        if plan.sign:
            add_scaled(totals, at, totals, synapses.ones_above, -factor // 2, 0)


@_compiled
def _recount(matrix, first, rows, bits, place, words, counts, at):
    """Count, for each row of a matrix of bits, those that it shares with a layer's activations."""
    for i in range(rows):
        counts[at + i] = _common(matrix, first + i * words, bits, place, words)


@_compiled
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


@_compiled
def _replace(plan, synapses, desk, t, layer, fresh, changes):
    """Set a layer's activations, and what the layers above and below receive from it."""
    bits, words, place = desk.bits[t], plan.words[layer], plan.place[layer]
    above = below = False
    row_words = wide = upper = lower = 0
    if layer < plan.depth:
        row_words, upper = plan.row_words[layer], plan.place[layer + 1] * LANES
        # Whichever touches fewer words; to count them is about _COUNTED times as fast.
        above = changes * row_words * _COUNTED < plan.sizes[layer + 1] * words
    if layer > 1:
        wide, lower = plan.words[layer - 1], plan.place[layer - 1] * LANES
        below = changes * wide * _COUNTED < plan.sizes[layer - 1] * words
    for k in range(words):
        old, new = bits[place + k], fresh[k]
        if old == new:
            continue
        bits[place + k] = new
        desk.active[t, layer] += popcount(new) - popcount(old)
        if above:
            first = plan.base[layer]
            _correct(synapses.weights, first, row_words, k, old, new, desk.counts[t], upper)
        if below:
            first = plan.columns[layer - 1]
            _correct(synapses.columns, first, wide, k, old, new, desk.raised[t], lower)
    if layer < plan.depth and not above:
        first, rows = plan.columns[layer], plan.sizes[layer + 1]
        _recount(synapses.columns, first, rows, bits, place, words, desk.counts[t], upper)
    if layer > 1 and not below:
        first, rows = plan.base[layer - 1], plan.sizes[layer - 1]
        _recount(synapses.weights, first, rows, bits, place, words, desk.raised[t], lower)


@_compiled
def _steps(plan, synapses, desk, t, phase, label):
    """Run the synchronous steps of a phase of the leaky dynamics."""
    bits, fresh, counts, active = desk.bits[t], desk.fresh[t], desk.counts[t], desk.active[t]
    states, totals, stale = desk.states[t], desk.totals[t], desk.stale[t]
    last, first, end = plan.depth, label * plan.copies, (label + 1) * plan.copies
    steps = plan.free_sweeps if phase == _FREE else plan.nudged_sweeps
    beta = 0 if phase == _FREE else plan.beta if phase == _PLUS else -plan.beta
    for _ in range(steps):
        for layer in range(1, last):
            # Totals stay what they are while no neighbour changes.
            if stale[layer]:
                _total(plan, synapses, desk, t, layer)
                stale[layer] = False
        _receive(plan, counts, synapses.ones_below, active, last, totals)
        if beta:
            at = plan.place[last] * LANES
            for j in range(plan.sizes[last]):
                goal = plan.v_max if first <= j < end else 0
                totals[at + j] += beta * (goal - states[at + j])
        changed = False
        for layer in range(1, last + 1):
            changes = 0
            for k in range(plan.words[layer]):
                word = plan.place[layer] + k
                changed |= leak(states, word * LANES, totals, plan.v_max)
                new = at_least(states, word * LANES, plan.output_threshold)
                if k == plan.words[layer] - 1:
                    new &= plan.tails[layer]
                fresh[k] = new
                changes += popcount(new ^ bits[word])
            if changes:
                _replace(plan, synapses, desk, t, layer, fresh, changes)
                stale[layer - 1] = True
                if layer < last:
                    stale[layer + 1] = True
        if not changed:
            break


@_compiled
def _start(plan, synapses, desk, t):
    """Put a sample's desk in the state before its first step."""
    bits, counts, active = desk.bits[t], desk.counts[t], desk.active[t]
    last = plan.depth
    desk.stale[t][:] = True
    if plan.leaky:
        _copy(synapses.ones_below, counts)
        _copy(synapses.ones_above, desk.raised[t])
        for layer in range(1, last + 1):
            place = plan.place[layer]
            desk.states[t, place * LANES : place * LANES + plan.sizes[layer]] = plan.v_max
            bits[place : place + plan.words[layer]] = ~np.uint64(0)
            bits[place + plan.words[layer] - 1] = plan.tails[layer]
            active[layer] = plan.sizes[layer]
        return 0, 0
    bits[:] = np.uint64(0)
    counts[:] = 0
    active[:] = 0
    desk.v[t][:] = plan.v0
    if plan.v0 >= plan.output_threshold:
        place = plan.place[last]
        bits[place : place + plan.words[last]] = ~np.uint64(0)
        bits[place + plan.words[last] - 1] = plan.tails[last]
        active[last] = plan.sizes[last]
    bound = _bound_of(plan, active, _FIRST_BOUND)
    drive = desk.drive[t]
    listed = _list_undecided(plan, drive, desk.undecided[t], bound)
    # Nobody sees layer 1 before it is visited: what the drive decides can be set at once.
    reach = _reach(plan, bound)
    for k in range(plan.words[1]):
        mask = at_least(drive, k * LANES, reach)
        if k == plan.words[1] - 1:
            mask &= plan.tails[1]
        while mask:
            _toggle(plan, synapses.weights, bits, counts, active, 1, k * LANES + lowest(mask))
            mask &= mask - np.uint64(1)
    return bound, listed


@_compiled
def _copy(source, into):
    # Plain assignment would look for overlaps, and allocate.
    for i in range(len(source)):
        into[i] = source[i]


@_compiled
def _copy_state(desk, source, into):
    """Copy what phases change from one row of the desk to another."""
    _copy(desk.bits[source], desk.bits[into])
    _copy(desk.counts[source], desk.counts[into])
    _copy(desk.raised[source], desk.raised[into])
    _copy(desk.active[source], desk.active[into])
    _copy(desk.v[source], desk.v[into])
    _copy(desk.states[source], desk.states[into])


@_compiled
def _vote(plan, potentials):
    """Class with the greatest summed potential, the lowest on a tie."""
    best, most = 0, np.int64(-1)
    for c in range(plan.classes):
        votes = np.int64(0)
        for j in range(c * plan.copies, (c + 1) * plan.copies):
            votes += potentials[j]
        if votes > most:
            best, most = c, votes
    return best


@_compiled
def _relax(plan, synapses, desk, t, label, sample, phases):
    """Settle one sample from its drive and return the prediction.

    ``phases`` are bits, of values ``1 << _PLUS`` and ``1 << _MINUS``: the nudged phases that
    follow the free one. The ends that they leave are where :func:`_learn` looks for them; that of
    a phase left out is the free state.
    """
    kept = t + len(desk.bits) // 2
    bound, listed = _start(plan, synapses, desk, t)
    best = 0
    for phase in range(3):
        if phase and not phases >> phase & 1:
            continue
        if plan.leaky:
            _steps(plan, synapses, desk, t, phase, label)
        else:
            bound, listed = _sweeps(plan, synapses, desk, t, phase, label, bound, listed)
        if phase == _FREE:
            at = plan.place[plan.depth] * LANES
            if plan.leaky:
                best = _vote(plan, desk.states[t][at : at + plan.sizes[plan.depth]])
            else:
                best = _vote(plan, desk.v[t])
            if not phases:
                break
            _copy(desk.bits[t], desk.ends[sample, 0])
            _copy(desk.bits[t], desk.ends[sample, 1])
            _copy_state(desk, t, kept)
        else:
            _copy(desk.bits[t], desk.ends[sample, phase - 1])
            _copy_state(desk, kept, t)
            desk.stale[t][:] = True
    return best


# Learning -----------------------------------------------------------------------------------


@_inlined
def _learn_row(plan, latents, dirty, layer, row, up, down, plus_bits, i, minus_bits, j):
    """Add the contrast of one row, whose own neuron is ``up`` at one end and ``down`` at the other.

    The bits of the neurons at the row's other side begin at ``plus_bits[i]`` and ``minus_bits[j]``.
    """
    words, sign = plan.row_words[layer], plan.sign
    at = plan.base[layer] + row * words
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
            differ &= plan.row_tails[layer]
        if differ:
            accumulate(latents, (at + k) * LANES, plus & differ, minus & differ, plan.limit)
            dirty[plan.rows[layer] + row] = True


@_inlined
def _learn_pixels(plan, latents, dirty, row, up, windows):
    """Add the contrast of one row of weight layer 0 whose input is pixels of 8 bits."""
    words, seen = plan.row_words[0], row // plan.block * plan.seen_words
    dirty[row] = True
    for k in range(words):
        # Behind the end of a row pixels are 0.
        at = (row * words + k) * LANES
        accumulate_pixels(latents, at, windows, seen + 8 * k, up, plan.limit)


@_compiled
def _learn_sample(plan, latents, dirty, windows, ends, layer, group):
    """Add the contrast of one sample to up to 64 rows; return the rows' neurons that differ."""
    words, one = plan.row_words[layer], np.uint64(1)
    own = plan.place[max(layer, 1)] + group
    plus, minus = ends[0, own], ends[1, own]
    differ = visit = plus ^ minus
    upper = plan.place[layer + 1]
    if layer:
        for k in range(words):
            if ends[0, upper + k] != ends[1, upper + k]:
                visit = plus | minus
                if plan.sign:
                    visit = plan.tails[layer] if group == plan.words[layer] - 1 else ~np.uint64(0)
                break
    while visit:
        lane = lowest(visit)
        visit &= visit - one
        row = group * LANES + lane
        up = (plus >> np.uint64(lane)) & one != np.uint64(0)
        down = (minus >> np.uint64(lane)) & one != np.uint64(0)
        if layer == 0 and plan.pixels:
            _learn_pixels(plan, latents, dirty, row, up, windows)
        elif layer == 0:
            seen = row // plan.block * words
            _learn_row(plan, latents, dirty, 0, row, up, down, windows, seen, windows, seen)
        else:
            _learn_row(plan, latents, dirty, layer, row, up, down, ends[0], upper, ends[1], upper)
    return popcount(differ)


@_compiled
def _flip_row(plan, synapses, latents, layer, row, tau):
    """Flip the weights of a row that are due; return how many."""
    first = plan.base[layer] + row * plan.row_words[layer]
    weights, own, flips = synapses.weights, np.uint64(1) << np.uint64(row & 63), 0
    for k in range(plan.row_words[layer]):
        word = first + k
        flipped = due(latents, word * LANES, weights[word], tau)
        if flipped:
            weights[word] ^= flipped
            if plan.leaky and layer:
                left = flipped
                while left:
                    column = (k * LANES + lowest(left)) * plan.words[layer] + (row >> 6)
                    synapses.columns[plan.columns[layer] + column] ^= own
                    left &= left - np.uint64(1)
            flips += popcount(flipped)
            if plan.reset_on_flip:
                reset_where(latents, word * LANES, flipped)
    return flips


@_compiled
def _learn(plan, synapses, latents, dirty, desk, samples, tau, share, shares, flipping, totals):
    """Add the contrasts of a block of samples, in order, and flip; one share of all rows.

    Adds to ``totals[share]``: the flips of each weight layer, then the neurons of layer 1 that
    differed.
    """
    turn = 0
    for layer in range(plan.depth):
        lower = max(layer, 1)
        for group in range(plan.words[lower]):
            turn += 1
            if turn % shares != share:
                continue
            changed = 0
            for sample in range(samples):
                changed += _learn_sample(
                    plan, latents, dirty, desk.windows[sample], desk.ends[sample], layer, group
                )
            if layer == 0:
                totals[share, plan.depth] += changed
            if flipping:
                first = plan.rows[layer] + group * LANES
                end = min(plan.rows[layer] + plan.sizes[lower], first + LANES)
                for row in range(first, end):
                    if dirty[row]:
                        dirty[row] = False
                        totals[share, layer] += _flip_row(
                            plan, synapses, latents, layer, row - plan.rows[layer], tau[layer]
                        )


@_compiled
def _count_ones(plan, synapses):
    """Count the weights of +1 below each neuron from layer 2 on, and above each hidden one.

    Sweeps of the ``heaviside`` code, whose neurons begin silent, need neither.
    """
    if not plan.sign and not plan.leaky:
        return
    synapses.ones_below[:] = 0
    for layer in range(1, plan.depth):
        words = plan.row_words[layer]
        at, own = plan.place[layer + 1] * LANES, plan.place[layer] * LANES
        for row in range(plan.sizes[layer]):
            first, ones = plan.base[layer] + row * words, 0
            for k in range(words):
                word = synapses.weights[first + k]
                count_where(synapses.ones_below, at + k * LANES, word, 1)
                ones += popcount(word)
            if plan.leaky:
                synapses.ones_above[own + row] = ones


# Batches ------------------------------------------------------------------------------------


@_compiled
def _relax_share(plan, synapses, desk, x, labels, first, count, phases, predictions, share, shares):
    """Settle every ``shares``-th of a block of samples."""
    for begin in range(share, count, shares * TOGETHER):
        end = min(count, begin + shares * TOGETHER)
        # Nobody learns from an inference: the next samples may use the places of these.
        place = begin if phases else share
        for sample in range(begin, end, shares):
            windows = desk.windows[place + sample - begin]
            if plan.local:
                _cut_windows(plan, x[first + sample], windows)
            else:
                _copy(x[first + sample], windows)
        together = plan.pixels and end - begin > (_TABLED - 1) * shares
        if together:
            _drive_together(
                plan, synapses.weights, desk.windows[place : place + end - begin : shares],
                desk.tables[share], desk.sums[share], desk.seeing[share], desk.ahead[share],
            )  # fmt: skip
        for i, sample in enumerate(range(begin, end, shares)):
            windows, drive = desk.windows[place + sample - begin], desk.drive[share]
            if together:
                _copy(desk.ahead[share, i, : len(drive)], drive)
            elif plan.pixels:
                _drive_by_pixels(plan, synapses.weights, windows, drive)
            else:
                _drive(plan, synapses.weights, windows, drive)
            predictions[sample] = _relax(
                plan, synapses, desk, share, labels[first + sample], sample, phases
            )


@_parallel
def _relax_all(plan, synapses, desk, x, labels, first, count, phases, predictions, threads):
    for turn in prange(threads):
        share = np.int64(turn)  # unsigned, with a signed number it would become a float
        _relax_share(
            plan, synapses, desk, x, labels, first, count, phases, predictions, share, threads
        )


@_parallel
def _learn_all(plan, synapses, latents, dirty, desk, samples, tau, flipping, totals, threads):
    for share in prange(threads):
        _learn(plan, synapses, latents, dirty, desk, samples, tau, share, threads, flipping, totals)


@_driver
def _infer(plan, synapses, desk, x, labels, first, count, predictions, threads):
    """Predict samples."""
    if threads == 1:
        _relax_share(plan, synapses, desk, x, labels, first, count, 0, predictions, 0, 1)
    else:
        _relax_all(plan, synapses, desk, x, labels, first, count, 0, predictions, threads)


@_driver
def _train(
    plan, synapses, latents, dirty, desk, x, labels, first, count, pending, batch, tau,
    phases, predictions, totals, flush, threads,
):  # fmt: skip
    """Learn from samples, batch after batch; return the samples left pending."""
    done, batches = 0, 0
    while done < count:
        n = min(count - done, batch - pending, _BLOCK)
        at, said, drawn = first + done, predictions[done:], phases[batches]
        if threads == 1:
            _relax_share(plan, synapses, desk, x, labels, at, n, drawn, said, 0, 1)
        else:
            _relax_all(plan, synapses, desk, x, labels, at, n, drawn, said, threads)
        pending += n
        done += n
        flipping = pending == batch or (flush and done == count)
        if threads == 1:
            _learn(plan, synapses, latents, dirty, desk, n, tau, 0, 1, flipping, totals)
        else:
            _learn_all(plan, synapses, latents, dirty, desk, n, tau, flipping, totals, threads)
        if flipping:
            pending = 0
            batches += 1
            _count_ones(plan, synapses)
    return pending


# The machine --------------------------------------------------------------------------------


class FastMachine:
    """The fast engine as a machine that :class:`popflip.golden.training.trainer.Trainer` drives.

    Parameters
    ----------
    params : Params
    threads : int, optional
        1 to :func:`most_threads`, which it is if left out. Batches of fewer than 4 samples per
        thread are learned by one.

    Raises
    ------
    ValueError
        If there are fewer threads than asked for.
    """

    chunk = 4096

    def __init__(self, params: Params, threads: int | None = None):
        check_threads(threads)
        self.params, self.threads = params, threads or most_threads()
        self._plan = _plan(params)
        self._desk = _desk(params, self._plan, self.threads)
        with compiling():
            self.write_state(initial_state(params, 1))
            self._compile()

    def _compile(self):
        """Have everything compiled, or fetched if it has been: no samples do it."""
        self.load(np.zeros((1, self.params.n_in), np.uint8), np.zeros(1))
        notice = threading.Timer(2, log.info, ["compiling the fast engine: a minute or two, once"])
        notice.start()
        try:
            self._train(0, 0, False, np.zeros(1, np.int64))
            self.infer(0, 0)
        finally:
            notice.cancel()

    @property
    def training_threads(self) -> int:
        """Threads that learn: to share a small batch takes longer than to do it alone."""
        return self.threads if self.params.learning.batch >= 4 * self.threads else 1

    @property
    def n_bytes(self) -> int:
        """Memory of the synapses."""
        return self._latents.nbytes + sum(array.nbytes for array in self._synapses)

    # State ----------------------------------------------------------------------------------

    def write_state(self, state: NetworkState) -> None:
        """Take over a network."""
        p, plan = self.params, self._plan
        n_words, neurons = int(plan.base[-1]), int(plan.place[-1]) * LANES
        weights, columns = np.zeros(n_words, np.uint64), np.zeros(int(plan.columns[-1]), np.uint64)
        narrow = p.learning.latent_bits <= 8
        self._latents = _zeros(n_words * LANES, np.int8 if narrow else np.int16)
        for layer in range(p.depth):
            part = slice(plan.base[layer], plan.base[layer + 1])
            weights[part] = _packed(state.weights[layer]).reshape(-1)
            if plan.leaky and layer:
                part = slice(plan.columns[layer], plan.columns[layer + 1])
                columns[part] = _packed(state.weights[layer].T).reshape(-1)
            rows = self._rows(self._latents, layer)
            rows[:, : p.synapses(layer).row_bits] = state.latents[layer]
        counts = self._desk.counts.dtype
        self._synapses = _Synapses(
            weights,
            columns,
            _zeros(neurons, counts),
            _zeros(neurons if plan.leaky else 0, counts),
        )
        _count_ones(plan, self._synapses)
        self._dirty = np.ones(int(plan.rows[-1]), bool)
        self._signs = Lfsr(state.sign_state)
        self._pending, self._minus_only = 0, False
        self._tau = p.learning.tau

    def read_state(self) -> NetworkState:
        """Return the network."""
        p = self.params
        weights, latents = [], []
        for layer in range(p.depth):
            row_bits = p.synapses(layer).row_bits
            packed = self._rows(self._synapses.weights, layer).astype("<u8").view(np.uint8)
            bits = np.unpackbits(packed, axis=-1, bitorder="little", count=row_bits)
            weights.append(bits.view(bool))
            latents.append(self._rows(self._latents, layer)[:, :row_bits].astype(np.int16))
        return NetworkState(weights, latents, self._signs.state)

    def _rows(self, flat, layer):
        """Rows of a weight layer in an array of words, or of the latents of words."""
        base, per_word = self._plan.base, len(flat) // int(self._plan.base[-1])
        part = flat[base[layer] * per_word : base[layer + 1] * per_word]
        return part.reshape(self.params.synapses(layer).rows, -1)

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        if any(new < old for new, old in zip(tau, self._tau, strict=True)):
            # Weights that were not due may be so now, wherever they are.
            self._dirty[:] = True
        self._tau = tau

    # Work -----------------------------------------------------------------------------------

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of."""
        rows = self.params.network.image[0] if self._plan.local else 1
        pack = _words if self._plan.pixels else _packed
        self._x = pack(x.reshape(len(x) * rows, -1)).reshape(len(x), -1)
        self._labels = np.asarray(labels, np.int64)

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples."""
        batches = ceil_div(self._pending + count, self.params.learning.batch) if count else 0
        report = self._train(first, count, flush, self._draw_phases(batches))
        if flush and not count and self._pending:
            report.flips = self._flush()
        return report

    def _train(self, first, count, flush, phases):
        p, batch = self.params, self.params.learning.batch
        predictions = np.empty(count, np.int64)
        totals = np.zeros((self.threads, p.depth + 1), np.int64)
        self._pending = self._call(
            _train, self.training_threads,
            self._plan, self._synapses, self._latents, self._dirty, self._desk, self._x,
            self._labels, first, count, self._pending, batch, np.array(self._tau, np.int64),
            phases, predictions, totals, flush,
        )  # fmt: skip
        correct = int((predictions == self._labels[first : first + count]).sum())
        *flips, changed = totals.sum(0).tolist()
        return Report(count, correct, changed, flips)

    def _flush(self):
        """End a batch; return the flips of each weight layer."""
        totals, tau = np.zeros((1, self.params.depth + 1), np.int64), np.array(self._tau, np.int64)
        _learn(
            self._plan, self._synapses, self._latents, self._dirty, self._desk, 0, tau, 0, 1, True,
            totals,
        )  # fmt: skip
        _count_ones(self._plan, self._synapses)
        self._pending = 0
        return totals[0, :-1].tolist()

    def _draw_phases(self, batches):
        """Nudged phases of each batch that is begun or gone on with."""
        nudging = self.params.learning.nudging
        if nudging == "random-sign":
            kept = [self._minus_only] if self._pending else []
            minus_only = kept + [bool(self._signs.draw(1)) for _ in range(batches - len(kept))]
            self._minus_only = minus_only[-1] if minus_only else self._minus_only
            return np.array([1 << (_MINUS if m else _PLUS) for m in minus_only], np.int64)
        both = 1 << _PLUS | 1 << _MINUS
        return np.full(batches, both if nudging == "centered" else 1 << _PLUS, np.int64)

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples."""
        predictions = np.empty(count, np.int64)
        self._call(
            _infer, self.threads,
            self._plan, self._synapses, self._desk, self._x, self._labels, first,
            count, predictions,
        )  # fmt: skip
        correct = int((predictions == self._labels[first : first + count]).sum())
        return Report(count, correct, 0, [0] * self.params.depth), predictions

    @staticmethod
    def _call(function, threads, *arguments):
        if threads == 1:
            return function(*arguments, threads)
        with _one_caller:
            before = get_num_threads()
            set_num_threads(threads)
            try:
                return function(*arguments, threads)
            finally:
                set_num_threads(before)


def _packed(bits):
    """Pack the last axis into words, bit 0 first, the last padded with zeros."""
    return _words(np.packbits(np.asarray(bits, bool), axis=-1, bitorder="little"))


def _words(octets):
    """Pack bytes into words, the first into the low bits, the last padded with zeros."""
    out = np.zeros((len(octets), ceil_div(octets.shape[-1], 8) * 8), np.uint8)
    out[:, : octets.shape[-1]] = octets
    return out.view("<u8").astype(np.uint64, copy=False)


def _tail(n):
    """Which bits of the last word of ``n`` exist."""
    return (1 << ((n - 1) % LANES + 1)) - 1


def _plan(p: Params) -> _Plan:
    net, d, learning = p.network, p.dynamics, p.learning
    words = [ceil_div(n, LANES) for n in p.sizes]
    shapes = [p.synapses(layer) for layer in range(p.depth)]
    row_words = [ceil_div(s.row_bits, LANES) for s in shapes]
    pixel_bits = p.planes * net.pixel_bits

    def after(counts):
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    return _Plan(
        depth=p.depth,
        sign=d.code == "sign",
        leaky=d.kind == "leaky",
        sizes=np.array([p.fan_in, *p.sizes[1:]], np.int64),
        words=np.array(words, np.int64),
        place=np.concatenate([[0], after(words[1:])]),
        tails=np.array([_tail(n) for n in p.sizes], np.uint64),
        base=after([s.rows * n for s, n in zip(shapes, row_words, strict=True)]),
        row_words=np.array(row_words, np.int64),
        row_tails=np.array([_tail(s.row_bits) for s in shapes], np.uint64),
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
        block=p.block,
        positions=p.positions,
        local=net.first == "local",
        grid_width=p.grid[1],
        stride=net.stride,
        window=net.window,
        pixels=net.pixel_bits == 8,
        pixel_bits=pixel_bits,
        image_words=ceil_div(net.image[1] * pixel_bits, LANES),
        seen_words=row_words[0] * net.pixel_bits,
        everything=np.full(row_words[0] if net.pixel_bits == 8 else 0, ~np.uint64(0)),
    )


def _desk(p: Params, plan: _Plan, threads: int) -> _Desk:
    n_words = int(plan.place[-1])
    block = max(_BLOCK, threads * TOGETHER)
    count = np.int16 if max(p.sizes[1:]) < 1 << 15 else np.int32

    def each(n, dtype):
        return _zeros((2 * threads, n), dtype)

    def for_pixels(n, dtype):
        return _zeros((threads, n if plan.pixels else 0), dtype)

    neurons = n_words * LANES
    stateful = neurons if plan.leaky else 0
    # Rows of a power of two would all fall into the same few places of a cache.
    drives = int(plan.words[1]) * LANES + 16
    return _Desk(
        bits=each(n_words, np.uint64),
        fresh=each(n_words if plan.leaky else 0, np.uint64),
        counts=each(neurons, count),
        raised=each(neurons if plan.leaky else 0, count),
        active=each(p.depth + 1, np.int64),
        v=each(int(plan.words[-1]) * LANES, np.int32),
        drive=each(int(plan.words[1]) * LANES, np.int32),
        everyone=np.arange(max(p.sizes[1:]), dtype=np.int64),
        undecided=each(p.sizes[1], np.int64),
        stale=each(p.depth + 1, bool),
        states=each(stateful, np.int32),
        totals=each(neurons, np.int32),
        windows=np.zeros((block, p.positions * int(plan.seen_words)), np.uint64),
        ahead=for_pixels(TOGETHER * drives, np.int32).reshape(threads, -1, drives),
        tables=for_pixels(int(plan.row_words[0]) * ENTRIES * TOGETHER, np.uint16),
        sums=for_pixels((_TILE + 1) * TOGETHER, np.int32),
        seeing=for_pixels(int(plan.row_words[0]), np.int64),
        ends=np.zeros((block, 2, n_words), np.uint64),
    )


def _zeros(shape, dtype):
    """Zeros that begin with a cache line, lest each vector lie in two of them."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(n_bytes + _LINE, np.uint8)
    first = -room.ctypes.data % _LINE
    return room[first : first + n_bytes].view(dtype).reshape(shape)
