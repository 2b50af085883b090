"""What a run has done so far, in as much detail as has room: curves that never grow."""

import bisect
import threading
from dataclasses import dataclass

from popflip.golden.model import Report
from popflip.scripts.training.runs.reports import RunReport, Tested

__all__ = ["MOST", "STAGES", "WINDOW", "Curves", "Event", "History", "Point"]

#: Points of a curve that are kept at most.
MOST = 400

#: Samples that a moving figure looks back over, at least.
WINDOW = 500

#: What a board spends the cycles of a sample on.
STAGES = ("drive", "free", "nudged", "update")


@dataclass(frozen=True)
class Event:
    """Something that happened to a network, at a number of samples."""

    at: int
    text: str


@dataclass(frozen=True)
class Point:
    """A moment of a curve; figures are means over the window before it.

    Attributes
    ----------
    at : int
        Samples learned.
    error : float
        Percent of samples predicted wrongly, while learning.
    flips : tuple of float
        Per sample, by weight layer.
    changed : float
        Neurons of layer 1 per sample that differed between the nudged states.
    cycles : dict of float
        Per sample, by stage; empty if nobody counts them.
    samples_per_s : float
        On this computer.
    """

    at: int
    error: float
    flips: tuple[float, ...]
    changed: float
    cycles: dict[str, float]
    samples_per_s: float


@dataclass(frozen=True)
class Curves:
    """All that there is to draw."""

    points: list[Point]
    tests: list[Tested]
    events: list[Event]


@dataclass(frozen=True)
class _Mark:
    """Totals at some moment."""

    samples: int
    correct: int
    changed: int
    flips: tuple[int, ...]
    cycles: dict[str, int]
    seconds: float


def _added(a: _Mark, b: _Mark, sign: int = 1) -> _Mark:
    stages = {*a.cycles, *b.cycles}
    return _Mark(
        a.samples + sign * b.samples, a.correct + sign * b.correct, a.changed + sign * b.changed,
        tuple(x + sign * y for x, y in zip(a.flips, b.flips, strict=True)),
        {s: a.cycles.get(s, 0) + sign * b.cycles.get(s, 0) for s in stages},
        a.seconds + sign * b.seconds,
    )  # fmt: skip


class History:
    """Curves of a run, from its reports; of bounded size, and safe among threads.

    Parameters
    ----------
    depth : int
        Weight layers.
    """

    def __init__(self, depth: int):
        self._depth, self._lock = depth, threading.Lock()
        self._zero = _Mark(0, 0, 0, (0,) * depth, {}, 0.0)
        self._base = self._last = self._zero
        self.clear()

    def clear(self) -> None:
        """Begin anew: a new network."""
        with self._lock:
            # What was counted before counts no more.
            self._base = self._last if hasattr(self, "_marks") else self._zero
            self._marks, self._step = [self._zero], 1
            self._tests: list[Tested] = []
            self._events: list[Event] = []
            self._test_base = self._base.samples

    def carry(self) -> None:
        """Go on with another run of the same network, whose counters begin at zero."""
        with self._lock:
            sofar = _added(self._last, self._base, -1)
            self._base, self._last = _added(self._zero, sofar, -1), self._zero
            self._test_base = self._base.samples

    @property
    def at(self) -> int:
        """Samples learned."""
        return self._last.samples - self._base.samples

    def since(self, samples: int) -> int:
        """Return what a count of the run's samples is since the beginning of the curves.

        It is negative of what was before.
        """
        return samples - self._base.samples

    def add(self, report: RunReport) -> None:
        """Take in a report."""
        total = report.total
        now = _Mark(
            total.samples, total.correct, total.changed,
            tuple(total.flips or [0] * self._depth),
            {s: total.cycles[s] for s in (*STAGES, "total") if s in total.cycles},
            report.seconds,
        )  # fmt: skip
        with self._lock:
            if now.samples < self._last.samples:
                return  # an old one, of a run that has been replaced
            self._last = now
            mark = _added(now, self._base, -1)
            if mark.samples - self._marks[-1].samples >= self._step:
                self._marks.append(mark)
            if len(self._marks) > MOST:
                self._marks = [self._marks[0], *self._marks[2::2]]
                self._step = max(2 * self._step, self._marks[-1].samples // MOST)
            self._add_test(report.tested)

    def _add_test(self, tested: Tested | None) -> None:
        if tested is None or tested.at < self._test_base:
            return
        tested = Tested(tested.at - self._base.samples, tested.samples, tested.correct)
        if not self._tests or self._tests[-1] != tested:
            self._tests.append(tested)
        if len(self._tests) > MOST:
            self._tests = [*self._tests[:-1:2], self._tests[-1]]

    def mark(self, text: str) -> None:
        """Note that something happened."""
        with self._lock:
            self._events = [*self._events[-29:], Event(self.at, text)]

    def curves(self) -> Curves:
        """Return what there is to draw."""
        with self._lock:
            marks, tests, events = list(self._marks), list(self._tests), list(self._events)
            newest = _added(self._last, self._base, -1)
        if newest.samples > marks[-1].samples:
            marks.append(newest)
        at = [mark.samples for mark in marks]
        points = []
        for number in range(1, len(marks)):
            first = min(bisect.bisect_right(at, at[number] - WINDOW), number)
            points.append(_point(marks[max(0, first - 1)], marks[number]))
        return Curves(points, tests, events)

    def total(self) -> Report:
        """Return the totals of all that was learned since the beginning."""
        with self._lock:
            now = _added(self._last, self._base, -1)
        return Report(now.samples, now.correct, now.changed, list(now.flips), dict(now.cycles))


def _point(before: _Mark, after: _Mark) -> Point:
    part = _added(after, before, -1)
    n = max(1, part.samples)
    return Point(
        after.samples, 100 * (1 - part.correct / n), tuple(count / n for count in part.flips),
        part.changed / n, {stage: count / n for stage, count in part.cycles.items()},
        part.samples / part.seconds if part.seconds > 0 else 0.0,
    )  # fmt: skip
