"""Files that appear whole or not at all, and errors that name them."""

import errno
import os

import pytest

from popflip.golden.support.errors import PopflipError
from popflip.golden.support.files import (
    FileError,
    file_errors,
    prepare_folder,
    write_atomically,
)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError) as caught:
        write_atomically(path, b"two")
    assert str(caught.value) == f"{path}: No space left on device"
    assert isinstance(caught.value, PopflipError)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"file: (File exists|Not a directory)$"):
        prepare_folder(tmp_path / "file")
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
