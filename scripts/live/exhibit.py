"""One network on show: a run, its curves, and golden beside it."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from popflip.golden.datasets.changes import Change
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.training.state import NetworkState, check_state, initial_state
from popflip.scripts.live.history import History
from popflip.scripts.live.witness import Judged, Proof, Snapshot, Witness, fed_by, when_done
from popflip.scripts.session import CLOCKS_MHZ, VIRTUAL, Target
from popflip.scripts.training.runs.process import promised
from popflip.scripts.training.runs.reports import RunReport, State
from popflip.scripts.training.runs.run import Run

__all__ = ["Exhibit", "Shown"]

log = logging.getLogger(__name__)

#: Of the time that a run learns: what tests, and what comparisons of all bits, may take.
TEST_SHARE, COMPARE_SHARE = 30, 50

#: Samples of a test by the way.
TEST_SAMPLES = 200

#: Seconds that a run learns between two looks at what it was asked: what a page waits for it.
PACE = 0.5


class Shown:
    """What a page can show and ask for: a network that learns, or the recording of one.

    Attributes
    ----------
    params : Params
    title : str
    history : History
    snapshot : Snapshot, optional
        The newest.
    proof : Proof
    report : RunReport
    recorded : bool
        Whether it only plays what has been.
    machine : str
        What learns and where, to go behind a title.
    clock_mhz : float
        What samples per second are told for: the board's clock, if somebody knows it.
    at_port : bool
        Whether the board is at a serial port, so that it answers soon or never.
    again : bool
        Whether the board has been opened anew; it may not be back yet.
    """

    recorded = at_port = again = False
    machine = ""
    clock_mhz: float = CLOCKS_MHZ[1]
    params: Params
    title: str
    history: History

    @property
    def snapshot(self) -> Snapshot | None:
        raise NotImplementedError

    @property
    def proof(self) -> Proof:
        raise NotImplementedError

    @property
    def report(self) -> RunReport:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """Whether it learns until it is paused, or plays; also while it tests in between."""
        return self.report.learns and not self.report.over

    def _refuse(self) -> Future:
        raise InputError("a recorded run has no board that could do this")

    def start(self, samples: int | None = None) -> Future:
        """Learn so many samples, or until it is paused."""
        return self._refuse()

    def epoch(self) -> Future:
        """Learn the rest of the epoch."""
        return self._refuse()

    def pause(self) -> Future:
        """Stop learning."""
        return self._refuse()

    def speed(self, samples_per_s: float | None) -> Future:
        """Learn no faster than this."""
        return self._refuse()

    def faster(self, times: float) -> Future:
        """Play so many times as fast as it went."""
        raise InputError("only a recording can be played faster")

    def test(self, samples: int | None = None) -> Future:
        """Test with the test set."""
        return self._refuse()

    def reset(self) -> Future:
        """Begin anew."""
        return self._refuse()

    def predict(self, image: np.ndarray) -> "Future[Judged]":
        """Have the board predict an image."""
        return self._refuse()

    def teach(self, images: np.ndarray, labels: np.ndarray) -> "Future[NetworkState]":
        """Learn samples that are given; the answer is the network before."""
        return self._refuse()

    def write(self, state: NetworkState) -> Future:
        """Go on with another network."""
        return self._refuse()

    def state(self) -> "Future[NetworkState]":
        """Read the network from the board."""
        return self._refuse()

    def disturb(self, change: Change | None) -> Future:
        """Have samples come changed."""
        return self._refuse()

    def upset(self, count: int, seed: int) -> Future:
        """Turn bits of the memories over."""
        return self._refuse()

    def compare(self) -> Future:
        """Compare all bits with golden's."""
        return self._refuse()

    def reopen(self) -> None:
        """Go on after the board was away."""
        self._refuse()

    def close(self) -> None:
        """End it."""


