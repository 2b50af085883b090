"""The bytes of an answer, part by part."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.protocol import (
    CRC,
    HEADER,
    IDENTIFY_ANSWER,
    IDENTITY_BYTES,
    MAX_PAYLOAD,
    STATUS_ANSWER,
    VERSION,
    Status,
)
from popflip.golden.support.errors import InputError
from popflip.rtl.primitives.cobs import FrameToken

__all__ = ["AnswerPart", "AnswerSender", "checked_identity"]


def checked_identity(identity: bytes) -> bytes:
    """Return a bitstream's id, if it is one.

    Raises
    ------
    TypeError
        If it is not ``bytes``.
    InputError
        If it is not ``IDENTITY_BYTES`` long.
    """
    if not isinstance(identity, bytes):
        raise TypeError(f"identity must be bytes, not {identity!r}")
    if len(identity) != IDENTITY_BYTES:
        raise InputError(f"identity must be {IDENTITY_BYTES} bytes, not {len(identity)}")
    return identity


class AnswerPart(enum.Enum, shape=3):
    """A part of an answer."""

    NONE = 0
    #: Version, sequence, status.
    HEADER = 1
    #: The payload of IDENTIFY or STATUS.
    FACTS = 2
    #: A byte of a word.
    WORD = 3
    CRC = 4
    #: The end of the frame, which has no byte.
    END = 5


class AnswerSender(wiring.Component):
    """Offer the byte of an answer that is asked for, and keep the answer's CRC.

    Parameters
    ----------
    identity : bytes
        The id of this bitstream, ``IDENTITY_BYTES`` long.

    Members
    -------
    start : ``In(1)``
        No answer is under way.
    part : ``In(AnswerPart)``, position : ``In``
        The byte to offer.
    sequence : ``In(8)``, status : ``In(Status)``
        Of the answer.
    identify : ``In(1)``
        The facts are those of IDENTIFY, not of STATUS.
    busy : ``In(1)``, good, bad : ``In(16)``
        What STATUS tells.
    byte : ``In(8)``
        Of a word.
    last_fact : ``Out(1)``
        The position is that of the last fact.
    o : ``Out(stream.Signature(FrameToken()))``
        The answer.
    """

    def __init__(self, identity: bytes):
        self._identity = checked_identity(identity)
        super().__init__({
            "start": In(1),
            "part": In(AnswerPart),
            "position": In(range(max(IDENTIFY_ANSWER.size, STATUS_ANSWER.size, HEADER.size))),
            "sequence": In(8),
            "status": In(Status),
            "identify": In(1),
            "busy": In(1),
            "good": In(16),
            "bad": In(16),
            "byte": In(8),
            "last_fact": Out(1),
            "o": Out(stream.Signature(FrameToken())),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = CRC.create()
        out, position = self.o, self.position
        covered = Signal()  # by the CRC
        m.d.comb += [
            out.valid.eq(1),
            crc.start.eq(self.start),
            crc.data.eq(out.p.data),
            crc.valid.eq(covered & out.ready),
        ]
        with m.Switch(self.part):
            with m.Case(AnswerPart.HEADER):
                rest = Mux(position == 1, self.sequence, self.status)
                m.d.comb += [out.p.data.eq(Mux(position == 0, VERSION, rest)), covered.eq(1)]
            with m.Case(AnswerPart.FACTS):
                m.d.comb += [out.p.data.eq(self._fact(m)), covered.eq(1)]
            with m.Case(AnswerPart.WORD):
                m.d.comb += [out.p.data.eq(self.byte), covered.eq(1)]
            with m.Case(AnswerPart.CRC):
                m.d.comb += out.p.data.eq(Mux(position == 0, crc.crc[:8], crc.crc[8:]))
            with m.Case(AnswerPart.END):
                m.d.comb += out.p.last.eq(1)
            with m.Default():
                m.d.comb += out.valid.eq(0)
        return m

    def _fact(self, m):
        """Return the fact at the position."""
        facts = [*self._identity, *MAX_PAYLOAD.to_bytes(2, "little")]
        counts = [Const(0, 32 - len(self.good)), self.bad]
        counts = Cat(self.busy, *[0] * 7, self.good, *counts, counts[0])
        counts = [counts[at : at + 8] for at in range(0, len(counts), 8)]
        fact = Signal(8)
        with m.Switch(Cat(self.position, self.identify)):
            for at, byte in enumerate(counts):
                with m.Case(at):
                    m.d.comb += fact.eq(byte)
            for at, byte in enumerate(facts, 1 << len(self.position)):
                with m.Case(at):
                    m.d.comb += fact.eq(byte)
        last = Mux(self.identify, len(facts) - 1, len(counts) - 1)
        m.d.comb += self.last_fact.eq(self.position == last)
        return fact
