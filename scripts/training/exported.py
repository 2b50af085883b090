"""Samples and images of programs in C: what `export` writes, and what golden makes of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from popflip.boards.driver.image import NetworkImage
from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import file_errors
from popflip.golden.training.machine import CHUNK, GoldenMachine
from popflip.golden.training.state import initial_state
from popflip.rtl.identity import identity
from popflip.scripts.console import Display
from popflip.scripts.session import choose_data

__all__ = ["exported_samples", "fitting_data", "golden_image", "new_image", "read_image"]


def fitting_data(named: str | None, params: Params) -> tuple[Dataset, str]:
    """Load the data set that was named, else the default one, and its name for a report.

    Raises
    ------
    InputError
        If it does not fit the network.
    """
    dataset, source = choose_data(named, params=params)
    try:
        check_data(params, dataset)
    except InputError as error:
        hint = "; name your data by --data" if named is None else ""
        raise InputError(f"{error}{hint}") from None
    return dataset, source


def exported_samples(
    params: Params, dataset: Dataset, part: str, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first samples of a part of a data set, in the order of the data set.

    Parameters
    ----------
    params : Params
    dataset : Dataset
    part : {"train", "test"}
    count : int

    Returns
    -------
    x : ndarray of bool or uint8, shape (count, n_in)
    labels : ndarray of int, shape (count,)

    Raises
    ------
    InputError
        If there are fewer.
    """
    images, labels = (getattr(dataset, f"{part}_{what}") for what in ("images", "labels"))
    if count > len(images):
        raise InputError(f"samples must be at most {len(images)}, not {count}")
    return input_of(params.network, images[:count]), labels[:count].astype(int)


def new_image(params: Params, seed: int) -> NetworkImage:
    """Return what a training with this seed begins with."""
    state, learning = initial_state(params, seed), params.learning
    if not params.machine.training:
        state = state.without_latents()
    return NetworkImage(state, learning.batch, learning.reset_on_flip, learning.tau)


def read_image(path: Path, params: Params, bus: str) -> NetworkImage:
    """Read an image of a design.

    Raises
    ------
    FileError
        If it cannot be read.
    ImageError
        If it is damaged, or of another design.
    """
    with file_errors(path):
        content = path.read_bytes()
    return NetworkImage.unpack(params, identity(params, bus), content)


def golden_image(
    params: Params, start: NetworkImage, x: np.ndarray, labels: np.ndarray, epochs: int
) -> NetworkImage:
    """Have the golden model learn what a program has learned, with the settings of an image.

    Parameters
    ----------
    params : Params
    start : NetworkImage
    x, labels : ndarray
        From :func:`exported_samples`, in the order of learning.
    epochs : int
        How often they are learned, from the first to the last. The last batch of each epoch is
        ended, full or not.
    """
    settings = {"batch": start.batch, "reset_on_flip": start.reset_on_flip, "tau": start.tau}
    machine = GoldenMachine(params.replace(learning=settings))
    machine.write_state(start.state)
    machine.load(x, labels)
    chunk, n = -(-CHUNK // start.batch) * start.batch, len(x)
    with Display() as display:
        for epoch in range(epochs):
            for first in range(0, n, chunk):
                count = min(chunk, n - first)
                machine.train(first, count, flush=first + count == n)
                display.show("golden", epoch * n + first + count, epochs * n, "the same samples")
    return replace(start, state=machine.read_state())
