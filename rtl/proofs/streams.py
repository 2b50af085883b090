"""Streams keep their rules: nothing waits or moves that must not, and nothing is lost."""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from popflip.golden.description.params import Params
from popflip.rtl.core.sample_feeder import SampleFeeder
from popflip.rtl.layers.relax import RelaxEngine
from popflip.rtl.layers.window_fetch import WindowFollower
from popflip.rtl.primitives.cobs import CobsDecoder, CobsEncoder
from popflip.rtl.primitives.queue import Queue
from popflip.rtl.primitives.uart import UartReceiver, UartTransmitter
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, held, past
from popflip.rtl.proofs.nets import tiny

__all__ = ["PROOFS", "Streams", "rules"]

_VALID = "valid never waits on ready: whoever takes words cannot change when one is offered"
_HELD = "a word that is offered and not taken stays, and stays as it is"


class Streams(Harness):
    """A component beside a twin that hears the same, but is asked at other times.

    The twins are together until one of them hands over a word that the other does not. Meanwhile
    whatever their consumers do makes no difference to what they offer.

    Parameters
    ----------
    make : callable
        Returns a new component.
    outs, ins : tuple of str
        Streams that it offers, and that it takes.
    """

    #: Whether all registers of the twins are equal while they are together, which an induction
    #: stands on; not where what a memory holds finds its way into them.
    twins_are_equal = True

    #: Read ports of memories. While the twins are together they write the same, so what they read
    #: is the same: that is assumed, as an induction does not see what a memory holds.
    reads: tuple[str, ...] = ()

    #: Whether to claim that words stay, too; not if another proof does.
    claims_held = True

    def __init__(self, make: Callable[[], wiring.Component], outs=("o",), ins=("i",)):
        super().__init__()
        self._make, self._outs, self._ins = make, outs, ins

    def body(self, m: Module) -> None:
        dut, twin = self._make(), self._make()
        inside, other = Inside(dut), Inside(twin)
        m.submodules.dut, m.submodules.twin = inside.fragment, other.fragment
        twins = {path: value for path, _, value in twin.signature.flatten(twin)}
        for path, member, value in dut.signature.flatten(dut):
            if member.flow == In:
                name = "__".join(map(str, path))
                port, twin_port = Value.cast(value), Value.cast(twins[path])
                if not len(port):
                    continue
                m.d.comb += port.eq(given := self.any(len(port), name))
                if path[-1] == "ready" and ".".join(map(str, path[:-1])) in self._outs:
                    given = self.any(1, f"twin_{name}")
                m.d.comb += twin_port.eq(given)
        parted, parting = Signal(), []
        for name in self._outs:
            mine, theirs = _port(dut, name), _port(twin, name)
            self.claim("valid", parted | (mine.valid == theirs.valid))
            if self.claims_held:
                self.claim("held", held(m, mine.valid, mine.ready, mine.payload))
            parting.append(mine.valid & (mine.ready != theirs.ready))
        for name in self._ins:
            stream = _port(dut, name)
            self.assume(held(m, stream.valid, stream.ready, stream.payload))
        m.d.sync += parted.eq(parted | Cat(parting).any())
        if self.twins_are_equal:
            for register, counterpart in zip(inside.registers(), other.registers(), strict=True):
                self.lemma(parted | (register == counterpart))
        for path in self.reads:
            self.assume(parted | (inside[path].data == other[path].data))
        self.words(m, dut, inside)

    def words(self, m: Module, dut, inside: Inside) -> None:
        """Claim what becomes of the words; by default nothing."""


def _port(component, name):
    for part in name.split("."):
        component = getattr(component, part)
    return component


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

        # How the engine's registers tell the same.
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


