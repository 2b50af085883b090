"""The data set as it lies in a board's flash, behind the bitstream.

An image begins at ``standalone.flash_base``, fills whole sectors of 4,096 bytes, and is

========= ==========================================================================
bytes     content
========= ==========================================================================
0         :data:`MAGIC`, 4 bytes
4         what the samples are made for (:func:`kind_of`), 8 bytes
12        training samples, u24
15        test samples, u24
18        CRC-32 of all samples, u32
22        CRC of bytes 0 to 21 (:data:`popflip.golden.description.protocol.CRC`), u16
4096      training samples, then test samples, without gaps between
========= ==========================================================================

A sample lies there as :func:`popflip.golden.description.packing.pack_samples` packs it, or as its
record if ``standalone.record_bytes`` is set (:func:`records`). Integers are little-endian, and all
other bytes are 0xFF. The hardware reads bytes 0 to 17 and trusts them if the first 12 are what it
expects. Software that writes or simulates an image checks the rest too.
"""

import hashlib
import json
import zlib
from typing import NamedTuple

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import CRC, CRC_BYTES
from popflip.golden.description.sections.standalone import FLASH_ADDRESS_BITS, FLASH_BYTES, SECTOR
from popflip.golden.support.errors import InputError
from popflip.golden.support.integers import ceil_div

__all__ = [
    "COMMAND_BITS",
    "COUNT_BYTES",
    "DUMMY_BITS",
    "FLASH_ADDRESS_BITS",
    "FLASH_BYTES",
    "INSTRUCTION_BITS",
    "KIND_BYTES",
    "MAGIC",
    "SECTOR",
    "TURN_CYCLES",
    "Image",
    "ImageError",
    "flash_cycles",
    "kind_of",
    "most_samples",
    "read_image",
    "record_lengths",
    "records",
    "stored_bytes",
    "write_image",
]

#: The first bytes of every image; the last of them is the version of the layout.
MAGIC = b"pop\x01"

#: Bytes that tell what the samples are made for.
KIND_BYTES = 8

#: Bytes of each of the two counts.
COUNT_BYTES = 3

#: Bytes of the checksum of all samples.
_SUM_BYTES = 4

#: Bytes of a sample that share a mask in its record.
_MASKED = 8

#: Bits of the instruction that a read command begins with.
INSTRUCTION_BITS = 8

#: Clocks between the address of a read command and its data.
DUMMY_BITS = 8

#: Bits of a read command ahead of its data: instruction, address, and a byte of waiting.
COMMAND_BITS = INSTRUCTION_BITS + FLASH_ADDRESS_BITS + DUMMY_BITS


class ImageError(InputError):
    """An image that cannot be used, or made; the message is one line for the user."""


class Image(NamedTuple):
    """A data set as packed samples.

    Attributes
    ----------
    train, test : ndarray of uint8, shape (n, sample_bytes)
    """

    train: np.ndarray
    test: np.ndarray


def kind_of(params: Params) -> bytes:
    """Name what samples are made for: 8 bytes that differ where the packed samples would."""
    net = params.network
    kind = {
        "image": net.image,
        "thresholds": net.thresholds,
        "classes": net.classes,
        "words": params.sample_words,
        "word_bits": params.sample_word_bits,
    }
    if params.standalone.record_bytes:
        kind["record_bytes"] = params.standalone.record_bytes
    return hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).digest()[:KIND_BYTES]


def stored_bytes(params: Params) -> int:
    """Return how many bytes of the flash a sample takes."""
    return params.standalone.record_bytes or params.sample_bytes


