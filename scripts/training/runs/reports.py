"""What a run says of itself, and how those who listen get it: never more than they can take."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from popflip.boards.host.monitor import Sighting
from popflip.golden.model import Report

__all__ = ["KEPT", "RunReport", "State", "Subscription", "Tested"]

#: Reports that a subscription keeps for one who is slow, if nobody says how many.
KEPT = 8


class State(Enum):
    """What a run does."""

    OPENING = "opening"
    PAUSED = "paused"
    LEARNING = "learning"
    TESTING = "testing"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class Tested:
    """A test with the test set, as the change in force has it.

    Attributes
    ----------
    at : int
        Samples that the network had learned.
    samples, correct : int
    """

    at: int
    samples: int
    correct: int

    @property
    def error(self) -> float:
        """Percent of the samples that were predicted wrongly."""
        return 100 * (1 - self.correct / max(1, self.samples))


@dataclass(frozen=True)
class RunReport:
    """A run as it is at some moment.

    All counters count from the run's beginning, so one who misses reports loses nothing but detail:
    what happened between two reports is their difference.

    Attributes
    ----------
    state : State
    total : Report
        Of all that was learned, from the board's own counters; an engine counts no cycles.
    epoch, position, samples : int
        Of the data set: complete epochs, samples taken of the next one, and samples of an epoch.
    seconds : float
        Spent on learning.
    pending : int
        Samples of the batch in hand.
    learns : bool
        Whether it has samples still to learn, also while it tests in between.
    tested : Tested, optional
        The last whole test.
    change : str, optional
        The change in force: a kind of :class:`popflip.golden.datasets.changes.Change`.
    upsets : int
        Bits that were turned over.
    sighting : Sighting, optional
        What a board that trains alone said of itself the last time.
    flash_errors : int
        Commands that the flash of a virtual board that trains alone did not understand.
    message : str
        What went wrong, of a run that failed.
    """

    state: State = State.OPENING
    total: Report = field(default_factory=Report)
    epoch: int = 0
    position: int = 0
    samples: int = 0
    seconds: float = 0.0
    pending: int = 0
    learns: bool = False
    tested: Tested | None = None
    change: str | None = None
    upsets: int = 0
    sighting: Sighting | None = None
    flash_errors: int = 0
    message: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (State.ENDED, State.FAILED)


class Subscription:
    """Reports of a run, for one who listens.

    It keeps the newest few. One who is slower than the run gets fewer of them.

    Parameters
    ----------
    kept : int
    forget : callable, optional
        Called with the subscription when it is closed.

    Attributes
    ----------
    missed : int
        Reports that nobody took before newer ones came.
    """

    def __init__(self, kept: int = KEPT, forget: Callable[["Subscription"], None] | None = None):
        self._reports: deque[RunReport] = deque(maxlen=kept)
        self._forget = forget
        self._changed = threading.Condition()
        self._over = False
        self.missed = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def put(self, report: RunReport) -> None:
        """Hand in a report; never waits."""
        with self._changed:
            self.missed += len(self._reports) == self._reports.maxlen
            self._reports.append(report)
            self._over = self._over or report.over
            self._changed.notify_all()

    def get(self, timeout: float = 0.0) -> RunReport | None:
        """Return the oldest report that is kept.

        Parameters
        ----------
        timeout : float
            Seconds to wait for one; with 0 what is there is returned at once.

        Returns
        -------
        RunReport, optional
            None if there is none.
        """
        end = time.monotonic() + timeout
        with self._changed:
            while not self._reports and not self._over:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            return self._reports.popleft() if self._reports else None

    def __iter__(self) -> Iterator[RunReport]:
        """Yield reports until the run is over or the subscription closed."""
        while True:
            report = self.get(0.5)
            if report is not None:
                yield report
            elif self._over:
                return

    def close(self) -> None:
        """Listen no longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        if self._forget is not None:
            self._forget(self)
