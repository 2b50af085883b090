"""The IDX format of MNIST: a folder with four files, plain or compressed by gzip.

IDX is parsed here: a header of a few bytes does not justify a dependency (idx2numpy has had no
release since 2020).
"""

import hashlib
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from popflip.golden.datasets.dataset import DataError, Dataset, checked
from popflip.golden.datasets.download import Original
from popflip.golden.support.bounded import DAMAGED, read_at_most, uncompressed

__all__ = ["TITLE", "can_read", "read", "write"]

TITLE = "a folder with IDX files"

#: Bytes of images or labels that are read at most.
MOST_BYTES = 1 << 32

#: File names begin with these, for training and test.
_PARTS = {"train": "train", "test": "t10k"}

_DIMENSIONS = {"images": 3, "labels": 1}

#: IDX type codes that are not unsigned bytes, to say what was found.
_OTHER_TYPES = {
    0x09: "signed bytes",
    0x0B: "16-bit integers",
    0x0C: "32-bit integers",
    0x0D: "32-bit floats",
    0x0E: "64-bit floats",
}


def can_read(path: Path) -> bool:
    """Whether a folder has any of the four files."""
    return any(_find(path, part, kind) for part in _PARTS for kind in _DIMENSIONS)


def read(path: Path, name: str, originals: Mapping[str, Original] | None = None) -> Dataset:
    """Read the four files of a folder.

    Parameters
    ----------
    path : Path
    name : str
        What to call the data set.
    originals : Mapping of str to Original, optional
        What the files must be.

    Raises
    ------
    DataError
        If one is lacking, cannot be read or is no IDX file of images or labels, or if they do not
        fit together.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; name one with IDX files")
    keys = [(part, kind) for part in _PARTS for kind in _DIMENSIONS]
    found = {(part, kind): _find(path, part, kind) for part, kind in keys}
    lacking = [_file_name(*key) for key, file in found.items() if file is None]
    if lacking:
        raise DataError(
            f"{path} lacks {', '.join(lacking)}; put the files there, plain or with .gz"
        )
    arrays, sources = {}, {}
    for (part, kind), file in found.items():
        original = None if originals is None else originals[_file_name(part, kind)]
        arrays[f"{part}_{kind}"] = _read_file(file, kind, original)
        sources[f"{part}_{kind}"] = file
    return checked(name, arrays, sources)


def write(folder: Path, dataset: Dataset) -> None:
    """Write a data set as the four files of a folder, which need not be there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        ("train", "images"): dataset.train_images,
        ("train", "labels"): dataset.train_labels,
        ("test", "images"): dataset.test_images,
        ("test", "labels"): dataset.test_labels,
    }
    for (part, kind), array in arrays.items():
        header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
        (folder / _file_name(part, kind)).write_bytes(header + array.tobytes())


def _file_name(part, kind):
    return f"{_PARTS[part]}-{kind}-idx{_DIMENSIONS[kind]}-ubyte"


def _find(folder, part, kind):
    names = (_file_name(part, kind), f"{_PARTS[part]}-{kind}.idx{_DIMENSIONS[kind]}-ubyte")
    candidates = (folder / f"{name}{end}" for end in ("", ".gz") for name in names)
    return next((path for path in candidates if path.is_file()), None)


def _read_file(path, kind, original):
    """Return the read-only array in an IDX file."""
    try:
        with uncompressed(path) as stream:
            if original is not None:
                stream = io.BytesIO(_read_original(path, stream, original))
            return _parse(path, stream, kind)
    except DAMAGED:
        raise DataError(f"{path} is a damaged gzip file; get it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the file") from None


def _read_original(path, stream, original):
    content = read_at_most(stream, original.size + 1)
    found = hashlib.sha256(content).hexdigest()
    if found != original.sha256:
        raise DataError(
            f"{path} must be MNIST's, of SHA-256 {original.sha256}, not {found}; get it again, "
            f"or name the folder alone to use it as another data set"
        )
    return content


def _parse(path, stream, kind):
    """Read the array of an IDX file from its content."""
    dimensions = _DIMENSIONS[kind]
    header = read_at_most(stream, 4 + 4 * dimensions)
    magic = bytes(header[:4])
    if magic != bytes((0, 0, 8, dimensions)):
        if len(magic) < 4:
            what = f"{len(magic)} bytes"
        elif magic[:2] != b"\0\0":
            what = f"something else (it begins with {magic.hex()})"
        elif magic[2] != 8:
            what = _OTHER_TYPES.get(magic[2], f"values of type {magic[2]:#04x}")
        else:
            what = f"{magic[3]}-dimensional"
        raise DataError(
            f"{path} must be an IDX file of {kind} ({dimensions}-dimensional, unsigned bytes), "
            f"not {what}; check that it is the right file"
        )
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path} ends within its header; get it again")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4", dimensions, offset=4))
    size = math.prod(shape)
    text = f"its header says {' x '.join(map(str, shape))} bytes"
    if size > MOST_BYTES:
        raise DataError(f"{path} is too large: {text}, of which {MOST_BYTES} can be read")
    content = read_at_most(stream, size + 1)
    if len(content) < size:
        raise DataError(f"{path} is truncated: {text}, and {len(content)} follow; get it again")
    if len(content) > size:
        raise DataError(f"{path} is too long: {text}, and more follow; get it again")
    if not size:
        raise DataError(f"{path} has no {kind}; get it again")
    array = np.frombuffer(content, np.uint8).reshape(shape)
    array.flags.writeable = False
    return array
