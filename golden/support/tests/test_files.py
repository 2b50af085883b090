import os
import tracemalloc

import pytest

from popflip.golden.support.files import TooLargeError, read_file, write_atomically


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


@pytest.mark.parametrize("size", [0, 1, 5, 1 << 20, (1 << 20) + 1])
def test_read_file(path, size):
    content = bytes(range(256)) * 5000
    path.write_bytes(content[:size])
    assert read_file(path, max(size, 5), "a thing") == content[:size]
    assert read_file(path, 1 << 50, "a thing") == content[:size]


def test_a_file_that_is_too_large(path):
    path.write_bytes(b"12345")
    with pytest.raises(TooLargeError) as caught:
        read_file(path, 4, "a thing")
    assert str(caught.value) == f"{path}: a thing must have at most 4 bytes, not 5"
    with pytest.raises(FileNotFoundError):
        read_file(path.with_name("none"), 4, "a thing")


def test_a_huge_file(path, little_memory):
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(TooLargeError, match=r" at most 1,000,000 bytes, not 1,099,511,627,776$"):
        read_file(path, 1_000_000, "a thing")


def test_a_device_without_end(little_memory):
    with pytest.raises(TooLargeError, match=r" at most 1,000 bytes, not 1,001$"):
        read_file("/dev/zero", 1000, "a thing")


def test_write_atomically(path):
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    write_atomically(path, b"first")

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space") as caught:
        write_atomically(path, b"second")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]
