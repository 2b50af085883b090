"""The training loop: epochs with a test after each, progress, checkpoints and logs.

Two classes derive from it: :class:`popflip.golden.training.trainer.Trainer` trains a binary network
on a machine, :class:`popflip.golden.paper.trainer.Trainer` one of the paper's systems on PyTorch.
"""

import csv
import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Generic, TypeVar

from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.log import Log, Progress

__all__ = ["TrainingLoop"]


AnyLog = TypeVar("AnyLog", bound=Log)


class TrainingLoop(ABC, Generic[AnyLog]):
    """Train epoch by epoch, test after each, and stop between two batches when asked to.

    Parameters
    ----------
    layers : int
        Layers of weights.
    train, test : int
        Samples of the data set.
    seed : int
        Decides every random choice.
    samples, test_samples : int, optional
        The first so many training and test samples; all if left out.

    Attributes
    ----------
    epoch, position : int
        Complete epochs, and samples done of the next one.
    history : list of Log
    warnings : list of str
        What is amiss with the training, as far as the last epoch showed it for the first time.
    stop_requested : bool
        Set it from anywhere (a signal handler) to end :meth:`run` after the samples in hand.

    Raises
    ------
    ValueError
        If the seed is negative, or there are not as many samples.
    """

    def __init__(
        self,
        layers: int,
        train: int,
        test: int,
        *,
        seed: int,
        samples: int | None,
        test_samples: int | None,
    ):
        if seed < 0:
            raise InputError(f"seed must be at least 0, not {seed}")
        limits = {"samples": (samples, train), "test_samples": (test_samples, test)}
        for name, (value, most) in limits.items():
            if value is not None and not 1 <= value <= most:
                raise InputError(f"{name} must be 1 to {most}, not {value}")
        self.seed = seed
        self.samples = samples or train
        self.test_samples = test_samples or test
        self.history: list[AnyLog] = []
        self.warnings: list[str] = []
        self.stop_requested = False
        self._layers = layers
        self._begin_epoch(0)

    # The loop -------------------------------------------------------------------------------

    def run(
        self,
        epochs: int,
        on_progress: Callable[[Progress], None] | None = None,
        on_epoch: Callable[[AnyLog], None] | None = None,
    ) -> bool:
        """Train until ``epochs`` epochs are complete, and test after each.

        Parameters
        ----------
        epochs : int
            In all, those before a resumption included.
        on_progress : callable, optional
            Called after each chunk of samples.
        on_epoch : callable, optional
            Called after each epoch; :attr:`warnings` are those of this epoch then.

        Returns
        -------
        bool
            False if it was stopped before.
        """
        while self.epoch < epochs:
            if not self._train(epochs, on_progress):
                return False
            tested = self.test(on_progress, epochs)
            if tested is None:
                return False
            self.history.append(self._log(self._so_far, tested))
            self._begin_epoch(self.epoch + 1)
            self.warnings = self._examine(tested)
            if on_epoch:
                on_epoch(self.history[-1])
        return True

    @abstractmethod
    def _train(self, epochs, on_progress) -> bool:
        """Train to the end of the epoch; False if stopped before."""

    @abstractmethod
    def test(self, on_progress=None, epochs: int | None = None) -> Report | None:
        """Predict the test set; None if stopped before its end."""

    @abstractmethod
    def _log(self, trained: Report, tested: Report) -> AnyLog:
        """Return the log of the epoch."""

    def _examine(self, tested: Report) -> list[str]:
        """Say what is amiss with the training after the epoch that ended with a test."""
        return []

    def _show_training(self, on_progress, epochs: int) -> None:
        """Call ``on_progress``, if there is one, with how far the epoch is."""
        if on_progress:
            progress = Progress(
                self.epoch + 1, epochs, "train", self.position, self.samples, self._seconds,
                self._so_far,
            )  # fmt: skip
            on_progress(progress)

    def _show_test(self, on_progress, epochs: int | None, started: float, total: Report) -> None:
        """Call ``on_progress``, if there is one, with how far a test is that began at a time."""
        if on_progress:
            progress = Progress(
                self.epoch + 1, epochs or self.epoch + 1, "test", total.samples,
                self.test_samples, time.perf_counter() - started, total,
            )  # fmt: skip
            on_progress(progress)

    def _begin_epoch(self, epoch: int):
        self.epoch, self.position, self._seconds = epoch, 0, 0.0
        self._so_far = self._nothing()

    def _nothing(self) -> Report:
        return Report(flips=[0] * self._layers)

    def _figures(self, trained: Report, tested: Report) -> dict:
        """Return what all logs hold, by its name."""
        return {
            "epoch": self.epoch + 1,
            "samples": trained.samples,
            "train_error": round(trained.error, 4),
            "test_error": round(tested.error, 4),
            "flips": list(trained.flips),
            "seconds": self._seconds,
            "samples_per_s": trained.samples / max(self._seconds, 1e-9),
        }

    # Checkpoints ----------------------------------------------------------------------------

    def _meta(self) -> dict:
        """Return what a checkpoint holds of the samples and of the progress."""
        return {
            "seed": self.seed,
            "samples": self.samples,
            "test_samples": self.test_samples,
            "epoch": self.epoch,
            "position": self.position,
            "seconds": self._seconds,
            "so_far": asdict(self._so_far),
            "history": [asdict(log) for log in self.history],
        }

    def _check_meta(self, path, meta: dict) -> None:
        """Raise CheckpointError if a checkpoint is of other samples, or of another order."""
        for name in ("seed", "samples", "test_samples"):
            if meta[name] != getattr(self, name):
                raise CheckpointError(
                    f"{path} was made with {name} {meta[name]}, not {getattr(self, name)}"
                )

    # Logs -----------------------------------------------------------------------------------

    def write_logs(self, folder: str | Path) -> None:
        """Write the history as ``log.csv`` and ``log.json`` in a folder."""
        rows = [asdict(log) for log in self.history]
        write_atomically(Path(folder) / "log.json", json.dumps(rows, indent=1).encode())
        table = [log.columns() for log in self.history]
        # A machine that counts cycles may have gone on where one that does not stopped.
        names = list(dict.fromkeys(name for row in table for name in row)) or ["epoch"]
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=names)
        writer.writeheader()
        writer.writerows(table)
        write_atomically(Path(folder) / "log.csv", text.getvalue().encode())
