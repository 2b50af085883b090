"""The memories of the core: one writer and one reader of each at a time."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.description.params import Params
from popflip.rtl.core import memory_ports
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.core.host_port import HostPort
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof
from popflip.rtl.proofs.nets import tiny

__all__ = ["PROOFS"]

#: States of the sequencer in which an engine between two layers may be at work.
_BUSY_ENGINES = ("Drive", "Odd settling", "Even settling", "Restoring", "Learning")
_LEARNS = ("Learning", "Flushing")


class _Memories(Harness):
    """The whole core, with a host and a sample store that do as they like."""

    def __init__(self, params: Params):
        super().__init__()
        self._params = params

    def body(self, m: Module) -> None:
        dut = TrainerCore(self._params)
        inside = Inside(dut)
        m.submodules.dut = inside.fragment
        for path, member, value in dut.signature.flatten(dut):
            port = Value.cast(value)
            if member.flow == In and not isinstance(port, Const):
                m.d.comb += port.eq(self.any(len(port), "__".join(map(str, path))))
        # A command stays for a cycle after it was taken.
        command, taken = dut.host.command, Signal()
        before = Signal(len(command.payload.as_value()))
        m.d.sync += [taken.eq(command.valid & command.ready), before.eq(command.payload)]
        self.assume(~taken | (command.payload.as_value() == before))
        for layer in range(self._params.depth):
            self._claim(m, dut, inside, layer)
            self._know_update(inside, layer)
        self._know_engines(inside)

    def _within(self, inside, names):
        """Whether the sequencer is in one of some states."""
        there = inside.states("sequencer.sequencer")
        return Cat(
            inside.state(f"sequencer.{name}", "sequencer") for name in names if name in there
        ).any()

    def _claim(self, m, dut, inside, layer):
        """Claim what there is to claim of a layer's memories."""
        port, memory = inside[f"ports{layer}"], inside[f"memory{layer}"]
        update, host = inside[f"update{layer}"], dut.host.command
        reader = port.reader
        own_latents, own_weights = update.latent_write, update.learner.weights.write
        weights, latents = port.host_weights, port.host_latents
        self.claim("writers", ~(own_latents.en & latents.write))
        self.claim("writers", ~(own_weights.en.any() & weights.write))
        one = Cat(reader.en, update.latent_read.en, weights.read)
        self.claim("readers", (one & (one - 1)[: len(one)]) == 0)
        self.claim("readers", ~(update.latent_read.en & latents.read))

        # Who writes, writes: at the memory's port is what the writer has on its own, of latents a
        # cycle later.
        to = memory.latent_write
        wrote, where, what = (
            Signal.like(part, name=f"{name}{layer}")
            for name, part in (
                ("wrote", own_latents.en), ("where", own_latents.address),
                ("what", own_latents.data),
            )
        )  # fmt: skip
        m.d.sync += [
            wrote.eq(own_latents.en),
            where.eq(own_latents.address),
            what.eq(own_latents.data),
        ]
        self.claim("arrives", ~wrote | to.en & (to.address == where) & (to.data == what))
        of_weights = memory.weight_write
        self.claim(
            "arrives",
            ~own_weights.en.any()
            | (of_weights.en == own_weights.en) & (of_weights.address == own_weights.address)
            & (of_weights.data == own_weights.data),
        )  # fmt: skip
        command = host.p
        accepted = host.valid & host.ready & command.write & ~dut.host.busy
        region = self._params.regions.latents(layer)
        asked, arrives = Signal(name=f"asked{layer}"), Signal(name=f"arrives{layer}")
        address, data = (
            Signal.like(part, name=f"{name}{layer}")
            for name, part in (("address", command.address), ("data", command.data))
        )
        m.d.sync += [
            asked.eq(accepted & (command.region == region.index)),
            arrives.eq(asked),
            address.eq(command.address),
            data.eq(command.data),
        ]
        self.claim(
            "arrives",
            ~arrives
            | to.en & (to.address == address[: len(to.address)])
            & (to.data == data[: len(to.data)]),
        )  # fmt: skip
        # And nobody else does.
        self.claim("arrives", ~to.en | wrote | arrives)
        # The host reads where it asked to.
        read = memory.latent_read
        self.claim(
            "arrives",
            ~latents.read | read.en & (read.address == command.address[: len(read.address)]),
        )
        of_host = latents.read | latents.write | weights.read | weights.write
        self.lemma(~of_host | self._within(inside, ("Idle", "Next sample")))

    def _know_update(self, inside, layer):
        """The update engine is done with a row a fixed time after its issue."""
        part = f"update{layer}"
        update = inside[part]
        valid, flight = inside[f"{part}.valid"], inside[f"{part}.flight"]
        flushes = ~inside.state(f"{part}.rows.Jobs", "source")
        testing = inside[f"{part}.testing"]
        self.lemma(inside.legal(f"{part}.rows.source"))
        for age in range(1, 5):
            self.lemma(~(valid[age] | testing[age]) | flight[age - 1])
        self.lemma(~update.latent_write.en | flight[3])
        self.lemma(~update.learner.weights.write.en.any() | flight[4])
        at_work = inside[f"{part}.issuing"] | flushes | flight.any()
        self.lemma(~at_work | self._within(inside, _LEARNS))

    def _know_engines(self, inside):
        """Engines are at work only in states in which the sequencer waits for them."""
        learning = inside["sequencer"].phase.learning
        self.lemma(inside.legal("sequencer.sequencer"))
        self.lemma(learning == self._within(inside, ("Learning",)))
        self.lemma(inside["path.drive"].idle | self._within(inside, ("Drive",)))
        part = "path.relax"
        self.lemma(inside[part].visit.idle | self._within(inside, _BUSY_ENGINES))
        scan = inside[f"{part}.scanning"] | inside[f"{part}.scan_valid"]
        self.lemma(~scan | learning)
        complete, counted = (inside[f"{part}.{n}"] for n in ("complete", "counted"))
        self.lemma((complete & ~counted) == 0)
        fetches = [inside[f"{part}.visiting"]]
        for stage in inside[f"{part}.stages"][1:]:
            fetches += [stage.visit, stage.apply]
        self.lemma(~learning | ~Cat(fetches).any())


PROOFS = [
    Proof(
        "arbiter",
        "core/memory_ports",
        "the whole core of a dense network 4-3-2 with 4-bit latents, an update engine per layer",
        lambda: _Memories(tiny()),
        {
            "writers": Claim(
                "no memory has two writers in a cycle",
                Fault(
                    HostPort.elaborate,
                    "chosen & command.write & ~self.busy",
                    "chosen & command.write",
                    30,
                    ("path", "output", "readout", "feeder"),
                    slow=True,
                ),
            ),
            "readers": Claim(
                "no read port of a memory has two users in a cycle",
                Fault(
                    HostPort.elaborate,
                    "chosen & ~command.write & ~self.busy",
                    "chosen & ~command.write",
                    14,
                ),
            ),
            "arrives": Claim(
                "what an engine or the host writes is what is written, and nothing else is; the "
                "host reads latents where it asks",
                Fault(
                    memory_ports._host_ports,
                    "write.address.eq(address)",
                    "write.address.eq(address + 1)",
                    5,
                ),
            ),
        },
        depth=2,
    ),
]
