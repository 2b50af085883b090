"""The engine between a hidden layer and the layer above it: feedback down, counts up."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import NeuronSignature, PlaceLayout, dots_layout
from popflip.rtl.layers.ports import (
    ActivationSignature,
    ContributionSignature,
    JobLayout,
    PhaseSignature,
    Visit,
    VisitSignature,
)
from popflip.rtl.layers.synapses import ReadSignature
from popflip.rtl.primitives.arithmetic import times
from popflip.rtl.primitives.popcount import PopcountTree
from popflip.rtl.primitives.queue import Queue

__all__ = ["RelaxEngine"]


class RelaxEngine(wiring.Component):
    """Visit the neurons of hidden layer ``l`` and keep the dot products of layer ``l + 1``.

    One word of weight layer ``l`` holds a neuron's weights to all of layer ``l + 1`` (cut into
    ``chunks``). A *visit* counts the word against the activations above: the neuron's feedback.
    A neuron that changes is queued, and once no visit is waiting its word is added to or taken
    from the counters of layer ``l + 1``: an *application*. Visits and applications share the one
    read port; each takes ``chunks`` cycles, back to back.

    After the last sweep, if anything differs between the nudged states, a *contrast scan* goes over
    the same neurons once more and makes the jobs of the update engine of weight layer ``l``; the
    neurons that differ are queued for that of the layer below.

    :mod:`popflip.golden.cycles` has the exact cycle counts.

    Parameters
    ----------
    params : Params
    layer : int
        l, 1 to ``depth - 1``.

    Members
    -------
    phase : ``In(PhaseSignature)``
        ``clear`` zeroes the counters. While ``learning`` is high the queue is ``changed`` instead.
    visit : ``In(VisitSignature)``
        A pass visits the ``count`` neurons; ``idle`` means that no visit, application or contrast
        scan is under way.
    contribution : ``In(ContributionSignature)``
        To be queued.
    upper : ``In(ActivationSignature)``
        Of layer ``l + 1``.
    weights : ``Out(ReadSignature)``
        Of weight layer ``l``.
    neurons : ``Out(NeuronSignature)``
    dots : ``Out(dots_layout)``
        Dot products of layer ``l + 1`` with layer ``l``.
    job : ``Out(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
        Rows of weight layer ``l`` to update.
    changed : ``Out(stream)`` of ``{place, up}``
        Neurons that differ, and whether they are active in the plus state.
    """

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        self._shape = shape = params.synapses(layer)
        self._tree = PopcountTree(shape.word_bits)
        self._tree_latency = self._tree.latency
        n, n_upper = params.sizes[layer], params.sizes[layer + 1]
        self._place = PlaceLayout(params, layer)
        super().__init__({
            "phase": In(PhaseSignature()),
            "visit": In(VisitSignature()),
            "contribution": In(ContributionSignature(n)),
            "upper": In(ActivationSignature(n_upper)),
            "weights": Out(ReadSignature(shape.weight_depth, shape.word_bits)),
            "neurons": Out(NeuronSignature(params, layer)),
            "dots": Out(dots_layout(params, layer + 1)),
            "job": Out(stream.Signature(JobLayout(shape))),
            "changed": Out(stream.Signature(data.StructLayout({"place": self._place, "up": 1}))),
        })

    @property
    def _heaviside(self) -> bool:
        return self._params.dynamics.code == "heaviside"

    def elaborate(self, platform):
        m = Module()
        port, n = self.neurons, self._params.sizes[self._layer]

        # The queue: an index to apply, or a place to learn. It can hold every neuron.
        index_bits = ceil_log2(n)
        key_bits = max(index_bits, self._place.size)
        entry = data.StructLayout({"key": key_bits, "up": 1, "single": 1})
        m.submodules.queue = queue = Queue(entry, n)
        head, learning = queue.data, self.phase.learning

        visiting, index, stages = self._request(m, queue)
        wanted = stages[0].visit | stages[0].apply
        word, above = self._fetch(m, stages)
        self._apply(m, stages[4], word)
        counted, complete, decision = self._decide(m, stages[4], word, above)
        n_differ = self._count_differing(m, decision)
        scanning, scan_valid, scan = self._scan(m, n_differ)

        # Both look-ups serve the contrast scan, or the visits and applications.
        look = complete[self._tree_latency]
        looks = scanning & scan.advance
        m.d.comb += [
            port.place_en.eq(Mux(learning, looks, wanted)),
            port.place_index.eq(
                Mux(learning, scan.index, Mux(visiting, index, head.key[:index_bits]))
            ),
            port.look_en.eq(Mux(learning, looks, look)),
            port.look_index.eq(Mux(learning, scan.index, decision.looked)),
        ]
        self._queue(m, queue, decision, scan_valid & scan.differs & self.job.ready)
        m.d.comb += queue.take.eq(
            Mux(learning, self.changed.ready, stages[0].apply & stages[0].last)
        )
        busy = Cat(
            visiting, scanning, scan_valid, ~queue.empty, counted.any(),
            *(stage.visit | stage.apply for stage in stages[1:]),
        )  # fmt: skip
        m.d.comb += self.visit.idle.eq(~busy.any())
        return m

    def _request(self, m, queue):
        """Ask for words, for visits first, then for applications; one in each cycle.

        Return the requests of this cycle and of the four before.
        """
        shape, n, head = self._shape, self._params.sizes[self._layer], queue.data
        visiting, index, chunk = (
            Signal(name="visiting"),
            Signal(range(n), name="index"),
            Signal(range(shape.chunks), name="chunk"),
        )
        layout = {
            "visit": 1, "apply": 1, "last": 1, "up": 1, "single": 1, "chunk": range(shape.chunks),
        }  # fmt: skip
        request = Signal(data.StructLayout(layout))
        m.d.comb += [
            request.visit.eq(visiting),
            request.apply.eq(~visiting & ~self.phase.learning & queue.ready),
            request.last.eq(chunk == shape.chunks - 1),
            request.up.eq(head.up),
            request.single.eq(head.single),
            request.chunk.eq(chunk),
        ]
        with m.If(request.visit | request.apply):
            m.d.sync += chunk.eq(Mux(request.last, 0, chunk + 1))
        with m.If(self.visit.start):
            m.d.sync += [visiting.eq(self.neurons.count != 0), index.eq(0)]
        with m.Elif(visiting & request.last):
            m.d.sync += index.eq(index + 1)
            with m.If(index == self.neurons.count - 1):
                m.d.sync += visiting.eq(0)
        stages = [request]
        for i in range(1, 5):
            stage = Signal(request.shape(), name=f"request_{i}")
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        return visiting, index, stages

    def _fetch(self, m, stages):
        """Fetch the neuron's place, the address of its word, the word: one cycle each.

        Return the word and the activations above that meet it.
        """
        shape, upper = self._shape, self.upper.last
        address = Signal(range(shape.weight_depth))
        m.d.sync += address.eq(times(self.neurons.place.row, shape.chunks) + stages[1].chunk)
        m.d.comb += [
            self.weights.address.eq(address),
            self.weights.en.eq(stages[2].visit | stages[2].apply),
        ]
        word, above = Signal(shape.word_bits), Signal(shape.word_bits)
        with m.If(stages[3].visit | stages[3].apply):
            m.d.sync += word.eq(self.weights.data)
            if shape.chunks > 1:
                m.d.sync += above.eq(_chunk(m, upper, shape, stages[3].chunk))
        if shape.chunks == 1:
            m.d.comb += above.eq(upper)  # It holds still while neurons are visited.
        return word, above

    def _apply(self, m, fetched, word):
        """Add the word to the counters, or take it away.

        With the sign code a change of activation counts twice.
        """
        shape, n_upper = self._shape, self._params.sizes[self._layer + 1]
        # (A register each, not one wide register: simulators handle small ones far faster.)
        dots = [Signal(self.dots[0].shape(), name=f"dot{j}") for j in range(n_upper)]
        m.d.comb += [self.dots[j].eq(dot) for j, dot in enumerate(dots)]
        for c in range(shape.chunks):
            with m.If(fetched.apply & (fetched.chunk == c)):
                for lane, dot in enumerate(dots[c * shape.word_bits :][: shape.word_bits]):
                    step = Mux(word[lane] == fetched.up, 1, -1)
                    if not self._heaviside:
                        step = Mux(fetched.single, step, step << 1)
                    m.d.sync += dot.eq(dot + step)
        with m.If(self.phase.clear):
            m.d.sync += [dot.eq(0) for dot in dots]

    def _decide(self, m, fetched, word, above):
        """Count the agreements, the neuron's feedback, and decide on its activation."""
        p, shape, port = self._params, self._shape, self.neurons
        n, n_upper = p.sizes[self._layer], p.sizes[self._layer + 1]
        m.submodules.count = tree = self._tree
        tail_bits = n_upper - (shape.chunks - 1) * shape.word_bits
        lanes = Mux(fetched.last, (1 << tail_bits) - 1, (1 << shape.word_bits) - 1)
        depth = self._tree_latency + 3
        counted, complete = Signal(depth), Signal(depth)
        m.d.comb += [
            tree.en.eq(fetched.visit | counted.any()),
            tree.i.eq(word & above if self._heaviside else ~(word ^ above) & lanes),
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
        terms = self.upper.active if self._heaviside else n_upper
        with m.If(complete[self._tree_latency]):
            m.d.sync += feedback.eq((total << 1) - terms)
            m.d.sync += result_index.eq(result_index + 1)
        with m.If(self.visit.start):
            m.d.sync += result_index.eq(0)
        decided = complete[self._tree_latency + 2]
        potential = port.margin + times(feedback, p.feedback_gain(self._layer))
        bit, before = Signal(), Signal()
        free_bit = Signal()
        if self._layer > 1:
            # Looked up beside the margin, so that it is there in the same cycle.
            with m.If(complete[self._tree_latency]):
                m.d.sync += free_bit.eq(port.free.bit_select(result_index, 1))
        m.d.sync += [
            bit.eq(Mux(self.visit.kind == Visit.RESTORE, free_bit, potential >= 0)),
            before.eq(port.last),
            decision_index.eq(result_index - 1),
        ]
        m.d.comb += [
            port.write_en.eq(decided),
            port.write_index.eq(decision_index),
            port.write_bit.eq(bit),
            port.write_first.eq(self.phase.first_state),
            self.visit.toggled.eq(decided & (bit != before)),
        ]
        return counted, complete, _Decision(decided, decision_index, bit, before, result_index)

    def _count_differing(self, m, decision):
        """Count how many neurons differ between the contrasted states."""
        # What is written was looked up a cycle before.
        n_differ = Signal(range(self._params.sizes[self._layer] + 1))
        first_before, differed, differ = Signal(), Signal(), Signal()
        m.d.sync += first_before.eq(self.neurons.first)
        m.d.comb += [
            differed.eq(decision.before != first_before),
            differ.eq(~self.phase.first_state & (decision.bit != first_before)),
        ]
        with m.If(self.phase.clear):
            m.d.sync += n_differ.eq(0)
        with m.Elif(decision.valid & differ & ~differed):
            m.d.sync += n_differ.eq(n_differ + 1)
        with m.Elif(decision.valid & ~differ & differed):
            m.d.sync += n_differ.eq(n_differ - 1)
        return n_differ

    def _scan(self, m, n_differ):
        """Scan for contrasts: places and activations side by side, visited neurons first.

        Without a difference in this layer or the one above there is nothing to find.
        """
        n, port, job, swap = (
            self._params.sizes[self._layer], self.neurons, self.job, self.phase.swap,
        )  # fmt: skip
        scanning, scan_valid, of_rest = Signal(), Signal(), Signal()
        left, index = Signal(range(n + 1), name="scan_left"), Signal(range(n), name="scan_index")
        differs, needed, advance = Signal(), Signal(), Signal()
        upper_differs = Signal()
        m.d.comb += upper_differs.eq(self.upper.first != self.upper.last)
        rest = Mux(upper_differs, port.decided, 0)
        listed = upper_differs & ((port.count != 0) | (port.decided != 0))
        active = port.first | port.last if self._heaviside else 1
        m.d.comb += [
            differs.eq(port.first != port.last),
            needed.eq(differs | upper_differs & active),
            job.valid.eq(scan_valid & needed),
            job.payload.row.eq(port.place.row),
            job.payload.row_group.eq(port.place.row),
            job.payload.plus.eq(Mux(swap, port.last, port.first)),
            job.payload.minus.eq(Mux(swap, port.first, port.last)),
            advance.eq(~scan_valid | ~needed | job.ready),
        ]
        with m.If(self.phase.scan):
            m.d.sync += [
                scanning.eq(((n_differ != 0) & (port.count != 0)) | listed),
                of_rest.eq(port.count == 0),
                index.eq(Mux(port.count == 0, n - 1, 0)),
                left.eq(Mux(port.count == 0, rest, port.count)),
            ]
        with m.Elif(scanning & advance):
            m.d.sync += [
                index.eq(Mux(of_rest, index - 1, index + 1)),
                left.eq(left - 1),
            ]
            with m.If(left == 1):
                m.d.sync += [of_rest.eq(1), index.eq(n - 1), left.eq(rest)]
                with m.If(of_rest | (rest == 0)):
                    m.d.sync += scanning.eq(0)
        with m.If(advance):
            m.d.sync += scan_valid.eq(scanning)
        return scanning, scan_valid, _Scan(index, advance, differs)

    def _queue(self, m, queue, decision, differs):
        """Queue first contributions, neurons that toggled, or neurons that differ.

        The latter leave for the update engine of the layer below.
        """
        head, tail, learning = queue.data, queue.entry, self.phase.learning
        with m.If(self.contribution.valid):
            m.d.comb += [
                tail.key.eq(self.contribution.index),
                tail.up.eq(self.contribution.up),
                tail.single.eq(1),
            ]
        with m.Elif(learning):
            m.d.comb += [tail.key.eq(self.neurons.place), tail.up.eq(self.job.payload.plus)]
        with m.Else():
            m.d.comb += [tail.key.eq(decision.index), tail.up.eq(decision.bit)]
        of_layer = differs if self._layer == 1 else 0
        m.d.comb += [
            queue.add.eq(self.contribution.valid | Mux(learning, of_layer, self.visit.toggled)),
            self.changed.valid.eq(learning & queue.ready),
            self.changed.payload.place.eq(head.key),
            self.changed.payload.up.eq(head.up),
        ]


class _Decision(NamedTuple):
    """A neuron's new activation, and the one before; ``looked`` is the next to be looked up."""

    valid: Any
    index: Any
    bit: Any
    before: Any
    looked: Any


class _Scan(NamedTuple):
    """Where the contrast scan is, whether it goes on, and whether the neuron before differs."""

    index: Any
    advance: Any
    differs: Any


def _chunk(m, bits, shape, chunk):
    """Select chunk ``chunk`` of a row of bits, zero-padded."""
    selected = Signal(shape.word_bits, name="upper_chunk")
    with m.Switch(chunk):
        for c in range(shape.chunks):
            with m.Case(c):
                m.d.comb += selected.eq(bits[c * shape.word_bits : (c + 1) * shape.word_bits])
    return selected
