"""The board's end of the host link, as software: what it must answer, and what it may change.

:class:`LinkModel` says what :mod:`popflip.rtl.frontends.uart` and the memories behind it do with
any bytes. It shares neither the codec nor the checksum with the host's end
(:mod:`popflip.boards.host.link`), so that it can judge both.
"""

import binascii
from typing import NamedTuple

from popflip.golden.description.layout import ADDRESS_BITS, MOST_REGIONS, Region
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC_BYTES,
    FILL,
    HEADER,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    VERSION,
    WRITE,
    RunFlags,
    Status,
    Verb,
)

__all__ = ["WHOLE", "LinkModel", "Verdict", "open_frame", "pieces", "undo_cobs"]

#: What is answered to frames that arrived whole, whatever they ask for.
WHOLE = frozenset({
    Status.OK, Status.UNKNOWN_VERB, Status.BAD_LENGTH, Status.OUT_OF_RANGE, Status.BUSY,
})  # fmt: skip

_ADDRESSES = 1 << ADDRESS_BITS


class Verdict(NamedTuple):
    """What a piece of the line comes to.

    ``payload`` is that of the answer, None where the board alone knows it; ``verb`` is None for
    what is no frame, or asks for nothing.
    """

    sequence: int
    status: Status
    verb: Verb | None = None
    payload: bytes | None = b""


def pieces(line: bytes) -> list[bytes]:
    """Cut what is on a line behind each zero; what means nothing is left out."""
    return [piece for piece in line.split(b"\0") if piece]


def undo_cobs(piece: bytes) -> tuple[bytes, bool]:
    """Decode a piece as it arrives; return its bytes, and whether it was cut short."""
    out = bytearray()
    at, code = 0, 255
    while at < len(piece):
        if code != 255:
            out.append(0)
        code = piece[at]
        out += piece[at + 1 : at + code]
        at += code
    return bytes(out), at > len(piece)


def open_frame(piece: bytes) -> tuple[int, int, bytes] | Verdict:
    """Return sequence, kind and payload of a frame, or what is wrong with it."""
    raw, broken = undo_cobs(piece)
    sequence = raw[1] if len(raw) > 1 + CRC_BYTES else 0
    if len(raw) > HEADER.size + MAX_PAYLOAD + CRC_BYTES:
        return Verdict(sequence, Status.OVERSIZE)
    if broken or len(raw) < HEADER.size + CRC_BYTES:
        return Verdict(sequence, Status.BAD_FRAME)
    body, tail = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
    if binascii.crc_hqx(body, 0xFFFF) != int.from_bytes(tail, "little"):
        return Verdict(sequence, Status.BAD_CRC)
    if body[0] != VERSION:
        return Verdict(sequence, Status.BAD_VERSION)
    return body[1], body[2], body[HEADER.size :]


