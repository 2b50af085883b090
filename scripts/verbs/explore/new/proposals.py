"""Networks that may suit a data set, before any of them has learned.

A *shape* is a network of which the number of first-layer neurons is open: how values become bits,
and what the neurons see. The :class:`~popflip.scripts.verbs.explore.new.budget.Budget` says how
many of them there is room for. Each shape is tried with several outputs per class and flip
thresholds. Shapes that the description or the hardware does not know drop out by themselves.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.description.sections.data import Data
from popflip.golden.training import calibration

__all__ = [
    "Shape",
    "Ways",
    "calibrated",
    "chosen_epochs",
    "epochs_for",
    "growth_over",
    "proposals",
    "shapes_for",
]

#: Outputs of a class, and the flip thresholds that are tried with them; the first are the usual.
Ways = dict[int, tuple[tuple[int, int], ...]]
_USUAL: Ways = {4: ((8, 4), (16, 8)), 10: ((16, 8),), 1: ((8, 4),)}

#: Of few samples each counts many times: what flips a weight has to be said more often.
_FEW_SAMPLES: Ways = {4: ((16, 8), (24, 12)), 10: ((16, 8),)}

#: The many hidden neurons of large images tell each output enough. Of few classes one output each
#: would still be too little to learn from.
_LARGE: Ways = {1: ((14, 6), (16, 3))}
_LARGE_FEW_CLASSES: Ways = {4: ((14, 6), (8, 4))}
_MANY_CLASSES = 5

#: Thermometer codes: evenly spaced thresholds, so many of them.
_EIGHTHS = [31, 63, 95, 127, 159, 191, 223]
_QUARTERS = [63, 127, 191]
_THIRDS = [85, 170]
_HALVES = [127]

#: Images up to this side are small: each pixel counts, and none may be moved away.
_SMALL_SIDE = 16

#: Of images from this side on a smaller copy is tried, too: so many sevenths of each side. Windows
#: of it see as much with half the weights, which leaves room for finer shades.
_RESIZED_SIDE, _SEVENTHS = 24, 5

#: Shades of such a copy: between those of a pen and of paper its pixels are grey.
_TWO_SHADES, _THREE_SHADES = [60, 150], [50, 110, 180]

#: Offsets that a neuron of a time series takes the best of, at most: as many as hardware can pool.
_MOST_POOLED = 16

#: Samples, those of all epochs, that a network is trained with briefly; within these epochs.
SAMPLES = 40_000
EPOCHS = (5, 60)

#: Epochs that are worth their time for the network that was chosen, at least.
CHOSEN_EPOCHS = 30

#: By what flip thresholds grow in the course of a training.
_GROWTH = 3.0


#: What gains are multiplied by, and those of the feedback, if a network is to be loud.
_LOUDER, _FEEDBACK = 1.5, 0.5


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
    ways : dict of int to tuple of (int, int)
        Outputs of a class, and the flip thresholds that are tried with them.
    learning, dynamics : dict
        What these sections have besides.
    loud : tuple of bool
        Whether what neurons receive is calibrated louder (:func:`calibrated`); each way is tried.
    resized : bool
        Whether images are stretched to the size that ``network`` names.
    """

    title: str
    network: dict
    most: int
    ways: Ways = field(default_factory=lambda: _USUAL)
    learning: dict = field(default_factory=dict)
    dynamics: dict = field(default_factory=dict)
    loud: tuple[bool, ...] = (False,)
    resized: bool = False

    @property
    def windowed(self) -> bool:
        """Whether neurons see windows."""
        return "window" in self.network

    def reading(self, data: Data) -> Data:
        """Section ``data`` with which its samples are read."""
        return data.model_copy(update={"resize": "stretch"}) if self.resized else data

    def sized(self, size: int) -> dict:
        """Section ``network`` with so many neurons at a position."""
        return self.network | ({"features": size} if self.windowed else {"hidden": [size]})


