"""A run: a board that learns in a process of its own, and the one who holds it.

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

import numpy as np

from popflip.golden.datasets.changes import Change
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState, check_state, initial_state
from popflip.scripts.session import VIRTUAL, Failure, Target
from popflip.scripts.training.runs.reports import KEPT, RunReport, State, Subscription
from popflip.scripts.training.runs.worker import Task, main

__all__ = ["Run"]

log = logging.getLogger(__name__)

#: Requests that may wait for their answers.
MOST_REQUESTS = 64

#: Seconds that a board has to end the samples in hand, before its process is ended.
CLOSE_S = 5.0


class Run:
    """A network that learns on a board or an engine, in a second process that begins at once.

    It learns samples that it is given (:meth:`learn`, :meth:`teach`), or those of a data set
    (:meth:`start`, :meth:`step`), or both. Whoever asks for something gets a
    :class:`concurrent.futures.Future`; requests are answered in their order, while it learns
    between two stretches of about ``pace`` seconds. Use it as a context manager.

    Parameters
    ----------
    params : Params
    target : Target
        What computes; the virtual board if left out.
    state : NetworkState, optional
        What the network begins with; drawn from the seed if left out.
    tau : tuple of int, optional
        Flip thresholds; those of the parameters if left out. A data set's epochs set them anew.
    source : str, optional
        A data set's name, file or folder.
    seed : int
        Of the order of its samples.
    samples, test_samples : int, optional
        The first so many of it; all if left out.
    at : (int, int)
        Complete epochs, and samples of the next one, that the network has learned before.
    pace : float
        Seconds that it learns between two looks at what it was asked. A look costs the virtual
        board as much as some 20 samples.

    Attributes
    ----------
    report : RunReport
        The newest.
    """

    def __init__(
        self,
        params: Params,
        *,
        target: Target = VIRTUAL,
        state: NetworkState | None = None,
        tau: tuple[int, ...] | None = None,
        source: str | None = None,
        seed: int = 1,
        samples: int | None = None,
        test_samples: int | None = None,
        at: tuple[int, int] = (0, 0),
        pace: float = 0.25,
    ):
        if not 0 < pace <= 60:
            raise InputError(f"pace must be more than 0 s and at most 60 s, not {pace}")
        state = initial_state(params, seed) if state is None else state
        check_state(params, state)
        self.params, self.target = params, target
        self.report = RunReport()
        self._error: Exception | None = None
        self._closing = False
        self._lock, self._sending = threading.Condition(), threading.Lock()
        self._futures: dict[int, Future] = {}
        self._number = 0
        self._subscriptions: list[Subscription] = []
        task = Task(
            tree=params.model_dump(mode="json"), target=target, state=state, tau=tau, source=source,
            seed=seed, samples=samples, test_samples=test_samples, at=at, pace=pace,
        )  # fmt: skip
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

    # Learning -------------------------------------------------------------------------------

    def learn(self, images: np.ndarray, labels: np.ndarray) -> "Future[np.ndarray]":
        """Learn samples; the answer is what each was taken for before.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height, width)
        labels : ndarray of int, shape (n,)
        """
        labels = np.asarray(labels)
        images = self._checked(images)
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise InputError(
                f"labels must be {len(images)} whole numbers, not {labels.dtype} of shape "
                f"{labels.shape}"
            )
        most = self.params.network.classes - 1
        if len(labels) and not 0 <= labels.min() <= labels.max() <= most:
            raise InputError(f"labels must be 0 to {most}, not {labels.min()} to {labels.max()}")
        return self._ask("learn", images, labels)

    def predict(self, images: np.ndarray) -> "Future[np.ndarray]":
        """Predict samples, and learn nothing."""
        return self._ask("predict", self._checked(images))

    def teach(self, image: np.ndarray, label: int) -> "Future[np.ndarray]":
        """Learn one sample; the answer is an array of what it was taken for."""
        return self.learn(np.asarray(image)[None], np.array([label]))

    def start(self, samples: int | None = None) -> "Future[None]":
        """Learn from the data set: so many samples, or until :meth:`pause`."""
        if samples is not None and samples < 1:
            raise InputError(f"samples must be at least 1, not {samples}")
        return self._ask("start", samples)

    def step(self) -> "Future[None]":
        """Learn the next sample of the data set, and pause."""
        return self.start(1)

    def epoch(self) -> "Future[None]":
        """Learn the rest of the epoch, and pause."""
        return self._ask("epoch")

    def pause(self) -> "Future[None]":
        """Stop learning from the data set."""
        return self._ask("pause")

    def speed(self, samples_per_s: float | None) -> "Future[None]":
        """Learn no faster than this from the data set; as fast as it goes with None."""
        if samples_per_s is not None and not samples_per_s > 0:
            raise InputError(f"samples_per_s must be more than 0, not {samples_per_s}")
        return self._ask("speed", samples_per_s)

    def test(self, samples: int | None = None) -> "Future[None]":
        """Test with the data set; a later report has the result, as ``tested``."""
        if samples is not None and samples < 1:
            raise InputError(f"samples must be at least 1, not {samples}")
        return self._ask("test", samples)

    # Disturbing -----------------------------------------------------------------------------

    def disturb(self, change: Change | None) -> "Future[None]":
        """Have all samples of the data set come changed from now on; as they are with None.

        Samples that are given (:meth:`learn`, :meth:`predict`) stay as they are.
        """
        return self._ask("change", change)

    def upset(self, count: int, seed: int = 1) -> "Future[None]":
        """Turn over so many bits of weights and latents."""
        if not 0 <= count <= 1 << 24:
            raise InputError(f"count must be 0 to 2**24, not {count}")
        return self._ask("upset", count, seed)

    # The network ----------------------------------------------------------------------------

    def state(self) -> "Future[NetworkState]":
        """Read the network; a batch in hand ends, even if it is not full."""
        return self._ask("state")

    def look(self) -> "Future[NetworkState]":
        """Read the network as it is, also within a batch, and end nothing."""
        return self._ask("look")

    def write_state(self, state: NetworkState, at: tuple[int, int] | None = None) -> "Future[None]":
        """Go on with another network: from a checkpoint, or one that was read before.

        Parameters
        ----------
        state : NetworkState
        at : (int, int), optional
            Where it is in the data set; as it is if left out.
        """
        check_state(self.params, state)
        return self._ask("write_state", state, at)

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
        self._process.kill()
        self._process.join()
        self._reader.join()
        self._connection.close()

    # Inside ---------------------------------------------------------------------------------

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        height, width = self.params.network.image
        if images.dtype != np.uint8 or images.shape[1:] != (height, width) or images.ndim != 3:
            raise InputError(
                f"images must be uint8 of shape (n, {height}, {width}), not {images.dtype} of "
                f"shape {images.shape}"
            )
        if not len(images):
            raise InputError("images must be at least 1, not 0")
        return images

    def _ask(self, name: str, *arguments: Any) -> "Future[Any]":
        future: Future = Future()
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
                else:
                    self._resolve(kind, *what)
        except (EOFError, OSError):
            pass
        if error is None and self._closing:
            error = Failure("the run has ended")
        elif error is None:
            self._process.join(CLOSE_S)
            error = Failure(f"the run's process ended with status {self._process.exitcode}")
        self._end(error)

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
