"""What a data set holds, and what would be wrong with it, before anybody trains on it."""

from dataclasses import dataclass

import numpy as np

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.labels import texts
from popflip.golden.datasets.preparation import prepare
from popflip.golden.datasets.reading.raw import RawData, RawSamples, listed
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["Feature", "Inspection", "inspect"]

#: Samples whose input bits are counted, at most.
COUNTED = 2000


@dataclass(frozen=True)
class Feature:
    """A column of a table, or all values of samples that are no table.

    Attributes
    ----------
    name : str
    kind : {"numbers", "texts"}
    low, high : float, optional
        Of numbers.
    different : int
        Values that differ from each other.
    missing : int
    """

    name: str
    kind: str
    low: float | None
    high: float | None
    different: int
    missing: int


@dataclass(frozen=True)
class Inspection:
    """What a data set holds.

    Attributes
    ----------
    samples : int
        In all.
    has_test : bool
        Whether the data set says which samples are for the test.
    shape : tuple of int
        Of the values of all samples of the training part.
    type : str
        NumPy's name of their type.
    features : tuple of Feature
    classes : dict of str to (int, int)
        Samples of each for training and for the test; empty if the labels cannot be used.
    guessed : float, optional
        Error in percent of one who always says the most frequent class.
    lit : float, optional
        Share of input bits that are 1, in percent.
    problems : tuple of str
        Why nobody can train on it.
    warnings : tuple of str
        What is odd.
    dataset : Dataset, optional
        What a network would learn from; None if there are problems.
    """

    samples: int
    has_test: bool
    shape: tuple[int, ...]
    type: str
    features: tuple[Feature, ...]
    classes: dict[str, tuple[int, int]]
    guessed: float | None
    lit: float | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    dataset: Dataset | None


def inspect(raw: RawData, name: str, params: Params | None = None, fits: bool = True) -> Inspection:
    """Look at what a reader returned.

    Parameters
    ----------
    raw : RawData
    name : str
    params : Params, optional
        Of the network that is to learn it.
    fits : bool
        Whether it has to fit that network.
    """
    parts = [part for part in (raw.train, raw.test) if part is not None]
    features = _features(raw.train)
    problems, warnings, dataset = [], list(raw.warnings), None
    try:
        dataset = prepare(raw, name, params)
        if params is not None and fits:
            check_data(params, dataset)
    except InputError as error:
        problems.append(str(error))
    lacking = [f"{each.name} ({each.missing:,})" for each in features if each.missing]
    if len(lacking) > 1:
        problems.append(f"values are missing in {listed(lacking)}")
    values = raw.train.values
    classes, guessed, lit = _classes(raw, dataset), None, None
    if dataset is not None:
        warnings = list(dataset.warnings)
        counts = np.bincount(dataset.test_labels)
        guessed = 100 * (1 - counts.max() / counts.sum())
        if params is not None and dataset.train_images.shape[1:] == params.network.image:
            bits = input_of(params.network, dataset.train_images[:COUNTED])
            lit = 100 * float(bits.mean()) / (255 if bits.dtype == np.uint8 else 1)
        else:
            lit = 100 * float((dataset.train_images[:COUNTED] > 127).mean())
        # Rows of numbers have no background.
        pictures = not isinstance(values, dict) and values.ndim > 2
        if pictures and lit > 50:
            warnings.append(
                f"{lit:.0f} % of the input bits are 1, and should be few: if the background is "
                "bright, set data.invert = true"
            )
    return Inspection(
        samples=sum(map(len, parts)), has_test=raw.test is not None,
        shape=(len(raw.train), len(values)) if isinstance(values, dict) else values.shape,
        type="columns" if isinstance(values, dict) else str(values.dtype), features=features,
        classes=classes, guessed=guessed, lit=lit, problems=tuple(problems),
        warnings=tuple(warnings), dataset=dataset,
    )  # fmt: skip


def _features(samples: RawSamples) -> tuple[Feature, ...]:
    if isinstance(samples.values, dict):
        return tuple(_feature(name, column) for name, column in samples.values.items())
    return (_feature("all values", samples.values),)


def _feature(name: str, values: np.ndarray) -> Feature:
    if values.dtype.kind not in "biuf":
        texts_of = values.astype(str)
        missing = int((texts_of == "").sum())
        return Feature(name, "texts", None, None, len(np.unique(texts_of)), missing)
    there = values[np.isfinite(values)]
    low, high = (float(there.min()), float(there.max())) if there.size else (None, None)
    missing = int(values.size - there.size)
    return Feature(name, "numbers", low, high, len(np.unique(there)), missing)


def _classes(raw: RawData, dataset: Dataset | None) -> dict[str, tuple[int, int]]:
    """Count the samples of each class, also where the values cannot be used."""
    if dataset is not None:
        names = dataset.class_names(dataset.n_classes)
        counted = [
            np.bincount(labels, minlength=len(names)).tolist()
            for labels in (dataset.train_labels, dataset.test_labels)
        ]
        return {name: (a, b) for name, a, b in zip(names, *counted, strict=True)}
    found: dict[str, list[int]] = {}
    for index, part in enumerate((raw.train, raw.test)):
        if part is None or part.labels is None:
            continue
        try:
            labels = texts(part.labels, part.source)
        except InputError:
            return {}
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            found.setdefault(str(label), [0, 0])[index] = int(count)
    return {label: (a, b) for label, (a, b) in found.items()}
