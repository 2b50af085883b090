"""The rows that an update engine works on: from jobs, or from a flush of those that are marked."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import Synapses
from popflip.rtl.layers.ports import JobLayout, UpdateSignature
from popflip.rtl.layers.synapses import hint

__all__ = ["RowSource"]


class RowSource(wiring.Component):
    """Bring rows one after the other, and remember which of them still have to be tested.

    A row that comes by while ``immediate`` is low is marked. A flush brings the marked rows, or
    all of them, row group by row group; one in which there is none costs a cycle.

    Parameters
    ----------
    shape : Synapses

    Members
    -------
    job : ``In(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
    control : ``In(UpdateSignature)``
        ``busy`` is passed on.
    immediate, touch, busy : ``In(1)``
        As of :class:`popflip.rtl.layers.update.UpdateEngine`.
    free : ``In(1)``
        The next cycle may be a row's first issue.
    take : ``Out(1)``, taken : ``Out(JobLayout)``
        It is, of this row. ``plus`` and ``minus`` mean nothing in a flush.
    flushing : ``Out(1)``
        Rows come from a flush.
    flushes : ``Out(1)``
        A flush is under way.
    """

    def __init__(self, shape: Synapses):
        self._shape = shape
        super().__init__({
            "job": In(stream.Signature(JobLayout(shape))),
            "control": In(UpdateSignature()),
            "immediate": In(1),
            "touch": In(1),
            "busy": In(1),
            "free": In(1),
            "take": Out(1),
            "taken": Out(JobLayout(shape)),
            "flushing": Out(1),
            "flushes": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        s, control, taken = self._shape, self.control, self.taken

        # A mark for each bank in the word of a row group.
        groups = s.slots
        m.submodules.marks = marks = Memory(
            shape=unsigned(s.banks), depth=groups, init=[], attrs=hint(groups)
        )
        read, write = marks.read_port(), marks.write_port()
        m.d.comb += [
            read.en.eq(0),  # A read port is enabled if nobody says otherwise.
            control.busy.eq(self.busy),
        ]
        marking, marked_group, marked_bank = self._mark(m, read, write)
        again = marking & (marked_group == taken.row_group)
        with m.If(self.touch):
            m.d.sync += control.stale.eq(1)

        # The place of the flush; its row is the first one of its group.
        place = Signal(JobLayout(s))
        number = Signal(range(s.groups))  # Of the group in its block.
        all_rows = Signal()
        # The rows of a group that are to be tested: all, those with a mark, or what is left of
        # them.
        tail_rows = s.last_group
        last_of_block = number == s.groups - 1
        there = Mux(last_of_block, (1 << tail_rows) - 1, (1 << s.banks) - 1)
        looked, rest, due_rows = Signal(), Signal(s.banks), Signal(s.banks)
        others = due_rows & (due_rows - 1)[: s.banks]
        m.d.comb += due_rows.eq(Mux(looked, rest, Mux(all_rows, there, read.data)))

        with m.FSM(name="source"):
            with m.State("Jobs"):
                m.d.comb += [
                    self.job.ready.eq(self.free & ~control.flush),
                    self.take.eq(self.job.valid & self.job.ready),
                    taken.eq(self.job.payload),
                    read.en.eq(control.flush | self.take & ~self.immediate & ~again),
                    read.addr.eq(Mux(control.flush, 0, taken.row_group)),
                ]
                m.d.sync += [
                    marking.eq(self.take & ~self.immediate),
                    marked_group.eq(taken.row_group),
                    marked_bank.eq(taken.bank),
                ]
                with m.If(control.flush & ~self.busy):
                    m.d.sync += [all_rows.eq(control.stale | self.touch), control.stale.eq(0)]
                    m.next = "Flush"
            with m.State("Flush"):
                m.d.comb += [self.flushes.eq(1), self.flushing.eq(1), taken.eq(place)]
                for bank in reversed(range(s.banks)):
                    with m.If(due_rows[bank]):
                        m.d.comb += [taken.row.eq(place.row + bank), taken.bank.eq(bank)]
                with m.If(self.free):
                    m.d.comb += self.take.eq(due_rows.any())
                    m.d.sync += [looked.eq(1), rest.eq(others)]
                    with m.If(others == 0):
                        m.d.comb += [
                            write.en.eq(1),
                            write.addr.eq(place.row_group),
                            write.data.eq(0),
                            read.addr.eq(place.row_group + 1),
                        ]
                        m.d.sync += [
                            looked.eq(0),
                            number.eq(Mux(last_of_block, 0, number + 1)),
                            place.row_group.eq(place.row_group + 1),
                            place.row.eq(place.row + Mux(last_of_block, tail_rows, s.banks)),
                        ]
                        with m.If(place.row_group == groups - 1):
                            m.d.sync += [place.eq(0), number.eq(0)]
                            m.next = "Last row"
                        with m.Else():
                            m.d.comb += read.en.eq(1)
            with m.State("Last row"):
                # It stays a cycle even if the last row is not tested, so that the time of a flush
                # follows from how many rows are tested, not from which.
                m.d.comb += self.flushes.eq(1)
                with m.If(self.free):
                    m.next = "Jobs"
        return m

    def _mark(self, m, read, write):
        """Let a job's mark join those of its row group a cycle later.

        They are in the memory by then, or have just been written. Return the registers that say
        whether a mark is written, and of which row group and bank.
        """
        s, taken = self._shape, self.taken
        marking, group, bank = (
            Signal(name="marking"),
            Signal.like(taken.row_group, name="marked_group"),
            Signal.like(taken.bank, name="marked_bank"),
        )
        written, written_group = Signal(), Signal.like(group, name="written_group")
        marked, written_marks = Signal(s.banks), Signal(s.banks)
        just_written = written & (written_group == group)
        m.d.comb += [
            marked.eq(
                Mux(just_written, written_marks, read.data)
                | Cat(bank == number for number in range(s.banks))
            ),
            write.en.eq(marking),
            write.addr.eq(group),
            write.data.eq(marked),
        ]
        m.d.sync += [
            written.eq(marking),
            written_group.eq(group),
            written_marks.eq(marked),
        ]
        return marking, group, bank
