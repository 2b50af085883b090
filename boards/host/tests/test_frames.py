"""Frames as bytes: what is encoded, and what is refused."""

import binascii
import random

import pytest
from cobs import cobs

from popflip.boards.host.frames import Frame, FrameError, decode_frame, encode_frame
from popflip.golden.description.protocol import CRC, MAX_PAYLOAD, Verb


@pytest.mark.parametrize("n", [0, 1, 249, 250, 251, 254, MAX_PAYLOAD])
def test_codec_round_trip(n):
    payload = random.Random(n).randbytes(n)
    line = encode_frame(200, Verb.WRITE, payload)
    assert line.count(0) == 1
    assert decode_frame(line[:-1]) == Frame(200, Verb.WRITE, payload)


def test_frame_bytes():
    """The layout, byte by byte, with a CRC that is not ours."""
    body = b"\x01\x2a\x02\x03\x04\x00\x00\x00\x05\x00"
    crc = binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "little")
    assert encode_frame(42, Verb.READ, body[3:]) == cobs.encode(body + crc) + b"\0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, bytes(1025)), "payload must be at most 1024 bytes, not 1025"),
        ((256, 1), "sequence and kind must be bytes, not 256, 1"),
        ((1, -1), "sequence and kind must be bytes, not 1, -1"),
    ],
)
def test_encoder_rejects(arguments, message):
    with pytest.raises(FrameError) as caught:
        encode_frame(*arguments)
    assert str(caught.value) == message


def framed(body, error=0):
    return cobs.encode(body + (CRC.compute(body) ^ error).to_bytes(2, "little"))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x05\x01", "broken COBS: not enough input bytes for length code"),
        (cobs.encode(b"\1\2\3\4"), "too short for a frame: 4 bytes"),
        (framed(b"\1\2\3", 1), "CRC is 0xadac, not 0xadad"),
        (framed(b"\2\2\3"), "protocol version is 2, not 1"),
        (framed(b"\1\2\3" + bytes(1025)), "payload must be at most 1024 bytes, not 1025"),
    ],
)
def test_decoder_rejects(raw, message):
    with pytest.raises(FrameError) as caught:
        decode_frame(raw)
    assert str(caught.value) == message
