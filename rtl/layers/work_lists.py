"""Lists of the hidden neurons that matter, one for each bank, and what is done with them.

For a machine with ``machine.overlap``. There are two *sides*: while the lists of one side relax and
learn, the drive of the next sample fills those of the other.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.drive import GroupLayout
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.synapses import hint
from popflip.rtl.layers.update import JobLayout
from popflip.rtl.primitives.arithmetic import times

__all__ = ["EntryLayout", "ListRelaxEngine", "ListWalk", "NeuronLists"]


class EntryLayout(data.StructLayout):
    """A listed neuron.

    ``line`` and ``column`` of its window, ``number`` of its group there; ``margin``, its potential
    from the input alone minus its threshold; ``word``, its weights to the outputs.
    """

    def __init__(self, params: Params):
        group = GroupLayout(params)
        super().__init__({
            **{name: group[name].shape for name in ("line", "column", "number")},
            "margin": group["margins"].shape.elem_shape,
            "word": params.n_out,
        })


class NeuronLists(wiring.Component):
    """The neurons of layer 1 that matter, a list for each bank of each side.

    Undecided ones are listed from index 0 upwards, decided ones, which are all active, from the
    last index downwards; both in the order of their rows.

    Parameters
    ----------
    params : Params

    Attributes
    ----------
    capacity : int
        Neurons of a list.

    Members
    -------
    filled : ``In(1)``
        The side that ``group`` goes to.
    clear : ``In(1)``
        Empty that side's lists.
    group, group_valid : ``In``
        Of :class:`popflip.rtl.layers.drive.DriveEngine`.
    words : ``In(banks * n_out)``
        Weights of the group's neurons to the outputs.
    side : ``In(1)``
        The side that all the rest is about.
    begin, visited : ``In(1)``
        A new sample is in hand; all of its undecided neurons have been visited.
    count, decided : ``Out``, an array of ``banks``
        Neurons from the first index up, and from the last down.
    longest : ``Out``
        Greatest of ``count``.
    read_en, read_index : ``In``, for each bank
        What is asked for is there one cycle later and holds.
    entry : ``Out``, an array of ``banks``
    first, last : ``Out(banks)``
        Activations of undecided neurons at the first end of the contrast, and now.
    write_en : ``In(1)``, write_index : ``In``
        New activations, one in each list that is so long.
    write_first, write_last : ``In(banks)``
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        self._layout = EntryLayout(params)
        self._banks = banks = shape.banks
        self.capacity = capacity = shape.rows // shape.block * shape.groups
        index, count = range(capacity), range(capacity + 1)
        super().__init__({
            "filled": In(1),
            "clear": In(1),
            "group": In(GroupLayout(params)),
            "group_valid": In(1),
            "words": In(banks * params.n_out),
            "side": In(1),
            "begin": In(1),
            "visited": In(1),
            "count": Out(data.ArrayLayout(count, banks)),
            "decided": Out(data.ArrayLayout(count, banks)),
            "longest": Out(count),
            "read_en": In(banks),
            "read_index": In(data.ArrayLayout(index, banks)),
            "entry": Out(data.ArrayLayout(self._layout, banks)),
            "first": Out(banks),
            "last": Out(banks),
            "write_en": In(1),
            "write_index": In(index),
            "write_first": In(banks),
            "write_last": In(banks),
        })

    def elaborate(self, platform):
        m = Module()
        group, index_bits = self.group, max(1, ceil_log2(self.capacity))
        state_layout = data.StructLayout({"first": 1, "last": 1})

        # Before its first visit a neuron is as its input alone makes it.
        fresh = Signal()
        with m.If(self.begin):
            m.d.sync += fresh.eq(1)
        with m.Elif(self.visited):
            m.d.sync += fresh.eq(0)

        longer = [Signal(name=f"longer{side}") for side in range(2)]
        longest = [Signal.like(self.longest, name=f"longest{side}") for side in range(2)]
        m.d.comb += self.longest.eq(Mux(self.side, longest[1], longest[0]))
        for bank in range(self._banks):
            entries = Memory(shape=self._layout, depth=2 << index_bits, init=[])
            states = Memory(
                shape=state_layout, depth=self.capacity, init=[], attrs=hint(self.capacity)
            )
            m.submodules[f"entries{bank}"] = entries
            m.submodules[f"states{bank}"] = states
            undecided, active = group.undecided[bank], group.active[bank]
            counts = [Signal.like(self.count[0], name=f"count{bank}_{s}") for s in range(2)]
            decided = [Signal.like(self.count[0], name=f"decided{bank}_{s}") for s in range(2)]

            write, read = entries.write_port(), entries.read_port()
            low = Mux(self.filled, counts[1], counts[0])
            high = self.capacity - 1 - Mux(self.filled, decided[1], decided[0])
            index = Mux(undecided, low, high)
            width = len(self.words) // self._banks
            m.d.comb += [
                write.en.eq(self.group_valid & (undecided | active)),
                write.addr.eq(Cat(_wide(index, index_bits), self.filled)),
                *(write.data[name].eq(group[name]) for name in ("line", "column", "number")),
                write.data.margin.eq(group.margins[bank]),
                write.data.word.eq(self.words.word_select(bank, width)),
                read.en.eq(self.read_en[bank]),
                read.addr.eq(Cat(_wide(self.read_index[bank], index_bits), self.side)),
                self.entry[bank].eq(read.data),
                self.count[bank].eq(Mux(self.side, counts[1], counts[0])),
                self.decided[bank].eq(Mux(self.side, decided[1], decided[0])),
            ]
            for side in range(2):
                here = self.filled == side
                with m.If(here & self.clear):
                    m.d.sync += [counts[side].eq(0), decided[side].eq(0)]
                with m.Elif(here & self.group_valid & undecided):
                    m.d.sync += counts[side].eq(counts[side] + 1)
                    with m.If(counts[side] == longest[side]):
                        m.d.comb += longer[side].eq(1)
                with m.Elif(here & self.group_valid & active):
                    m.d.sync += decided[side].eq(decided[side] + 1)

            state_write, state_read = states.write_port(), states.read_port()
            input_alone = read.data.margin >= 0
            m.d.comb += [
                state_write.en.eq(self.write_en & (self.write_index < self.count[bank])),
                state_write.addr.eq(self.write_index),
                state_write.data.first.eq(self.write_first[bank]),
                state_write.data.last.eq(self.write_last[bank]),
                state_read.en.eq(self.read_en[bank]),
                state_read.addr.eq(self.read_index[bank]),
                self.first[bank].eq(Mux(fresh, input_alone, state_read.data.first)),
                self.last[bank].eq(Mux(fresh, input_alone, state_read.data.last)),
            ]
        for side in range(2):
            with m.If((self.filled == side) & self.clear):
                m.d.sync += longest[side].eq(0)
            with m.Elif(longer[side]):
                m.d.sync += longest[side].eq(longest[side] + 1)
        return m


