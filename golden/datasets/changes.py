"""How the world that a network has learned may change: its samples, or what they are called.

Each change is exact and repeatable: what is drawn is drawn from a seed, and noise from the number
of the sample besides, so that it does not matter how many samples are changed at a time.
"""

from dataclasses import dataclass

import numpy as np

from popflip.golden.datasets.encoding import check_images
from popflip.golden.support.errors import InputError

__all__ = ["KINDS", "Change"]

#: What a change may be, and what it does.
KINDS = {
    "rotate-90": "images turned by a quarter, counterclockwise",
    "rotate-180": "images turned upside down",
    "invert": "bright pixels dark and dark ones bright",
    "noise": "some pixels of each image black or white at random",
    "dead-pixels": "some pixels black in all images",
    "dead-columns": "some columns black in all images",
    "permute": "pixels of all images permuted",
    "swap-labels": "two classes called by each other's name",
}

#: Of all pixels or columns, in percent, what a change strikes if nobody says it.
STRENGTH = {"noise": 10, "dead-pixels": 20, "dead-columns": 20}


@dataclass(frozen=True)
class Change:
    """A change of samples.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    seed : int
        Of what is drawn.
    percent : int, optional
        Of pixels or columns that ``noise`` and the dead ones strike; :data:`STRENGTH` if left out.
    classes : (int, int)
        Whose names ``swap-labels`` exchanges.

    Raises
    ------
    InputError
        If there is no such change.

    Examples
    --------
    >>> images = np.array([[[1, 2], [3, 4]]], np.uint8)
    >>> Change("rotate-90").images(images).tolist()
    [[[2, 4], [1, 3]]]
    """

    kind: str
    seed: int = 1
    percent: int | None = None
    classes: tuple[int, int] = (0, 1)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"change must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.seed < 0:
            raise InputError(f"seed must be at least 0, not {self.seed}")
        if self.percent is not None and not 0 <= self.percent <= 100:
            raise InputError(f"percent must be 0 to 100, not {self.percent}")

    @property
    def strength(self) -> int:
        """Percent of pixels or columns that it strikes."""
        return STRENGTH.get(self.kind, 0) if self.percent is None else self.percent

    def images(self, images: np.ndarray, first: int = 0) -> np.ndarray:
        """Return changed images.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height, width)
        first : int
            Number of the first one among all, which decides its noise.
        """
        images = check_images(images)
        if images.ndim != 3:
            raise InputError(f"images must have 3 axes, not {images.ndim}")
        height, width = images.shape[1:]
        match self.kind:
            case "rotate-90":
                if height != width:
                    raise InputError(f"rotate-90 needs square images, not {height} x {width}")
                return np.rot90(images, axes=(1, 2))
            case "rotate-180":
                return np.rot90(images, 2, axes=(1, 2))
            case "invert":
                return 255 - images
            case "noise":
                return self._noisy(images, first)
            case "dead-pixels":
                dead = self._struck(height * width).reshape(height, width)
                return np.where(dead, np.uint8(0), images)
            case "dead-columns":
                return np.where(self._struck(width), np.uint8(0), images)
            case "permute":
                order = np.random.default_rng(self.seed).permutation(height * width)
                return images.reshape(len(images), -1)[:, order].reshape(images.shape)
        return images

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """Return changed labels."""
        if self.kind != "swap-labels":
            return labels
        a, b = self.classes
        return np.where(labels == a, b, np.where(labels == b, a, labels)).astype(labels.dtype)

    def _struck(self, n: int) -> np.ndarray:
        """Draw a share of ``n`` things, at least one unless the share is 0."""
        rng, struck = np.random.default_rng(self.seed), np.zeros(n, bool)
        count = min(n, max(1, round(n * self.strength / 100))) if self.strength else 0
        struck[rng.permutation(n)[:count]] = True
        return struck

    def _noisy(self, images, first):
        noisy = images.copy()
        for number, image in enumerate(noisy, first):
            rng = np.random.default_rng([self.seed, number])
            struck = rng.random(image.shape) < self.strength / 100
            image[struck] = 255 * rng.integers(0, 2, int(struck.sum()), np.uint8)
        return noisy
