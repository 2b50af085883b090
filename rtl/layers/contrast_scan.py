"""The contrast scan of a machine with ``machine.overlap``: over all work lists, side by side."""

from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.layers.pool import picked_window
from popflip.rtl.layers.ports import JobLayout, PartnerSignature, WindowSignature
from popflip.rtl.layers.work_lists import EntryLayout, ListSignature
from popflip.rtl.primitives.arithmetic import times

__all__ = ["ContrastScan"]


class ContrastScan(wiring.Component):
    """Go over the listed neurons once more and make the jobs of both update engines.

    First the decided ones, if activations of the outputs differ between the nudged states; then
    the undecided ones, row of windows by row of windows. In every list the next neuron waits at
    the head; one that nothing changes for is dropped in a cycle, in all lists side by side, and
    the others leave one at a time, the lowest bank first.

    Parameters
    ----------
    params : Params

    Members
    -------
    restart : ``In(1)``
        A pulse takes the window to its first position. It comes with every ``start``, and may come
        without one while ``idle``: whether a scan is needed is known too late in a cycle for that.
    start : ``In(1)``
        A pulse begins a contrast scan.
    upper_differs : ``In(1)``
        Activations of the outputs differ between the nudged states.
    swap : ``In(1)``
        The first of the contrasted states is the minus state.
    lists : ``Out(ListSignature)``
    windows : ``Out(WindowSignature)``
        With the chunk that the update engine asks for.
    partners : ``In(PartnerSignature)``
        What update engine 0 sees: the present window, in both nudged states.
    window_job, job : ``Out(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
        Rows of weight layers 0 and 1.
    changed : ``Out(1)``
        A neuron that differs between the nudged states was passed on (a pulse each).
    idle : ``Out(1)``
        No contrast scan is under way.
    """

    def __init__(self, params: Params):
        self._params = params
        shapes = [params.synapses(layer) for layer in range(2)]
        self._shape = shapes[0]
        layout = EntryLayout(params)
        names = ["line", "column", "number"]
        names += ["offset"] if params.first_layer.pooled else []
        self._place = {name: layout[name].shape for name in names}
        super().__init__({
            "restart": In(1),
            "start": In(1),
            "upper_differs": In(1),
            "swap": In(1),
            "lists": Out(ListSignature(params)),
            "windows": Out(WindowSignature(params)),
            "partners": In(PartnerSignature(shapes[0])),
            "window_job": Out(stream.Signature(JobLayout(shapes[0]))),
            "job": Out(stream.Signature(JobLayout(shapes[1]))),
            "changed": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        banks = self._shape.banks
        head_layout = data.StructLayout({**self._place, "first": 1, "last": 1})
        # The neuron that leaves.
        leaving = Signal(data.StructLayout({
            **{name: field.shape for name, field in head_layout},
            "bank": range(banks),
        }))  # fmt: skip
        leaving_valid, gone = Signal(), Signal()

        of_decided, of_undecided = Signal(), Signal()
        line, begin_undecided = Signal(self._place["line"]), Signal()
        wanted, empty, later, loaded, picked = (
            Signal(banks, name=name) for name in ("wanted", "empty", "later", "loaded", "picked")
        )
        for bank in range(banks):
            head, waits, mine = self._head(m, bank, of_decided, begin_undecided, picked[bank])
            ours = of_decided | (head.line == line)
            m.d.comb += [
                wanted[bank].eq(waits & ours),
                later[bank].eq(waits & ~ours),
                empty[bank].eq(mine.empty),
                loaded[bank].eq(mine.there | empty[bank]),
            ]
            with m.If(picked[bank]):
                m.d.sync += [leaving[name].eq(head[name]) for name, _ in head_layout]
                m.d.sync += leaving.bank.eq(bank)

        # The lowest bank's neuron leaves, once the one before it has.
        m.d.comb += picked.eq(Mux(~leaving_valid | gone, wanted & ~(wanted - 1)[:banks], 0))
        with m.If(picked.any()):
            m.d.sync += leaving_valid.eq(1)
        with m.Elif(gone):
            m.d.sync += leaving_valid.eq(0)
        self._offer(m, leaving, leaving_valid, gone)

        # From list to list and from row of windows to row of windows.
        windows = self.windows
        leaves_differing = leaving_valid & (leaving.first != leaving.last)
        m.d.comb += [
            windows.restart.eq(self.restart),
            begin_undecided.eq(of_decided & empty.all()),
            self.idle.eq(~of_decided & ~of_undecided),
            # Nobody at the heads is of this row of windows.
            windows.line.eq(
                of_undecided & loaded.all() & later.any() & ~wanted.any()
                & (later | empty).all() & ~leaves_differing
                & windows.ready & ~self.partners.held
            ),
        ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += [of_decided.eq(1), line.eq(0)]
        with m.Elif(begin_undecided):
            m.d.sync += [of_decided.eq(0), of_undecided.eq(1)]
        with m.Elif(of_undecided & empty.all() & ~leaving_valid):
            m.d.sync += of_undecided.eq(0)
        with m.If(windows.line):
            m.d.sync += line.eq(line + 1)
        return m

    def _head(self, m, bank, of_decided, begin_undecided, picked):
        """Have the next neuron of a list wait at its head.

        Return it, whether it waits to leave, and the state of the list.
        """
        lists, capacity = self.lists, self._params.neuron_groups
        at = Signal(range(capacity), name=f"at{bank}")
        missing = Signal.like(lists.count[bank], name=f"missing{bank}")
        held, there, needed = (Signal(name=f"{n}{bank}") for n in ("held", "there", "needed"))
        layout = data.StructLayout({**self._place, "first": 1, "last": 1})
        head = Signal(layout, name=f"head{bank}")
        entry, first, last = lists.entry[bank], lists.first[bank], lists.last[bank]
        drop = there & (~needed | picked)
        move = held & (~there | drop)
        fetch = (missing != 0) & (~held | move)
        m.d.comb += [lists.read_en[bank].eq(fetch), lists.read_index[bank].eq(at)]
        with m.If(fetch):
            m.d.sync += [
                at.eq(Mux(of_decided, at - 1, at + 1)),
                missing.eq(missing - 1),
                held.eq(1),
            ]
        with m.Elif(move):
            m.d.sync += held.eq(0)
        with m.If(move):
            m.d.sync += [
                there.eq(1),
                needed.eq(of_decided | (first != last) | (self.upper_differs & (first | last))),
                *(head[name].eq(entry[name]) for name in self._place),
                head.first.eq(of_decided | first),
                head.last.eq(of_decided | last),
            ]
        with m.Elif(drop):
            m.d.sync += there.eq(0)
        with m.If(self.start):
            m.d.sync += [at.eq(capacity - 1)]
            m.d.sync += missing.eq(Mux(self.upper_differs, lists.decided[bank], 0))
        with m.Elif(begin_undecided):
            m.d.sync += [at.eq(0), missing.eq(lists.count[bank])]
        return head, there & needed, _List(there, ~there & ~held & (missing == 0))

    def _offer(self, m, leaving, leaving_valid, gone):
        """Offer a neuron to both engines, which take it in their own time; 0 if it differs."""
        p, shape, windows = self._params, self._shape, self.windows
        job0, job1 = self.window_job, self.job
        left0, left1 = Signal(name="left0"), Signal(name="left1")
        differs = leaving.first != leaving.last
        position = times(leaving.line, p.grid[1]) + leaving.column
        taken0, taken1 = job0.valid & job0.ready, job1.valid & job1.ready
        seen = windows.x
        if p.first_layer.pooled:
            # The engine reads the window behind the job, as long as it works on it.
            with m.If(taken0):
                m.d.sync += windows.pick.eq(leaving.offset)
            m.d.comb += windows.picks.eq(1)
            seen = picked_window(m, p, windows)
        m.d.comb += [
            job0.valid.eq(leaving_valid & differs & ~left0 & windows.ready),
            job1.valid.eq(leaving_valid & ~left1),
            gone.eq(leaving_valid & (left0 | taken0 | ~differs) & (left1 | taken1)),
            windows.jump.eq(taken0),
            windows.column.eq(leaving.column),
            windows.chunk.eq(self.partners.chunk),
            self.partners.plus.eq(seen),
            self.partners.minus.eq(seen),
            self.changed.eq(taken0),
        ]
        m.d.sync += [
            left0.eq((left0 | taken0) & ~gone),
            left1.eq((left1 | taken1) & ~gone),
        ]
        row = times(position, shape.block) + times(leaving.number, shape.banks) + leaving.bank
        row_group = times(position, shape.groups) + leaving.number
        rows, groups = [row, row], [row_group, row_group]
        if p.first_layer.shared:
            rows[0] = times(leaving.number, shape.banks) + leaving.bank
            groups[0] = leaving.number
        for job, its_row, its_group in zip((job0, job1), rows, groups, strict=True):
            m.d.comb += [
                job.payload.row.eq(its_row),
                job.payload.row_group.eq(its_group),
                job.payload.bank.eq(leaving.bank),
                job.payload.plus.eq(Mux(self.swap, leaving.last, leaving.first)),
                job.payload.minus.eq(Mux(self.swap, leaving.first, leaving.last)),
            ]


class _List(NamedTuple):
    """Whether a neuron is at the head of a list, and whether there is none left."""

    there: Any
    empty: Any
