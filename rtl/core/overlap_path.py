"""A sample's way with ``machine.overlap``: one relaxes and learns while the next one is driven."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.core.buffer_pair import BufferPair
from popflip.rtl.core.single_path import path_members
from popflip.rtl.layers.contrast_scan import ContrastScan
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.layers.ports import share
from popflip.rtl.layers.work_list_relax import WorkListRelaxEngine
from popflip.rtl.layers.work_lists import DrivenSignature, WorkLists

__all__ = ["OverlapPath"]

#: Bits of the count of cycles that the next sample was waited for.
LATE_BITS = 16


class OverlapPath(wiring.Component):
    """What a sample goes through with ``machine.overlap``, but for outputs and updates.

    There are two buffer halves, with a sample buffer and work lists each. A sample is *in hand*
    from the phase's ``clear`` to ``release``; meanwhile, as soon as ``lead`` allows and it has
    arrived, the next one is driven in the other half.

    Parameters
    ----------
    params : Params

    Members
    -------
    As of :class:`popflip.rtl.core.single_path.SinglePath`.
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__(path_members(params))

    def elaborate(self, platform):
        m = Module()
        p, sample = self._params, self.sample
        m.submodules.samples = samples = BufferPair(p)
        m.submodules.drive = drive = DriveEngine(p)
        m.submodules.lists = lists = WorkLists(p)
        m.submodules.relax = relax = WorkListRelaxEngine(p)
        m.submodules.scan = scan = ContrastScan(p)

        connect(m, flipped(self.i), samples.i)
        connect(m, drive.windows, samples.drive)
        connect(m, scan.windows, samples.scan)
        m.d.comb += [
            self.last.eq(samples.last),
            self.label.eq(samples.label),
            sample.full.eq(samples.full),
            samples.release.eq(sample.release),
        ]
        begin, filled = self._lead(m, samples, drive)

        # Row groups go to the lists together with their words.
        driven = DrivenSignature(p).create()
        m.d.comb += [
            driven.half.eq(filled),
            driven.clear.eq(begin),
            driven.valid.eq(drive.group_valid),
            driven.group.eq(drive.group),
            driven.words.eq(self.weights.data),
            self.weights.en.eq(drive.coming.replicate(p.synapses(1).banks)),
            self.weights.address.eq(drive.row_group),
        ]
        connect(m, driven, lists.driven, relax.driven)
        connect(m, drive.weights, flipped(self.drive_weights))

        # Visits and the contrast scan take turns at the lists.
        share(m, lists.lists, (None, scan.lists), (scan.idle, relax.lists))
        connect(m, relax.write, lists.write)
        connect(m, flipped(self.phase), relax.phase)
        connect(m, flipped(self.upper), relax.upper)
        m.d.comb += [
            lists.half.eq(samples.half),
            lists.begin.eq(self.phase.clear),
            lists.visited.eq(relax.visited),
            relax.half.eq(samples.half),
            relax.visit.start.eq(self.visit.start),
            relax.visit.kind.eq(self.visit.kind),
            self.visit.toggled.eq(relax.visit.toggled),
            self.visit.idle.eq(relax.visit.idle & scan.idle),
            self.dots.eq(relax.dots),
        ]

        # Nothing is learned where nothing differs between the nudged states.
        moved, upper_differs = Signal(), Signal()
        m.d.comb += upper_differs.eq(self.upper.first != self.upper.last)
        with m.If(self.phase.clear):
            m.d.sync += moved.eq(0)
        with m.Elif(relax.visit.toggled & ~self.phase.first_state):
            m.d.sync += moved.eq(1)
        m.d.comb += [
            scan.restart.eq(self.phase.scan),
            scan.start.eq(self.phase.scan & (moved | upper_differs)),
            scan.upper_differs.eq(upper_differs),
            scan.swap.eq(self.phase.swap),
            self.changed.eq(scan.changed),
        ]
        connect(m, scan.window_job, flipped(self.window_job))
        connect(m, scan.job, flipped(self.job))
        connect(m, flipped(self.partners), scan.partners)
        return m

    def _lead(self, m, samples, drive):
        """Drive the sample in hand, or the one after it.

        Return whether a drive begins, and which half is driven.
        """
        sample, take = self.sample, self.phase.clear
        in_hand, target, filled, leads = Signal(), Signal(), Signal(), Signal()
        begin = Signal()  # A cycle after the pulse, so that whom it is about is known everywhere.
        attempt = Signal.like(sample.attempt, name="attempt")
        with m.If(sample.release):
            m.d.sync += in_hand.eq(0)
        with m.If(take):
            m.d.sync += in_hand.eq(1)
        m.d.comb += [
            target.eq(samples.half ^ (in_hand & ~sample.start)),
            samples.target.eq(target),
            leads.eq(sample.lead & ~sample.ahead & sample.driven & samples.target_full),
            sample.driven.eq(drive.idle & ~begin),
            samples.filled.eq(filled),
            samples.driving.eq(~sample.driven),
            drive.attempt.eq(attempt),
            drive.start.eq(begin),
        ]
        m.d.sync += begin.eq(sample.start | leads)
        with m.If(sample.start | leads):
            m.d.sync += [filled.eq(target), attempt.eq(Mux(sample.start, sample.attempt, 0))]
        with m.If(leads):
            m.d.sync += sample.ahead.eq(1)
        with m.Elif((take | sample.release) & ~in_hand):
            m.d.sync += sample.ahead.eq(0)

        # How long the next sample kept the drive waiting while there was one in hand.
        late = Signal(LATE_BITS)
        m.d.comb += sample.late.eq((late != 0) & ~in_hand & ~sample.driven)
        with m.If(sample.start | take):
            m.d.sync += late.eq(0)
        with m.Elif(sample.lead & in_hand & ~sample.ahead & ~leads & ~late.all()):
            m.d.sync += late.eq(late + 1)
        with m.Elif(sample.waits & sample.late):
            m.d.sync += late.eq(late - 1)
        return begin, filled
