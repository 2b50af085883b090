"""Arrays in NumPy's own files (``.npy``, members of ``.npz``), read no further than allowed.

Python objects in them are refused: reading one would run whatever code its author wished.
"""

from typing import IO, Literal

import numpy as np

from popflip.golden.support.bounded import read_at_most
from popflip.golden.support.errors import InputError

__all__ = ["array_body", "array_header", "read_array"]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def array_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, Literal["C", "F"]]:
    """Read the shape, the type and the order of axes that an ``.npy`` file begins with.

    Raises
    ------
    InputError
        If it is of another version, or holds Python objects.
    ValueError
        If it is no such file.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise InputError("an array of another version")
    shape, by_columns, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise InputError("an array of objects")
    return shape, dtype, "F" if by_columns else "C"


def array_body(stream: IO[bytes], n_bytes: int) -> bytearray:
    """Read the values that follow a header; there must be just so many bytes of them."""
    content = read_at_most(stream, n_bytes + 1)
    if len(content) != n_bytes:
        raise InputError("an array of another length than its header promises")
    return content


def read_array(stream: IO[bytes], most: int) -> np.ndarray:
    """Read an array of at most ``most`` bytes, and no byte more than its header promises.

    Raises
    ------
    ValueError
        If it is no array, another one than its header promises, or larger.
    """
    shape, dtype, order = array_header(stream)
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if n_bytes > most:
        text = " x ".join(map(str, shape))
        raise InputError(f"an array of {text} values of {dtype}: more than {most:,} bytes")
    content = array_body(stream, n_bytes)
    if not dtype.itemsize:  # such as texts of no letter
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype).reshape(shape, order=order)