class Exhibit(Shown):
    """A run with its curves, and golden beside it.

    Parameters
    ----------
    params : Params
    target : Target
    state : NetworkState, optional
    seed : int
    title : str, optional
        What a page calls it.
    listen : callable, optional
        Gets each report and each new snapshot, for a recorder; it must not wait.
    options : dict
        Of :class:`popflip.scripts.training.runs.run.Run`.
    """

    def __init__(
        self,
        params: Params,
        *,
        target: Target = VIRTUAL,
        state: NetworkState | None = None,
        seed: int = 1,
        title: str | None = None,
        listen: Callable[["Exhibit", RunReport], None] | None = None,
        **options: Any,
    ):
        self.params, self.target, self.seed = params, target, seed
        self.title = title or params.name
        line = target.line
        self.at_port = line is not None
        if target.engine is not None:
            self.machine = f"in the {target.engine} engine"
        else:
            self.machine = (
                "on the virtual board" if line is None else f"on the board at {line.port}"
            )
        self.clock_mhz = (line and line.clock_mhz) or CLOCKS_MHZ[1]
        self.history = History(params.depth)
        self._options, self._listen = options, listen
        self._first = initial_state(params, seed) if state is None else state
        self._lock = threading.RLock()
        self._change: Change | None = None
        self._speed: float | None = None
        self._open(self._first, (0, 0))

    # Being there ----------------------------------------------------------------------------

    def _open(self, state: NetworkState, place: tuple[int, int]) -> None:
        check_state(self.params, state)
        options = self._options | {"seed": self.seed, "at": place}
        self.run = Run(self.params, target=self.target, state=state, pace=PACE, **options)
        # The fast engine is compiled once, which takes minutes: not beside the model itself.
        golden = self.target.engine == "golden"
        engine = Target(engine="golden") if golden else Target(engine="fast", threads=1)
        self.witness = Witness(self.params, state, engine, **options)
        self._tested_s = self._compared_s = 0.0
        self._test_took = self._compare_took = 1.0
        self._asked_at: float | None = None
        self._thread = threading.Thread(target=self._follow, name="exhibit", daemon=True)
        self._thread.start()

    def reopen(self) -> None:
        """Go on after the board was away, with the last network that golden has."""
        with self._lock:
            if not self.run.report.over:
                raise InputError("the board is there: there is nothing to open anew")
            snapshot = self.witness.snapshot
            assert snapshot is not None
            self._end()
            self.again = True
            self.history.carry()
            self._open(snapshot.state, snapshot.place)
            if self._change is not None:
                self.disturb(self._change)
            if self._speed is not None:
                self.speed(self._speed)

    def close(self) -> None:
        """End the run and golden."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        self.run.close()
        self.witness.close()
        self._thread.join(10)

    @property
    def snapshot(self) -> Snapshot | None:
        return self.witness.snapshot

    @property
    def proof(self) -> Proof:
        return self.witness.proof

    @property
    def report(self) -> RunReport:
        return self.run.report

    def _follow(self) -> None:
        """Take in the run's reports, and ask for what is due."""
        run, witness = self.run, self.witness
        with run.subscribe() as reports:
            for report in reports:
                self.history.add(report)
                if report.state is not State.OPENING and not report.over:
                    witness.reach(report)
                self._record(report)
                if report.state is State.LEARNING:
                    self._ask_what_is_due(report)

    def _record(self, report: RunReport) -> None:
        """Pass a report on; a recorder whose disk is full ends nothing but the recording."""
        if self._listen is None:
            return
        try:
            self._listen(self, report)
        except PopflipError as error:
            self._listen = None
            log.warning("%s; nothing more is recorded", error)

    def _ask_what_is_due(self, report: RunReport) -> None:
        """Test and compare at times, so that the run learns nearly always."""
        if self._asked_at is not None:
            return
        if report.seconds - self._tested_s >= TEST_SHARE * self._test_took:
            self._tested_s, learned = report.seconds, report.total.samples
            began = time.monotonic()

            def tested(report: RunReport) -> bool:
                return report.tested is not None and report.tested.at >= learned

            threading.Thread(
                target=self._time_test, args=(self.run, tested, began), daemon=True
            ).start()
        elif report.seconds - self._compared_s >= COMPARE_SHARE * self._compare_took:
            self._compared_s = report.seconds
            self.compare()

    def _time_test(self, run: Run, tested, began: float) -> None:
        self._asked_at = began
        try:
            run.result(run.test(TEST_SAMPLES), 600.0)
            run.wait(tested, 600.0)
            self._test_took = time.monotonic() - began
        except Exception:
            pass  # The run has ended; whoever shows it says so.
        finally:
            self._asked_at = None

    # Learning -------------------------------------------------------------------------------

    def start(self, samples: int | None = None) -> Future:
        return self.run.start(samples)

    def epoch(self) -> Future:
        return self.run.epoch()

    def pause(self) -> Future:
        return self.run.pause()

    def speed(self, samples_per_s: float | None) -> Future:
        self._speed = samples_per_s
        return self.run.speed(samples_per_s)

    def test(self, samples: int | None = None) -> Future:
        return self.run.test(samples)

    def predict(self, image: np.ndarray) -> "Future[Judged]":
        answer = promised()

        def predicted(predictions) -> None:
            judged = self._note("judge", image, int(predictions[0]))
            judged.add_done_callback(lambda done: _pass_on(done, answer))

        asked = self.run.predict(image[None])
        asked.add_done_callback(lambda done: _pass_failure(done, answer))
        when_done(asked, predicted)
        return answer

    def teach(self, images: np.ndarray, labels: np.ndarray) -> "Future[NetworkState]":
        answer = promised()

        def learned(_) -> None:
            noted = self._note("learn", images, labels)
            noted.add_done_callback(lambda done: _pass_on(done, answer))

        asked = self.run.learn(images, labels)
        asked.add_done_callback(lambda done: _pass_failure(done, answer))
        when_done(asked, learned)
        return answer

    # The network ----------------------------------------------------------------------------

    def write(self, state: NetworkState) -> Future:
        """Go on with another network, at the same place of the data set."""
        return when_done(self.run.write_state(state), lambda _: self._note("write", state, None))

    def reset(self) -> Future:
        """Begin anew: the first network, at the beginning of the data set."""
        place: list[int] = []
        when_done(self.run.pause(), lambda _: place.append(fed_by(self.run.report)))

        def written(_) -> None:
            self.witness.note(place[0], "write", self._first, (0, 0))
            self.history.add(self.run.report)
            self.history.clear()

        return when_done(self.run.write_state(self._first, (0, 0)), written)

    def state(self) -> "Future[NetworkState]":
        """Read the network from the board, and compare it with golden's; a batch in hand ends."""
        return when_done(self.run.state(), lambda state: self._note("flush", state))

    def compare(self) -> Future:
        """Read the network from the board, and compare it with golden's."""
        began, answer = time.monotonic(), promised()

        def looked(state: NetworkState) -> None:
            self._compare_took = time.monotonic() - began
            compared = self._note("compare", state)
            compared.add_done_callback(lambda done: _pass_on(done, answer))

        asked = self.run.look()
        asked.add_done_callback(lambda done: _pass_failure(done, answer))
        when_done(asked, looked)
        return answer

    # Disturbing -----------------------------------------------------------------------------

    def disturb(self, change: Change | None) -> Future:
        def changed(_) -> None:
            self._change = change
            self._note("change", change)

        return when_done(self.run.disturb(change), changed)

    def upset(self, count: int, seed: int) -> Future:
        return when_done(self.run.upset(count, seed), lambda _: self._note("upset", count, seed))

    def _note(self, kind: str, *what: Any) -> Future:
        """Have golden do the same at the same place; called where the run's answer comes in."""
        report = self.run.report
        counted = kind not in ("judge",)
        return self.witness.note(
            fed_by(report), kind, *what, wanted=report.total if counted else None
        )


def _pass_on(done: Future, answer: Future) -> None:
    if (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


def _pass_failure(done: Future, answer: Future) -> None:
    error = done.exception()
    if error is not None:
        answer.set_exception(error)
