"""The golden model beside a run: it learns the same samples, and says whether every bit agrees.

What a run is asked for takes effect between two samples. Whoever holds the run notes after how many
samples that was; the witness does the same at the same place, in a process of its own. So the bits
must agree, however fast either of them is. Its network is also what a page shows: reading a board's
memories takes as long as learning some hundred samples.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report
from popflip.golden.support.errors import PopflipError
from popflip.golden.training.state import NetworkState, differences
from popflip.scripts.session import Failure, Target
from popflip.scripts.training.runs.process import promised
from popflip.scripts.training.runs.reports import RunReport, State
from popflip.scripts.training.runs.run import Run

__all__ = ["Judged", "Proof", "Snapshot", "Witness", "fed_by", "when_done"]

#: Seconds between two snapshots, at least.
SNAPSHOT_S = 0.5

#: Things that wait to be done; of what may be left out, no more are taken in.
MOST = 256


@dataclass(frozen=True)
class Proof:
    """How far golden has come beside a run.

    Attributes
    ----------
    samples : int
        Samples behind which all counters were equal: rightly predicted, changed neurons, flips.
    bits_at : int, optional
        Samples behind which every weight and latent was compared last.
    differences : tuple of str
        What is not equal; empty so far.
    message : str
        Why there is no proof any more, if golden has ended.
    ready : bool
        Whether golden has begun: the fast engine may have to be compiled first.
    """

    samples: int = 0
    bits_at: int | None = None
    differences: tuple[str, ...] = ()
    message: str = ""
    ready: bool = False

    @property
    def equal(self) -> bool:
        """Whether every bit so far is equal."""
        return not self.differences


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network behind some samples.

    Attributes
    ----------
    at : int
        Samples that the run had learned.
    place : (int, int)
        Epochs, and samples of the next one.
    state : NetworkState
    flipped : list of ndarray of bool
        Weights that are not as in the snapshot before.
    """

    at: int
    place: tuple[int, int]
    state: NetworkState
    flipped: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Judged:
    """What a network takes an image for.

    Attributes
    ----------
    prediction : int
        The board's.
    votes : ndarray of int, shape (classes,)
        Summed potentials, from golden.
    at : int
        Samples that it had learned.
    """

    prediction: int
    votes: np.ndarray
    at: int


def fed_by(report: RunReport) -> int:
    """Return how many samples of its data set a run has learned, in all epochs."""
    return report.epoch * report.samples + report.position


@dataclass
class _Note:
    """What is to be done behind so many samples of the data set."""

    fed: int
    kind: str
    what: tuple = ()
    wanted: Report | None = None
    answer: Future | None = field(default=None)


