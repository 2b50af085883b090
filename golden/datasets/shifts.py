"""Images moved by whole pixels, and how far a network in training has them moved."""

import numpy as np

from popflip.golden.datasets.encoding import check_images
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.support.errors import InputError

__all__ = ["draw_shifts", "shift_images"]


def shift_images(images, dx, dy):
    """Move each image by whole pixels; 0 comes in at the edges.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
    dx, dy : ndarray of int, shape (n,), or int
        Pixels to the right and pixels down; negative to the left and up.

    Returns
    -------
    ndarray of uint8, shape (n, height, width)
    """
    images = check_images(images)
    if images.ndim != 3:
        raise InputError(f"images must have 3 axes, not {images.ndim}")
    n, height, width = images.shape
    # As far as its own size an image is gone; more would only make the margin wider.
    dx = np.clip(np.broadcast_to(dx, n).astype(int), -width, width)
    dy = np.clip(np.broadcast_to(dy, n).astype(int), -height, height)
    wide = int(np.abs(dx).max(initial=0))
    high = int(np.abs(dy).max(initial=0))
    padded = np.pad(images, ((0, 0), (high, high), (wide, wide)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    return windows[np.arange(n), high - dy, wide - dx]


def draw_shifts(lfsr: Lfsr, n: int, reach: int):
    """Draw how far to move each of ``n`` images.

    A draw of 8 bits, ``d``, becomes ``(d * (2 * reach + 1) >> 8) - reach``. Each image takes one
    for ``dx``, then one for ``dy``, also where ``reach`` is 0.

    Parameters
    ----------
    lfsr : Lfsr
        Left ``16 * n`` steps further.
    n : int
    reach : int
        Greatest distance in each direction, 0 to 127. The distances are equally likely as far as
        256 divides evenly among them: one of the three of reach 1 has 86 of the 256 draws, two
        have 85.

    Returns
    -------
    dx, dy : ndarray of int8, shape (n,)
    """
    if not 0 <= reach <= 127:
        raise InputError(f"reach must be from 0 to 127, not {reach}")
    draws = lfsr.draw_many(2 * n, 8).astype(np.int32).reshape(n, 2)
    shifts = ((draws * (2 * reach + 1) >> 8) - reach).astype(np.int8)
    return shifts[:, 0], shifts[:, 1]
