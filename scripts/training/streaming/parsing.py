"""Samples from lines: JSON, or a table whose first line names its columns.

A line that makes no sample says why, and stops nobody: whoever takes the samples decides.
"""

import csv
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from popflip.golden.datasets.encoder import Encoder
from popflip.golden.datasets.formats.csv_table import separator_of
from popflip.golden.datasets.reading.raw import DataError, Wanted
from popflip.golden.datasets.reading.tables import check_names, label_column
from popflip.golden.support.errors import InputError
from popflip.scripts.training.streaming.lines import LONGEST, Lines

__all__ = ["Arrival", "Items", "JsonLines", "Source", "TableLines"]

Values = np.ndarray | dict[str, Any]


@dataclass(frozen=True, eq=False)
class Arrival:
    """A sample that has arrived, or what came in its place.

    Attributes
    ----------
    number : int
        Of its line or item, from 1.
    values : ndarray or dict, optional
        Numbers of any shape; or numbers and texts by the names of their columns. None if the line
        makes no sample.
    label : object, optional
        None if nobody knows it.
    why : str
        Why a line makes no sample.
    """

    number: int
    values: Values | None = None
    label: Any = None
    why: str = ""


class Source(Protocol):
    """Where samples come from.

    Attributes
    ----------
    name : str
        For messages.
    """

    name: str

    def take(self, most: int, wait: float) -> list[Arrival] | None:
        """Return at most so much of what has arrived; nothing after a wait; None at the end."""

    def stop(self) -> None:
        """Read no further; what is here already can still be taken."""

    def close(self) -> None:
        """Let go of what is read."""


class _FromLines:
    """A source that makes a sample of each line; empty lines are none.

    Parameters
    ----------
    lines : Lines
    """

    def __init__(self, lines: Lines):
        self._lines, self.name = lines, lines.name

    def take(self, most: int, wait: float) -> list[Arrival] | None:
        """Return what has arrived."""
        lines = self._lines.take(most, wait)
        if lines is None:
            return None
        arrived = []
        for number, data in lines:
            if data is None:
                why = f"a line must have at most {LONGEST:,} bytes"
                arrived.append(Arrival(number, why=why))
                continue
            try:
                text = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    arrived += self._parse(number, text)
            except UnicodeDecodeError:
                arrived.append(Arrival(number, why="it is no UTF-8 text"))
            except _Bad as bad:
                arrived.append(Arrival(number, why=str(bad)))
        return arrived

    def stop(self) -> None:
        """Read no further."""
        self._lines.stop()

    def close(self) -> None:
        """Let go of what is read."""
        self._lines.close()

    def _parse(self, number: int, text: str) -> list[Arrival]:
        """Make the sample of a line, if it is one."""
        raise NotImplementedError


class _Bad(Exception):
    """A line that makes no sample."""


class JsonLines(_FromLines):
    """Samples as JSON objects, one to a line: ``{"x": [0, 12, 255], "label": "cat"}``.

    ``x`` holds numbers, in rows if they are an image; or an object of a table's columns. Without
    ``label``, or with ``null``, the class is not known. Other keys are not looked at.
    """

    def _parse(self, number: int, text: str) -> list[Arrival]:
        try:
            tree = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise _Bad(f"it is no JSON: {why}") from None
        if not isinstance(tree, dict) or "x" not in tree:
            raise _Bad('it must be an object with "x", such as {"x": [0, 255], "label": "cat"}')
        x, label = tree["x"], tree.get("label")
        if label is not None and not isinstance(label, str | int | float):
            raise _Bad(f"label must be a text or a number, not {_kind(label)}")
        return [Arrival(number, _values_of(x), label)]


