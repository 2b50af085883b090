"""Files from outside, read within a limit.

A file may promise much and hold more: a gzip file of some kilobytes unpacks to gigabytes, a header
of a few bytes names an array of any size. Here nothing is read beyond what a header promises, and
no promise counts beyond a limit that the reader states.
"""

import io
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from popflip.golden.support.errors import InputError

__all__ = ["TooLargeError", "check_size", "opened_arrays", "read_file", "read_up_to"]

_PIECE = 1 << 20


class TooLargeError(InputError):
    """A file has, or promises, more bytes than it may; the message is one line for the user."""


def check_size(path: str | Path, size: int, most: int, what: str) -> None:
    """Raise TooLargeError if a file promises too much.

    Parameters
    ----------
    path : path
    size : int
        Bytes that it has, or promises.
    most : int
        Bytes that it may have.
    what : str
        What it is to be, for the message, such as ``a checkpoint``.
    """
    if size > most:
        raise TooLargeError(f"{path}: {what} must have at most {most:,} bytes, not {size:,}")


def read_file(path: str | Path, most: int, what: str) -> bytes:
    """Return the content of a file that may have so many bytes.

    Parameters
    ----------
    path : path
    most, what
        As for :func:`check_size`.

    Raises
    ------
    TooLargeError
        If it has more.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        # A pipe or a device has no size, so what comes is counted as well.
        content = read_up_to(file, most + 1)
        if len(content) > most:
            check_size(path, max(Path(path).stat().st_size, len(content)), most, what)
    return content


def read_up_to(stream, size: int) -> bytes:
    """Return so many bytes of a stream, or all that are left of it if those are fewer.

    Memory is taken for what is there, not for what is asked for.

    Parameters
    ----------
    stream : binary file
        Such as one that unpacks.
    size : int
    """
    content = bytearray()
    while len(content) < size:
        piece = stream.read(min(_PIECE, size - len(content)))
        if not piece:
            break
        content += piece
    return bytes(content)


@contextmanager
def opened_arrays(
    path: str | Path, content: bytes, most: int, what: str
) -> Iterator[Mapping[str, np.ndarray]]:
    """Open a file of NumPy arrays (``.npz``) that may take so many bytes together.

    The headers of all arrays are checked before any is loaded. An array is loaded when it is asked
    for.

    Parameters
    ----------
    path : path
        For messages.
    content : bytes
        Of the file, as :func:`read_file` returns it. NumPy would leave the descriptor of a damaged
        file open.
    most, what
        As for :func:`check_size`; the limit holds for all arrays together.

    Yields
    ------
    Mapping
        The arrays by name.

    Raises
    ------
    TooLargeError
        If its arrays have more bytes.
    Exception
        Of many kinds, if it is damaged.
    """
    file = io.BytesIO(content)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        check_size(path, sum(member.file_size for member in members), most, what)
        for member in members:
            with archive.open(member) as stream:
                _check_header(stream, member)
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        yield arrays


def _check_header(stream, member: zipfile.ZipInfo) -> None:
    """Raise ValueError unless an array's header promises what its member of an archive has."""
    form = np.lib.format
    version = form.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = form.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = form.read_array_header_2_0(stream)
    else:
        raise ValueError(f"{member.filename} has an unknown version, {version}")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or stream.tell() + size != member.file_size:
        raise ValueError(f"{member.filename} does not have the size that its header promises")
