"""Folders of pictures."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from popflip.golden.datasets.formats import pictures
from popflip.golden.datasets.loading import load
from popflip.golden.datasets.reading.raw import DataError, Wanted
from popflip.golden.datasets.tests.small import raises


def put(path, value=0, size=(4, 6), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size[1], size[0]), value).save(path)


def tree(folder, classes=("cat", "dog"), count=3):
    for number, name in enumerate(classes):
        for i in range(count):
            put(folder / name / f"{i}.png", 10 * number + i)


def test_a_folder_for_each_class(tmp_path):
    tree(tmp_path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "cat" / "notes.txt").touch()
    assert pictures.can_read(tmp_path)
    raw = pictures.read(tmp_path, Wanted())
    assert raw.train.labels.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert raw.train.values.shape == (6, 4, 6)
    assert raw.train.values[:, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]
    assert raw.train.names[0] == "cat/0.png"
    data = load(tmp_path)
    assert (data.classes, len(data.train_labels), len(data.test_labels)) == (("cat", "dog"), 4, 2)


def test_folders_for_training_and_for_the_test(tmp_path):
    tree(tmp_path / "Train")
    tree(tmp_path / "val", count=1)
    tree(tmp_path / "test", count=2)
    assert pictures.can_read(tmp_path)
    raw = pictures.read(tmp_path, Wanted())
    assert (len(raw.train), len(raw.test)) == (6, 4)


def test_pictures_without_a_class(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "b.jpeg")
    raw = pictures.read(tmp_path, Wanted())
    assert raw.train.labels is None
    assert raw.train.names == ("a.png", "b.jpeg")
    assert len(pictures.read(tmp_path / "a.png", Wanted()).train) == 1
    with pytest.raises(DataError, match="has no labels"):
        load(tmp_path)


def test_colours_and_16_bits_become_grey(tmp_path):
    put(tmp_path / "a.png", (255, 0, 0), mode="RGB")
    Image.fromarray(np.full((4, 6), 0x8000, np.uint16)).save(tmp_path / "b.png")
    Image.new("1", (6, 4), 1).save(tmp_path / "c.png")
    raw = pictures.read(tmp_path, Wanted())
    assert raw.train.values[:, 0, 0].tolist() == [76, 128, 255]


def test_white_is_behind_what_is_transparent(tmp_path):
    put(tmp_path / "a.png", (0, 0, 0, 0), mode="RGBA")
    put(tmp_path / "b.png", (0, 255), mode="LA")
    put(tmp_path / "c.png", (9, 0), mode="LA")
    palette = Image.new("P", (6, 4), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.save(tmp_path / "d.png", transparency=1)
    raw = pictures.read(tmp_path, Wanted())
    assert raw.train.values[:, 0, 0].tolist() == [255, 0, 255, 255]


def test_sizes(tmp_path):
    put(tmp_path / "a" / "1.png")
    put(tmp_path / "b" / "2.png", size=(5, 6))
    with raises(
        f"{tmp_path}: all pictures must have one size, not 4 x 6 (1.png) and 5 x 6 (2.png); "
        'data.resize = "pad", "crop" or "stretch" brings them to the network\'s'
    ):
        pictures.read(tmp_path, Wanted())
    raw = pictures.read(tmp_path, Wanted(resize="pad", image=(3, 3)))
    assert raw.train.values.shape == (2, 3, 3)
    with raises("data.resize needs a network, whose image says to which size"):
        pictures.read(tmp_path, Wanted(resize="pad"))


def test_files_that_are_not_what_their_name_says(tmp_path):
    path = tmp_path / "a" / "1.png"
    put(path)
    whole = path.read_bytes()
    path.write_bytes(b"1,2,3\n")
    with raises(f"{path} is no PNG or JPEG picture, whatever its name says"):
        pictures.read(tmp_path, Wanted())
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"1\.png is damaged, or cannot be read: [^\n]+$"):
        pictures.read(tmp_path, Wanted())


def bomb(path, side):
    """Write a PNG of a few bytes that promises an immense picture."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    content = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def test_immense_pictures_are_not_unpacked(tmp_path):
    path = tmp_path / "a" / "1.png"
    bomb(path, 100_000)
    with raises(f"{path} is too large: more than 67,108,864 pixels"):
        pictures.read(tmp_path, Wanted())
    bomb(path, 9_000)
    with raises(f"{path} is too large: 9000 x 9000 pixels, of which 67,108,864 can be read"):
        pictures.read(tmp_path, Wanted())
    bomb(path, 2_000)
    with raises(
        f"{path} must have at most 1,024 pixels along a side, not 2,000; data.resize makes it "
        "smaller"
    ):
        pictures.read(tmp_path, Wanted())


def test_no_pictures(tmp_path):
    assert not pictures.can_read(tmp_path)
    (tmp_path / "train").mkdir()
    with raises(f"{tmp_path / 'train'} has no pictures (.png, .jpg, .jpeg) in its folders"):
        pictures.read(tmp_path, Wanted())
