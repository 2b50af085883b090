"""Tables: which column holds the labels, and which the values."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from popflip.golden.datasets.reading.parts import find_parts
from popflip.golden.datasets.reading.raw import (
    DataError,
    RawData,
    RawSamples,
    Unlabelled,
    Wanted,
    listed,
)

__all__ = ["check_names", "label_column", "read_parts", "samples_of"]

#: Names that a column of labels has, if nobody says which it is.
LABEL_NAMES = ("label", "labels", "class", "target", "species", "y")


def read_parts(
    path: Path,
    endings: tuple[str, ...],
    wanted: Wanted,
    read_file: Callable[[Path, Wanted], RawSamples],
) -> RawData:
    """Read a table, or the tables of a folder for training and for the test.

    A test table without labels, as competitions publish them, is left aside.
    """
    parts = find_parts(path, endings)
    assert parts is not None
    train, test = parts
    samples = read_file(train, wanted)
    if test is None:
        return RawData(samples, kind="table")
    try:
        return RawData(samples, read_file(test, wanted), kind="table")
    except Unlabelled:
        told = f"{test.name} has no labels, so the test samples are drawn from {train.name}"
        return RawData(samples, kind="table", warnings=(told,))


def check_names(names: Sequence[str], wanted: Wanted, source: str) -> None:
    """Raise DataError if two columns have one name, or one that is to be ignored is not there."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{source}: columns must have different names, not two {listed(twice)}")
    absent = [name for name in wanted.ignore if name not in names]
    if absent and not wanted.unlabelled:
        raise DataError(
            f"{source} has no column {listed(absent)}, which data.ignore names; it has: "
            f"{listed(names, 40)}"
        )


def label_column(names: Sequence[str], wanted: Wanted, source: str) -> str | None:
    """Return which column holds the labels; None if there is none and none is needed.

    Raises
    ------
    Unlabelled
        If it is not there, or nobody says which it is.
    """
    if wanted.label is not None:
        if wanted.label in names:
            return wanted.label
        if wanted.unlabelled:
            return None
        raise Unlabelled(f"{source} has no column {wanted.label!r}; it has: {listed(names, 40)}")
    likely = [name for name in names if name.strip().lower() in LABEL_NAMES]
    if len(likely) == 1:
        return likely[0]
    if wanted.unlabelled:
        return None
    raise Unlabelled(
        f"{source}: name the column of the labels with --label (data.label); the columns are: "
        f"{listed(names, 40)}"
    )


def samples_of(
    columns: dict[str, np.ndarray], label: str | None, wanted: Wanted, source: str
) -> RawSamples:
    """Return a table's samples.

    Parameters
    ----------
    columns : dict of str to ndarray
    label : str, optional
        The column that holds the labels.
    wanted : Wanted
    source : str
    """
    values = {
        name: column
        for name, column in columns.items()
        if name != label and name not in wanted.ignore
    }
    if not values:
        raise DataError(f"{source} has no column but that of the labels")
    return RawSamples(values, None if label is None else columns[label], source)
