"""The serial line: bytes arrive as they were sent, and frames as they were packed."""

from amaranth.hdl import Cat, Const, Mux, Signal

from popflip.rtl.primitives.cobs import CobsDecoder, CobsEncoder
from popflip.rtl.primitives.uart import UartReceiver, UartTransmitter
from popflip.rtl.proofs.harness import Fault, Harness, Inside, Proof, held
from popflip.rtl.proofs.streams import Streams, rules

__all__ = ["PROOFS"]


class _Encoder(Streams):
    """Of each piece: its length, then its bytes, one of which, any, is looked at."""

    def words(self, m, dut, inside):
        i, o = dut.i, dut.o
        taken, given = i.valid & i.ready, o.valid & o.ready
        place = self.constant(m, 8, "place")
        wanted = Signal(8)
        phases = Signal(2)
        collect, code, piece, close = (phases == number for number in range(4))
        n, sent = Signal(8), Signal(8)
        full, ending = Signal(), Signal()
        finished = [n.eq(0), sent.eq(0), phases.eq(Mux(ending, 3, 0))]
        with m.If(collect & taken):
            m.d.sync += ending.eq(i.p.last)
            with m.If(i.p.last):
                m.d.sync += phases.eq(Mux(full & (n == 0), 3, 1))
            with m.Elif(i.p.data == 0):
                m.d.sync += phases.eq(1)
            with m.Else():
                m.d.sync += n.eq(n + 1)
                with m.If(n == place):
                    m.d.sync += wanted.eq(i.p.data)
                with m.If(n == 253):
                    m.d.sync += phases.eq(1)
        with m.If(code & given):
            m.d.sync += [full.eq(n == 254), phases.eq(2)]
            with m.If(n == 0):
                m.d.sync += finished
        with m.If(piece & given):
            m.d.sync += sent.eq(sent + 1)
            with m.If(sent + 1 == n):
                m.d.sync += finished
        with m.If(close & given):
            m.d.sync += [full.eq(0), phases.eq(0)]
        self.claim("words", ~i.ready | collect)
        self.claim("words", ~o.valid | ~collect)
        self.claim("words", ~(o.valid & code) | (o.payload == n + 1))
        self.claim("words", ~(o.valid & piece & (sent == place)) | (o.payload == wanted))
        self.claim("words", ~(o.valid & close) | (o.payload == 0))

        # How the engine's registers say the same.
        state, size, at = inside.state, inside["size"], inside["sent"]
        done = at == size
        same = (n == size) & (sent == at)
        self.lemma(state("Close") | (full == inside["full"]))
        self.lemma(collect | (ending == inside["ending"]))
        self.lemma(~state("Collect") | collect & (n == size) & (size < 254) & (sent == 0))
        self.lemma(~state("Send code") | code & (n == size) & (at == 0) & (sent == 0))
        self.lemma(
            ~state("Fetch")
            | Mux(done, (phases == Mux(ending, 3, 0)) & (n == 0) & (sent == 0), piece & same)
        )
        self.lemma(~state("Send") | piece & same & (at < size))
        self.lemma(~state("Close") | close & (n == 0) & (size == 0) & (sent == 0))
        self.lemma((at <= size) | state("Collect") | state("Close"))
        self.lemma(size <= 254)
        kept = Signal(8)
        [memory] = [f for f, name, _ in inside.fragment.subfragments if name == "piece"]
        memory.read_port(domain="comb", addr=place, data=kept, en=1, transparent_for=())
        self.lemma((place >= n) | (kept == wanted))
        read = inside["read"]
        self.lemma(~(state("Send") & (at == place)) | (read.data == wanted))


