"""The order in which a network learns a data set, epoch after epoch."""

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.shifts import draw_shifts, shift_images
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params

__all__ = ["Feed", "epoch_images"]


def epoch_images(
    params: Params, data: Dataset, *, seed: int, samples: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of the training samples of an epoch, in their order.

    Parameters
    ----------
    params : Params
    data : Dataset
    seed : int
        Of the order, and of the shifts.
    samples : int
        The first so many of the data set.
    epoch : int
        From 0.
    """
    order = np.random.default_rng([seed, epoch]).permutation(samples)
    images = data.train_images[order]
    if params.learning.shift:
        state = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
        dx, dy = draw_shifts(Lfsr(state or 1), samples, params.learning.shift)
        images = shift_images(images, dx, dy)
    return images, data.train_labels[order]


class Feed:
    """Training samples one after the other, in the order of a training.

    Parameters
    ----------
    params : Params
    data : Dataset
    seed : int
    samples : int, optional
        The first so many of the data set in each epoch; all if left out.

    Attributes
    ----------
    epoch, position : int
        Complete epochs, and samples taken of the next one.
    """

    def __init__(self, params: Params, data: Dataset, seed: int = 1, samples: int | None = None):
        self._params, self._data, self._seed = params, data, seed
        self.samples = samples or len(data.train_labels)
        self.epoch, self.position = 0, 0
        self._of_epoch: int | None = None

    def take(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return images and labels of the next samples: at most so many, all of one epoch."""
        if self._of_epoch != self.epoch:
            self._images, self._labels = epoch_images(
                self._params, self._data, seed=self._seed, samples=self.samples, epoch=self.epoch
            )
            self._of_epoch = self.epoch
        part = slice(self.position, min(self.position + most, self.samples))
        self.position = part.stop
        if self.position == self.samples:
            self.epoch, self.position = self.epoch + 1, 0
        return self._images[part], self._labels[part]
