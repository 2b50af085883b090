"""The shuffle: the order in which the hardware takes the samples of an epoch, without a table.

A shift register of ``bits`` bits takes every one of its ``2 ** bits`` states once, from 0 on. It is
a linear feedback shift register of greatest period, with one change that adds the state 0: the new
bit is inverted where all bits but bit 0 are 0. Each epoch draws a *key*; the sample of a state is
``state ^ key``, and numbers beyond the last sample are skipped. So every sample comes once per
epoch, in another order for each key. One step, in Amaranth::

    new = Cat(state[tap] for tap in TAPS[bits]).xor() ^ ~state[1:].any()
    m.d.sync += state.eq(Cat(state[1:], new))
"""

from functools import lru_cache

import numpy as np

from popflip.golden.support.errors import InputError

__all__ = ["TAPS", "shuffled"]


def _taps(*lags: int) -> tuple[int, ...]:
    """Bits of the state from the lags of the recurrence, as the literature lists them."""
    return tuple(lags[0] - lag for lag in lags)


#: Bits of the state whose sum modulo 2 enters at the top, by the width of the register.
TAPS = {
    lags[0]: _taps(*lags)
    for lags in (
        (2, 1), (3, 2), (4, 3), (5, 3), (6, 5), (7, 6), (8, 6, 5, 4), (9, 5), (10, 7), (11, 9),
        (12, 6, 4, 1), (13, 4, 3, 1), (14, 5, 3, 1), (15, 14), (16, 15, 13, 4), (17, 14), (18, 11),
        (19, 6, 2, 1), (20, 17),
    )
}  # fmt: skip


@lru_cache(maxsize=4)
def _states(bits: int) -> np.ndarray:
    """States in the order in which the register takes them, beginning with 0."""
    mask = sum(1 << tap for tap in TAPS[bits])
    states = np.empty(1 << bits, np.int32)
    state = 0
    for i in range(1 << bits):
        states[i] = state
        new = (state & mask).bit_count() & 1 ^ (state < 2)
        state = state >> 1 | new << (bits - 1)
    states.flags.writeable = False
    return states


def shuffled(n: int, bits: int, key: int) -> np.ndarray:
    """Order the samples of an epoch.

    Parameters
    ----------
    n : int
        Samples, 1 to ``2 ** bits``.
    bits : int
        Width of the register, 2 to 20.
    key : int
        0 to ``2 ** bits - 1``.

    Returns
    -------
    ndarray of int32, shape (n,)
        Each of 0 to ``n - 1`` once.
    """
    if bits not in TAPS:
        raise InputError(f"bits must be {min(TAPS)} to {max(TAPS)}, not {bits}")
    for name, value, least, most in (("n", n, 1, 1 << bits), ("key", key, 0, (1 << bits) - 1)):
        if not least <= value <= most:
            raise InputError(f"{name} must be {least} to {most}, not {value}")
    numbers = _states(bits) ^ key
    return numbers[numbers < n]
