"""The trainer core: one writer and one reader of each memory at a time, and every run ends."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.packing import memory_map
from popflip.golden.params import Params
from popflip.rtl.core import TrainerCore, _host_port
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof
from popflip.rtl.proofs.nets import tiny

__all__ = ["PROOFS"]

#: States of the sequencer in which an engine between two layers may be at work.
_BUSY_ENGINES = ("Drive", "Odd settling", "Even settling", "Restoring", "Learning")
_LEARNS = ("Learning", "Flushing")


class _Core(Harness):
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
        command, taken, before = dut.host.command, Signal(), Signal(len(dut.host.command.payload.as_value()))
        m.d.sync += [taken.eq(command.valid & command.ready), before.eq(command.payload)]
        self.assume(~taken | (command.payload.as_value() == before))
        self.check(m, dut, inside)

    def check(self, m, dut, inside):
        """Claim what there is to claim."""
        raise NotImplementedError

    def within(self, inside, names):
        """Whether the sequencer is in one of some states."""
        there = inside.states("sequencer")
        return Cat(inside.state(n, "sequencer") for n in names if n in there).any()


class _Arbiter(_Core):
    def check(self, m, dut, inside):
        p = self._params
        learners, memories, relax = (inside[n] for n in ("learners", "memories", "relax"))
        drive, writes, reads = (inside[n] for n in ("drive", "writes", "reads"))
        command = dut.host.command.p
        regions = {r.name: r for r in memory_map(p)}
        for layer, (learner, memory) in enumerate(zip(learners, memories, strict=True)):
            user = drive if layer == 0 else relax[layer]
            latents, weights = f"latents{layer}", f"weights{layer}"
            of_host = {
                name: reads[name] | writes[name] for name in (latents, weights)
            }
            own_latents = learner.engine.latent_write
            own_weights = learner.weight_write
            self.claim("writers", ~(own_latents.en & writes[latents]))
            self.claim("writers", ~(own_weights.en.any() & writes[weights]))
            one = Cat(user.w_en, learner.engine.latent_read.en, reads[weights])
            self.claim("readers", (one & (one - 1)[: len(one)]) == 0)
            self.claim("readers", ~(learner.engine.latent_read.en & reads[latents]))

            # Who writes, writes: at the memory's port is what the writer has on its own.
            port = memory.latent_write
            self.claim(
                "arrives",
                ~own_latents.en
                | port.en & (port.address == own_latents.address) & (port.data == own_latents.data),
            )
            port = memory.weight_write
            self.claim(
                "arrives",
                ~own_weights.en.any()
                | (port.en == own_weights.en) & (port.address == own_weights.address)
                & (port.data == own_weights.data),
            )  # fmt: skip
            accepted = dut.host.command.valid & dut.host.command.ready & command.write
            at_rest = ~dut.host.busy
            asked = Signal(name=f"asked{layer}")
            m.d.sync += asked.eq(accepted & at_rest & (command.region == regions[latents].index))
            port = memory.latent_write
            self.claim(
                "arrives",
                ~asked
                | port.en & (port.address == command.address[: len(port.address)])
                & (port.data == command.data[: len(port.data)]),
            )  # fmt: skip
            # And nobody else does.
            self.claim("arrives", ~port.en | own_latents.en | asked)

            self.lemma(
                ~(of_host[latents] | of_host[weights])
                | self.within(inside, ("Idle", "Next sample"))
            )
            # The update engine is done with a row a fixed time after its issue.
            part = f"update{layer}"
            valid, flight = inside[f"{part}.valid"], inside[f"{part}.flight"]
            walks = ~inside.state(f"{part}.Jobs", "source")
            testing = inside[f"{part}.testing"]
            self.lemma(inside.legal(f"{part}.source"))
            for age in range(1, 5):
                self.lemma(~(valid[age] | testing[age]) | flight[age - 1])
            self.lemma(~own_latents.en | flight[3])
            self.lemma(~own_weights.en.any() | flight[4])
            self.lemma(
                ~(inside[f"{part}.issuing"] | walks | flight.any())
                | self.within(inside, _LEARNS)
            )

        self.lemma(inside.legal("sequencer"))
        learning = inside["learning"]
        self.lemma(learning == self.within(inside, ("Learning",)))
        self.lemma(drive.idle | self.within(inside, ("Drive",)))
        for layer, engine in relax.items():
            self.lemma(engine.idle | self.within(inside, _BUSY_ENGINES))
            walk = inside[f"relax{layer}.walking"] | inside[f"relax{layer}.walk_valid"]
            self.lemma(~walk | learning)
            complete, counted = (inside[f"relax{layer}.{n}"] for n in ("complete", "counted"))
            self.lemma((complete & ~counted) == 0)
            self.lemma(inside[f"relax{layer}.queue.inner_level"] <= p.sizes[layer] + 1)
            fetches = [inside[f"relax{layer}.visiting"]]
            for stage in inside[f"relax{layer}.stages"][1:]:
                fetches += [stage.visit, stage.apply]
            self.lemma(~learning | ~Cat(fetches).any())


_ELABORATE = TrainerCore.elaborate

PROOFS = [
    Proof(
        "arbiter",
        "core",
        "the whole core of a dense network 4-3-2 with 4-bit latents, an update engine per layer",
        lambda: _Arbiter(tiny()),
        {
            "writers": Claim(
                "no memory has two writers in a cycle",
                Fault(
                    _ELABORATE,
                    "chosen & command.write & ~self.host.busy",
                    "chosen & command.write",
                    30,
                    ("drive", "items", "output", "readout", "sample", "feeder"),
                ),
            ),
            "readers": Claim(
                "no read port of a memory has two users in a cycle",
                Fault(_ELABORATE, "chosen & ~command.write & ~self.host.busy", "chosen & ~command.write", 14),
            ),
            "arrives": Claim(
                "what an engine or the host writes is what is written, and nothing else is",
                Fault(_host_port, "write.address.eq(address)", "write.address.eq(address + 1)", 5),
            ),
        },
        depth=2,
    ),
]
