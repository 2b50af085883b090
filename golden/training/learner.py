"""A network that goes on learning: samples as they come, in stretches, on any machine."""

import numpy as np

from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.training.machine import Machine
from popflip.golden.training.state import NetworkState
from popflip.golden.training.upsets import upset

__all__ = ["Learner"]


class Learner:
    """A network on a machine that learns what it is given, and says first what it takes it for.

    Samples make batches in the order in which they come, however many come at a time. So the bits
    depend on the samples alone, and are the same on every machine.

    Parameters
    ----------
    params : Params
    machine : Machine
    state : NetworkState
        What the network begins with.
    tau : tuple of int, optional
        Flip thresholds; those of the parameters if left out.

    Attributes
    ----------
    total : Report
        Counters of all that was learned.
    pending : int
        Samples of the batch in hand, whose flips are still due.

    Examples
    --------
    >>> from popflip.golden.training.machine import GoldenMachine
    >>> from popflip.golden.training.state import initial_state
    >>> params = Params.build({
    ...     "network": {"image": [1, 8], "hidden": [16], "classes": 2, "copies": 4},
    ...     "dynamics": {"gains": [40, 20]},
    ...     "learning": {"tau": [4, 4]},
    ...     "machine": {"row_lanes": 8, "relax_lanes": 8, "latent_lanes": [8, 8]},
    ... })
    >>> learner = Learner(params, GoldenMachine(params), initial_state(params, 1))
    >>> dark, bright = np.zeros((1, 1, 8), np.uint8), np.full((1, 1, 8), 255, np.uint8)
    >>> for _ in range(40):
    ...     _ = learner.learn(dark, np.array([0])), learner.learn(bright, np.array([1]))
    >>> learner.predict(np.concatenate([bright, dark])).tolist()
    [1, 0]
    >>> learner.total.samples
    80
    """

    def __init__(
        self,
        params: Params,
        machine: Machine,
        state: NetworkState,
        tau: tuple[int, ...] | None = None,
    ):
        self.params, self.machine = params, machine
        self._tau = tau or params.learning.tau
        self.total = Report(flips=[0] * params.depth)
        self.write_state(state)

    def learn(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Learn from samples.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height, width)
        labels : ndarray of int, shape (n,)

        Returns
        -------
        ndarray of int, shape (n,)
            What each was taken for before it was learned.
        """
        self.machine.load(input_of(self.params.network, images), labels)
        report, predictions = self.machine.learn(0, len(images), flush=False)
        self._count(report)
        return predictions

    def train(self, images: np.ndarray, labels: np.ndarray, flush: bool = False) -> Report:
        """Learn from samples; return their counters, which cost a board less than predictions.

        With ``flush`` they end a batch, even if it is not full.
        """
        self.machine.load(input_of(self.params.network, images), labels)
        report = self.machine.train(0, len(images), flush)
        self._count(report)
        if flush:
            self.pending = 0
        return report

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predict samples."""
        self.machine.load(input_of(self.params.network, images), np.zeros(len(images), np.uint8))
        return self.machine.infer(0, len(images))[1]

    def error(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Percent of samples that are predicted wrongly."""
        return 100 * float((self.predict(images) != labels).mean())

    def end_batch(self) -> None:
        """Flip what is due, also if the batch in hand is not full."""
        if self.pending:
            self.total += self.machine.train(0, 0, flush=True)
            self.pending = 0

    def state(self) -> NetworkState:
        """End the batch in hand, and return the network."""
        self.end_batch()
        return self.machine.read_state()

    def write_state(self, state: NetworkState) -> None:
        """Take over a network; a new batch begins."""
        self.machine.write_state(state)
        self.machine.set_tau(self._tau)
        self.pending = 0

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        self._tau = tau
        self.machine.set_tau(tau)

    def upset(self, count: int, seed: int) -> None:
        """End the batch in hand, and turn over some bits of weights and latents.

        A latent of -S - 1, which no machine makes by itself, becomes -S: checkpoints have none.

        Parameters
        ----------
        count : int
            See :func:`popflip.golden.training.upsets.upset`.
        seed : int
        """
        state = upset(self.params, self.state(), count, np.random.default_rng(seed))
        least = np.int16(-self.params.learning.latent_max)
        state.latents = [np.maximum(latents, least) for latents in state.latents]
        self.write_state(state)

    def _count(self, report: Report) -> None:
        self.total += report
        self.pending = (self.pending + report.samples) % self.params.learning.batch
