"""Images of CIFAR-10's shape that a generator makes, for whom has no CIFAR-10.

Each class has a pattern of coloured blocks. An image is that pattern, moved a little, under a
weaker random one and noise. They are easy, so that a network which learns shows it within minutes;
CIFAR-10 is far from it. All of it is arithmetic of integers, so it is the same on every computer.
"""

import numpy as np

__all__ = ["synthetic_images"]

#: Whole batches of 64: a last one of a few images would unsettle what was learned.
TRAIN, TEST = 5120, 1024

#: Blocks along a side of a pattern.
BLOCKS = 8

#: Pixels by which a pattern is moved at most.
SHIFT = 1

#: Parts of the pattern, of what hides it, and of noise.
SHARES = (8, 2, 1)


def synthetic_images() -> tuple[np.ndarray, ...]:
    """Make 5,120 images to learn from and 1,024 to test, always the same.

    Returns
    -------
    train, train_labels, test, test_labels : ndarray of uint8
        Images of shape (n, 3, 32, 32), labels of shape (n,).
    """
    rng = np.random.default_rng(10)
    patterns = _blocks(rng, 10)

    def draw(n):
        labels = rng.integers(0, 10, n).astype(np.uint8)
        chosen = patterns[labels]
        for image, move in zip(chosen, rng.integers(-SHIFT, SHIFT + 1, (n, 2)), strict=True):
            image[:] = np.roll(image, tuple(move), (1, 2))
        noise = rng.integers(0, 256, chosen.shape, np.uint8)
        parts = zip(SHARES, (chosen, _blocks(rng, n), noise), strict=True)
        mixed = sum(share * part.astype(np.int32) for share, part in parts) // sum(SHARES)
        return mixed.astype(np.uint8), labels

    return (*draw(TRAIN), *draw(TEST))


def _blocks(rng, n):
    """Random patterns: n of 3 x 32 x 32 in blocks of one colour."""
    side = 32 // BLOCKS
    drawn = rng.integers(0, 256, (n, 3, BLOCKS, BLOCKS), np.uint8)
    return drawn.repeat(side, 2).repeat(side, 3)
