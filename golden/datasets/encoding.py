"""How pixels become what a network sees.

Input bit ``pixel * planes + plane`` is 1 where the pixel is above threshold number ``plane``;
pixels are numbered row by row from the top left.
"""

import numpy as np

from popflip.golden.description.sections.network import Network
from popflip.golden.support.errors import InputError

__all__ = ["check_images", "encode", "input_of"]


def encode(images, thresholds):
    """Turn pixels into input bits.

    Parameters
    ----------
    images : ndarray of uint8, shape (..., height, width)
    thresholds : sequence of int
        0 to 255; one bit per pixel and threshold, 1 where the pixel is above it.

    Returns
    -------
    ndarray of bool, shape (..., height * width * planes)
        Bit ``pixel * planes + plane``, pixels row by row, planes in the order of the thresholds.
    """
    images = check_images(images)
    if not len(thresholds):
        raise InputError("thresholds must have at least 1 entry, not 0")
    for threshold in thresholds:
        if not 0 <= threshold <= 255:
            raise InputError(f"thresholds must be from 0 to 255, not {threshold}")
    pixels = images.reshape(*images.shape[:-2], -1)
    bits = np.empty((*pixels.shape, len(thresholds)), bool)
    for plane, threshold in enumerate(thresholds):
        np.greater(pixels, threshold, out=bits[..., plane])
    return bits.reshape(*pixels.shape[:-1], -1)


def input_of(network: Network, images):
    """Turn pixels into what a network sees: input bits, or the pixels if it takes 8 bits of them.

    Parameters
    ----------
    network : popflip.golden.description.params.Network
    images : ndarray of uint8, shape (..., height, width)

    Returns
    -------
    ndarray of bool or uint8, shape (..., n_in)
    """
    if network.pixel_bits == 8:
        images = check_images(images)
        return images.reshape(*images.shape[:-2], -1)
    return encode(images, network.thresholds)


def check_images(images):
    """Return images as an array; raise TypeError if they are not bytes."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8, not {images.dtype}")
    return images
