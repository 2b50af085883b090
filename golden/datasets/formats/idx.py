"""The IDX format of MNIST and its kin: a folder with four files, plain or compressed by gzip.

IDX is parsed here: a header of a few bytes does not justify a dependency (idx2numpy has had no
release since 2020).
"""

import hashlib
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.named.published import Original
from popflip.golden.datasets.reading.parts import TEST
from popflip.golden.datasets.reading.raw import (
    MOST_BYTES,
    DataError,
    RawData,
    RawSamples,
    Wanted,
    listed,
)
from popflip.golden.support.bounded import DAMAGED, read_at_most, uncompressed

__all__ = ["TITLE", "can_read", "read", "read_folder", "write"]

TITLE = "a folder with IDX files"

#: File names begin with these, for training and test.
_PARTS = {"train": "train", "test": "t10k"}

_DIMENSIONS = {"images": 3, "labels": 1}

#: A prefix as of EMNIST, the part, the kind, and the end: MNIST's own, Kaggle's with a dot, or
#: QMNIST's of labels with more than the class.
_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|t10k|test)[-_.](?P<kind>images|labels)"
    r"(?:[-_.]idx(?P<axes>\d)[-_.]?(?:ubyte|byte|int)?)?(?:\.gz)?",
    re.I,
)

#: Types of IDX: their code, what they are called, and NumPy's.
_TYPES = {
    0x08: ("unsigned bytes", ">u1"),
    0x09: ("signed bytes", ">i1"),
    0x0B: ("16-bit integers", ">i2"),
    0x0C: ("32-bit integers", ">i4"),
    0x0D: ("32-bit floats", ">f4"),
    0x0E: ("64-bit floats", ">f8"),
}


def can_read(path: Path) -> bool:
    """Whether a folder has any such file; or it is a file of images, or a folder and a prefix."""
    return bool(_found(path)) or _is_images(path)


def read(path: Path, wanted: Wanted) -> RawData:
    """Read the files of a folder, or those of a prefix in a folder; or images alone."""
    if _is_images(path):
        if not wanted.unlabelled:
            raise DataError(f"{path} has no labels; name the folder in which they lie beside it")
        return _unlabelled(path)
    return read_folder(path, unlabelled=wanted.unlabelled)


def read_folder(
    path: Path,
    originals: Mapping[str, Original] | None = None,
    title: str = "",
    unlabelled: bool = False,
) -> RawData:
    """Read the four files of a folder; or the two for training, if none is for the test.

    Parameters
    ----------
    path : Path
        The folder, or the folder and what the names of the files begin with.
    originals : Mapping of str to Original, optional
        What the files must be.
    title : str
        What published data set they are of, for messages.
    unlabelled : bool
        Whether images alone will do: those for the test, or others if there are none.

    Raises
    ------
    DataError
        If one is lacking, cannot be read or is no IDX file of images or labels, or if they do not
        fit together.
    """
    found = _found(path)
    if not path.is_dir() and not found:
        raise DataError(f"{path} is not a folder; name one with IDX files")
    prefixes = sorted({key[0] for key in found})
    if len(prefixes) > 1 and not {"train", "test"} & {p.rstrip("-_.").lower() for p in prefixes}:
        names = [prefix.rstrip("-_.") or "files without a prefix" for prefix in prefixes]
        raise DataError(
            f"{path} holds several data sets: {listed(names)}; name one as {path / names[-1]}"
        )
    prefix = prefixes[0] if prefixes else ""
    tested = "test" if (prefix, "test", "images") in found else "train"
    if unlabelled and (prefix, tested, "labels") not in found:
        images = found.get((prefix, tested, "images"))
        if images is not None:
            return _unlabelled(images)
    parts = list(_PARTS)
    if originals is None and found and not any(part == "test" for _, part, _ in found):
        parts = ["train"]
    keys = [(part, kind) for part in parts for kind in _DIMENSIONS]
    lacking = [prefix + file_name(*key) for key in keys if (prefix, *key) not in found]
    if lacking:
        raise DataError(
            f"{path} lacks {', '.join(lacking)}; put the files there, plain or with .gz"
        )
    samples = []
    for part in parts:
        arrays = {}
        for kind in _DIMENSIONS:
            original = None if originals is None else originals[file_name(part, kind)]
            arrays[kind] = _read_file(found[prefix, part, kind], kind, original, title)
        samples.append(RawSamples(arrays["images"], arrays["labels"], str(path)))
    _check(samples, [[found[prefix, part, kind] for kind in _DIMENSIONS] for part in parts])
    return RawData(*samples, kind="images", ordered=True)


def _unlabelled(path: Path) -> RawData:
    samples = RawSamples(_read_file(path, "images", None, ""), None, str(path))
    return RawData(samples, kind="images", ordered=True)


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
        content = np.asarray(array, np.uint8).tobytes()
        (folder / file_name(part, kind)).write_bytes(header + content)


