"""The input product: what each neuron of layer 1 receives from the clamped input."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.pool import GreatestWindow, dot_shape
from popflip.rtl.layers.ports import OffsetLayout, WindowSignature
from popflip.rtl.layers.synapses import ReadSignature
from popflip.rtl.primitives.arithmetic import times
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = ["DriveEngine", "GroupLayout", "ItemLayout", "MarginSignature"]


class ItemLayout(data.StructLayout):
    """A neuron of layer 1 that may matter to this sample.

    ``row``, its number, and ``row_group`` and ``bank`` say where its synapses are (with shared
    weights the latter two say where those of layer 0 are), ``margin`` is its potential from the
    input alone minus its threshold. ``undecided`` neurons may yet be moved by feedback; ``active``
    ones are active without it. Of a pooled neuron ``offset`` says which window it sees.
    """

    def __init__(self, params: Params):
        shape = params.synapses(0)
        super().__init__({
            "row": range(max(2, params.sizes[1])),  # yosys cannot write a memory without bits
            "row_group": range(max(1, shape.slots)),
            "bank": range(shape.banks),
            "margin": signed(ceil_log2(params.margin_bound + 1) + 1),
            "undecided": 1,
            "active": 1,
            **({"offset": OffsetLayout(params)} if params.first_layer.pooled else {}),
        })


class GroupLayout(data.StructLayout):
    """Neurons of layer 1 that are driven side by side, one in each bank.

    ``line`` and ``column`` of their window, and ``number`` among the groups of it; ``margins``,
    ``undecided`` and ``active`` of each, the latter two 0 where the last group of a window has no
    neuron; with pooling ``offsets`` of their windows.
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
            **(
                {"offsets": data.ArrayLayout(OffsetLayout(params), shape.banks)}
                if params.first_layer.pooled
                else {}
            ),
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
            "index": Out(range(max(2, params.neuron_groups))),
            "margins": Out(data.ArrayLayout(ItemLayout(params)["margin"].shape, shape.banks)),
        })


