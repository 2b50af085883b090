"""Data sets by name, file or folder."""

import shutil
import sys

import numpy as np
import pytest

from popflip.golden.datasets import formats
from popflip.golden.datasets.dataset import DataError
from popflip.golden.datasets.formats import idx
from popflip.golden.datasets.loading import (
    from_arrays,
    is_data,
    is_there,
    known_formats,
    load,
    place_of,
)
from popflip.golden.datasets.named import registry
from popflip.golden.datasets.named.published import Published
from popflip.golden.datasets.tests.small import TRAIN_LABELS, check, raises
from popflip.golden.support.files import FileError

TITLES = (
    "a CSV table or a folder with IDX files or a file of NumPy arrays (.npz, or .npy) or a Parquet "
    "table or a folder of pictures, a folder for each class"
)
NAMES = f"name {', '.join(registry.NAMED)}"
KNOWN = f"{NAMES}; or {TITLES}"


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
    with raises(f"there is no data set or folder 'mnits'; {KNOWN}"):
        load("mnits")


def test_no_folder(folder):
    path = folder / TRAIN_LABELS
    with raises(f"{path} holds no data set; {KNOWN}"):
        load(path)
    gone = folder / "gone"
    with raises(f"there is no file or folder {gone}; {KNOWN}"):
        load("mine", gone)
    with raises(f"{folder / 'gone'} is not a folder; name one with IDX files"):
        load("mnist", folder / "gone")


def test_load_takes_mnist_from_the_cache(monkeypatch, tmp_path, folder, arrays, originals):
    few = Published("mnist", "MNIST", originals)
    monkeypatch.setitem(registry.NAMED, "mnist", registry.of_published(few, "a few"))
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
        f"def read(path, wanted): return idx.read(path.parent / {folder.name!r}, wanted)\n"
    )
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    assert known_formats()[0].TITLE == "a file of letters"
    assert len(known_formats()) == 6
    (tmp_path / "mine.abc").write_text("")
    assert load(tmp_path / "mine.abc").name == "mine.abc"
    with raises(f"{tmp_path} holds no data set; {NAMES}; or a file of letters or {TITLES}"):
        load(tmp_path)
    monkeypatch.delitem(sys.modules, f"{formats.__name__}.abc")


def test_arrays():
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (20, 4, 4), np.uint8), np.arange(20) % 2
    data = from_arrays(images, labels, (images[:3], labels[:3]), name="mine")
    assert data.name == "mine"
    np.testing.assert_array_equal(data.test_images, images[:3])
    assert data.classes == ("0", "1")
    table = from_arrays(rng.random((20, 2)), labels, columns=["a", "b"])
    assert table.encoder.columns == ("a", "b")
    assert from_arrays(np.arange(20), labels).train_images.shape == (16, 1, 1)
    assert from_arrays(images[..., None], labels[:, None]).train_images.shape[1:] == (4, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1, 2], [3]], [0, 1]), "arrays: all samples must have one shape"),
        ((5, [0]), "arrays: values must be an array with an axis for samples, not 5"),
        (([[1], [2]], [0]), "arrays must have a label for each of its 2 samples, not 1"),
        (([[1], [2]], 0), "arrays must have a label for each of its 2 samples, not one in all"),
        ((list("abab"), [0, 1, 0, 1]), "arrays: values must be numbers, not <U1"),
        (
            ([[1], [2]], [0, 1], ([[1]], [0], 3)),
            "test must be values and labels, not 3 arrays",
        ),
        (
            ([[1], [2]], [0, 1], ([[1, 2]], [0])),
            "the test part of arrays must have samples of 1 values, as in training, not 2",
        ),
        (
            ([[1], [2]], [0, 1], ([[1], [2]], [0])),
            "the test part of arrays must have a label for each of its 2 samples, not 1",
        ),
    ],
)
def test_arrays_that_do_not_fit(arguments, message):
    with raises(message):
        from_arrays(*arguments)
    with raises(
        "arrays: columns must name each of the values of shape (n, 2) once, not of shape (2, 1)"
    ):
        from_arrays([[1], [2]], [0, 1], columns=["a", "b"])


def test_where_a_data_set_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_of("mnist") == "mnist"
    assert place_of("a.csv") == str(tmp_path / "a.csv")
    assert place_of("~nobody-here/x") == str(tmp_path / "~nobody-here" / "x")
    assert not is_there("a.csv")
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.img").touch()
    assert is_there("a.csv")
    assert is_data(tmp_path / "a.csv")
    assert not is_data(tmp_path / "a.img")


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(idx, "can_read", refuse)
    with pytest.raises(FileError, match=rf"^{tmp_path}: Permission denied$"):
        load(tmp_path)
