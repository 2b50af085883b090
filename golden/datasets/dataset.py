"""A data set of small grey images: what every reader returns and every trainer takes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["DataError", "Dataset", "check_data", "checked"]


class DataError(InputError):
    """A data set that cannot be had or read; the message is one line for the user."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels to train on and to test with; the arrays are read-only.

    Parameters
    ----------
    name : str
        What to call it in reports.
    train_images, test_images : ndarray of uint8, shape (n, height, width)
        Both of the same height and width; 0 is the background.
    train_labels, test_labels : ndarray of uint8, shape (n,)
        Classes, numbered from 0. Any byte may occur: the network that is to learn them knows how
        many classes it has, this module does not.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all images and labels, by which two data sets are told apart."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


def checked(name: str, arrays: Mapping[str, np.ndarray], sources: Mapping[str, Path]) -> Dataset:
    """Make a data set of four arrays that must fit together.

    Parameters
    ----------
    name : str
    arrays : Mapping of str to ndarray of uint8
        By the names of :class:`Dataset`: ``train_images``, ``train_labels``, ``test_images`` and
        ``test_labels``.
    sources : Mapping of str to Path
        Where each comes from, for messages.

    Raises
    ------
    DataError
        If there is not one label for each image, or images of two sizes.
    """
    for part in ("train", "test"):
        images, labels = f"{part}_images", f"{part}_labels"
        if len(arrays[images]) != len(arrays[labels]):
            raise DataError(
                f"{sources[labels]} must have a label for each of the {len(arrays[images])} images "
                f"in {sources[images].name}, not {len(arrays[labels])}; take both from one source"
            )
    (height, width), other = arrays["train_images"].shape[1:], arrays["test_images"].shape[1:]
    if (height, width) != other:
        raise DataError(
            f"{sources['test_images']} must have images of {height}x{width} pixels like "
            f"{sources['train_images'].name}, not {other[0]}x{other[1]}; take both from one source"
        )
    return Dataset(name, **arrays)


def check_data(params: Params, data: Dataset) -> None:
    """Raise ValueError if a data set does not fit a network."""
    shape = data.train_images.shape[1:]
    if shape != params.network.image:
        raise InputError(
            f"network.image must be {shape[0]} x {shape[1]} for {data.name}, "
            f"not {params.network.image[0]} x {params.network.image[1]}"
        )
    most = int(max(data.train_labels.max(), data.test_labels.max()))
    if most >= params.network.classes:
        raise InputError(
            f"network.classes must be at least {most + 1} for {data.name}, "
            f"not {params.network.classes}"
        )
