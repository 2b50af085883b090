"""How many clock cycles the machine takes: exact, from what the golden model did.

The machine skips what cannot change anything, so its cycles depend on the sample.
:class:`CycleModel` follows the sequencer of :mod:`popflip.rtl.core.core` through the history of a
relaxation and counts the cycles of each stage; simulation must agree to the cycle. Latencies of
the engines are named here once and asserted against the RTL by its tests.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.model import Relaxation
from popflip.golden.support.integers import ceil_div

__all__ = ["CycleModel", "StageCycles", "line_waits", "most_cycles", "tree_latency"]

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


def tree_latency(width: int) -> int:
    """Registers in :class:`popflip.rtl.primitives.popcount.PopcountTree` of ``width`` bits."""
    levels = 1 + (ceil_div(width, 3) - 1).bit_length()
    return ceil_div(levels, 3)


def line_waits(params: Params) -> int:
    """Cycles in which a drive waits, at the end of a row of windows, for the image's next rows.

    They come while the row is looked at, one per cycle. (Serial windows are fetched otherwise.)
    """
    first, shape = params.first_layer, params.synapses(0)
    return max(0, first.step_rows - shape.groups * shape.chunks * first.grid[1])


class StageCycles(NamedTuple):
    """Cycles of one sample by what they were spent on."""

    drive: int = 0
    free: int = 0
    nudged: int = 0
    update: int = 0

    @property
    def total(self) -> int:
        """All cycles of the sample."""
        return sum(self)

    def plus(self, other: "StageCycles") -> "StageCycles":
        """Stage by stage, the sum of both."""
        return StageCycles(*(a + b for a, b in zip(self, other, strict=True)))


def most_cycles(params: Params) -> int:
    """Cycles that a training sample never exceeds, whatever the weights, latents and pixels are.

    Every attempt but the last is taken to end with its last sweep, every neuron to be visited and
    to change in every sweep, every row to differ and to be tested for flips. Samples take far less.
    """
    p = params
    load_rows, step_rows = p.first_layer.load_rows, p.first_layer.step_rows
    shapes = [p.synapses(layer) for layer in range(p.depth)]
    hidden = shapes[1:]
    latency = max(tree_latency(s.word_bits) for s in shapes)
    fixed = VISIT_LATENCY + QUEUE_LATENCY + APPLY_LATENCY + OUTPUT_LATENCY + latency + 8
    # A group's words, its items and the rows of the image that it waits for; then applications.
    first = shapes[0]
    drive = first.slots * (first.chunks + first.banks + load_rows + step_rows) + load_rows
    drive += sum(s.rows * s.chunks for s in hidden) + DRIVE_LATENCY + fixed
    # Each neuron's words are visited, and applied if it has changed.
    half = sum(2 * s.rows * s.chunks for s in hidden) + p.output_chunks + fixed
    sweeps = p.dynamics.free_sweeps + 2 * p.learning.nudged_sweeps
    relax = 2 * (half + 2) * (sweeps + 2)
    # The contrast scans, the window's way to each row, and a flush of everything, one by one.
    rows = sum(s.rows * (s.row_cycles + 2) for s in shapes)
    rows += p.positions * (load_rows + step_rows + 2)
    update = 2 * rows + 2 * (UPDATE_LATENCY + SHARED_LATENCY + fixed)
    readout = p.network.classes + READOUT_LATENCY + 2
    return len(p.active_bounds) * (drive + relax + 4) + update + readout


class CycleModel:
    """The machine's clock, sample by sample.

    Parameters
    ----------
    params : Params
    batch : int, optional
        Samples between flips; the parameters' own if left out.

    Attributes
    ----------
    touched : bool
        The host wrote weights, latents or thresholds since the last flush, as it does before
        training begins: the next flush tests every row.
    restarts : int
        How often a sample exceeded its active bound so far.
    """

    def __init__(self, params: Params, batch: int | None = None):
        self.params = params
        self.batch = params.learning.batch if batch is None else batch
        self.touched = True
        self.restarts = 0
        self.pending = 0
        self._shapes = [params.synapses(layer) for layer in range(params.depth)]
        self._dirty = [np.zeros(s.rows, bool) for s in self._shapes]
        self._ahead: int | None = None  # when the drive of the next sample is over, if it began

    def sample(self, relaxation: Relaxation, i: int, last: bool = False) -> StageCycles:
        """Count the cycles of sample ``i`` of a batch, including the flush that it may end with.

        Samples are in the machine in time; what it waits for them is not counted.

        Parameters
        ----------
        relaxation : Relaxation
            With its history kept; with both nudged states if the sample was trained on.
        i : int
        last : bool
            No sample follows in this run. (It matters with ``machine.overlap`` only.)
        """
        run: _Run
        if self.params.machine.overlap:
            learns = bool(relaxation.plus)
            more = not last and not (learns and self.pending + 1 >= self.batch)
            run = _OverlapRun(self.params, relaxation, i, self._ahead, more)
        else:
            run = _Run(self.params, relaxation, i)
        run.relax()
        self.restarts += run.restarts
        if run.training:
            learn = run.learn(self._dirty if self.batch > 1 else None)
            run.spend("update", learn)
            self.pending += 1
            if self.pending >= self.batch:
                if self.batch > 1 or self.touched:
                    run.spend("update", self._flush())
                self.pending = 0
        # The last state waits for the readout, which runs beside the nudged phases.
        run.spend("update" if run.training else "free", max(1, run.readout_done - run.now + 1))
        if isinstance(run, _OverlapRun):
            self._ahead = run.ahead()
        return StageCycles(**run.cycles)

    def flush(self) -> StageCycles:
        """Count the cycles of a flush by itself, as at the end of a run."""
        # One for the sequencer to find that there is no sample left.
        return StageCycles(update=1 + self._flush())

    def _flush(self) -> int:
        """Cycles of a flush, from its first."""
        if self.params.machine.shared_update:
            self.touched = False
            return 1 + sum(s.rows * s.row_cycles for s in self._shapes) + SHARED_LATENCY + 1
        longest = 0
        for shape, dirty in zip(self._shapes, self._dirty, strict=True):
            rows = np.arange(shape.rows) if self.touched else np.flatnonzero(dirty)
            tested = np.bincount(shape.slot(rows), minlength=shape.slots)
            longest = max(longest, int(np.maximum(1, tested * shape.row_cycles).sum()))
            dirty[:] = False
        self.touched = False
        self.pending = 0
        return 1 + longest + UPDATE_LATENCY + 2


def _drain(available, chunks, start=0):
    """When the last of a queue's applications is requested; each takes ``chunks`` cycles."""
    available = np.maximum(available, start)
    order = np.arange(len(available)) * chunks
    return int((np.maximum.accumulate(available - order) + order)[-1])


