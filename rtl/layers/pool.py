"""The greatest of the windows that a pooled neuron looks at."""

from itertools import pairwise

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.ports import OffsetLayout

__all__ = ["GreatestWindow", "dot_shape", "picked_window"]


def dot_shape(params: Params):
    """Shape of the dot product of a row and a window: its least value is that of no such product.

    Rows of ``n`` bits have products from ``-n`` to ``n``.
    """
    return signed(ceil_log2(params.fan_in + 1) + 1)


def picked_window(m: Module, params: Params, windows):
    """Return the window that ``windows.pick`` asked for a cycle ago, out of those side by side."""
    first, lanes = params.first_layer, params.machine.pool_lanes
    if lanes == 1:
        return windows.x
    picked = Signal.like(windows.pick, name="picked")
    m.d.sync += picked.eq(windows.pick)
    bits = params.machine.row_lanes
    window = Signal(bits, name="picked_window")
    for lane in range(lanes):
        down, across = divmod(lane, first.pool[1])
        here = picked.across == across
        if lanes == first.offsets:
            here = here & (picked.down == down)
        with m.If(here):
            m.d.comb += window.eq(windows.x[lane * bits : (lane + 1) * bits])
    return window


class GreatestWindow(wiring.Component):
    """Find the greatest dot product of each neuron of a bank, and the offset of its window.

    A *look* brings the dot products of one neuron with ``pool_lanes`` windows. Looks of a position
    come round by round: one of each of its ``groups`` neurons, then the next of each. Of equal
    products the first one counts, which has the lowest offset.

    Latency: with the last look of a neuron its greatest product is there ``latency`` enabled cycles
    later. Throughput: a look per enabled cycle.

    Parameters
    ----------
    params : Params

    Members
    -------
    en : ``In(1)``
        Advances everything.
    valid : ``In(1)``
        There is a look.
    first : ``In(1)``
        It is a neuron's first at this position.
    dots : ``In``, an array of ``pool_lanes``
    there : ``In(pool_lanes)``
        Which of the windows are inside of the image.
    offset : ``In(OffsetLayout)``
        Of the first of them.
    greatest : ``Out``, winner : ``Out(OffsetLayout)``
        The greatest product of the neuron so far, and the offset of its window.
    """

    def __init__(self, params: Params):
        self._params = params
        self._dot, self._offset = dot_shape(params), OffsetLayout(params)
        self._entry = data.StructLayout({"dot": self._dot, "offset": self._offset})
        lanes = params.machine.pool_lanes
        super().__init__({
            "en": In(1),
            "valid": In(1),
            "first": In(1),
            "dots": In(data.ArrayLayout(self._dot, lanes)),
            "there": In(lanes),
            "offset": In(self._offset),
            "greatest": Out(self._dot),
            "winner": Out(self._offset),
        })

    @property
    def entry(self) -> data.StructLayout:
        """A product, and the offset of its window."""
        return self._entry

    @property
    def latency(self) -> int:
        """A cycle for each level of a tree of comparisons, and one to compare with before."""
        p = self._params
        return ceil_log2(p.machine.pool_lanes) + (p.looks > 1)

    def elaborate(self, platform):
        m = Module()
        p, lanes = self._params, self._params.machine.pool_lanes
        least = Const(self._dot.width and -(1 << (self._dot.width - 1)), self._dot)

        # Each candidate is a product, and how far its window is from the first one.
        entry, candidates = self._entry, []
        for lane in range(lanes):
            candidate = Signal(entry, name=f"candidate{lane}")
            down, across = divmod(lane, p.first_layer.pool[1])
            m.d.comb += [
                candidate.dot.eq(Mux(self.there[lane], self.dots[lane], least)),
                candidate.offset.down.eq(down if lanes == p.first_layer.offsets else 0),
                candidate.offset.across.eq(across),
            ]
            candidates.append(candidate)
        valid, first, base = self.valid, self.first, self.offset
        level = 0
        while len(candidates) > 1:
            level += 1
            pairs = zip(candidates[::2], candidates[1::2], strict=False)
            odd = candidates[len(candidates) & ~1 :]
            winners = [Mux(b.dot > a.dot, b.as_value(), a.as_value()) for a, b in pairs]
            winners += [candidate.as_value() for candidate in odd]
            candidates = []
            for number, winner in enumerate(winners):
                candidate = Signal(entry, name=f"level{level}_{number}")
                with m.If(self.en):
                    m.d.sync += candidate.eq(winner)
                candidates.append(candidate)
            earlier = valid, first, base
            valid, first = (Signal(name=f"{name}{level}") for name in ("valid", "first"))
            base = Signal(self._offset, name=f"offset{level}")
            with m.If(self.en):
                m.d.sync += [now.eq(was) for now, was in zip((valid, first, base), earlier,
                                                             strict=True)]  # fmt: skip
        [candidate] = candidates
        now = Signal(entry)
        m.d.comb += [
            now.dot.eq(candidate.dot),
            now.offset.down.eq(candidate.offset.down | base.down),
            now.offset.across.eq(candidate.offset.across | base.across),
        ]
        best = now
        if p.looks > 1:
            # The neurons of a position go round: the one that is looked at was here a round ago.
            kept = [Signal(entry, name=f"kept{i}") for i in range(p.synapses(0).groups)]
            greater = first | (now.dot > kept[-1].dot)
            with m.If(self.en & valid):
                m.d.sync += kept[0].eq(Mux(greater, now.as_value(), kept[-1].as_value()))
                m.d.sync += [new.eq(old) for old, new in pairwise(kept)]
            best = kept[0]
        m.d.comb += [self.greatest.eq(best.dot), self.winner.eq(best.offset)]
        return m
