"""Samples that have arrived, as images and classes: what a run learns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popflip.golden.datasets.dataset import DataError
from popflip.golden.datasets.encoder import Encoder
from popflip.golden.datasets.labels import names_of_outputs, texts
from popflip.golden.datasets.preparation import prepare_to_predict
from popflip.golden.datasets.reading.raw import RawSamples, listed
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.scripts.training.streaming.parsing import Arrival, Values

__all__ = ["ClassNames", "Sample", "SampleEncoder"]


@dataclass(frozen=True, eq=False)
class Sample:
    """An arrival that a network can take.

    Attributes
    ----------
    number : int
        Of its line.
    image : ndarray of uint8, shape (height, width)
    label : int, optional
        Its class; None if nobody knows it.
    """

    number: int
    image: np.ndarray
    label: int | None


class ClassNames:
    """What a network's classes are called; a new one takes an output that is free.

    Parameters
    ----------
    names : sequence of str
        Those that are known, by number.
    outputs : int
        Classes that the network can tell apart.
    growing : bool
        Whether new names may come.

    Attributes
    ----------
    added : list of str
        Names that have come since.

    Examples
    --------
    >>> names = ClassNames(["cat", "dog"], outputs=3)
    >>> names.number("dog"), names.number("bird"), names.added
    (1, 2, ['bird'])
    """

    def __init__(self, names: Sequence[str], outputs: int, growing: bool = True):
        if len(names) > outputs:
            raise InputError(f"names must be at most {outputs}, as outputs, not {len(names)}")
        self._names, self._outputs, self._growing = list(names), outputs, growing
        self.added: list[str] = []

    @property
    def known(self) -> list[str]:
        """Names, by number."""
        return list(self._names)

    def name(self, number: int) -> str:
        """Return what a class is called; one that has no name yet by its number."""
        return names_of_outputs(self._names, self._outputs)[number]

    def number(self, label: Any) -> int:
        """Return the number of a class, a new one if need be.

        Raises
        ------
        DataError
            If it is not known, and cannot be a new one.
        """
        (name,) = texts(np.array([label]), "label").tolist()
        if name in self._names:
            return self._names.index(name)
        if not self._growing:
            raise DataError(f"label {name!r} is none of the classes: {listed(self._names)}")
        if len(self._names) == self._outputs:
            raise DataError(
                f"label {name!r} would be a new class, and the network's {self._outputs} outputs "
                f"are taken: {listed(self._names)}"
            )
        self._names.append(name)
        self.added.append(name)
        return len(self._names) - 1


class SampleEncoder:
    """What makes samples of arrivals, one network's.

    Parameters
    ----------
    params : Params
    encoder : Encoder, optional
        The network's; without one values have to be pixels from 0 to 255.
    classes : ClassNames
    """

    def __init__(self, params: Params, encoder: Encoder | None, classes: ClassNames):
        self._params, self._encoder, self.classes = params, encoder, classes

    def encode(self, arrivals: Sequence[Arrival]) -> list[Sample | Arrival]:
        """Make samples of arrivals; what cannot be one stays an arrival and says why."""
        images: dict[int, np.ndarray] = {}
        good = [arrival for arrival in arrivals if arrival.values is not None]
        # All at once if they are alike, which is faster; else one by one, to tell which is odd.
        try:
            if good:
                whole = self._images([arrival.values for arrival in good])
                images = {arrival.number: image for arrival, image in zip(good, whole, strict=True)}
        except InputError:
            images = {}
        found: list[Sample | Arrival] = []
        for arrival in arrivals:
            if arrival.values is None:
                found.append(arrival)
                continue
            try:
                image = images.get(arrival.number)
                if image is None:
                    (image,) = self._images([arrival.values])
                label = None if arrival.label is None else self.classes.number(arrival.label)
                found.append(Sample(arrival.number, image, label))
            except InputError as error:
                found.append(Arrival(arrival.number, why=str(error)))
        return found

    def _images(self, values: Sequence[Values | None]) -> np.ndarray:
        first = values[0]
        together: dict[str, np.ndarray] | np.ndarray
        if isinstance(first, dict):
            if any(not isinstance(each, dict) or {*each} != {*first} for each in values):
                raise DataError("samples have different columns")
            together = {name: _column([each[name] for each in values]) for name in first}  # type: ignore[index]
        else:
            arrays = [np.asarray(each) for each in values]
            if any(array.shape != arrays[0].shape for array in arrays):
                raise DataError("samples have different shapes")
            together = np.stack(arrays)
        samples = RawSamples(together, None, "x")
        return prepare_to_predict(samples, self._encoder, (), self._params)[0]


def _column(values: list) -> np.ndarray:
    kinds = {isinstance(value, str) for value in values}
    if len(kinds) > 1:
        raise DataError("a column must hold texts or numbers, not both")
    return np.array(values) if kinds == {True} else np.array(values, np.float64)
