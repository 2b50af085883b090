"""The host link: whatever bytes come, it acts on whole frames alone, and is ready for the next."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from popflip.golden.description.protocol import (
    CRC_BYTES,
    HEADER,
    IDENTITY_BYTES,
    MAX_PAYLOAD,
    VERSION,
    Status,
)
from popflip.rtl.frontends.uart.executor import _Control
from popflip.rtl.frontends.uart.frame_receiver import FrameReceiver
from popflip.rtl.frontends.uart.link import RequestServer
from popflip.rtl.frontends.uart.requests import OVERSIZE
from popflip.rtl.primitives.cobs import CobsDecoder, CobsEncoder
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, held
from popflip.rtl.proofs.nets import tiny
from popflip.rtl.proofs.streams import Streams, rules

__all__ = ["PROOFS"]

_SHORTEST, _LONGEST = HEADER.size + CRC_BYTES, HEADER.size + MAX_PAYLOAD + CRC_BYTES


def _crc(crc, byte):
    """CRC-16 with the polynomial 0x1021, the highest bit first, a bit at a time."""
    for bit in reversed(range(8)):
        feedback = crc[15] ^ byte[bit]
        shifted = Cat(Const(0, 1), crc[:15])
        crc = shifted ^ Mux(feedback, Const(0x1021, 16), Const(0, 16))
    return crc


class _Reading:
    """What the bytes on the line mean, worked out apart from the hardware.

    It undoes the stuffing, keeps the checksum of all bytes but the last two, and those two.
    """

    def __init__(self, m: Module, i, held: Value):
        self._undo_stuffing(m, i)
        self._read_frame(m, held)

    def _undo_stuffing(self, m, i):
        self.length, self.come, self.within = Signal(8), Signal(8), Signal()
        zero = i.payload == 0
        self.zero = i.valid & zero
        self.left = self.within & (self.come != self.length)
        between = ~zero & self.within & ~self.left & (self.length != 254)
        self.byte = Mux(self.left, i.payload, 0)
        self.is_byte = i.valid & ~zero & (self.left | between)
        self.is_end = i.valid & zero & self.within
        with m.If(i.valid):
            with m.If(zero):
                m.d.sync += self.within.eq(0)
            with m.Elif(self.left):
                m.d.sync += self.come.eq(self.come + 1)
            with m.Else():
                m.d.sync += [self.within.eq(1), self.come.eq(0), self.length.eq(i.payload - 1)]

    def _read_frame(self, m, held):
        # How many bytes, the first, the last two, and the checksums before each.
        self.count, self.version = Signal(range(_LONGEST + 2)), Signal(8)
        self.newest, self.older = Signal(8), Signal(8)
        self.crcs = crcs = [Signal(16, name=f"crc_but_{back}", init=0xFFFF) for back in range(3)]
        self.skipped = Signal()
        count, byte = self.count, self.byte
        with m.If(self.is_end):
            m.d.sync += [count.eq(0), self.skipped.eq(0), *(crc.eq(0xFFFF) for crc in crcs)]
        with m.Elif(self.is_byte):
            m.d.sync += [
                self.newest.eq(byte), self.older.eq(self.newest),
                crcs[0].eq(_crc(crcs[0], byte)), crcs[1].eq(crcs[0]), crcs[2].eq(crcs[1]),
                self.skipped.eq(self.skipped | held),
            ]  # fmt: skip
            with m.If(count != _LONGEST + 1):
                m.d.sync += count.eq(count + 1)
            with m.If(count == 0):
                m.d.sync += self.version.eq(byte)
        self.good = (
            self.is_end & ~self.left & (count >= _SHORTEST) & (count <= _LONGEST)
            & (crcs[2] == Cat(self.older, self.newest)) & (self.version == VERSION)
        )  # fmt: skip


class _Link(Harness):
    """The request server on any bytes whatever, beside a reading of them that is written apart.

    The core and whoever takes the answers do as they like.
    """

    def body(self, m: Module) -> None:
        dut = RequestServer(tiny(), bytes(range(IDENTITY_BYTES)))
        m.submodules.dut = (inside := Inside(dut)).fragment
        i, o, host = dut.i, dut.o, dut.host
        m.d.comb += [
            i.valid.eq(self.any(1, "valid")),
            i.payload.eq(self.any(8, "byte")),
            o.ready.eq(self.any(1, "ready")),
            host.command.ready.eq(self.any(1, "command_ready")),
            host.reply.valid.eq(self.any(1, "reply_valid")),
            host.reply.payload.eq(self.any(len(host.reply.payload), "reply")),
            host.run.ready.eq(self.any(1, "run_ready")),
            host.busy.eq(self.any(1, "busy")),
        ]
        reading = _Reading(m, i, inside["receiver.held"])
        self._acts_on_good_frames(m, dut, inside, reading)
        self._begins_anew(m, inside, reading)
        self._answers_errors(m, inside)
        for stream in (o, host.command, host.run):
            self.claim("held", held(m, stream.valid, stream.ready, stream.payload))
        self._registers_agree(inside, reading)

    def _acts_on_good_frames(self, m, dut, inside, reading):
        """A request is justified by a good frame that was not skipped, until it is done with."""
        holds, release = inside["receiver.held"], inside["receiver.requests"].release
        justified = Signal()
        with m.If(reading.good & ~reading.skipped & ~holds):
            m.d.sync += justified.eq(1)
        with m.Elif(release):
            m.d.sync += justified.eq(0)
        acts = dut.host.command.valid | dut.host.run.valid | dut.host.stop
        self.claim("crc", ~acts | justified)
        self.claim("crc", holds == justified)
        self.claim("ready", dut.i.ready)
        self.lemma(~release | holds)

    def _begins_anew(self, m, inside, reading):
        """What holds behind a zero byte."""
        ended = Signal(init=1)
        m.d.sync += ended.eq(reading.zero | ended & ~inside["decoder"].i.valid)
        empty, missing, pending_zero = (
            inside[f"decoder.{n}"] for n in ("empty", "missing", "zero")
        )
        holds, dropping = inside["receiver.held"], inside["receiver.dropping"]
        fresh = self._fresh(inside)
        self.claim("idle", ~ended | empty & (missing == 0) & ~pending_zero & ~dropping)
        self.claim("idle", ~ended | holds | fresh)
        within, skipped = reading.within, reading.skipped
        self.lemma(empty == ~within)
        self.lemma(missing == Mux(within, reading.length - reading.come, 0))
        self.lemma(pending_zero == (within & (reading.length != 254)))
        self.lemma(dropping == skipped)
        self.lemma(~skipped | within)
        self.lemma(~holds | skipped | (reading.count == 0))
        self.lemma(holds | ~skipped | fresh)

    def _fresh(self, inside):
        """Whether the receiver has seen nothing of a frame."""
        size, known = inside["receiver.size"], inside["receiver.known"]
        return (size == 0) & (known == 0) & (inside["receiver.crc.crc"] == 0xFFFF)

    def _answers_errors(self, m, inside):
        """Answers to what is no good frame: six words, then the server is idle again."""
        control, holds = inside["executor.control"], inside["receiver.held"]
        status, position = control.status, control.position
        idle, header, closing, end = (
            inside.state(f"executor.{name}") for name in ("Idle", "Header", "CRC", "End")
        )
        answers = header | closing | end
        error = answers & (status != Status.OK)
        rank = Mux(
            header, HEADER.size - position + CRC_BYTES + 1,
            Mux(closing, CRC_BYTES - position + 1, 1),
        )  # fmt: skip
        taken = inside["encoder"].i.ready
        refused, before = Signal(), Signal(8)
        m.d.sync += [refused.eq(error), before.eq(rank - taken)]
        now = Mux(idle, 0, rank)
        self.claim("error", ~refused | (idle | error) & (now == before))
        self.claim("error", ~error | (rank >= 1) & (rank <= HEADER.size + CRC_BYTES + 1))
        self.lemma(idle | answers | holds & (status == Status.OK))
        self.lemma(~answers | (status != Status.OK) | holds)
        self.lemma(status != Status.REPORT)
        self.lemma(~control.dismissed | header & (status != Status.OK))
        self.lemma(~(error & header) | (position < HEADER.size))
        self.lemma(~(error & closing) | (position < CRC_BYTES))

    def _registers_agree(self, inside, reading):
        """How the receiver's registers tell what the reading tells."""
        count, crcs, skipped = reading.count, reading.crcs, reading.skipped
        newest, older = reading.newest, reading.older
        size, known = inside["receiver.size"], inside["receiver.known"]
        self.lemma(reading.within | (count == 0) & (crcs[0] == 0xFFFF))
        for back, crc in enumerate(crcs):
            self.lemma((count > back) | (crc == 0xFFFF))
        self.lemma((count < 1) | (crcs[0] == _crc(crcs[1], newest)))
        self.lemma((count < 2) | (crcs[1] == _crc(crcs[2], older)))
        self.lemma((count != 1) | (newest == reading.version))
        self.lemma((count != 2) | (older == reading.version))
        follows = ~inside["receiver.held"] & ~skipped
        self.lemma(~follows | (known == Mux(count >= 2, 3, Mux(count == 1, 1, 0))))
        self.lemma(~follows | (size == Mux(count >= 2, count - 2, 0)))
        self.lemma((size <= OVERSIZE) & (count <= _LONGEST + 1))
        kept = inside["receiver.newest"]
        self.lemma(~follows | (count < 1) | (kept[8:] == newest))
        self.lemma(~follows | (count < 2) | (kept[:8] == older))
        checksum = inside["receiver.crc.crc"]
        self.lemma(~follows | (size == OVERSIZE) | (checksum == crcs[2]))
        right = reading.version == VERSION
        self.lemma(~follows | (count < 3) | (inside["receiver.version_known"] == right))