class WordAdder(wiring.Component):
    """Add the words of some neurons to the outputs' counters, or take them away.

    Throughput one set of neurons per cycle; latency 1.

    Parameters
    ----------
    banks, n_out : int

    Members
    -------
    take, up : ``In(banks)``
        Which neurons count, and whether with their weights or against them.
    words : ``In(banks * n_out)``
    valid : ``Out(1)``
        Any neuron counted.
    sums : ``Out``, an array of ``n_out``
    """

    def __init__(self, banks: int, n_out: int):
        self._banks, self._n_out = banks, n_out
        super().__init__({
            "take": In(banks),
            "up": In(banks),
            "words": In(banks * n_out),
            "valid": Out(1),
            "sums": Out(data.ArrayLayout(signed(ceil_log2(banks + 1) + 1), n_out)),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.valid.eq(self.take.any())
        taken = sum(self.take)
        with m.If(self.take.any()):
            for j in range(self._n_out):
                weights = Cat(self.words[bank * self._n_out + j] for bank in range(self._banks))
                agree = self.take & ~(weights ^ self.up)
                m.d.sync += self.sums[j].eq((sum(agree) << 1) - taken)
        return m


class ListRelaxEngine(wiring.Component):
    """Visit the listed neurons, one of each list per cycle, and keep the outputs' dot products.

    A visit counts a neuron's word against the outputs' activations: its feedback. The words of
    neurons that change are added to the dot products, or taken away, as they pass.

    A pass over lists of which the longest has ``n`` neurons, with its pulse in cycle t, is over
    (``idle``) in ``t + n + latency``, or in ``t + 1`` if ``n`` is 0.

    Parameters
    ----------
    params : Params

    Members
    -------
    filled, clear, group, group_valid, words : ``In``
        As those of :class:`NeuronLists`: active neurons count for that side's dot products.
    side : ``In(1)``
        The side that is visited.
    visit : ``In(1)``
        A pulse begins a pass over the undecided neurons.
    first_end : ``In(1)``
        New activations count for the first end of the contrast too.
    upper : ``In(n_out)``, upper_active : ``In``
        Activation bits of the outputs, and how many are 1.
    lists : read and write side of :class:`NeuronLists`, as members of the same names
    dots : ``Out(dots_layout)``
        Dot products of the outputs with layer 1.
    toggled : ``Out(1)``
        Neurons changed (a pulse for each cycle in which any did).
    idle : ``Out(1)``
        No visit is under way, and no contribution.
    """

    latency = 6

    def __init__(self, params: Params):
        self._params = params
        shape = params.synapses(0)
        self._banks = banks = shape.banks
        capacity = shape.rows // shape.block * shape.groups
        super().__init__({
            "filled": In(1),
            "clear": In(1),
            "active": In(banks),
            "group_valid": In(1),
            "words": In(banks * params.n_out),
            "side": In(1),
            "visit": In(1),
            "first_end": In(1),
            "upper": In(params.n_out),
            "upper_active": In(range(params.n_out + 1)),
            "longest": In(range(capacity + 1)),
            "count": In(data.ArrayLayout(range(capacity + 1), banks)),
            "read_en": Out(1),
            "read_index": Out(range(capacity)),
            "entry": In(data.ArrayLayout(EntryLayout(params), banks)),
            "first": In(banks),
            "last": In(banks),
            "write_en": Out(1),
            "write_index": Out(range(capacity)),
            "write_first": Out(banks),
            "write_last": Out(banks),
            "visited": Out(1),
            "dots": Out(dots_layout(params, 2)),
            "toggled": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, banks, n_out = self._params, self._banks, self._params.n_out

        # t: the lists are asked for the neurons of one index.
        visiting, index = Signal(), Signal.like(self.read_index)
        last_index = index == self.longest - 1
        m.d.comb += [self.read_en.eq(visiting), self.read_index.eq(index)]
        with m.If(self.visit):
            m.d.sync += [visiting.eq(self.longest != 0), index.eq(0)]
        with m.Elif(visiting):
            m.d.sync += index.eq(index + 1)
            with m.If(last_index):
                m.d.sync += visiting.eq(0)
        here = Signal(banks)
        m.d.sync += here.eq(Cat(visiting & (index < self.count[bank]) for bank in range(banks)))

        # t + 1: weights that meet an active output; t + 2: feedback; t + 3: the decision.
        valid, indices, there = [visiting], [index], [None, here]
        for cycle in range(1, 6):
            valid.append(Signal(name=f"valid_{cycle}"))
            indices.append(Signal.like(index, name=f"index_{cycle}"))
            m.d.sync += [valid[-1].eq(valid[-2]), indices[-1].eq(indices[-2])]
            if cycle > 1:
                there.append(Signal(banks, name=f"here_{cycle}"))
                m.d.sync += there[-1].eq(there[-2])
        words = [None, Cat(self.entry[bank].word for bank in range(banks))]
        firsts, lasts = [None, self.first], [None, self.last]
        for cycle in range(2, 5):
            for stages, name in ((words, "words"), (firsts, "first"), (lasts, "last")):
                stages.append(Signal.like(stages[-1], name=f"{name}_{cycle}"))
                with m.If(valid[cycle - 1]):
                    m.d.sync += stages[-1].eq(stages[-2])
        bits = Signal(banks)
        for bank in range(banks):
            entry = self.entry[bank]
            margin_2 = Signal.like(entry.margin, name=f"margin_2_{bank}")
            margin_3 = Signal.like(entry.margin, name=f"margin_3_{bank}")
            total = Signal(range(n_out + 1), name=f"total{bank}")
            dot = Signal(signed(len(total) + 1), name=f"dot{bank}")
            m.d.comb += dot.eq((total << 1) - self.upper_active)
            gained = times(dot, p.feedback_gain(1))
            feedback = Signal(gained.shape(), name=f"feedback{bank}")
            with m.If(valid[1]):
                m.d.sync += [total.eq(sum(entry.word & self.upper)), margin_2.eq(entry.margin)]
            with m.If(valid[2]):
                m.d.sync += [feedback.eq(gained), margin_3.eq(margin_2)]
            with m.If(valid[3]):
                m.d.sync += bits[bank].eq(margin_3 + feedback >= 0)

        # t + 4: written back, and counted if it changed.
        m.submodules.changes = changes = WordAdder(banks, n_out)
        toggles = Mux(valid[4], there[4] & (bits ^ lasts[4]), 0)
        m.d.comb += [
            self.write_en.eq(valid[4]),
            self.write_index.eq(indices[4]),
            self.write_last.eq(bits),
            self.write_first.eq(Mux(self.first_end, bits, firsts[4])),
            changes.take.eq(toggles),
            changes.up.eq(bits),
            changes.words.eq(words[4]),
            self.toggled.eq(changes.take.any()),
            self.visited.eq(valid[5] & ~valid[4]),
        ]

        # t + 5: the sums of a set of neurons; t + 6: in the dot products. Likewise the driven ones.
        m.submodules.driven = driven = WordAdder(banks, n_out)
        m.d.comb += [
            driven.take.eq(Mux(self.group_valid, self.active, 0)),
            driven.up.eq(~0),
            driven.words.eq(self.words),
        ]
        for j in range(n_out):
            dots = [Signal(self.dots[0].shape(), name=f"dots{j}_{side}") for side in range(2)]
            m.d.comb += self.dots[j].eq(Mux(self.side, dots[1], dots[0]))
            for side, dot in enumerate(dots):
                filling = self.filled == side
                with m.If(filling & self.clear):
                    m.d.sync += dot.eq(0)
                with m.Elif(filling & driven.valid):
                    m.d.sync += dot.eq(dot + driven.sums[j])
                with m.Elif((self.side == side) & changes.valid):
                    m.d.sync += dot.eq(dot + changes.sums[j])
        m.d.comb += self.idle.eq(~visiting & ~Cat(valid[1:]).any())
        return m


class ListWalk(wiring.Component):
    """Go over the listed neurons once more and make the jobs of both update engines.

    First the decided ones, if activations of the outputs differ between the ends; then the
    undecided ones, row of windows by row of windows. In every list the next neuron waits at the
    head; one that nothing changes for is dropped in a cycle, in all lists side by side, and the
    others leave one at a time, the lowest bank first.

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``
        A pulse begins a walk, and a scan of the sample for the windows.
    upper_differs : ``In(1)``
        Activations of the outputs differ between the ends.
    swap : ``In(1)``
        The first end of the contrast is its minus end.
    count, decided, read_en, read_index, entry, first, last
        Of :class:`NeuronLists`.
    restart, jump, line : ``Out(1)``; column : ``Out``; ready : ``In(1)``
        The read side of :class:`popflip.rtl.layers.sample_buffer.SampleBuffer`.
    held : ``In(1)``
        Engine 0 still reads the present window.
    job0, job1 : ``Out(stream)`` of :class:`popflip.rtl.layers.update.JobLayout`
        Rows of both weight layers.
    changed : ``Out(1)``
        A neuron that differs between the ends was passed on (a pulse each).
    idle : ``Out(1)``
        No walk is under way.
    """

    def __init__(self, params: Params):
        self._params = params
        shapes = [params.synapses(layer) for layer in range(2)]
        self._shape = shape = shapes[0]
        self._banks = banks = shape.banks
        self._capacity = capacity = shape.rows // shape.block * shape.groups
        super().__init__({
            "start": In(1),
            "upper_differs": In(1),
            "swap": In(1),
            "count": In(data.ArrayLayout(range(capacity + 1), banks)),
            "decided": In(data.ArrayLayout(range(capacity + 1), banks)),
            "read_en": Out(banks),
            "read_index": Out(data.ArrayLayout(range(capacity), banks)),
            "entry": In(data.ArrayLayout(EntryLayout(params), banks)),
            "first": In(banks),
            "last": In(banks),
            "restart": Out(1),
            "jump": Out(1),
            "line": Out(1),
            "column": Out(range(params.grid[1])),
            "ready": In(1),
            "held": In(1),
            "job0": Out(stream.Signature(JobLayout(shapes[0]))),
            "job1": Out(stream.Signature(JobLayout(shapes[1]))),
            "changed": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, banks, shape = self._params, self._banks, self._shape
        entry_layout = EntryLayout(p)
        head_layout = data.StructLayout({
            **{name: entry_layout[name].shape for name in ("line", "column", "number")},
            "first": 1, "last": 1,
        })  # fmt: skip
        # The neuron that leaves.
        leaving = Signal(data.StructLayout({
            **{name: field.shape for name, field in head_layout},
            "bank": range(banks),
        }))  # fmt: skip
        leaving_valid, left0, left1 = Signal(), Signal(), Signal()
        gone = Signal()

        of_decided, of_undecided, line = Signal(), Signal(), Signal(entry_layout["line"].shape)
        begin_undecided = Signal()
        wanted, empty, later = Signal(banks), Signal(banks), Signal(banks)
        picked = Signal(banks)
        loaded = Signal(banks)
        for bank in range(banks):
            at = Signal(range(self._capacity), name=f"at{bank}")
            missing = Signal.like(self.count[bank], name=f"missing{bank}")
            held, there, needed = (Signal(name=f"{n}{bank}") for n in ("held", "there", "needed"))
            head = Signal(head_layout, name=f"head{bank}")
            entry, first, last = self.entry[bank], self.first[bank], self.last[bank]
            ours = of_decided | (head.line == line)
            drop = there & (~needed | picked[bank])
            move = held & (~there | drop)
            fetch = (missing != 0) & (~held | move)
            m.d.comb += [
                self.read_en[bank].eq(fetch),
                self.read_index[bank].eq(at),
                wanted[bank].eq(there & needed & ours),
                later[bank].eq(there & needed & ~ours),
                empty[bank].eq(~there & ~held & (missing == 0)),
                loaded[bank].eq(there | empty[bank]),
            ]
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
                    *(head[name].eq(entry[name]) for name in ("line", "column", "number")),
                    head.first.eq(of_decided | first),
                    head.last.eq(of_decided | last),
                ]
            with m.Elif(drop):
                m.d.sync += there.eq(0)
            with m.If(self.start):
                m.d.sync += [at.eq(self._capacity - 1)]
                m.d.sync += missing.eq(Mux(self.upper_differs, self.decided[bank], 0))
            with m.Elif(begin_undecided):
                m.d.sync += [at.eq(0), missing.eq(self.count[bank])]

            with m.If(picked[bank]):
                m.d.sync += [leaving[name].eq(head[name]) for name, _ in head_layout]
                m.d.sync += leaving.bank.eq(bank)

        # The lowest bank's neuron leaves, once the one before it has.
        m.d.comb += picked.eq(Mux(~leaving_valid | gone, wanted & ~(wanted - 1)[:banks], 0))
        with m.If(picked.any()):
            m.d.sync += leaving_valid.eq(1)
        with m.Elif(gone):
            m.d.sync += leaving_valid.eq(0)

        # Both engines take it, each in its time; engine 0 only if it differs.
        differs = leaving.first != leaving.last
        position = times(leaving.line, p.grid[1]) + leaving.column
        taken0, taken1 = self.job0.valid & self.job0.ready, self.job1.valid & self.job1.ready
        m.d.comb += [
            self.job0.valid.eq(leaving_valid & differs & ~left0 & self.ready),
            self.job1.valid.eq(leaving_valid & ~left1),
            gone.eq(leaving_valid & (left0 | taken0 | ~differs) & (left1 | taken1)),
            self.jump.eq(taken0),
            self.column.eq(leaving.column),
            self.changed.eq(taken0),
        ]
        m.d.sync += [
            left0.eq((left0 | taken0) & ~gone),
            left1.eq((left1 | taken1) & ~gone),
        ]
        for job in (self.job0, self.job1):
            m.d.comb += [
                job.payload.row.eq(
                    times(position, shape.block) + times(leaving.number, shape.banks) + leaving.bank
                ),
                job.payload.slot.eq(times(position, shape.groups) + leaving.number),
                job.payload.bank.eq(leaving.bank),
                job.payload.plus.eq(Mux(self.swap, leaving.last, leaving.first)),
                job.payload.minus.eq(Mux(self.swap, leaving.first, leaving.last)),
            ]

        # From list to list and from row of windows to row of windows.
        m.d.comb += [
            self.restart.eq(self.start),
            begin_undecided.eq(of_decided & empty.all()),
            self.idle.eq(~of_decided & ~of_undecided),
            # Nobody at the heads is of this row of windows.
            self.line.eq(
                of_undecided & loaded.all() & later.any() & ~wanted.any()
                & (later | empty).all() & ~(leaving_valid & differs) & self.ready & ~self.held
            ),
        ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += [of_decided.eq(1), line.eq(0)]
        with m.Elif(begin_undecided):
            m.d.sync += [of_decided.eq(0), of_undecided.eq(1)]
        with m.Elif(of_undecided & empty.all() & ~leaving_valid):
            m.d.sync += of_undecided.eq(0)
        with m.If(self.line):
            m.d.sync += line.eq(line + 1)
        return m


def _wide(value, bits):
    """Cut or extend a value that is not negative to so many bits."""
    return Cat(value, Const(0, bits))[:bits]
