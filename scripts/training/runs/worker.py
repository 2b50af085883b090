"""The other end of a run: the process that has the board."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from popflip.boards.host.link import LinkError
from popflip.boards.host.transport import TransportError
from popflip.golden.datasets import loading
from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.feed import Feed
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.training.learner import Learner
from popflip.golden.training.state import NetworkState
from popflip.scripts.session import Target, open_machine
from popflip.scripts.training.runs.reports import RunReport, State, Tested

__all__ = ["REPORT_S", "Task", "Tell", "main", "talk"]

#: What sends a message to the first process: its kind, and what it says.
Tell = Callable[..., None]

#: Seconds between two reports of a run that learns, at least.
REPORT_S = 0.05

#: Samples that a run begins with; how many it takes at a time then follows from its pace.
FIRST = 16


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker is to do.

    Attributes
    ----------
    tree : dict
        The parameters, as :meth:`Params.build` takes them.
    target : Target
    state : NetworkState
        What the network begins with.
    tau : tuple of int, optional
    source : str, optional
        A data set, as :func:`popflip.golden.datasets.loading.load` takes it.
    seed : int
        Of the order of its samples.
    samples, test_samples : int, optional
        The first so many of it; all if None.
    at : (int, int)
        Complete epochs, and samples of the next one, that have been learned before.
    pace : float
        Seconds that samples which are learned at a time should take.
    """

    tree: dict
    target: Target
    state: NetworkState
    tau: tuple[int, ...] | None
    source: str | None
    seed: int
    samples: int | None
    test_samples: int | None
    at: tuple[int, int]
    pace: float


