"""The output layer: potentials, the nudge, and the prediction."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.primitives.arithmetic import times

__all__ = ["Nudge", "OutputLayer", "Readout"]


class Nudge(enum.Enum, shape=2):
    """Sign of beta."""

    NONE = 0
    PLUS = 1
    MINUS = 2


class OutputLayer(wiring.Component):
    """Move the potentials: ``v <- clip((v + gain * dot + nudge) >> 1, 0, V)``.

    Latency: an update of ``n_out`` neurons, ``output_lanes`` a cycle, is over ``output_chunks +
    latency`` cycles after its pulse (``idle`` is high again).

    Parameters
    ----------
    params : Params

    Members
    -------
    clear : ``In(1)``
        Set every potential to ``v0``.
    update : ``In(1)``
        A pulse updates all outputs once.
    nudge : ``In(Nudge)``, label : ``In(8)``
        Stable during an update.
    first_end : ``In(1)``
        New activations count for the first end of the contrast too.
    save, restore : ``In(1)``
        Keep the free state; go back to it.
    dots : ``In(dots_layout)``
        Dot products with the layer below; stable during an update.
    first, last : ``Out(n_out)``
        Activation bits at the first end of the contrast, and now.
    active : ``Out``
        How many are 1 now.
    free : ``Out(n_out)``
        Activation bits of the free state. It and ``last`` are valid while ``idle``, and ``free``
        while ``scan`` is low.
    scan, index : ``In``
        For :class:`Readout`, ``classes`` cycles long: it wants the potentials of class ``index``.
    v_class : ``Out(copies * potential width)``
        Those of the free state, the first copy in the low bits.
    moved, toggled : ``Out(1)``
        A potential, or an activation, changed in the last update; valid while ``idle``.
    idle : ``Out(1)``
    """

    latency = 4

    def __init__(self, params: Params):
        self._params = params
        n = params.n_out
        super().__init__({
            "clear": In(1),
            "update": In(1),
            "nudge": In(Nudge),
            "label": In(8),
            "first_end": In(1),
            "save": In(1),
            "restore": In(1),
            "dots": In(dots_layout(params, params.depth)),
            "first": Out(n),
            "last": Out(n),
            "active": Out(range(n + 1)),
            "free": Out(n),
            "scan": In(1),
            "index": In(range(params.network.classes)),
            "v_class": Out(params.network.copies * (params.dynamics.potential_bits + 1)),
            "moved": Out(1),
            "toggled": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, n, lanes = self._params, self._params.n_out, self._params.output_lanes
        v_max, v_bits = p.dynamics.v_max, p.dynamics.potential_bits + 1
        chunks = p.output_chunks
        beta, gain = p.learning.beta, p.dynamics.gains[-1]

        # The potentials move down while they are updated: old ones leave at the low end, new ones
        # enter at the high end, so that nothing has to select one of them. An activation is 1 from
        # V/2 up.
        places = chunks * lanes  # the last few may be nobody's: they stay 0
        threshold = p.dynamics.output_threshold
        v = [
            Signal(v_bits, name=f"v{j}", init=p.dynamics.v0 if j < n else 0) for j in range(places)
        ]
        initial = (1 << n) - 1 if p.dynamics.v0 >= threshold else 0
        m.d.comb += self.last.eq(Cat(v[j] >= threshold for j in range(n)))

        # Chunk by chunk: select, scale and nudge, add and clip, count. Updates are rare, so between
        # them the registers hold still: that saves power, and simulators skip what stands below a
        # condition. (The adders are not gated: that would cost hundreds of look-up tables.)
        issuing, chunk = Signal(), Signal(range(chunks))
        with m.If(self.update):
            m.d.sync += [issuing.eq(1), chunk.eq(0), self.moved.eq(0), self.toggled.eq(0)]
        with m.Elif(issuing):
            m.d.sync += chunk.eq(chunk + 1)
            with m.If(chunk == chunks - 1):
                m.d.sync += issuing.eq(0)
        valid = Signal(3)
        m.d.sync += valid.eq(Cat(issuing, valid))
        chunk_1, chunk_2 = Signal.like(chunk), Signal.like(chunk)
        m.d.sync += [chunk_1.eq(chunk), chunk_2.eq(chunk_1)]

        scaled_shape = signed(ceil_log2(gain * p.sizes[-2] + 1) + 1)
        nudged_shape = signed(ceil_log2((beta + 1) * v_max + 1) + 1)
        news, olds = [], []
        for lane in range(lanes):
            members = range(lane, n, lanes)
            dot = Signal(self.dots[0].shape(), name=f"dot_{lane}")
            potential = Signal(v_bits, name=f"potential_{lane}")
            on_target = Signal(name=f"on_target_{lane}")
            with m.If(issuing):
                classes = [Const(j // p.network.copies, 8) for j in members]
                m.d.sync += [
                    dot.eq(_select([self.dots[j] for j in members], chunk)),
                    potential.eq(v[lane]),
                    on_target.eq(_select(classes, chunk) == self.label),
                ]
            scaled = Signal(scaled_shape, name=f"scaled_{lane}")
            nudged = Signal(nudged_shape, name=f"nudged_{lane}")
            old = Signal(v_bits, name=f"old_{lane}")
            # Towards the target or away from it; nowhere without a nudge.
            pull = Signal(signed(v_bits + 1), name=f"pull_{lane}")
            if p.machine.training:
                with m.Switch(self.nudge):
                    with m.Case(Nudge.PLUS):
                        m.d.comb += pull.eq(Mux(on_target, v_max - potential, -potential))
                    with m.Case(Nudge.MINUS):
                        m.d.comb += pull.eq(Mux(on_target, potential - v_max, potential))
            with m.If(valid[0]):
                m.d.sync += [
                    scaled.eq(times(dot, gain)),
                    nudged.eq(potential + times(pull, beta)),
                    old.eq(potential),
                ]
            total = Signal(
                signed(max(scaled_shape.width, nudged_shape.width)), name=f"total_{lane}"
            )
            new = Signal(v_bits, name=f"new_{lane}")
            # The last chunk may leave lanes over.
            spare = chunk_2 == chunks - 1 if len(members) < chunks else Const(0, 1)
            m.d.comb += total.eq((scaled + nudged) >> 1)
            with m.If(valid[1] & ~spare):
                with m.If(total < 0):
                    m.d.comb += new.eq(0)
                with m.Elif(total > v_max):
                    m.d.comb += new.eq(v_max)
                with m.Else():
                    m.d.comb += new.eq(total)
            news.append(new)
            olds.append(old)

        # Of the first chunks in flight nothing enters yet; what does instead leaves again.
        with m.If(issuing | valid[1]):
            m.d.sync += [old.eq(new) for old, new in zip(v, [*v[lanes:], *news], strict=True)]

        # What the chunk changes, as vectors.
        bits, was = Signal(lanes), Signal(lanes)
        rises, falls, moved = Signal(lanes), Signal(lanes), Signal()
        first = Signal(places, init=initial)
        m.d.comb += self.first.eq(first)
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
            with m.If(self.first_end):
                m.d.sync += first.eq(Cat(first[lanes:], bits))
        with m.If(valid[2]):
            m.d.sync += [
                self.active.eq(self.active + sum(rises) - sum(falls)),
                self.moved.eq(self.moved | moved),
                self.toggled.eq(self.toggled | rises.any() | falls.any()),
            ]
        m.d.comb += self.idle.eq(~issuing & ~valid.any())

        free_active = Signal.like(self.active)
        frozen = [Signal(v_bits, name=f"v_free{j}") for j in range(n)]
        m.d.comb += self.free.eq(Cat(each >= threshold for each in frozen))
        with m.If(self.save):
            m.d.sync += [free_active.eq(self.active)]
            m.d.sync += [frozen[j].eq(v[j]) for j in range(n)]
        # A phase lasts longer than an update of the outputs. If that is long enough, the free state
        # goes round for the readout, and is in place again when it is restored.
        copies = p.network.copies
        if p.network.classes <= chunks + self.latency:
            with m.Elif(self.scan):
                m.d.sync += [
                    each.eq(above)
                    for each, above in zip(frozen, frozen[copies:] + frozen[:copies], strict=True)
                ]
            m.d.comb += self.v_class.eq(Cat(frozen[:copies]))
        else:
            groups = [Cat(frozen[j : j + copies]) for j in range(0, n, copies)]
            m.d.comb += self.v_class.eq(Array(groups)[self.index])
        with m.If(self.restore):
            m.d.sync += [v[j].eq(frozen[j]) for j in range(n)]
            m.d.sync += self.active.eq(free_active)
        with m.If(self.clear):
            m.d.sync += [v[j].eq(p.dynamics.v0) for j in range(n)]
            m.d.sync += [first.eq(initial), self.active.eq(n if initial else 0)]
        return m


class Readout(wiring.Component):
    """Find the class whose copies have the greatest summed potential, the lowest on a tie.

    Latency: ``done`` is high from ``classes + latency`` cycles after the ``start`` pulse on.

    Parameters
    ----------
    params : Params

    Members
    -------
    start : ``In(1)``
    scan, index : ``Out``; v_class : ``In``
        Of :class:`OutputLayer`.
    prediction : ``Out(8)``
        Valid while ``done``.
    done : ``Out(1)``
    """

    latency = 3

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "start": In(1),
            "scan": Out(1),
            "index": Out(range(params.network.classes)),
            "v_class": In(params.network.copies * (params.dynamics.potential_bits + 1)),
            "prediction": Out(8),
            "done": Out(1, init=1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self._params
        classes, copies, width = p.network.classes, p.network.copies, p.dynamics.potential_bits + 1
        running, index = Signal(), Signal(range(classes))
        m.d.comb += [self.scan.eq(running), self.index.eq(index)]
        group = Signal(copies * width)
        votes = Signal(range(copies * p.dynamics.v_max + 1))
        best = Signal.like(votes)
        valid = Signal(2)
        index_1, index_2 = Signal.like(index), Signal.like(index)
        m.d.sync += [
            valid.eq(Cat(running, valid)),
            index_1.eq(index),
            index_2.eq(index_1),
            group.eq(self.v_class),
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
        return m


def _select(values, chunk):
    """Pick the value of the member in the current chunk."""
    return values[0] if len(values) == 1 else Array(values)[chunk]
