"""Rows of words, compared and copied: what the other kernels of the engine are made of."""

from popflip.golden.engine.compilation import compiled, inlined
from popflip.golden.engine.lanes import popcount, word_at

__all__ = ["common", "copy", "unlike"]


@inlined
def common(a, i, b, j, words):
    """Ones that two rows of words, from ``a[i]`` and ``b[j]`` on, have in common."""
    if words == 2:  # the commonest: no loop
        low = popcount(word_at(a, i) & word_at(b, j))
        return low + popcount(word_at(a, i + 1) & word_at(b, j + 1))
    n = 0
    for k in range(words):
        n += popcount(word_at(a, i + k) & word_at(b, j + k))
    return n


@inlined
def unlike(a, i, b, j, words):
    """Bits in which two rows of words differ."""
    n = 0
    for k in range(words):
        n += popcount(word_at(a, i + k) ^ word_at(b, j + k))
    return n


@compiled
def copy(source, into):
    """Copy an array into another of the same shape."""
    # Plain assignment would look for overlaps, and allocate.
    for i in range(len(source)):
        into[i] = source[i]