def record_lengths(samples) -> np.ndarray:
    """Return how many bytes the record of each sample has.

    Parameters
    ----------
    samples : ndarray of uint8, shape (n, sample_bytes)
        Packed samples.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    masks = ceil_div(samples.shape[1], _MASKED)
    return 1 + masks + np.count_nonzero(samples, axis=1)


def records(params: Params, samples) -> np.ndarray:
    """Leave out the zero bytes of samples.

    A record is the number of bytes that follow; then, for every eight bytes of the sample, a mask
    with a one for each that is not zero, the first in bit 0, and those bytes themselves.

    Parameters
    ----------
    params : Params
        With ``standalone.record_bytes``.
    samples : ndarray of uint8, shape (n, sample_bytes)
        Packed samples.

    Returns
    -------
    ndarray of uint8, shape (n, record_bytes)
        Ones behind the end of a record.

    Raises
    ------
    ImageError
        If a record is longer.
    """
    n, size = samples.shape[0], params.standalone.record_bytes
    assert size is not None
    lengths = record_lengths(samples)
    if n and lengths.max() > size:
        raise ImageError(
            f"standalone.record_bytes must be at least {lengths.max()} for these samples, "
            f"not {size}"
        )
    masked = np.zeros((n, ceil_div(samples.shape[1], _MASKED), _MASKED), np.uint8)
    masked.reshape(n, -1)[:, : samples.shape[1]] = samples
    present = masked != 0
    # Each group of bytes with its mask before it, which is always there.
    masks = np.packbits(present, axis=2, bitorder="little")
    there = np.concatenate([np.ones_like(masks, bool), present], axis=2).reshape(n, -1)
    every = np.concatenate([masks, masked], axis=2).reshape(n, -1)
    out = np.full((n, size), 0xFF, np.uint8)
    out[:, 0] = lengths - 1
    # The bytes that are there, row by row, are as many as the records have behind their first.
    out[(np.arange(size) > 0) & (np.arange(size) < lengths[:, None])] = every[there]
    return out


def _samples_of(params: Params, recorded) -> np.ndarray:
    """Undo :func:`records`; raise ImageError if what is there cannot be records."""
    groups = ceil_div(params.sample_bytes, _MASKED)
    out = np.zeros((len(recorded), groups * _MASKED), np.uint8)
    for record, sample in zip(recorded, out, strict=True):
        at, end = 1, int(record[0]) + 1
        for group in range(groups):
            mask = record[at : at + 1] if at < end else np.zeros(1, np.uint8)
            present = np.unpackbits(mask, bitorder="little").astype(bool)
            count = int(present.sum())
            part = record[at + 1 : at + 1 + count]
            if len(part) == count:  # Else the end is wrong, too.
                sample[_MASKED * group : _MASKED * (group + 1)][present] = part
            at += 1 + count
        if at != end or end > len(record):
            raise ImageError("the image is damaged: a record does not end where it says")
    return out[:, : params.sample_bytes]


def most_samples(params: Params, test: int, flash_bytes: int = FLASH_BYTES) -> int:
    """Return how many training samples fit beside ``test`` test samples.

    Parameters
    ----------
    params : Params
    test : int
    flash_bytes : int
        Size of the flash, of which the first ``standalone.flash_base`` bytes are taken.

    Returns
    -------
    int
        At most ``2 ** standalone.order_bits``, as are test samples; 0 or less if nothing fits.
    """
    room = min(flash_bytes, FLASH_BYTES) - params.standalone.flash_base - SECTOR
    most = 1 << params.standalone.order_bits
    return min(room // stored_bytes(params) - test, most) if test <= most else 0


def write_image(params: Params, train, test) -> bytes:
    """Lay out an image.

    Parameters
    ----------
    params : Params
    train, test : ndarray of uint8, shape (n, sample_bytes)
        Packed samples, at least one each; :func:`most_samples` says how many.

    Returns
    -------
    bytes
        Whole sectors.
    """
    for name, samples in (("train", train), ("test", test)):
        if samples.ndim != 2 or samples.shape[1] != params.sample_bytes or not len(samples):
            raise InputError(
                f"{name} must have shape (at least 1, {params.sample_bytes}), not {samples.shape}"
            )
    most = most_samples(params, len(test))
    if len(train) > most:
        raise ImageError(
            f"at most {max(most, 0):,} training samples fit the flash beside {len(test):,} test "
            f"samples, not {len(train):,}"
        )
    stored = [train, test]
    if params.standalone.record_bytes:
        stored = [records(params, part) for part in stored]
    samples = b"".join(part.tobytes() for part in stored)
    header = MAGIC + kind_of(params)
    for part in (train, test):
        header += len(part).to_bytes(COUNT_BYTES, "little")
    header += zlib.crc32(samples).to_bytes(_SUM_BYTES, "little")
    header += CRC.compute(header).to_bytes(CRC_BYTES, "little")
    body = ceil_div(len(samples), SECTOR) * SECTOR
    return header.ljust(SECTOR, b"\xff") + samples.ljust(body, b"\xff")


def read_image(params: Params, content: bytes) -> Image:
    """Undo :func:`write_image`.

    Raises
    ------
    ImageError
        If it is no image, damaged, or made for other samples than ``params`` takes.
    """
    ends = np.cumsum([len(MAGIC), KIND_BYTES, COUNT_BYTES, COUNT_BYTES, _SUM_BYTES, CRC_BYTES])
    header, crc = content[: ends[4]], content[ends[4] : ends[5]]
    magic, kind, *counted, samples_sum = np.split(np.frombuffer(header, np.uint8), ends[:4])
    if len(content) < SECTOR or magic.tobytes() != MAGIC:
        raise ImageError("this is no image of a data set that this popflip reads")
    if CRC.compute(header).to_bytes(CRC_BYTES, "little") != crc:
        raise ImageError("the image is damaged: the checksum of its header is wrong")
    if kind.tobytes() != kind_of(params):
        raise ImageError(
            f"the image was made for other samples than {params.name} takes (image, thresholds, "
            "classes or lanes): write it with this network's preset"
        )
    counts = [int.from_bytes(count.tobytes(), "little") for count in counted]
    n_bytes = sum(counts) * stored_bytes(params)
    samples = content[SECTOR : SECTOR + n_bytes]
    found = zlib.crc32(samples).to_bytes(_SUM_BYTES, "little")
    if len(samples) != n_bytes or found != samples_sum.tobytes():
        raise ImageError("the image is damaged: the checksum of its samples is wrong")
    packed = np.frombuffer(samples, np.uint8).reshape(-1, stored_bytes(params))
    if params.standalone.record_bytes:
        packed = _samples_of(params, packed)
    return Image(packed[: counts[0]], packed[counts[0] :])


def flash_cycles(params: Params, record: float | None = None) -> float:
    """Clock cycles from one sample's request to its last byte, if nothing but the flash decides.

    ``divider * (40 + 8 * bytes / lines)`` for the command and the data, one for each bit of the
    number of bytes that a sample takes there, to find the address, and a few turns. If training
    takes longer over a sample than this and :data:`TURN_CYCLES`, it never waits for the flash.

    Of a record only the bytes that it has are read. The sample leaves the reader at one byte per
    cycle as soon as the first bytes are there. The slower of the two decides; where they take
    turns, it takes a few cycles more.

    Parameters
    ----------
    params : Params
    record : float, optional
        Mean length of the records; the longest that can be if left out.
    """
    standalone, n = params.standalone, params.sample_bytes
    if not standalone.lines:
        raise InputError(f"standalone.flash must be single, dual or quad, not {standalone.flash}")
    per_byte = standalone.flash_divider * 8 // standalone.lines
    first = (
        standalone.flash_divider * COMMAND_BITS
        + stored_bytes(params).bit_length()
        + standalone.flash_delay
        + _READER_CYCLES
    )
    if standalone.record_bytes:
        read = per_byte * (standalone.record_bytes if record is None else record)
        return first + max(read, 2 * per_byte + n) + _RECORD_CYCLES
    # There is room for two bytes on their way; with much delay a fast clock waits for them.
    waits = max(0, 2 + standalone.flash_delay - per_byte) * ((n - 1) // 2)
    return first + per_byte * n + waits


#: Cycles of the reader: from the request to the first step, and from the last bit to its byte.
_READER_CYCLES = 4

#: Cycles from a byte of a record to a byte of its sample.
_RECORD_CYCLES = 1

#: From the last byte of a sample to the request of the next.
TURN_CYCLES = 4
