"""The engine between a leaky hidden layer and the layer above it: one pass is one step."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import PlaceLayout, dots_layout
from popflip.rtl.layers.ports import (
    ActivationSignature,
    JobLayout,
    Nudge,
    PhaseSignature,
    VisitSignature,
)
from popflip.rtl.layers.synapses import ReadSignature, hint
from popflip.rtl.leaky.leak import Leak, feedback_shape
from popflip.rtl.leaky.neurons import LeakySignature, group_bits, keeps_free
from popflip.rtl.primitives.popcount import PopcountTree
from popflip.rtl.primitives.queue import Queue

__all__ = ["LeakyEngine"]


class LeakyEngine(wiring.Component):
    """Step the neurons of hidden layer ``l``, and sum what layer ``l + 1`` receives from them.

    A *pass* goes over all neurons once, a group of ``banks`` of them per word. A neuron's word of
    weight layer ``l`` is counted against the activations above, which is its feedback; and it is
    added to the dot products of layer ``l + 1``, or taken away, as the neuron's activation *before*
    the pass says. With its drive, or its dot product with the layer below, and its feedback the
    neuron's potential moves, and with it the activation.

    The layers' passes follow each other from the first to the last, and then the outputs move. So
    each sees what the layer above was before the step, and in the dot products what the layer below
    was before it: the step is synchronous.

    The first pass of a sample begins with all neurons at V, one behind ``save`` or ``restore`` with
    the free state.

    After the last phase a *contrast scan* goes over the groups once more and makes the jobs of the
    update engine of weight layer ``l``; the neurons of layer 1 that differ are queued for that of
    weight layer 0.

    Latency: a pass is over (``idle`` is high) ``weight_depth + latency`` cycles after its pulse.
    A scan, if nobody has a contrast, is over ``slots + 2`` cycles after it.

    Parameters
    ----------
    params : Params
    layer : int
        l, 1 to ``depth - 1``.

    Members
    -------
    phase : ``In(PhaseSignature)``
        ``nudge`` and ``first_state`` hold still during a pass.
    visit : ``In(VisitSignature)``
        ``start`` begins a pass; ``toggled`` says that potentials changed. ``kind`` means nothing.
    upper : ``In(ActivationSignature)``
        Of layer ``l + 1``; it holds still during a pass.
    weights : ``Out(ReadSignature)``
        Of weight layer ``l``, all banks.
    neurons : ``Out(LeakySignature)``
    dots : ``Out(dots_layout)``
        Dot products of layer ``l + 1`` with layer ``l``, as it was before the last pass.
    job : ``Out(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
        Rows of weight layer ``l`` to update.
    changed : ``Out(stream)`` of ``{place, up}``
        Neurons that differ, and whether they are active in the plus state.
    """

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        self._shape = shape = params.synapses(layer)
        self._trees = [PopcountTree(shape.word_bits) for _ in range(shape.banks)]
        self._place = PlaceLayout(params, layer)
        super().__init__({
            "phase": In(PhaseSignature()),
            "visit": In(VisitSignature()),
            "upper": In(ActivationSignature(params.sizes[layer + 1])),
            "weights": Out(ReadSignature(shape.weight_depth, shape.word_bits, shape.banks)),
            "neurons": Out(LeakySignature(params, layer)),
            "dots": Out(dots_layout(params, layer + 1)),
            "job": Out(stream.Signature(JobLayout(shape))),
            "changed": Out(stream.Signature(data.StructLayout({"place": self._place, "up": 1}))),
        })

    @property
    def latency(self) -> int:
        """Cycles from the last word of a pass until it is over."""
        return self._trees[0].latency + 5 + Leak.latency

    @property
    def _heaviside(self) -> bool:
        return self._params.dynamics.code == "heaviside"

    def elaborate(self, platform):
        m = Module()
        stages, group = self._request(m)
        source = self._begin(m)
        words, old, above = self._fetch(m, stages, source)
        self._sum(m, stages, words, old)
        feedbacks = self._count(m, stages, words, above)
        self._move(m, stages, source, feedbacks)
        busy = [stage.valid for stage in stages]
        if self._params.machine.training:
            busy += self._scan(m, stages[0].valid, group)
        else:
            m.d.comb += [
                self.neurons.look_en.eq(stages[0].valid), self.neurons.look_index.eq(group),
            ]  # fmt: skip
        m.d.comb += self.visit.idle.eq(~Cat(busy).any())
        return m

    def _there(self, short):
        """Which banks have a neuron in a group that is, or is not, the short one of its block."""
        shape = self._shape
        return Mux(short, (1 << shape.last_group) - 1, (1 << shape.banks) - 1)

    def _request(self, m):
        """Ask for the words of all groups, one in each cycle, and for the activations.

        Return the requests of this cycle and of those before, and which group is asked for.
        """
        shape = self._shape
        layout = data.StructLayout({
            "valid": 1,
            "last": 1,
            "short": 1,
            "chunk": range(shape.chunks),
        })
        request = Signal(layout)
        group = Signal(group_bits(self._params, self._layer))
        number = Signal(range(shape.groups))
        passing = Signal()
        chunk = Signal(range(shape.chunks))
        last_of_block = number == shape.groups - 1
        m.d.comb += [
            request.valid.eq(passing),
            request.last.eq(chunk == shape.chunks - 1),
            request.short.eq(last_of_block),
            request.chunk.eq(chunk),
            self.weights.en.eq(passing.replicate(shape.banks)),
        ]
        with m.If(passing):
            m.d.sync += [
                chunk.eq(Mux(request.last, 0, chunk + 1)),
                self.weights.address.eq(self.weights.address + 1),
            ]
            with m.If(request.last):
                m.d.sync += [group.eq(group + 1), number.eq(Mux(last_of_block, 0, number + 1))]
            with m.If(self.weights.address == shape.weight_depth - 1):
                m.d.sync += [passing.eq(0), group.eq(0), self.weights.address.eq(0)]
        with m.If(self.visit.start):
            m.d.sync += passing.eq(1)
        stages = [request]
        for i in range(1, self.latency):
            stage = Signal(layout, name=f"request_{i}")
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        return stages, group

    def _begin(self, m):
        """Remember what the pass begins with: all neurons at V, the free state, or what there is.

        A first pass comes behind ``clear``, and one that begins with the free state behind ``save``
        or ``restore``.
        """
        phase, start = self.phase, self.visit.start
        fresh = Signal()
        all_active = Signal()
        with m.If(start):
            m.d.sync += [all_active.eq(fresh), fresh.eq(0)]
        with m.If(phase.clear):
            m.d.sync += fresh.eq(1)
        from_free, into_free = Const(0, 1), Const(0, 1)
        if keeps_free(self._params):
            branches, branch = Signal(name="branches"), Signal(name="branch")
            into_free = Signal()
            with m.If(start):
                m.d.sync += [branch.eq(branches), branches.eq(0)]
            with m.If(phase.save | phase.restore):
                m.d.sync += branches.eq(1)
            with m.If(phase.scan):
                m.d.sync += branch.eq(0)
            m.d.comb += into_free.eq(phase.nudge == Nudge.NONE)
            from_free = branch | into_free
        m.d.comb += [self.neurons.from_free.eq(from_free), self.neurons.into_free.eq(into_free)]
        return _Source(all_active, from_free, into_free)

    def _fetch(self, m, stages, source):
        """Keep the words, the activations of their neurons and those above that meet the words."""
        shape, upper = self._shape, self.upper.last
        words = [Signal(shape.word_bits, name=f"word{bank}") for bank in range(shape.banks)]
        old = Signal(shape.banks)
        above = Signal(shape.word_bits)
        with m.If(stages[1].valid):
            m.d.sync += [
                *(
                    word.eq(self.weights.data.word_select(bank, shape.word_bits))
                    for bank, word in enumerate(words)
                ),
                old.eq(Mux(source.fresh, ~0, self.neurons.last) & self._there(stages[1].short)),
            ]
            if shape.chunks > 1:
                m.d.sync += above.eq(upper.word_select(stages[1].chunk, shape.word_bits))
        if shape.chunks == 1:
            m.d.comb += above.eq(upper)
        return words, old, above

    def _sum(self, m, stages, words, old):
        """Add the words to the dot products, or take them away, as the old activations say."""
        shape, n_upper = self._shape, self._params.sizes[self._layer + 1]
        dots = [Signal(self.dots[0].shape(), name=f"dot{j}") for j in range(n_upper)]
        steps = [
            Signal(signed(shape.banks.bit_length() + 1), name=f"step{j}")
            for j in range(shape.word_bits)
        ]
        m.d.comb += [self.dots[j].eq(dot) for j, dot in enumerate(dots)]
        there = self._there(stages[2].short)
        with m.If(stages[2].valid):
            for j, step in enumerate(steps):
                bits = Cat(word[j] for word in words)
                if self._heaviside:
                    m.d.sync += step.eq((sum(bits & old) << 1) - sum(old))
                else:
                    m.d.sync += step.eq((sum(~(bits ^ old) & there) << 1) - sum(there))
        for c in range(shape.chunks):
            with m.If(stages[3].valid & (stages[3].chunk == c)):
                m.d.sync += [
                    dot.eq(dot + step)
                    for dot, step in zip(dots[c * shape.word_bits :], steps, strict=False)
                ]
        with m.If(self.visit.start):
            m.d.sync += [dot.eq(0) for dot in dots]

    def _count(self, m, stages, words, above):
        """Count the agreements of the words with the layer above; return each neuron's feedback."""
        shape, n_upper = self._shape, self._params.sizes[self._layer + 1]
        counted = 2 + self._trees[0].latency
        tail_bits = n_upper - (shape.chunks - 1) * shape.word_bits
        lanes = Mux(stages[2].last, (1 << tail_bits) - 1, (1 << shape.word_bits) - 1)
        moving = Cat(stage.valid for stage in stages[2:counted]).any()
        terms = self.upper.active if self._heaviside else n_upper
        shape_of = feedback_shape(self._params, self._layer)
        feedbacks = []
        for bank, (tree, word) in enumerate(zip(self._trees, words, strict=True)):
            m.submodules[f"count{bank}"] = tree
            m.d.comb += [
                tree.en.eq(moving),
                tree.i.eq(word & above if self._heaviside else ~(word ^ above) & lanes),
            ]
            total = Signal(range(n_upper + 1), name=f"total{bank}")
            feedback = Signal(shape_of, name=f"feedback{bank}")
            with m.If(stages[counted].valid):
                before = (
                    Const(0) if shape.chunks == 1 else Mux(stages[counted].chunk == 0, 0, total)
                )
                m.d.sync += total.eq(before + tree.o)
            m.d.sync += feedback.eq((total << 1) - terms)
            feedbacks.append(feedback)
        return feedbacks

    def _move(self, m, stages, source, feedbacks):
        """Move the potentials, which lie in a memory, and the activations with them."""
        p, shape, port = self._params, self._shape, self.neurons
        bits, v_bits = group_bits(p, self._layer), p.dynamics.potential_bits + 1
        depth = (2 if keeps_free(p) else 1) << bits
        m.submodules.potentials = potentials = Memory(
            shape=data.ArrayLayout(v_bits, shape.banks), depth=depth, init=[], attrs=hint(depth)
        )
        to, of = potentials.write_port(), potentials.read_port()
        looks, done = (stages[at].valid & stages[at].last for at in (-2 - Leak.latency, -1))
        look_index = Signal(bits)
        write_index = Signal(bits)
        for index, moves in ((look_index, looks), (write_index, done)):
            with m.If(self.visit.start):
                m.d.sync += index.eq(0)
            with m.Elif(moves):
                m.d.sync += index.eq(index + 1)
        there, moved, active = self._there(stages[-1].short), Signal(shape.banks), []
        for bank, feedback in enumerate(feedbacks):
            m.submodules[f"leak{bank}"] = leak = Leak(p, self._layer)
            m.d.comb += [
                leak.state.eq(Mux(source.fresh, p.dynamics.v_max, of.data[bank])),
                leak.below.eq(port.below[bank]),
                leak.feedback.eq(feedback),
                to.data[bank].eq(leak.new),
                moved[bank].eq(leak.new != leak.before),
            ]
            active.append(leak.new >= p.dynamics.output_threshold)
        m.d.comb += [
            of.en.eq(looks),
            of.addr.eq(Cat(look_index, ~source.from_free)),
            port.below_en.eq(looks),
            port.below_index.eq(look_index),
            to.en.eq(done),
            to.addr.eq(Cat(write_index, ~source.into_free)),
            port.write_en.eq(done),
            port.write_index.eq(write_index),
            port.write_bits.eq(Cat(active) & there),
            port.write_first.eq(self.phase.first_state),
            self.visit.toggled.eq(done & (moved & there).any()),
        ]

    def _scan(self, m, passing, group):
        """Scan the groups for contrasts; return what says that the scan is under way.

        The neurons of a group that have one leave one at a time, the lowest bank first, and the
        next group is looked at meanwhile.
        """
        shape, port, job, swap = self._shape, self.neurons, self.job, self.phase.swap
        scanning, valid, advance = (Signal(name=n) for n in ("scanning", "scan_valid", "advance"))
        index = Signal(group_bits(self._params, self._layer), name="scan_index")
        m.d.comb += [
            port.look_en.eq(passing | scanning & advance),
            port.look_index.eq(Mux(scanning, index, group)),
        ]
        with m.If(self.phase.scan):
            m.d.sync += [scanning.eq(1), index.eq(0)]
        with m.Elif(scanning & advance):
            m.d.sync += index.eq(index + 1)
            with m.If(index == shape.slots - 1):
                m.d.sync += scanning.eq(0)
        with m.If(advance):
            m.d.sync += valid.eq(scanning)

        # The group in hand: its number, its first row, and its place in its block.
        at = Signal(range(shape.slots))
        row = Signal(range(shape.rows))
        number = Signal(range(shape.groups), name="scan_number")
        last_of_block = number == shape.groups - 1
        differs, needed, gone = (Signal(shape.banks, name=n) for n in ("differs", "needed", "gone"))
        upper_differs = Signal()
        m.d.sync += upper_differs.eq(self.upper.first != self.upper.last)
        active = port.first | port.last if self._heaviside else self._there(last_of_block)
        m.d.comb += [
            differs.eq(port.first ^ port.last),
            needed.eq((differs | active & upper_differs.replicate(shape.banks)) & ~gone),
        ]
        others = needed & (needed - 1)[: shape.banks]
        one = needed & ~others
        m.d.comb += [
            advance.eq(~valid | (others == 0) & (job.ready | (needed == 0))),
            job.valid.eq(valid & needed.any()),
            job.payload.row_group.eq(at),
            job.payload.plus.eq((Mux(swap, port.last, port.first) & one).any()),
            job.payload.minus.eq((Mux(swap, port.first, port.last) & one).any()),
        ]
        m.d.comb += job.payload.row.eq(row)
        for bank in range(1, shape.banks):
            with m.If(one[bank]):
                m.d.comb += [job.payload.row.eq(row + bank), job.payload.bank.eq(bank)]
        with m.If(valid & advance):
            m.d.sync += [
                gone.eq(0),
                at.eq(at + 1),
                number.eq(Mux(last_of_block, 0, number + 1)),
                row.eq(row + Mux(last_of_block, shape.last_group, shape.banks)),
            ]
        with m.Elif(job.valid & job.ready):
            m.d.sync += gone.eq(gone | one)
        with m.If(self.phase.scan):
            m.d.sync += [at.eq(0), number.eq(0), row.eq(0)]
        busy = [scanning, valid]
        if self._layer == 1:
            busy.append(self._queue(m, job, (differs & one).any()))
        return busy

    def _queue(self, m, job, differs):
        """Queue the neurons that differ; return whether there are any."""
        entry = data.StructLayout({"place": self._place, "up": 1})
        m.submodules.queue = queue = Queue(entry, self._params.sizes[self._layer])
        m.d.comb += [
            queue.add.eq(job.valid & job.ready & differs),
            *(queue.entry.place[name].eq(job.payload[name]) for name, _ in self._place),
            queue.entry.up.eq(job.payload.plus),
            queue.take.eq(self.changed.ready),
            self.changed.valid.eq(queue.ready),
            self.changed.payload.eq(queue.data),
        ]
        return ~queue.empty


class _Source(NamedTuple):
    """What a pass begins with: all neurons at V, or the free state; and where it leaves them."""

    fresh: Any
    from_free: Any
    into_free: Any
