"""Short trainings of several networks, of which the better ones are trained on.

Each is judged on samples that are kept from the training part, never on the test part: a fifth of
each class, another one for each *fold*. After each round of folds the worse half is left out, until
one is left, all have had their folds, or the time is up. Few samples take more folds: each is
another training too, from another seed. All choices hang on the seed; only where the time ends
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
from popflip.scripts.verbs.explore.new.proposals import calibrated

__all__ = ["FOLDS", "Candidate", "Race"]

#: Folds that a network is judged on, at most; more where a fold judges on a handful of samples.
FOLDS, MOST_FOLDS = 5, 15

#: Share of each class that judges, in percent.
_KEPT = 20

#: Samples that teach, and that judge, at most.
_TEACH, _JUDGE = 12_000, 4_000

#: Samples that are kept to count cycles of.
_SEEN = 64

#: Samples that have judged before a candidate is left out.
_JUDGED = 150

#: Samples, those of all folds, that are enough to tell the last candidates apart.
_ENOUGH = 600

#: Last epochs whose mean error counts.
_LAST = 3


@dataclass
class Candidate:
    """A network that is tried.

    Attributes
    ----------
    title : str
        Of its shape.
    params : Params
    fitted : Fitted
    loud : bool
        How it is calibrated.
    errors : list of float
        Validation error of each fold, in percent.
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
    loud: bool = False
    errors: list[float] = field(default_factory=list)
    network: Params | None = None
    state: NetworkState | None = None
    seen: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def error(self) -> float:
        """Mean validation error."""
        return statistics.mean(self.errors)


class Race:
    """Train candidates, and find the best.

    Parameters
    ----------
    candidates : list of Candidate
    dataset : Dataset
    epochs : int
    seed : int
    seconds : float
        After which no training is begun, and the one that is on is stopped.
    on_training : callable
        Is told how many trainings are done, how many there are in this round and before, and of
        the candidate.
    """

    def __init__(
        self,
        candidates: list[Candidate],
        dataset: Dataset,
        epochs: int,
        seed: int,
        seconds: float,
        on_training: Callable[[int, int, "Candidate | None"], None],
    ):
        self.candidates, self.dataset = candidates, dataset
        self.epochs, self.seed = epochs, seed
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
        """Those that were judged, the best first: by folds, by error, by synapses."""
        tried = [each for each in self.candidates if each.errors]
        return sorted(tried, key=lambda c: (-len(c.errors), c.error, c.params.n_synapses))

    def run(self) -> None:
        """Train until one is left, or the time is up, or :meth:`stop` was called."""
        running, fold, folds = list(self.candidates), 0, FOLDS
        FastMachine(running[0].params)  # compiled, if it has to be, before the time begins
        self._deadline = time.monotonic() + self._seconds
        while fold < folds:
            part = self._fold(fold)
            folds = min(max(FOLDS, -(-_ENOUGH // len(part.test_labels))), MOST_FOLDS)
            for candidate in running:
                total = self._done + len(running) - running.index(candidate)
                self._on_training(self._done, total, candidate)
                error = self._train(candidate, part, self.seed + fold)
                if error is None:
                    return
                candidate.errors.append(error)
                self._done += 1
            fold += 1
            running.sort(key=lambda c: (c.error, c.params.n_synapses))
            # Of a small data set one fold judges on a handful of samples.
            if fold * len(part.test_labels) >= _JUDGED or fold % FOLDS == 0:
                running = running[: max(2, -(-len(running) // 2))]
        self._on_training(1, 1, None)

    def _fold(self, fold: int) -> Dataset:
        """Return the training part without those samples that judge, and these as the test."""
        data = self.dataset
        teach, judge = draw_split(data.train_labels, _KEPT, self.seed + fold)
        teach, judge = teach[:_TEACH], judge[:_JUDGE]
        return replace(
            data,
            train_images=data.train_images[teach], train_labels=data.train_labels[teach],
            test_images=data.train_images[judge], test_labels=data.train_labels[judge],
        )  # fmt: skip

    def _train(self, candidate: Candidate, part: Dataset, seed: int) -> float | None:
        """Return the validation error; None if the training was stopped."""
        if self.stopped or time.monotonic() > self._deadline:
            return None
        try:
            params = calibrated(candidate.params, part, seed, candidate.loud)
        except InputError:  # its thresholds leave no bit that differs
            return 100.0
        machine = FastMachine(params)
        self._trainer = trainer = Trainer(params, part, machine, seed=seed)

        def look(_):
            if self.stopped or time.monotonic() > self._deadline:
                trainer.stop_requested = True

        finished = trainer.run(self.epochs, on_progress=look)
        self._trainer = None
        if not finished:
            return None
        candidate.network, candidate.state = params, machine.read_state()
        images = part.train_images[:_SEEN]
        candidate.seen = (input_of(params.network, images), part.train_labels[:_SEEN])
        return statistics.mean(log.test_error for log in trainer.history[-_LAST:])
