"""What a network has learned, and what it meets then."""

from dataclasses import dataclass

import numpy as np

from popflip.golden.datasets.changes import KINDS, Change
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.support.errors import InputError

__all__ = ["CHANGES", "DEFAULT_CHANGES", "OF_PIXELS", "Part", "Problem", "problem_of"]

#: Number that the noise of test samples counts from, so that it is not that of training samples.
TEST_FIRST = 1 << 24

#: Changes of what classes there are, and what they are called.
OF_CLASSES = {
    "rename": "the last class but one gets another name; the last one is left out, and its output "
    "takes the new name",
    "unseen": "the last two classes come only now; their outputs were free",
}

#: Changes of pixels; others are of labels.
OF_PIXELS = {*KINDS} - {"swap-labels"}

#: Every change, and what it is.
CHANGES = {**KINDS, **OF_CLASSES}

#: Changes that are measured if nobody names one.
DEFAULT_CHANGES = (
    "rotate-90", "rotate-180", "invert", "noise", "dead-pixels", "permute", "rename", "unseen",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """Images and labels."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, classes: int) -> "Part":
        """Return the samples of the first so many classes."""
        keep = self.labels < classes
        return Part(self.images[keep], self.labels[keep])

    def without(self, classes: tuple[int, ...]) -> "Part":
        """Return the samples of all classes but some."""
        keep = ~np.isin(self.labels, classes)
        return Part(self.images[keep], self.labels[keep])


@dataclass(frozen=True, eq=False)
class Problem:
    """A change.

    Attributes
    ----------
    old : Dataset
        What the network has learned before.
    train, test : Part
        What comes then, and what tests it.
    kept : Part
        Old test samples whose names still hold: what a network should not forget.
    rehearsed : Part
        Old training samples whose names still hold: what it may be shown again.
    """

    old: Dataset
    train: Part
    test: Part
    kept: Part
    rehearsed: Part


def problem_of(data: Dataset, kind: str, seed: int) -> Problem:
    """Make a problem of a data set.

    Parameters
    ----------
    data : Dataset
    kind : str
        One of :data:`CHANGES`.
    seed : int
        Of what the change draws.

    Raises
    ------
    InputError
        If there is no such change, the data set cannot be changed so, or has too few samples.
    """
    if kind not in CHANGES:
        raise InputError(f"change must be one of {', '.join(CHANGES)}, not {kind!r}")
    train, test = (
        Part(data.train_images, data.train_labels), Part(data.test_images, data.test_labels)
    )  # fmt: skip
    if kind in KINDS:
        change = Change(kind, seed)
        new_train, new_test = (
            Part(
                np.ascontiguousarray(change.images(part.images, first)), change.labels(part.labels)
            )
            for part, first in ((train, 0), (test, TEST_FIRST))
        )
        renamed = change.classes if kind == "swap-labels" else ()
        kept, rehearsed = test.without(renamed), train.without(renamed)
        _refuse_empty(kind, kept, rehearsed)
        return Problem(data, new_train, new_test, kept, rehearsed)
    n, fewest = data.n_classes, 4 if kind == "rename" else 3
    if n < fewest:
        raise InputError(f"change {kind!r} needs at least {fewest} classes, not {n}")
    if kind == "unseen":
        old_train, old_test = train.of(n - 2), test.of(n - 2)
        _refuse_empty(kind, old_train, old_test)
        return Problem(_old(data, kind, old_train, old_test), train, test, old_test, old_train)
    old_train, old_test = train.of(n - 1), test.of(n - 1)
    kept, rehearsed = old_test.of(n - 2), old_train.of(n - 2)
    _refuse_empty(kind, kept, rehearsed)
    return Problem(
        _old(data, kind, old_train, old_test), _renamed(old_train, n), _renamed(old_test, n),
        kept, rehearsed,
    )  # fmt: skip


def _refuse_empty(kind: str, *parts: Part) -> None:
    if not all(map(len, parts)):
        raise InputError(
            f"change {kind!r} needs samples of the classes that it leaves alone, for training and "
            "for the test; use more samples"
        )


def _renamed(part: Part, n: int) -> Part:
    labels = np.where(part.labels == n - 2, n - 1, part.labels).astype(part.labels.dtype)
    return Part(part.images, labels)


def _old(data: Dataset, kind: str, train: Part, test: Part) -> Dataset:
    """Return the data set of fewer classes that came before."""
    return Dataset(
        f"{data.name} before {kind}", train.images, train.labels, test.images, test.labels,
        classes=data.classes, encoder=data.encoder, source=None,
    )  # fmt: skip
