"""Files that appear whole or not at all."""

import errno
import os
import re

import pytest

from popflip.golden.support.files import write_atomically


def no_space(path):
    """Return the message of a full disk, which names the file and not its scratch copy."""
    return f"[Errno {errno.ENOSPC}] No space left on device: {str(path)!r}"


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
    with pytest.raises(OSError, match=f"^{re.escape(no_space(path))}$"):
        write_atomically(path, b"new")
    # All of the new content was elsewhere until then, and is gone.
    assert seen == [(str(path), b"new")]
    assert list(tmp_path.iterdir()) == ([path] if existed else [])
    assert not existed or path.read_bytes() == b"old"


def test_a_target_that_cannot_be_written_stays(tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(folder, b"content")
    assert list(tmp_path.iterdir()) == [folder]
