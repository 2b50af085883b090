"""What a trainer drives: the golden model here, the fast engine, the virtual board or a board.

The other machines are :class:`popflip.golden.engine.machine.FastMachine` and
:mod:`popflip.boards.host.machine`.
"""

from typing import Protocol

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report
from popflip.golden.training.state import NetworkState, initial_state

__all__ = ["CHUNK", "GoldenMachine", "Machine"]

#: Samples that a machine is given at a time, about, if it has no better number.
CHUNK = 256


class Machine(Protocol):
    """Something that trains a network. Samples are numbered within those last loaded.

    Attributes
    ----------
    chunk : int
        Samples that it is given at a time, about; what Ctrl-C waits for.
    """

    chunk: int

    def write_state(self, state: NetworkState) -> None:
        """Take over a network."""

    def read_state(self) -> NetworkState:
        """Return the network; at the end of a batch only."""

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of: bool (n, n_in) and classes (n,)."""

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples; ``flush`` ends the last batch even if it is not full.

        With ``count`` 0 that is all it does.
        """

    def learn(self, first: int, count: int, flush: bool) -> tuple[Report, np.ndarray]:
        """Do what :meth:`train` does; also return what each sample was taken for.

        That is what the network, as its last batch has left it, predicts of the sample.
        """

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples; also return the predictions."""


class GoldenMachine:
    """The golden model as a machine.

    Parameters
    ----------
    params : Params

    Examples
    --------
    It learns to tell a dark image from a bright one:

    >>> params = Params.build({
    ...     "network": {"image": [4, 4], "hidden": [16], "classes": 2, "copies": 4},
    ...     "dynamics": {"gains": [40, 20]},
    ...     "learning": {"tau": [4, 4]},
    ...     "machine": {"row_lanes": 16, "relax_lanes": 8, "latent_lanes": [16, 8]},
    ... })
    >>> machine = GoldenMachine(params)
    >>> machine.load(np.array([[False] * 16, [True] * 16] * 50), np.arange(100) % 2)
    >>> machine.train(0, 100, flush=True).samples
    100
    >>> report, predictions = machine.infer(0, 4)
    >>> report.error, predictions.tolist()
    (0.0, [0, 1, 0, 1])
    """

    chunk = CHUNK

    def __init__(self, params: Params):
        self.params = params
        self.write_state(initial_state(params, 1))

    def write_state(self, state: NetworkState) -> None:
        """Take over a network."""
        self._model = Model(self.params, state.weights, state.latents, state.sign_state)

    def read_state(self) -> NetworkState:
        """Return the network."""
        model = self._model
        return NetworkState(
            [array.copy() for array in model.weights],
            [array.copy() for array in model.latents],
            model.signs.state,
        )

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        self._model.tau = tau

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of."""
        self._x, self._labels = x, labels

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples."""
        return self.learn(first, count, flush)[0]

    def learn(self, first: int, count: int, flush: bool) -> tuple[Report, np.ndarray]:
        """Learn from ``count`` samples; also return what each was taken for."""
        model, total, end = self._model, Report(flips=[0] * self.params.depth), first + count
        predictions = [np.zeros(0, np.int64)]
        while first < end:
            n = min(end - first, model.batch - model.pending)
            report, relaxed = model.train(
                self._x[first : first + n], self._labels[first : first + n]
            )
            total += report
            predictions.append(relaxed.prediction)
            first += n
        if flush and model.pending:
            total += Report(flips=model.flush())
        return total, np.concatenate(predictions)

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples."""
        parts = [
            self._model.relax(self._x[i : min(i + 64, first + count)]).prediction
            for i in range(first, first + count, 64)
        ]
        predictions = np.concatenate(parts)
        correct = int((predictions == self._labels[first : first + count]).sum())
        return Report(count, correct, 0, [0] * self.params.depth), predictions