class DriveEngine(wiring.Component):
    """Scan the sample once, evaluate every neuron of layer 1, and emit those that matter.

    ``neuron_lanes`` rows are counted side by side, ``row_lanes`` bits a cycle. With pooling all
    rows of a position look at ``pool_lanes`` of its windows, then at the next ones; with
    ``machine.mask_words`` a word of ones looks first, and so counts their pixels. Of each group
    of rows the neurons that are undecided or active (with the ``sign`` code: all) leave one per
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
        self._trees = [
            [PopcountTree(shape.word_bits) for _ in range(params.machine.pool_lanes)]
            for _ in range(shape.banks)
        ]
        self._tree_latency = self._trees[0][0].latency
        pooled = params.first_layer.pooled
        self._pools = [GreatestWindow(params) for _ in range(shape.banks if pooled else 0)]
        self._pool_latency = self._pools[0].latency if pooled else 0
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
                "row_group": Out(range(params.neuron_groups)),
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
        return self._tree_latency + 5 + self._pool_latency

    def elaborate(self, platform):
        m = Module()
        p, shape = self._params, self._shape
        en = Signal()
        m.d.comb += self.en.eq(en)
        issuing, issue, chunk, ones = self._address(m, en)

        # Marks travel with the words: word valid, first and last chunk of a row, word of ones.
        dotted = self._tree_latency + 2  # Whose dot product is there.
        depth = dotted + 2 + self._pool_latency
        valid = Signal(depth)
        with m.If(en):
            m.d.sync += valid.eq(Cat(issue, valid))
        if p.machine.mask_words:
            masking = Signal(depth)
            with m.If(en):
                m.d.sync += masking.eq(Cat(issue & ones, masking))
        if shape.chunks == 1:
            first = last = Const(-1, depth)
        else:
            first, last = Signal(depth), Signal(depth)
            last_chunk = chunk == shape.chunks - 1
            with m.If(en):
                m.d.sync += [first.eq(Cat(chunk == 0, first)), last.eq(Cat(last_chunk, last))]

        # Rows longer than a word accumulate; then gain and threshold.
        counts, masks = self._count(
            m, en, valid[: dotted + 2], last, masking[0] if p.machine.mask_words else None
        )
        margin_shape = ItemLayout(p)["margin"].shape
        margins = [Signal(margin_shape, name=f"margin{i}") for i in range(shape.banks)]
        threshold = 0 if p.dynamics.leaky else p.dynamics.hidden_threshold
        dots = [
            [Signal(dot_shape(p), name=f"dot{self._label(bank, i)}") for i in range(len(counts[0]))]
            for bank in range(shape.banks)
        ]
        greatest = [lanes[0] for lanes in dots]
        offsets, over = [], Const(1)
        dotted_valid, group_valid = valid[dotted] & last[dotted], valid[-1] & last[-1]
        if p.machine.mask_words:
            masks = self._keep_masks(m, en & masking[dotted - 1], first[dotted - 1], counts[0])
            dotted_valid, group_valid = dotted_valid & ~masking[dotted], group_valid & ~masking[-1]
        if p.first_layer.pooled:
            greatest, offsets, over = self._pool(m, en, dots, dotted_valid, depth)
        for bank, lanes in enumerate(dots):
            with m.If(en):
                for dot, count, mask in zip(lanes, counts[bank], masks, strict=True):
                    if p.machine.mask_words:
                        total = Mux(first[dotted - 1], -mask, dot) + (count << 1)
                    else:
                        total = Mux(first[dotted - 1], 0, dot) + (count << 1) - mask
                    m.d.sync += dot.eq(total)
                m.d.sync += margins[bank].eq(times(greatest[bank], p.dynamics.gains[0]) - threshold)

        if p.first_layer.pooled:
            group_valid = group_valid & over
        if p.grouped:
            # From a register: whoever waits for it is far away.
            busy = self.start | issuing | valid[:-1].any() | group_valid
            m.d.comb += en.eq(1)
            m.d.sync += self.idle.eq(~busy)
            if p.dynamics.leaky:
                self._emit_margins(m, group_valid, margins)
            else:
                self._emit_groups(m, group_valid, margins, offsets)
        else:
            left = self._emit_items(m, en, group_valid, margins, offsets)
            m.d.comb += self.idle.eq(~issuing & ~valid.any() & ~left)
        return m

    def _address(self, m, en):
        """Ask for the words, which lie in the order in which they are used, and their windows.

        Return whether there are more, whether one is asked for, which chunk of its row it is, and
        whether it is one of ones instead.
        """
        shape, windows = self._shape, self.windows
        issuing, issue = Signal(), Signal()
        group = Signal(range(shape.groups))
        address = Signal(range(shape.weight_depth))
        chunk = Signal.like(windows.chunk, name="chunk")
        last_chunk = chunk == shape.chunks - 1
        last_group = group == shape.groups - 1
        pooled = self._params.first_layer.pooled
        over = address == shape.weight_depth - 1
        if pooled:
            over = over & windows.last
        shared, position = self._params.first_layer.shared, None
        if shared:
            # All positions use the same rows.
            position = Signal(range(self._params.positions))
            with m.If(windows.next & (windows.last if pooled else 1)):
                m.d.sync += position.eq(position + 1)
            with m.If(self.start):
                m.d.sync += position.eq(0)
            over = over & (position == self._params.positions - 1)
        ones, rows = None, issue
        if self._params.machine.mask_words:
            ones, rows = Signal(name="ones"), Signal(name="rows")
            m.d.comb += rows.eq(issue & ~ones)
            with m.If(issue & ones):
                m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))
                with m.If(last_chunk):
                    m.d.sync += ones.eq(0)
            with m.If(self.start | windows.next):
                m.d.sync += ones.eq(1)
        m.d.comb += [
            issue.eq(issuing & windows.ready & en),
            windows.restart.eq(self.start),
            windows.next.eq(rows & last_chunk & last_group),
            windows.chunk.eq(chunk),
            self.weights.en.eq(issue.replicate(shape.banks)),
            self.weights.address.eq(address),
        ]
        with m.If(rows):
            m.d.sync += [chunk.eq(chunk + 1), address.eq(address + 1)]
            with m.If(last_chunk):
                m.d.sync += [chunk.eq(0), group.eq(group + 1)]
                with m.If(last_group):
                    m.d.sync += group.eq(0)
                    if shared:
                        m.d.sync += address.eq(0)
                    elif pooled:
                        # Back to the first row of the position, for the next look.
                        begin = Signal.like(address, name="begin")
                        with m.If(windows.last):
                            m.d.sync += begin.eq(address + 1)
                        with m.Else():
                            m.d.sync += address.eq(begin)
            with m.If(over):
                m.d.sync += issuing.eq(0)
        with m.If(self.start):
            m.d.sync += [issuing.eq(1), chunk.eq(0), group.eq(0), address.eq(0)]
            if pooled and not shared:
                m.d.sync += begin.eq(0)
        return issuing, issue, chunk, ones

    def _label(self, bank, lane):
        """Name what there is one of for each bank, and with pooling for each lane."""
        return f"{bank}_{lane}" if self._params.machine.pool_lanes > 1 else f"{bank}"

    def _pool(self, m, en, dots, valid, depth):
        """Find each bank's greatest dot product.

        Return these, the offsets of their windows, which go with the margins, and whether a margin
        is that of its position's last look.
        """
        windows, at = self.windows, self._tree_latency + 2

        def late(signal, name, cycles):
            """What it was so many enabled cycles ago."""
            for cycle in range(cycles):
                earlier, signal = signal, Signal.like(signal, name=f"{name}{cycle}")
                with m.If(en):
                    m.d.sync += signal.eq(earlier)
            return signal

        first = late(windows.first, "look_first", at + 1)
        offset = late(windows.offset, "look_offset", at + 1)
        over = late(windows.last, "look_last", depth)
        there = Const(1, 1)
        if not self._params.machine.serial_windows:
            there = late(windows.there, "look_there", at)
        greatest, offsets = [], []
        for bank, (pool, lanes) in enumerate(zip(self._pools, dots, strict=True)):
            m.submodules[f"pool{bank}"] = pool
            m.d.comb += [
                pool.en.eq(en),
                pool.valid.eq(valid),
                pool.first.eq(first),
                pool.dots.eq(Cat(lanes)),
                pool.there.eq(there),
                pool.offset.eq(offset),
            ]
            greatest.append(pool.greatest)
            offsets.append(late(pool.winner, f"offset{bank}_", 1))
        return greatest, offsets, over

    def _keep_masks(self, m, en, first, counts):
        """Keep how many pixels of each window are lit, as words of ones count them."""
        masks = []
        for lane, count in enumerate(counts):
            mask = Signal(range(self._shape.row_bits + 1), name=f"mask{lane}")
            with m.If(en):
                m.d.sync += mask.eq(Mux(first, 0, mask) + count)
            masks.append(mask)
        return masks

    def _count(self, m, en, valid, last, ones):
        """Count the products of each bank, and how many products there are.

        Heaviside masks them by the input, sign by the lanes of the word that hold a weight. With
        pooling there is one of both for each window. With mask words the first bank counts the
        latter, where ``ones`` says so.
        """
        p, shape = self._params, self._shape
        windows = [self.windows.x]
        if p.machine.pool_lanes > 1:
            windows = [
                self.windows.x.word_select(lane, shape.word_bits)
                for lane in range(p.machine.pool_lanes)
            ]
        heaviside = p.dynamics.code == "heaviside"
        tail = shape.row_bits - (shape.chunks - 1) * shape.word_bits
        lanes = Mux(last[0], Const((1 << tail) - 1, shape.word_bits), ~0)
        counts: list[list] = [[] for _ in self._trees]
        for bank, trees in enumerate(self._trees):
            bits = self.weights.data.word_select(bank, shape.word_bits)
            if bank == 0 and ones is not None:
                bits = bits | ones.replicate(shape.word_bits)
            for lane, (tree, x) in enumerate(zip(trees, windows, strict=True)):
                m.submodules[f"count{self._label(bank, lane)}"] = tree
                product = Signal(shape.word_bits, name=f"product{self._label(bank, lane)}")
                with m.If(en & valid[0]):
                    m.d.sync += product.eq(bits & x if heaviside else ~(bits ^ x) & lanes)
                m.d.comb += [tree.en.eq(en & valid.any()), tree.i.eq(product)]
                counts[bank].append(tree.o)
        if not heaviside:
            at = len(valid) - 3
            mask = Mux(last[at], Const(tail), Const(shape.word_bits))
            return counts, [mask for _ in windows]
        masks: list = []
        if p.machine.mask_words:
            return counts, masks
        for lane, x in enumerate(windows):
            number = f"{lane}" if len(windows) > 1 else ""
            if p.machine.serial_windows:
                mask, delay = self.windows.ones, self._tree_latency + 1
            else:
                m.submodules[f"count_mask{number}"] = tree = PopcountTree(shape.word_bits)
                m.d.comb += [tree.en.eq(en & valid.any()), tree.i.eq(x)]
                mask, delay = tree.o, 1
            for cycle in range(delay):
                earlier = mask
                mask = Signal(
                    range(shape.word_bits + 1), name=f"mask{cycle}{number and '_' + number}"
                )
                with m.If(en):
                    m.d.sync += mask.eq(earlier)
            masks.append(mask)
        return counts, masks

    def _judge(self, m, margin, i):
        """Whether feedback could move the neuron of bank ``i``, and whether it is active."""
        bounds = self._params.active_bounds
        reach = Array(Const(self._params.feedback_gain(1) * n) for n in bounds)[self.attempt]
        near, on = Signal(name=f"near{i}"), Signal(name=f"on{i}")
        # One comparison for both sides: ``~margin < reach`` is ``margin >= -reach``.
        distance = Mux(on, margin, ~margin)[: len(margin) - 1]
        m.d.comb += [near.eq(distance < reach), on.eq(margin >= 0)]
        return near, on

    def _emit_groups(self, m, valid, margins, offsets):
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
            m.d.sync += [self.group.offsets[i].eq(offset) for i, offset in enumerate(offsets)]
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

    def _emit_items(self, m, en, group_valid, margins, offsets):
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
        held_offsets = [
            Signal(OffsetLayout(p), name=f"held_offset{i}") for i in range(len(offsets))
        ]
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
        row = Signal(range(p.sizes[1]))
        shared = p.first_layer.shared
        row_group = (
            row if shape.banks == 1 and not shared else Signal(ItemLayout(p)["row_group"].shape)
        )
        coming = Signal(range(shape.groups))
        tail_rows = shape.last_group
        last_of_block = coming == shape.groups - 1
        with m.If(free):
            m.d.sync += in_hand.eq(group_valid)
            with m.If(in_hand):
                m.d.sync += row.eq(row + Mux(coming == 0, tail_rows, shape.banks))
                if shape.banks > 1 and not shared:
                    m.d.sync += row_group.eq(row_group + 1)
            with m.If(group_valid):
                m.d.sync += coming.eq(Mux(last_of_block, 0, coming + 1))
                if shared:
                    m.d.sync += row_group.eq(coming)
                for i, margin in enumerate(margins):
                    near, on = self._judge(m, margin, i)
                    there = 1 if i < tail_rows else ~last_of_block
                    m.d.comb += following[i].eq((near | on if heaviside else 1) & there)
                    m.d.sync += [held[i].eq(margin), undecided[i].eq(near), active[i].eq(on)]
                for mine, offset in zip(held_offsets, offsets, strict=True):
                    m.d.sync += mine.eq(offset)
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
                if offsets:
                    m.d.comb += self.item.offset.eq(held_offsets[i])
        return pending.any()
