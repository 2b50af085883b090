"""The training loop of the paper's systems: epochs, test error, checkpoints and logs.

Every random choice follows from the seed, the epoch and the batch, so a training that goes on from
a checkpoint, on the same machine and with as many threads, comes to the same bits.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from popflip.golden.model import Report
from popflip.golden.paper.images import Images, pixels
from popflip.golden.paper.learning import Learner
from popflip.golden.paper.network import Network
from popflip.golden.paper.recorded import Recorded
from popflip.golden.paper.systems import Row
from popflip.golden.training.checkpoint import (
    CheckpointError,
    opened_checkpoint,
    write_checkpoint,
)
from popflip.golden.training.log import Log
from popflip.golden.training.loop import TrainingLoop

__all__ = ["EpochLog", "Trainer"]

#: Of checkpoints; another number is another layout.
FORMAT = 1

#: What a seed's streams of random numbers are for.
_INITIAL, _ORDER, _BATCH = range(3)


@dataclass
class EpochLog(Log):
    """What one epoch came to: errors in percent, flips and mean scaling factors by link."""

    alpha: list[float]


class Trainer(TrainingLoop[EpochLog]):
    """Train a row's network, epoch by epoch.

    Parameters
    ----------
    row : Row
    images : Images
    seed : int
    samples, test_samples : int, optional
        The first so many training and test images; all if left out.
    device : str
        As PyTorch names it.

    Attributes
    ----------
    network : Network
    learner : Learner
    epoch, position : int
        Complete epochs, and samples done of the next one.
    history : list of EpochLog
    stop_requested : bool
        Set it from anywhere (a signal handler) to end :meth:`run` after the batch in hand.
    """

    def __init__(
        self,
        row: Row,
        images: Images,
        *,
        seed: int = 1,
        samples: int | None = None,
        test_samples: int | None = None,
        device: str = "cpu",
    ):
        super().__init__(
            len(row.layers), len(images.train), len(images.test),
            seed=seed, samples=samples, test_samples=test_samples,
        )  # fmt: skip
        self.row, self.images, self.device = row, images, device
        rng = np.random.default_rng([seed, _INITIAL])
        self.network = Network(row, rng, device=device)
        self.learner = Learner(self.network, rng)
        self._ep, self._infer = self.network.ep, self.network.infer
        if torch.device(device).type == "cuda":
            self._ep, self._infer = Recorded(self._ep), Recorded(self._infer)

    # The loop -------------------------------------------------------------------------------

    def _train(self, epochs, on_progress) -> bool:
        order = np.random.default_rng([self.seed, _ORDER, self.epoch]).permutation(self.samples)
        while self.position < self.samples:
            if self.stop_requested:
                return False
            started = time.perf_counter()
            chosen = order[self.position : self.position + self.row.batch]
            self._so_far += self._learn(chosen)
            self.position += len(chosen)
            self._seconds += time.perf_counter() - started
            self._show_training(on_progress, epochs)
        return True

    def _learn(self, chosen) -> Report:
        """Learn from a batch."""
        rng = np.random.default_rng([self.seed, _BATCH, self.epoch, self.position])
        sign = rng.choice([-1, 1]) if self.row.nudging == "random-sign" else 1
        x = self._tensor(pixels(self.row, self.images.train[chosen], rng))
        labels = self._tensor(self.images.train_labels[chosen].astype(np.int64))
        if self.row.method == "ep":
            gradients, outputs = self._ep(x, labels, int(sign))
        else:
            gradients, outputs = self.network.bptt(x, labels)
        flips = self.learner.learn(gradients)
        correct = int((self.network.predict(outputs) == labels).sum())
        return Report(len(chosen), correct, 0, flips)

    def test(self, on_progress=None, epochs: int | None = None) -> Report | None:
        """Predict the test set; None if stopped before its end."""
        total, started = self._nothing(), time.perf_counter()
        for first in range(0, self.test_samples, self.row.batch):
            if self.stop_requested:
                return None
            end = min(first + self.row.batch, self.test_samples)
            x = self._tensor(pixels(self.row, self.images.test[first:end]))
            predicted = self._infer(x).cpu().numpy()
            correct = int((predicted == self.images.test_labels[first:end]).sum())
            total += Report(end - first, correct, 0, [0] * len(self.row.layers))
            self._show_test(on_progress, epochs, started, total)
        return total

    def _tensor(self, array):
        return torch.from_numpy(array).to(self.device)

    def _log(self, trained: Report, tested: Report) -> EpochLog:
        scales = [link.alpha for link in self.network.links]
        alpha = [round(float(a.mean()), 8) for a in scales if a is not None]
        return EpochLog(**self._figures(trained, tested), alpha=alpha)

    # Checkpoints ----------------------------------------------------------------------------

    def _tensors(self) -> dict[str, torch.Tensor]:
        """All that has been learned, by name."""
        found = {}
        for l, link in enumerate(self.network.links):
            found[f"bias{l}"] = link.bias
            if link.spins is None:
                found[f"weight{l}"] = link.weight
            else:
                found |= {f"spins{l}": link.spins, f"alpha{l}": link.alpha}
                found[f"average{l}"] = self.learner.averages[l]
        return found

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return them as a checkpoint holds them."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._tensors().items()}
        for name in arrays:
            if name.startswith("spins"):
                arrays[name] = arrays[name].astype(np.int8)
        return arrays

    def save(self, path: str | Path) -> None:
        """Save everything that a resumption needs; the file appears whole or not at all."""
        meta = {
            "format": FORMAT, **self.row.recipe(), "data_digest": self.images.digest,
            **self._meta(),
        }  # fmt: skip
        write_checkpoint(path, meta, self._arrays(), compress=False)

    def resume(self, path: str | Path) -> None:
        """Go on from a checkpoint, bit for bit as if there had been no break.

        Raises
        ------
        CheckpointError
            If it is of another row, seed or data set, or damaged.
        """
        tensors = self._tensors()
        kind = "a checkpoint of a row of the paper"
        with opened_checkpoint(path, FORMAT, kind) as (file, meta):
            self._check(path, meta)
            arrays = {
                name: file.read(name, array.shape, array.dtype)
                for name, array in self._arrays().items()
            }
            history = [EpochLog(**log) for log in meta["history"]]
            so_far = Report(**meta["so_far"])
            epoch, position, seconds = meta["epoch"], meta["position"], meta["seconds"]
        for name, tensor in tensors.items():
            tensor.copy_(torch.from_numpy(arrays[name]))
        for link in self.network.links:
            if link.spins is not None:
                link.rescale()
        self.epoch, self.position, self._seconds = epoch, position, seconds
        self._so_far, self.history = so_far, history

    def _check(self, path, meta):
        if fault := self.row.fault(meta):
            raise CheckpointError(f"{path} {fault}")
        self._check_meta(path, meta)
        if meta["data_digest"] != self.images.digest:
            raise CheckpointError(f"{path} was trained on other data than {self.images.name}")
