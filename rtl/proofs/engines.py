"""What stands between engines: the sample feeder, the window fetch, the queue of an engine."""

from amaranth.hdl import Cat, Module, Mux, Signal

from popflip.golden.description.params import Params
from popflip.rtl.core.sample_feeder import SampleFeeder
from popflip.rtl.layers.relax import RelaxEngine
from popflip.rtl.layers.window_fetch import WindowFetch
from popflip.rtl.primitives.queue import Queue
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, past
from popflip.rtl.proofs.nets import tiny
from popflip.rtl.proofs.streams import Streams, rules

__all__ = ["PROOFS"]


class _WindowFetch(Streams):
    """A job for each neuron, in the same cycle."""

    def words(self, m, dut, inside):
        changed, job = dut.changed, dut.job
        self.claim("words", (changed.valid & changed.ready) == (job.valid & job.ready))
        self.claim("words", ~job.valid | (job.payload.row == changed.payload.place.row))
        self.claim("words", ~job.valid | (job.payload.plus == changed.payload.up))
        # The sample buffer: a window stays until the next is asked for.
        stays = Signal()
        m.d.sync += stays.eq(dut.windows.ready & ~dut.windows.next & ~dut.start)
        self.assume(~stays | dut.windows.ready)
        self.assume(~dut.start | ~changed.valid)
        # The window has come that its row sees.
        block, passed = Params.load("local-small").block, Signal(8)
        m.d.sync += passed.eq(Mux(dut.start, 0, passed + dut.windows.next))
        self.claim("words", ~job.valid | (job.payload.row < block * (passed + 1)))
        self.assume(passed < 490 // block)
        self.lemma(inside["limit"] == (block * (passed + 1))[:9])


class _SampleFeeder(Streams):
    """From the store: each byte once, and each sample of the run asked for once, in order."""

    def words(self, m, dut, inside):
        o, store = dut.o, dut.store
        feed = dut.feed
        start = feed.start & inside.state("Idle")
        self.assume(~feed.start | inside.state("Idle"))
        left, number = Signal(24), Signal(24)
        internal, within, gone = Signal(), Signal(), Signal()
        # A sample that has left is counted a cycle later.
        m.d.sync += gone.eq(o.valid & o.ready & dut.last)
        with m.If(start):
            m.d.sync += [
                left.eq(feed.run.count), number.eq(feed.run.first), internal.eq(feed.run.internal),
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
        self.claim("words", feed.over == (left == 0))
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
        port, phase = dut.neurons, dut.phase
        others = dut.visit.start | dut.contribution.valid | phase.scan | phase.clear
        self.assume(~phase.learning | ~others)
        # What the neurons show stays until another is looked at; settings stay while it learns.
        looked = past(m, port.place_en | port.look_en, 1, "looked")
        learnt = past(m, phase.learning, 1, "learnt")
        self.stays(m, Cat(port.place, port.first, port.last), ~looked, "shown")
        self.stays(m, Cat(phase.swap, dut.upper.first, dut.upper.last), learnt, "settings")
        # It goes on learning until it is idle.
        self.assume(~past(m, ~dut.visit.idle, 1, "waits") | ~learnt | phase.learning)
        self.assume(~past(m, phase.scan, 1, "scanned") | phase.learning)


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


_QUEUE = Queue.elaborate
_FETCH, _FEED = WindowFetch.elaborate, SampleFeeder._bring


PROOFS = [
    Proof(
        "window-fetch",
        "layers/window_fetch",
        "local-small: 490 neurons, windows one by one",
        lambda: _WindowFetch(
            lambda: WindowFetch(Params.load("local-small")), ("job",), ("changed",)
        ),
        rules(
            Fault(
                _FETCH,
                "self.changed.valid & ~ahead & there)",
                "self.changed.valid & ~ahead & there & self.job.ready)",
            ),
            Fault(
                _FETCH,
                "self.changed.ready.eq(self.job.ready & ~ahead",
                "self.changed.ready.eq(~ahead",
            ),
            "each neuron makes one job, in the cycle in which it is taken, with its own row",
            Fault(_FETCH, "changed.place.row >= limit", "changed.place.row > limit", 8),
        ),
    ),
    Proof(
        "sample-feeder",
        "core/sample_feeder",
        "local-small",
        lambda: _SampleFeeder(
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
        "layers/relax",
        "layer 1 of a dense network 4-3-2, 12 cycles, a contrast scan among them",
        lambda: _Relax(lambda: RelaxEngine(tiny(), 1), ("job", "changed"), ()),
        rules(
            Fault(
                RelaxEngine._queue,
                "self.changed.valid.eq(learning & queue.ready)",
                "self.changed.valid.eq(learning & queue.ready & self.changed.ready)",
            ),
            Fault(
                RelaxEngine._scan,
                "advance.eq(~scan_valid | ~needed | job.ready)",
                "advance.eq(1)",
                20,
            ),
        ),
        depth=12,
        inductive=False,
    ),
    Proof(
        "queue",
        "primitives/queue",
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
