"""The trainer core: one writer and one reader of each memory at a time, and every run ends."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.description.packing import memory_map
from popflip.golden.description.params import Params
from popflip.rtl.core.core import Phase, TrainerCore, _host_port
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
        command, taken, before = (
            dut.host.command,
            Signal(),
            Signal(len(dut.host.command.payload.as_value())),
        )
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
            of_host = {name: reads[name] | writes[name] for name in (latents, weights)}
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
                ~(inside[f"{part}.issuing"] | walks | flight.any()) | self.within(inside, _LEARNS)
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
            fetches = [inside[f"relax{layer}.visiting"]]
            for stage in inside[f"relax{layer}.stages"][1:]:
                fetches += [stage.visit, stage.apply]
            self.lemma(~learning | ~Cat(fetches).any())


class _Sequencer(_Core):
    """The sequencer, whose engines answer within ``within`` cycles, with whatever.

    It follows a rank: how many cycles are left at most. It falls in every cycle, so that a run of
    ``n`` samples takes no more than :meth:`bound`.
    """

    def __init__(self, params: Params, within: int):
        super().__init__(params)
        self._within = within

    def bound(self, n, b):
        """Cycles of a run of ``n`` samples at most: wait, attempts, the phases, learning, flips."""
        return n * (self.sample(b) + b) + b + 1 + b + b

    def sample(self, b):
        """Cycles of a sample at most."""
        return len(self._params.active_bounds) * self.attempt(b)

    def attempt(self, b):
        """Cycles from clearing the counters to the prediction."""
        return 1 + b + self._params.dynamics.free_sweeps * self.sweep(b) + 1 + self.after(0, b)

    def sweep(self, b):
        """Cycles of a sweep: each half begins and settles."""
        return 2 + 2 * b

    def after(self, phases, b):
        """Cycles behind the free phase, and behind each nudged one."""
        if phases == 2:
            return 1 + b + 1 + b + b
        nudged = self._params.learning.nudged_sweeps
        return nudged * self.sweep(b) + 1 + self.after(phases + 1, b)

    def check(self, m, dut, inside):
        p = self._params

        def state(name):
            return inside.state(name, "sequencer")

        # A fault shows sooner where engines are quick.
        b = self._within if self.only is None else 2
        engines, updates = inside["engines_idle"], inside["updates_idle"]
        sample, over, stopping = inside["sample"], inside["over"], inside["stopping"]
        answers = {
            "Next sample": over | stopping | sample.full,
            "Drive": inside["drive"].idle & engines,
            "Odd settling": engines,
            "Even settling": engines,
            "Learning": engines & updates,
            "Flushing": updates,
            "Finish": inside["readout"].done,
            "Drain": inside["feeder"].idle & ~sample.full,
        }
        waited = Signal(range(b))
        stays = Cat(state(name) & ~answer for name, answer in answers.items()).any()
        m.d.sync += waited.eq(Mux(stays, waited + 1, 0))
        self.assume(~stays | (waited + 1 < b))
        waits = Cat(state(name) for name in answers).any()
        self.lemma(Mux(waits, waited < b, waited == 0))

        # Samples to come: the feeder's own proof says that it is over when they have left.
        left, count, elapsed = Signal(2), Signal(2), Signal(16)
        run = dut.host.run
        begins = run.valid & run.ready
        self.assume(~begins | (run.p.count <= 3))
        with m.If(begins):
            m.d.sync += [left.eq(run.p.count), count.eq(run.p.count)]
        with m.Elif(state("Next sample") & ~over & ~stopping & sample.full):
            m.d.sync += left.eq(left - 1)
        self.assume((left != 0) | over)
        self.assume((left == 0) | ~over)
        m.d.sync += elapsed.eq(Mux(dut.host.busy, elapsed + 1, 0))

        attempt, phase, sweeps = inside["attempt"], inside["phase"], inside["sweeps"]
        closing, sweep = inside["closing"], self.sweep(b)
        after = self.after(2, b)
        for before, which in ((1, Phase.FIRST), (0, Phase.FREE)):
            after = Mux(phase == which, self.after(before, b), after)
        again, most = 0, len(p.active_bounds)
        for number in range(most - 1):
            again = Mux(attempt == number, (most - 1 - number) * self.attempt(b), again)
        sweeps_left = Mux(sweeps >= 2, sweep, 0)
        ahead = b + 1 + b + b
        for number in range(1, 4):
            ahead = Mux(left >= number, ahead + self.sample(b) + b, ahead)
        self.lemma(sweeps <= 2)
        ranks = {
            "Next sample": b - waited + (ahead - b),
            "Clear": again + self.attempt(b) + ahead,
            "Drive": again + self.attempt(b) - 1 - waited + ahead,
            "Odd half": again + sweeps_left + sweep + 1 + after + ahead,
            "Odd settling": again + sweeps_left + sweep - 1 - waited + 1 + after + ahead,
            "Even half": again + sweeps_left + 1 + b + 1 + after + ahead,
            "Even settling": again + sweeps_left + b - waited + 1 + after + ahead,
            "Phase end": again + 1 + after + ahead,
            "Learn": self.after(2, b) + ahead,
            "Learning": self.after(2, b) - 1 - waited + ahead,
            "Flush": 1 + b + b + Mux(closing, 0, ahead),
            "Flushing": b - waited + b + Mux(closing, 0, ahead),
            "Finish": b - waited + ahead,
            "Drain": b - waited,
        }
        rank = Signal(16)
        for name, value in ranks.items():
            with m.If(state(name)):
                m.d.comb += rank.eq(value)
        total = Signal(16)
        m.d.comb += total.eq(
            Mux(count == 0, self.bound(0, b), Mux(count == 1, self.bound(1, b),
                Mux(count == 2, self.bound(2, b), self.bound(3, b))))
        )  # fmt: skip
        busy = dut.host.busy
        self.lemma(inside.legal("sequencer"))
        self.lemma(~busy | (elapsed + rank <= total))
        self.lemma(
            ~Cat(state(n) for n in ranks if "half" in n or "settling" in n).any() | (sweeps >= 1)
        )
        free = p.dynamics.free_sweeps
        self.lemma(~state("Drive") | (sweeps == free) & (phase == Phase.FREE))
        self.lemma(~closing | state("Flush") | state("Flushing") | state("Drain") | ~busy)
        self.lemma(attempt < most)
        self.claim("ends", ~busy | (elapsed < total))


_ELABORATE = TrainerCore.elaborate
_WITHIN = 10
_ENGINES = (
    "drive", "items", "output", "readout", "sample", "feeder", "relax1", "update0", "update1",
    "follower", "memory0", "memory1", "counters",
)  # fmt: skip

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
                    slow=True,
                ),
            ),
            "readers": Claim(
                "no read port of a memory has two users in a cycle",
                Fault(
                    _ELABORATE,
                    "chosen & ~command.write & ~self.host.busy",
                    "chosen & ~command.write",
                    14,
                ),
            ),
            "arrives": Claim(
                "what an engine or the host writes is what is written, and nothing else is",
                Fault(_host_port, "write.address.eq(address)", "write.address.eq(address + 1)", 5),
            ),
        },
        depth=2,
    ),
    Proof(
        "sequencer",
        "core",
        "the sequencer of a network 4-3-2 with two attempts, T = 2 and K = 1; runs of up to 3 "
        "samples, engines that answer within 10 cycles",
        lambda: _Sequencer(tiny(dynamics={"active_bound": 1}), within=_WITHIN),
        {
            "ends": Claim(
                "every run ends within the bound, whatever the engines answer",
                Fault(
                    _ELABORATE,
                    "m.If(feeder.idle & ~sample.full)",
                    "m.If(feeder.idle & ~sample.full & stopping)",
                    10,
                    _ENGINES,
                ),
            ),
        },
        depth=2,
        cut=_ENGINES,
    ),
]
