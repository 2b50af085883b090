"""From what a reader returned to a data set: labels numbered, samples split, values encoded."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoder import Encoder, fit_encoder
from popflip.golden.datasets.labels import absent, class_names, numbered, texts
from popflip.golden.datasets.reading.raw import DataError, RawData, RawSamples, Unlabelled, listed
from popflip.golden.datasets.reading.values import checked
from popflip.golden.datasets.splits import draw_split, shuffled_order
from popflip.golden.description.params import Params
from popflip.golden.description.sections.data import Data

__all__ = ["prepare", "prepare_to_predict", "taken"]


def prepare(
    raw: RawData, name: str, params: Params | None = None, source: str | None = None
) -> Dataset:
    """Make a data set of what a reader returned.

    Parameters
    ----------
    raw : RawData
    name : str
    params : Params, optional
        Their section ``data`` says how; and the shape of ``network.image``, which values of as many
        pixels are brought into.
    source : str, optional
        What the data set is found by again.

    Raises
    ------
    DataError
        If it cannot be learned: labels or values are missing, there is one class only, and so on.
    """
    data = params.data if params else Data()
    image = params.network.image if params else None
    parts = [checked(part) for part in (raw.train, raw.test) if part is not None]
    labels = [_labels(part) for part in parts]
    told = list(raw.warnings)
    if raw.test is None:
        try:
            for_train, for_test = draw_split(labels[0], data.test_percent, data.seed)
        except DataError as error:
            raise DataError(f"{raw.train.source}: {error}") from None
        parts = [taken(parts[0], which) for which in (for_train, for_test)]
        labels = [labels[0][for_train], labels[0][for_test]]
    elif not raw.ordered:
        order = shuffled_order(len(raw.train), data.seed)
        parts[0], labels[0] = taken(parts[0], order), labels[0][order]
    classes = class_names(np.concatenate(labels), raw.train.source)
    told += _rare(classes, labels)
    encoder, odd = fit_encoder(parts[0], data, raw.kind, image)
    images = [encoder.encode(part) for part in parts]
    if len(images[0]) > 1 and (images[0] == images[0][:1]).all():
        raise DataError(
            f"{raw.train.source} must have values that differ: each one is the same in all "
            "training samples"
        )
    numbers = [
        numbered(each, classes, part.source) for each, part in zip(labels, parts, strict=True)
    ]
    return Dataset(
        name, images[0], numbers[0], images[1], numbers[1], classes=classes, encoder=encoder,
        source=source, warnings=tuple(told + odd),
    )  # fmt: skip


def prepare_to_predict(
    samples: RawSamples, encoder: Encoder | None, classes: Sequence[str], params: Params
) -> tuple[np.ndarray, np.ndarray | None]:
    """Make images of samples for a network that is trained, as its training data were made.

    Parameters
    ----------
    samples : RawSamples
    encoder : Encoder, optional
        The network's; of an older checkpoint without one the samples must be pixels.
    classes : sequence of str
        What its classes are called.
    params : Params

    Returns
    -------
    images : ndarray of uint8, shape (n, height, width)
    labels : ndarray of uint8, shape (n,), optional
        None if the samples have no labels, or not all of them have one.
    """
    if encoder is None:
        encoder, _ = fit_encoder(
            samples, params.data.model_copy(update={"scale": "none"}), image=params.network.image
        )
    images = encoder.encode(samples)
    if images.shape[1:] != params.network.image:
        raise DataError(
            f"network.image must be {images.shape[1]} x {images.shape[2]} for {samples.source}, "
            f"not {params.network.image[0]} x {params.network.image[1]}"
        )
    if samples.labels is None or absent(samples.labels).any():
        return images, None
    return images, numbered(_labels(samples), tuple(classes), samples.source)


def taken(samples: RawSamples, which: np.ndarray) -> RawSamples:
    """Return some samples, by their numbers."""
    values = samples.values
    if isinstance(values, dict):
        values = {name: column[which] for name, column in values.items()}
    else:
        values = values[which]
    return replace(
        samples, values=values,
        labels=None if samples.labels is None else np.asarray(samples.labels)[which],
        names=tuple(samples.names[i] for i in which) if samples.names else (),
    )  # fmt: skip


def _labels(samples: RawSamples) -> np.ndarray:
    if samples.labels is None:
        raise Unlabelled(f"{samples.source} has no labels: what is to be learned of it?")
    labels = texts(samples.labels, samples.source)
    if len(labels) != len(samples):
        raise DataError(
            f"{samples.source} must have a label for each of its {len(samples):,} samples, not "
            f"{len(labels):,}"
        )
    return labels


def _rare(classes, labels) -> list[str]:
    """Say which classes one part lacks."""
    told = []
    for part, other in (("training", labels[0]), ("test", labels[1])):
        lacking = sorted({*classes} - {*other.tolist()})
        if lacking:
            told.append(f"no {part} sample of class {listed(lacking)}")
    return told
