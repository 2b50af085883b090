"""NumPy's files: an archive of arrays (``.npz``), or one array a file (``.npy``).

Arrays are known by the names that scikit-learn and Keras give them, in any mix of capitals.
"""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from popflip.golden.datasets.reading.parts import TEST, TRAIN
from popflip.golden.datasets.reading.raw import (
    MOST_BYTES,
    DataError,
    RawData,
    RawSamples,
    Wanted,
    listed,
)
from popflip.golden.support.arrays import read_array
from popflip.golden.support.errors import InputError

__all__ = ["TITLE", "can_read", "read"]

TITLE = "a file of NumPy arrays (.npz, or .npy)"

#: What values and labels are called; the likelier names first.
_VALUES = ("images", "x", "data", "samples", "features", "arr_0")
_LABELS = ("labels", "y", "target", "targets", "label", "classes", "arr_1")


def can_read(path: Path) -> bool:
    """Whether it is such a file, or a folder with arrays of values."""
    if path.is_dir():
        return _values_in(_files(path)) is not None
    return path.suffix.lower() in (".npz", ".npy") and path.is_file()


def read(path: Path, wanted: Wanted) -> RawData:
    """Read an archive, a folder of arrays, or an array beside which its labels lie."""
    if path.is_dir():
        return _read_parts(path, _Files(_files(path)), wanted)
    if path.suffix.lower() == ".npz":
        with _opened(path) as archive:
            return _read_parts(path, archive, wanted)
    return _read_one(path, wanted)


class _Files(Mapping):
    """Arrays in files, read when they are asked for."""

    def __init__(self, files: dict[str, Path]):
        self._files = files

    def __getitem__(self, name: str) -> np.ndarray:
        path = self._files[name]
        try:
            with open(path, "rb") as file:
                return _array(file, str(path))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


class _Archive(_Files):
    """Arrays in an archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        super().__init__({name.removesuffix(".npy"): Path(name) for name in names})
        self._path, self._archive = path, archive

    def __getitem__(self, name: str) -> np.ndarray:
        with self._archive.open(f"{name}.npy") as file:
            return _array(file, f"{self._path}, array {name}")


def _files(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.npy")) if file.is_file()}


@contextmanager
def _opened(path: Path) -> Iterator[_Archive]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield _Archive(path, archive)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except Exception:  # of zipfile and zlib: damage has half a dozen kinds
        raise DataError(f"{path} is no archive of NumPy arrays, or is damaged") from None


def _array(stream, source: str) -> np.ndarray:
    try:
        return read_array(stream, MOST_BYTES)
    except OSError:
        raise
    except InputError as error:
        raise DataError(f"{source} cannot be read: it holds {error}") from None
    except ValueError:  # NumPy's own
        raise DataError(f"{source} is no array of NumPy, whatever its name says") from None


def _named(names: Mapping, wanted: tuple[str, ...], part: tuple[str, ...] = ()) -> str | None:
    """Return which of the names is one of those that are wanted, of a part if need be."""
    plain = {name.lower().replace("-", "_"): name for name in names}
    for word in wanted:
        for where in part or ("",):
            forms: tuple[str, ...] = (word,)
            if where:
                forms = (f"{word}_{where}", f"{where}_{word}", f"{word}{where}", f"{where}{word}")
            for form in forms:
                if form in plain:
                    return plain[form]
    return None


def _values_in(names: Mapping) -> str | None:
    return _named(names, _VALUES, TRAIN) or _named(names, _VALUES)


def _read_parts(path: Path, arrays: Mapping, wanted: Wanted) -> RawData:
    """Read those arrays that are values and labels."""
    train = _named(arrays, _VALUES, TRAIN)
    if train is None:
        values, labels = _named(arrays, _VALUES), _named(arrays, _LABELS)
        if values is None and wanted.unlabelled:
            values, labels = _named(arrays, _VALUES, TEST), _named(arrays, _LABELS, TEST)
        return RawData(_samples(path, arrays, values, labels, wanted))
    samples = _samples(path, arrays, train, _named(arrays, _LABELS, TRAIN), wanted)
    test = _named(arrays, _VALUES, TEST)
    if test is None:
        return RawData(samples)
    labels = _named(arrays, _LABELS, TEST)
    return RawData(samples, _samples(path, arrays, test, labels, wanted), ordered=True)


def _samples(path, arrays, values, labels, wanted) -> RawSamples:
    if values is None or (labels is None and not wanted.unlabelled):
        raise DataError(
            f"{path} must hold values and labels called x_train, y_train, x_test and y_test, or x "
            f"and y, or data and target; it holds: {listed(arrays) or 'nothing'}"
        )
    found = None if labels is None else arrays[labels]
    names = _named(arrays, ("target_names",))
    if found is not None and names is not None and found.dtype.kind in "iu" and found.ndim == 1:
        called = arrays[names]
        if called.ndim == 1 and len(called) and found.min() >= 0 and found.max() < len(called):
            found = called[found]
    source = str(path)
    return RawSamples(_checked(arrays[values], found, source), found, source)


def _checked(values, labels, source) -> np.ndarray:
    if values.ndim == 0:
        raise DataError(f"{source}: values must have at least 1 axis, not 0")
    if labels is not None and (labels.ndim == 0 or len(labels) != len(values)):
        count = len(labels) if labels.ndim else "one in all"
        raise DataError(
            f"{source} must have a label for each of its {len(values):,} samples, not {count}"
        )
    return values


def _read_one(path: Path, wanted: Wanted) -> RawData:
    """Read one array, and the labels in the file beside it if there is one."""
    siblings = _files(path.parent)
    values = _Files({path.stem: path})[path.stem]
    labels = None
    if path.stem.lower().replace("-", "_") in _VALUES:
        name = _named(siblings, _LABELS)
        labels = None if name is None else _Files(siblings)[name]
    if labels is None and not wanted.unlabelled:
        raise DataError(
            f"{path} has no labels; name the folder of x.npy and y.npy, or an archive (.npz)"
        )
    return RawData(RawSamples(_checked(values, labels, str(path)), labels, str(path)))
