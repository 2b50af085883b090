"""Images for the paper's systems: MNIST as everywhere, CIFAR-10 from a folder.

CIFAR-10 is read in its *binary version*: six files of records, each a byte of label and 3 x 32 x 32
bytes of pixels (red, green, blue, row by row). Its Python version consists of pickles, which can
run any code when they are read.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import DataError
from popflip.golden.paper.synthetic import synthetic_images
from popflip.golden.paper.systems import Row
from popflip.golden.support.errors import InputError

__all__ = ["Images", "load_images", "pixels"]

#: Per-channel mean and standard deviation that CIFAR-10 is normalised by.
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.247, 0.243, 0.261)

#: Pixels by which a training image of CIFAR-10 is moved at most.
CROP = 4

CIFAR_TRAIN = tuple(f"data_batch_{n}.bin" for n in range(1, 6))
CIFAR_TEST = ("test_batch.bin",)

#: What to name in place of a folder for made images.
SYNTHETIC = "synthetic"

#: Images in each file, and bytes of one with its label.
CIFAR_IMAGES, CIFAR_RECORD = 10_000, 1 + 3 * 32 * 32


@dataclass(frozen=True, eq=False)
class Images:
    """Training and test images of any number of channels.

    Parameters
    ----------
    name : str
    train, test : ndarray of uint8, shape (n, channels, height, width)
    train_labels, test_labels : ndarray of uint8, shape (n,)
    """

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all images and labels."""
        digest = hashlib.sha256()
        for array in (self.train, self.train_labels, self.test, self.test_labels):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def split(self, held: int) -> "Images":
        """Hold back the last training images: they take the place of the test images.

        Raises
        ------
        InputError
            If none would be left to learn from.
        """
        if not 1 <= held < len(self.train):
            raise InputError(f"validation must be 1 to {len(self.train) - 1}, not {held}")
        return Images(
            f"{self.name}, the last {held:,} training images to test",
            self.train[:-held], self.train_labels[:-held],
            self.train[-held:], self.train_labels[-held:],
        )  # fmt: skip


def load_images(row: Row, folder: str | None = None) -> Images:
    """Load what a row learns from.

    Parameters
    ----------
    row : Row
    folder : str, optional
        With IDX files, or with the binary version of CIFAR-10; ``"synthetic"`` for made ones of the
        latter's shape, which small rows take if it is left out. Other rows fetch MNIST then.

    Raises
    ------
    DataError
        If there are no such images, or they are of another shape or number.
    """
    if row.data == "cifar10":
        if folder is None and row.size == "small":
            folder = SYNTHETIC
        if folder is None:
            raise DataError(
                f"{row.name} needs --data FOLDER with CIFAR-10, binary version: "
                f"{CIFAR_TRAIN[0]} to {CIFAR_TRAIN[-1]} and {CIFAR_TEST[0]}; or --data {SYNTHETIC}"
            )
        if folder == SYNTHETIC:
            return Images(SYNTHETIC, *synthetic_images())
        return _load_cifar(Path(folder).expanduser())
    found = loading.load(folder or "mnist")
    shape = found.train_images.shape[1:]
    if shape != row.image[1:]:
        raise DataError(
            f"images must be 28 x 28 for {row.name}, not {shape[0]} x {shape[1]} as in {found.name}"
        )
    most = int(max(found.train_labels.max(), found.test_labels.max()))
    if most > 9:
        raise DataError(f"labels must be 0 to 9 for {row.name}, not {most} as in {found.name}")
    return Images(
        found.name, found.train_images[:, None], found.train_labels,
        found.test_images[:, None], found.test_labels,
    )  # fmt: skip


def _load_cifar(folder: Path) -> Images:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name one with the binary version of CIFAR-10")
    lacking = [name for name in CIFAR_TRAIN + CIFAR_TEST if not (folder / name).is_file()]
    if lacking:
        raise DataError(f"{folder} lacks {', '.join(lacking)} of CIFAR-10's binary version")
    train = [_read_cifar(folder / name) for name in CIFAR_TRAIN]
    (test,) = (_read_cifar(folder / name) for name in CIFAR_TEST)
    labels, images = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return Images(folder.resolve().name, images, labels, test[1], test[0])


def _read_cifar(path: Path):
    """Labels and images of one file."""
    found, wanted = path.stat().st_size, CIFAR_IMAGES * CIFAR_RECORD
    if found != wanted:
        raise DataError(
            f"{path} must have {wanted:,} bytes, {CIFAR_IMAGES:,} images of 3 x 32 x 32 with their "
            f"labels, not {found:,}"
        )
    records = np.fromfile(path, np.uint8, wanted).reshape(CIFAR_IMAGES, CIFAR_RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise DataError(f"{path} must have labels 0 to 9, not {labels.max()}")
    return labels, records[:, 1:].reshape(-1, 3, 32, 32)


def pixels(row: Row, images, rng: np.random.Generator | None = None):
    """Turn images into what a network sees.

    MNIST's pixels are 0 to 1. CIFAR-10's are normalised by channel; with a generator images are
    flipped at random, and moved by up to 4 pixels, their edges repeated.

    Parameters
    ----------
    row : Row
    images : ndarray of uint8, shape (n, channels, height, width)
    rng : Generator, optional
        For training images.

    Returns
    -------
    ndarray of float32, shape (n, channels, height, width)
    """
    if row.data == "cifar10":
        if rng is not None:
            images = _augmented(images, rng)
        mean, std = (np.array(v, np.float32)[:, None, None] for v in (CIFAR_MEAN, CIFAR_STD))
        return (images / np.float32(255) - mean) / std
    return images / np.float32(255)


def _augmented(images, rng):
    n, _, height, width = images.shape
    flipped = rng.random(n) < 0.5
    images = np.where(flipped[:, None, None, None], images[..., ::-1], images)
    wide = np.pad(images, ((0, 0), (0, 0), (CROP, CROP), (CROP, CROP)), mode="edge")
    moved = np.empty_like(images)
    for i, (y, x) in enumerate(rng.integers(0, 2 * CROP + 1, (n, 2))):
        moved[i] = wide[i, :, y : y + height, x : x + width]
    return moved
