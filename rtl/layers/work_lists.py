"""The work lists of a machine with ``machine.overlap``: the hidden neurons that matter.

There is a list for each bank in each *buffer half*, with room for all neurons of the bank: while
the lists of one half relax and learn, the drive of the next sample fills those of the other.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import GroupLayout
from popflip.rtl.layers.ports import OffsetLayout
from popflip.rtl.layers.synapses import hint

__all__ = [
    "DrivenSignature",
    "EntryLayout",
    "ListSignature",
    "ListWriteSignature",
    "WorkLists",
]


class EntryLayout(data.StructLayout):
    """A listed neuron.

    ``line`` and ``column`` of its window, ``number`` of its row group there; with pooling
    ``offset``, which window it sees; ``margin``, its potential from the input alone minus its
    threshold; ``word``, its weights to the outputs.
    """

    def __init__(self, params: Params):
        group = GroupLayout(params)
        super().__init__({
            **{name: group[name].shape for name in ("line", "column", "number")},
            **({"offset": OffsetLayout(params)} if params.first_layer.pooled else {}),
            "margin": group["margins"].shape.elem_shape,
            "word": params.n_out,
        })


class DrivenSignature(wiring.Signature):
    """Driven neurons on their way to the lists of one buffer half, from the drive's side.

    Members
    -------
    half : ``Out(1)``
        The half that is filled.
    clear : ``Out(1)``
        A drive begins.
    valid : ``Out(1)``, group : ``Out(GroupLayout)``
        A row group of :class:`popflip.rtl.layers.drive.DriveEngine`.
    words : ``Out(banks * n_out)``
        Weights of its neurons to the outputs.
    """

    def __init__(self, params: Params):
        super().__init__({
            "half": Out(1),
            "clear": Out(1),
            "valid": Out(1),
            "group": Out(GroupLayout(params)),
            "words": Out(params.synapses(0).banks * params.n_out),
        })


class ListSignature(wiring.Signature):
    """The lists of the half in hand, from the side of whoever goes through them.

    Members
    -------
    count, decided : ``In``, an array of ``banks``
        Undecided neurons, from the first index up, and decided ones, from the last index down.
    longest : ``In``
        Greatest of ``count``.
    read_en : ``Out(banks)``, read_index : ``Out``, an array of ``banks``
        What is asked for is there one cycle later and holds.
    entry : ``In``, an array of ``banks``
    first, last : ``In(banks)``
        Activations of undecided neurons in the first of the contrasted states, and now.
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        banks, capacity = shape.banks, params.neuron_groups
        super().__init__({
            "count": In(data.ArrayLayout(range(capacity + 1), banks)),
            "decided": In(data.ArrayLayout(range(capacity + 1), banks)),
            "longest": In(range(capacity + 1)),
            "read_en": Out(banks),
            "read_index": Out(data.ArrayLayout(range(capacity), banks)),
            "entry": In(data.ArrayLayout(EntryLayout(params), banks)),
            "first": In(banks),
            "last": In(banks),
        })


