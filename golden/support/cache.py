"""The cache: whatever can be made or fetched again, kept by content.

An *entry* is a folder. Its path ends in a key that follows from all that the content follows from
(:func:`key_of`), so an entry never changes. It appears whole or not at all, one process makes it
while the others wait, and it is checked each time it is read: beside its files lies a manifest with
their sizes and SHA-256 digests. An entry that was cut short or altered is made anew.

A check costs one look at each file for its size and time of change. Digests are computed (1 GB
takes about a second) when this process meets an entry for the first time, and again when the look
shows a difference.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from popflip.golden.support.errors import PopflipError
from popflip.golden.support.files import file_errors

__all__ = ["LockedError", "cache_folder", "entry", "is_whole", "key_of", "locked", "text_entry"]

log = logging.getLogger(__name__)

#: Sizes and digests of an entry's files, in its folder.
MANIFEST = ".manifest.json"

# What this process knows of entries that it has found whole: a file's size, time of change and
# inode, by its name.
_known: dict[Path, dict[str, tuple[int, int, int]]] = {}


class LockedError(PopflipError):
    """Another process holds a lock; the message is one line for the user."""


def cache_folder() -> Path:
    """Where popflip keeps what can be fetched or built again.

    ``POPFLIP_CACHE`` if the environment has it, else the user's cache folder. It need not exist.
    """
    chosen = os.environ.get("POPFLIP_CACHE")
    if chosen:
        # pathlib's own way of doing it fails for users that do not exist.
        return Path(os.path.expanduser(chosen)).absolute()
    return platformdirs.user_cache_path("popflip", appauthor=False)


def key_of(*parts: str | bytes) -> str:
    """Return 32 hexadecimal digits that differ wherever one of some parts does.

    Parameters
    ----------
    parts : str or bytes
        All that an entry's content follows from: inputs, options, versions of tools.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        # The length keeps the parts apart.
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


@contextmanager
def locked(path: Path, *, refusal: str | None = None) -> Iterator[None]:
    """Hold a lock among processes, and among threads, for the length of a ``with`` block.

    Parameters
    ----------
    path : Path
        The lock's file. Its folder is created if need be; the file may stay.
    refusal : str, optional
        What to say if another holds it. Without it, wait.

    Raises
    ------
    LockedError
        If another holds it and there is a ``refusal``.
    """
    with file_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Not one per thread of this object but one per object: each call here excludes all others.
    lock = FileLock(path, timeout=-1 if refusal is None else 0, thread_local=False)
    with file_errors(path):
        try:
            lock.acquire()
        except Timeout:  # an OSError, too
            raise LockedError(refusal) from None
    try:
        yield
    finally:
        lock.release()


def entry(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return an entry of the cache; make it first if it is not there or not whole.

    Parameters
    ----------
    folder : Path
        The entry: a folder whose path has the key in it. Read it only.
    make : callable
        Fills the empty folder that it gets, which becomes the entry. What it leaves behind when
        it raises is removed.

    Returns
    -------
    Path
        ``folder``, whole.
    """
    if is_whole(folder):
        return folder
    with locked(folder.parent / f".{folder.name}.lock"):
        if is_whole(folder):  # made while this process waited
            return folder
        # In the same parent: a rename works within one file system only.
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            content = work / "content"
            content.mkdir()
            make(content)
            _seal(content)
            if os.path.lexists(folder):
                log.warning("%s in the cache is damaged; it is made anew", folder)
                os.rename(folder, work / "damaged")
            os.rename(content, folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def text_entry(folder: Path, make: Callable[[], str]) -> str:
    """Return the text that an entry of the cache holds; make it first if need be.

    Parameters
    ----------
    folder : Path
        As for :func:`entry`.
    make : callable
        Returns the text.
    """
    path = folder / "text"

    def write(work: Path) -> None:
        (work / path.name).write_text(make(), "utf-8", newline="")

    entry(folder, write)
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def is_whole(folder: Path) -> bool:
    """Whether an entry is there, and its files are as they were made."""
    try:
        looks = {name: _look(folder / name) for name in _files(folder)}
        if _known.get(folder) == looks:
            return True
        promised = json.loads((folder / MANIFEST).read_bytes())
        # Sizes first: of a file that is too short, or far too long, nothing is read.
        sizes = {name: look[0] for name, look in looks.items() if name != MANIFEST}
        if sizes != {name: size for name, (size, _) in promised.items()}:
            return False
        for name, (_, digest) in promised.items():
            if _digest(folder / name) != digest:
                return False
    except (OSError, ValueError, TypeError, AttributeError):  # of the manifest's own damage
        return False
    _known[folder] = looks
    return True


def _files(folder: Path) -> list[str]:
    """List the files below a folder, by their paths from it."""
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    paths = (path for path in sorted(folder.rglob("*")) if not path.is_dir())
    return [path.relative_to(folder).as_posix() for path in paths]


def _look(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(work: Path) -> None:
    """Write the manifest of a folder."""
    promised = {name: (_look(work / name)[0], _digest(work / name)) for name in _files(work)}
    (work / MANIFEST).write_text(json.dumps(promised, indent=1), "utf-8")