def epochs_for(samples: int) -> int:
    """Epochs that a data set of so many samples is trained for."""
    least, most = EPOCHS
    return min(max(least, -(-SAMPLES // samples)), most)


def few(epochs: int) -> bool:
    """Whether there are so few samples that they take all the epochs."""
    return epochs >= EPOCHS[1]


def chosen_epochs(samples: int) -> int:
    """Epochs that a network which was chosen is trained for."""
    return max(epochs_for(samples), CHOSEN_EPOCHS)


def shapes_for(
    kind: str, image: tuple[int, int], classes: int = 10, epochs: int = 5
) -> list[Shape]:
    """List shapes for data of a kind, the most promising first.

    Parameters
    ----------
    kind : {"table", "series", "images"}
    image : (int, int)
        Height and width.
    classes : int
    epochs : int
        Of a brief training, from :func:`epochs_for`.
    """
    usual = {"ways": _FEW_SAMPLES if few(epochs) else _USUAL}

    def dense(thresholds, most, **options):
        title = f"dense, {_bits(thresholds)}"
        return Shape(
            title, {"image": list(image), "thresholds": thresholds}, most, **(usual | options)
        )

    def windows(thresholds, window, stride, most, pool=(1, 1), size=image, **options):
        title = f"windows {window[0]} x {window[1]}, {_bits(thresholds)}"
        network: dict = {
            "image": list(size), "thresholds": thresholds, "first": "local",
            "window": _short(window), "stride": _short(stride),
        }  # fmt: skip
        if max(pool) > 1:
            title += f", best of {pool[0]} x {pool[1]}"
            network["pool"] = _short(pool)
        if size != image:
            title += f", of images of {size[0]} x {size[1]}"
            options["resized"] = True
        return Shape(title, network, most, **(usual | options))

    if kind == "table":
        # Where memory is short, fewer neurons cost less accuracy than fewer steps of a value.
        # Of few samples many neurons learn each by heart: on kept samples of breast-cancer 64 beat
        # 256 (popflip new --data breast-cancer --memory 600000, seeds 1 and 2, both tried).
        narrow = dense(_EIGHTHS, 64)
        return [narrow] if few(epochs) else [dense(_EIGHTHS, 256), narrow]
    if kind == "series":
        channels, length = image
        long, short = max(2, length // 4), max(2, round(0.1 * length))
        return [
            dense(_EIGHTHS, 512),
            # A motion is one wherever it begins, and all channels tell of it.
            windows(
                _EIGHTHS, [channels, short], [channels, short], 64,
                (1, min(2 * short, _MOST_POOLED)),
            ),
            windows(_EIGHTHS, [1, long], [1, max(1, long // 2)], 32),
            dense(_QUARTERS, 256),
        ]  # fmt: skip
    side = min(image)
    if side <= _SMALL_SIDE:
        window, pooled = max(2, round(0.6 * side)), max(2, round(0.5 * side))
        step = max(1, window // 5)
        return [
            windows(_EIGHTHS, [pooled] * 2, [step] * 2, 32, (3, 3)),
            dense(_EIGHTHS, 512),
            windows(_EIGHTHS, [window] * 2, [step] * 2, 64),
            windows(_QUARTERS, [pooled] * 2, [step] * 2, 32, (3, 3)),
        ]
    large: dict = {"learning": {"shift": 1, "latent_bits": 8}}
    if not few(epochs):
        large["ways"] = _LARGE if classes >= _MANY_CLASSES else _LARGE_FEW_CLASSES
    one_bit = large
    if not few(epochs) and classes >= _MANY_CLASSES:
        # Often better, and at times the end of all learning: which it is shows at once.
        one_bit = large | {"loud": (True, False)}
    grey: dict = dict(large)
    if not few(epochs) and classes >= _MANY_CLASSES:
        # Pictures that need their shades are hard, and take slower flips.
        grey["ways"] = {1: (*_LARGE[1], (28, 12))}
    wide, small = [round(0.36 * side)] * 2, [round(0.29 * side)] * 2
    fine, coarse = [max(2, round(side / 14))] * 2, [round(3 * side / 28)] * 2
    resized = []
    if side >= _RESIZED_SIDE:
        size = (image[0] * _SEVENTHS // 7, image[1] * _SEVENTHS // 7)
        tall = round(0.35 * min(size))
        apart = [max(1, min(size) // 10)] * 2
        slow: dict = dict(one_bit)
        if not few(epochs):
            slow["ways"] = {copies: (*ways, (24, 4)) for copies, ways in large["ways"].items()}
        resized = [
            windows(_THREE_SHADES, [tall, tall], apart, 40, (3, 3), size, **grey),
            # The weaker the feedback, the less noise in the end, where neurons are few.
            windows(
                _TWO_SHADES, [tall - 1, tall - 1], apart, 40, (3, 3), size,
                dynamics={"potential_bits": 7, "feedback_gains": [1]},
                **slow | {"loud": (True,)},
            ),
        ]  # fmt: skip
    return [
        *resized,
        windows(_THIRDS, wide, fine, 32, (3, 3), **large),
        windows(_QUARTERS, small, fine, 32, (3, 3), **grey),
        windows(_HALVES, wide, coarse, 32, (3, 3), **one_bit),
        # Pooling takes logic, of which the smallest boards have little: shorter potentials save it.
        windows(_HALVES, small, coarse, 32, (3, 3), dynamics={"potential_bits": 7}, **one_bit),
        windows(_HALVES, wide, coarse, 32, **one_bit),
        dense(_HALVES, 512, **large),
    ]


def _short(pair) -> int | list[int]:
    """One number for two that are equal."""
    return pair[0] if pair[0] == pair[1] else list(pair)


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
        Classes, and outputs of each: one of the shape's ways.
    data : Data
        Section ``data`` of the images as they are.
    machine : dict
        Section ``machine``.
    epochs : int
        What flip thresholds grow over.
    """
    shared = bool(machine.get("shared_update"))
    for tau in shape.ways[copies]:
        tree = {
            "network": shape.sized(size) | {"classes": classes, "copies": copies},
            # They take about as much logic as those that suit the data.
            "dynamics": {
                "gains": [1, 8] if shared else [27, 15],
                "feedback_gains": [2 if shared else 25],
                "threshold": 9 if shared else 117,
                "active_bound": copies,
            }
            | shape.dynamics,
            "learning": {
                "beta": 8,
                "latent_bits": 7,
                "tau": list(tau),
                "tau_growth": growth_over(epochs),
                "batch": 1 if shared or few(epochs) else 8,
            }
            | shape.learning,
            "machine": machine,
            "standalone": {"epochs": epochs},
            "data": shape.reading(data).model_dump(mode="json"),
        }
        try:
            yield Params.build(tree)
        except ParamsError:
            continue


def growth_over(epochs: int) -> float:
    """Percent by which flip thresholds grow per epoch in a training of so many."""
    return round(100 * (_GROWTH ** (1 / epochs) - 1), 2)


def calibrated(params: Params, dataset: Dataset, seed: int, loud: bool = False) -> Params:
    """Return a network with gains and a threshold that suit the training samples.

    Multiples take logic, of which the FPGA of a machine with ``shared_update`` has little. There
    the hidden gain is 1, or the least power of two at which the feedback is not lost, and the
    output gain the power of two below: learning makes sums greater by itself.

    Parameters
    ----------
    params : Params
    dataset : Dataset
    seed : int
    loud : bool
        Whether gains are half as much again, and those of the feedback half. So large images of one
        bit a value are learned better from many epochs, though more neurons are active at first.
    """
    images = dataset.train_images[: calibration.SAMPLES]
    labels = np.asarray(dataset.train_labels[: len(images)])
    found = calibration.calibrate(params, input_of(params.network, images), labels, seed).params
    d = found.dynamics
    gain, last = d.gains
    (feedback,) = d.feedback_gains or (gain,)
    if loud:
        gain, last = round(_LOUDER * gain), round(_LOUDER * last)
        feedback = max(1, round(_FEEDBACK * feedback))
    chosen: dict = {"gains": [gain, last], "feedback_gains": [feedback]}
    if params.machine.shared_update:
        # What a hidden neuron hears has no unit of its own: that of an input bit will mostly do.
        unit = 1
        while 2 * feedback * unit < gain:
            unit *= 2
        chosen = {
            "gains": [unit, 1 << int(math.log2(last))],
            "feedback_gains": [max(1, round(feedback * unit / gain))],
            "threshold": math.ceil(d.hidden_threshold * unit / gain),
        }
    return found.replace(dynamics=chosen)
