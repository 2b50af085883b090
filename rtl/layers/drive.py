"""The input product: what each neuron of layer 1 receives from the clamped input."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.ports import WindowSignature
from popflip.rtl.layers.synapses import ReadSignature
from popflip.rtl.primitives.arithmetic import times
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = ["DriveEngine", "GroupLayout", "ItemLayout", "MarginSignature"]


class ItemLayout(data.StructLayout):
    """A neuron of layer 1 that may matter to this sample.

    ``row``, ``row_group`` and ``bank`` say where its synapses are, ``margin`` is its potential from
    the input alone minus its threshold. ``undecided`` neurons may yet be moved by feedback;
    ``active`` ones are active without it.
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        super().__init__({
            "row": range(max(2, shape.rows)),  # yosys cannot write a memory without bits
            "row_group": range(max(1, shape.slots)),
            "bank": range(shape.banks),
            "margin": signed(ceil_log2(params.margin_bound + 1) + 1),
            "undecided": 1,
            "active": 1,
        })


class GroupLayout(data.StructLayout):
    """Neurons of layer 1 that are driven side by side, one in each bank.

    ``line`` and ``column`` of their window, and ``number`` among the groups of it; ``margins``,
    ``undecided`` and ``active`` of each, the latter two 0 where the last group of a window has no
    neuron.
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        super().__init__({
            "line": range(params.grid[0]),
            "column": range(params.grid[1]),
            "number": range(shape.groups),
            "margins": data.ArrayLayout(ItemLayout(params)["margin"].shape, shape.banks),
            "undecided": shape.banks,
            "active": shape.banks,
        })


class MarginSignature(wiring.Signature):
    """The drive of layer 1, a row group at a time, from the side of the drive engine.

    Members
    -------
    en : ``Out(1)``, index : ``Out``
        A row group.
    margins : ``Out``, an array of ``banks``
        What each of its neurons receives from the input.
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        super().__init__({
            "en": Out(1),
            "index": Out(range(max(2, shape.slots))),
            "margins": Out(data.ArrayLayout(ItemLayout(params)["margin"].shape, shape.banks)),
        })


