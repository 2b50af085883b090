"""Files from outside, read no further than allowed: a small file may unpack to gigabytes."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

__all__ = ["DAMAGED", "read_at_most", "uncompressed"]

#: What reading a damaged gzip file raises.
DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error)

#: Bytes that are read, and unpacked, at once.
_PIECE = 1 << 20


def read_at_most(stream: IO[bytes] | gzip.GzipFile, most: int) -> bytearray:
    """Read a stream to its end, or ``most`` bytes of it if there are more.

    Ask for one byte more than is allowed to find a stream that is too long. Memory follows what
    the stream holds, not ``most``.
    """
    content = bytearray()
    while piece := stream.read(min(_PIECE, most - len(content))):
        content += piece
    return content


@contextmanager
def uncompressed(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Open a file, through gzip if its content is compressed, whatever its name says.

    Web servers and browsers unpack files without being asked.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as stream:
                yield stream
        else:
            yield file
