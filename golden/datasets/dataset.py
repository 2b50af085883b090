"""A data set of small grey images: what every trainer takes, and what every reader leads to."""

import hashlib
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np

from popflip.golden.datasets.encoder import Encoder
from popflip.golden.datasets.labels import names_of_outputs
from popflip.golden.datasets.reading.raw import DataError
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["DataError", "Dataset", "check_data"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels to train on and to test with; the arrays are read-only.

    Arrays of other shapes and types, and labels that are no numbers, become one by
    :func:`popflip.golden.datasets.loading.from_arrays`.

    Parameters
    ----------
    name : str
        What to call it in reports.
    train_images, test_images : ndarray of uint8, shape (n, height, width)
        Both of the same height and width; 0 is the background. At least one image each.
    train_labels, test_labels : ndarray of int, shape (n,)
        Classes, numbered from 0. Any byte may occur: the network that is to learn them knows how
        many classes it has, this module does not.
    classes : tuple of str
        What the classes are called, by number; their numbers if left out.
    encoder : Encoder, optional
        What made the images of the values that were read.
    source : str, optional
        What :func:`popflip.golden.datasets.loading.load` finds it by again.
    warnings : tuple of str
        What a user should know of the data, though they can be learned.

    Raises
    ------
    DataError
        If arrays are of other shapes or types, or do not fit together.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    _: KW_ONLY
    classes: tuple[str, ...] = ()
    encoder: Encoder | None = None
    source: str | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self):
        for part in ("train", "test"):
            images = getattr(self, f"{part}_images")
            labels = getattr(self, f"{part}_labels")
            _check_array(f"{part}_images", images, 3, images.dtype == np.uint8, "uint8")
            whole = np.issubdtype(labels.dtype, np.integer)
            _check_array(f"{part}_labels", labels, 1, whole, "whole numbers")
            if len(labels) != len(images):
                raise DataError(
                    f"{part}_labels must have an entry for each of the {len(images)} images, "
                    f"not {len(labels)}"
                )
            if labels.min() < 0 or labels.max() > 255:
                raise DataError(
                    f"{part}_labels must be from 0 to 255, not {labels.min()} to {labels.max()}"
                )
        size, other = self.train_images.shape[1:], self.test_images.shape[1:]
        if size != other:
            raise DataError(
                f"test_images must have {size[0]} x {size[1]} pixels like train_images, "
                f"not {other[0]} x {other[1]}"
            )

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all images and labels, by which two data sets are told apart."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    @cached_property
    def n_classes(self) -> int:
        """Classes that occur, or have a name."""
        most = int(max(self.train_labels.max(), self.test_labels.max())) + 1
        return max(most, len(self.classes))

    def class_names(self, classes: int) -> list[str]:
        """Return what each of a network's classes is called; its number if it has no name."""
        return names_of_outputs(self.classes, classes)


def _check_array(name: str, array, axes: int, is_kind: bool, kind: str) -> None:
    if array.ndim != axes or not is_kind:
        shape = "(n, height, width)" if axes == 3 else "(n,)"
        raise DataError(
            f"{name} must be {kind} of shape {shape}, not {array.dtype} of shape {array.shape}; "
            f"popflip.golden.datasets.loading.from_arrays takes other arrays"
        )
    if not len(array):
        raise DataError(f"{name} must have at least 1 entry, not 0")


def check_data(params: Params, data: Dataset) -> None:
    """Raise ValueError if a data set does not fit a network."""
    shape = data.train_images.shape[1:]
    if shape != params.network.image:
        raise InputError(
            f"network.image must be {shape[0]} x {shape[1]} for {data.name}, "
            f"not {params.network.image[0]} x {params.network.image[1]}"
        )
    if data.n_classes > params.network.classes:
        raise InputError(
            f"network.classes must be at least {data.n_classes} for {data.name}, "
            f"not {params.network.classes}"
        )
