"""Having a run learn samples as they come: predictions out, checkpoints by time, nothing lost."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from popflip.golden.datasets.encoder import Encoder
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.training.checkpoint import save_network
from popflip.golden.training.state import NetworkState, differences
from popflip.scripts.console import say
from popflip.scripts.session import VIRTUAL, Failure, Target, TargetReport
from popflip.scripts.training.runs.reports import State
from popflip.scripts.training.runs.run import Run
from popflip.scripts.training.streaming.parsing import Arrival, Source
from popflip.scripts.training.streaming.samples import ClassNames, Sample, SampleEncoder

__all__ = ["LearnJob", "LearnReport", "Network", "blank_meta", "run_learning"]

#: Samples that are taken at a time, at most.
CHUNK = 256

#: Seconds between two looks at whether somebody wants an end.
LOOK_S = 0.2

#: Seconds between two lines about how it goes.
TELL_S = 5.0

#: Samples that a moving error looks back over.
RECENT = 1000

#: Bad lines that are named; the others are counted.
NAMED = 20


@dataclass(frozen=True, eq=False)
class Network:
    """A network that goes on learning.

    Attributes
    ----------
    params : Params
        Of the machine that it learns on.
    state : NetworkState
    meta : dict
        What its checkpoint says of itself; :func:`blank_meta` of a new one.
    tau : tuple of int, optional
        Flip thresholds; those of the parameters if left out.
    encoder : Encoder, optional
        What makes images of values.
    classes : sequence of str
        What its classes are called, as far as they have names.
    """

    params: Params
    state: NetworkState
    meta: dict
    tau: tuple[int, ...] | None = None
    encoder: Encoder | None = None
    classes: Sequence[str] = ()


def blank_meta(params: Params, seed: int) -> dict:
    """Return what a checkpoint says of a network that has learned no data set."""
    return {
        "seed": seed, "samples": 1, "test_samples": 1, "epoch": 0, "position": 0, "seconds": 0.0,
        "so_far": {"samples": 0, "correct": 0, "changed": 0, "flips": [0] * params.depth,
                   "cycles": {}},
        "history": [], "data": "samples as they came", "data_digest": "", "data_source": None,
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LearnJob:
    """What is to learn, on what, and how.

    Attributes
    ----------
    network : Network
    checkpoint : Path
        Where it is saved.
    target : Target
    first : int
        Number of the line to begin with.
    save_every : float
        Seconds between two checkpoints.
    idle : float
        Seconds without a line after which there is an end.
    strict : bool
        Whether a bad line ends it.
    new_classes : bool
        Whether labels that are not known become classes.
    verify : bool
        Have the golden model learn the same beside it.
    """

    network: Network
    checkpoint: Path
    target: Target = VIRTUAL
    first: int = 1
    save_every: float = 30.0
    idle: float = 3600.0
    strict: bool = False
    new_classes: bool = True
    verify: bool = False

    def __post_init__(self):
        for name, least in (("first", 1), ("save_every", 0), ("idle", 0)):
            value = getattr(self, name)
            if not value >= least:
                raise InputError(f"{name} must be at least {least}, not {value}")


class LearnReport(TargetReport):
    """What ``--json`` prints."""

    verb: str
    preset: str
    source: str
    lines: int
    last_line: int
    predicted: int
    learned: int
    correct: int
    error: float | None
    recent_error: float | None
    bad: int
    bad_lines: list[dict]
    classes: list[str]
    added_classes: list[str]
    flips: list[int]
    cycles_per_sample: float | None
    seconds: float
    ended_by: str
    checkpoint: str
    saved: int
    verified: bool | None
    differences: list[str]
    compared_bits: int
    digest: str


class _Learning:
    """One call of :func:`run_learning`."""

    def __init__(self, job: LearnJob, source: Source, run: Run, beside: Run | None, emit):
        self.job, self.source, self.run, self.beside, self.emit = job, source, run, beside, emit
        network = job.network
        self.classes = ClassNames(network.classes, network.params.network.classes, job.new_classes)
        self.encoder = SampleEncoder(network.params, network.encoder, self.classes)
        self.lines, self.last_line, self.predicted, self.learned, self.correct = 0, 0, 0, 0, 0
        self.bad = 0
        self.bad_lines: list[dict] = []
        self.recent: deque[bool] = deque(maxlen=RECENT)
        self.saved, self.state = 0, network.state
        self.found: list[str] = []
        self.stop_requested = False
        self._unsaved = False
        self._saved_at = self._told_at = self._last_at = time.monotonic()

    @property
    def error(self) -> float | None:
        return 100 * (1 - self.correct / self.learned) if self.learned else None

    @property
    def recent_error(self) -> float | None:
        return 100 * (1 - sum(self.recent) / len(self.recent)) if self.recent else None

    def go(self) -> str:
        """Take what comes until there is an end; say what ended it."""
        ended_by = "end of the source"
        while True:
            if self.stop_requested and ended_by != "Ctrl-C":
                # What has been read is learned; only then it ends.
                self.source.stop()
                ended_by = "Ctrl-C"
            arrived = self.source.take(CHUNK, min(LOOK_S, self.job.idle))
            if arrived is None:
                return ended_by
            now = time.monotonic()
            if arrived:
                self._last_at = now
                self.take([each for each in arrived if each.number >= self.job.first])
            elif now - self._last_at >= self.job.idle:
                return f"no line for {self.job.idle:g} s"
            self.look()

    def look(self):
        """Save and tell what is due."""
        now, batch = time.monotonic(), self.job.network.params.learning.batch
        between = self.learned % batch == 0
        if self._unsaved and between and now - self._saved_at >= self.job.save_every:
            self.save()
        if now - self._told_at >= TELL_S and self._unsaved:
            self._told_at = now
            say(self.text())

    def text(self) -> str:
        """Say how it goes, in a line."""
        text = f"line {self.last_line:,}: {self.predicted:,} predicted, {self.learned:,} learned"
        if self.recent:
            text += f", error {self.recent_error:.1f} % of the last {len(self.recent):,}"
        return text + (f", {self.bad:,} bad lines" if self.bad else "")

    def take(self, arrived: Sequence[Arrival]):
        """Learn what has arrived, in its order."""
        rows: list[dict] = []
        group: list[Sample] = []
        for each in self.encoder.encode(arrived):
            known = isinstance(each, Sample) and each.label is not None
            if group and (not isinstance(each, Sample) or known != (group[0].label is not None)):
                rows += self.answer(group)
                group = []
            if isinstance(each, Sample):
                group.append(each)
                continue
            rows.append({"line": each.number, "error": each.why})
            self.note_bad(each)
            if self.job.strict:
                self.finish(rows)
                raise InputError(f"{self.source.name}, line {each.number}: {each.why}")
        rows += self.answer(group) if group else []
        self.finish(rows)

    def finish(self, rows: list[dict]):
        """Hand out what lines came to."""
        self.lines += len(rows)
        self.last_line = max([self.last_line, *(row["line"] for row in rows)])
        if rows:
            self._unsaved = True
            self.emit(rows)

    def note_bad(self, each: Arrival):
        """Count a line that makes no sample, and name it unless there were too many."""
        self.bad += 1
        if self.bad <= NAMED:
            self.bad_lines.append({"line": each.number, "why": each.why})
            if not self.job.strict:
                say(f"popflip: {self.source.name}, line {each.number} is skipped: {each.why}")
        elif self.bad == NAMED + 1:
            say("popflip: more bad lines are counted, and not named")

    def answer(self, group: Sequence[Sample]) -> list[dict]:
        """Learn or predict samples of one kind; return a row for each."""
        images = np.stack([sample.image for sample in group])
        labels = None
        if group[0].label is not None:
            labels = np.array([sample.label for sample in group])
        runs = [self.run] if self.beside is None else [self.run, self.beside]
        futures = [
            run.predict(images) if labels is None else run.learn(images, labels) for run in runs
        ]
        predictions = self.run.result(futures[0])
        self.predicted += len(group)
        if labels is not None:
            right = predictions == labels
            self.learned += len(group)
            self.correct += int(right.sum())
            self.recent.extend(right.tolist())
        if self.beside is not None:
            unlike = predictions != self.beside.result(futures[1])
            if unlike.any():
                line = group[int(unlike.argmax())].number
                self.found.append(f"{int(unlike.sum())} predictions from line {line} on differ")
        names = self.classes
        return [
            {"line": sample.number, "prediction": names.name(int(number))}
            | ({} if sample.label is None else {"label": names.name(sample.label)})
            for sample, number in zip(group, predictions, strict=True)
        ]

    def save(self):
        """Save the network; a batch in hand ends."""
        job, network = self.job, self.job.network
        self.state = self.run.result(self.run.state())
        if self.beside is not None:
            self.found += differences(self.state, self.beside.result(self.beside.state()))
        total = self.run.report.total
        before = network.meta.get("streamed") or {"samples": 0, "correct": 0, "flips": []}
        flips = before["flips"] or [0] * network.params.depth
        meta = network.meta | {
            "classes": self.classes.known,
            "streamed": {
                "samples": before["samples"] + self.learned,
                "correct": before["correct"] + self.correct,
                "flips": [a + b for a, b in zip(flips, total.flips, strict=True)],
            },
        }
        save_network(job.checkpoint, network.params, self.state, network.encoder, meta)
        self.saved += 1
        self._unsaved, self._saved_at = False, time.monotonic()


def run_learning(
    job: LearnJob, source: Source, emit: Callable[[list[dict[str, Any]]], None]
) -> LearnReport:
    """Learn what a source brings until it ends, and return the report that ``--json`` prints.

    A sample with a label is predicted, then learned; one without is predicted. Ctrl-C ends it when
    all that was read is learned. Whatever ends it, what was learned until then is saved, unless the
    board has gone.

    Parameters
    ----------
    job : LearnJob
    source : Source
        Is closed in the end.
    emit : callable
        Gets rows, in the order of the lines: ``line`` and ``prediction``, ``label`` if it has one;
        or ``line`` and ``error``, of a line that makes no sample.

    Raises
    ------
    InputError
        If a line is bad, and the job is strict.
    Failure
        If the board has gone, or does not answer.
    """
    network, started = job.network, time.perf_counter()
    with ExitStack() as stack:
        stack.callback(source.close)
        beside = None
        if job.verify:
            beside = stack.enter_context(_run_of(network, Target(engine="golden")))
        run = stack.enter_context(_run_of(network, job.target))
        learning = _Learning(job, source, run, beside, emit)
        stack.enter_context(_noted(learning))
        for each in (run, beside):
            if each is not None:
                _wait_for(each, learning)
        try:
            ended_by = learning.go()
        except BaseException as error:
            _save_what_is_there(learning, error)
            raise
        learning.save()
    total = run.report.total
    cycles = total.cycles.get("total")
    return {
        "verb": "learn",
        "preset": network.params.name,
        **job.target.report,
        "source": source.name,
        "lines": learning.lines,
        "last_line": learning.last_line,
        "predicted": learning.predicted,
        "learned": learning.learned,
        "correct": learning.correct,
        "error": _rounded(learning.error),
        "recent_error": _rounded(learning.recent_error),
        "bad": learning.bad,
        "bad_lines": learning.bad_lines,
        "classes": learning.classes.known,
        "added_classes": learning.classes.added,
        "flips": list(total.flips),
        "cycles_per_sample": cycles / learning.learned if cycles and learning.learned else None,
        "seconds": round(time.perf_counter() - started, 2),
        "ended_by": ended_by,
        "checkpoint": str(job.checkpoint),
        "saved": learning.saved,
        "verified": None if beside is None else not learning.found,
        "differences": learning.found,
        "compared_bits": 0 if beside is None else network.params.memory_bits,
        "digest": network.params.digest,
    }


def _run_of(network: Network, target: Target) -> Run:
    return Run(network.params, target=target, state=network.state, tau=network.tau)


@contextmanager
def _noted(learning: _Learning) -> Iterator[None]:
    """Have Ctrl-C end the learning when what was read is learned."""

    def stop():
        learning.stop_requested = True

    with interrupts.noted(stop):
        yield


def _wait_for(run: Run, learning: _Learning) -> None:
    """Wait until a run has its board, which may have to be compiled."""
    with run.subscribe() as reports:
        while run.report.state is State.OPENING:
            reports.get(LOOK_S)
            if learning.stop_requested:
                raise KeyboardInterrupt
    if run.report.over:
        run.result(run.state())  # raises what went wrong


def _save_what_is_there(learning: _Learning, error: BaseException) -> None:
    """Save what was learned before an error; say so if that cannot be."""
    if not learning._unsaved:
        return
    try:
        learning.save()
    except (PopflipError, RuntimeError):
        if not isinstance(error, Failure):
            return
        say(
            f"popflip: what was learned since the last checkpoint, {learning.saved} in all, is "
            "lost with the board"
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
