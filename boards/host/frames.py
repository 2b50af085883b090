"""Frames of the host link, as bytes: COBS, header, CRC.

The layout is in :mod:`popflip.golden.description.protocol`; the hardware's end is
:mod:`popflip.rtl.frontends.uart.frame_receiver`.
"""

import struct
from typing import NamedTuple

from cobs import cobs

from popflip.golden.description.protocol import CRC, CRC_BYTES, HEADER, MAX_PAYLOAD, VERSION
from popflip.golden.support.errors import InputError

__all__ = ["LONGEST", "Frame", "FrameError", "decode_frame", "encode_frame"]

#: The longest frame, encoded, without the zero that closes it.
LONGEST = len(cobs.encode(bytes(HEADER.size + MAX_PAYLOAD + CRC_BYTES)))


class FrameError(InputError):
    """Bytes that are no frame."""


class Frame(NamedTuple):
    """What is in a frame; ``kind`` is a verb or a status."""

    sequence: int
    kind: int
    payload: bytes


def encode_frame(sequence: int, kind: int, payload: bytes = b"") -> bytes:
    """Encode a frame as it goes over the wire, with the zero byte that closes it.

    Parameters
    ----------
    sequence, kind : int
        0 to 255.
    payload : bytes
        At most ``MAX_PAYLOAD``.

    Raises
    ------
    FrameError
        If one of these is out of range.
    """
    if len(payload) > MAX_PAYLOAD:
        raise FrameError(f"payload must be at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    try:
        body = HEADER.pack(VERSION, sequence, kind) + payload
    except struct.error:
        raise FrameError(f"sequence and kind must be bytes, not {sequence}, {kind}") from None
    return cobs.encode(body + CRC.compute(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def decode_frame(data: bytes) -> Frame:
    """Decode what stood between two zero bytes.

    Raises
    ------
    FrameError
        If it is no frame of this version.
    """
    try:
        raw = cobs.decode(data)
    except cobs.DecodeError as error:
        raise FrameError(f"broken COBS: {error}") from None
    if len(raw) < HEADER.size + CRC_BYTES:
        raise FrameError(f"too short for a frame: {len(raw)} bytes")
    body, tail = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
    expected, found = CRC.compute(body), int.from_bytes(tail, "little")
    if found != expected:
        raise FrameError(f"CRC is {found:#06x}, not {expected:#06x}")
    version, sequence, kind = HEADER.unpack_from(body)
    if version != VERSION:
        raise FrameError(f"protocol version is {version}, not {VERSION}")
    payload = body[HEADER.size :]
    if len(payload) > MAX_PAYLOAD:
        raise FrameError(f"payload must be at most {MAX_PAYLOAD} bytes, not {len(payload)}")
    return Frame(sequence, kind, payload)
