"""Labels of any kind: what the classes are called, and their numbers.

A class is called by the text of its label. Classes are numbered in the order of their labels, whole
numbers by their size.
"""

import re
from collections.abc import Sequence

import numpy as np

from popflip.golden.datasets.reading.raw import DataError, listed

__all__ = ["MOST_CLASSES", "absent", "class_names", "names_of_outputs", "numbered", "texts"]

#: Classes that there may be: a label goes to the machine as a byte.
MOST_CLASSES = 256

_WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")


def texts(labels, source: str) -> np.ndarray:
    """Return labels as texts, one for each sample.

    Parameters
    ----------
    labels : array_like
        Whole numbers, texts or truth values, one for each sample, also below each other in a
        column; or one column for each class that holds 1 for the class of the sample and 0 else.
    source : str
        Where they are from, for messages.

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    DataError
        If one is missing, they are of several types, or are fractions.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        labels = _of_columns(labels, source)
    if labels.ndim != 1:
        raise DataError(
            f"{source}: labels must be one for each sample, of shape (n,), not {labels.shape}"
        )
    if labels.dtype.kind == "O":
        labels = _of_objects(labels, source)
    kind = labels.dtype.kind
    if kind == "f":
        _refuse_missing(np.isnan(labels), source)
        if not np.isfinite(labels).all() or (labels != np.floor(labels)).any():
            odd = labels[~np.isfinite(labels) | (labels != np.floor(labels))][0]
            raise DataError(
                f"{source}: labels must be classes (whole numbers or texts), not fractions such as "
                f"{odd}"
            )
        if np.abs(labels).max(initial=0) >= 1 << 62:
            raise DataError(f"{source}: labels must be less than 2**62, not {labels.max()}")
        return labels.astype(np.int64).astype(str)
    if kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    elif kind not in "biuU":
        raise DataError(
            f"{source}: labels must be whole numbers, texts or truth values, not {labels.dtype}"
        )
    labels = np.char.strip(labels.astype(str))
    _refuse_missing(labels == "", source)
    found = np.unique(labels)
    if all(_WHOLE.fullmatch(text) for text in found.tolist()):
        # 1, 01 and 1.0 are one class.
        same = {text: str(int(text.partition(".")[0])) for text in found.tolist()}
        if any(text != number for text, number in same.items()):
            return np.array([same[text] for text in labels.tolist()])
    return labels


def absent(labels) -> np.ndarray:
    """Return which samples have no label, where some have: an empty text, None or NaN.

    Parameters
    ----------
    labels : array_like
        As of :func:`texts`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.dtype.kind == "f":
        return np.isnan(labels)
    if labels.ndim == 1 and labels.dtype.kind in "SU":
        return np.char.strip(labels) == type(labels[0])()
    if labels.ndim == 1 and labels.dtype.kind == "O":
        return np.array([v is None or v != v or v in ("", b"") for v in labels.tolist()])
    return np.zeros(len(labels), bool)


def class_names(labels: np.ndarray, source: str) -> tuple[str, ...]:
    """Return what the classes are called, by number.

    Parameters
    ----------
    labels : ndarray of str
        Of all samples.
    source : str

    Raises
    ------
    DataError
        If there are less than 2 classes, or more than can be told apart.
    """
    found = np.unique(labels).tolist()
    if len(found) < 2:
        only = f": all samples are {found[0]!r}" if found else ""
        raise DataError(f"{source} must have at least 2 classes, not {len(found)}{only}")
    if len(found) > MOST_CLASSES:
        raise DataError(
            f"{source} must have at most {MOST_CLASSES} classes, not {len(found):,} "
            f"({listed(found, 4)}); check that its labels are classes"
        )
    if all(_WHOLE.fullmatch(text) for text in found):
        found.sort(key=int)
    return tuple(found)


def names_of_outputs(names: Sequence[str], outputs: int) -> list[str]:
    """Return what each class of a network is called; its number if it has no name.

    No two are called alike: where a class with a name is called by that number, the number has a
    word before it.

    Parameters
    ----------
    names : sequence of str
        Those that are known, by number.
    outputs : int
        Classes that the network can tell apart.

    Examples
    --------
    >>> names_of_outputs(["1", "2"], 4)
    ['1', '2', 'output 2', '3']
    """
    called = list(names[:outputs])
    for number in range(len(called), outputs):
        name = str(number)
        while name in called:
            name = f"output {name}"
        called.append(name)
    return called


def numbered(labels: np.ndarray, classes: tuple[str, ...], source: str) -> np.ndarray:
    """Return the number of each label.

    Raises
    ------
    DataError
        If a label is none of the classes.
    """
    number = {name: index for index, name in enumerate(classes)}
    unknown = sorted({*labels.tolist()} - {*number})
    if unknown:
        raise DataError(
            f"{source} has labels that the training samples lack: {listed(unknown, 6)}; the "
            f"classes are {listed(classes)}"
        )
    array = np.array([number[label] for label in labels.tolist()], np.uint8)
    array.flags.writeable = False
    return array


def _of_columns(labels, source):
    """Return the number of the column that holds the 1 of each row."""
    if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
        raise DataError(
            f"{source}: labels of shape {labels.shape} must have one 1 in each row and 0 else, a "
            "column for each class"
        )
    return labels.argmax(axis=1)


def _of_objects(labels, source):
    """Return an array of one type for one of Python's objects."""
    values = labels.tolist()
    # NaN, in which tables of other libraries have what is missing, is not equal to itself.
    _refuse_missing(np.array([v is None or v != v for v in values]), source)
    kinds = {type(value) for value in values}
    if kinds <= {str} or kinds <= {bool}:
        return np.array(values)
    if kinds <= {bytes}:
        return np.array([value.decode("utf-8", "replace") for value in values])
    if kinds <= {int, float} or all(issubclass(kind, np.number) for kind in kinds):
        return np.array(values, np.float64)
    names = " and ".join(sorted(kind.__name__ for kind in kinds))
    raise DataError(f"{source}: labels must be of one type, not {names}")


def _refuse_missing(missing, source):
    if missing.any():
        raise DataError(
            f"{source}: {int(missing.sum()):,} of {len(missing):,} labels are missing, the first "
            f"of sample {int(missing.argmax()) + 1:,}; fill them in, or remove those samples"
        )
