"""The sequencer: leads each sample of a run through drive, phases, learning and readout."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import RESULTS
from popflip.golden.description.params import Params
from popflip.golden.description.registers import BATCH_BITS
from popflip.rtl.core.signatures import FeedSignature, SampleSignature, Stage
from popflip.rtl.interface import RunLayout
from popflip.rtl.layers.ports import (
    Nudge,
    OutputSignature,
    PhaseSignature,
    UpdateSignature,
    Visit,
    VisitSignature,
)

__all__ = ["Phase", "Sequencer"]


class Phase(enum.Enum, shape=2):
    """Phase of the relaxation."""

    FREE = 0
    FIRST = 1  # the nudged phase, or the first of two
    SECOND = 2


class Sequencer(wiring.Component):
    """Lead samples through the engines, one after the other, and say what each cycle is spent on.

    A sweep has two halves: the odd layers are visited, then the even ones, each only if a neighbour
    of it has changed; a sweep that changes nothing ends its phase. If more neurons of layer 2 are
    active than the drive allowed for, the sample begins again with a larger bound.

    Parameters
    ----------
    params : Params

    Members
    -------
    run : ``In(stream)`` of :class:`popflip.rtl.interface.RunLayout`, stop : ``In(1)``, \
busy : ``Out(1)``
        As of :class:`popflip.rtl.interface.HostSignature`.
    feed : ``Out(FeedSignature)``
        Samples are brought.
    sample : ``Out(SampleSignature)``
        The sample in hand is driven.
    phase : ``Out(PhaseSignature)``
        For all engines.
    visits : ``Out(VisitSignature)``, a list from hidden layer 1 on
    output : ``Out(OutputSignature)``
    active : ``In``
        Active neurons of layer 2.
    updates : ``Out(UpdateSignature)``, a list of all update engines
    predicted : ``In(1)``
        The readout of the free state is done.
    batch : ``In(16)``, immediate : ``In(1)``
        Samples between flips; it is one sample.
    sign : ``In(1)``, draw : ``Out(1)``
        A random bit; a pulse has used it.
    begin_batch : ``In(1)``, pending : ``Out(16)``
        Set ``pending`` to 0: samples of a batch that has not flipped yet.
    stage : ``Out(Stage)``
        What this cycle is spent on.
    finish : ``Out(1)``, number : ``Out(8)``
        A pulse: the sample with this number in the run is finished.
    restarted : ``Out(1)``
        A pulse: a sample begins again.
    """

    def __init__(self, params: Params):
        self._params = params
        p = params
        n_updates = 0
        if p.machine.training:
            n_updates = 1 if p.machine.shared_update else p.depth
        super().__init__({
            "run": In(stream.Signature(RunLayout())),
            "stop": In(1),
            "busy": Out(1),
            "feed": Out(FeedSignature()),
            "sample": Out(SampleSignature(p)),
            "phase": Out(PhaseSignature()),
            "visits": Out(VisitSignature()).array(p.depth - 1),
            "output": Out(OutputSignature()),
            "active": In(range(p.sizes[2] + 1)),
            "updates": Out(UpdateSignature()).array(n_updates),
            "predicted": In(1),
            "batch": In(BATCH_BITS),
            "immediate": In(1),
            "sign": In(1),
            "draw": Out(1),
            "begin_batch": In(1),
            "pending": Out(BATCH_BITS),
            "stage": Out(Stage),
            "finish": Out(1),
            "number": Out(range(RESULTS)),
            "restarted": Out(1),
        })
        hidden = range(1, p.depth)
        #: Bit l: hidden layer l has to be visited.
        self._stale = Signal(p.depth, name="stale")
        #: Hidden layers that keep their free state, and go back to it.
        self._kept = [l for l in hidden if l % 2 == 0]
        self._phase = Signal(Phase, name="phase")
        self._attempt = Signal(range(len(p.active_bounds)), name="attempt")
        most = max(p.dynamics.free_sweeps, p.learning.nudged_sweeps)
        self._sweeps = Signal(range(most + 1), name="sweeps")
        self._train = Signal(name="train")
        self._stopping, self._closing = Signal(name="stopping"), Signal(name="closing")
        self._begin_odd, self._begin_even = Signal(name="begin_odd"), Signal(name="begin_even")
        self._minus_only = Signal(name="minus_only")
        # The next sample belongs to the same batch: it may be driven beside this one.
        self._more, self._claimed = Signal(name="more"), Signal(name="claimed")
        self._engines_idle, self._updates_idle = (
            Signal(name="engines_idle"),
            Signal(name="updates_idle"),
        )

    def elaborate(self, platform):
        m = Module()
        p, phase, sample = self._params, self.phase, self.sample
        run = Signal(RunLayout())
        m.d.comb += [
            self.feed.run.eq(self.run.p),
            self.busy.eq(1),
            self._train.eq(run.train if p.machine.training else 0),
            self._engines_idle.eq(Cat(*(v.idle for v in self.visits), self.output.idle).all()),
            self._updates_idle.eq(~Cat(*(update.busy for update in self.updates)).any()),
            sample.attempt.eq(self._attempt),
            phase.swap.eq(0 if self._centered else ~self._minus_only),
        ]
        if p.machine.overlap:
            m.d.comb += sample.lead.eq(self._more & ~self._claimed)

        # A sample begins to relax.
        with m.If(phase.clear):
            m.d.sync += [
                self._phase.eq(Phase.FREE),
                phase.nudge.eq(Nudge.NONE),
                phase.first_state.eq(1),
                self._sweeps.eq(p.dynamics.free_sweeps),
                *self._all_stale(),
                self._more.eq(~self._train | (self.pending + 1 < self.batch)),
            ]
        exceeded = Signal()
        # The last bound is all of layer 2, which nothing exceeds.
        with m.Switch(self._attempt):
            for i, bound in enumerate(p.active_bounds[:-1]):
                with m.Case(i):
                    m.d.comb += exceeded.eq(self.active > bound)
        with m.FSM(name="sequencer"):
            self._wait_for_sample(m, run)
            self._drive(m)
            self._relax(m, exceeded)
            self._end_phase(m)
            self._learn(m)
            self._finish(m)
        with m.If(self.stop):
            m.d.sync += self._stopping.eq(1)
        with m.If(self.begin_batch):
            m.d.sync += self.pending.eq(0)
        m.d.comb += sample.release.eq(self.finish | sample.full & self.feed.stop & sample.driven)
        self._follow_changes(m)
        return m

    #: The state that begins a phase.
    _first = "Odd half"

    @property
    def _centered(self) -> bool:
        return self._params.learning.nudging == "centered"

    def _wait_for_sample(self, m, run):
        """States that begin a run, and take its next sample or end it."""
        p, sample, stage = self._params, self.sample, self.stage
        # No sample is to come, and none waits.
        over = self.feed.over & ~sample.full
        with m.State("Idle"):
            m.d.comb += [self.busy.eq(0), self.run.ready.eq(1)]
            with m.If(self.run.valid):
                m.d.comb += self.feed.start.eq(1)
                m.d.sync += [
                    run.eq(self.run.payload),
                    self.number.eq(0),
                    self._stopping.eq(0),
                    self._closing.eq(0),
                    self._more.eq(0),
                ]
                m.next = "Next sample"

        with m.State("Next sample"):
            flushes = run.flush & self._train & (self.pending != 0) & ~self._stopping
            with m.If(over & flushes):
                m.d.sync += self._closing.eq(1)
                m.d.comb += stage.eq(Stage.UPDATE)
                m.next = "Flush"
            with m.Elif(over | self._stopping):
                # What is dropped is not driven: a drive of a sample that is gone would never end.
                if p.machine.overlap:
                    m.d.sync += self._more.eq(0)
                m.next = "Drain"
            with m.Elif(sample.full):
                m.d.comb += stage.eq(Stage.DRIVE)
                m.d.sync += self._attempt.eq(0)
                if p.machine.training and p.learning.nudging == "random-sign":
                    with m.If(self._train & (self.pending == 0)):
                        m.d.sync += self._minus_only.eq(self.sign)
                        m.d.comb += self.draw.eq(1)
                m.next = "Clear"
                if p.machine.overlap:
                    with m.If(sample.ahead):
                        m.next = "Drive"
                    with m.Elif(self._more):
                        # Its drive begins in this cycle.
                        m.d.comb += stage.eq(Stage.WAIT)
                        m.next = "Next sample"
            with m.Else():
                m.d.comb += stage.eq(Stage.WAIT)

    def _drive(self, m):
        """States that drive the sample."""
        sample, phase, overlap = self.sample, self.phase, self._params.machine.overlap
        with m.State("Clear"):
            m.d.comb += [self.stage.eq(Stage.DRIVE), self._claimed.eq(1)]
            if overlap:
                m.d.comb += sample.start.eq(sample.driven)
                with m.If(sample.driven):
                    m.next = "Drive"
            else:
                m.d.comb += phase.clear.eq(1)
                m.next = "Drive"

        with m.State("Drive"):
            ready = sample.driven & self._engines_idle
            m.d.comb += [self.stage.eq(Stage.DRIVE), self._claimed.eq(1)]
            if overlap:
                m.d.comb += [sample.waits.eq(1), phase.clear.eq(ready)]
                with m.If(sample.late):
                    m.d.comb += self.stage.eq(Stage.WAIT)
            with m.If(ready):
                m.next = self._first

    def _all_stale(self):
        """What a sample begins with: everything has to be visited that may change."""
        p = self._params
        return [
            self._stale.eq(sum(1 << l for l in range(2, p.depth))),
            self._stale[1].eq(p.dynamics.code == "sign" or p.awake),
        ]

    def _relax(self, m, exceeded):
        """States of a sweep."""
        depth, stale = self._params.depth, self._stale
        # If the last hidden layer changed after the outputs heard it, the layer below it is stale.
        quiet = ~stale.any() & ~self.output.moved & ~self.output.toggled

        with m.State("Odd half"):
            self._relaxing(m)
            with m.If(stale[1] & exceeded):
                # Too many neurons above are active for the skip: begin again with more.
                m.d.comb += self.restarted.eq(1)
                m.d.sync += self._attempt.eq(self._attempt + 1)
                m.next = "Clear"
            with m.Else():
                m.d.comb += self._begin_odd.eq(1)
                m.next = "Odd settling"
                if depth % 2 == 0:
                    with m.If(~Cat(stale[l] for l in range(1, depth, 2)).any()):
                        m.next = "Even half"

        with m.State("Odd settling"):
            self._relaxing(m)
            with m.If(self._engines_idle):
                m.next = "Even half"

        with m.State("Even half"):
            self._relaxing(m)
            m.d.comb += self._begin_even.eq(1)
            m.next = "Even settling"

        with m.State("Even settling"):
            self._relaxing(m)
            with m.If(self._engines_idle):
                m.d.sync += self._sweeps.eq(self._sweeps - 1)
                m.next = "Odd half"
                with m.If((self._sweeps == 1) | quiet):
                    m.next = "Phase end"

    def _end_phase(self, m):
        """States between two phases, and behind the last one."""
        p, phase = self._params, self.phase
        with m.State("Phase end"):
            self._relaxing(m)
            m.d.sync += self._sweeps.eq(p.learning.nudged_sweeps)
            m.next = self._first
            with m.Switch(self._phase):
                with m.Case(Phase.FREE):
                    m.d.comb += phase.save.eq(1)
                    m.d.sync += [
                        self._phase.eq(Phase.FIRST),
                        phase.nudge.eq(Mux(self._minus_only, Nudge.MINUS, Nudge.PLUS)),
                        phase.first_state.eq(self._centered),
                    ]
                    with m.If(~self._train):
                        m.next = "Finish"
                with m.Case(Phase.FIRST):
                    if self._centered:
                        m.d.comb += phase.restore.eq(1)
                        m.d.sync += [
                            self._phase.eq(Phase.SECOND),
                            phase.nudge.eq(Nudge.MINUS),
                            phase.first_state.eq(0),
                        ]
                        self._go_back(m)
                    else:
                        m.next = "Learn"
                with m.Default():
                    m.next = "Learn"

        self._restore(m)

    def _go_back(self, m):
        """Leave for the free state."""
        with m.If(self.output.departed):
            m.d.sync += self._stale[self._params.depth - 1].eq(1)
        if self._kept:
            m.next = "Restore"

    def _restore(self, m):
        """States that give hidden layers their free state back."""
        if self._kept:
            with m.State("Restore"):
                self._relaxing(m)
                m.d.comb += [self.visits[l - 1].start.eq(1) for l in self._kept]
                m.next = "Restoring"

            with m.State("Restoring"):
                self._relaxing(m)
                m.d.comb += [self.visits[l - 1].kind.eq(Visit.RESTORE) for l in self._kept]
                with m.If(self._engines_idle):
                    m.next = "Odd half"

    def _learn(self, m):
        """States that learn: the contrasts of the sample, and the flips of its batch."""
        phase, pending, stage = self.phase, self.pending, self.stage
        untested = Cat(*(update.stale for update in self.updates)).any()
        with m.State("Learn"):
            m.d.comb += [stage.eq(Stage.UPDATE), phase.scan.eq(1)]
            m.d.sync += phase.learning.eq(1)
            m.next = "Learning"

        with m.State("Learning"):
            m.d.comb += stage.eq(Stage.UPDATE)
            with m.If(self._engines_idle & self._updates_idle):
                m.d.sync += [phase.learning.eq(0), pending.eq(pending + 1)]
                m.next = "Finish"
                full = pending + 1 >= self.batch
                with m.If(1 if self._params.machine.shared_update else full):
                    m.d.sync += pending.eq(0)
                    with m.If(~self.immediate | untested):
                        m.next = "Flush"

        with m.State("Flush"):
            m.d.comb += stage.eq(Stage.UPDATE)
            m.d.comb += [update.flush.eq(1) for update in self.updates]
            m.d.sync += pending.eq(0)
            m.next = "Flushing"

        with m.State("Flushing"):
            m.d.comb += stage.eq(Stage.UPDATE)
            with m.If(self._updates_idle):
                m.next = "Finish"
                with m.If(self._closing):
                    m.next = "Drain"

    def _finish(self, m):
        """States that end a sample, and a run."""
        with m.State("Finish"):
            m.d.comb += self.stage.eq(Mux(self._train, Stage.UPDATE, Stage.FREE))
            with m.If(self.predicted):
                m.d.comb += self.finish.eq(1)
                m.d.sync += self.number.eq(self.number + 1)
                m.next = "Next sample"

        with m.State("Drain"):
            # After a stop, samples that were fetched ahead are dropped.
            m.d.comb += self.feed.stop.eq(1)
            with m.If(self.feed.idle & ~self.sample.full):
                m.next = "Idle"

    def _relaxing(self, m):
        """Count this cycle for the free or the nudged phases."""
        m.d.comb += self.stage.eq(Mux(self._phase == Phase.FREE, Stage.FREE, Stage.NUDGED))

    def _follow_changes(self, m):
        """Have each layer visited again once a neighbour has changed."""
        p, stale, output = self._params, self._stale, self.output
        begins = {0: self._begin_even, 1: self._begin_odd}
        for layer, visit in enumerate(self.visits, 1):
            with m.If(begins[layer % 2] & stale[layer]):
                m.d.comb += visit.start.eq(1)
                m.d.sync += stale[layer].eq(0)
        m.d.comb += output.update.eq(begins[p.depth % 2])
        for layer, visit in enumerate([] if p.machine.overlap else self.visits, 1):
            with m.If(visit.toggled):
                if layer > 1:
                    m.d.sync += stale[layer - 1].eq(1)
                if layer + 1 < p.depth:
                    m.d.sync += stale[layer + 1].eq(1)
                # Restored, it is no longer what its neighbours, which are not, would make of it.
                with m.If(visit.kind == Visit.RESTORE):
                    m.d.sync += stale[layer].eq(1)
        # The output's verdict is out when it is idle again.
        was_updating = Signal()
        m.d.sync += was_updating.eq(~output.idle)
        with m.If(was_updating & output.idle & output.toggled):
            m.d.sync += stale[p.depth - 1].eq(1)