def file_name(part: str, kind: str) -> str:
    """Return MNIST's own name of a file."""
    return f"{_PARTS[part]}-{kind}-idx{_DIMENSIONS[kind]}-ubyte"


def _is_images(path: Path) -> bool:
    match = _NAME.fullmatch(path.name)
    return match is not None and match["kind"].lower() == "images" and path.is_file()


def _found(path: Path) -> dict[tuple[str, str, str], Path]:
    """Files by their prefix, part and kind; plain ones and MNIST's own names before others."""
    folder, prefix = path, None
    if not path.is_dir():
        folder, prefix = path.parent, path.name
        if not folder.is_dir() or path.exists() or not prefix:
            return {}
    found: dict[tuple[str, str, str], Path] = {}
    # Longer names come later: .gz after the plain one.
    for file in sorted(folder.iterdir(), key=lambda each: (len(each.name), each.name)):
        match = _NAME.fullmatch(file.name)
        if not match or not file.is_file():
            continue
        if prefix is not None and match["prefix"].rstrip("-_.") != prefix.rstrip("-_."):
            continue
        part = "test" if match["part"].lower() in TEST else "train"
        found.setdefault((match["prefix"], part, match["kind"].lower()), file)
    return found


def _check(samples, files):
    """Raise DataError if images and labels, or training and test, do not fit together."""
    for part, (images, labels) in zip(samples, files, strict=True):
        if len(part.values) != len(part.labels):
            raise DataError(
                f"{labels} must have a label for each of the {len(part.values)} images in "
                f"{images.name}, not {len(part.labels)}; take both from one source"
            )
    (height, width), other = samples[0].values.shape[1:], samples[-1].values.shape[1:]
    if (height, width) != other:
        raise DataError(
            f"{files[1][0]} must have images of {height}x{width} pixels like {files[0][0].name}, "
            f"not {other[0]}x{other[1]}; take both from one source"
        )


def _read_file(path, kind, original, title):
    """Return the read-only array in an IDX file."""
    try:
        with uncompressed(path) as stream:
            if original is not None:
                stream = io.BytesIO(_read_original(path, stream, original, title))
            return _parse(path, stream, kind)
    except DAMAGED:
        raise DataError(f"{path} is a damaged gzip file; get it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the file") from None


def _read_original(path, stream, original, title):
    content = read_at_most(stream, original.size + 1)
    found = hashlib.sha256(content).hexdigest()
    if found != original.sha256:
        raise DataError(
            f"{path} must be that of {title}, of SHA-256 {original.sha256}, not {found}; get it "
            f"again, or name the folder alone to use it as another data set"
        )
    return content


def _parse(path, stream, kind):
    """Read the array of an IDX file from its content."""
    dimensions = _DIMENSIONS[kind]
    magic = bytes(read_at_most(stream, 4))
    right = [bytes((0, 0, 8, dimensions))]
    if kind == "labels":  # QMNIST's: eight integers for each image, the first is the class
        right += [bytes((0, 0, 0x0C, 2)), bytes((0, 0, 0x0C, 1))]
    if magic not in right:
        if len(magic) < 4:
            what = f"{len(magic)} bytes"
        elif magic[:2] != b"\0\0":
            what = f"something else (it begins with {magic.hex()})"
        elif magic[2] != 8:
            what = _TYPES.get(magic[2], (f"values of type {magic[2]:#04x}",))[0]
        else:
            what = f"{magic[3]}-dimensional"
        raise DataError(
            f"{path} must be an IDX file of {kind} ({dimensions}-dimensional, unsigned bytes), "
            f"not {what}; check that it is the right file"
        )
    dtype, dimensions = np.dtype(_TYPES[magic[2]][1]), magic[3]
    header = read_at_most(stream, 4 * dimensions)
    if len(header) < 4 * dimensions:
        raise DataError(f"{path} ends within its header; get it again")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4", dimensions))
    size = math.prod(shape) * dtype.itemsize
    unit = "bytes" if dtype.itemsize == 1 else _TYPES[magic[2]][0]
    text = f"its header says {' x '.join(map(str, shape))} {unit}"
    if size > MOST_BYTES:
        raise DataError(f"{path} is too large: {text}, of which {MOST_BYTES} can be read")
    content = read_at_most(stream, size + 1)
    if len(content) < size:
        raise DataError(f"{path} is truncated: {text}, and {len(content)} follow; get it again")
    if len(content) > size:
        raise DataError(f"{path} is too long: {text}, and more follow; get it again")
    if not size:
        raise DataError(f"{path} has no {kind}; get it again")
    array = np.frombuffer(content, dtype).reshape(shape)
    if array.ndim == 2:
        array = array[:, 0]
    array.flags.writeable = False
    return array
