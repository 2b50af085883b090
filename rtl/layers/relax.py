"""The engine between a hidden layer and the layer above it: feedback down, counts up."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import NeuronSignature, PlaceLayout, dots_layout
from popflip.rtl.layers.update import JobLayout
from popflip.rtl.primitives.arithmetic import times
from popflip.rtl.primitives.popcount import PopcountTree
from popflip.rtl.primitives.queue import Queue

__all__ = ["RelaxEngine", "Visit"]


class Visit(enum.Enum, shape=1):
    """What a pass over the neurons does to each."""

    SETTLE = 0  # compute its activation
    RESTORE = 1  # give it the activation of the free state


class RelaxEngine(wiring.Component):
    """Visit the neurons of hidden layer ``l`` and keep the dot products of layer ``l + 1``.

    One word of weight layer ``l`` holds a neuron's weights to all of layer ``l + 1`` (cut into
    ``chunks``). A *visit* counts the word against the activations above: the neuron's feedback.
    A neuron that changes is queued, and once no visit is waiting its word is added to or taken
    from the counters of layer ``l + 1``: an *application*. Visits and applications share the one
    read port; each takes ``chunks`` cycles, back to back.

    After the last sweep, if anything differs between the ends, a *walk* goes over the same neurons
    once more and makes the jobs of the update engine of weight layer ``l``; the neurons that differ
    are queued for that of the layer below.

    :mod:`popflip.golden.cycles` has the exact cycle counts.

    Parameters
    ----------
    params : Params
    layer : int
        l, 1 to ``depth - 1``.

    Members
    -------
    clear : ``In(1)``
        Zero the counters.
    visit : ``In(1)``, kind : ``In(Visit)``
        A pulse begins a pass over the ``count`` neurons; ``kind`` holds still until ``idle``.
    first_end : ``In(1)``
        New activations count for the first end of the contrast too.
    push, push_index, push_up : ``In``
        Queue a neuron's first contribution: +1, or with ``push_up`` low -1 times its word.
    upper : ``In(n_(l+1))``, upper_active : ``In``
        Activation bits above, and how many are 1.
    free : ``In(n_l)``
        Activation bits of the free state, for ``RESTORE``; for layers above the first.
    w_en, w_address : ``Out``; w_data : ``In``
        Read port of weight layer ``l``.
    neurons : ``Out(NeuronSignature)``
    dots : ``Out(dots_layout)``
        Dot products of layer ``l + 1`` with layer ``l``.
    toggled : ``Out(1)``
        A visited neuron changed (a pulse each).
    idle : ``Out(1)``
        No visit, application or walk is under way.
    walk : ``In(1)``
        A pulse begins a walk.
    upper_differs : ``In(1)``
        Activations above differ between the ends.
    learning : ``In(1)``
        High from ``walk`` until all updates are done: the queue is ``changed`` instead.
    swap : ``In(1)``
        The first end of the contrast is its minus end.
    job : ``Out(stream)`` of :class:`popflip.rtl.layers.update.JobLayout`
        Rows of weight layer ``l`` to update.
    changed : ``Out(stream)`` of ``{place, up}``
        Neurons that differ, and whether they are active at the plus end.
    """

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        self._shape = params.synapses(layer)
        self._tree = PopcountTree(self._shape.word_bits)
        self._tree_latency = self._tree.latency
        n, n_upper = params.sizes[layer], params.sizes[layer + 1]
        self._place = PlaceLayout(params, layer)
        super().__init__({
            "clear": In(1),
            "visit": In(1),
            "kind": In(Visit),
            "first_end": In(1),
            "push": In(1),
            "push_index": In(range(n)),
            "push_up": In(1),
            "upper": In(n_upper),
            "upper_active": In(range(n_upper + 1)),
            "free": In(n),
            "w_en": Out(1),
            "w_address": Out(range(self._shape.weight_depth)),
            "w_data": In(self._shape.word_bits),
            "neurons": Out(NeuronSignature(params, layer)),
            "dots": Out(dots_layout(params, layer + 1)),
            "toggled": Out(1),
            "idle": Out(1),
            "walk": In(1),
            "upper_differs": In(1),
            "learning": In(1),
            "swap": In(1),
            "job": Out(stream.Signature(JobLayout(self._shape))),
            "changed": Out(stream.Signature(data.StructLayout({"place": self._place, "up": 1}))),
        })

    def elaborate(self, platform):
        m = Module()
        p, shape, port = self._params, self._shape, self.neurons
        n, n_upper = p.sizes[self._layer], p.sizes[self._layer + 1]
        heaviside = p.dynamics.code == "heaviside"
        last_chunk_index = shape.chunks - 1

        # The queue: an index to apply, or a place to learn. It can hold every neuron.
        index_bits = ceil_log2(n)
        key_bits = max(index_bits, self._place.size)
        entry = data.StructLayout({"key": key_bits, "up": 1, "single": 1})
        m.submodules.queue = queue = Queue(entry, n)
        head, tail = queue.data, queue.entry

        # Requests for words: visits first, then applications.
        visiting, index, chunk = Signal(), Signal(range(n)), Signal(range(shape.chunks))
        request = Signal(data.StructLayout({
            "visit": 1, "apply": 1, "last": 1, "up": 1, "single": 1,
            "chunk": range(shape.chunks),
        }))  # fmt: skip
        m.d.comb += [
            request.visit.eq(visiting),
            request.apply.eq(~visiting & ~self.learning & queue.ready),
            request.last.eq(chunk == last_chunk_index),
            request.up.eq(head.up),
            request.single.eq(head.single),
            request.chunk.eq(chunk),
        ]
        wanted = request.visit | request.apply
        with m.If(wanted):
            m.d.sync += chunk.eq(Mux(request.last, 0, chunk + 1))
        with m.If(self.visit):
            m.d.sync += [visiting.eq(port.count != 0), index.eq(0)]
        with m.Elif(visiting & request.last):
            m.d.sync += index.eq(index + 1)
            with m.If(index == port.count - 1):
                m.d.sync += visiting.eq(0)

        # One cycle each: the neuron's place, the address of its word, the word, a register.
        stages = [request]
        for i in range(1, 5):
            stage = Signal(request.shape(), name=f"request_{i}")
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        address = Signal(range(shape.weight_depth))
        m.d.sync += address.eq(times(port.place.row, shape.chunks) + stages[1].chunk)
        m.d.comb += [
            self.w_address.eq(address),
            self.w_en.eq(stages[2].visit | stages[2].apply),
        ]
        word, above = Signal(shape.word_bits), Signal(shape.word_bits)
        with m.If(stages[3].visit | stages[3].apply):
            m.d.sync += word.eq(self.w_data)
            if shape.chunks > 1:
                m.d.sync += above.eq(_chunk(m, self.upper, shape, stages[3].chunk))
        if shape.chunks == 1:
            m.d.comb += above.eq(self.upper)  # It holds still while neurons are visited.
        fetched = stages[4]

        # An application adds the word to the counters, or takes it away; with the sign code a
        # change of activation counts twice.
        # (A register each, not one wide register: simulators handle small ones far faster.)
        dots = [Signal(self.dots[0].shape(), name=f"dot{j}") for j in range(n_upper)]
        m.d.comb += [self.dots[j].eq(dot) for j, dot in enumerate(dots)]
        for c in range(shape.chunks):
            with m.If(fetched.apply & (fetched.chunk == c)):
                for lane, dot in enumerate(dots[c * shape.word_bits :][: shape.word_bits]):
                    step = Mux(word[lane] == fetched.up, 1, -1)
                    if not heaviside:
                        step = Mux(fetched.single, step, step << 1)
                    m.d.sync += dot.eq(dot + step)
        with m.If(self.clear):
            m.d.sync += [dot.eq(0) for dot in dots]

        # A visit counts the agreements: the feedback of the neuron.
        m.submodules.count = tree = self._tree
        tail_bits = n_upper - last_chunk_index * shape.word_bits
        lanes = Mux(fetched.last, (1 << tail_bits) - 1, (1 << shape.word_bits) - 1)
        depth = self._tree_latency + 3
        counted, complete = Signal(depth), Signal(depth)
        m.d.comb += [
            tree.en.eq(fetched.visit | counted.any()),
            tree.i.eq(word & above if heaviside else ~(word ^ above) & lanes),
        ]
        m.d.sync += [
            counted.eq(Cat(fetched.visit, counted)),
            complete.eq(Cat(fetched.visit & fetched.last, complete)),
        ]
        total = Signal(range(n_upper + 1))
        fresh = Signal(init=1)
        result_index, decision_index = Signal(range(n)), Signal(range(n))
        with m.If(counted[self._tree_latency - 1]):
            m.d.sync += [
                total.eq(Mux(fresh, 0, total) + tree.o),
                fresh.eq(complete[self._tree_latency - 1]),
            ]
        feedback = Signal(signed(ceil_log2(n_upper + 1) + 1))
        with m.If(complete[self._tree_latency]):
            m.d.sync += feedback.eq((total << 1) - (self.upper_active if heaviside else n_upper))
            m.d.sync += result_index.eq(result_index + 1)
        with m.If(self.visit):
            m.d.sync += result_index.eq(0)
        decided = complete[self._tree_latency + 2]
        potential = port.margin + times(feedback, p.feedback_gain(self._layer))
        bit, before = Signal(), Signal()
        free_bit = Signal()
        if self._layer > 1:
            # Looked up beside the margin, so that it is there in the same cycle.
            with m.If(complete[self._tree_latency]):
                m.d.sync += free_bit.eq(self.free.bit_select(result_index, 1))
        m.d.sync += [
            bit.eq(Mux(self.kind == Visit.RESTORE, free_bit, potential >= 0)),
            before.eq(port.last),
            decision_index.eq(result_index - 1),
        ]
        m.d.comb += [
            port.write_en.eq(decided),
            port.write_index.eq(decision_index),
            port.write_bit.eq(bit),
            port.write_first.eq(self.first_end),
            self.toggled.eq(decided & (bit != before)),
        ]

        # How many neurons differ between the ends. What is written was looked up a cycle before.
        n_differ, first_before, differed, differ = (
            Signal(range(n + 1)),
            Signal(),
            Signal(),
            Signal(),
        )
        m.d.sync += first_before.eq(port.first)
        m.d.comb += [
            differed.eq(before != first_before),
            differ.eq(~self.first_end & (bit != first_before)),
        ]
        with m.If(self.clear):
            m.d.sync += n_differ.eq(0)
        with m.Elif(decided & differ & ~differed):
            m.d.sync += n_differ.eq(n_differ + 1)
        with m.Elif(decided & ~differ & differed):
            m.d.sync += n_differ.eq(n_differ - 1)

        # The walk: places and activations side by side, first the visited neurons, then the rest.
        # Without a difference on either side there is nothing to find.
        walking, walk_valid, walk_rest = Signal(), Signal(), Signal()
        walk_left, walk_index = Signal(range(n + 1)), Signal(range(n))
        differs, needed, advance = Signal(), Signal(), Signal()
        rest = Mux(self.upper_differs, port.decided, 0)
        listed = self.upper_differs & ((port.count != 0) | (port.decided != 0))
        m.d.comb += [
            differs.eq(port.first != port.last),
            needed.eq(differs | self.upper_differs & (port.first | port.last if heaviside else 1)),
            self.job.valid.eq(walk_valid & needed),
            self.job.payload.row.eq(port.place.row),
            self.job.payload.slot.eq(port.place.row),
            self.job.payload.plus.eq(Mux(self.swap, port.last, port.first)),
            self.job.payload.minus.eq(Mux(self.swap, port.first, port.last)),
            advance.eq(~walk_valid | ~needed | self.job.ready),
        ]
        with m.If(self.walk):
            m.d.sync += [
                walking.eq(((n_differ != 0) & (port.count != 0)) | listed),
                walk_rest.eq(port.count == 0),
                walk_index.eq(Mux(port.count == 0, n - 1, 0)),
                walk_left.eq(Mux(port.count == 0, rest, port.count)),
            ]
        with m.Elif(walking & advance):
            m.d.sync += [
                walk_index.eq(Mux(walk_rest, walk_index - 1, walk_index + 1)),
                walk_left.eq(walk_left - 1),
            ]
            with m.If(walk_left == 1):
                m.d.sync += [walk_rest.eq(1), walk_index.eq(n - 1), walk_left.eq(rest)]
                with m.If(walk_rest | (rest == 0)):
                    m.d.sync += walking.eq(0)
        with m.If(advance):
            m.d.sync += walk_valid.eq(walking)

        # Both look-ups serve the walk, or the visits and applications.
        look = complete[self._tree_latency]
        m.d.comb += [
            port.place_en.eq(Mux(self.learning, walking & advance, wanted)),
            port.place_index.eq(
                Mux(self.learning, walk_index, Mux(visiting, index, head.key[:index_bits]))
            ),
            port.look_en.eq(Mux(self.learning, walking & advance, look)),
            port.look_index.eq(Mux(self.learning, walk_index, result_index)),
        ]

        # Into the queue: first contributions, neurons that toggled, neurons that differ.
        with m.If(self.push):
            m.d.comb += [
                tail.key.eq(self.push_index),
                tail.up.eq(self.push_up),
                tail.single.eq(1),
            ]
        with m.Elif(self.learning):
            m.d.comb += [tail.key.eq(port.place), tail.up.eq(self.job.payload.plus)]
        with m.Else():
            m.d.comb += [tail.key.eq(decision_index), tail.up.eq(bit)]
        learn_push = walk_valid & differs & self.job.ready if self._layer == 1 else 0
        m.d.comb += queue.add.eq(self.push | Mux(self.learning, learn_push, self.toggled))

        # Out of it: applications, or the layer below's update.
        m.d.comb += [
            self.changed.valid.eq(self.learning & queue.ready),
            self.changed.payload.place.eq(head.key),
            self.changed.payload.up.eq(head.up),
            queue.take.eq(Mux(self.learning, self.changed.ready, request.apply & request.last)),
        ]
        busy = Cat(
            visiting, walking, walk_valid, ~queue.empty, counted.any(),
            *(stage.visit | stage.apply for stage in stages[1:]),
        )  # fmt: skip
        m.d.comb += self.idle.eq(~busy.any())
        return m


def _chunk(m, bits, shape, chunk):
    """Select chunk ``chunk`` of a row of bits, zero-padded."""
    selected = Signal(shape.word_bits, name="upper_chunk")
    with m.Switch(chunk):
        for c in range(shape.chunks):
            with m.Case(c):
                m.d.comb += selected.eq(bits[c * shape.word_bits : (c + 1) * shape.word_bits])
    return selected
