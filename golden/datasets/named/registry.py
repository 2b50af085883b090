"""Data sets that have a name: published ones that are fetched, and those that packages ship.

This is the only module that knows a data set by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popflip.golden.datasets.formats import idx
from popflip.golden.datasets.named.download import fetch
from popflip.golden.datasets.named.published import FASHION_MNIST, MNIST, Published
from popflip.golden.datasets.reading.raw import DataError, RawData, RawSamples
from popflip.golden.support.cache import cache_folder

__all__ = ["DEFAULT", "NAMED", "Named", "cached_at", "of_published"]


@dataclass(frozen=True)
class Named:
    """A data set that has a name.

    Attributes
    ----------
    name : str
    about : str
        What it is, in a line.
    read : callable
        Returns the :class:`popflip.golden.datasets.reading.raw.RawData`.
    published : Published, optional
        What it must be, if its files are published ones.
    image : (int, int), optional
        Height and width of such a one's images.
    classes : int
        Its classes.
    package : str, optional
        The package that ships it.
    """

    name: str
    about: str
    read: Callable[[], RawData]
    published: Published | None = None
    image: tuple[int, int] | None = None
    classes: int = 0
    package: str | None = None


def cached_at(published: Published) -> Path:
    """Return the folder that the files of a published data set are in, or will be."""
    for folder in published.folders:
        if folder.is_dir():
            return folder
    return cache_folder() / "datasets" / published.name


def of_published(published: Published, about: str) -> Named:
    """Return a data set whose files are published, and are fetched when it is read first."""

    def read() -> RawData:
        folder = cached_at(published)
        if folder in published.folders:
            return idx.read_folder(folder, published.originals, published.title)
        # Compared with the originals there, so not again when they are read.
        fetch(folder, published)
        return idx.read_folder(folder)

    return Named(published.name, about, read, published=published, image=(28, 28), classes=10)


def _of_scikit_learn(name: str, about: str, function: str) -> Named:
    def read() -> RawData:
        try:
            # Imported where it is used: an extra, and a large one.
            from sklearn import datasets
        except ImportError:
            raise _lacking(name, "scikit-learn") from None
        found = getattr(datasets, function)()
        labels = np.asarray(found.target)
        if "images" in found:
            return RawData(RawSamples(found.images, labels, name), kind="images")
        columns = [str(column) for column in found.feature_names]
        table = dict(zip(columns, np.asarray(found.data).T, strict=True))
        names = np.asarray(found.target_names)
        return RawData(RawSamples(table, names[labels], name), kind="table")

    return Named(name, about, read, package="scikit-learn")


def _of_sktime(name: str, about: str, function: str) -> Named:
    def read() -> RawData:
        try:
            from sktime import datasets
        except ImportError:
            raise _lacking(name, "sktime") from None
        load = getattr(datasets, function)
        parts = []
        for part in ("train", "test"):
            values, labels = load(split=part, return_type="numpy3d")
            parts.append(RawSamples(np.asarray(values), np.asarray(labels, str), name))
        return RawData(*parts, kind="series")

    return Named(name, about, read, package="sktime")


def _lacking(name: str, package: str) -> DataError:
    return DataError(f"{name} comes with {package}: pip install 'popflip[datasets]'")


#: All data sets that have a name, by it.
NAMED = {
    named.name: named
    for named in (
        of_published(MNIST, "handwritten digits, 28 x 28 pixels, 60,000 and 10,000"),
        of_published(FASHION_MNIST, "pieces of clothing, 28 x 28 pixels, 60,000 and 10,000"),
        _of_scikit_learn("digits", "handwritten digits, 8 x 8 pixels, 1,797", "load_digits"),
        _of_scikit_learn("iris", "flowers, 4 features, 150", "load_iris"),
        _of_scikit_learn("wine", "wines, 13 features, 178", "load_wine"),
        _of_scikit_learn("breast-cancer", "tumours, 30 features, 569", "load_breast_cancer"),
        _of_sktime("basic-motions", "motions, 6 channels x 100, 40 and 40", "load_basic_motions"),
        _of_sktime("arrow-head", "outlines, 1 channel x 251, 36 and 175", "load_arrow_head"),
        _of_sktime("gun-point", "motions, 1 channel x 150, 50 and 150", "load_gunpoint"),
        _of_sktime(
            "italy-power-demand", "days, 1 channel x 24, 67 and 1,029", "load_italy_power_demand"
        ),
    )
}

#: What is learned if the user names nothing.
DEFAULT = MNIST.name
