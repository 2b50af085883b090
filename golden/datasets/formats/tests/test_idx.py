"""Folders of IDX files."""

import contextlib
import gzip
import hashlib
import tracemalloc

import numpy as np
import pytest

from popflip.golden.datasets.dataset import DataError
from popflip.golden.datasets.formats import idx as format_idx
from popflip.golden.datasets.loading import load
from popflip.golden.datasets.named.published import MNIST as PUBLISHED
from popflip.golden.datasets.reading.raw import Wanted
from popflip.golden.datasets.tests.small import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    check,
    idx,
    raises,
)

MNIST = PUBLISHED.originals
IMAGES = np.zeros((7, 5, 4), np.uint8)
NOT_IMAGES = "must be an IDX file of images (3-dimensional, unsigned bytes), not"
NOT_LABELS = "must be an IDX file of labels (1-dimensional, unsigned bytes), not"
RIGHT = "; check that it is the right file"


def test_other_names_and_gzip(folder, arrays):
    packed = folder / f"{TRAIN_IMAGES}.gz"
    packed.write_bytes(gzip.compress((folder / TRAIN_IMAGES).read_bytes()))
    (folder / TRAIN_IMAGES).unlink()
    # Unpacked by a browser, and still packed under a plain name.
    (folder / TRAIN_LABELS).rename(folder / f"{TRAIN_LABELS}.gz")
    (folder / TEST_LABELS).write_bytes(gzip.compress((folder / TEST_LABELS).read_bytes()))
    (folder / TEST_IMAGES).rename(folder / "t10k-images.idx3-ubyte")
    check(load(folder), arrays)


def test_arrays_are_read_only(folder):
    with pytest.raises(ValueError, match="read-only"):
        load(folder).train_images[0, 0, 0] = 1


def test_lacking_files_are_named_at_once(folder):
    (folder / TRAIN_LABELS).unlink()
    (folder / TEST_IMAGES).unlink()
    with raises(
        f"{folder} lacks {TRAIN_LABELS}, {TEST_IMAGES}; put the files there, plain or with .gz"
    ):
        load(folder)


def test_mnist_in_a_folder_must_be_the_published_one(folder):
    path = folder / TRAIN_IMAGES
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with raises(
        f"{path} must be that of MNIST, of SHA-256 {MNIST[TRAIN_IMAGES].sha256}, not {found}; "
        f"get it again, or name the folder alone to use it as another data set"
    ):
        load("mnist", folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TRAIN_IMAGES, b"", f"{NOT_IMAGES} 0 bytes{RIGHT}"),
        (TRAIN_IMAGES, idx(IMAGES)[:13], "ends within its header; get it again"),
        (
            TRAIN_IMAGES,
            idx(IMAGES)[:-1],
            "is truncated: its header says 7 x 5 x 4 bytes, and 139 follow; get it again",
        ),
        (
            TRAIN_IMAGES,
            idx(IMAGES) + b"\0",
            "is too long: its header says 7 x 5 x 4 bytes, and more follow; get it again",
        ),
        (TRAIN_IMAGES, idx(IMAGES[:0]), "has no images; get it again"),
        (TEST_LABELS, idx(IMAGES[:0, 0, 0]), "has no labels; get it again"),
        (TEST_IMAGES, idx(IMAGES[:, 0, 0]), f"{NOT_IMAGES} 1-dimensional{RIGHT}"),
        (TEST_LABELS, idx(IMAGES), f"{NOT_LABELS} 3-dimensional{RIGHT}"),
        (TRAIN_IMAGES, idx(IMAGES.astype(">i4"), 12), f"{NOT_IMAGES} 32-bit integers{RIGHT}"),
        (TRAIN_LABELS, idx(IMAGES, 0x42), f"{NOT_LABELS} values of type 0x42{RIGHT}"),
        (
            TRAIN_LABELS,
            b"\x89PNG\r\n\x1a\n",
            f"{NOT_LABELS} something else (it begins with 89504e47){RIGHT}",
        ),
        (
            TRAIN_IMAGES,
            gzip.compress(idx(IMAGES), mtime=0)[:-9],
            "is a damaged gzip file; get it again",
        ),
        (TRAIN_IMAGES, b"\x1f\x8bxyz" * 20, "is a damaged gzip file; get it again"),
    ],
)
def test_damaged_file(folder, name, content, message):
    (folder / name).write_bytes(content)
    with raises(f"{folder / name} {message}"):
        load(folder)


