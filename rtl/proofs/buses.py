"""The buses' rules: each access is done and answered once, and what is offered stays."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from popflip.golden.description.bus import BusMap
from popflip.golden.description.protocol import IDENTITY_BYTES
from popflip.rtl.frontends.axi.lite import AxiLiteAdapter
from popflip.rtl.frontends.mapped.bridge import BusBridge
from popflip.rtl.frontends.mapped.predictions import PredictionQueue
from popflip.rtl.frontends.mapped.sample_gate import SAMPLES, SampleGate
from popflip.rtl.frontends.wishbone.adapter import WishboneAdapter
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, held, past
from popflip.rtl.proofs.nets import tiny

__all__ = ["PROOFS"]

_BITS = 6


def _answers(harness, m, access):
    """Whoever does accesses: when and what it likes."""
    m.d.comb += [
        access.ready.eq(harness.any(1, "ready")),
        access.error.eq(harness.any(1, "error")),
        access.reply.eq(harness.any(len(access.reply), "reply")),
    ]


def _stays(m, access):
    """An access stays as it is until it is over."""
    described = Cat(access.write, access.address, access.aligned, access.strobe, access.data)
    # Of a read, nobody looks at the data.
    described = Mux(access.write, described, described[: -len(access.data)])
    return held(m, access.valid, access.ready, described)


class _AxiLite(Harness):
    """The AXI4-Lite adapter between any manager and whoever does the accesses."""

    def body(self, m: Module) -> None:
        dut = AxiLiteAdapter(_BITS)
        m.submodules.dut = (inside := Inside(dut)).fragment
        bus, access = dut.s_axi, dut.access
        for name in ("awaddr", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr",
                     "arvalid", "rready"):  # fmt: skip
            signal = getattr(bus, name)
            m.d.comb += signal.eq(self.any(len(signal), name))
        _answers(self, m, access)
        self.claim("held", held(m, bus.bvalid, bus.bready, bus.bresp))
        self.claim("held", held(m, bus.rvalid, bus.rready, Cat(bus.rresp, bus.rdata)))
        self.claim("stays", _stays(m, access))
        self._count(m, bus, access, inside)
        self._carry(m, bus, access, inside)

    def _count(self, m, bus, access, inside):
        """What was taken and not yet answered is held, or its answer is."""
        reading = inside.state("Access") & ~inside["writes"]
        writing = inside.state("Access") & inside["writes"]
        for name, taken, given, kept, offered in (
            ("aw", bus.awvalid & bus.awready, bus.bvalid & bus.bready, "has_target", bus.bvalid),
            ("w", bus.wvalid & bus.wready, bus.bvalid & bus.bready, "has_data", bus.bvalid),
            ("ar", bus.arvalid & bus.arready, bus.rvalid & bus.rready, "has_read", bus.rvalid),
        ):
            open_ = Signal(2, name=f"open_{name}")
            m.d.sync += open_.eq(open_ + taken - given)
            self.claim("once", open_ == inside[kept] + offered)
        self.lemma(~reading | (inside["has_read"] & ~bus.rvalid))
        self.lemma(~writing | (inside["has_target"] & inside["has_data"] & ~bus.bvalid))
        self.lemma(access.valid == inside.state("Access"))

    def _carry(self, m, bus, access, inside):
        """An access is what was taken last, and its answer what came of it."""
        for kind, taken, came, is_there in (
            ("aw", bus.awvalid & bus.awready, bus.awaddr, Cat(access.aligned, access.address)),
            ("w", bus.wvalid & bus.wready, Cat(bus.wstrb, bus.wdata),
             Cat(access.strobe, access.data)),
            ("ar", bus.arvalid & bus.arready, bus.araddr, Cat(access.aligned, access.address)),
        ):  # fmt: skip
            last = Signal(len(came), name=f"last_{kind}")
            with m.If(taken):
                m.d.sync += last.eq(came)
            kept = {"aw": "target", "w": ("strobe", "data"), "ar": "source"}[kind]
            kept = Cat(*(inside[part] for part in kept)) if kind == "w" else inside[kept]
            self.lemma(kept == last)
            wanted = last if kind == "w" else Cat(last[:2] == 0, last[2:])
            self.claim(
                "carried",
                ~access.valid | (access.write == (kind == "ar")) | (is_there == wanted),
            )
        result = Signal(len(access.reply) + 1)
        with m.If(access.ready & access.valid & ~access.write):
            m.d.sync += result.eq(Cat(access.error, access.reply))
        self.claim("carried", ~bus.rvalid | (Cat(bus.rresp[1], bus.rdata) == result))


class _Wishbone(Harness):
    """The Wishbone adapter between any initiator and whoever does the accesses.

    An initiator keeps what it asks for until it is answered, or gives up.
    """

    def body(self, m: Module) -> None:
        dut = WishboneAdapter(_BITS)
        m.submodules.dut = (inside := Inside(dut)).fragment
        bus, access = dut.wb, dut.access
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            signal = getattr(bus, name)
            m.d.comb += signal.eq(self.any(len(signal), name))
        _answers(self, m, access)
        asked, answered = bus.cyc & bus.stb, bus.ack | bus.err
        wanted = Cat(bus.we, bus.adr, bus.sel, bus.dat_w)
        was_asked, was_answered = (past(m, s, 1, n) for s, n in ((asked, "a"), (answered, "b")))
        was_wanted = past(m, wanted, 1, "wanted")
        self.assume(~(was_asked & ~was_answered & asked) | (wanted == was_wanted))
        self.claim("stays", _stays(m, access))
        self.claim("once", ~(bus.ack & bus.err))
        # An answer ends a request: nothing begins in its cycle.
        self.claim("once", ~(was_answered & access.valid))
        done = past(m, access.valid & access.ready, 1, "done")
        described = Cat(access.write, access.address, access.strobe, access.data)
        self.claim("mine", ~answered | (done & was_asked & (described == was_wanted)))
        # Since it was looked at, the request has stood there.
        same = ~access.valid | inside["given_up"] | (was_asked & (described == was_wanted))
        self.lemma(same)
        self.lemma(access.valid == inside.state("Access"))
        self.lemma(~(answered & access.valid))
        self.lemma(~answered | done)
        self.lemma(~(access.valid & was_answered & was_asked & ~inside["given_up"]))


class _Gate(Harness):
    """The sample gate between any frames and any core."""

    def body(self, m: Module) -> None:
        params = tiny(network={"image": [3, 4]})
        dut = SampleGate(params)
        m.submodules.dut = (inside := Inside(dut)).fragment
        store, waiting = dut.store, dut.waiting
        for name, signal in (
            ("valid", dut.i.valid), ("frame", Value.cast(dut.i.payload)),
            ("begin_anew", dut.begin_anew), ("discard", dut.discard), ("grant", dut.grant),
            ("request", store.request.valid), ("take", store.data.ready),
        ):  # fmt: skip
            m.d.comb += signal.eq(self.any(len(signal), name))
        m.d.comb += dut.label_in_user.eq(in_user := self.constant(m, 1, "in_user"))
        # Samples are discarded while none is leaving, and a frame begins anew between its bytes.
        self.assume(~(dut.discard & store.data.valid))
        self.assume(~(dut.begin_anew & (dut.i.valid | dut.discard)))
        self.claim("room", (waiting <= SAMPLES) & (~store.data.valid | (waiting != 0)))
        self.claim("held", held(m, store.data.valid, store.data.ready, store.data.payload))
        self._count(m, dut, inside, in_user, params.sample_bytes)
        # One of the halves is written while the other one is read.
        self.lemma((inside["in_half"] ^ inside["out_half"]) == waiting[0])
        self.lemma(~inside.state("Offer", "outgoing") | (waiting != 0))
        self.lemma(inside["out_at"] < params.sample_bytes)
        self.lemma(inside.state("Relay", "outgoing") | (inside["out_at"] == 0))
        for fsm in ("incoming", "outgoing"):
            self.lemma(inside.legal(fsm))

    def _count(self, m, dut, inside, in_user, size):
        """Count the bytes of a frame, apart from the gate."""
        count, spoiled = Signal(range(2 * size)), Signal()
        end = size - 1 - in_user
        taken = dut.i.valid & dut.i.ready
        with m.If(taken):
            m.d.sync += count.eq(Mux(count == 2 * size - 1, count, count + 1))
            with m.If(dut.i.p.last):
                m.d.sync += [count.eq(0), spoiled.eq(0)]
        with m.If(dut.begin_anew):
            m.d.sync += [count.eq(0), spoiled.eq(0)]
        with m.If(dut.discard & (count != 0) & ~(taken & dut.i.p.last)):
            m.d.sync += spoiled.eq(1)
        whole = taken & dut.i.p.last & (count == end) & ~spoiled
        # The byte of a label takes a cycle of its own.
        late = past(m, whole, 1, "whole") & ~dut.discard
        self.claim("whole", dut.good == Mux(in_user, late, whole))
        fill, skip, label = (inside.state(s, "incoming") for s in ("Fill", "Skip", "Label"))
        self.lemma(~fill | ((inside["in_at"] == count) & (count <= end) & ~spoiled))
        self.lemma(~skip | spoiled | (count > end))
        self.lemma(label == (in_user & past(m, whole, 1, "was_whole")))
        self.lemma(~label | ((count == 0) & (dut.waiting != SAMPLES)))
        self.lemma(~(fill & (count != 0)) | (dut.waiting != SAMPLES))


class _Queue(Harness):
    """The queue of predictions between a core that asks for samples, and any consumer."""

    def body(self, m: Module) -> None:
        dut = PredictionQueue(tiny())
        m.submodules.dut = (inside := Inside(dut)).fragment
        o = dut.o
        for name, signal in (
            ("start", dut.start), ("first", dut.first), ("count", dut.count),
            ("finish", dut.prediction.valid), ("label", dut.prediction.label),
            ("margin", dut.prediction.margin), ("requested", dut.requested), ("ready", o.ready),
        ):  # fmt: skip
            m.d.comb += signal.eq(self.any(len(signal), name))
        m.d.comb += dut.streaming.eq(1)
        # A sample is asked for while it is granted, and finished once; a run begins with none.
        under_way = Signal(8)
        m.d.sync += under_way.eq(
            Mux(dut.start, 0, under_way + dut.requested - dut.prediction.valid)
        )
        self.assume(~dut.requested | dut.grant)
        self.assume(~dut.prediction.valid | (under_way != 0))
        self.assume(~(dut.start & (dut.requested | dut.prediction.valid)))
        queue = inside["queue"]
        self.claim("room", ~queue.w_en | queue.w_rdy)
        self.claim("held", held(m, o.valid, o.ready, o.payload))
        self.lemma(inside["under_way"] == under_way)
        self.lemma(under_way + queue.level <= 8)
        self.lemma(queue.r_rdy | (queue.level <= 1))


class _Bridge(Harness):
    """The bridge between any accesses and a core that does as it likes."""

    def body(self, m: Module) -> None:
        params = tiny(machine={"latent_lanes": [4, 2]})
        bus_map = BusMap(params, "wishbone")
        dut = BusBridge(params, bus_map, bytes(IDENTITY_BYTES))
        m.submodules.dut = (inside := Inside(dut)).fragment
        access, host = dut.access, dut.host
        for name, signal in (
            ("valid", access.valid), ("write", access.write), ("address", access.address),
            ("aligned", access.aligned), ("strobe", access.strobe), ("data", access.data),
            ("command", host.command.ready), ("reply_valid", host.reply.valid),
            ("reply", host.reply.payload), ("frame", dut.frames.ready),
            ("waiting", dut.waiting), ("good", dut.good), ("bad", dut.bad),
        ):  # fmt: skip
            m.d.comb += signal.eq(self.any(len(signal), name))
        busy = self.any(1, "busy")
        m.d.comb += [host.busy.eq(busy), host.run.ready.eq(~busy)]
        # A run begins when the bridge says so, and ends whenever it likes.
        started = past(m, host.run.valid & host.run.ready, 1, "started")
        self.assume(~busy | past(m, busy, 1, "was_busy") | started)
        self.assume(held(m, access.valid, access.ready, self._described(access)))
        self._judge(m, dut, inside, params)
        for stream in (host.command, dut.frames):
            self.claim("held", held(m, stream.valid, stream.ready, stream.payload))
        # What leaves makes room, and only a last byte takes it.
        taken = past(m, dut.frames.valid & dut.frames.ready & dut.frames.p.last, 1, "taken")
        self.assume((dut.waiting != 2) | past(m, dut.waiting == 2, 1, "was_full") | taken)

    @staticmethod
    def _described(access):
        return Cat(access.write, access.address, access.aligned, access.strobe, access.data)

    def _judge(self, m, dut, inside, params):
        """What an access has done so far, and what it may do in a run."""
        access, host, regions = dut.access, dut.host, params.regions
        acts = host.command.valid | host.run.valid | host.stop | dut.discard
        acted = Signal()
        m.d.sync += acted.eq((acted | acts) & ~access.ready)
        self.claim("refused", ~(access.ready & access.error) | ~(acted | acts))
        self.claim("once", ~access.ready | access.valid)
        command = host.command.p
        reads = Cat(command.region == regions[n].index for n in ("registers", "results")).any()
        writes = command.region == regions["samples"].index
        self.claim(
            "protected",
            ~(host.command.valid & host.busy) | Mux(command.write, writes, reads),
        )
        idle, judge, refuse = (inside.state(s) for s in ("Idle", "Judge", "Refuse"))
        place, decoded = inside["place"], inside["decoder"].place
        self.lemma(inside.legal())
        self.lemma(idle | (access.valid & (Value.cast(place) == Value.cast(decoded))))
        exchange = inside.state("Command") | inside.state("Written") | inside.state("Reply")
        allowed = Mux(access.write, place.written_in_run, place.read_in_run)
        self.lemma(~exchange | (place.known & ~place.control & ~place.sample))
        self.lemma(~exchange | ~host.busy | allowed)
        self.lemma(~(idle | judge | refuse | inside.state("Push")) | ~acted)
        self.lemma(~inside.state("Push") | place.sample)
        self.lemma(~inside.state("Control") | place.control)


PROOFS = [
    Proof(
        "axi-lite", "frontends.axi.lite", f"{_BITS}-bit addresses", _AxiLite,
        {
            "held": Claim(
                "an answer that is offered and not taken stays, and stays as it is",
                Fault(AxiLiteAdapter.elaborate, "has_read & ~bus.rvalid", "has_read"),
            ),
            "stays": Claim(
                "an access stays as it is until it is over",
                Fault(AxiLiteAdapter.elaborate, "bus.awready.eq(~has_target)", "bus.awready.eq(1)"),
            ),
            "once": Claim(
                "each read and each write is answered once, after it was asked for",
                Fault(AxiLiteAdapter.elaborate, "has_read.eq(0)", "has_read.eq(bus.rready)"),
            ),
            "carried": Claim(
                "an access is what was asked for, and its answer what came of it",
                Fault(AxiLiteAdapter.elaborate, "strobe.eq(bus.wstrb)", "strobe.eq(~0)"),
            ),
        },
    ),
    Proof(
        "wishbone", "frontends.wishbone.adapter", f"{_BITS}-bit addresses", _Wishbone,
        {
            "stays": Claim(
                "an access stays as it is until it is over",
                Fault(
                    WishboneAdapter.elaborate,
                    "m.d.comb += access.valid.eq(1)",
                    "m.d.comb += access.valid.eq(asked)",
                ),
            ),
            "once": Claim(
                "each request is done once, and ended by one answer",
                Fault(WishboneAdapter.elaborate, "asked & ~bus.ack & ~bus.err", "asked"),
            ),
            "mine": Claim(
                "an answer is that of the request that stands there: none of one that was given up",
                Fault(WishboneAdapter.elaborate, "asked & ~given_up", "asked"),
            ),
        },
    ),
    Proof(
        "bus-bridge", "frontends.mapped.bridge", "4-3-2 behind Wishbone", _Bridge,
        {
            "refused": Claim(
                "an access that is refused has asked nothing of the core",
                Fault(
                    BusBridge.elaborate,
                    "control.refuse.eq(1)",
                    "control.refuse.eq(1), control.write.eq(access.write)",
                ),
            ),
            "once": Claim(
                "only an access that is there is answered",
                Fault(BusBridge.elaborate, "with m.If(access.valid):", "with m.If(1):"),
            ),
            "protected": Claim(
                "while a run is on, only registers and results are read, and only samples written",
                Fault(
                    BusBridge._judge,
                    "busy & ~Mux(access.write",
                    "busy & ~access.write & ~Mux(access.write",
                    depth=14,
                ),
            ),
            "held": Claim(
                "a command, or a byte of a sample, that is offered and not taken stays as it is",
                Fault(
                    BusBridge._push,
                    "with m.If(frames.valid & frames.ready):",
                    "with m.If(frames.valid):",
                    depth=10,
                ),
            ),
        },
    ),
    Proof(
        "sample-gate", "frontends.mapped.sample_gate", "samples of 4 bytes", _Gate,
        {
            "whole": Claim(
                "a frame of a sample's length is kept, and no other",
                Fault(SampleGate._come_in, "m.If(at != end)", "m.If(at > end)", depth=20),
            ),
            "room": Claim(
                "never more samples than there is room for, and none leaves that is not there",
                Fault(SampleGate._come_in, "room & ~self.discard", "~self.discard", depth=40),
            ),
            "held": Claim(
                "a byte that is offered and not taken stays, and stays as it is",
                Fault(
                    SampleGate._leave,
                    "with m.If(store.data.ready):",
                    "with m.If(1):",
                    depth=20,
                ),
            ),
        },
    ),
    Proof(
        "predictions", "frontends.mapped.predictions", "the smallest network", _Queue,
        {
            "room": Claim(
                "every prediction of a sample that was granted finds room",
                Fault(
                    PredictionQueue.elaborate,
                    "under_way + queue.level < _DEPTH",
                    "queue.level < _DEPTH",
                    depth=20,
                ),
            ),
            "held": Claim(
                "a prediction that is offered and not taken stays, and stays as it is",
                Fault(
                    PredictionQueue.elaborate,
                    "queue.r_en.eq(self.o.ready)",
                    "queue.r_en.eq(1)",
                    depth=12,
                ),
            ),
        },
    ),
]  # fmt: skip
