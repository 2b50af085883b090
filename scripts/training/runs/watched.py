"""A run that is only watched: a board that trains alone, from the data set in its own flash."""

from concurrent.futures import Future
from typing import Any

import numpy as np

from popflip.boards.host.monitor import Epoch
from popflip.golden.datasets.changes import Change
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState
from popflip.scripts.session import VIRTUAL, Target
from popflip.scripts.training.runs.process import ProcessRun
from popflip.scripts.training.runs.watcher import WatchTask, main

__all__ = ["WatchedRun"]


class WatchedRun(ProcessRun):
    """A board in standalone training, which a second process listens to from now on.

    Nobody leads it: what would have it learn, test or change something is refused. When it has come
    to its end the run is paused, and its network can be read. Use it as a context manager.

    Parameters
    ----------
    params : Params
        Of the design that the board runs, with a flash.
    target : Target
        The virtual board, or one at a serial port.
    image : bytes
        Content of the virtual board's flash, from ``flash_base`` on.
    start : bool
        Have a board at a serial port begin anew.
    samples : int
        Of an epoch, for the reports; 0 if that is not known.

    Attributes
    ----------
    report : RunReport
        The newest. Its totals are of the epochs that were seen, also in part.
    """

    def __init__(
        self,
        params: Params,
        *,
        target: Target = VIRTUAL,
        image: bytes = b"",
        start: bool = False,
        samples: int = 0,
    ):
        if not params.standalone.lines:
            raise InputError(
                "standalone.flash must be single, dual or quad for standalone training, not "
                f"{params.standalone.flash}"
            )
        if target.engine:
            raise InputError(f"target must be a board, which trains alone, not {target}")
        self.params, self.target = params, target
        self._epochs: list[Epoch] = []
        task = WatchTask(
            tree=params.model_dump(mode="json"), target=target, image=image, start=start,
            samples=samples,
        )  # fmt: skip
        super().__init__(main, task)

    def epochs(self, told: int = 0) -> list[Epoch]:
        """Return the epochs that have ended since the watch began.

        None is ever lost, whichever reports one has missed: an epoch is here before the report in
        which it counts.

        Parameters
        ----------
        told : int
            How many of them, from the first on, to leave out.
        """
        with self._lock:
            return self._epochs[told:]

    def state(self) -> "Future[NetworkState]":
        """Read the network, of a board that has come to its end; before that it is refused."""
        return self._ask("state")

    def _take(self, kind: str, *what: Any) -> None:
        assert kind == "epoch", kind
        with self._lock:
            self._epochs.append(*what)

    # What only a run with a host does -------------------------------------------------------

    def _refuse(self) -> Future:
        raise InputError(
            "a board that trains alone is only watched: popflip train and popflip live lead one"
        )

    def start(self, samples: int | None = None) -> Future:
        """Refused: it begins by itself, or with ``start`` of the run."""
        return self._refuse()

    def step(self) -> Future:
        """Refused."""
        return self._refuse()

    def epoch(self) -> Future:
        """Refused."""
        return self._refuse()

    def pause(self) -> Future:
        """Refused."""
        return self._refuse()

    def speed(self, samples_per_s: float | None) -> Future:
        """Refused."""
        return self._refuse()

    def test(self, samples: int | None = None) -> Future:
        """Refused: it tests by itself after each epoch."""
        return self._refuse()

    def learn(self, images: np.ndarray, labels: np.ndarray) -> Future:
        """Refused."""
        return self._refuse()

    def teach(self, image: np.ndarray, label: int) -> Future:
        """Refused."""
        return self._refuse()

    def predict(self, images: np.ndarray) -> Future:
        """Refused."""
        return self._refuse()

    def disturb(self, change: Change | None) -> Future:
        """Refused."""
        return self._refuse()

    def upset(self, count: int, seed: int = 1) -> Future:
        """Refused."""
        return self._refuse()

    def look(self) -> Future:
        """Refused."""
        return self._refuse()

    def write_state(self, state: NetworkState, at: tuple[int, int] | None = None) -> Future:
        """Refused."""
        return self._refuse()
