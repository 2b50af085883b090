"""Images of the rows: CIFAR-10's files, refusals, and what a network sees. Needs no PyTorch."""

import re

import numpy as np
import pytest

from popflip.golden.datasets.dataset import DataError
from popflip.golden.paper.images import CIFAR_RECORD, load_images, pixels
from popflip.golden.paper.systems import ROWS

CIFAR = ROWS["cifar-binary"]
NAMES = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]


def write(folder, records=64, size=10_000 * CIFAR_RECORD):
    """Write six files of synthetic records, as long as CIFAR-10's: the rest is a hole."""
    rng = np.random.default_rng(1)
    written = {}
    for name in NAMES:
        content = rng.integers(0, 256, (records, CIFAR_RECORD)).astype(np.uint8)
        content[:, 0] %= 10
        with open(folder / name, "wb") as file:
            file.write(content.tobytes())
            file.truncate(size)
        written[name] = content
    return written


def test_records_are_a_label_and_three_planes(tmp_path):
    written = write(tmp_path)
    images = load_images(CIFAR, str(tmp_path))
    assert images.train.shape == (50_000, 3, 32, 32)
    assert images.test.shape == (10_000, 3, 32, 32)
    second = written["data_batch_2.bin"]
    np.testing.assert_array_equal(images.train_labels[10_000:10_064], second[:, 0])
    for channel in range(3):
        plane = second[5, 1 + 1024 * channel :][:1024].reshape(32, 32)
        np.testing.assert_array_equal(images.train[10_005, channel], plane)
    np.testing.assert_array_equal(images.test_labels[:64], written["test_batch.bin"][:, 0])
    assert images.name == tmp_path.name


def test_folders_that_are_not_cifar10_are_refused(tmp_path):
    def refuse(message, folder=tmp_path):
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            load_images(CIFAR, folder and str(folder))

    refuse(
        "cifar-binary needs --data FOLDER with CIFAR-10, binary version: data_batch_1.bin to "
        "data_batch_5.bin and test_batch.bin; or --data synthetic", None,
    )  # fmt: skip
    none = tmp_path / "none"
    refuse(f"{none} is not a folder; name one with the binary version of CIFAR-10", none)
    write(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    refuse(f"{tmp_path} lacks data_batch_3.bin of CIFAR-10's binary version")
    write(tmp_path, size=9_999 * CIFAR_RECORD)
    refuse(
        f"{tmp_path / NAMES[0]} must have 30,730,000 bytes, 10,000 images of 3 x 32 x 32 with "
        f"their labels, not 30,726,927"
    )
    write(tmp_path)
    with open(tmp_path / "test_batch.bin", "r+b") as file:
        file.write(b"\x0a")
    refuse(f"{tmp_path / 'test_batch.bin'} must have labels 0 to 9, not 10")


def write_idx(folder, side, most):
    for part, n in (("train", 20), ("t10k", 10)):
        images = np.zeros((n, side, side), np.uint8)
        images[:, 0, 0] = np.arange(n)  # all alike would be refused for that
        labels = np.arange(n, dtype=np.uint8) % (most + 1)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = b"\0\0\x08" + bytes([array.ndim])
            header += b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())


def test_idx_files_of_other_shapes_or_classes_are_refused(tmp_path):
    row, name = ROWS["fc1-binary"], tmp_path.name
    write_idx(tmp_path, 32, 9)
    message = f"images must be 28 x 28 for fc1-binary, not 32 x 32 as in {name}"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        load_images(row, str(tmp_path))
    write_idx(tmp_path, 28, 10)
    message = f"labels must be 0 to 9 for fc1-binary, not 10 as in {name}"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        load_images(row, str(tmp_path))
    write_idx(tmp_path, 28, 9)
    assert load_images(row, str(tmp_path)).train.shape == (20, 1, 28, 28)


def test_pixels_of_mnist_are_0_to_1():
    images = np.array([0, 51, 255], np.uint8).reshape(1, 1, 1, 3)
    seen = pixels(ROWS["full-fc1"], images, np.random.default_rng(1))
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen.ravel(), [0, 0.2, 1])


def test_cifar10_is_normalised_by_channel_and_moved():
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (200, 3, 32, 32)).astype(np.uint8)
    mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.247, 0.243, 0.261])
    plain = pixels(CIFAR, images)
    expected = (images / 255 - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(plain, expected, atol=1e-6)
    moved = pixels(CIFAR, images, np.random.default_rng(3))
    assert moved.shape == plain.shape
    found = set()
    for one, other in zip(plain, moved, strict=True):
        for flipped in (False, True):
            wide = np.pad(one[..., ::-1] if flipped else one, ((0, 0), (4, 4), (4, 4)), mode="edge")
            places = [
                (flipped, y, x)
                for y in range(9)
                for x in range(9)
                if np.array_equal(wide[:, y : y + 32, x : x + 32], other)
            ]
            found |= set(places)
    # Each image is some flip and shift of itself; nearly all 162 of them occur.
    assert {place[0] for place in found} == {False, True}
    assert {place[1] for place in found} == {place[2] for place in found} == set(range(9))
    assert 100 < len(found) <= 162


def test_made_images_stand_in_for_cifar10():
    made = load_images(CIFAR, "synthetic")
    assert made.name == "synthetic"
    small = load_images(ROWS["cifar-small-binary"])
    assert small.digest == made.digest
    assert small.train.shape == (5120, 3, 32, 32)


def test_training_images_are_held_back():
    images = load_images(ROWS["cifar-small-float"])
    split = images.split(1200)
    assert split.name == "synthetic, the last 1,200 training images to test"
    assert (len(split.train), len(split.test)) == (3920, 1200)
    np.testing.assert_array_equal(split.test, images.train[3920:])
    np.testing.assert_array_equal(split.test_labels, images.train_labels[3920:])
    np.testing.assert_array_equal(split.train_labels, images.train_labels[:3920])
    for held in (0, 5120):
        message = rf"^validation must be 1 to 5119, not {held}$"
        with pytest.raises(ValueError, match=message):
            images.split(held)