def test_header_of_immense_size(folder):
    # More than fits in 64 bits: the product must not wrap round to a size that fits.
    header = bytes((0, 0, 8, 3)) + np.array([2**31, 2**31, 4], ">u4").tobytes()
    (folder / TRAIN_IMAGES).write_bytes(header)
    with raises(
        f"{folder / TRAIN_IMAGES} is too large: its header says 2147483648 x 2147483648 x 4 "
        f"bytes, of which 4294967296 can be read"
    ):
        load(folder)


def test_counts_differ(folder):
    (folder / TEST_LABELS).write_bytes(idx(np.zeros(4, np.uint8)))
    with raises(
        f"{folder / TEST_LABELS} must have a label for each of the 3 images in {TEST_IMAGES}, "
        f"not 4; take both from one source"
    ):
        load(folder)


def test_image_sizes_differ(folder):
    (folder / TEST_IMAGES).write_bytes(idx(np.zeros((3, 4, 5), np.uint8)))
    with raises(
        f"{folder / TEST_IMAGES} must have images of 5x4 pixels like {TRAIN_IMAGES}, not 4x5; "
        f"take both from one source"
    ):
        load(folder)


class Bomb:
    """A stream that never ends, and counts what is read of it."""

    def __init__(self, start):
        self._start, self.read_so_far = start, 0

    def read(self, n):
        piece = self._start[self.read_so_far : self.read_so_far + n].ljust(n, b"\0")
        self.read_so_far += n
        return piece


def test_no_more_is_read_than_the_header_promises(folder, monkeypatch):
    bomb = Bomb(idx(IMAGES))
    monkeypatch.setattr(format_idx, "uncompressed", lambda path: contextlib.nullcontext(bomb))
    with raises(
        f"{folder / TRAIN_IMAGES} is too long: its header says 7 x 5 x 4 bytes, and more follow; "
        f"get it again"
    ):
        load(folder)
    assert bomb.read_so_far == 16 + 7 * 5 * 4 + 1


def test_no_more_is_read_of_a_published_file_than_it_has(folder, monkeypatch):
    bomb = Bomb(b"")
    monkeypatch.setattr(format_idx, "uncompressed", lambda path: contextlib.nullcontext(bomb))
    with pytest.raises(DataError, match="must be that of MNIST"):
        load("mnist", folder)
    assert bomb.read_so_far == MNIST[TRAIN_IMAGES].size + 1


def test_a_compressed_file_of_zeros_takes_little_memory(folder):
    with gzip.open(folder / f"{TRAIN_IMAGES}.gz", "wb", compresslevel=1) as file:
        file.write(idx(IMAGES))
        for _ in range(64):
            file.write(bytes(1 << 20))
    (folder / TRAIN_IMAGES).unlink()
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="is too long"):
            load(folder)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 << 20


def test_what_is_written_is_read_again(folder, tmp_path):
    dataset = load(folder)
    format_idx.write(tmp_path / "deep" / "copy", dataset)
    copy = load(tmp_path / "deep" / "copy")
    assert copy.digest == dataset.digest


def test_a_folder_with_any_of_the_files_is_of_the_format(folder, tmp_path):
    assert format_idx.can_read(folder)
    assert not format_idx.can_read(tmp_path)
    assert not format_idx.can_read(folder / TRAIN_LABELS)
    for path in list(folder.iterdir())[1:]:
        path.unlink()
    assert format_idx.can_read(folder)