class _Decoder(Streams):
    """Byte by byte, what the frame's bytes stand for."""

    def words(self, m, dut, inside):
        i, o = dut.i, dut.o
        taken = i.valid & i.ready
        # Of the piece in hand, how many bytes have come and how long it is.
        length, come, within = Signal(8), Signal(8), Signal()
        zero = i.payload == 0
        left = within & (come != length)
        with m.If(taken):
            with m.If(zero):
                m.d.sync += within.eq(0)
            with m.Elif(left):
                m.d.sync += come.eq(come + 1)
            with m.Else():
                m.d.sync += [within.eq(1), come.eq(0), length.eq(i.payload - 1)]
        # A frame's end; a byte of a piece; the zero between a piece and the next.
        ends, byte = zero & within, ~zero & left
        between = ~zero & within & ~left & (length != 254)
        token = i.valid & (ends | byte | between)
        self.claim("words", o.valid == token)
        self.claim("words", i.ready == (~(ends | byte | between) | o.ready))
        self.claim("words", ~o.valid | (o.p.last == ends))
        self.claim("words", ~(o.valid & ends) | (o.p.broken == left))
        self.claim("words", ~(o.valid & ~ends) | (o.p.data == Mux(byte, i.payload, 0)))
        empty, missing = inside["empty"], inside["missing"]
        self.lemma(empty == ~within)
        self.lemma(missing == Mux(within, length - come, 0))
        self.lemma(~within | (inside["zero"] == (length != 254)))
        self.lemma(within | ~inside["zero"])


class _Transmitter(Streams):
    """Each byte makes ten bits, each for ``divisor`` cycles."""

    def __init__(self, divisor):
        super().__init__(lambda: UartTransmitter(divisor), outs=())
        self._divisor = divisor

    def words(self, m, dut, inside):
        divisor = self._divisor
        frame, since = Signal(10), Signal(range(10 * divisor + 1), init=10 * divisor)
        idle = since == 10 * divisor
        with m.If(dut.i.valid & dut.i.ready):
            m.d.sync += [frame.eq(Cat(0, dut.i.payload, 1)), since.eq(0)]
        with m.Elif(~idle):
            m.d.sync += since.eq(since + 1)
        timer, left, bits = inside["timer"], inside["left"], inside["bits"]
        expected = Signal(init=1)
        for bit in range(10):
            here = (since >= bit * divisor) & (since < (bit + 1) * divisor)
            rest = Cat(frame[bit:], Const(-1, 10))[:10]
            with m.If(here):
                m.d.comb += expected.eq(frame[bit])
            self.lemma(
                ~here
                | (left == 10 - bit) & (timer == (bit + 1) * divisor - 1 - since) & (bits == rest)
            )
        with m.If(idle):
            m.d.comb += expected.eq(1)
        self.lemma(Mux(idle, (left == 0) & bits[0], frame[9]))
        self.lemma((since <= 10 * divisor) & (timer < divisor))
        self.claim("words", dut.tx == expected)
        # Not before the last cycle of the byte before.
        self.claim("words", dut.i.ready == (since >= 10 * divisor - 1))


class _Line(Harness):
    """A transmitter and a receiver on one line, whose consumer takes a byte before the next."""

    def __init__(self, divisor):
        super().__init__()
        self._divisor = divisor

    def body(self, m):
        divisor = self._divisor
        sender, receiver = UartTransmitter(divisor), UartReceiver(divisor)
        m.submodules.sender = (of_sender := Inside(sender)).fragment
        m.submodules.dut = receiver
        i, o = sender.i, receiver.o
        m.d.comb += [
            i.valid.eq(self.any(1, "valid")),
            i.payload.eq(self.any(8, "payload")),
            receiver.rx.eq(sender.tx),
            o.ready.eq(self.any(1, "ready")),
        ]
        self.assume(held(m, i.valid, i.ready, i.payload))
        # One byte is on the line, at most one more behind it.
        sent, owed = Signal(8), Signal(8)
        began = i.valid & i.ready
        came = o.valid & o.ready
        with m.If(began):
            m.d.sync += [sent.eq(i.payload), owed.eq(sent)]
        count = Signal(2)
        m.d.sync += count.eq(count + began - came)
        # The consumer takes a byte before the stop bit of the next.
        waited = Signal(range(9 * divisor + 1))
        m.d.sync += waited.eq(Mux(o.valid & ~o.ready, waited + 1, 0))
        self.assume(waited < 9 * divisor)
        self.claim("words", ~o.valid | (count != 0))
        self.claim("words", count <= 2)
        self.claim("words", ~o.valid | (o.payload == Mux(count == 2, owed, sent)))
        self.claim("held", held(m, o.valid, o.ready, o.payload))
        # All that was sent has come once the line has been idle for a while.
        quiet = Signal(range(divisor + 8))
        idle = of_sender["left"] == 0
        m.d.sync += quiet.eq(Mux(idle, Mux(quiet == divisor + 7, quiet, quiet + 1), 0))
        self.claim("words", ~idle | (quiet != divisor + 7) | (count == o.valid))


