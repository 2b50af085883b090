"""Data sets by name, file or folder."""

import shutil
import sys

import pytest

from popflip.golden.datasets import download, formats
from popflip.golden.datasets.dataset import DataError
from popflip.golden.datasets.loading import known_formats, load
from popflip.golden.datasets.tests.small import TRAIN_IMAGES, check, raises


def test_folder(folder, arrays):
    dataset = load(folder)
    assert dataset.name == "shapes"
    check(dataset, arrays)
    check(load(str(folder)), arrays)
    assert load("glyphs", folder).name == "glyphs"


def test_folder_named_from_within(folder, arrays, monkeypatch):
    monkeypatch.chdir(folder)
    dataset = load(".")
    assert dataset.name == "shapes"
    check(dataset, arrays)


def test_no_such_data_set():
    with raises(
        "there is no data set or folder 'mnits'; name mnist or a folder with IDX files",
    ):
        load("mnits")


def test_no_folder(folder):
    path = folder / TRAIN_IMAGES
    with raises(f"{path} holds no data set; name mnist or a folder with IDX files"):
        load(path)
    gone = folder / "gone"
    with raises(f"there is no file or folder {gone}; name mnist or a folder with IDX files"):
        load("mine", gone)
    with raises(f"{folder / 'gone'} is not a folder; name one with IDX files"):
        load("mnist", folder / "gone")


def test_load_takes_mnist_from_the_cache(monkeypatch, tmp_path, folder, arrays, originals):
    monkeypatch.setattr(download, "MNIST", originals)
    monkeypatch.setattr(download, "MIRRORS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    cached = tmp_path / "datasets" / "mnist"
    with pytest.raises(DataError, match=r"^no source gives the data set "):
        load()
    shutil.copytree(folder, cached, dirs_exist_ok=True)
    dataset = load()
    assert dataset.name == "mnist"
    check(dataset, arrays)


def test_a_format_is_one_module(folder, monkeypatch, tmp_path):
    """A module beside those of the package is found, asked in its turn, and named in messages."""
    (tmp_path / "abc.py").write_text(
        "from popflip.golden.datasets.formats import idx\n"
        "TITLE = 'a file of letters'\n"
        "def can_read(path): return path.suffix == '.abc'\n"
        f"def read(path, name): return idx.read(path.parent / {folder.name!r}, name)\n"
    )
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    assert [module.TITLE for module in known_formats()] == [
        "a file of letters", "a folder with IDX files",
    ]  # fmt: skip
    (tmp_path / "mine.abc").write_text("")
    assert load(tmp_path / "mine.abc").name == "mine.abc"
    with raises(
        f"{tmp_path} holds no data set; name mnist or a file of letters or a folder with IDX files"
    ):
        load(tmp_path)
    monkeypatch.delitem(sys.modules, f"{formats.__name__}.abc")