class ListWriteSignature(wiring.Signature):
    """New activations of undecided neurons, from the side of the relaxation engine.

    Members
    -------
    en : ``Out(1)``, index : ``Out``
        One in each list that is so long.
    first, last : ``Out(banks)``
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        super().__init__({
            "en": Out(1),
            "index": Out(range(params.neuron_groups)),
            "first": Out(shape.banks),
            "last": Out(shape.banks),
        })


class WorkLists(wiring.Component):
    """The neurons of layer 1 that matter, a list for each bank of each buffer half.

    Undecided ones are listed from index 0 upwards, decided ones, which are all active, from the
    last index downwards; both in the order of their rows.

    Parameters
    ----------
    params : Params

    Members
    -------
    driven : ``In(DrivenSignature)``
        Neurons to list; ``clear`` empties the lists of their half.
    half : ``In(1)``
        The half that all the rest is about.
    begin, visited : ``In(1)``
        A new sample is in hand; all of its undecided neurons have been visited.
    lists : ``In(ListSignature)``
    write : ``In(ListWriteSignature)``
    """

    def __init__(self, params: Params):
        self._layout, self._pooled = EntryLayout(params), params.first_layer.pooled
        shape = params.synapses(0)
        self._banks, self._capacity = shape.banks, params.neuron_groups
        super().__init__({
            "driven": In(DrivenSignature(params)),
            "half": In(1),
            "begin": In(1),
            "visited": In(1),
            "lists": In(ListSignature(params)),
            "write": In(ListWriteSignature(params)),
        })

    def elaborate(self, platform):
        m = Module()
        driven = self.driven

        # Before its first visit a neuron is as its input alone makes it.
        fresh = Signal()
        with m.If(self.begin):
            m.d.sync += fresh.eq(1)
        with m.Elif(self.visited):
            m.d.sync += fresh.eq(0)

        longer = [Signal(name=f"longer{half}") for half in range(2)]
        longest = [Signal.like(self.lists.longest, name=f"longest{half}") for half in range(2)]
        m.d.comb += self.lists.longest.eq(Mux(self.half, longest[1], longest[0]))
        for bank in range(self._banks):
            margin = self._list(m, bank, longest, longer)
            self._remember(m, bank, fresh, margin >= 0)
        for half in range(2):
            with m.If((driven.half == half) & driven.clear):
                m.d.sync += longest[half].eq(0)
            with m.Elif(longer[half]):
                m.d.sync += longest[half].eq(longest[half] + 1)
        return m

    def _list(self, m, bank, longest, longer):
        """List the neurons of a bank; return the margin of the one that is read."""
        driven, lists = self.driven, self.lists
        # The halves take turns, so the memory has no words that neither reaches.
        entries = Memory(shape=self._layout, depth=2 * self._capacity, init=[])
        m.submodules[f"entries{bank}"] = entries
        undecided, active = driven.group.undecided[bank], driven.group.active[bank]
        counts, decided = (
            [Signal.like(lists.count[0], name=f"{name}{bank}_{half}") for half in range(2)]
            for name in ("count", "decided")
        )
        write, read = entries.write_port(), entries.read_port()
        low = Mux(driven.half, counts[1], counts[0])
        high = self._capacity - 1 - Mux(driven.half, decided[1], decided[0])
        index = Mux(undecided, low, high)
        width = len(driven.words) // self._banks
        m.d.comb += [
            write.en.eq(driven.valid & (undecided | active)),
            write.addr.eq(Cat(driven.half, index)),
            *(write.data[name].eq(driven.group[name]) for name in ("line", "column", "number")),
            *([write.data.offset.eq(driven.group.offsets[bank])] if self._pooled else []),
            write.data.margin.eq(driven.group.margins[bank]),
            write.data.word.eq(driven.words.word_select(bank, width)),
            read.en.eq(lists.read_en[bank]),
            read.addr.eq(Cat(self.half, lists.read_index[bank])),
            lists.entry[bank].eq(read.data),
            lists.count[bank].eq(Mux(self.half, counts[1], counts[0])),
            lists.decided[bank].eq(Mux(self.half, decided[1], decided[0])),
        ]
        for half in range(2):
            here = driven.half == half
            with m.If(here & driven.clear):
                m.d.sync += [counts[half].eq(0), decided[half].eq(0)]
            with m.Elif(here & driven.valid & undecided):
                m.d.sync += counts[half].eq(counts[half] + 1)
                with m.If(counts[half] == longest[half]):
                    m.d.comb += longer[half].eq(1)
            with m.Elif(here & driven.valid & active):
                m.d.sync += decided[half].eq(decided[half] + 1)
        return read.data.margin

    def _remember(self, m, bank, fresh, input_alone):
        """Keep the activations of a bank's undecided neurons."""
        lists, write = self.lists, self.write
        layout = data.StructLayout({"first": 1, "last": 1})
        states = Memory(shape=layout, depth=self._capacity, init=[], attrs=hint(self._capacity))
        m.submodules[f"states{bank}"] = states
        to, of = states.write_port(), states.read_port()
        m.d.comb += [
            to.en.eq(write.en & (write.index < lists.count[bank])),
            to.addr.eq(write.index),
            to.data.first.eq(write.first[bank]),
            to.data.last.eq(write.last[bank]),
            of.en.eq(lists.read_en[bank]),
            of.addr.eq(lists.read_index[bank]),
            lists.first[bank].eq(Mux(fresh, input_alone, of.data.first)),
            lists.last[bank].eq(Mux(fresh, input_alone, of.data.last)),
        ]
