"""How the difference of two nudged states becomes latent counts and flips.

The learning rule is the paper's without its leak: ``m <- clip(m + c, -S, S)`` for the ternary
contrast ``c`` of each sample; at the end of a batch a weight flips where ``m * w <= -tau``.
"""

import numpy as np

__all__ = ["accumulate", "contrast", "flip"]


def contrast(code, plus_i, plus_j, minus_i, minus_j):
    """Contrast of one synapse per element: ``a_i(+) a_j(+) - a_i(-) a_j(-)``, as -1, 0 or +1.

    Parameters
    ----------
    code : {"heaviside", "sign"}
        With ``sign`` the products are -1 or +1 and their difference is halved.
    plus_i, plus_j, minus_i, minus_j : ndarray of bool
        Activation bits of the two neurons in the two nudged states. They broadcast.

    Returns
    -------
    ndarray of int8
    """
    if code == "heaviside":
        plus, minus = plus_i & plus_j, minus_i & minus_j
    else:
        plus, minus = plus_i == plus_j, minus_i == minus_j
    return plus.astype(np.int8) - minus.astype(np.int8)


def accumulate(latents, c, latent_max):
    """Add contrasts to latents, saturating at ``-latent_max`` and ``latent_max``.

    Parameters
    ----------
    latents : ndarray of int16, shape (...)
    c : ndarray of int8, shape (...)
        Of int16 for 8-bit pixels.
    latent_max : int
        S, at least 1.

    Returns
    -------
    ndarray of int16, shape (...)
    """
    # In more bits than a latent has: a sum in 16 bits could wrap before it saturates.
    total = np.add(latents, c, dtype=np.int32)
    return np.minimum(np.maximum(total, -latent_max), latent_max).astype(np.int16)


def flip(weights, latents, tau, reset_on_flip=False):
    """Flip the weights whose latents speak against them by ``tau`` or more.

    Parameters
    ----------
    weights : ndarray of bool, shape (...)
        True for +1.
    latents : ndarray of int16, shape (...)
    tau : int
        Flip threshold, at least 1.
    reset_on_flip : bool
        Whether a flip sets its latent to 0.

    Returns
    -------
    weights, latents : ndarray
        The new ones.
    flips : int
        How many weights flipped.
    """
    flips = np.where(weights, latents <= -tau, latents >= tau)
    count = int(np.count_nonzero(flips))
    if count:
        weights = weights ^ flips
        if reset_on_flip:
            latents = np.where(flips, np.int16(0), latents)
    return weights, latents, count
