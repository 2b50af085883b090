"""Files that are read no further than allowed."""

import gzip
import io

import pytest

from popflip.golden.support.bounded import DAMAGED, read_at_most, uncompressed


@pytest.mark.parametrize("most", [0, 1, 5, 9, 10, 11, 1 << 40])
def test_a_stream_is_read_to_its_end_or_to_the_limit(most):
    assert read_at_most(io.BytesIO(b"0123456789"), most) == b"0123456789"[:most]


def test_a_stream_of_many_pieces():
    content = bytes(range(256)) * 10_000
    stream = io.BytesIO(content)
    assert read_at_most(stream, len(content) - 1) == content[:-1]
    assert stream.read() == content[-1:]


@pytest.mark.parametrize("name", ["file", "file.gz"])
def test_the_content_says_whether_a_file_is_compressed(tmp_path, name):
    for written in (b"content", gzip.compress(b"content")):
        (tmp_path / name).write_bytes(written)
        with uncompressed(tmp_path / name) as stream:
            assert stream.read() == b"content"


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"content", mtime=0)[:-1],
        gzip.compress(b"content", mtime=0)[:-9] + bytes(9),
        b"\x1f\x8b",
    ],
    ids=["cut", "wrong-checksum", "header-only"],
)
def test_damage_is_one_of_the_known_errors(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with uncompressed(tmp_path / "file") as stream, pytest.raises(DAMAGED):
        stream.read()