@pytest.mark.parametrize(
    ("names", "ends"),
    [
        (("emnist-letters-train-{}-{}", "emnist-letters-test-{}-{}"), ("idx3-ubyte", "idx1-ubyte")),
        (("train-{}.{}", "t10k-{}.{}"), ("idx3-ubyte", "idx1-ubyte")),
        (("mine_train_{}_{}", "mine_test_{}_{}"), ("idx3_ubyte.gz", "idx1_ubyte")),
        (("Train-{}-{}", "Test-{}-{}"), ("idx3-ubyte", "idx1-ubyte")),
    ],
    ids=["EMNIST", "Kaggle", "underlines", "capitals"],
)
def test_the_usual_names(tmp_path, arrays, names, ends):
    for array, name in zip(arrays.values(), (n for n in names for _ in ends), strict=True):
        kind, end = ("images", ends[0]) if array.ndim == 3 else ("labels", ends[1])
        content = idx(array)
        path = tmp_path / name.format(kind, end)
        path.write_bytes(gzip.compress(content) if end.endswith(".gz") else content)
    check(load(tmp_path), arrays)


def test_labels_of_several_integers(tmp_path, arrays):
    """As QMNIST has them: the class, and who wrote the digit where."""
    for name, array in arrays.items():
        name = name.replace("train", "qmnist-train").replace("t10k", "qmnist-test")
        content = idx(array)
        if array.ndim == 1:
            wide = np.zeros((len(array), 8), ">i4")
            wide[:, 0], wide[:, 1:] = array, 300
            name, content = name.replace("idx1-ubyte", "idx2-int"), idx(wide, 12)
        (tmp_path / name).write_bytes(content)
    check(load(tmp_path), arrays)


def test_images_without_labels_are_read_to_predict(folder, arrays):
    wanted = Wanted(unlabelled=True)
    whole = format_idx.read(folder, wanted)
    assert whole.test.labels is not None
    one = format_idx.read(folder / TRAIN_IMAGES, wanted).train
    assert one.labels is None
    np.testing.assert_array_equal(one.values, whole.train.values)
    with pytest.raises(DataError, match="has no labels; name the folder in which they lie"):
        load(folder / TRAIN_IMAGES)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    found = format_idx.read(folder, wanted)
    assert found.test is None
    assert found.train.labels is None
    np.testing.assert_array_equal(found.train.values, whole.test.values)
    with pytest.raises(DataError, match="lacks t10k-labels-idx1-ubyte"):
        load(folder)
    (folder / "t10k-images-idx3-ubyte").unlink()
    (folder / TRAIN_LABELS).unlink()
    found = format_idx.read(folder, wanted).train
    np.testing.assert_array_equal(found.values, whole.train.values)


def test_labels_from_1(tmp_path, folder, arrays):
    """As EMNIST's letters have them: 26 classes, not 27."""
    (folder / TRAIN_LABELS).write_bytes(idx(np.arange(1, 8, dtype=np.uint8)))
    (folder / TEST_LABELS).write_bytes(idx(np.array([1, 7, 3], np.uint8)))
    dataset = load(folder)
    assert dataset.classes == tuple("1234567")
    assert dataset.train_labels.tolist() == list(range(7))
    assert dataset.test_labels.tolist() == [0, 6, 2]


def test_several_data_sets_in_a_folder(folder, arrays, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    for prefix in ("emnist-digits", "emnist-letters"):
        for path in folder.iterdir():
            (both / f"{prefix}-{path.name}").write_bytes(path.read_bytes())
    with raises(
        f"{both} holds several data sets: emnist-digits, emnist-letters; name one as "
        f"{both / 'emnist-letters'}"
    ):
        load(both)
    check(load(both / "emnist-letters"), arrays)


def test_a_split_is_drawn_if_there_is_none(folder):
    for name in (TEST_IMAGES, TEST_LABELS):
        (folder / name).unlink()
    labels = np.array([0, 1, 0, 1, 0, 1, 0], np.uint8)
    (folder / TRAIN_LABELS).write_bytes(idx(labels))
    dataset = load(folder)
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (5, 2)