class Witness:
    """An engine beside a run.

    Parameters
    ----------
    params : Params
    state : NetworkState
        What the run began with.
    target : Target
        An engine.
    options : dict
        Of :class:`popflip.scripts.training.runs.run.Run`: the data set, the seed, and where it is.
    """

    def __init__(self, params: Params, state: NetworkState, target: Target, **options: Any):
        self.params = params
        self.proof = Proof()
        self.snapshot: Snapshot | None = Snapshot(
            0, options.get("at", (0, 0)), state, [np.zeros_like(w) for w in state.weights]
        )
        self._run = Run(params, target=target, state=state, pace=0.1, **options)
        self._notes: queue.Queue[_Note] = queue.Queue()
        self._reach: _Note | None = None
        self._closing, self._over, self._lock = threading.Event(), False, threading.Lock()
        self._looked, self._fresh = 0.0, True
        self._thread = threading.Thread(target=self._work, name="witness", daemon=True)
        self._thread.start()

    # What the run did -----------------------------------------------------------------------

    def reach(self, report: RunReport) -> None:
        """Learn as far as a run that reports, if nothing else is to be done before."""
        self._reach = _Note(fed_by(report), "reach", (), report.total)

    def note(self, fed: int, kind: str, *what: Any, wanted: Report | None = None) -> Future:
        """Do something behind so many samples of the data set; the answer says that it is done."""
        note = _Note(fed, kind, what, wanted, promised())
        assert note.answer is not None
        with self._lock:  # nothing is put where nobody takes it any more
            if self._over or self._closing.is_set():
                note.answer.set_exception(_ended(self.proof))
            elif kind in ("judge", "compare") and self._notes.qsize() >= MOST:
                note.answer.set_exception(PopflipError("golden is too far behind the board"))
            else:
                self._notes.put(note)
        return note.answer

    def close(self) -> None:
        """End it."""
        self._closing.set()
        self._thread.join(10)
        self._run.close()

    # What it does ---------------------------------------------------------------------------

    def _work(self) -> None:
        note: _Note | None = None  # in hand
        try:
            # Before it is open, its report does not say where it begins.
            if self._wait(lambda report: report.state is not State.OPENING):
                self.proof = replace(self.proof, ready=True)
            while not self._closing.is_set():
                try:
                    note = self._notes.get(timeout=0.05)
                except queue.Empty:
                    latest, self._reach = self._reach, None
                    if latest is None:
                        self._take_snapshot()
                        continue
                    if not self._notes.empty():  # something came meanwhile that goes before
                        self._reach = self._reach or latest
                        continue
                    note = latest
                self._do(note)
                note = None
        except Exception as error:
            self.proof = replace(self.proof, message=(str(error) or repr(error)).splitlines()[-1])
        finally:
            with self._lock:
                self._over = True
            if note is not None and note.answer is not None and not note.answer.done():
                note.answer.set_exception(_ended(self.proof))
            while not self._notes.empty():
                answer = self._notes.get().answer
                if answer is not None:
                    answer.set_exception(_ended(self.proof))

    def _do(self, note: _Note) -> None:
        if note.kind == "reach" and not self._can_reach(note):
            return
        if not self._go_to(note.fed):
            if note.answer is not None:
                note.answer.set_exception(_ended(self.proof))
            return
        answer = None
        if note.kind != "reach":
            answer = getattr(self, f"_{note.kind}")(*note.what)
        if note.wanted is not None:
            self._compare_counts(note.wanted)
        self._fresh = False
        if note.kind != "reach":
            self._looked = 0.0
        self._take_snapshot()
        if note.answer is not None:
            note.answer.set_result(answer)

    def _can_reach(self, note: _Note) -> bool:
        """Whether a run has learned nothing but its data set since what was noted last."""
        assert note.wanted is not None
        more = note.wanted.samples - self._run.report.total.samples
        return 0 <= more == note.fed - fed_by(self._run.report)

    def _go_to(self, fed: int) -> bool:
        """Learn until so many samples of the data set are learned; False if it cannot be."""
        missing = fed - fed_by(self._run.report)
        if missing <= 0:
            return missing == 0
        self._ask(self._run.start(missing))

        return self._wait(lambda report: fed_by(report) >= fed and report.state is State.PAUSED)

    def _wait(self, there: Callable[[RunReport], bool]) -> bool:
        """Wait until the run is somewhere; False if that cannot be any more."""
        with self._run.subscribe(1) as reports:
            while not there(self._run.report):
                if self._closing.is_set() or self._run.report.over:
                    return False
                reports.get(0.2)
        return True

    def _ask(self, future: Future) -> Any:
        return self._run.result(future, 600.0)

    def _compare_counts(self, wanted: Report) -> None:
        mine = self._run.report.total
        depth = self.params.depth
        found = [
            f"{name}: {theirs}, not {ours}"
            for name, theirs, ours in (
                ("samples", wanted.samples, mine.samples),
                ("rightly predicted", wanted.correct, mine.correct),
                ("changed neurons", wanted.changed, mine.changed),
                ("flips", wanted.flips or [0] * depth, mine.flips or [0] * depth),
            )
            if theirs != ours
        ]
        self._judge_equal(found)
        self.proof = replace(self.proof, samples=mine.samples)

    def _judge_equal(self, found: list[str]) -> None:
        if found and self.proof.equal:  # the first that is not equal is what matters
            at = self._run.report.total.samples
            where = tuple(f"{text} (behind sample {at:,})" for text in found)
            self.proof = replace(self.proof, differences=where)

    def _take_snapshot(self) -> None:
        """Look at the network, if it has changed and it is time."""
        now = time.monotonic()
        if self._fresh or now - self._looked < SNAPSHOT_S:
            return
        state = self._ask(self._run.look())
        report, before = self._run.report, self.snapshot
        assert before is not None
        pairs = zip(state.weights, before.state.weights, strict=True)
        flipped = [mine ^ theirs for mine, theirs in pairs]
        self._looked, self._fresh = now, True
        self.snapshot = Snapshot(
            report.total.samples, (report.epoch, report.position), state, flipped
        )

    # Notes ----------------------------------------------------------------------------------

    def _learn(self, images: np.ndarray, labels: np.ndarray) -> NetworkState:
        """Learn samples; return the network before."""
        before = self._ask(self._run.look())
        self._ask(self._run.learn(images, labels))
        return before

    def _change(self, change: Change | None) -> None:
        self._ask(self._run.disturb(change))

    def _upset(self, count: int, seed: int) -> None:
        self._ask(self._run.upset(count, seed))

    def _write(self, state: NetworkState, place: tuple[int, int] | None) -> None:
        self._ask(self._run.write_state(state, place))

    def _flush(self, state: NetworkState) -> None:
        self._found(state, self._ask(self._run.state()))

    def _compare(self, state: NetworkState) -> None:
        self._found(state, self._ask(self._run.look()))

    def _found(self, state: NetworkState, mine: NetworkState) -> None:
        self._judge_equal(differences(state, mine))
        self.proof = replace(self.proof, bits_at=self._run.report.total.samples)

    def _judge(self, image: np.ndarray, prediction: int) -> Judged:
        state = self._ask(self._run.look())
        model = Model(self.params, state.weights, state.latents)
        relaxed = model.relax(input_of(self.params.network, image[None]))
        network = self.params.network
        votes = relaxed.free.v[0].reshape(network.classes, network.copies).sum(-1)
        if relaxed.prediction[0] != prediction:
            self._judge_equal([f"prediction {prediction}, not {relaxed.prediction[0]}"])
        return Judged(prediction, votes, self._run.report.total.samples)


def _ended(proof: Proof) -> Failure:
    """What one is told who asked golden for something that it cannot do any more."""
    return Failure(f"golden has ended{': ' if proof.message else ''}{proof.message}")


def when_done(future: Future, then: Callable[[Any], object]) -> Future:
    """Have something happen once a future has a result; return the future."""

    def done(future: Future) -> None:
        if future.exception() is None:
            then(future.result())

    future.add_done_callback(done)
    return future
