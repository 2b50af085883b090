"""The output layer: potentials, the nudge, and the prediction."""

from typing import Any, NamedTuple

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.ports import ActivationSignature, Nudge, OutputSignature, PhaseSignature
from popflip.rtl.primitives.arithmetic import times

__all__ = ["OutputLayer", "Readout", "ReadoutSignature"]


class ReadoutSignature(wiring.Signature):
    """The potentials of the free state, class by class, from the side of :class:`Readout`.

    Members
    -------
    scan : ``Out(1)``, index : ``Out(range(classes))``
        For ``classes`` cycles the potentials of class ``index`` are wanted.
    v_class : ``In(copies * potential width)``
        They, the first copy in the low bits.
    """

    def __init__(self, params: Params):
        width = params.dynamics.potential_bits + 1
        super().__init__({
            "scan": Out(1),
            "index": Out(range(params.network.classes)),
            "v_class": In(params.network.copies * width),
        })


class OutputLayer(wiring.Component):
    """Move the potentials: ``v <- clip((v + gain * dot + nudge) >> 1, 0, V)``.

    Latency: an update of ``n_out`` neurons, ``output_lanes`` a cycle, is over ``output_chunks +
    latency`` cycles after its pulse (``idle`` is high again).

    Parameters
    ----------
    params : Params

    Members
    -------
    phase : ``In(PhaseSignature)``
        ``clear`` sets every potential to its start; ``nudge`` is stable during an update.
    step : ``In(OutputSignature)``
    label : ``In(8)``, dots : ``In(dots_layout)``
        Label of the sample, and dot products with the layer below; stable during an update.
    activations : ``Out(ActivationSignature)``
        ``last`` is valid while idle.
    potentials : ``In(ReadoutSignature)``
    """

    latency = 4

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "phase": In(PhaseSignature()),
            "step": In(OutputSignature()),
            "label": In(8),
            "dots": In(dots_layout(params, params.depth)),
            "activations": Out(ActivationSignature(params.n_out)),
            "potentials": In(ReadoutSignature(params)),
        })

    def elaborate(self, platform):
        m = Module()
        p, n, lanes = self._params, self._params.n_out, self._params.output_lanes
        v_bits, threshold = p.dynamics.potential_bits + 1, p.dynamics.output_threshold
        chunks = p.output_chunks

        # The potentials move down while they are updated: old ones leave at the low end, new ones
        # enter at the high end, so that nothing has to select one of them. An activation is 1 from
        # V/2 up.
        places = chunks * lanes  # the last few may be nobody's: they stay 0
        v = [
            Signal(v_bits, name=f"v{j}", init=p.dynamics.v_start if j < n else 0)
            for j in range(places)
        ]
        first = Signal(places, init=self._initial)
        m.d.comb += [
            self.activations.first.eq(first),
            self.activations.last.eq(Cat(v[j] >= threshold for j in range(n))),
        ]

        # Chunk by chunk: select, scale and nudge, add and clip, count. Updates are rare, so between
        # them the registers hold still: that saves power, and simulators skip what stands below a
        # condition. (The adders are not gated: that would cost hundreds of look-up tables.)
        issuing, chunk = Signal(), Signal(range(chunks))
        step = self.step
        with m.If(step.update):
            m.d.sync += [issuing.eq(1), chunk.eq(0), step.moved.eq(0), step.toggled.eq(0)]
        with m.Elif(issuing):
            m.d.sync += chunk.eq(chunk + 1)
            with m.If(chunk == chunks - 1):
                m.d.sync += issuing.eq(0)
        valid = Signal(3)
        m.d.sync += valid.eq(Cat(issuing, valid))
        m.d.comb += step.idle.eq(~issuing & ~valid.any())
        chunk_1, chunk_2 = Signal.like(chunk), Signal.like(chunk)
        m.d.sync += [chunk_1.eq(chunk), chunk_2.eq(chunk_1)]
        moved = [self._move(m, lane, _Step(issuing, chunk, valid, chunk_2), v[lane])
                 for lane in range(lanes)]  # fmt: skip
        news, olds = zip(*moved, strict=True)
        # Of the first chunks in flight nothing enters yet; what does instead leaves again.
        with m.If(issuing | valid[1]):
            m.d.sync += [old.eq(new) for old, new in zip(v, [*v[lanes:], *news], strict=True)]
        self._compare(m, valid, first, news, olds)
        self._keep(m, v, first)
        return m

    @property
    def _initial(self) -> int:
        """Activation bits at the start of a sample."""
        dynamics = self._params.dynamics
        return (1 << self._params.n_out) - 1 if dynamics.v_start >= dynamics.output_threshold else 0

    def _move(self, m, lane, step, v):
        """Move the potential of a lane; return the new one and the old one."""
        p, n, lanes = self._params, self._params.n_out, self._params.output_lanes
        v_max, v_bits = p.dynamics.v_max, p.dynamics.potential_bits + 1
        beta, gain = p.learning.beta, p.dynamics.gains[-1]
        scaled_shape = signed(ceil_log2(gain * p.sizes[-2] + 1) + 1)
        nudged_shape = signed(ceil_log2((beta + 1) * v_max + 1) + 1)
        members = range(lane, n, lanes)
        dot = Signal(self.dots[0].shape(), name=f"dot_{lane}")
        potential = Signal(v_bits, name=f"potential_{lane}")
        on_target = Signal(name=f"on_target_{lane}")
        with m.If(step.issuing):
            classes = [Const(j // p.network.copies, 8) for j in members]
            m.d.sync += [
                dot.eq(_select([self.dots[j] for j in members], step.chunk)),
                potential.eq(v),
                on_target.eq(_select(classes, step.chunk) == self.label),
            ]
        scaled = Signal(scaled_shape, name=f"scaled_{lane}")
        nudged = Signal(nudged_shape, name=f"nudged_{lane}")
        old = Signal(v_bits, name=f"old_{lane}")
        # Towards the target or away from it; nowhere without a nudge.
        pull = Signal(signed(v_bits + 1), name=f"pull_{lane}")
        if p.machine.training:
            with m.Switch(self.phase.nudge):
                with m.Case(Nudge.PLUS):
                    m.d.comb += pull.eq(Mux(on_target, v_max - potential, -potential))
                with m.Case(Nudge.MINUS):
                    m.d.comb += pull.eq(Mux(on_target, potential - v_max, potential))
        with m.If(step.valid[0]):
            m.d.sync += [
                scaled.eq(times(dot, gain)),
                nudged.eq(potential + times(pull, beta)),
                old.eq(potential),
            ]
        total = Signal(signed(max(scaled_shape.width, nudged_shape.width)), name=f"total_{lane}")
        new = Signal(v_bits, name=f"new_{lane}")
        # The last chunk may leave lanes over.
        chunks = p.output_chunks
        spare = step.last_chunk == chunks - 1 if len(members) < chunks else Const(0, 1)
        m.d.comb += total.eq((scaled + nudged) >> 1)
        with m.If(step.valid[1] & ~spare):
            with m.If(total < 0):
                m.d.comb += new.eq(0)
            with m.Elif(total > v_max):
                m.d.comb += new.eq(v_max)
            with m.Else():
                m.d.comb += new.eq(total)
        return new, old

    def _compare(self, m, valid, first, news, olds):
        """Keep what a chunk changes: activations, how many are 1, and whether any is new."""
        lanes, threshold = self._params.output_lanes, self._params.dynamics.output_threshold
        active = self.activations.active
        bits, was = Signal(lanes), Signal(lanes)
        rises, falls, moved = Signal(lanes), Signal(lanes), Signal()
        with m.If(valid[1]):
            m.d.comb += [
                bits.eq(Cat(new >= threshold for new in news)),
                was.eq(Cat(old >= threshold for old in olds)),
            ]
            m.d.sync += [
                rises.eq(bits & ~was),
                falls.eq(~bits & was),
                moved.eq(Cat(new != old for new, old in zip(news, olds, strict=True)).any()),
            ]
            with m.If(self.phase.first_state):
                m.d.sync += first.eq(Cat(first[lanes:], bits))
        with m.If(valid[2]):
            m.d.sync += [
                active.eq(active + sum(rises) - sum(falls)),
                self.step.moved.eq(self.step.moved | moved),
                self.step.toggled.eq(self.step.toggled | rises.any() | falls.any()),
            ]

    def _keep(self, m, v, first):
        """Keep the free state, for the readout and to go back to it; begin a sample."""
        p, n, phase, potentials = self._params, self._params.n_out, self.phase, self.potentials
        copies, active = p.network.copies, self.activations.active
        free_active = Signal.like(active, name="free_active")
        frozen = [Signal(len(v[0]), name=f"v_free{j}") for j in range(n)]
        free = Cat(each >= p.dynamics.output_threshold for each in frozen)
        m.d.comb += self.step.departed.eq(self.activations.last != free)
        with m.If(phase.save):
            m.d.sync += [free_active.eq(active)]
            m.d.sync += [frozen[j].eq(v[j]) for j in range(n)]
        # A phase lasts longer than an update of the outputs. If that is long enough, the free state
        # goes round for the readout, and is in place again when it is restored.
        if p.network.classes <= p.output_chunks + self.latency:
            with m.Elif(potentials.scan):
                m.d.sync += [
                    each.eq(above)
                    for each, above in zip(frozen, frozen[copies:] + frozen[:copies], strict=True)
                ]
            m.d.comb += potentials.v_class.eq(Cat(frozen[:copies]))
        else:
            groups = [Cat(frozen[j : j + copies]) for j in range(0, n, copies)]
            m.d.comb += potentials.v_class.eq(Array(groups)[potentials.index])
        with m.If(phase.restore):
            m.d.sync += [v[j].eq(frozen[j]) for j in range(n)]
            m.d.sync += active.eq(free_active)
        with m.If(phase.clear):
            m.d.sync += [v[j].eq(p.dynamics.v_start) for j in range(n)]
            m.d.sync += [first.eq(self._initial), active.eq(n if self._initial else 0)]


class _Step(NamedTuple):
    """An update under way: which chunk is issued, which stages are valid, which chunk ends."""

    issuing: Any
    chunk: Any
    valid: Any
    last_chunk: Any


class Readout(wiring.Component):
    """Find the class whose copies have the greatest summed potential, the lowest on a tie.

    Latency: ``done`` is high from ``classes + latency`` cycles after the ``start`` pulse on.

    Parameters
    ----------
    params : Params
    with_margin : bool
        Whether it has a ``margin``.

    Members
    -------
    start : ``In(1)``
    potentials : ``Out(ReadoutSignature)``
    prediction : ``Out(8)``
        Valid while ``done``.
    margin : ``Out``
        Likewise: how far the prediction's sum is ahead of the next best one.
    done : ``Out(1)``
    """

    latency = 3

    def __init__(self, params: Params, with_margin: bool = False):
        self._params, self._with_margin = params, with_margin
        members = {
            "start": In(1),
            "potentials": Out(ReadoutSignature(params)),
            "prediction": Out(8),
            "done": Out(1, init=1),
        }
        if with_margin:
            members["margin"] = Out(range(params.network.copies * params.dynamics.v_max + 1))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        p = self._params
        classes, copies, width = p.network.classes, p.network.copies, p.dynamics.potential_bits + 1
        running, index = Signal(), Signal(range(classes))
        m.d.comb += [self.potentials.scan.eq(running), self.potentials.index.eq(index)]
        group = Signal(copies * width)
        votes = Signal(range(copies * p.dynamics.v_max + 1))
        best = Signal.like(votes)
        valid = Signal(2)
        index_1, index_2 = Signal.like(index), Signal.like(index)
        m.d.sync += [
            valid.eq(Cat(running, valid)),
            index_1.eq(index),
            index_2.eq(index_1),
            group.eq(self.potentials.v_class),
            votes.eq(sum(group.word_select(i, width) for i in range(copies))),
        ]
        with m.If(self.start):
            # What an earlier scan still has on its way is of no interest.
            m.d.sync += [running.eq(1), index.eq(0), valid.eq(0), self.done.eq(0)]
        with m.Elif(running):
            m.d.sync += index.eq(index + 1)
            with m.If(index == classes - 1):
                m.d.sync += running.eq(0)
        with m.If(valid[1]):
            with m.If((index_2 == 0) | (votes > best)):
                m.d.sync += [best.eq(votes), self.prediction.eq(index_2)]
            with m.If(index_2 == classes - 1):
                m.d.sync += self.done.eq(1)
        if self._with_margin:
            self._keep_second(m, valid[1], index_2 == 0, votes, best)
        return m

    def _keep_second(self, m, valid, first, votes, best):
        """Keep the second greatest sum."""
        second = Signal.like(votes)
        m.d.comb += self.margin.eq(best - second)
        with m.If(valid):
            with m.If(first):
                m.d.sync += second.eq(0)
            with m.Elif(votes > best):
                m.d.sync += second.eq(best)
            with m.Elif(votes > second):
                m.d.sync += second.eq(votes)


def _select(values, chunk):
    """Pick the value of the member in the current chunk."""
    return values[0] if len(values) == 1 else Array(values)[chunk]