class TableLines(_FromLines):
    """Rows of a table, as CSV: its first line names the columns.

    A row is one line; texts in quotes have no line ends in them.

    Parameters
    ----------
    lines : Lines
    wanted : Wanted
        Which column holds the labels, and which are not looked at.
    encoder : Encoder, optional
        The network's: it knows which columns hold texts. Without one all are numbers.
    delimiter : str, optional
        What stands between values. The first line tells if it is left out.
    """

    def __init__(
        self, lines: Lines, wanted: Wanted, encoder: Encoder | None, delimiter: str | None = None
    ):
        super().__init__(lines)
        self._wanted, self._delimiter = wanted, delimiter
        self._columns: list[str] | None = None
        self._label: str | None = None
        named = encoder is not None and bool(encoder.columns)
        self._texts = {
            name
            for name, allowed in zip(encoder.columns, encoder.categories, strict=True)
            if allowed is not None
        } if encoder is not None and named else set()  # fmt: skip
        self._named: Sequence[str] | None = encoder.columns if encoder and named else None

    def _parse(self, number: int, text: str) -> list[Arrival]:
        try:
            self._delimiter = self._delimiter or separator_of(text)
            (row,) = csv.reader(
                [text], delimiter=self._delimiter, skipinitialspace=True, strict=True
            )
        except (csv.Error, ValueError) as error:
            raise _Bad(f"it is no row of a table: {error}") from None
        if self._columns is None:
            self._begin([cell.strip() for cell in row])
            return []
        if len(row) != len(self._columns):
            raise _Bad(f"a row must have {len(self._columns)} columns, not {len(row)}")
        cells = dict(zip(self._columns, (cell.strip() for cell in row), strict=True))
        label = cells.pop(self._label, "") if self._label is not None else ""
        for name in self._wanted.ignore:
            cells.pop(name, None)
        if self._named is None:
            found = [self._number(name, cell) for name, cell in cells.items()]
            return [Arrival(number, numbers_of(found), label or None)]
        values: dict[str, Any] = {}
        for name in self._named:
            if name not in cells or not cells[name]:
                raise _Bad(f"column {name!r} is empty")
            cell = cells[name]
            values[name] = cell if name in self._texts else self._number(name, cell)
        return [Arrival(number, values, label or None)]

    def _begin(self, names: list[str]) -> None:
        """Take in the names of the columns."""
        check_names(names, self._wanted, self.name)
        self._label = label_column(names, self._wanted, self.name)
        absent = [name for name in self._named or () if name not in names]
        if absent:
            raise DataError(
                f"{self.name} lacks columns that the network was trained with: {', '.join(absent)}"
            )
        self._columns = names

    def _number(self, name: str, cell: str) -> float:
        try:
            # As in 3,14, where something else stands between values.
            return float(cell if self._delimiter == "," else cell.replace(",", "."))
        except ValueError:
            raise _Bad(f"column {name!r} must hold a number, not {cell[:40]!r}") from None


class Items:
    """Samples from Python: pairs of values and a label, which is None if nobody knows it.

    Parameters
    ----------
    pairs : iterable
        It may take its time: whoever reads from it waits. One that is slow is taken from one pair
        at a time, so that each is answered soon; of one that is quick, up to a chunk is taken
        before the first is answered.

    Examples
    --------
    >>> source = Items([([0, 255], "dark"), ([255, 255], None)])
    >>> [(each.number, each.values.tolist(), each.label) for each in source.take(8, 60.0)]
    [(1, [0, 255], 'dark'), (2, [255, 255], None)]
    >>> source.take(8, 0.0) is None
    True
    """

    name = "samples"

    def __init__(self, pairs: Iterable[tuple[Any, Any]]):
        self._pairs: Iterator[tuple[Any, Any]] = iter(pairs)
        self._number = 0
        self._broken: Exception | None = None

    def _sample(self, pair) -> Arrival:
        try:
            x, label = pair
            return Arrival(self._number, _values_of(x), label)
        except (_Bad, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, _Bad) else "it must be values and a label"
            return Arrival(self._number, why=why)

    def take(self, most: int, wait: float) -> list[Arrival] | None:
        """Return the next samples: at least one, and those that come while there is time."""
        if self._broken is not None:
            raise self._broken
        arrived: list[Arrival] = []
        end = time.monotonic() + wait
        try:
            for pair in self._pairs:
                self._number += 1
                arrived.append(self._sample(pair))
                if len(arrived) == most or time.monotonic() >= end:
                    break
        except Exception as error:  # the iterator's own: what came before it is learned first
            if not arrived:
                raise
            self._broken = error
        return arrived or None

    def stop(self) -> None:
        """Read no further."""
        self._pairs = iter(())

    def close(self) -> None:
        """Let go of the samples."""
        self.stop()


def _values_of(x: Any) -> Values:
    """Return what a sample holds: columns by their names, or an array of numbers."""
    if not isinstance(x, dict):
        return numbers_of(x)
    for name, value in x.items():
        if not isinstance(value, str | int | float | np.number | np.bool_):
            raise _Bad(f"x: column {str(name)!r} must hold a text or a number")
    return x


def numbers_of(x: Any) -> np.ndarray:
    """Return numbers, in rows or not, as an array."""
    try:
        array = np.asarray(x)
    except (ValueError, OverflowError):
        raise _Bad("x must hold numbers, in rows of one length") from None
    if array.dtype.kind not in "biuf" or not array.size or not array.ndim:
        raise _Bad(f"x must be a list of numbers, or of rows of numbers, not {_kind(x)}")
    return array


def _kind(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _refuse_constant(name: str):
    raise InputError(f"{name} is no number")