class DriveEngine(wiring.Component):
    """Scan the sample once, evaluate every neuron of layer 1, and emit those that matter.

    ``neuron_lanes`` rows are counted side by side, ``row_lanes`` bits a cycle. Of each group of
    rows the neurons that are undecided or active (with the ``sign`` code: all) leave one per
    cycle; meanwhile the next group's words are read, and wait if they are faster. With
    ``machine.overlap``, and with ``leaky`` dynamics, the whole group leaves at once, and nothing
    waits.

    Latency: the first item leaves ``latency`` cycles after the last word of its group was
    addressed. Throughput: a group costs the greater of its words and its items;
    :mod:`popflip.golden.cycles` has the exact count.

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``
        A pulse begins the sample that the buffer holds.
    attempt : ``In(range(len(params.active_bounds)))``
        Count those neurons as undecided that feedback of ``params.active_bounds[attempt]`` neurons
        could move. Holds still from ``start`` to ``idle``.
    en : ``Out(1)``
        Nothing waits: the sample buffer moves on too.
    windows : ``Out(WindowSignature)``
    weights : ``Out(ReadSignature)``
        Of weight layer 0, all banks.
    item : ``Out(ItemLayout)``, item_valid : ``Out(1)``
        The items, in order of their rows.
    coming : ``Out(1)``, row_group : ``Out``
        With ``machine.overlap``: this group of rows leaves in the next cycle.
    group : ``Out(GroupLayout)``, group_valid : ``Out(1)``
        With ``machine.overlap``, instead of items.
    drive : ``Out(MarginSignature)``
        With ``leaky`` dynamics, instead of items: what all neurons receive, without a threshold.
    idle : ``Out(1)``
        Nothing is in flight.
    """

    def __init__(self, params: Params):
        self._params = params
        self._shape = shape = params.synapses(0)
        self._trees = [PopcountTree(shape.word_bits) for _ in range(shape.banks)]
        self._tree_latency = self._trees[0].latency
        members = {
            "start": In(1),
            "attempt": In(range(len(params.active_bounds))),
            "en": Out(1),
            "windows": Out(WindowSignature(params)),
            "weights": Out(ReadSignature(shape.weight_depth, shape.word_bits, shape.banks)),
            "idle": Out(1, init=1),
        }
        if params.machine.overlap:
            members |= {
                "coming": Out(1),
                "row_group": Out(range(shape.slots)),
                "group": Out(GroupLayout(params)),
                "group_valid": Out(1),
            }
        elif params.dynamics.leaky:
            members["drive"] = Out(MarginSignature(params))
        else:
            members |= {"item": Out(ItemLayout(params)), "item_valid": Out(1)}
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from the last word's address to the group's first item."""
        return self._tree_latency + 5

    def elaborate(self, platform):
        m = Module()
        p, shape = self._params, self._shape
        en = Signal()
        m.d.comb += self.en.eq(en)
        issuing, issue, chunk = self._address(m, en)

        # Marks travel with the words: word valid, first and last chunk of a row.
        depth = self._tree_latency + 4
        valid = Signal(depth)
        with m.If(en):
            m.d.sync += valid.eq(Cat(issue, valid))
        if shape.chunks == 1:
            first = last = Const(-1, depth)
        else:
            first, last = Signal(depth), Signal(depth)
            last_chunk = chunk == shape.chunks - 1
            with m.If(en):
                m.d.sync += [first.eq(Cat(chunk == 0, first)), last.eq(Cat(last_chunk, last))]

        # Rows longer than a word accumulate; then gain and threshold.
        counts, mask = self._count(m, en, valid, last)
        dot_shape = signed(ceil_log2(shape.row_bits + 1) + 1)
        margin_shape = ItemLayout(p)["margin"].shape
        margins = [Signal(margin_shape, name=f"margin{i}") for i in range(shape.banks)]
        threshold = 0 if p.dynamics.leaky else p.dynamics.hidden_threshold
        for bank, count in enumerate(counts):
            dot = Signal(dot_shape, name=f"dot{bank}")
            with m.If(en):
                m.d.sync += [
                    dot.eq(Mux(first[depth - 3], 0, dot) + (count << 1) - mask),
                    margins[bank].eq(times(dot, p.dynamics.gains[0]) - threshold),
                ]

        group_valid = valid[-1] & last[-1]
        if p.grouped:
            # From a register: whoever waits for it is far away.
            busy = self.start | issuing | valid[:-1].any() | group_valid
            m.d.comb += en.eq(1)
            m.d.sync += self.idle.eq(~busy)
            emit = self._emit_margins if p.dynamics.leaky else self._emit_groups
            emit(m, group_valid, margins)
        else:
            left = self._emit_items(m, en, group_valid, margins)
            m.d.comb += self.idle.eq(~issuing & ~valid.any() & ~left)
        return m

    def _address(self, m, en):
        """Ask for the words, which lie in the order in which they are used, and their windows.

        Return whether there are more, whether one is asked for, and which chunk of its row it is.
        """
        shape, windows = self._shape, self.windows
        issuing, issue = Signal(), Signal()
        group = Signal(range(shape.groups))
        address = Signal(range(shape.weight_depth))
        chunk = Signal.like(windows.chunk, name="chunk")
        last_chunk = chunk == shape.chunks - 1
        last_group = group == shape.groups - 1
        m.d.comb += [
            issue.eq(issuing & windows.ready & en),
            windows.restart.eq(self.start),
            windows.next.eq(issue & last_chunk & last_group),
            windows.chunk.eq(chunk),
            self.weights.en.eq(issue.replicate(shape.banks)),
            self.weights.address.eq(address),
        ]
        with m.If(issue):
            m.d.sync += [chunk.eq(chunk + 1), address.eq(address + 1)]
            with m.If(last_chunk):
                m.d.sync += [chunk.eq(0), group.eq(group + 1)]
                with m.If(last_group):
                    m.d.sync += group.eq(0)
            with m.If(address == shape.weight_depth - 1):
                m.d.sync += issuing.eq(0)
        with m.If(self.start):
            m.d.sync += [issuing.eq(1), chunk.eq(0), group.eq(0), address.eq(0)]
        return issuing, issue, chunk

    def _count(self, m, en, valid, last):
        """Count the products of each bank, and how many products there are.

        Heaviside masks them by the input, sign by the lanes of the word that hold a weight.
        """
        p, shape, x = self._params, self._shape, self.windows.x
        heaviside = p.dynamics.code == "heaviside"
        tail = shape.row_bits - (shape.chunks - 1) * shape.word_bits
        lanes = Mux(last[0], Const((1 << tail) - 1, shape.word_bits), ~0)
        counts = []
        for bank, tree in enumerate(self._trees):
            m.submodules[f"count{bank}"] = tree
            bits = self.weights.data.word_select(bank, shape.word_bits)
            product = Signal(shape.word_bits, name=f"product{bank}")
            with m.If(en & valid[0]):
                m.d.sync += product.eq(bits & x if heaviside else ~(bits ^ x) & lanes)
            m.d.comb += [tree.en.eq(en & valid.any()), tree.i.eq(product)]
            counts.append(tree.o)
        if not heaviside:
            at = len(valid) - 3
            return counts, Mux(last[at], Const(tail), Const(shape.word_bits))
        if p.machine.serial_windows:
            mask, delay = self.windows.ones, self._tree_latency + 1
        else:
            m.submodules.count_mask = tree = PopcountTree(shape.word_bits)
            m.d.comb += [tree.en.eq(en & valid.any()), tree.i.eq(x)]
            mask, delay = tree.o, 1
        for cycle in range(delay):
            earlier, mask = mask, Signal(range(shape.word_bits + 1), name=f"mask{cycle}")
            with m.If(en):
                m.d.sync += mask.eq(earlier)
        return counts, mask

    def _judge(self, m, margin, i):
        """Whether feedback could move the neuron of bank ``i``, and whether it is active."""
        bounds = self._params.active_bounds
        reach = Array(Const(self._params.feedback_gain(1) * n) for n in bounds)[self.attempt]
        near, on = Signal(name=f"near{i}"), Signal(name=f"on{i}")
        # One comparison for both sides: ``~margin < reach`` is ``margin >= -reach``.
        distance = Mux(on, margin, ~margin)[: len(margin) - 1]
        m.d.comb += [near.eq(distance < reach), on.eq(margin >= 0)]
        return near, on

    def _emit_groups(self, m, valid, margins):
        """Let the group in hand leave in the next cycle."""
        shape, columns = self._shape, self._params.grid[1]
        line, column, number = (
            Signal.like(self.group[name], name=name) for name in ("line", "column", "number")
        )
        m.d.comb += self.coming.eq(valid)
        m.d.sync += self.group_valid.eq(valid)
        last_of_block = number == shape.groups - 1
        tail_rows = shape.last_group
        with m.If(valid):
            m.d.sync += [
                self.row_group.eq(self.row_group + 1),
                number.eq(number + 1),
                self.group.line.eq(line),
                self.group.column.eq(column),
                self.group.number.eq(number),
            ]
            with m.If(last_of_block):
                m.d.sync += [number.eq(0), column.eq(column + 1)]
                with m.If(column == columns - 1):
                    m.d.sync += [column.eq(0), line.eq(line + 1)]
            for i, margin in enumerate(margins):
                near, on = self._judge(m, margin, i)
                there = 1 if i < tail_rows else ~last_of_block
                m.d.sync += [
                    self.group.margins[i].eq(margin),
                    self.group.undecided[i].eq(near & there),
                    self.group.active[i].eq(on & there),
                ]
        with m.If(self.start):
            m.d.sync += [self.row_group.eq(0), number.eq(0), column.eq(0), line.eq(0)]

    def _emit_margins(self, m, valid, margins):
        """Let the margins of the group in hand leave."""
        drive = self.drive
        m.d.comb += [drive.en.eq(valid), drive.margins.eq(Cat(margins))]
        with m.If(valid):
            m.d.sync += drive.index.eq(drive.index + 1)
        with m.If(self.start):
            m.d.sync += drive.index.eq(0)

    def _emit_items(self, m, en, group_valid, margins):
        """Let the group in hand leave item by item; return whether any is left.

        The pipeline behind it stalls meanwhile.
        """
        p, shape = self._params, self._shape
        heaviside = p.dynamics.code == "heaviside"
        margin_shape = ItemLayout(p)["margin"].shape
        pending, undecided, active = (
            Signal(shape.banks, name=n) for n in ("pending", "undecided", "active")
        )
        held = [Signal(margin_shape, name=f"held{i}") for i in range(shape.banks)]
        following = Signal(shape.banks)  # what is pending in the next cycle
        # At most one is pending. A register: it holds up everything, as far as the block RAMs.
        free = Signal(init=1)
        m.d.sync += [
            pending.eq(following),
            free.eq((following & (following - 1)[: shape.banks]) == 0),
        ]
        m.d.comb += [
            en.eq(~group_valid | free),
            following.eq(Mux(free, 0, pending & (pending - 1)[: shape.banks])),
        ]

        # ``row`` and ``row_group`` are those of the group in hand, ``coming`` the place of the next
        # one among those of its window.
        in_hand = Signal()
        row = Signal(range(shape.rows))
        row_group = row if shape.banks == 1 else Signal(ItemLayout(p)["row_group"].shape)
        coming = Signal(range(shape.groups))
        tail_rows = shape.last_group
        last_of_block = coming == shape.groups - 1
        with m.If(free):
            m.d.sync += in_hand.eq(group_valid)
            with m.If(in_hand):
                m.d.sync += row.eq(row + Mux(coming == 0, tail_rows, shape.banks))
                if shape.banks > 1:
                    m.d.sync += row_group.eq(row_group + 1)
            with m.If(group_valid):
                m.d.sync += coming.eq(Mux(last_of_block, 0, coming + 1))
                for i, margin in enumerate(margins):
                    near, on = self._judge(m, margin, i)
                    there = 1 if i < tail_rows else ~last_of_block
                    m.d.comb += following[i].eq((near | on if heaviside else 1) & there)
                    m.d.sync += [held[i].eq(margin), undecided[i].eq(near), active[i].eq(on)]
        with m.If(self.start):
            m.d.sync += [row.eq(0), row_group.eq(0), coming.eq(0)]

        m.d.comb += self.item_valid.eq(pending.any())
        for i in reversed(range(shape.banks)):
            with m.If(pending[i]):
                m.d.comb += [
                    self.item.row.eq(row + i),
                    self.item.row_group.eq(row_group),
                    self.item.bank.eq(i),
                    self.item.margin.eq(held[i]),
                    self.item.undecided.eq(undecided[i]),
                    self.item.active.eq(active[i]),
                ]
        return pending.any()
