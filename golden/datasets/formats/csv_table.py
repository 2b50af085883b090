"""Tables as text: CSV with commas, semicolons, tabs or bars, plain or compressed by gzip.

Python's own ``csv`` and NumPy read them, so that a table needs nothing else to be installed.
"""

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from popflip.golden.datasets.reading.parts import find_parts
from popflip.golden.datasets.reading.raw import DataError, RawData, RawSamples, Wanted
from popflip.golden.datasets.reading.tables import check_names, label_column, read_parts, samples_of
from popflip.golden.support.bounded import DAMAGED, read_at_most, uncompressed

__all__ = ["TITLE", "can_read", "read", "separator_of"]

TITLE = "a CSV table"

#: Bytes of text that are read at most.
MOST_TEXT = 1 << 29

#: Letters of a line.
MOST_LINE = 1 << 22

_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")

#: What may stand between two values.
_SEPARATORS = ",;\t|"

#: What stands where a value is missing.
_MISSING = ("", "?", "na", "n/a", "nan", "null")

#: Rows that are converted at once: texts take far more memory than the numbers that they become.
_ROWS = 2000


def can_read(path: Path) -> bool:
    """Whether it is a table, or a folder of one."""
    if path.is_dir() and not any(path.glob("*.[ct]sv*")):
        return False  # a text file alone makes no table of a folder
    return find_parts(path, _ENDINGS) is not None


def read(path: Path, wanted: Wanted) -> RawData:
    """Read a table, or the two tables of a folder."""
    return read_parts(path, _ENDINGS, wanted, _read_file)


def separator_of(line: str) -> str:
    """Return what stands between the values of a table's first line: what makes most of them."""
    return max(_SEPARATORS, key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))


def _read_file(path: Path, wanted: Wanted) -> RawSamples:
    text = _text(path)
    first = next(_lines(path, text))
    text.seek(0)
    split = separator_of(first)
    rows = csv.reader(_lines(path, text), delimiter=split, skipinitialspace=True)
    try:
        return _table(path, rows, split, wanted)
    except csv.Error as error:
        raise DataError(f"{path} is no table in row {rows.line_num:,}: {error}") from None


def _lines(path: Path, text: io.StringIO) -> Iterator[str]:
    """Yield lines; cut into values, an immense one would take far more memory than the file."""
    for line in text:
        if len(line) > MOST_LINE:
            raise DataError(f"{path} is no table: a line has more than {MOST_LINE:,} letters")
        yield line


def _text(path: Path) -> io.StringIO:
    try:
        with uncompressed(path) as stream:
            content = read_at_most(stream, MOST_TEXT + 1)
    except DAMAGED:
        raise DataError(f"{path} is a damaged gzip file; get it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the file") from None
    if len(content) > MOST_TEXT:
        raise DataError(f"{path} is too large: of a table {MOST_TEXT:,} bytes can be read")
    if b"\0" in content[:4096]:
        raise DataError(f"{path} is no text (it begins with {bytes(content[:4]).hex()})")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be text in UTF-8: {error}") from None
    if not text.strip():
        raise DataError(f"{path} is empty")
    return io.StringIO(text, newline="")


def _table(path, rows, split, wanted) -> RawSamples:
    source = str(path)
    filled: Iterator[list[str]] = (row for row in rows if any(cell.strip() for cell in row))
    head = [cell.strip() for cell in next(filled)]
    named = not any(_is_number(cell) for cell in head)
    if named:
        names = [name or f"column {i + 1}" for i, name in enumerate(head)]
    else:
        names = [str(i + 1) for i in range(len(head))]
        filled = itertools.chain([head], filled)
    check_names(names, wanted, source)
    label = label_column(names, wanted, source)
    texts = {name for name in (label, *wanted.ignore) if name in names}
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in names}
    done = 0
    while chunk := list(itertools.islice(filled, _ROWS)):
        for number, row in enumerate(chunk, done + 1 + named):
            if len(row) != len(names):
                raise DataError(
                    f"{source}: row {number:,} must have {len(names)} values, as the first, not "
                    f"{len(row)}"
                )
        _convert(np.char.strip(np.array(chunk)), names, texts, split, pieces)
        done += len(chunk)
    if not done:
        raise DataError(f"{source} has no row but that of the names")
    columns = {
        name: np.concatenate(each) if name in texts else _joined(source, name, each, named)
        for name, each in pieces.items()
    }
    return samples_of(columns, label, wanted, source)


def _convert(cells, names, texts, split, pieces):
    """Add a chunk of rows to the columns: numbers where all cells are, else the texts."""
    others = [i for i, name in enumerate(names) if name not in texts]
    try:
        numbers = _numbers(cells[:, others], split)
        by_column = dict(zip(others, numbers.T, strict=True))
    except ValueError:
        by_column = {}
        for i in others:
            try:
                by_column[i] = _numbers(cells[:, i], split)
            except ValueError:
                by_column[i] = cells[:, i]
    for i, name in enumerate(names):
        pieces[name].append(by_column.get(i, cells[:, i]))


def _numbers(cells, split):
    try:
        numbers = cells.astype(np.float64)
    except ValueError:
        if split == ",":
            raise
        numbers = np.char.replace(cells, ",", ".").astype(np.float64)  # as in 3,14
    if np.isnan(numbers).any():
        raise ValueError("a missing value")
    return numbers


def _joined(source, name, pieces, named):
    """Return a column of numbers, or one of texts."""
    if all(piece.dtype.kind == "f" for piece in pieces):
        return np.concatenate(pieces)
    column = np.concatenate([piece.astype(str) for piece in pieces])
    missing = np.isin(np.char.lower(column), _MISSING)
    there = np.flatnonzero(~missing)
    are_numbers = np.array([_is_number(cell) for cell in column[there].tolist()], bool)
    if not are_numbers.any():
        return np.where(missing, "", column)
    if are_numbers.all():
        numbers = np.full(len(column), np.nan)
        numbers[there] = [float(cell.replace(",", ".")) for cell in column[there].tolist()]
        return numbers
    row = int(there[(~are_numbers).argmax()])
    raise DataError(
        f"{source}: column {name!r} must hold numbers or texts, not both: row {row + 1 + named:,} "
        f"has {str(column[row])[:40]!r}; put it right, or leave the column out: "
        f'data.ignore = ["{name}"]'
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        try:
            float(cell.replace(",", "."))
        except ValueError:
            return False
    return cell.strip().lower() not in _MISSING