class _Follower(Streams):
    """A job for each neuron, in the same cycle."""

    def words(self, m, dut, inside):
        changed, job = dut.changed, dut.job
        self.claim("words", (changed.valid & changed.ready) == (job.valid & job.ready))
        self.claim("words", ~job.valid | (job.payload.row == changed.payload.place.row))
        self.claim("words", ~job.valid | (job.payload.plus == changed.payload.up))
        # The sample buffer: a window stays until the next is asked for.
        stays = Signal()
        m.d.sync += stays.eq(dut.ready & ~dut.next & ~dut.start)
        self.assume(~stays | dut.ready)
        self.assume(~dut.start | ~changed.valid)
        # The window has come that its row sees.
        block, passed = Params.load("local-small").block, Signal(8)
        m.d.sync += passed.eq(Mux(dut.start, 0, passed + dut.next))
        self.claim("words", ~job.valid | (job.payload.row < block * (passed + 1)))
        self.assume(passed < 490 // block)
        self.lemma(inside["limit"] == (block * (passed + 1))[:9])


class _Feeder(Streams):
    """From the store: each byte once, and each sample of the run asked for once, in order."""

    def words(self, m, dut, inside):
        o, store = dut.o, dut.store
        start = dut.start & inside.state("Idle")
        self.assume(~dut.start | inside.state("Idle"))
        left, number = Signal(24), Signal(24)
        internal, within, gone = Signal(), Signal(), Signal()
        # A sample that has left is counted a cycle later.
        m.d.sync += gone.eq(o.valid & o.ready & dut.last)
        with m.If(start):
            m.d.sync += [
                left.eq(dut.run.count), number.eq(dut.run.first), internal.eq(dut.run.internal),
                within.eq(0),
            ]  # fmt: skip
        with m.Elif(gone):
            m.d.sync += [left.eq(left - 1), number.eq(number + 1)]
        with m.If(o.valid & o.ready & dut.last):
            m.d.sync += within.eq(0)
        asked = store.request.valid & store.request.ready
        with m.If(asked):
            m.d.sync += within.eq(1)
        self.claim("words", ~store.request.valid | ~internal & ~within & (left != 0))
        self.claim("words", ~store.request.valid | (store.request.payload == number))
        self.claim(
            "words",
            internal | ((store.data.valid & store.data.ready) == (o.valid & o.ready)),
        )
        self.claim("words", internal | ~o.valid | within & (o.payload == store.data.payload))
        self.claim("words", dut.over == (left == 0))
        state = inside.state
        self.lemma(inside["internal"] == internal)
        self.lemma(inside["missing"] == ~left)
        self.lemma(internal | (inside["number"] == number))
        self.lemma(~state("Request") | ~internal & ~within & (left != 0))
        self.lemma(~state("Relay") | ~internal & within & (left != 0))
        self.lemma(~(state("Fetch") | state("Offer")) | internal & (left != 0))
        self.lemma(~(state("Idle") | state("Seek") | state("Next")) | ~within)
        self.lemma(state("Next") == gone)
        self.lemma(~gone | (left != 0))


class _Relax(Streams):
    """Nothing else happens to the engine while it learns, as the sequencer sees to."""

    twins_are_equal = False

    def words(self, m, dut, inside):
        port = dut.neurons
        self.assume(~dut.learning | ~(dut.visit | dut.push | dut.walk | dut.clear))
        # What the neurons show stays until another is looked at; settings stay while it learns.
        looked = past(m, port.place_en | port.look_en, 1, "looked")
        learnt = past(m, dut.learning, 1, "learnt")
        self.stays(m, Cat(port.place, port.first, port.last), ~looked, "shown")
        self.stays(m, Cat(dut.swap, dut.upper_differs), learnt, "settings")
        # It goes on learning until it is idle.
        self.assume(~past(m, ~dut.idle, 1, "waits") | ~learnt | dut.learning)
        self.assume(~past(m, dut.walk, 1, "walked") | dut.learning)


class _Queue(Harness):
    """One place of its memory, any, is looked at; nobody adds more than it holds."""

    def __init__(self, capacity):
        super().__init__()
        self._capacity = capacity

    def body(self, m: Module) -> None:
        dut = Queue(8, self._capacity)
        m.submodules.dut = (inside := Inside(dut)).fragment
        m.d.comb += [
            dut.add.eq(self.any(1, "add")),
            dut.entry.eq(self.any(8, "entry")),
            dut.take.eq(self.any(1, "take")),
        ]
        bits = self._capacity.bit_length()
        put, got, count = Signal(bits), Signal(bits), Signal(bits)
        gone = dut.ready & dut.take
        m.d.sync += [put.eq(put + dut.add), got.eq(got + gone), count.eq(count + dut.add - gone)]
        self.assume(~dut.add | (count != self._capacity))
        place, wanted, kept = self.constant(m, bits, "place"), Signal(8), Signal(8)
        with m.If(dut.add & (put == place)):
            m.d.sync += wanted.eq(dut.entry)
        waited = Signal(2)
        m.d.sync += waited.eq(Mux((count == 0) | dut.ready, 0, waited + 1))
        stays, before = Signal(), Signal(8)
        m.d.sync += [stays.eq(dut.ready & ~dut.take), before.eq(dut.data)]
        self.claim("words", ~dut.ready | (count != 0))
        self.claim("words", ~(dut.ready & (got == place)) | (dut.data == wanted))
        self.claim("soon", dut.empty == (count == 0))
        self.claim("soon", ~((count != 0) & ~dut.ready) | (waited == 0))
        self.claim("held", ~stays | dut.ready & (dut.data == before))

        self.lemma((count == (put - got)[:bits]) & (count <= self._capacity))
        fetched = inside["fetched"]
        self.lemma((inside["added"] == put) & (fetched == (got + dut.ready)[:bits]))
        [memory] = [f for f, name, _ in inside.fragment.subfragments if name == "storage"]
        memory.read_port(domain="comb", addr=place, data=kept, en=1, transparent_for=())
        self.lemma(((place - fetched)[:bits] >= (put - fetched)[:bits]) | (kept == wanted))
        self.lemma(~stays | (dut.data == before))


def rules(
    fault_of_valid: Fault | None,
    fault_of_held: Fault | None,
    words: str = "",
    fault_of_words: Fault | None = None,
) -> dict[str, Claim]:
    """Return the claims of a component with streams, as far as each has a fault."""
    claims = {}
    for name, says, fault in (
        ("words", words, fault_of_words),
        ("valid", _VALID, fault_of_valid),
        ("held", _HELD, fault_of_held),
    ):
        if fault is not None:
            claims[name] = Claim(says, fault)
    return claims


_ENCODE, _DECODE = CobsEncoder.elaborate, CobsDecoder.elaborate
_SEND, _RECEIVE = UartTransmitter.elaborate, UartReceiver.elaborate
_QUEUE = Queue.elaborate
_FOLLOW, _FEED = WindowFollower.elaborate, SampleFeeder.elaborate


def _line(name, depth, what, slow=False):
    return Proof(
        name,
        "uart",
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
        "cobs",
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
        "cobs",
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
        "uart",
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
    Proof(
        "follower",
        "follow",
        "local-small: 490 neurons, windows one by one",
        lambda: _Follower(
            lambda: WindowFollower(Params.load("local-small")), ("job",), ("changed",)
        ),
        rules(
            Fault(
                _FOLLOW,
                "self.changed.valid & ~ahead & self.ready)",
                "self.changed.valid & ~ahead & self.ready & self.job.ready)",
            ),
            Fault(
                _FOLLOW,
                "self.changed.ready.eq(self.job.ready & ~ahead",
                "self.changed.ready.eq(~ahead",
            ),
            "each neuron makes one job, in the cycle in which it is taken, with its own row",
            Fault(_FOLLOW, "changed.place.row >= limit", "changed.place.row > limit", 8),
        ),
    ),
    Proof(
        "feeder",
        "feeder",
        "local-small",
        lambda: _Feeder(
            lambda: SampleFeeder(Params.load("local-small")),
            ("o", "store.request"),
            ("store.data",),
        ),
        rules(
            Fault(
                _FEED,
                "m.d.comb += self.store.request.valid.eq(1)",
                "m.d.comb += self.store.request.valid.eq(self.store.request.ready)",
            ),
            Fault(_FEED, "with m.If(self.store.request.ready):", "with m.If(1):"),
            "each byte of the store leaves once; each sample is asked for once, in order",
            Fault(
                _FEED,
                "with m.If(self.o.valid & self.o.ready & self.last):",
                "with m.If(self.o.valid & self.last):",
                16,
            ),
        ),
    ),
    Proof(
        "relax",
        "relax",
        "layer 1 of a dense network 4-3-2, 12 cycles, a walk among them",
        lambda: _Relax(lambda: RelaxEngine(tiny(), 1), ("job", "changed"), ()),
        rules(
            Fault(
                RelaxEngine.elaborate,
                "self.changed.valid.eq(self.learning & queue.ready)",
                "self.changed.valid.eq(self.learning & queue.ready & self.changed.ready)",
            ),
            Fault(
                RelaxEngine.elaborate,
                "advance.eq(~walk_valid | ~needed | self.job.ready)",
                "advance.eq(1)",
                20,
            ),
        ),
        depth=12,
        inductive=False,
    ),
    Proof(
        "queue",
        "queue",
        "1,800 entries, as many as ecp5-85f has hidden neurons",
        lambda: _Queue(1800),
        rules(
            None,
            Fault(_QUEUE, "with m.Elif(self.take):", "with m.Else():"),
            "entries come out in order, each once, as they were",
            Fault(_QUEUE, "read.en.eq(waiting & (~self.ready | self.take))", "read.en.eq(waiting)"),
        )
        | {
            "soon": Claim(
                "it is empty if there is none; an entry is ready two cycles after it was added",
                Fault(_QUEUE, "self.empty.eq(~waiting & ~self.ready)", "self.empty.eq(~waiting)"),
            )
        },
    ),
]
