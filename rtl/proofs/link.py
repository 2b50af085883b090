"""The host link: whatever bytes come, it acts on whole frames alone, and is ready for the next."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from popflip.golden.description.protocol import (
    CRC_BYTES,
    HEADER,
    IDENTITY_BYTES,
    MAX_PAYLOAD,
    VERSION,
    Status,
)
from popflip.rtl.frontends.link import FrameReceiver, RequestServer
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


class _Link(Harness):
    """The request server on any bytes whatever, beside a reading of them that is written apart.

    The core and whoever takes the answers do as they like. That reading undoes the stuffing,
    keeps the checksum of all bytes but the last two, and those two.
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

        # The stuffing: what a byte is.
        length, come, within = Signal(8), Signal(8), Signal()
        zero, left = i.payload == 0, within & (come != length)
        between = ~zero & within & ~left & (length != 254)
        byte = Mux(left, i.payload, 0)
        is_byte, is_end = i.valid & ~zero & (left | between), i.valid & zero & within
        with m.If(i.valid):
            with m.If(zero):
                m.d.sync += within.eq(0)
            with m.Elif(left):
                m.d.sync += come.eq(come + 1)
            with m.Else():
                m.d.sync += [within.eq(1), come.eq(0), length.eq(i.payload - 1)]

        # The frame: how many bytes, the first, the last two, and the checksums before each.
        receiver_holds = inside["receiver.held"]
        count, version = Signal(range(_LONGEST + 2)), Signal(8)
        newest, older = Signal(8), Signal(8)
        crcs = [Signal(16, name=f"crc_but_{back}", init=0xFFFF) for back in range(3)]
        skipped = Signal()
        with m.If(is_end):
            m.d.sync += [count.eq(0), skipped.eq(0), *(crc.eq(0xFFFF) for crc in crcs)]
        with m.Elif(is_byte):
            m.d.sync += [
                newest.eq(byte), older.eq(newest),
                crcs[0].eq(_crc(crcs[0], byte)), crcs[1].eq(crcs[0]), crcs[2].eq(crcs[1]),
                skipped.eq(skipped | receiver_holds),
            ]  # fmt: skip
            with m.If(count != _LONGEST + 1):
                m.d.sync += count.eq(count + 1)
            with m.If(count == 0):
                m.d.sync += version.eq(byte)
        good = (
            is_end & ~left & (count >= _SHORTEST) & (count <= _LONGEST)
            & (crcs[2] == Cat(older, newest)) & (version == VERSION)
        )  # fmt: skip

        # A request is justified by a good frame that was not skipped, until it is done with.
        justified = Signal()
        with m.If(good & ~skipped & ~receiver_holds):
            m.d.sync += justified.eq(1)
        with m.Elif(inside["receiver.release"]):
            m.d.sync += justified.eq(0)
        acts = host.command.valid | host.run.valid | host.stop
        self.claim("crc", ~acts | justified)
        self.claim("crc", receiver_holds == justified)
        self.claim("ready", i.ready)

        # Behind a zero byte.
        ended = Signal(init=1)
        m.d.sync += ended.eq(i.valid & zero | ended & ~i.valid)
        empty, missing, pending_zero = (
            inside[f"decoder.{n}"] for n in ("empty", "missing", "zero")
        )
        size, known, dropping = (inside[f"receiver.{n}"] for n in ("size", "known", "dropping"))
        checksum = inside["receiver.crc.crc"]
        fresh = (size == 0) & (known == 0) & (checksum == 0xFFFF)
        self.claim("idle", ~ended | empty & (missing == 0) & ~pending_zero & ~dropping)
        self.claim("idle", ~ended | receiver_holds | fresh)

        # Answers to what is no good frame: six words, then the server is idle again.
        state, status, position = inside.state, inside["status"], inside["position"]
        header, closing, end = state("Header"), state("CRC"), state("End")
        error = (header | closing | end) & (status != Status.OK)
        rank = Mux(
            header, HEADER.size - position + CRC_BYTES + 1,
            Mux(closing, CRC_BYTES - position + 1, 1),
        )  # fmt: skip
        taken = inside["encoder"].i.ready
        refused, before = Signal(), Signal(8)
        m.d.sync += [refused.eq(error), before.eq(rank - taken)]
        now = Mux(state("Idle"), 0, rank)
        self.claim("error", ~refused | (state("Idle") | error) & (now == before))
        self.claim("error", ~error | (rank >= 1) & (rank <= HEADER.size + CRC_BYTES + 1))

        for stream in (o, host.command, host.run):
            self.claim("held", held(m, stream.valid, stream.ready, stream.payload))

        # How the registers tell the same.
        self.lemma(empty == ~within)
        self.lemma(missing == Mux(within, length - come, 0))
        self.lemma(pending_zero == (within & (length != 254)))
        self.lemma(dropping == skipped)
        self.lemma(~skipped | within)
        self.lemma(~receiver_holds | skipped | (count == 0))
        self.lemma(receiver_holds | ~skipped | fresh)
        self.lemma(within | (count == 0) & (crcs[0] == 0xFFFF))
        for back, crc in enumerate(crcs):
            self.lemma((count > back) | (crc == 0xFFFF))
        self.lemma((count < 1) | (crcs[0] == _crc(crcs[1], newest)))
        self.lemma((count < 2) | (crcs[1] == _crc(crcs[2], older)))
        oversize = HEADER.size + MAX_PAYLOAD + 1
        follows = ~receiver_holds & ~skipped
        self.lemma(~follows | (known == Mux(count >= 2, 3, Mux(count == 1, 1, 0))))
        self.lemma(~follows | (size == Mux(count >= 2, count - 2, 0)))
        self.lemma((size <= oversize) & (count <= _LONGEST + 1))
        self.lemma(~follows | (count < 1) | (inside["receiver.newest"][8:] == newest))
        self.lemma(~follows | (count < 2) | (inside["receiver.newest"][:8] == older))
        self.lemma(~follows | (size == oversize) | (checksum == crcs[2]))
        self.lemma(~follows | (count < 3) | (inside["receiver.version_known"] == (version == 1)))
        answers = header | closing | end
        self.lemma(state("Idle") | answers | receiver_holds & (status == Status.OK))
        self.lemma(~answers | (status != Status.OK) | receiver_holds)
        self.lemma((count != 1) | (newest == version))
        self.lemma((count != 2) | (older == version))
        self.lemma(status != Status.REPORT)
        self.lemma(~inside["receiver.release"] | receiver_holds)
        self.lemma(~inside["dismissed"] | header & (status != Status.OK))
        self.lemma(~(error & header) | (position < HEADER.size))
        self.lemma(~(error & closing) | (position < CRC_BYTES))


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
        "link",
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
                    _SERVE, "decoder.o.ready.eq(1)", "decoder.o.ready.eq(~receiver.complaint)", 8
                ),
            ),
            "error": Claim(
                "an answer that is an error is six words long, then it is idle",
                Fault(
                    _SERVE,
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
        "link",
        "the same, beside a twin",
        _Server,
        rules(
            Fault(_SERVE, "out.valid.eq(1)", "out.valid.eq(self.o.ready)", 14),
            None,
        ),
    ),
]
