"""Files that appear whole or not at all, and files from outside that may not be too large."""

import os
from pathlib import Path

from popflip.golden.support.bounded import read_at_most
from popflip.golden.support.errors import InputError

__all__ = ["TooLargeError", "read_file", "write_atomically"]


class TooLargeError(InputError):
    """A file has more bytes than it may; the message is one line for the user."""


def read_file(path: str | Path, most: int, what: str) -> bytes:
    """Return the content of a file from outside, which may have so many bytes.

    Parameters
    ----------
    path : path
        A pipe or a device is read to its end too, which need not come.
    most : int
        Bytes that it may have.
    what : str
        What it is to be, for the message, such as ``a flash image``.

    Raises
    ------
    TooLargeError
        If it has more.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        content = read_at_most(file, most + 1)
        if len(content) > most:
            size = max(os.fstat(file.fileno()).st_size, len(content))
            raise TooLargeError(f"{path}: {what} must have at most {most:,} bytes, not {size:,}")
    return bytes(content)


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(scratch, "wb") as file:
            file.write(content)
            file.flush()
            # Else the name could reach the disk before the content, and the power go in between.
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say which file it was
        raise
    finally:
        scratch.unlink(missing_ok=True)
