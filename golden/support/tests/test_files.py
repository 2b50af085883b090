"""Files that appear whole or not at all, reads that have a bound, and errors that name files."""

import errno
import os
import re
import tracemalloc

import pytest

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import (
    FileError,
    TooLargeError,
    file_errors,
    prepare_folder,
    read_file,
    read_json,
    read_text,
    write_atomically,
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
    with pytest.raises(FileError, match=r"none: No such file or directory$"):
        read_file(path.with_name("none"), 4, "a thing")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "a note must be JSON: Expecting property name enclosed in double quotes: "),
        (b"[" * 100_000, "a note must be JSON: maximum recursion depth exceeded"),
        (b"1" * 5000, r"a note must be JSON: Exceeds the limit \(4300 digits\)"),
        (b"\xff", "a note must be text in UTF-8: 'utf-8' codec can't decode byte 0xff"),
        (b" " * 200_001, "a note must have at most 200,000 bytes, not 200,001"),
    ],
    ids=["half", "deep", "long", "binary", "large"],
)
def test_read_json_of_something_else(path, content, message):
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}"):
        read_json(path, "a note", 200_000)


def test_read_json_and_text(path):
    path.write_text('["ä", 1]', "utf-8")
    assert read_json(path, "a note") == ["ä", 1]
    assert read_text(path, "a note", 10) == '["ä", 1]'
    with pytest.raises(FileError, match=r"none: No such file or directory$"):
        read_json(path.with_name("none"), "a note")


def test_a_huge_file(path, little_memory):
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(TooLargeError, match=r" at most 1,000,000 bytes, not 1,099,511,627,776$"):
        read_file(path, 1_000_000, "a thing")


def test_a_device_without_end(little_memory):
    with pytest.raises(TooLargeError, match=r" at most 1,000 bytes, not 1,001$"):
        read_file("/dev/zero", 1000, "a thing")


def no_space(path):
    """Return the message of a full disk, which names the file and not its scratch copy."""
    return f"{path}: No space left on device"


def test_writes_a_file_and_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("existed", [False, True])
def test_nothing_is_left_half_written(tmp_path, monkeypatch, existed):
    path = tmp_path / "file"
    if existed:
        path.write_bytes(b"old")
    seen = []

    def fail(source, target):
        seen.append((os.fspath(target), source.read_bytes()))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(FileError, match=f"^{re.escape(no_space(path))}$"):
        write_atomically(path, b"new")
    # All of the new content was elsewhere until then, and is gone.
    assert seen == [(str(path), b"new")]
    assert list(tmp_path.iterdir()) == ([path] if existed else [])
    assert not existed or path.read_bytes() == b"old"


def test_a_disk_that_is_read_only_is_told_of_the_target(path, monkeypatch):
    def refuse(name, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(name))

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(FileError, match=f"^{re.escape(str(path))}: Read-only file system$"):
        write_atomically(path, b"new")


def test_a_target_that_cannot_be_written_stays(tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(folder, b"content")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"file is a file, and must be a folder$"):
        prepare_folder(tmp_path / "file")
    with pytest.raises(FileError, match=r"file is a file, and must be a folder$"):
        write_atomically(tmp_path / "file" / "text", b"")
    prepare_folder(tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


def test_an_error_keeps_the_name_that_it_has(tmp_path):
    with pytest.raises(FileError) as caught, file_errors("elsewhere"):
        (tmp_path / "none").read_bytes()
    assert str(caught.value) == f"{tmp_path / 'none'}: No such file or directory"
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    with pytest.raises(FileError, match=r"^elsewhere: odd$"), file_errors("elsewhere"):
        raise OSError("odd")


def test_a_reader_that_leaves_is_no_error_of_a_file():
    with pytest.raises(BrokenPipeError), file_errors("standard output"):
        raise BrokenPipeError