class _Server(Streams):
    """The same beside a twin; that what it offers stays is claimed above."""

    reads = ("receiver.read", "encoder.read")
    claims_held = False

    def __init__(self):
        identity = bytes(range(IDENTITY_BYTES))
        outs = ("o", "host.command", "host.run")
        super().__init__(lambda: RequestServer(tiny(), identity), outs)


_RECEIVE = FrameReceiver.elaborate
_SERVE = RequestServer.elaborate

PROOFS = [
    Proof(
        "link",
        "frontends/uart/link",
        "frames of any length, payloads to 1,024 bytes: the real ones; words of a tiny network",
        _Link,
        {
            "crc": Claim(
                "nothing is written, read, run or stopped but for a frame whose CRC is right",
                Fault(_RECEIVE, "crc.crc != newest", "crc.crc[:15] != newest[:15]", 14),
            ),
            "idle": Claim(
                "behind any zero byte the decoder is as after a reset, and holds a request or none",
                Fault(CobsDecoder.elaborate, "empty.eq(1), missing.eq(0),", "empty.eq(1),", 5),
            ),
            "ready": Claim(
                "it takes a byte in every cycle",
                Fault(
                    _SERVE,
                    "decoder.o.ready.eq(1)",
                    "decoder.o.ready.eq(~receiver.requests.complaint)",
                    8,
                ),
            ),
            "error": Claim(
                "an answer that is an error is six words long, then it is idle",
                Fault(
                    _Control.send_header,
                    "(status == Status.OK) | (status == Status.REPORT)",
                    "status != Status.OK",
                    10,
                ),
            ),
            "held": Claim(
                "bytes of answers, commands and runs that are offered stay as they are until taken",
                Fault(
                    CobsEncoder.elaborate,
                    "with m.If(self.o.ready):\n                m.d.sync += full",
                    "with m.If(1):\n                m.d.sync += full",
                    18,
                ),
            ),
        },
        depth=3,
    ),
    Proof(
        "server",
        "frontends/uart/link",
        "the same, beside a twin",
        _Server,
        rules(
            Fault(
                _SERVE,
                "connect(m, executor.answers, encoder.i)",
                "connect(m, executor.answers, encoder.i)\n"
                "    m.d.comb += encoder.i.valid.eq(executor.answers.valid & self.o.ready)",
                14,
            ),
            None,
        ),
    ),
]