class _Run:
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

    def _shape(self, layer):
        return self.params.synapses(layer)

    def _drive_cycles(self) -> int:
        """Cycles after the start pulse until the drive and the first counts are over."""
        p, shape = self.params, self._shape(0)
        everything = p.dynamics.code == "sign"
        active = self.drive >= 0
        items = np.ones_like(active) if everything else self.undecided | active
        groups = np.array([shape.slot(row) for row in range(shape.rows)])
        count = np.bincount(groups, items, shape.slots).astype(int)

        # Words of a group, and the cycles in which it waits for rows of the image.
        step = np.full(len(count), shape.chunks)
        if p.machine.serial_windows:
            step[shape.groups :: shape.groups] += max(0, p.first_layer.load_rows - shape.groups)
        else:
            step[shape.groups * p.grid[1] :: shape.groups * p.grid[1]] += line_waits(p)
        first = p.first_layer.load_rows + 1 + shape.chunks - 1 + tree_latency(shape.word_bits)
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
                chunks = self._shape(layer).chunks
                last = _drain(times + QUEUE_LATENCY, chunks)
                idle = max(idle, last + chunks - 1 + APPLY_LATENCY)
        return idle

    def _visit(self, layer, after) -> int:
        """Cycles from the pulse of a pass over a hidden layer until it is over."""
        shape = self._shape(layer)
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
            shape = self._shape(layer)
            plus, minus = self.plus[layer - 1], self.minus[layer - 1]
            above = (self.plus[layer] != self.minus[layer]).any()
            rows = np.arange(shape.rows)
            if layer == 1:
                matters = (self.drive >= 0) | (p.dynamics.code == "sign")
                decided = rows[~self.undecided & matters] if above else rows[:0]
                rows = np.concatenate([rows[self.undecided], decided])
            differs = (plus != minus)[rows]
            either = (plus | minus)[rows] if p.dynamics.code == "heaviside" else True
            needed = np.flatnonzero(differs | (above & either))
            # Without a difference on either side nobody scans.
            if len(rows) and (above or differs.any()):
                if len(needed):
                    scans[layer] = _Scan(rows, needed, differs[needed])
                else:
                    done = max(done, 2 + len(rows))
            if dirty is not None:
                dirty[layer][rows[needed]] = True
        serve = self._serve_shared if p.machine.shared_update else self._serve_apart
        # The state that starts the scan, and those until all is idle.
        return 1 + max(done, serve(scans, dirty))

    def _serve_apart(self, scans, dirty) -> int:
        """When the jobs of all layers are done, each by an engine of its own."""
        done, changed = 1, []
        for layer, scan in scans.items():
            # A needed row waits for the one before; the scan ends behind the last row.
            work = self._shape(layer).row_cycles
            gaps = np.maximum(np.diff(scan.needed), work)
            accepted = 2 + scan.needed[0] + np.concatenate([[0], np.cumsum(gaps)])
            done = max(done, accepted[-1] + work + UPDATE_LATENCY + 1, scan.end(accepted[-1]))
            if layer == 1:
                rows = scan.rows[scan.needed]
                changed = list(zip(accepted[scan.differs], rows[scan.differs], strict=True))
        if dirty is not None:
            dirty[0][[row for _, row in changed]] = True
        fetch, free = _WindowFetch(self.params), 0
        for pushed, row in changed:
            accepted = max(free, fetch.offer(pushed, row, free))
            fetch.accept(accepted)
            free = accepted + self._shape(0).row_cycles
            done = max(done, free + UPDATE_LATENCY + 1)
        return int(done)

    def _serve_shared(self, scans, dirty) -> int:
        """When the jobs of all layers are done, if one engine takes them one after the other."""
        done, free, free_0 = 1, 0, 0
        fetch, changed = _WindowFetch(self.params), deque[tuple[int, int]]()
        at = dict.fromkeys(scans, 0)  # of the needed rows, the one that is next
        valid = {layer: 2 + scan.needed[0] for layer, scan in scans.items()}
        while valid:
            now = max(free, min(valid.values()))
            layer = max(l for l, since in valid.items() if since <= now)
            work = self._shape(layer).row_cycles
            free = now + work
            done = max(done, free + SHARED_LATENCY + 1)
            del valid[layer]
            if layer:
                scan, k = scans[layer], at[layer]
                at[layer] += 1
                if k + 1 < len(scan.needed):
                    valid[layer] = now + scan.needed[k + 1] - scan.needed[k]
                else:
                    done = max(done, scan.end(now))
                if layer == 1 and scan.differs[k]:
                    changed.append((now, scan.rows[scan.needed[k]]))
            else:
                free_0 = free
                fetch.accept(now)
            if 0 not in valid and changed:
                pushed, row = changed.popleft()
                valid[0] = fetch.offer(pushed, row, free_0)
        return int(done)


