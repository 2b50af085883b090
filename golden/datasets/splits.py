"""Which samples are kept for the test, where a data set does not say it."""

import numpy as np

from popflip.golden.datasets.reading.raw import DataError

__all__ = ["draw_split", "shuffled_order"]


def draw_split(labels: np.ndarray, percent: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw samples for the test, the same share of each class.

    Parameters
    ----------
    labels : ndarray, shape (n,)
    percent : int
        Share of each class. Of a class with 2 samples or more at least 1 goes to each part; one
        with a single sample has it in training.
    seed : int

    Returns
    -------
    train, test : ndarray of int
        Numbers of the samples, in a random order.

    Raises
    ------
    DataError
        If that leaves no test sample.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    _, number = np.unique(labels, return_inverse=True)
    for_test = np.zeros(len(labels), bool)
    for label in range(number.max(initial=-1) + 1):
        members = order[number[order] == label]
        count = min(max(1, round(len(members) * percent / 100)), len(members) - 1)
        for_test[members[:count]] = True
    if not for_test.any():
        raise DataError("each class has a single sample: none is left for a test")
    return order[~for_test[order]], order[for_test[order]]


def shuffled_order(n: int, seed: int) -> np.ndarray:
    """Return the numbers of ``n`` samples in a random order."""
    return np.random.default_rng(seed).permutation(n)
