"""Two samples in hand: one relaxes and learns while the next one is driven."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import DriveEngine
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.layers.update import JobLayout
from popflip.rtl.layers.work_lists import ListRelaxEngine, ListWalk, NeuronLists

__all__ = ["OverlapPath"]

#: Bits of the count of cycles that the next sample was waited for.
LATE_BITS = 16


class OverlapPath(wiring.Component):
    """What a sample goes through with ``machine.overlap``, but for outputs and updates.

    There are two sides, with a sample buffer and lists of neurons each. A sample is *in hand* from
    ``take`` to ``release``; meanwhile, as soon as ``lead`` allows and it has arrived, the next one
    is driven on the other side.

    Parameters
    ----------
    params : Params

    Members
    -------
    i, last, full, label : as of :class:`popflip.rtl.layers.sample_buffer.SampleBuffer`
        ``full`` and ``label`` are those of the sample in hand, or of the next if there is none.
    release : ``In(1)``
        That sample is done with.
    start : ``In(1)``, attempt : ``In``
        A pulse drives that sample; only while ``driven`` is high. ``attempt`` as of
        :class:`popflip.rtl.layers.drive.DriveEngine`, for this pulse only.
    lead : ``In(1)``
        The one after it may be driven; not in the cycle of ``start``.
    ahead : ``Out(1)``
        That began.
    driven : ``Out(1)``
        No drive is under way.
    take : ``In(1)``
        The sample is in hand from the next cycle on, and relaxes from its beginning.
    waits : ``In(1)``, late : ``Out(1)``
        The machine waits for the drive; it does so, in this cycle, because the sample arrived late.
    visit, first_end, upper, upper_active, dots, toggled
        As of :class:`popflip.rtl.layers.work_lists.ListRelaxEngine`.
    walk, upper_differs, swap, job0, job1, changed
        As of :class:`popflip.rtl.layers.work_lists.ListWalk`.
    held : ``In(1)``, chunk : ``In``, x : ``Out``
        Update engine 0 still reads the present window; what it reads.
    idle : ``Out(1)``
        No visit, contribution or walk is under way.
    w0_en, w0_address, w1_en, w1_address : ``Out``; w0_data, w1_data : ``In``
        Read ports of both weight layers, all banks.
    """

    def __init__(self, params: Params):
        self._params = params
        shapes = self._shapes = [params.synapses(layer) for layer in range(2)]
        members = {
            "i": In(stream.Signature(8)),
            "last": Out(1),
            "full": Out(1),
            "label": Out(8),
            "release": In(1),
            "start": In(1),
            "attempt": In(range(len(params.active_bounds))),
            "lead": In(1),
            "ahead": Out(1),
            "driven": Out(1),
            "take": In(1),
            "waits": In(1),
            "late": Out(1),
            "visit": In(1),
            "first_end": In(1),
            "upper": In(params.n_out),
            "upper_active": In(range(params.n_out + 1)),
            "dots": Out(dots_layout(params, 2)),
            "toggled": Out(1),
            "walk": In(1),
            "upper_differs": In(1),
            "swap": In(1),
            "job0": Out(stream.Signature(JobLayout(shapes[0]))),
            "job1": Out(stream.Signature(JobLayout(shapes[1]))),
            "changed": Out(1),
            "held": In(1),
            "chunk": In(range(shapes[0].chunks)),
            "x": Out(shapes[0].word_bits),
            "idle": Out(1),
        }
        for layer, shape in enumerate(shapes):
            members |= {
                f"w{layer}_en": Out(1),
                f"w{layer}_address": Out(range(shape.weight_depth)),
                f"w{layer}_data": In(shape.banks * shape.word_bits),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        p = self._params
        m.submodules.drive = drive = DriveEngine(p)
        m.submodules.lists = lists = NeuronLists(p)
        m.submodules.relax = relax = ListRelaxEngine(p)
        m.submodules.walk = walk = ListWalk(p)
        buffers = [SampleBuffer(p) for _ in range(2)]

        # Samples go to both sides in turn, and leave them so.
        side, arriving, in_hand = Signal(), Signal(), Signal()
        with m.If(self.i.valid & self.i.ready & self.last):
            m.d.sync += arriving.eq(~arriving)
        with m.If(self.release):
            m.d.sync += [side.eq(~side), in_hand.eq(0)]
        with m.If(self.take):
            m.d.sync += in_hand.eq(1)
        for number, buffer in enumerate(buffers):
            m.submodules[f"sample{number}"] = buffer
            m.d.comb += [
                buffer.i.payload.eq(self.i.payload),
                buffer.i.valid.eq(self.i.valid & (arriving == number)),
                buffer.release.eq(self.release & (side == number)),
                buffer.en.eq(1),
            ]
        both = {
            name: [getattr(buffer, name) for buffer in buffers]
            for name in ("last", "full", "label", "ready", "x")
        }
        m.d.comb += [
            self.i.ready.eq(Mux(arriving, buffers[1].i.ready, buffers[0].i.ready)),
            self.last.eq(Mux(arriving, *both["last"][::-1])),
            self.full.eq(Mux(side, *both["full"][::-1])),
            self.label.eq(Mux(side, *both["label"][::-1])),
            self.x.eq(Mux(side, *both["x"][::-1])),
        ]

        # Whom to drive: the sample in hand, or the one after it.
        target, filled, leads = Signal(), Signal(), Signal()
        begin = Signal()  # A cycle after the pulse, so that whom it is about is known everywhere.
        attempt = Signal.like(self.attempt)
        m.d.comb += [
            target.eq(side ^ (in_hand & ~self.start)),
            leads.eq(self.lead & ~self.ahead & self.driven & Mux(target, *both["full"][::-1])),
            self.driven.eq(drive.idle & ~begin),
            drive.attempt.eq(attempt),
        ]
        m.d.sync += begin.eq(self.start | leads)
        m.d.comb += drive.start.eq(begin)
        with m.If(self.start | leads):
            m.d.sync += [filled.eq(target), attempt.eq(Mux(self.start, self.attempt, 0))]
        with m.If(leads):
            m.d.sync += self.ahead.eq(1)
        with m.Elif((self.take | self.release) & ~in_hand):
            m.d.sync += self.ahead.eq(0)

        # How long the next sample kept the drive waiting while there was one in hand.
        late = Signal(LATE_BITS)
        m.d.comb += self.late.eq((late != 0) & ~in_hand & ~self.driven)
        with m.If(self.start | self.take):
            m.d.sync += late.eq(0)
        with m.Elif(self.lead & in_hand & ~self.ahead & ~leads & ~late.all()):
            m.d.sync += late.eq(late + 1)
        with m.Elif(self.waits & self.late):
            m.d.sync += late.eq(late - 1)

        # Each buffer is scanned by the drive or followed by the walk.
        for number, buffer in enumerate(buffers):
            driving = filled == number
            with m.If(driving & ~self.driven):
                m.d.comb += [
                    buffer.restart.eq(drive.restart),
                    buffer.next.eq(drive.next),
                    buffer.chunk.eq(drive.chunk),
                ]
            with m.Elif(side == number):
                m.d.comb += [
                    buffer.restart.eq(walk.restart),
                    buffer.jump.eq(walk.jump),
                    buffer.column.eq(walk.column),
                    buffer.line.eq(walk.line),
                    buffer.chunk.eq(self.chunk),
                ]
        m.d.comb += [
            drive.ready.eq(Mux(filled, *both["ready"][::-1])),
            drive.x.eq(Mux(filled, *both["x"][::-1])),
            walk.ready.eq(Mux(side, *both["ready"][::-1])),
            walk.held.eq(self.held),
        ]

        # Groups go to the lists together with their words.
        m.d.comb += [
            self.w0_en.eq(drive.w_en),
            self.w0_address.eq(drive.w_address),
            drive.w_data.eq(self.w0_data),
            self.w1_en.eq(drive.coming),
            self.w1_address.eq(drive.slot),
            lists.filled.eq(filled),
            lists.clear.eq(begin),
            lists.group.eq(drive.group),
            lists.group_valid.eq(drive.group_valid),
            lists.words.eq(self.w1_data),
            lists.side.eq(side),
            lists.begin.eq(self.take),
            lists.visited.eq(relax.visited),
            relax.filled.eq(filled),
            relax.clear.eq(begin),
            relax.active.eq(drive.group.active),
            relax.group_valid.eq(drive.group_valid),
            relax.words.eq(self.w1_data),
            relax.side.eq(side),
        ]

        # Visits and the walk take turns at the lists.
        m.d.comb += [
            relax.visit.eq(self.visit),
            relax.first_end.eq(self.first_end),
            relax.upper.eq(self.upper),
            relax.upper_active.eq(self.upper_active),
            relax.longest.eq(lists.longest),
            relax.count.eq(lists.count),
            relax.entry.eq(lists.entry),
            relax.first.eq(lists.first),
            relax.last.eq(lists.last),
            lists.write_en.eq(relax.write_en),
            lists.write_index.eq(relax.write_index),
            lists.write_first.eq(relax.write_first),
            lists.write_last.eq(relax.write_last),
            self.dots.eq(relax.dots),
            self.toggled.eq(relax.toggled),
        ]
        for bank in range(self._shapes[0].banks):
            m.d.comb += [
                lists.read_en[bank].eq(Mux(walk.idle, relax.read_en, walk.read_en[bank])),
                lists.read_index[bank].eq(Mux(walk.idle, relax.read_index, walk.read_index[bank])),
            ]

        # Nothing is learned where nothing differs between the ends.
        moved = Signal()
        with m.If(self.take):
            m.d.sync += moved.eq(0)
        with m.Elif(relax.toggled & ~self.first_end):
            m.d.sync += moved.eq(1)
        m.d.comb += [
            walk.start.eq(self.walk & (moved | self.upper_differs)),
            walk.upper_differs.eq(self.upper_differs),
            walk.swap.eq(self.swap),
            walk.count.eq(lists.count),
            walk.decided.eq(lists.decided),
            walk.entry.eq(lists.entry),
            walk.first.eq(lists.first),
            walk.last.eq(lists.last),
            self.changed.eq(walk.changed),
            self.idle.eq(relax.idle & walk.idle),
        ]
        connect(m, walk.job0, flipped(self.job0))
        connect(m, walk.job1, flipped(self.job1))
        return m
