"""Files that a user names: written whole or not at all, read within bounds, named in errors."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from popflip.golden.support.bounded import read_at_most
from popflip.golden.support.errors import InputError, PopflipError

__all__ = [
    "MOST_TEXT",
    "FileError",
    "TooLargeError",
    "file_errors",
    "prepare_file",
    "prepare_folder",
    "read_file",
    "read_json",
    "read_text",
    "refuse_same",
    "write_atomically",
]

#: Bytes that a file of reports or notes may have, unless something smaller is known.
MOST_TEXT = 1 << 26


class FileError(PopflipError, OSError):
    """A file cannot be read or written; the message names it and the cause."""


@contextmanager
def file_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of the operating system into a :class:`FileError` about ``path``.

    Parameters
    ----------
    path : str or Path
        What the user knows the file by. An error that names a file itself keeps that name.
    """
    try:
        yield
    except (FileError, BrokenPipeError):  # the latter: whoever reads our words has gone
        raise
    except OSError as error:
        name = path if error.filename is None else error.filename
        raise FileError(f"{name}: {error.strerror or error}") from error


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
    FileError
        If it cannot be read.
    """
    with file_errors(path), open(path, "rb") as file:
        content = read_at_most(file, most + 1)
        if len(content) > most:
            size = max(os.fstat(file.fileno()).st_size, len(content))
            raise TooLargeError(f"{path}: {what} must have at most {most:,} bytes, not {size:,}")
    return bytes(content)


def read_text(path: str | Path, what: str, most: int = MOST_TEXT) -> str:
    """Return the text of a file from outside, which is UTF-8.

    Parameters
    ----------
    path : path
    what : str
        What it is to be, for messages.
    most : int
        Bytes that it may have.

    Raises
    ------
    TooLargeError
        If it has more.
    InputError
        If it is no text.
    FileError
        If it cannot be read.
    """
    try:
        return read_file(path, most, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: {what} must be text in UTF-8: {error}") from None


def read_json(path: str | Path, what: str, most: int = MOST_TEXT):
    """Return what a file of JSON from outside holds.

    Parameters
    ----------
    path, what, most
        As of :func:`read_text`.

    Raises
    ------
    TooLargeError
        If it has more bytes.
    InputError
        If it is no JSON, or nested too deeply.
    FileError
        If it cannot be read.
    """
    text = read_text(path, what, most)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {what} must be JSON: {error}") from None


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written, for instance to a full disk.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _make(path.parent)
        try:
            with open(scratch, "wb") as file:
                file.write(content)
                file.flush()
                # Else the name could reach the disk before the content, and the power go between.
                os.fsync(file.fileno())
            os.replace(scratch, path)
        except OSError as error:
            # A full disk does not say which file it was; the scratch file is nobody's business.
            raise FileError(f"{path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # of a disk that is read only; the error above says so
            scratch.unlink()


def _make(folder: Path) -> None:
    with file_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise FileError(f"{folder} is a file, and must be a folder") from None


def prepare_folder(folder: Path) -> None:
    """Make a folder for results, and see that it can be written; before any work is lost.

    Raises
    ------
    FileError
        If not.
    """
    _make(folder)
    write_atomically(folder / ".probe", b"")
    (folder / ".probe").unlink()


def prepare_file(path: Path, what: str) -> None:
    """See that a file of results can be written where it is wanted; before any work is lost.

    Parameters
    ----------
    path : Path
    what : str
        What it will hold, for the message.

    Raises
    ------
    FileError
        If its folder cannot be written.
    InputError
        If it is a folder.
    """
    if path.is_dir():
        raise InputError(f"{what} must be a file, not the folder {path}")
    prepare_folder(path.parent)


def refuse_same(path: Path | None, source: Path | None, what: str) -> None:
    """Raise InputError if a file of results is the one that is read.

    Parameters
    ----------
    path : Path, optional
        Of the results; None if none are written.
    source : Path, optional
        What is read; None, or a path that is not there, if it is no file.
    what : str
        What the results are, for the message.
    """
    if path is None or source is None:
        return
    source = Path(os.path.expanduser(source))
    if path.is_file() and source.is_file() and path.samefile(source):
        raise InputError(f"{what} must be written to another file than {path}, which is read")
