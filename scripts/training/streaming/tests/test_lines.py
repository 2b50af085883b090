"""Lines as they arrive."""

import os
import threading

import pytest

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import FileError
from popflip.scripts.training.streaming.lines import LONGEST, FileLines, Line, PipeLines


def all_of(lines, most=3):
    """Take all lines until the end."""
    found = []
    while (taken := lines.take(most, 5.0)) is not None:
        assert len(taken) <= most
        found += taken
    return found


@pytest.fixture
def pipe():
    """Both ends of a pipe: lines of the one, and the descriptor of the other."""
    read, write = os.pipe()
    with PipeLines(read) as lines:
        yield lines, write
    for descriptor in (read, write):
        try:
            os.close(descriptor)
        except OSError:
            pass


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_file_ends_with_or_without_a_last_line_end(tmp_path, end):
    path = tmp_path / "a"
    path.write_bytes(b"one\n\ntwo\r\nthree" + end)
    with FileLines(path) as lines:
        assert all_of(lines) == [
            Line(1, b"one"), Line(2, b""), Line(3, b"two\r"), Line(4, b"three")
        ]  # fmt: skip


def test_a_file_that_grows_is_waited_for(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one\nhal")
    with FileLines(path, follow=True) as lines, open(path, "ab") as writer:
        assert lines.take(9, 0.0) == [Line(1, b"one")]
        assert lines.take(9, 0.01) == [], "half a line is none"
        writer.write(b"f\nlast")
        writer.flush()
        assert lines.take(9, 5.0) == [Line(2, b"half")]
        lines.stop()
        assert lines.take(9, 5.0) is None, "its rest may still come"


def test_a_file_that_is_cut_shorter_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one\n")
    with FileLines(path, follow=True) as lines:
        assert lines.take(9, 0.0) == [Line(1, b"one")]
        path.write_bytes(b"")
        with pytest.raises(InputError, match=r"a was cut shorter while it was read$"):
            lines.take(9, 0.0)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r" is a folder, not a file of samples$"):
        FileLines(tmp_path)
    with pytest.raises(FileError, match=r"none: No such file or directory$"):
        FileLines(tmp_path / "none")


def test_lines_that_are_too_long_are_dropped_and_numbered(tmp_path):
    path = tmp_path / "a"
    most = b"m" * LONGEST
    path.write_bytes(b"one\n" + b"x" * (3 * LONGEST) + b"\n" + most + b"\n" + b"y" * (LONGEST + 1))
    with FileLines(path) as lines:
        found = all_of(lines)
        assert len(lines._rest) == 0
    assert found == [Line(1, b"one"), Line(2, None), Line(3, most), Line(4, None)]


def test_a_pipe_ends_where_its_writer_does(pipe):
    lines, write = pipe
    assert lines.take(9, 0.01) == [], "nothing has come, and the wait ends"
    os.write(write, b"one\ntw")
    assert lines.take(9, 5.0) == [Line(1, b"one")]
    os.write(write, b"o")
    os.close(write)
    assert all_of(lines) == [Line(2, b"two")]


def test_what_has_been_read_of_a_pipe_is_not_lost_when_it_is_stopped(pipe):
    lines, write = pipe
    text = b"".join(b"%06d\n" % number for number in range(100_000))
    writer = threading.Thread(target=lambda: os.write(write, text), daemon=True)
    writer.start()
    found = lines.take(10, 5.0)
    lines.stop()
    found += all_of(lines, 1000)
    # The thread may have been about to read more, which another reader finds.
    assert 10 <= len(found) <= len(text) // 7
    assert found == [Line(number + 1, b"%06d" % number) for number in range(len(found))]
    os.close(lines._descriptor)  # ends the writer


def test_half_a_line_of_a_stopped_pipe_is_none(pipe):
    lines, write = pipe
    os.write(write, b"one\nhalf")
    assert lines.take(9, 5.0) == [Line(1, b"one")]
    lines.stop()
    assert all_of(lines) == []


def test_a_pipe_that_cannot_be_read_says_so():
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with PipeLines(read, "the pipe") as lines:
        with pytest.raises(FileError, match=r"^the pipe: Bad file descriptor$"):
            lines.take(1, 5.0)