_ENCODE, _DECODE = CobsEncoder.elaborate, CobsDecoder.elaborate
_SEND, _RECEIVE = UartTransmitter.elaborate, UartReceiver.elaborate


def _line(name, depth, what, slow=False):
    return Proof(
        name,
        "primitives/uart",
        f"4 cycles per bit, transmitter to receiver: {what}",
        lambda: _Line(4),
        rules(
            None,
            Fault(_RECEIVE, "m.If(self.o.ready)", "m.If(1)", 50),
            "each byte that is sent is offered once, in order, as it was",
            Fault(_RECEIVE, "m.d.sync += self.o.valid.eq(0)", "pass", 50),
        ),
        depth=depth,
        inductive=False,
        slow=slow,
    )


PROOFS = [
    Proof(
        "cobs-encoder",
        "primitives/cobs",
        "pieces of 254 bytes, memory of 256: the real ones",
        lambda: _Encoder(CobsEncoder),
        rules(
            Fault(
                _ENCODE,
                "self.o.payload.eq(size + 1), self.o.valid.eq(1)",
                "self.o.payload.eq(size + 1), self.o.valid.eq(self.o.ready)",
            ),
            Fault(
                _ENCODE,
                "m.d.comb += self.o.valid.eq(1)\n",
                "m.d.comb += self.o.valid.eq(1)\n            m.next = 'Collect'\n",
            ),
            "a piece is its length, its bytes in order, and a zero behind the frame",
            Fault(
                _ENCODE,
                "m.d.sync += sent.eq(sent + 1)\n",
                "m.d.sync += sent.eq(sent + 1 + (sent == 1))\n",
                24,
            ),
        ),
    ),
    Proof(
        "cobs-decoder",
        "primitives/cobs",
        "the real one",
        lambda: _Decoder(CobsDecoder),
        rules(
            Fault(
                _DECODE,
                "self.o.valid.eq(self.i.valid & has_token)",
                "self.o.valid.eq(self.i.valid & has_token & self.o.ready)",
            ),
            Fault(_DECODE, "m.If(self.i.valid & self.i.ready)", "m.If(self.i.valid)"),
            "each byte of the line makes the token that it stands for, or none, and that once",
            Fault(_DECODE, "self.i.ready.eq(self.o.ready | ~has_token)", "self.i.ready.eq(1)"),
        ),
    ),
    Proof(
        "uart-transmitter",
        "primitives/uart",
        "8 cycles per bit, the presets'",
        lambda: _Transmitter(8),
        rules(
            None,
            None,
            "each byte is ten bits of 8 cycles each on the line, and the line is high between",
            Fault(
                _SEND,
                "left.eq(left - 1), timer.eq(self._divisor - 1)",
                "left.eq(left - 1), timer.eq(self._divisor - 2)",
                20,
            ),
        ),
        depth=2,
    ),
    _line("uart-line", 50, "the first byte and the beginning of the second"),
    _line("uart-line-long", 96, "two bytes and the beginning of the third", slow=True),
]
