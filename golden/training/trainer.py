"""Training a network: epochs, test error, checkpoints and logs, on any machine.

A *machine* is what computes (:mod:`popflip.golden.training.machine`). The loop is the same on all
of them, and so are the bits.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.feed import epoch_images
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.support.integers import ceil_div
from popflip.golden.training import health
from popflip.golden.training.checkpoint import (
    CheckpointError,
    Origin,
    read_checkpoint,
    save_network,
)
from popflip.golden.training.log import EpochLog, Progress
from popflip.golden.training.loop import TrainingLoop
from popflip.golden.training.machine import Machine
from popflip.golden.training.state import NetworkState, initial_state

__all__ = ["Trainer"]

#: Training samples that are relaxed to find out why a network does not learn.
EXAMINED = 64


class Trainer(TrainingLoop[EpochLog]):
    """Train a network on a data set, epoch by epoch.

    Parameters
    ----------
    params : Params
    data : Dataset
    machine : Machine
    seed : int
        Decides the initial weights, the order of the samples in each epoch and their shifts.
    samples : int, optional
        Training images per epoch: the first so many of the data set; all if left out.
    test_samples : int, optional
        Test images, likewise.

    Attributes
    ----------
    epoch, position : int
        Complete epochs, and samples done of the next one.
    history : list of EpochLog
    warnings : list of str
        What is amiss with the training: a network that does not learn, said once.
    ailing : bool
        Whether the last epoch showed a network that does not learn.
    origin : Origin, optional
        Where the first network came from, if not from the seed.
    stop_requested : bool
        Set it from anywhere (a signal handler) to end :meth:`run` after the chunk in hand.

    Examples
    --------
    A network of 16 hidden neurons learns on which side an image is bright:

    >>> import numpy as np
    >>> from popflip.golden.training.machine import GoldenMachine
    >>> params = Params.build({
    ...     "network": {"image": [4, 4], "hidden": [16], "classes": 2, "copies": 4},
    ...     "dynamics": {"gains": [40, 20]},
    ...     "learning": {"tau": [4, 4]},
    ...     "machine": {"row_lanes": 16, "relax_lanes": 8, "latent_lanes": [16, 8]},
    ... })
    >>> labels = np.arange(200, dtype=np.uint8) % 2
    >>> images = np.zeros((200, 4, 4), np.uint8)
    >>> images[labels == 0, :, :2] = images[labels == 1, :, 2:] = 255
    >>> data = Dataset("sides", images, labels, images[:50], labels[:50])
    >>> trainer = Trainer(params, data, GoldenMachine(params), seed=1)
    >>> trainer.run(epochs=2)
    True
    >>> [log.test_error for log in trainer.history]
    [0.0, 0.0]
    """

    def __init__(
        self,
        params: Params,
        data: Dataset,
        machine: Machine,
        *,
        seed: int = 1,
        samples: int | None = None,
        test_samples: int | None = None,
    ):
        check_data(params, data)
        super().__init__(
            params.depth, len(data.train_labels), len(data.test_labels),
            seed=seed, samples=samples, test_samples=test_samples,
        )  # fmt: skip
        self.params, self.data, self.machine = params, data, machine
        self.origin: Origin | None = None
        self._classes = data.classes
        self.ailing = False
        machine.write_state(self.first_state())

    # Data -----------------------------------------------------------------------------------

    def first_state(self) -> NetworkState:
        """State that the training begins with."""
        return initial_state(self.params, self.seed)

    def epoch_samples(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input bits and labels of the training samples of an epoch, in their order."""
        images, labels = epoch_images(
            self.params, self.data, seed=self.seed, samples=self.samples, epoch=epoch
        )
        return input_of(self.params.network, images), labels

    def test_set(self) -> tuple[np.ndarray, np.ndarray]:
        """Input bits and labels of the test samples."""
        images = self.data.test_images[: self.test_samples]
        labels = self.data.test_labels[: self.test_samples]
        return input_of(self.params.network, images), labels

    # The loop -------------------------------------------------------------------------------

    def replay(
        self,
        epoch: int,
        position: int = 0,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> bool:
        """Train, but do not test, until ``epoch`` epochs and ``position`` samples are done.

        What the network comes to is what :meth:`run` brings it to. The history stays as it is.

        Returns
        -------
        bool
            False if it was stopped before.
        """
        while (self.epoch, self.position) < (epoch, position):
            goal = position if self.epoch == epoch else self.samples
            if not self._train(epoch, on_progress, goal):
                return False
            if self.epoch < epoch:
                self._begin_epoch(self.epoch + 1)
        return True

    def _train(self, epochs, on_progress, goal: int | None = None) -> bool:
        goal = self.samples if goal is None else goal
        if self.position < goal:
            self.machine.load(*self.epoch_samples(self.epoch))
        self.machine.set_tau(self.params.learning.tau_in_epoch(self.epoch))
        # Chunks end with batches, so that what lies between two chunks is a whole state.
        batch = self.params.learning.batch
        chunk = ceil_div(self.machine.chunk, batch) * batch
        while self.position < goal:
            if self.stop_requested:
                return False
            started = time.perf_counter()
            count = min(chunk, goal - self.position)
            last = self.position + count == self.samples
            report = self.machine.train(self.position, count, flush=last)
            if self._so_far.samples and bool(report.cycles) != bool(self._so_far.cycles):
                # Resumed on a machine that counts after one that does not, or before: no average.
                report.cycles, self._so_far.cycles = {}, {}
            self._so_far += report
            self.position += count
            self._seconds += time.perf_counter() - started
            self._show_training(on_progress, epochs)
        return True

    def test(self, on_progress=None, epochs: int | None = None) -> Report | None:
        """Predict the test set; None if stopped before its end."""
        self.machine.load(*self.test_set())
        total, started = self._nothing(), time.perf_counter()
        chunk = self.machine.chunk
        for first in range(0, self.test_samples, chunk):
            if self.stop_requested:
                return None
            report, _ = self.machine.infer(first, min(chunk, self.test_samples - first))
            total += report
            self._show_test(on_progress, epochs, started, total)
        return total

    def _log(self, trained: Report, tested: Report) -> EpochLog:
        log = EpochLog(
            **self._figures(trained, tested),
            changed_per_sample=trained.changed / trained.samples,
            tau=list(self.params.learning.tau_in_epoch(self.epoch)),
        )
        if trained.cycles:
            per_sample = {k: v / trained.samples for k, v in trained.cycles.items()}
            log.cycles_per_sample = per_sample.pop("total")
            log.stage_cycles = per_sample
        if tested.cycles:
            log.cycles_per_inference = tested.cycles["total"] / tested.samples
        return log

    def _examine(self, tested: Report) -> list[str]:
        was_ailing, self.ailing = self.ailing, False
        few = sum(log.samples for log in self.history) < health.SAMPLES
        found = health.symptoms(
            self.params, self.history, tested, self.data.test_labels[: self.test_samples],
            least=0 if few else health.SAMPLES,
        )  # fmt: skip
        # What has been said before need not be said after each epoch.
        self.ailing = bool(found) and (was_ailing or not few)
        if not found or was_ailing:
            return []
        x = input_of(self.params.network, self.data.train_images[:EXAMINED])
        labels = self.data.train_labels[:EXAMINED]
        why = health.cause(self.params, self.machine.read_state(), x, labels)
        self.ailing = self.ailing or why.certain
        return [health.complaint(found, why.text)] if self.ailing else []

    # Checkpoints ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Save everything that a resumption needs; the file appears whole or not at all."""
        meta = {
            **self._meta(),
            "data": self.data.name,
            "data_digest": self.data.digest,
            "data_source": self.data.source,
            "classes": list(self._classes),
        }
        if self.origin is not None:
            meta["origin"] = asdict(self.origin)
        save_network(path, self.params, self.machine.read_state(), self.data.encoder, meta)

    @staticmethod
    def read_checkpoint(path: str | Path) -> tuple[dict, NetworkState]:
        """Read a checkpoint: :func:`popflip.golden.training.checkpoint.read_checkpoint`."""
        return read_checkpoint(path)

    def resume(self, path: str | Path) -> None:
        """Go on from a checkpoint, bit for bit as if there had been no break.

        Raises
        ------
        CheckpointError
            If it is of another network, seed or data set.
        """
        meta, state = self.read_checkpoint(path)
        # As read: parameters that an older checkpoint does not know have their defaults.
        saved = Params.build(meta["params"]).model_dump(mode="json")
        mine = self.params.model_dump(mode="json")
        for tree in (saved, mine):
            # Lanes change no bit, names mean nothing, and data are compared by themselves.
            tree.pop("machine", None)
            tree.pop("data", None)
            tree.pop("standalone", None)
            tree.pop("name", None)
        if saved != mine:
            parts = [part for part in mine if saved.get(part) != mine[part]]
            raise CheckpointError.of_another_network(path, parts)
        self._check_meta(path, meta)
        if meta["data_digest"] != self.data.digest:
            other = "other data of that name" if meta["data"] == self.data.name else self.data.name
            raise CheckpointError(f"{path} was trained on {meta['data']}, not {other}")
        self.machine.write_state(state)
        self.epoch, self.position = meta["epoch"], meta["position"]
        self._seconds, self._so_far = meta["seconds"], Report(**meta["so_far"])
        self.history = [EpochLog(**log) for log in meta["history"]]
        self.origin = Origin(**meta["origin"]) if meta.get("origin") else None
        known = tuple(meta.get("classes", ()))
        if known[: len(self.data.classes)] == self.data.classes:
            # Classes that came later, in samples of another source, keep their names.
            self._classes = known
