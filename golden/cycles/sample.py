"""One sample on its way through the sequencer: drive, relaxation, update."""

import numpy as np

from popflip.golden.cycles.latencies import (
    APPLY_LATENCY,
    DRIVE_LATENCY,
    OUTPUT_LATENCY,
    QUEUE_LATENCY,
    READOUT_LATENCY,
    VISIT_LATENCY,
    line_waits,
    looks_at,
    pool_latency,
    tree_latency,
)
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.cycles.update import ContrastScan, serve_each, serve_shared
from popflip.golden.description.params import Params
from popflip.golden.model import Relaxation

__all__ = ["SampleRun"]


def _drain(available, chunks, start=0):
    """When the last of a queue's applications is requested; each takes ``chunks`` cycles."""
    available = np.maximum(available, start)
    order = np.arange(len(available)) * chunks
    return int((np.maximum.accumulate(available - order) + order)[-1])


class SampleRun:
    """One sample on its way through the sequencer."""

    def __init__(self, params: Params, relaxation: Relaxation, i: int):
        self.params = params
        self.drive = relaxation.drive[i]
        self.phases = [
            [([a[i] for a in state.a], state.v[i]) for state in phase]
            for phase in relaxation.history
        ]
        self.training = bool(relaxation.plus)
        if self.training:
            self.plus = [a[i] for a in relaxation.plus]
            self.minus = [a[i] for a in relaxation.minus]
        self.cycles = dict.fromkeys(StageCycles._fields, 0)
        self.now = 0  # the cycle that the sequencer's next state begins with
        self.restarts = 0
        self.readout_done = 0
        self._phase = 0

    def spend(self, stage, cycles):
        self.cycles[stage] += cycles
        self.now += cycles

    # Relaxation -----------------------------------------------------------------------------

    def relax(self):
        self.spend("drive", 1)
        for bound in self.params.active_bounds:
            if self._attempt(bound):
                break
            self.restarts += 1

    def _attempt(self, bound) -> bool:
        """Relax with the skip of ``bound``; False if more neurons of layer 2 became active."""
        p = self.params
        reach = p.feedback_gain(1) * bound
        self.undecided = (self.drive >= -reach) & (self.drive < reach)
        self._await_drive()

        (hidden, _), last = self.phases[0][0], p.depth - 1
        self.a = [self.drive >= 0, *hidden[1:]]
        self.stale = {1: p.dynamics.code == "sign" or p.awake}
        self.stale |= dict.fromkeys(range(2, p.depth), True)

        for number, states in enumerate(self.phases):
            self._phase = number
            stage = "free" if number == 0 else "nudged"
            if number == 2:
                self._restore(stage)
            v = states[0][1]
            for odd, even in zip(states[1::2], states[2::2], strict=True):
                if self.stale[1] and self.a[1].sum() > bound:
                    self.spend(stage, 1)
                    return False
                moved = toggled = False
                for parity, (after, v_after) in ((1, odd), (0, even)):
                    takes = self._half(parity, after)
                    if p.depth % 2 == parity:
                        moved = bool((v_after != v).any())
                        toggled = bool((self.a[last] != after[last]).any())
                        self.a[last], v = after[last], v_after
                        self.stale[last] |= toggled
                        takes = max(takes, p.output_chunks + OUTPUT_LATENCY)
                    elif parity == 0:
                        takes = max(takes, 1)
                    self.spend(stage, 1 + takes)
                if not (any(self.stale.values()) or moved or toggled):
                    break
            self.spend(stage, 1)
            if number == 0:
                self.free = list(self.a)
                self.readout_done = self.now - 1 + p.network.classes + READOUT_LATENCY
        return True

    def _await_drive(self):
        self.spend("drive", 1 + self._drive_cycles())

    def shape_of(self, layer):
        return self.params.synapses(layer)

    def _drive_cycles(self) -> int:
        """Cycles after the start pulse until the drive and the first counts are over."""
        p, shape = self.params, self.shape_of(0)
        everything = p.dynamics.code == "sign"
        active = self.drive >= 0
        items = np.ones_like(active) if everything else self.undecided | active
        groups = shape.slot(np.arange(p.sizes[1]))
        count = np.bincount(groups, items, p.neuron_groups).astype(int)

        # Words of a group; those of all groups in the earlier looks of a position; and the cycles
        # in which they wait for rows of the image.
        step = np.full(len(count), shape.chunks)
        looks, words = looks_at(p), p.look_words
        step[:: shape.groups] += looks * words - shape.groups * shape.chunks
        if p.machine.serial_windows:
            step[:: shape.groups] += looks * max(0, p.load_rows - words)
            step[0] -= max(0, p.load_rows - words)
        else:
            step[shape.groups * p.grid[1] :: shape.groups * p.grid[1]] += line_waits(p)
        first = p.load_rows + step[0] + tree_latency(shape.word_bits) + pool_latency(p)
        waits = np.maximum(step[1:], count[:-1])
        begins = first + DRIVE_LATENCY + np.concatenate([[0], np.cumsum(waits)])
        idle = int(begins[-1] + count[-1])

        # Items leave one per cycle from the beginning of their group on.
        pushed = items & (active | everything)
        rank = np.cumsum(items) - 1 - (np.cumsum(count) - count)[groups]
        queues = [(begins[groups] + rank)[pushed]]
        if everything:
            queues += [1 + np.arange(p.sizes[layer]) for layer in range(2, p.depth)]
        for layer, times in enumerate(queues, 1):
            if len(times):
                chunks = self.shape_of(layer).chunks
                last = _drain(times + QUEUE_LATENCY, chunks)
                idle = max(idle, last + chunks - 1 + APPLY_LATENCY)
        return idle

    def _visit(self, layer, after) -> int:
        """Cycles from the pulse of a pass over a hidden layer until it is over."""
        shape = self.shape_of(layer)
        chunks, tree = shape.chunks, tree_latency(shape.word_bits)
        toggled = self.a[layer - 1] != after
        if layer == 1:
            if (toggled & ~self.undecided).any():
                raise AssertionError("a neuron that the skip left out has changed")
            toggled = toggled[self.undecided]
        self.a[layer - 1] = after
        if not len(toggled):
            return 1
        words = len(toggled) * chunks
        takes = words + VISIT_LATENCY + tree + 1
        changes = np.flatnonzero(toggled)
        if len(changes):
            if layer > 1:
                self.stale[layer - 1] = True
            if layer + 1 < self.params.depth:
                self.stale[layer + 1] = True
            pushed = (changes + 1) * chunks + VISIT_LATENCY + tree
            last = _drain(pushed + QUEUE_LATENCY, chunks, words + 1)
            takes = max(takes, last + chunks - 1 + APPLY_LATENCY)
        return takes

    def _half(self, parity, after) -> int:
        """Visit the stale hidden layers of one parity; cycles until the last is done."""
        takes = 0
        for layer in range(1, self.params.depth):
            if layer % 2 != parity:
                continue
            if self.stale[layer]:
                self.stale[layer] = False
                takes = max(takes, self._visit(layer, after[layer - 1]))
            elif (self.a[layer - 1] != after[layer - 1]).any():
                raise AssertionError(f"layer {layer} changed though none of its neighbours did")
        return takes

    def _restore(self, stage):
        """Go back to the free state for the second nudged phase."""
        p = self.params
        last = p.depth - 1
        self.stale[last] |= bool((self.a[last] != self.free[last]).any())
        self.a[last] = self.free[last]
        takes = []
        for layer in range(2, p.depth, 2):
            self.stale[layer] |= bool((self.a[layer - 1] != self.free[layer - 1]).any())
            takes.append(self._visit(layer, self.free[layer - 1]))
        if takes:
            self.spend(stage, 1 + max(takes))

    # Learning -------------------------------------------------------------------------------

    def learn(self, dirty) -> int:
        """Cycles of the update of one sample; marks rows in ``dirty``, if there is one."""
        p = self.params
        done = 1
        scans = {}
        for layer in range(1, p.depth):
            above = (self.plus[layer] != self.minus[layer]).any()
            scan = self._scan(layer, above)
            if len(scan.rows):
                scans[layer] = scan
            elif scan.length:
                done = max(done, 2 + scan.length)
            if dirty is not None:
                dirty[layer][scan.rows] = True
        serve = serve_shared if p.machine.shared_update else serve_each
        # The state that starts the scan, and those until all is idle.
        return 1 + max(done, serve(p, scans, dirty))

    def _scan(self, layer, above) -> ContrastScan:
        """Scan a layer for contrasts; ``above``: the one above it has some."""
        p = self.params
        rows = np.arange(self.shape_of(layer).rows)
        if layer == 1:
            matters = (self.drive >= 0) | (p.dynamics.code == "sign")
            decided = rows[~self.undecided & matters] if above else rows[:0]
            rows = np.concatenate([rows[self.undecided], decided])
        differs, needed = self._contrasts(layer, above)
        at = np.flatnonzero(needed[rows])
        found = rows[at]
        # Without a difference on either side nobody scans.
        length = len(rows) if above or differs[rows].any() else 0
        return ContrastScan(found, at, differs[found], length)

    def _contrasts(self, layer, above):
        """Which neurons of a layer differ between the nudged states, and which have a contrast."""
        plus, minus = self.plus[layer - 1], self.minus[layer - 1]
        differs = plus != minus
        either = plus | minus if self.params.dynamics.code == "heaviside" else True
        return differs, differs | (above & either)
