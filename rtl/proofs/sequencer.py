"""The sequencer: every run ends, whatever the engines answer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.description.params import Params
from popflip.rtl.core.sequencer import Phase, Sequencer
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof
from popflip.rtl.proofs.nets import tiny

__all__ = ["PROOFS", "Ends"]


class Ends(Harness):
    """The sequencer, whose engines answer within ``within`` cycles, with whatever.

    It follows a rank: how many cycles are left at most. It falls in every cycle, so that a run of
    ``n`` samples takes no more than :meth:`bound`.
    """

    #: What leads the engines.
    sequencer = Sequencer

    #: The states of a sweep.
    sweeping: tuple[str, ...] = ("Odd half", "Odd settling", "Even half", "Even settling")

    def __init__(self, params: Params, within: int):
        super().__init__()
        self._params = params
        self._within = within

    def bound(self, n, b):
        """Cycles of a run of ``n`` samples at most: wait, attempts, the phases, learning, flips."""
        return n * (self.sample(b) + b) + b + 1 + b + b

    def sample(self, b):
        """Cycles of a sample at most."""
        return len(self._params.active_bounds) * self.attempt(b)

    def attempt(self, b):
        """Cycles from clearing the counters to the prediction."""
        return 1 + b + self.phase(self._params.dynamics.free_sweeps, b) + 1 + self.after(0, b)

    def phase(self, sweeps, b):
        """Cycles of a phase of so many sweeps, without its end."""
        return sweeps * self.sweep(b)

    def sweep(self, b):
        """Cycles of a sweep: each half begins and settles."""
        return 2 + 2 * b

    def after(self, phases, b):
        """Cycles behind the free phase, and behind each nudged one."""
        if phases == 2:
            return 1 + b + 1 + b + b
        nudged = self._params.learning.nudged_sweeps
        return self.phase(nudged, b) + 1 + self.after(phases + 1, b)

    def body(self, m: Module) -> None:
        dut = self.sequencer(self._params)
        inside = Inside(dut)
        self._dut = dut, inside
        m.submodules.dut = inside.fragment
        for path, member, value in dut.signature.flatten(dut):
            port = Value.cast(value)
            if member.flow == In and not isinstance(port, Const):
                m.d.comb += port.eq(self.any(len(port), "__".join(map(str, path))))

        # A fault shows sooner where engines are quick.
        b = self._within if self.only is None else 2
        waited = self._answer(m, dut, inside, b)
        left, count, elapsed = self._samples(m, dut, inside)
        ranks = self._ranks(dut, b, waited, left)
        rank, total = Signal(16), Signal(16)
        for name, value in ranks.items():
            with m.If(inside.state(name, "sequencer")):
                m.d.comb += rank.eq(value)
        m.d.comb += total.eq(
            Mux(count == 0, self.bound(0, b), Mux(count == 1, self.bound(1, b),
                Mux(count == 2, self.bound(2, b), self.bound(3, b))))
        )  # fmt: skip
        self.lemma(~dut.busy | (elapsed + rank <= total))
        self.claim("ends", ~dut.busy | (elapsed < total))
        self._know(dut, inside)

    def answers(self, dut):
        """What the states of a sweep wait for."""
        return dict.fromkeys(("Odd settling", "Even settling"), dut._engines_idle)

    def ranks(self, b, waited, left, behind):
        """How many cycles are left at most in the states of a sweep.

        ``left`` are those of the sweeps that follow, ``behind`` those of what is behind the phase.
        """
        begun = left + self.sweep(b)
        return {
            "Odd half": begun + behind,
            "Odd settling": begun - 1 - waited + behind,
            "Even half": left + 1 + b + behind,
            "Even settling": left + b - waited + behind,
        }

    def _answer(self, m, dut, inside, b):
        """Have all answer that the sequencer waits for; return how long it has waited."""
        answers = {
            "Next sample": dut.feed.over | dut._stopping | dut.sample.full,
            "Drive": dut.sample.driven & dut._engines_idle,
            **self.answers(dut),
            "Learning": dut._engines_idle & dut._updates_idle,
            "Flushing": dut._updates_idle,
            "Finish": dut.predicted,
            "Drain": dut.feed.idle & ~dut.sample.full,
        }
        waited = Signal(range(b))
        stays = Cat(
            inside.state(name, "sequencer") & ~answer for name, answer in answers.items()
        ).any()
        m.d.sync += waited.eq(Mux(stays, waited + 1, 0))
        self.assume(~stays | (waited + 1 < b))
        waits = Cat(inside.state(name, "sequencer") for name in answers).any()
        self.lemma(Mux(waits, waited < b, waited == 0))
        return waited

    def _samples(self, m, dut, inside):
        """Samples to come: the feeder's own proof says that it is over when they have left.

        Return how many are left, how many there were, and how long the run has taken.
        """
        left, count, elapsed = Signal(2), Signal(2), Signal(16)
        run, sample = dut.run, dut.sample
        over = dut.feed.over & ~sample.full
        begins = run.valid & run.ready
        self.assume(~begins | (run.p.count <= 3))
        takes = inside.state("Next sample", "sequencer") & ~over & ~dut._stopping & sample.full
        with m.If(begins):
            m.d.sync += [left.eq(run.p.count), count.eq(run.p.count)]
        with m.Elif(takes):
            m.d.sync += left.eq(left - 1)
        self.assume((left != 0) | over)
        self.assume((left == 0) | ~over)
        m.d.sync += elapsed.eq(Mux(dut.busy, elapsed + 1, 0))
        return left, count, elapsed

    def _ranks(self, dut, b, waited, left):
        """How many cycles are left at most, in each state."""
        after = self.after(2, b)
        for before, which in ((1, Phase.FIRST), (0, Phase.FREE)):
            after = Mux(dut._phase == which, self.after(before, b), after)
        again, most = 0, len(self._params.active_bounds)
        for number in range(most - 1):
            again = Mux(dut._attempt == number, (most - 1 - number) * self.attempt(b), again)
        sweeps_left = Mux(dut._sweeps >= 2, self.sweep(b), 0)
        ahead = b + 1 + b + b
        for number in range(1, 4):
            ahead = Mux(left >= number, ahead + self.sample(b) + b, ahead)
        behind_flush = b + Mux(dut._closing, 0, ahead)
        return {
            "Next sample": b - waited + (ahead - b),
            "Clear": again + self.attempt(b) + ahead,
            "Drive": again + self.attempt(b) - 1 - waited + ahead,
            **self.ranks(b, waited, sweeps_left, again + 1 + after + ahead),
            "Phase end": again + 1 + after + ahead,
            "Learn": self.after(2, b) + ahead,
            "Learning": self.after(2, b) - 1 - waited + ahead,
            "Flush": 1 + b + behind_flush,
            "Flushing": b - waited + behind_flush,
            "Finish": b - waited + ahead,
            "Drain": b - waited,
        }

    def _know(self, dut, inside):
        """What the registers say in each state."""

        def state(name):
            return inside.state(name, "sequencer")

        self.lemma(inside.legal("sequencer"))
        self.lemma(dut._sweeps <= 2)
        self.lemma(~Cat(state(name) for name in self.sweeping).any() | (dut._sweeps >= 1))
        free = self._params.dynamics.free_sweeps
        self.lemma(~state("Drive") | (dut._sweeps == free) & (dut._phase == Phase.FREE))
        ending = state("Flush") | state("Flushing") | state("Drain")
        self.lemma(~dut._closing | ending | ~dut.busy)
        self.lemma(dut._attempt < len(self._params.active_bounds))


PROOFS = [
    Proof(
        "sequencer",
        "core/sequencer",
        "the sequencer of a network 4-3-2 with two attempts, T = 2 and K = 1; runs of up to 3 "
        "samples, engines that answer within 10 cycles",
        lambda: Ends(tiny(dynamics={"active_bound": 1}), within=10),
        {
            "ends": Claim(
                "every run ends within the bound, whatever the engines answer",
                Fault(
                    Sequencer._finish,
                    "m.If(self.feed.idle & ~self.sample.full)",
                    "m.If(self.feed.idle & ~self.sample.full & self._stopping)",
                    10,
                ),
            ),
        },
        depth=2,
    ),
]
