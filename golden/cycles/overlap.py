"""One sample on its way through a machine with ``machine.overlap``.

The drive of the next sample runs beside this one, and the neurons of layer 1 are kept in lists, one
for each bank.
"""

import numpy as np

from popflip.golden.cycles.latencies import (
    GROUP_LATENCY,
    LIST_LATENCY,
    UPDATE_LATENCY,
    line_waits,
    pool_latency,
    tree_latency,
)
from popflip.golden.cycles.sample import SampleRun

__all__ = ["ListScan", "OverlapRun"]


class OverlapRun(SampleRun):
    """One sample on its way through a machine with ``machine.overlap``.

    ``ahead`` says when its drive is over, in cycles from its first, if that began beside the sample
    before; ``more`` that the next one's may begin beside this.
    """

    def __init__(self, params, relaxation, i, ahead, more):
        super().__init__(params, relaxation, i)
        self._ahead, self._more = ahead, more
        self._lead_end: int | None = None
        self._moved = False
        rows = np.arange(params.sizes[1])
        self._banks = self.shape_of(0).bank(rows)

    def ahead(self):
        """When the drive of the next sample is over, in cycles from that one's first."""
        return None if self._lead_end is None else self._lead_end - self.now

    def _drive_cycles(self) -> int:
        p, shape = self.params, self.shape_of(0)
        words = p.load_rows + (p.grid[0] - 1) * line_waits(p) + p.looks * p.positions * p.look_words
        return words + tree_latency(shape.word_bits) + pool_latency(p) + GROUP_LATENCY

    def _await_drive(self):
        drive = self._drive_cycles()
        if self.restarts:
            # The next sample's drive is not broken off.
            busy = 0 if self._lead_end is None else self._lead_end - self.now
            self.spend("drive", 1 + max(0, busy) + drive)
        else:
            self.spend("drive", 1 + drive if self._ahead is None else max(1, self._ahead))
            self._lead_end = self.now + drive if self._more else None
        self._moved = False

    def _visit(self, layer, after) -> int:
        toggled = self.a[0] != after
        if (toggled & ~self.undecided).any():
            raise AssertionError("a neuron that the skip left out has changed")
        self.a[0] = after
        # The last phase of several leads to the second nudged state.
        if toggled.any() and self._phase == len(self.phases) - 1:
            self._moved = True
        longest = int(np.bincount(self._banks, self.undecided).max())
        return longest + LIST_LATENCY if longest else 1

    def learn(self, dirty) -> int:
        differs = self.plus[0] != self.minus[0]
        above = bool((self.plus[1] != self.minus[1]).any())
        if not (above or self._moved):
            return 2
        needed = differs | (above & (self.plus[0] | self.minus[0]))
        if dirty is not None:
            dirty[0][self.params.first_layer.row_of(np.flatnonzero(differs))] = True
            dirty[1][needed & (self.undecided | (self.drive >= 0))] = True
        decided = (self.drive >= 0) & ~self.undecided & above
        scan = ListScan(self.params, self._banks, self.undecided, decided, needed, differs)
        return 1 + scan.run()


