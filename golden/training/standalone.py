"""Standalone training, computed on any machine: the same draws, the same bits.

A standalone board trains from its flash, without a host.
:mod:`popflip.rtl.standalone.sequencer` draws everything from one
:class:`~popflip.golden.description.lfsr.Lfsr` that starts from ``params.standalone.state``, in this
order:

1. The initial weights: of each layer in turn, bytes of 8 bits for the words of region
   ``weights<l>``, in the order of their addresses. Latents are 0.
2. For each epoch the key of its shuffle (:mod:`popflip.golden.description.shuffle`), of
   ``standalone.order_bits`` bits. Then, if training images are shifted, for each sample in turn
   what :func:`~popflip.golden.datasets.shifts.draw_shifts` draws.

Each epoch has the flip thresholds of
:meth:`~popflip.golden.description.params.Learning.tau_in_epoch`, ends with the flips of a batch
that is not full, and is followed by the test set, in its order.
"""

import numpy as np

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.shifts import draw_shifts, shift_images
from popflip.golden.description.flash_image import FLASH_BYTES, Image, most_samples
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.packing import pack_samples, weights_from_bytes
from popflip.golden.description.params import Params
from popflip.golden.description.shuffle import shuffled
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import Machine
from popflip.golden.training.state import NetworkState
from popflip.golden.training.trainer import Trainer

__all__ = ["StandaloneTrainer", "first_state", "image_of"]


def first_state(params: Params) -> tuple[NetworkState, Lfsr]:
    """Draw the initial network; also return the generator, which goes on from there."""
    lfsr = Lfsr(params.standalone.state)
    weights, latents = [], []
    for layer in range(params.depth):
        shape = params.synapses(layer)
        drawn = lfsr.draw_many(params.regions.weights(layer).n_bytes, 8).astype(np.uint8)
        weights.append(weights_from_bytes(shape, drawn))
        latents.append(np.zeros((shape.rows, shape.row_bits), np.int16))
    return NetworkState(weights, latents, params.standalone.state), lfsr


class StandaloneTrainer(Trainer):
    """Train as a standalone board does.

    Parameters
    ----------
    params : Params
        ``standalone.seed`` decides everything that is random.
    data : Dataset
        Its first ``samples`` and ``test_samples`` images are those of the board's flash.
    machine : Machine
    samples, test_samples : int, optional
        As many as fit the flash if left out.
    """

    def __init__(
        self,
        params: Params,
        data: Dataset,
        machine: Machine,
        *,
        samples: int | None = None,
        test_samples: int | None = None,
    ):
        tests = test_samples or len(data.test_labels)
        most = most_samples(params, tests)
        if samples is None:
            samples = min(len(data.train_labels), most)
        if samples > most or samples < 1:
            raise InputError(
                f"samples must be 1 to {most}, which fit the flash beside {tests} test images, "
                f"not {samples}"
            )
        self._starts: list[int] = []
        super().__init__(
            params, data, machine,
            seed=params.standalone.seed, samples=samples, test_samples=test_samples,
        )  # fmt: skip

    def first_state(self) -> NetworkState:
        """State that the training begins with."""
        state, lfsr = first_state(self.params)
        self._starts = [lfsr.state]
        return state

    def _draw(self, epoch: int):
        """Order and shifts of an epoch."""
        while len(self._starts) <= epoch + 1:
            lfsr = Lfsr(self._starts[-1])
            self._draw_from(lfsr)
            self._starts.append(lfsr.state)
        return self._draw_from(Lfsr(self._starts[epoch]))

    def _draw_from(self, lfsr: Lfsr):
        key = lfsr.draw(self.params.standalone.order_bits)
        reach = self.params.learning.shift
        return key, draw_shifts(lfsr, self.samples, reach) if reach else None

    def epoch_samples(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input bits and labels of the training samples of an epoch, in their order."""
        key, shifts = self._draw(epoch)
        order = shuffled(self.samples, self.params.standalone.order_bits, key)
        images = self.data.train_images[order]
        if shifts is not None:
            images = shift_images(images, *shifts)
        return encode(images, self.params.network.thresholds), self.data.train_labels[order]


def image_of(
    params: Params,
    data: Dataset,
    samples: int | None = None,
    test_samples: int | None = None,
    flash_bytes: int = FLASH_BYTES,
) -> Image:
    """Pack a data set for the flash.

    Parameters
    ----------
    params : Params
    data : Dataset
    samples : int, optional
        Training images, the first so many; as many as fit if left out.
    test_samples : int, optional
        Test images, likewise; all if left out.
    flash_bytes : int
        Size of the flash.

    Raises
    ------
    ValueError
        If so many do not fit, or none do, or the images or labels are not those of the network.
    """
    check_data(params, data)
    tests = len(data.test_labels) if test_samples is None else test_samples
    most = min(most_samples(params, tests, flash_bytes), len(data.train_labels))
    if not 1 <= (samples if samples is not None else most) <= most:
        raise InputError(
            f"samples must be 1 to {most}, which fit beside {tests} test images into "
            f"{flash_bytes:,} bytes of flash from {params.standalone.flash_base:,} on, "
            f"not {samples}"
            if most > 0
            else f"{tests:,} test images of {params.sample_bytes} bytes leave no room for training "
            f"images in {flash_bytes:,} bytes of flash from {params.standalone.flash_base:,} on: "
            "take fewer"
        )
    parts = []
    for images, labels, n in (
        (data.train_images, data.train_labels, most if samples is None else samples),
        (data.test_images, data.test_labels, tests),
    ):
        x = encode(images[:n], params.network.thresholds)
        parts.append(pack_samples(params, x, labels[:n]))
    return Image(*parts)
