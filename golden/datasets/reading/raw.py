"""What readers return: samples as their file has them, values and labels of any kind.

:mod:`popflip.golden.datasets.preparation` makes a data set of them.
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

import numpy as np

from popflip.golden.support.errors import InputError

__all__ = [
    "MOST_BYTES",
    "DataError",
    "RawData",
    "RawSamples",
    "Unlabelled",
    "Wanted",
    "listed",
]

#: Bytes of values that are read at most.
MOST_BYTES = 1 << 32


class DataError(InputError):
    """A data set that cannot be had or read; the message is one line for the user."""


class Unlabelled(DataError):
    """Samples without labels, where they are needed."""


@dataclass(frozen=True, eq=False)
class RawSamples:
    """Samples of one file or folder.

    Attributes
    ----------
    values : ndarray or dict of str to ndarray
        An array whose first axis counts samples; or a table: columns of numbers or of texts by
        their names.
    labels : ndarray, optional
        What each sample is, one entry each, or one column for each class; None if nobody says it.
    source : str
        Where they are from, for messages.
    names : tuple of str
        What samples are called, such as their files; empty if they have no names.
    """

    values: np.ndarray | dict[str, np.ndarray]
    labels: np.ndarray | None
    source: str
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        if isinstance(self.values, dict):
            return len(next(iter(self.values.values()))) if self.values else 0
        return len(self.values)


@dataclass(frozen=True, eq=False)
class RawData:
    """Samples to learn, and those to test with if the data set says which they are.

    Attributes
    ----------
    train : RawSamples
    test : RawSamples, optional
    kind : {"images", "series", "table"}, optional
        What the values are; None if their shape has to tell.
    ordered : bool
        Whether the order of the samples is to be kept. Others are shuffled: files and folders tend
        to hold one class after the other.
    warnings : tuple of str
        What a user should know.
    """

    train: RawSamples
    test: RawSamples | None = None
    _: KW_ONLY
    kind: Literal["images", "series", "table"] | None = None
    ordered: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a reader is asked for.

    Attributes
    ----------
    label : str, optional
        Column of a table that holds the labels.
    ignore : tuple of str
        Columns that are not looked at.
    unlabelled : bool
        Whether samples without labels will do.
    resize : {"none", "stretch", "pad", "crop"}
        How pictures of other sizes come to ``image``.
    image : (int, int), optional
        Height and width.
    """

    label: str | None = None
    ignore: tuple[str, ...] = field(default=())
    unlabelled: bool = False
    resize: str = "none"
    image: tuple[int, int] | None = None


def listed(names, most: int = 12) -> str:
    """Return names with commas between them, not too many, on one line."""
    names = [" ".join(str(name).split()) for name in names]
    more = f", ... ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
