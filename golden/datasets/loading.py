"""Where a data set comes from: MNIST by its name, or any file or folder of a known format."""

import importlib
import os
import pkgutil
from pathlib import Path
from types import ModuleType

from popflip.golden.datasets import formats
from popflip.golden.datasets.dataset import DataError, Dataset
from popflip.golden.datasets.download import MNIST, fetch
from popflip.golden.datasets.formats import idx
from popflip.golden.support.cache import cache_folder

__all__ = ["known_formats", "load"]


def known_formats() -> list[ModuleType]:
    """Modules of :mod:`popflip.golden.datasets.formats`, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(formats.__path__))
    modules = (importlib.import_module(f"{formats.__name__}.{name}") for name in names)
    return [module for module in modules if hasattr(module, "can_read")]


def load(
    name_or_path: str | os.PathLike = "mnist", folder: str | os.PathLike | None = None
) -> Dataset:
    """Load a data set, fetching MNIST first if need be.

    Parameters
    ----------
    name_or_path : str or path
        ``"mnist"``, or a file or folder of any :func:`known format <known_formats>`.
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

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> images, labels = np.zeros((20, 8, 8), np.uint8), np.arange(20, dtype=np.uint8) % 10
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     idx.write(folder, Dataset("mine", images, labels, images[:10], labels[:10]))
    ...     dataset = load(folder)
    >>> dataset.train_images.shape, dataset.test_labels
    ((20, 8, 8), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], dtype=uint8))
    """
    if name_or_path == "mnist":
        if folder is None:
            cache = cache_folder() / "datasets" / "mnist"
            # Compared with the originals here, so not again when they are read.
            fetch(cache)
            return idx.read(cache, "mnist")
        return idx.read(_path(folder), "mnist", MNIST)
    if folder is not None:
        return _read(_path(folder), str(name_or_path))
    path = _path(name_or_path)
    if not path.exists():
        raise DataError(
            f"there is no data set or folder {str(name_or_path)!r}; name mnist or {_titles()}"
        )
    return _read(path, path.resolve().name)


def _read(path: Path, name: str) -> Dataset:
    if not path.exists():
        raise DataError(f"there is no file or folder {path}; name mnist or {_titles()}")
    for module in known_formats():
        if module.can_read(path):
            return module.read(path, name)
    raise DataError(f"{path} holds no data set; name mnist or {_titles()}")


def _titles() -> str:
    return " or ".join(module.TITLE for module in known_formats())


def _path(name) -> Path:
    # pathlib's own way of doing it fails for users that do not exist.
    return Path(os.path.expanduser(name))
