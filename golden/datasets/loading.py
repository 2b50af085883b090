"""Where a data set comes from: its name, any file or folder of a known format, or arrays."""

import importlib
import os
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from popflip.golden.datasets import formats
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.formats import idx
from popflip.golden.datasets.named.registry import DEFAULT, NAMED
from popflip.golden.datasets.preparation import prepare
from popflip.golden.datasets.reading.raw import DataError, RawData, RawSamples, Wanted
from popflip.golden.description.params import Params
from popflip.golden.support.files import file_errors

__all__ = ["from_arrays", "is_data", "is_there", "known_formats", "load", "place_of", "read_raw"]


def known_formats() -> list[ModuleType]:
    """Modules of :mod:`popflip.golden.datasets.formats`, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(formats.__path__))
    modules = (importlib.import_module(f"{formats.__name__}.{name}") for name in names)
    return [module for module in modules if hasattr(module, "can_read")]


def load(
    name_or_path: str | os.PathLike = DEFAULT,
    folder: str | os.PathLike | None = None,
    params: Params | None = None,
) -> Dataset:
    """Load a data set, fetching it first if it is a published one.

    Parameters
    ----------
    name_or_path : str or path
        A name of :data:`popflip.golden.datasets.named.registry.NAMED`, or a file or folder of any
        :func:`known format <known_formats>`.
    folder : path, optional
        Where to find the data set instead of the cache; nothing is fetched then, and the files of a
        published one must be the published ones.
    params : Params, optional
        Of the network that is to learn it. Their section ``data`` says which column of a table
        holds the labels, how values become pixels, and so on.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the data set cannot be found, fetched, read or learned, or its parts do not fit together.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> images = np.arange(20 * 64, dtype=np.uint8).reshape(20, 8, 8)
    >>> labels = np.arange(20, dtype=np.uint8) % 10
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     idx.write(folder, Dataset("mine", images, labels, images[:10], labels[:10]))
    ...     dataset = load(folder)
    >>> dataset.train_images.shape, dataset.test_labels
    ((20, 8, 8), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=uint8))
    """
    raw, name = read_raw(name_or_path, folder, params)
    source = place_of(name_or_path if folder is None else folder)
    return prepare(raw, name, params, source)


def read_raw(
    name_or_path: str | os.PathLike,
    folder: str | os.PathLike | None = None,
    params: Params | None = None,
    unlabelled: bool = False,
) -> tuple[RawData, str]:
    """Read a data set as its files have it; also return what to call it.

    Parameters
    ----------
    name_or_path, folder, params
        As of :func:`load`.
    unlabelled : bool
        Whether samples without labels will do.
    """
    named = NAMED.get(str(name_or_path))
    if named is not None and folder is None:
        return named.read(), named.name
    if named is not None and named.published is not None:
        assert folder is not None
        published = named.published
        return idx.read_folder(_path(folder), published.originals, published.title), named.name
    path = _path(name_or_path if folder is None else folder)
    wanted = Wanted(unlabelled=unlabelled)
    if params is not None:
        data = params.data
        wanted = Wanted(data.label, data.ignore, unlabelled, data.resize, params.network.image)
    with file_errors(path):
        for module in known_formats():
            if module.can_read(path):
                name = path.resolve().name if folder is None else str(name_or_path)
                return module.read(path, wanted), name
    known = f"name {', '.join(NAMED)}; or {_titles()}"
    if path.exists():
        raise DataError(f"{path} holds no data set; {known}")
    if folder is not None:
        raise DataError(f"there is no file or folder {path}; {known}")
    raise DataError(f"there is no data set or folder {str(name_or_path)!r}; {known}")


def is_there(name_or_path: str | os.PathLike) -> bool:
    """Whether there is anything at a path, or files that begin with its last part."""
    path = _path(name_or_path)
    return path.exists() or is_data(path)


def is_data(path: Path) -> bool:
    """Whether a file or folder is of a known format, by a look at it."""
    return any(module.can_read(path) for module in known_formats())


def place_of(name_or_path: str | os.PathLike) -> str:
    """Return what finds a data set again from any folder: its name, or its whole path."""
    if str(name_or_path) in NAMED:
        return str(name_or_path)
    return str(_path(name_or_path).absolute())


def from_arrays(
    values,
    labels: Sequence,
    test: tuple | None = None,
    *,
    name: str = "arrays",
    columns: Sequence[str] | None = None,
    params: Params | None = None,
) -> Dataset:
    """Make a data set of arrays, as scikit-learn and Keras have them.

    Parameters
    ----------
    values : array_like of numbers
        Samples along the first axis. Of shape ``(n, values)``: a table of features. Of shape
        ``(n, height, width)``: grey images, or time series with a row for each channel (say so with
        ``data.per = "row"``). Of shape ``(n, height, width, colours)`` with 1, 3 or 4 colours, or
        ``(n, 1, height, width)``: images, which become grey. Pixels of type ``uint8`` are taken as
        they are; whole numbers of other types, fractions and truth values are scaled as section
        ``data`` of ``params`` says. None may be missing (NaN) or infinite.
    labels : array_like, shape (n,), (n, 1) or (n, classes)
        The class of each sample: whole numbers, texts or truth values; or a 1 in the column of its
        class. At least 2 classes, at most 256.
    test : (values, labels), optional
        Samples to test with, of the same shape. If left out, some of each class are drawn
        (``data.test_percent``, ``data.seed``).
    name : str
        What to call the data set.
    columns : sequence of str, optional
        Names of a table's features. A network that was trained with names looks for them in a file
        that it is to predict.
    params : Params, optional
        Of the network that is to learn it.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If arrays are of other shapes or types, do not fit together, or cannot be learned.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> weight = rng.normal(size=(40, 3))
    >>> data = from_arrays(weight, np.where(weight[:, 0] > 0, "heavy", "light"))
    >>> data.train_images.shape, data.test_images.shape, data.classes
    ((32, 1, 3), (8, 1, 3), ('heavy', 'light'))
    """
    parts = [_samples(values, labels, columns, name)]
    if test is not None:
        if len(test) != 2:
            raise DataError(f"test must be values and labels, not {len(test)} arrays")
        parts.append(_samples(*test, columns, f"the test part of {name}"))
    return prepare(RawData(*parts), name, params)


def _samples(values, labels, columns, source) -> RawSamples:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        raise DataError(f"{source}: all samples must have one shape") from None
    if array.ndim == 0:
        raise DataError(f"{source}: values must be an array with an axis for samples, not {values}")
    labels = np.asarray(labels)
    if labels.ndim == 0 or len(labels) != len(array):
        count = len(labels) if labels.ndim else "one in all"
        raise DataError(
            f"{source} must have a label for each of its {len(array):,} samples, not {count}"
        )
    if columns is None:
        return RawSamples(array, labels, source)
    names = [str(column) for column in columns]
    if array.ndim != 2 or len({*names}) != array.shape[1]:
        raise DataError(
            f"{source}: columns must name each of the values of shape (n, {len(names)}) once, not "
            f"of shape {array.shape}"
        )
    return RawSamples(dict(zip(names, array.T, strict=True)), labels, source)


def _titles() -> str:
    return " or ".join(module.TITLE for module in known_formats())


def _path(name) -> Path:
    # pathlib's own way of doing it fails for users that do not exist.
    return Path(os.path.expanduser(name))
