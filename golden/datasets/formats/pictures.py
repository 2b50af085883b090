"""Folders of PNG and JPEG pictures, a folder for each class, read with Pillow."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from popflip.golden.datasets.encoder import MOST_SIDE
from popflip.golden.datasets.reading.parts import TEST, TRAIN
from popflip.golden.datasets.reading.raw import (
    MOST_BYTES,
    DataError,
    RawData,
    RawSamples,
    Wanted,
    listed,
)
from popflip.golden.datasets.reading.resizing import resized

__all__ = ["TITLE", "can_read", "read"]

TITLE = "a folder of pictures, a folder for each class"

_ENDINGS = (".png", ".jpg", ".jpeg")
_FORMATS = ("PNG", "JPEG")

#: Pixels that a picture may have before it is resized.
MOST_PIXELS = 1 << 26


def can_read(path: Path) -> bool:
    """Whether it is a picture, or a folder with pictures in it or in its folders."""
    if path.is_file():
        return path.suffix.lower() in _ENDINGS
    if not path.is_dir():
        return False
    return any(True for _ in _pictures(path)) or any(
        next(_pictures(below), None) or any(next(_pictures(b), None) for b in _folders(below))
        for below in _folders(path)
    )


def read(path: Path, wanted: Wanted) -> RawData:
    """Read the pictures of a folder, or of its folders for training and for the test."""
    if path.is_file():
        return RawData(_samples(path, [(path, None)], wanted), kind="images")
    below = {folder.name.lower(): folder for folder in _folders(path)}
    train = next((below[name] for name in TRAIN if name in below), None)
    if train is None:
        return RawData(_samples(path, list(_listed(path)), wanted), kind="images")
    test = next((below[name] for name in TEST if name in below), None)
    parts = [_samples(each, list(_listed(each)), wanted) for each in (train, test) if each]
    return RawData(*parts, kind="images")


def _folders(path: Path) -> list[Path]:
    return sorted(
        each for each in path.iterdir() if each.is_dir() and not each.name.startswith((".", "__"))
    )


def _pictures(path: Path) -> Iterator[Path]:
    """Yield the pictures in a folder, by their names."""
    yield from sorted(
        each
        for each in path.iterdir()
        if each.suffix.lower() in _ENDINGS and not each.name.startswith(".")
    )


def _listed(path: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield each picture of a folder, with its class: the name of the folder that it is in."""
    classes = [folder for folder in _folders(path) if next(_pictures(folder), None)]
    if not classes:
        yield from ((picture, None) for picture in _pictures(path))
    for folder in classes:
        yield from ((picture, folder.name) for picture in _pictures(folder))


def _samples(path: Path, pictures, wanted: Wanted) -> RawSamples:
    if not pictures:
        raise DataError(f"{path} has no pictures ({', '.join(_ENDINGS)}) in its folders")
    if wanted.resize != "none" and wanted.image is None:
        raise DataError("data.resize needs a network, whose image says to which size")
    images: list[np.ndarray] = []
    sizes: dict[tuple[int, ...], Path] = {}
    for file, _ in pictures:
        images.append(_read_picture(file, wanted))
        sizes.setdefault(images[-1].shape, file)
        if len(sizes) > 1:
            (first, other), (a, b) = sizes.values(), sizes
            raise DataError(
                f"{path}: all pictures must have one size, not {a[0]} x {a[1]} ({first.name}) and "
                f'{b[0]} x {b[1]} ({other.name}); data.resize = "pad", "crop" or "stretch" brings '
                "them to the network's"
            )
        if len(images) == 1 and len(pictures) * images[0].size > MOST_BYTES:
            raise DataError(
                f"{path} is too large: {len(pictures):,} pictures of {images[0].size:,} pixels"
            )
    labels = [label for _, label in pictures]
    names = tuple(str(file.relative_to(path) if path.is_dir() else file) for file, _ in pictures)
    known = None if labels[0] is None else np.array(labels)
    return RawSamples(np.stack(images), known, str(path), names)


def _read_picture(file: Path, wanted: Wanted) -> np.ndarray:
    """Read a picture as grey pixels."""
    try:
        with warnings.catch_warnings():
            # Its own bound is looser than ours.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=_FORMATS) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise DataError(
                        f"{file} is too large: {height} x {width} pixels, of which {MOST_PIXELS:,} "
                        "can be read"
                    )
                if wanted.resize == "none" and max(picture.size) > MOST_SIDE:
                    raise DataError(
                        f"{file} must have at most {MOST_SIDE:,} pixels along a side, not "
                        f"{max(picture.size):,}; data.resize makes it smaller"
                    )
                grey = _grey(ImageOps.exif_transpose(picture))
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(f"{file} is too large: more than {MOST_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise DataError(f"{file} is no PNG or JPEG picture, whatever its name says") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's, of damaged files
        text = listed([getattr(error, "strerror", None) or error])
        raise DataError(f"{file} is damaged, or cannot be read: {text}") from None
    if wanted.resize != "none":
        assert wanted.image is not None
        grey = resized(grey, wanted.image, wanted.resize)
    return np.asarray(grey)


def _grey(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits, which Pillow's own conversion cuts off at 255
        return Image.fromarray((np.asarray(picture).clip(0, 65535) >> 8).astype(np.uint8))
    if picture.has_transparency_data:  # what cannot be seen has any colour; white is behind it
        seen = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return picture.convert("L")
