"""The generator of random bits that the hardware steps too.

A 32-bit Fibonacci linear feedback shift register with taps 32, 22, 2 and 1, whose sequence has the
greatest period, ``2**32 - 1``. Bit 0 of the state is the oldest bit (tap 32) and is the next one
drawn; the new bit enters at bit 31 (tap 1). One step, in Amaranth::

    drawn = state[0]
    m.d.sync += state.eq(Cat(state[1:], state[0] ^ state[10] ^ state[30] ^ state[31]))

So the bits ``b[t]`` that are drawn satisfy ``b[t] = b[t-1] ^ b[t-2] ^ b[t-22] ^ b[t-32]``, the
first 32 of them are the state that the generator started from, and a draw of up to 32 bits can be
read from the low end of the state at once, before the register takes its steps.
"""

from operator import index

import numpy as np

from popflip.golden.support.errors import InputError

__all__ = ["TAPS", "WIDTH", "Lfsr"]

#: Bits of the state.
WIDTH = 32

#: Bits of the state whose sum modulo 2 enters at the top: taps 32, 22, 2 and 1.
TAPS = (0, 10, 30, 31)


class Lfsr:
    """Draw bits as the hardware draws them.

    A state with few ones gives a run of zeros first: its first 32 bits are the state itself.

    Parameters
    ----------
    state : int
        What the register holds before the first step, 1 to ``2**32 - 1``; from 0 it would never
        leave 0.
    """

    def __init__(self, state: int):
        state = _integer(state, "state")
        if not 1 <= state < 1 << WIDTH:
            raise InputError(f"state must be from 1 to {(1 << WIDTH) - 1}, not {state}")
        self._state = state

    def __repr__(self):
        return f"Lfsr({self._state:#010x})"

    @property
    def state(self) -> int:
        """What the register holds now; ``Lfsr(state)`` goes on from here."""
        return self._state

    def draw(self, n_bits: int) -> int:
        """Step ``n_bits`` times and return the bits drawn.

        Parameters
        ----------
        n_bits : int
            At least 1.

        Returns
        -------
        int
            The bit drawn first is bit 0.
        """
        n_bits = _integer(n_bits, "n_bits")
        if n_bits < 1:
            raise InputError(f"n_bits must be at least 1, not {n_bits}")
        state = self._state
        drawn = 0
        for i in range(n_bits):
            drawn |= (state & 1) << i
            new = sum(state >> tap for tap in TAPS) & 1
            state = state >> 1 | new << (WIDTH - 1)
        self._state = state
        return drawn

    def draw_many(self, n: int, n_bits: int) -> np.ndarray:
        """Draw ``n`` times, as :meth:`draw` would, much faster.

        Parameters
        ----------
        n : int
            At least 0.
        n_bits : int
            1 to 32.

        Returns
        -------
        ndarray of uint32, shape (n,)
        """
        n, n_bits = _integer(n, "n"), _integer(n_bits, "n_bits")
        if n < 0:
            raise InputError(f"n must be at least 0, not {n}")
        if not 1 <= n_bits <= WIDTH:
            raise InputError(f"n_bits must be from 1 to {WIDTH}, not {n_bits}")
        total = n * n_bits + WIDTH
        bits = np.empty(total, bool)
        bits[:WIDTH] = [self._state >> i & 1 for i in range(WIDTH)]
        known = WIDTH
        while known < total:
            # In arithmetic modulo 2 the recurrence holds with all its lags times a power of 2.
            scale = 1 << (known // WIDTH).bit_length() - 1
            end = min(known + scale, total)
            lags = [(WIDTH - tap) * scale for tap in TAPS]
            parts = [bits[known - lag : end - lag] for lag in lags]
            bits[known:end] = np.logical_xor.reduce(parts)
            known = end
        self._state = int(
            (bits[-WIDTH:].astype(np.uint64) << np.arange(WIDTH, dtype=np.uint64)).sum()
        )
        drawn = bits[:-WIDTH].reshape(n, n_bits)
        return (drawn.astype(np.uint32) << np.arange(n_bits, dtype=np.uint32)).sum(
            -1, dtype=np.uint32
        )


def _integer(value, name):
    # index() takes NumPy's integers too, but also bool, which is a mistake here.
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
