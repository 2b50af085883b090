"""The buses' rules: each access is done and answered once, and what is offered stays."""

from amaranth.hdl import Cat, Module, Mux, Signal

from popflip.rtl.frontends.axi.lite import AxiLiteAdapter
from popflip.rtl.frontends.wishbone.adapter import WishboneAdapter
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, held, past

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
]  # fmt: skip