class _OverlapRun(_Run):
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
        self._banks = self._shape(0).bank(rows)

    def ahead(self):
        """When the drive of the next sample is over, in cycles from that one's first."""
        return None if self._lead_end is None else self._lead_end - self.now

    def _drive_cycles(self) -> int:
        p, shape = self.params, self._shape(0)
        waits = p.first_layer.load_rows + (p.grid[0] - 1) * line_waits(p)
        return waits + shape.weight_depth + tree_latency(shape.word_bits) + GROUP_LATENCY

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
            dirty[0][differs] = True
            dirty[1][needed & (self.undecided | (self.drive >= 0))] = True
        decided = (self.drive >= 0) & ~self.undecided & above
        return (
            1 + _ListScan(self.params, self._banks, self.undecided, decided, needed, differs).run()
        )


class _ListScan:
    """The contrast scan over the work lists of an overlapping machine, cycle by cycle.

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
        self._params, self._needed, self._differs = params, needed, differs
        count = params.machine.neuron_lanes
        rows = np.arange(len(banks))
        self._decided = [rows[decided & (banks == b)].tolist() for b in range(count)]
        self._undecided = [rows[undecided & (banks == b)].tolist() for b in range(count)]

    def run(self) -> int:
        """Cycles from the pulse until the scan and both engines are done."""
        p = self._params
        first = p.first_layer
        per_line, work = first.block * first.grid[1], [p.synapses(l).row_cycles for l in range(2)]
        lists = self._decided
        of_decided = True
        held: list[int | None] = [None] * len(lists)  # read, and not yet at the head
        heads: list[int | None] = [None] * len(lists)
        at = [0] * len(lists)
        leaving, left = None, [False, False]
        free, done = [0, 0], 0  # when each engine takes its next job, and when all are done
        # When the window may be looked at, and when it may move down again.
        line, ready, filled = 0, 1 + first.load_rows, first.load_rows + first.step_rows
        now = 0
        while True:
            now += 1
            empty = [
                head is None and entry is None and k == len(rows)
                for head, entry, k, rows in zip(heads, held, at, lists, strict=True)
            ]
            wants = [
                head is not None and self._wants(head) and (of_decided or head // per_line == line)
                for head in heads
            ]
            # Both engines take the neuron that leaves, each in its time.
            gone = False
            if leaving is not None:
                takes = [self._differs[leaving] and ready <= now, True]
                for engine in range(2):
                    if takes[engine] and not left[engine] and free[engine] <= now:
                        left[engine] = True
                        free[engine] = now + work[engine]
                        done = max(done, now + work[engine] + UPDATE_LATENCY + 1)
                gone = left[1] and (left[0] or not self._differs[leaving])
            picked = wants.index(True) if (leaving is None or gone) and any(wants) else None
            later = [
                head is not None and self._wants(head) and not want
                for head, want in zip(heads, wants, strict=True)
            ]
            new_line = (
                not of_decided
                and any(later)
                and all(a or b for a, b in zip(later, empty, strict=True))
                and not (leaving is not None and self._differs[leaving])
                and ready <= now
                and free[0] <= now
            )
            over = not of_decided and all(empty) and leaving is None
            # From here on, what the next cycle begins with.
            begin_undecided = of_decided and all(empty)
            if picked is not None:
                leaving, left = heads[picked], [False, False]
            elif gone:
                leaving = None
            for b, rows in enumerate(lists):
                drop = heads[b] is not None and (not self._wants(heads[b]) or picked == b)
                move = held[b] is not None and (heads[b] is None or drop)
                fetch = at[b] < len(rows) and (held[b] is None or move)
                if move:
                    heads[b] = held[b]
                elif drop:
                    heads[b] = None
                if fetch:
                    held[b], at[b] = rows[at[b]], at[b] + 1
                elif move:
                    held[b] = None
            if begin_undecided:
                of_decided, lists, at = False, self._undecided, [0] * len(lists)
            if new_line:
                moves = max(now, filled)
                line, ready, filled = line + 1, moves + 1, moves + first.step_rows
            if over:
                return max(done, now + 1)

    def _wants(self, row):
        return self._needed[row]


class _Scan(NamedTuple):
    """A contrast scan: rows of neurons, which of those are needed, and which of these differ."""

    rows: np.ndarray
    needed: np.ndarray
    differs: np.ndarray

    def end(self, accepted):
        """When the scan is over, if its last needed row was accepted at ``accepted``."""
        return accepted + len(self.rows) - self.needed[-1]


class _WindowFetch:
    """The window on its way from changed neuron to changed neuron."""

    def __init__(self, params: Params):
        self._params, first = params, params.first_layer
        self._ready, self._position, self._now = first.load_rows + 1, 0, 0
        self._filled = first.load_rows + first.step_rows  # it may move down

    def offer(self, pushed, row, free) -> int:
        """When the job of a neuron queued at ``pushed`` is valid.

        Its engine lets go of the present window at ``free``.
        """
        p, first = self._params, self._params.first_layer
        serial, height, wanted = p.machine.serial_windows, first.load_rows, first.position_of(row)
        now = max(pushed + QUEUE_LATENCY, self._now)
        if self._position < wanted:
            if p.machine.shared_update or not serial:
                now = max(now, free)
            if not serial:
                now = max(now, self._ready)
        while self._position < wanted:
            self._position += 1
            if not serial and self._position % first.grid[1] == 0:
                now = max(now, self._filled)
                self._filled = now + first.step_rows
            now += 1
            if serial:
                # A window that was complete has the next one behind it; one that was not is
                # skipped, and the next begins.
                behind = self._ready + height
                self._ready = max(now, behind) if self._ready < now else now + height
        return max(now, self._ready)

    def accept(self, now):
        """See the job that was offered last accepted."""
        self._now = now + 1