class _Worker:
    """A learner that is asked for things, one after the other, and learns in between.

    What it may be asked for are the methods without an underscore.
    """

    def __init__(self, task: Task, params: Params, learner: Learner, tell: Tell):
        self._task, self._params, self._learner, self._tell = task, params, learner, tell
        self._data: Dataset | None = None
        self._change: Change | None = None
        self._goal: float = 0.0  # samples still to be learned of the data set
        self._fed = 0
        self._tests: Iterator[Tested | None] | None = None
        self._tested: Tested | None = None
        self._upsets = 0
        self._per_second: float | None = None
        self._due = 0.0  # when the next samples may be learned
        self._next = FIRST
        self._seconds, self._told = 0.0, 0.0
        if task.source is not None:
            self._data = loading.load(task.source, params=params)
            check_data(params, self._data)
            self._feed = Feed(params, self._data, task.seed, task.samples)
            self._feed.epoch, self._feed.position = task.at
            self._learner.set_tau(params.learning.tau_in_epoch(self._feed.epoch))

    # What it is asked for -------------------------------------------------------------------

    def start(self, samples: int | None) -> None:
        self._need_data()
        self._goal = np.inf if samples is None else samples

    def epoch(self) -> None:
        self._need_data()
        self._goal = self._feed.samples - self._feed.position

    def pause(self) -> None:
        self._goal = 0.0

    def speed(self, samples_per_s: float | None) -> None:
        self._per_second, self._due = samples_per_s, 0.0

    def learn(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        started = time.perf_counter()
        predictions = self._learner.learn(images, labels)
        self._seconds += time.perf_counter() - started
        return predictions

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._learner.predict(images)

    def change(self, change: Change | None) -> None:
        data = self._need_data()
        if change is not None:
            change.images(data.train_images[:1])  # refuses what cannot be
        self._change = change

    def upset(self, count: int, seed: int) -> None:
        self._learner.upset(count, seed)
        self._upsets += count

    def test(self, samples: int | None) -> None:
        data = self._need_data()
        n = len(data.test_labels)
        self._tests = self._test(min(n, samples or self._task.test_samples or n))

    def state(self) -> NetworkState:
        return self._learner.state()

    def look(self) -> NetworkState:
        return self._learner.machine.read_state()

    def write_state(self, state: NetworkState, at: tuple[int, int] | None) -> None:
        self._learner.write_state(state)
        if at is not None:
            self._need_data()
            self._feed.epoch, self._feed.position = at
            self._learner.set_tau(self._params.learning.tau_in_epoch(self._feed.epoch))

    # The loop -------------------------------------------------------------------------------

    def _serve(self, connection: Connection) -> None:
        """Answer and learn until nobody asks any more."""
        self._report()
        while True:
            while connection.poll(self._patience):
                request = connection.recv()
                if request is None:
                    return
                self._answer(*request)
            self._advance()

    @property
    def _patience(self) -> float | None:
        """Seconds to wait for a request; None if there is nothing else to do."""
        if self._tests is not None:
            return 0.0
        return max(0.0, self._due - time.monotonic()) if self._goal > 0 else None

    def _answer(self, number: int, name: str, arguments: tuple) -> None:
        try:
            answer = getattr(self, name)(*arguments)
        except (LinkError, TransportError):  # of the board: nothing more can be asked
            raise
        except PopflipError as error:
            self._tell("refused", number, str(error))
        else:
            # The report first: who gets the answer finds the run as the answer left it.
            self._report()
            self._tell("answer", number, answer)

    def _advance(self) -> None:
        """Test or learn for a moment."""
        if self._tests is not None:
            tested = next(self._tests, None)
            if tested is not None:
                self._tests, self._tested = None, tested
        elif self._goal > 0:
            started = time.monotonic()
            count = self._train()
            took = time.monotonic() - started
            self._seconds += took
            rate = min(max(self._task.pace / max(took, 1e-9), 0.5), 2.0)
            self._next = max(1, round(count * rate))
            if self._per_second is not None:
                self._due = started + count / self._per_second
        still = self._goal <= 0 and self._tests is None
        if still or time.monotonic() - self._told >= REPORT_S:
            self._report()

    def _train(self) -> int:
        """Learn the next samples of the data set."""
        feed, epoch = self._feed, self._feed.epoch
        most = self._next
        if self._per_second is not None:
            most = min(most, max(1, round(self._per_second * self._task.pace)))
        images, labels = feed.take(int(min(most, self._goal)))
        if self._change is not None:
            images, labels = self._change.images(images, self._fed), self._change.labels(labels)
        self._learner.train(images, labels, flush=feed.epoch != epoch)
        if feed.epoch != epoch:
            self._learner.set_tau(self._params.learning.tau_in_epoch(feed.epoch))
        self._fed += len(labels)
        self._goal -= len(labels)
        return len(labels)

    def _test(self, n: int) -> Iterator[Tested | None]:
        """Test slice by slice; the last thing is the result."""
        data, at, correct = self._need_data(), self._learner.total.samples, 0
        for first in range(0, n, self._slice):
            part = slice(first, min(first + self._slice, n))
            images, labels = data.test_images[part], data.test_labels[part]
            if self._change is not None:
                images, labels = self._change.images(images, first), self._change.labels(labels)
            correct += int((self._learner.predict(images) == labels).sum())
            yield None
        yield Tested(at, n, correct)

    @property
    def _slice(self) -> int:
        """Samples of a test that are predicted at a time."""
        return max(FIRST, self._next)

    def _need_data(self) -> Dataset:
        if self._data is None:
            raise InputError("the run has no data set to learn from: it learns what it is given")
        return self._data

    def _report(self) -> None:
        learner, state = self._learner, State.PAUSED
        if self._tests is not None:
            state = State.TESTING
        elif self._goal > 0:
            state = State.LEARNING
        feed = self._feed if self._data is not None else None
        self._told = time.monotonic()
        self._tell(
            "report",
            RunReport(
                state=state,
                total=learner.total,  # sent, and so copied
                epoch=feed.epoch if feed else 0,
                position=feed.position if feed else 0,
                samples=feed.samples if feed else 0,
                seconds=self._seconds,
                pending=learner.pending,
                learns=self._goal > 0,
                tested=self._tested,
                change=self._change.kind if self._change else None,
                upsets=self._upsets,
            ),
        )


class _Told(logging.Handler):
    """Log records as messages to the first process."""

    def __init__(self, tell):
        super().__init__()
        self._to = tell

    def emit(self, record):
        self._to("log", record.getMessage())


def main(task: Task, connection: Connection) -> None:
    """Do a task until nobody asks any more; what the second process runs.

    Parameters
    ----------
    task : Task
    connection : Connection
        As of :func:`talk`.
    """

    def learn(tell: Tell) -> None:
        params = Params.build(task.tree)
        with open_machine(params, task.target) as machine:
            learner = Learner(params, machine, task.state, task.tau)
            _Worker(task, params, learner, tell)._serve(connection)

    talk(connection, learn)


def talk(connection: Connection, work: Callable[[Tell], None]) -> None:
    """Do some work in the second process, and say what becomes of it.

    Parameters
    ----------
    connection : Connection
        Requests come in: a number, what is asked for and its arguments, or None for the end. Out go
        ``("report", RunReport)``, ``("answer", number, value)``, ``("refused", number, text)``,
        ``("log", text)`` and at last ``("failed", text, whether it is for the user to put right)``.
    work : callable
        Gets what sends such a message. It answers requests, and returns when none will come.
    """

    def tell(*message: Any) -> None:
        connection.send(message)

    logger, handler = logging.getLogger("popflip"), _Told(tell)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        work(tell)
    except (EOFError, BrokenPipeError):
        pass  # The first process is gone; nobody waits.
    except PopflipError as error:
        tell("failed", str(error), True)
    except Exception:
        tell("failed", traceback.format_exc(), False)
    finally:
        logger.removeHandler(handler)
