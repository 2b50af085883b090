import gzip
import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from popflip.golden.support.bounded import (
    TooLargeError,
    check_size,
    opened_arrays,
    read_file,
    read_up_to,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


@pytest.fixture
def little_memory():
    """Fail a test that takes more than 20 MB of memory at any moment."""
    tracemalloc.start()
    yield
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6


def test_check_size(path):
    check_size(path, 1000, 1000, "a thing")
    with pytest.raises(TooLargeError) as caught:
        check_size(path, 1001, 1000, "a thing")
    assert str(caught.value) == f"{path}: a thing must have at most 1,000 bytes, not 1,001"


def test_read_file(path):
    path.write_bytes(b"12345")
    assert read_file(path, 5, "a thing") == b"12345"
    with pytest.raises(TooLargeError, match=r": a thing must have at most 4 bytes, not 5$"):
        read_file(path, 4, "a thing")
    with pytest.raises(FileNotFoundError):
        read_file(path.with_name("none"), 4, "a thing")


def test_read_a_huge_file(path, little_memory):
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(TooLargeError, match=r" at most 1,000,000 bytes, not 1,099,511,627,776$"):
        read_file(path, 1_000_000, "a thing")


def test_read_a_device_without_end(little_memory):
    with pytest.raises(TooLargeError, match=r" at most 1,000 bytes, not 1,001$"):
        read_file("/dev/zero", 1000, "a thing")


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_000, 1 << 50])
def test_read_up_to(size, little_memory):
    whole = bytes(range(256)) * 10_000
    packed = io.BytesIO(gzip.compress(whole))
    assert read_up_to(gzip.GzipFile(fileobj=packed), size) == whole[:size]


def test_arrays(path):
    arrays = {
        "text": np.array("päper"),
        "bits": np.ones((3, 5), bool),
        "none": np.zeros((0, 7), np.int16),
        "order": np.asfortranarray(np.arange(6).reshape(2, 3)),
    }
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)
    with opened_arrays(path, path.read_bytes(), 10_000, "a thing") as found:
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_a_zip_bomb_is_refused(path, little_memory):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (100 << 20,)}
            )
            for _ in range(100):
                file.write(bytes(1 << 20))
    assert path.stat().st_size < 200_000
    with pytest.raises(TooLargeError, match=r": a thing must have at most 50,000,000 bytes, not"):
        with opened_arrays(path, path.read_bytes(), 50_000_000, "a thing"):
            pass


def member(shape, body):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<i8", "fortran_order": False, "shape": shape}
    )
    return file.getvalue() + body


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("huge.npy", member((1 << 50,), bytes(8))),
        ("negative.npy", member((-1, -1), bytes(8))),
        ("short.npy", member((2,), bytes(15))),
        ("long.npy", member((2,), bytes(17))),
        ("version.npy", b"\x93NUMPY\x09\x00" + member((1,), bytes(8))[8:]),
        ("cut.npy", member((1,), bytes(8))[:30]),
        ("text.npy", b"no array at all"),
    ],
)
def test_headers_that_lie_are_found_before_anything_is_loaded(path, name, content, little_memory):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"."):
        with opened_arrays(path, path.read_bytes(), 1 << 30, "a thing"):
            pass


def test_a_directory_that_lies_is_found(path, little_memory):
    """The sizes that an archive's directory names hold, whatever its members unpack to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w", force_zip64=False) as file:
            file.write(member((0,), b""))
            for _ in range(100):
                file.write(bytes(1 << 20))
    content = bytearray(path.read_bytes())
    true = (100 << 20) + len(member((0,), b""))
    at = content.rindex(true.to_bytes(4, "little"))
    content[at : at + 4] = len(member((0,), b"")).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(zipfile.BadZipFile):
        with opened_arrays(path, path.read_bytes(), 1_000_000, "a thing") as arrays:
            arrays["a"]