class ListScan:
    """The scan of the lists of an overlapping machine, cycle by cycle.

    First the lists of decided neurons are read, then those of undecided ones. Each bank has a list,
    and its next entry waits at its head. One head at a time leaves for the update engines: engine 1
    takes every neuron that is needed, engine 0 those that differ, once the window has come to
    their row of positions.

    Parameters
    ----------
    params : Params
    banks : numpy.ndarray
        Bank of each neuron.
    undecided, decided : numpy.ndarray
        Which neurons are listed where.
    needed, differs : numpy.ndarray
        Which neurons are jobs of update engine 1, and which of both.
    """

    def __init__(self, params, banks, undecided, decided, needed, differs):
        self._needed, self._differs = needed, differs
        first, count = params.first_layer, params.machine.neuron_lanes
        rows = np.arange(len(banks))
        self._undecided = [rows[undecided & (banks == b)].tolist() for b in range(count)]
        self._lists = [rows[decided & (banks == b)].tolist() for b in range(count)]
        self._of_decided = True
        self._read = [0] * count  # entries of each list
        self._held: list[int | None] = [None] * count  # read, and not yet at the head
        self._heads: list[int | None] = [None] * count
        # The neuron that leaves, and which engines have taken it.
        self._leaving: int | None = None
        self._taken = [False, False]
        shapes = [params.synapses(layer) for layer in range(2)]
        self._work = [shape.row_cycles for shape in shapes]
        self._words = [shape.row_words for shape in shapes]
        self._free = [0, 0]  # when each engine takes its next job
        self._done = 0  # when all jobs so far are done
        # The row of positions that the window is at, when it may be looked at, and when it may move
        # down again.
        self._per_line, self._step = first.block * first.grid[1], first.step_rows
        self._line, self._ready = 0, 1 + first.load_rows
        self._filled = first.load_rows + first.step_rows
        self._now = 0

    def run(self) -> int:
        """Cycles from the pulse until the scan and both engines are done."""
        while True:
            self._now += 1
            empty = [
                head is None and entry is None and read == len(rows)
                for head, entry, read, rows in zip(
                    self._heads, self._held, self._read, self._lists, strict=True
                )
            ]
            wants = [self._may_leave(head) for head in self._heads]
            gone = self._serve()
            picked = None
            if (self._leaving is None or gone) and any(wants):
                picked = wants.index(True)
            moves_down = self._moves_down(wants, empty)
            over = not self._of_decided and all(empty) and self._leaving is None
            # From here on, what the next cycle begins with.
            begins_undecided = self._of_decided and all(empty)
            if picked is not None:
                self._leaving, self._taken = self._heads[picked], [False, False]
            elif gone:
                self._leaving = None
            self._advance_lists(picked)
            if begins_undecided:
                self._of_decided, self._lists = False, self._undecided
                self._read = [0] * len(self._lists)
            if moves_down:
                moves = max(self._now, self._filled)
                self._line, self._ready = self._line + 1, moves + 1
                self._filled = moves + self._step
            if over:
                return max(self._done, self._now + 1)

    def _may_leave(self, head) -> bool:
        """Whether the neuron at a head is needed, and the window at its row of positions."""
        if head is None or not self._needed[head]:
            return False
        return self._of_decided or head // self._per_line == self._line

    def _serve(self) -> bool:
        """Have the engines take the neuron that leaves, each in its time; whether it is gone."""
        if self._leaving is None:
            return False
        differs = self._differs[self._leaving]
        takes = [differs and self._ready <= self._now, True]
        for engine in range(2):
            if takes[engine] and not self._taken[engine] and self._free[engine] <= self._now:
                self._taken[engine] = True
                self._free[engine] = self._now + self._work[engine]
                issued = self._now + self._words[engine]
                self._done = max(self._done, issued + UPDATE_LATENCY + 1)
        return self._taken[1] and (self._taken[0] or not differs)

    def _moves_down(self, wants, empty) -> bool:
        """Whether the window moves to the next row of positions: all heads wait for that."""
        later = [
            head is not None and self._needed[head] and not want
            for head, want in zip(self._heads, wants, strict=True)
        ]
        return bool(
            not self._of_decided
            and any(later)
            and all(a or b for a, b in zip(later, empty, strict=True))
            and not (self._leaving is not None and self._differs[self._leaving])
            and self._ready <= self._now
            and self._free[0] <= self._now
        )

    def _advance_lists(self, picked):
        """Move entries on: from the lists to where they are held, from there to the heads."""
        heads, held, read = self._heads, self._held, self._read
        for b, rows in enumerate(self._lists):
            drop = heads[b] is not None and (not self._needed[heads[b]] or picked == b)
            move = held[b] is not None and (heads[b] is None or drop)
            fetch = read[b] < len(rows) and (held[b] is None or move)
            if move:
                heads[b] = held[b]
            elif drop:
                heads[b] = None
            if fetch:
                held[b], read[b] = rows[read[b]], read[b] + 1
            elif move:
                held[b] = None
