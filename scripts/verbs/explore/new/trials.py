"""Short trainings of several networks, of which the better ones are trained again, at length.

Each is judged on samples that are kept from the training part, never on the test part: a fifth of
each class, another one for each *fold*. After each round of folds the worse half is left out. Few
samples take more folds: each is another training too, from another seed.

What learns fast is not always what learns best. So where a brief training sees only a part of what
there is to learn, the rounds end when :data:`FINALISTS` are left, and these are trained longer, on
more samples: the *final*, which decides. The best one is trained there a second time, with images
that are not shifted. All choices hang on the seed; only where the time ends
them, they also hang on how fast the computer is.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.splits import draw_split
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState
from popflip.golden.training.trainer import Trainer
from popflip.scripts.verbs.explore.new.budget import Fitted
from popflip.scripts.verbs.explore.new.proposals import calibrated, growth_over

__all__ = ["FINALISTS", "FOLDS", "Candidate", "Race", "parted"]

#: Folds that a network is judged on, at most; more where a fold judges on a handful of samples.
FOLDS, MOST_FOLDS = 5, 15

#: Share of each class that judges, in percent.
_KEPT = 20

#: Samples that teach, and that judge, at most.
_TEACH, _JUDGE = 12_000, 4_000

#: Networks that are trained at length before the choice.
FINALISTS = 3

#: Samples that teach and that judge in the final, at most.
_FINAL_TEACH, _FINAL_JUDGE = 48_000, 10_000

#: A final is held if it shows so many times the samples that a brief training does.
_LONGER = 2.0

#: Share of the time after which the final begins in any case.
_BRIEF = 0.5

#: Samples that are kept to count cycles of.
_SEEN = 64

#: Samples that have judged before a candidate is left out.
_JUDGED = 150

#: Samples, those of all folds, that are enough to tell the last candidates apart.
_ENOUGH = 600

#: Last epochs whose mean error counts.
_LAST = 3


@dataclass(eq=False)
class Candidate:
    """A network that is tried.

    Attributes
    ----------
    title : str
        Of its shape.
    params : Params
    fitted : Fitted
    dataset : Dataset
        As its network reads it.
    loud : bool
        How it is calibrated.
    errors : list of float
        Validation error of each fold, in percent.
    final : float, optional
        Validation error after the final, in percent.
    network : Params, optional
        As it was calibrated last.
    state : NetworkState, optional
        What it came to last.
    seen : (ndarray, ndarray), optional
        Some samples of that training, as input bits, and their classes.
    """

    title: str
    params: Params
    fitted: Fitted
    dataset: Dataset
    loud: bool = False
    errors: list[float] = field(default_factory=list)
    final: float | None = None
    network: Params | None = None
    state: NetworkState | None = None
    seen: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def error(self) -> float:
        """Mean validation error of the brief trainings."""
        return statistics.mean(self.errors)

    @property
    def last_error(self) -> float:
        """Validation error of the longest training."""
        return self.error if self.final is None else self.final


class Race:
    """Train candidates, and find the best.

    Parameters
    ----------
    candidates : list of Candidate
        Of the same samples, though they may read them differently.
    epochs, final_epochs : int
        Of a brief training, and of one in the final.
    seed : int
    seconds : float
        After which no training is begun, and the one that is on is stopped.
    on_training : callable
        Is told how many trainings are done, how many there are in this round and before, of the
        candidate, and whether it is in the final.
    """

    def __init__(
        self,
        candidates: list[Candidate],
        epochs: int,
        final_epochs: int,
        seed: int,
        seconds: float,
        on_training: Callable[[int, int, "Candidate | None", bool], None],
    ):
        self.candidates, self._labels = candidates, candidates[0].dataset.train_labels
        self.epochs, self.final_epochs, self.seed = epochs, final_epochs, seed
        self.stopped = False
        self._seconds, self._deadline = seconds, 0.0
        self._on_training = on_training
        self._done = 0
        self._trainer: Trainer | None = None

    def stop(self) -> None:
        """Have it end; a signal handler may call this."""
        self.stopped = True
        if self._trainer is not None:
            self._trainer.stop_requested = True

    @property
    def ranked(self) -> list[Candidate]:
        """Those that were judged, the best first: by the final, by folds, by error, by synapses."""
        tried = [each for each in self.candidates if each.errors]
        return sorted(tried, key=lambda c: (
            c.final is None, c.final or 0.0, -len(c.errors), c.error, c.params.n_synapses,
        ))  # fmt: skip

    @property
    def has_final(self) -> bool:
        """Whether a final shows much that brief trainings do not."""
        there = len(self._labels) * (100 - _KEPT) / 100
        brief, final = min(there, _TEACH) * self.epochs, min(there, _FINAL_TEACH)
        return final * self.final_epochs >= _LONGER * brief

    def run(self) -> None:
        """Train until one is found, or the time is up, or :meth:`stop` was called."""
        FastMachine(self.candidates[0].params)  # compiled, if need be, before the time begins
        began = time.monotonic()
        self._deadline = began + self._seconds * (_BRIEF if self.has_final else 1.0)
        self._brief_rounds()
        self._deadline = began + self._seconds
        if self.has_final:
            self._final()
        self._on_training(1, 1, None, False)

    def _brief_rounds(self) -> None:
        """Judge all candidates, and those again that are not left out."""
        running, fold, folds = list(self.candidates), 0, FOLDS
        while fold < folds and not (self.has_final and fold and len(running) <= FINALISTS):
            split = self._split(fold, _TEACH, _JUDGE)
            judges = len(split[1])
            folds = min(max(FOLDS, -(-_ENOUGH // judges)), MOST_FOLDS)
            for number, candidate in enumerate(running):
                total = self._done + len(running) - number
                self._on_training(self._done, total, candidate, False)
                error = self._train(candidate, split, self.epochs, self.seed + fold)
                if error is None:
                    return
                candidate.errors.append(error)
                self._done += 1
            fold += 1
            running.sort(key=lambda c: (c.error, c.params.n_synapses))
            # Of a small data set one fold judges on a handful of samples.
            if fold * judges >= _JUDGED or fold % FOLDS == 0:
                running = running[: max(2, -(-len(running) // 2))]

    def _final(self) -> None:
        """Train the best at length, and see whether they would do without shifts."""
        finalists = self.ranked[:FINALISTS]
        if finalists and finalists[0].params.learning.shift:
            # Shifted images are harder to learn, and worth it only at length: so it shows here.
            first = finalists[0]
            finalists.append(replace(
                first, title=f"{first.title}, not shifted", errors=list(first.errors),
                params=first.params.replace(learning={"shift": 0}),
            ))  # fmt: skip
        split = self._split(0, _FINAL_TEACH, _FINAL_JUDGE)
        for number, candidate in enumerate(finalists):
            self._on_training(number, len(finalists), candidate, True)
            candidate.final = self._train(candidate, split, self.final_epochs, self.seed)
            if candidate.final is None:
                return
            if candidate not in self.candidates:
                self.candidates.append(candidate)

    def _split(self, fold: int, most_teach: int, most_judge: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the training samples that teach, and of those that judge."""
        teach, judge = draw_split(self._labels, _KEPT, self.seed + fold)
        return teach[:most_teach], judge[:most_judge]

    def _train(self, candidate: Candidate, split, epochs: int, seed: int) -> float | None:
        """Learn from some training samples, be judged by others; None if that was stopped."""
        if self.stopped or time.monotonic() > self._deadline:
            return None
        part = parted(candidate.dataset, split)
        try:
            params = calibrated(candidate.params, part, seed, candidate.loud)
            params = params.replace(learning={"tau_growth": growth_over(epochs)})
        except InputError:  # its thresholds leave no bit that differs
            return 100.0
        machine = FastMachine(params)
        self._trainer = trainer = Trainer(params, part, machine, seed=seed)

        def look(_):
            if self.stopped or time.monotonic() > self._deadline:
                trainer.stop_requested = True

        finished = trainer.run(epochs, on_progress=look)
        self._trainer = None
        if not finished:
            return None
        candidate.network, candidate.state = params, machine.read_state()
        images = part.train_images[:_SEEN]
        candidate.seen = (input_of(params.network, images), part.train_labels[:_SEEN])
        return statistics.mean(log.test_error for log in trainer.history[-_LAST:])


def parted(dataset: Dataset, split: tuple[np.ndarray, np.ndarray]) -> Dataset:
    """Return training samples of a data set that teach, and others of them as its test part."""
    teach, judge = split
    return replace(
        dataset,
        train_images=dataset.train_images[teach], train_labels=dataset.train_labels[teach],
        test_images=dataset.train_images[judge], test_labels=dataset.train_labels[judge],
    )  # fmt: skip