class LinkModel:
    """A board that has memories and answers requests, but runs nothing.

    Parameters
    ----------
    params : Params
    identity : bytes
        Of its bitstream.

    Attributes
    ----------
    memory : dict from str to list of int
        Words of each region that a host can write to: those of ``registers`` that are no settings,
        and words that there are not, read as anything.
    """

    def __init__(self, params: Params, identity: bytes = bytes(16)):
        self.params, self._identity = params, identity
        self.regions = params.regions
        self.memory = {r.name: [0] * r.depth for r in self.regions}
        # Registers that hold what is written to them, by address.
        self.settings = {
            register.index: register
            for register in params.registers
            if register.writable and not register.command
        }
        self.reset()

    def reset(self) -> None:
        """Have the settings begin anew; memories stay as they are."""
        for address, register in self.settings.items():
            self.memory["registers"][address] = register.reset

    def knows(self, name: str, address: int) -> bool:
        """Whether it can say what stands at an address of a region."""
        if name == "registers":
            return address in self.settings
        return name != "results" and self.regions[name].holds(address)

    def bytes_of(self, name: str, address: int, count: int) -> bytes | None:
        """Words of a region, or None if it does not know all of them."""
        region = self.regions[name]
        if not all(self.knows(name, at) for at in range(address, address + count)):
            return None
        words = self.memory[name][address : address + count]
        return b"".join(word.to_bytes(region.word_bytes, "little") for word in words)

    # Requests -------------------------------------------------------------------------------

    def judge(self, piece: bytes, busy: bool = False) -> Verdict:
        """Say what a board that is at rest, but for a run if ``busy``, answers to a piece."""
        frame = open_frame(piece)
        if isinstance(frame, Verdict):
            return frame
        sequence, kind, payload = frame
        if kind not in set(Verb):
            return Verdict(sequence, Status.UNKNOWN_VERB)
        verb = Verb(kind)
        return Verdict(sequence, self._status(verb, payload, busy), verb, None)

    def execute(self, piece: bytes, busy: bool = False) -> Verdict:
        """Judge a piece and, if it is a good request, do it."""
        verdict = self.judge(piece, busy)
        if verdict.status != Status.OK:
            return verdict._replace(payload=b"")
        frame = open_frame(piece)
        assert not isinstance(frame, Verdict)
        _, verb, payload = frame
        answer: bytes | None = b""
        if verb == Verb.IDENTIFY:
            answer = IDENTIFY_ANSWER.pack(self._identity, MAX_PAYLOAD)
        elif verb == Verb.STATUS:
            answer = None
        elif verb == Verb.READ:
            index, address, count = READ.unpack(payload)
            answer = self.bytes_of(self.regions[index].name, address, count)
        elif verb == Verb.WRITE:
            index, address = WRITE.unpack_from(payload)
            size, words = self.regions[index].word_bytes, payload[WRITE.size :]
            for at in range(0, len(words), size):
                self._store(index, address + at // size, words[at : at + size])
        elif verb == Verb.FILL:
            index, address, count = FILL.unpack_from(payload)
            for at in range(address, address + count):
                self._store(index, at, payload[FILL.size :])
        return verdict._replace(payload=answer)

    def _store(self, index: int, address: int, data: bytes) -> None:
        region, word = self.regions[index], int.from_bytes(data, "little")
        if self.knows(region.name, address):
            word &= (1 << self._width(region, address)) - 1
            self.memory[region.name][address] = word

    def _width(self, region: Region, address: int) -> int:
        """Bits of a word, of which the last slices of weights may have fewer than the region."""
        if region.name == "registers":
            return self.settings[address].bits
        if region.part:
            shape = self.params.synapses(int(region.name.removeprefix("weights")))
            return shape.part_widths[address // region.part]
        return region.width

    def _status(self, verb: Verb, payload: bytes, busy: bool) -> Status:
        if verb == Verb.RUN:
            if len(payload) != RUN.size:
                return Status.BAD_LENGTH
            flags, first, count = RUN.unpack(payload)
            known = RunFlags.TRAIN | RunFlags.INTERNAL | RunFlags.FLUSH
            if flags & ~int(known) or max(first, count) >= _ADDRESSES or not count:
                return Status.OUT_OF_RANGE
            return Status.BUSY if busy else Status.OK
        layout = {Verb.READ: READ, Verb.WRITE: WRITE, Verb.FILL: FILL}.get(verb)
        if layout is None:
            return Status.BAD_LENGTH if payload else Status.OK
        long = verb == Verb.READ and len(payload) > layout.size
        if len(payload) < layout.size or long:
            return Status.BAD_LENGTH
        index, address, *counts = layout.unpack_from(payload)
        # Four bits of the region's number are looked at before the others.
        if index % MOST_REGIONS >= len(self.regions):
            return Status.OUT_OF_RANGE
        region, words = self.regions[index % MOST_REGIONS], payload[layout.size :]
        if verb == Verb.FILL and len(words) != region.word_bytes:
            return Status.BAD_LENGTH
        if index >= MOST_REGIONS:
            return Status.OUT_OF_RANGE
        count = counts[0] if counts else len(words) // region.word_bytes
        # The words are gone through from the first on: what is wrong first is what is said.
        if address + count > region.depth:
            return Status.OUT_OF_RANGE
        if verb == Verb.READ and count * region.word_bytes > MAX_PAYLOAD:
            return Status.OUT_OF_RANGE
        if verb == Verb.WRITE and len(words) % region.word_bytes:
            return Status.BAD_LENGTH
        in_run = region.read_in_run if verb == Verb.READ else region.written_in_run
        if busy and not in_run:
            return Status.BUSY
        return Status.OK
