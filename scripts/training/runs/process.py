"""A process of its own that has a run's board, and the one who holds it.

Everything here returns at once, or by an end that is known. The process talks to the board; a
thread here takes in what it says, so that nothing ever waits for one who is slow to listen.
"""

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from dataclasses import replace
from typing import Any

from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.scripts.session import Failure
from popflip.scripts.training.runs.reports import KEPT, RunReport, State, Subscription

__all__ = ["MOST_REQUESTS", "ProcessRun", "promised"]

log = logging.getLogger(__name__)

#: Requests that may wait for their answers.
MOST_REQUESTS = 64

#: Seconds that a board has to end the work in hand, before its process is ended.
CLOSE_S = 5.0


def promised() -> "Future[Any]":
    """Return a future that one who no longer wants its answer cannot cancel.

    What was asked for is on its way, and its answer must find the future as it was. A page that is
    closed in the midst of a request would cancel it.
    """
    future: Future = Future()
    future.set_running_or_notify_cancel()
    return future


class ProcessRun:
    """What every run has: a second process, which begins at once, and those who listen to it.

    Use it as a context manager.

    Parameters
    ----------
    main : callable
        What the process runs: it gets the task, and its end of a connection on which it talks as
        :func:`popflip.scripts.training.runs.worker.main` does.
    task : object
        What it is to do; it must be such that another process can have it.

    Attributes
    ----------
    report : RunReport
        The newest.
    """

    def __init__(self, main: Callable[[Any, Any], None], task: Any):
        self.report = RunReport()
        self._error: Exception | None = None
        self._closing = False
        self._lock, self._sending = threading.Condition(), threading.Lock()
        self._futures: dict[int, Future] = {}
        self._number = 0
        self._subscriptions: list[Subscription] = []
        # Spawned, not forked: it shares nothing with the threads and the memory of this one.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=main, args=(task, theirs), name="run", daemon=True)
        # Ctrl-C is for this process, which ends the other one in its own time.
        with interrupts.shielded():
            self._process.start()
        theirs.close()
        self._reader = threading.Thread(target=self._read, name="run", daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    # Listening ------------------------------------------------------------------------------

    def subscribe(self, kept: int = KEPT) -> Subscription:
        """Listen to reports, from the newest on.

        Parameters
        ----------
        kept : int
            Reports that wait for one who is slow; older ones give way to newer ones.
        """
        if kept < 1:
            raise InputError(f"kept must be at least 1, not {kept}")
        subscription = Subscription(kept, self._forget)
        with self._lock:
            self._subscriptions.append(subscription)
            subscription.put(self.report)
        return subscription

    def wait(self, until: Callable[[RunReport], bool], timeout: float) -> RunReport:
        """Return the first report of which something is true.

        Raises
        ------
        Failure
            If there was none in so many seconds, or the run has ended.
        """
        end = time.monotonic() + timeout
        with self._lock:
            while not until(self.report):
                self._raise_if_over()
                left = end - time.monotonic()
                if left <= 0 or not self._lock.wait(left):
                    raise Failure(f"the run did not come to it within {timeout:g} s")
            return self.report

    def result(self, future: "Future[Any]", timeout: float | None = None) -> Any:
        """Return an answer, as soon as it is there.

        Parameters
        ----------
        future : Future
        timeout : float, optional
            Seconds; if left out, as long as the board has for it.

        Raises
        ------
        Failure
            If it does not come.
        """
        try:
            return future.result(timeout)
        except WaitTimeout:
            raise Failure(f"the run did not answer within {timeout:g} s") from None

    def close(self) -> None:
        """End the run. What was not asked for before, such as the network, is lost."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._send(None)
        self._process.join(CLOSE_S)
        if self._process.pid is not None and self._process.is_alive():
            interrupts.kill_children(self._process.pid)  # it may be compiling a board's model
        self._process.kill()
        self._process.join()
        self._reader.join()
        self._connection.close()

    def _ask(self, name: str, *arguments: Any) -> "Future[Any]":
        future = promised()
        with self._lock:
            self._raise_if_over()
            if len(self._futures) >= MOST_REQUESTS:
                raise Failure(f"the run is busy: {MOST_REQUESTS} requests wait for their answers")
            self._number += 1
            number = self._number
            self._futures[number] = future
        self._send((number, name, arguments))
        return future

    def _send(self, request: tuple | None) -> None:
        with self._sending:
            try:
                self._connection.send(request)
            except OSError:
                pass  # It has ended; whoever reads from it says why.

    def _raise_if_over(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closing or self.report.over:
            raise Failure("the run has ended")

    def _read(self) -> None:
        """Take in what the second process says, until it ends."""
        error: Exception | None = None
        try:
            while True:
                kind, *what = self._connection.recv()
                if kind == "report":
                    self._publish(*what)
                elif kind == "log":
                    log.info("%s", what[0])
                elif kind == "failed":
                    text, expected = what
                    error = Failure(text) if expected else RuntimeError(text)
                elif kind in ("answer", "refused"):
                    self._resolve(kind, *what)
                else:
                    self._take(kind, *what)
        except (EOFError, OSError):
            pass
        if error is None and self._closing:
            error = Failure("the run has ended")
        elif error is None:
            self._process.join(CLOSE_S)
            error = Failure(f"the run's process ended with status {self._process.exitcode}")
        self._end(error)

    def _take(self, kind: str, *what: Any) -> None:
        """Take in what only some runs say."""
        raise NotImplementedError(kind)

    def _resolve(self, kind: str, number: int, what: Any) -> None:
        with self._lock:
            future = self._futures.pop(number)
        if kind == "answer":
            future.set_result(what)
        else:
            future.set_exception(InputError(what))

    def _publish(self, report: RunReport) -> None:
        with self._lock:
            self.report = report
            for subscription in self._subscriptions:
                subscription.put(report)
            self._lock.notify_all()

    def _end(self, error: Exception) -> None:
        """Tell everybody that nothing more will come."""
        with self._lock:
            waiting, self._futures = [*self._futures.values()], {}
            if not self._closing:
                self._error = error
            state = State.ENDED if self._closing else State.FAILED
        message = "" if state is State.ENDED else str(error)
        self._publish(replace(self.report, state=state, message=message))
        for future in waiting:
            future.set_exception(error)

    def _forget(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
