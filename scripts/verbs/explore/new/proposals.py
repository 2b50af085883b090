"""Networks that may suit a data set, before any of them has learned.

A *shape* is a network of which the number of first-layer neurons is open: how values become bits,
and what the neurons see. The :class:`~popflip.scripts.verbs.explore.new.budget.Budget` says how
many of them there is room for. Each shape is tried with several outputs per class and flip
thresholds. Shapes that the description or the hardware does not know drop out by themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.description.sections.data import Data
from popflip.golden.training import calibration

__all__ = ["COPIES", "Shape", "calibrated", "epochs_for", "proposals", "shapes_for"]

#: Outputs of a class, and the flip thresholds that are tried with them; the first are the usual.
COPIES: dict[int, tuple[tuple[int, int], ...]] = {
    4: ((8, 4), (16, 8)),
    10: ((16, 8),),
    1: ((8, 4),),
}

#: Thermometer codes: evenly spaced thresholds, so many of them.
_EIGHTHS = [31, 63, 95, 127, 159, 191, 223]
_QUARTERS = [63, 127, 191]
_THIRDS = [85, 170]
_HALVES = [127]

#: Images up to this side are small: each pixel counts, and none may be moved away.
_SMALL_SIDE = 16

#: Samples, those of all epochs, that a network is trained with; within these epochs.
SAMPLES = 40_000
EPOCHS = (5, 150)

#: Least flip threshold of the first layer for so few samples that they take all the epochs.
_FEW_TAU = 16

#: By what flip thresholds grow in the course of a training.
_GROWTH = 3.0


@dataclass(frozen=True)
class Shape:
    """A network with an open number of first-layer neurons.

    Parameters
    ----------
    title : str
        What tables call it.
    network : dict
        Section ``network``, but for ``hidden`` or ``features``.
    most : int
        Neurons at a position (of a dense layer: in all) beyond which nothing is gained.
    shift : int
        ``learning.shift``.
    """

    title: str
    network: dict
    most: int
    shift: int = 0

    @property
    def windowed(self) -> bool:
        """Whether neurons see windows."""
        return "window" in self.network

    def sized(self, size: int) -> dict:
        """Section ``network`` with so many neurons at a position."""
        return self.network | ({"features": size} if self.windowed else {"hidden": [size]})


def epochs_for(samples: int) -> int:
    """Epochs that a data set of so many samples is trained for."""
    least, most = EPOCHS
    return min(max(least, -(-SAMPLES // samples)), most)


def shapes_for(kind: str, image: tuple[int, int]) -> list[Shape]:
    """List shapes for data of a kind, the most promising first.

    Parameters
    ----------
    kind : {"table", "series", "images"}
    image : (int, int)
        Height and width.
    """

    def dense(thresholds, most):
        title = f"dense, {_bits(thresholds)}"
        return Shape(title, {"image": list(image), "thresholds": thresholds}, most)

    def windows(thresholds, window, stride, most, shift=0):
        sides = window if isinstance(window, list) else [window, window]
        title = f"windows {sides[0]} x {sides[1]}, {_bits(thresholds)}"
        network = {
            "image": list(image), "thresholds": thresholds, "first": "local", "window": window,
            "stride": stride,
        }  # fmt: skip
        return Shape(title, network, most, shift)

    if kind == "table":
        return [dense(_EIGHTHS, 256), dense(_QUARTERS, 256)]
    if kind == "series":
        long = max(2, image[1] // 4)
        return [
            dense(_EIGHTHS, 512),
            windows(_EIGHTHS, [1, long], [1, max(1, long // 2)], 32),
            dense(_QUARTERS, 256),
        ]
    side = min(image)
    if side <= _SMALL_SIDE:
        window = max(2, round(0.6 * side))
        return [
            dense(_EIGHTHS, 512),
            windows(_EIGHTHS, window, max(1, window // 5), 64),
            dense(_QUARTERS, 512),
        ]
    window = round(0.36 * side)
    return [
        windows(_THIRDS, window, 2, 20, 1),
        windows(_HALVES, window, 3, 20, 1),
        dense(_HALVES, 512),
    ]


def _bits(thresholds: list[int]) -> str:
    return f"{len(thresholds)} bit{'s' * (len(thresholds) > 1)} a value"


def proposals(
    shape: Shape, size: int, classes: int, copies: int, data: Data, machine: dict, epochs: int
) -> Iterator[Params]:
    """Yield the networks that a shape is tried as; none if there can be no such network.

    Parameters
    ----------
    shape : Shape
    size : int
        Neurons at a position.
    classes, copies : int
        Classes, and outputs of each: one of :data:`COPIES`.
    data : Data
    machine : dict
        Section ``machine``.
    epochs : int
        What flip thresholds grow over.
    """
    shared = bool(machine.get("shared_update"))
    # Of few samples each counts many times: what flips a weight has to be said more often.
    few = epochs >= EPOCHS[1]
    for tau in COPIES[copies]:
        if few and tau[0] < _FEW_TAU:
            continue
        tree = {
            "network": shape.sized(size) | {"classes": classes, "copies": copies},
            "dynamics": {"gains": [16, 8], "active_bound": copies},
            "learning": {
                "beta": 8,
                "latent_bits": 7,
                "tau": list(tau),
                "tau_growth": round(100 * (_GROWTH ** (1 / epochs) - 1), 2),
                "batch": 1 if shared or few else 8,
                "shift": shape.shift,
            },
            "machine": machine,
            "standalone": {"epochs": epochs},
            "data": data.model_dump(mode="json"),
        }
        try:
            yield Params.build(tree)
        except ParamsError:
            continue


def calibrated(params: Params, dataset: Dataset, seed: int) -> Params:
    """Return a network with gains and a threshold that suit the training samples."""
    images = dataset.train_images[: calibration.SAMPLES]
    labels = np.asarray(dataset.train_labels[: len(images)])
    return calibration.calibrate(params, input_of(params.network, images), labels, seed).params
