"""What the network did within epochs, chunk by chunk of samples; kept beside the checkpoint."""

import csv
import io
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from popflip.golden.model import Report
from popflip.golden.support.files import read_text, write_atomically
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.log import Progress

__all__ = ["Curve", "Point"]

#: Samples that a running figure looks back over, at least.
RECENT = 2048


@dataclass(frozen=True)
class Point:
    """Totals of one chunk of samples; ``position`` is its end within ``epoch``, from 1."""

    epoch: int
    position: int
    samples: int
    correct: int
    changed: int
    cycles: int
    flips: tuple[int, ...]


@dataclass
class Curve:
    """Points in the order of training.

    Parameters
    ----------
    depth : int
        Weight layers.
    """

    depth: int
    points: list[Point] = field(default_factory=list)
    _recent: deque = field(default_factory=deque)
    _before: tuple = ()

    def add(self, progress: Progress) -> None:
        """Take in a chunk: what a training loop reports minus what it reported before."""
        now = progress.report
        key = progress.epoch
        totals = (
            now.samples, now.correct, now.changed, now.cycles.get("total", 0), *now.flips
        )  # fmt: skip
        if not self._before or self._before[0] != key:
            self._before = (key, (0,) * len(totals))
        delta = [a - b for a, b in zip(totals, self._before[1], strict=True)]
        self._before = (key, totals)
        samples, correct, changed, cycles, *flips = delta
        point = Point(key, progress.done, samples, correct, changed, cycles, tuple(flips))
        self.points.append(point)
        self._recent.append(point)
        while sum(p.samples for p in self._recent) - self._recent[0].samples >= RECENT:
            self._recent.popleft()

    def recent(self) -> Report:
        """Totals over the last chunks."""
        total = Report(flips=[0] * self.depth)
        for p in self._recent:
            total += Report(p.samples, p.correct, p.changed, list(p.flips), {"total": p.cycles})
        return total

    def begin(self, report: Report, epoch: int) -> None:
        """Go on from a checkpoint: totals of the epoch that it is in."""
        totals = (report.samples, report.correct, report.changed, report.cycles.get("total", 0))
        self._before = (epoch, (*totals, *report.flips))

    def save(self, path: Path) -> None:
        """Write the points as CSV."""
        text = io.StringIO()
        writer = csv.writer(text)
        flips = [f"flips{layer}" for layer in range(self.depth)]
        writer.writerow(["epoch", "position", "samples", "correct", "changed", "cycles", *flips])
        for p in self.points:
            writer.writerow([
                p.epoch,
                p.position,
                p.samples,
                p.correct,
                p.changed,
                p.cycles,
                *p.flips,
            ])
        write_atomically(path, text.getvalue().encode())

    def load(self, path: Path, epoch: int, position: int) -> None:
        """Read the points up to ``position`` of epoch ``epoch``, from 1; none if no file is there.

        Raises
        ------
        CheckpointError
            If the file is something else.
        """
        if not path.exists():
            return
        try:
            rows = list(csv.reader(read_text(path, "a learning curve").splitlines()))[1:]
            points = [
                Point(a, b, c, d, e, f, tuple(flips))
                for a, b, c, d, e, f, *flips in (map(int, row) for row in rows)
            ]
        except (ValueError, TypeError, csv.Error):
            raise CheckpointError(f"{path} is damaged; remove it to go on without it") from None
        self.points = [p for p in points if (p.epoch, p.position) <= (epoch, position)]
