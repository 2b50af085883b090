"""The relaxation engine of a machine with ``machine.overlap``: over all work lists at once."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import dots_layout
from popflip.rtl.layers.ports import ActivationSignature, PhaseSignature, VisitSignature
from popflip.rtl.layers.work_lists import DrivenSignature, ListSignature, ListWriteSignature
from popflip.rtl.primitives.arithmetic import times

__all__ = ["WordAdder", "WorkListRelaxEngine"]


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


class WorkListRelaxEngine(wiring.Component):
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
    driven : ``In(DrivenSignature)``
        Active neurons count for the dot products of their half.
    half : ``In(1)``
        The half that is visited.
    phase : ``In(PhaseSignature)``
    visit : ``In(VisitSignature)``
        A pass visits the undecided neurons; ``idle`` means that no visit is under way, and no
        contribution.
    upper : ``In(ActivationSignature)``
        The outputs.
    lists : ``Out(ListSignature)``, write : ``Out(ListWriteSignature)``
    visited : ``Out(1)``
        A pass wrote its last neurons in the cycle before.
    dots : ``Out(dots_layout)``
        Dot products of the outputs with layer 1.
    """

    latency = 6

    def __init__(self, params: Params):
        self._params = params
        self._banks = params.synapses(0).banks
        super().__init__({
            "driven": In(DrivenSignature(params)),
            "half": In(1),
            "phase": In(PhaseSignature()),
            "visit": In(VisitSignature()),
            "upper": In(ActivationSignature(params.n_out)),
            "lists": Out(ListSignature(params)),
            "write": Out(ListWriteSignature(params)),
            "visited": Out(1),
            "dots": Out(dots_layout(params, 2)),
        })

    def elaborate(self, platform):
        m = Module()
        banks, lists = self._banks, self.lists

        # t: the lists are asked for the neurons of one index.
        visiting, index = Signal(), Signal.like(self.write.index)
        last_index = index == lists.longest - 1
        m.d.comb += [
            lists.read_en.eq(visiting.replicate(banks)),
            *(lists.read_index[bank].eq(index) for bank in range(banks)),
        ]
        with m.If(self.visit.start):
            m.d.sync += [visiting.eq(lists.longest != 0), index.eq(0)]
        with m.Elif(visiting):
            m.d.sync += index.eq(index + 1)
            with m.If(last_index):
                m.d.sync += visiting.eq(0)
        here = Signal(banks)
        m.d.sync += here.eq(Cat(visiting & (index < lists.count[bank]) for bank in range(banks)))

        # t + 1: weights that meet an active output; t + 2: feedback; t + 3: the decision.
        valid, indices, there = [visiting], [index], [None, here]
        for cycle in range(1, 6):
            valid.append(Signal(name=f"valid_{cycle}"))
            indices.append(Signal.like(index, name=f"index_{cycle}"))
            m.d.sync += [valid[-1].eq(valid[-2]), indices[-1].eq(indices[-2])]
            if cycle > 1:
                there.append(Signal(banks, name=f"here_{cycle}"))
                m.d.sync += there[-1].eq(there[-2])
        words = [None, Cat(lists.entry[bank].word for bank in range(banks))]
        firsts, lasts = [None, lists.first], [None, lists.last]
        for cycle in range(2, 5):
            for stages, name in ((words, "words"), (firsts, "first"), (lasts, "last")):
                stages.append(Signal.like(stages[-1], name=f"{name}_{cycle}"))
                with m.If(valid[cycle - 1]):
                    m.d.sync += stages[-1].eq(stages[-2])
        bits = Signal(banks)
        for bank in range(banks):
            self._decide(m, bank, valid, bits)

        # t + 4: written back, and counted if it changed.
        m.submodules.changes = changes = WordAdder(banks, self._params.n_out)
        toggles = Mux(valid[4], there[4] & (bits ^ lasts[4]), 0)
        m.d.comb += [
            self.write.en.eq(valid[4]),
            self.write.index.eq(indices[4]),
            self.write.last.eq(bits),
            self.write.first.eq(Mux(self.phase.first_state, bits, firsts[4])),
            changes.take.eq(toggles),
            changes.up.eq(bits),
            changes.words.eq(words[4]),
            self.visit.toggled.eq(changes.take.any()),
            self.visited.eq(valid[5] & ~valid[4]),
        ]
        self._add(m, changes)
        m.d.comb += self.visit.idle.eq(~visiting & ~Cat(valid[1:]).any())
        return m

    def _decide(self, m, bank, valid, bits):
        """Cycles t + 1 to t + 3: the feedback of a bank's neuron, and its new activation."""
        p, entry, upper = self._params, self.lists.entry[bank], self.upper
        margin_2 = Signal.like(entry.margin, name=f"margin_2_{bank}")
        margin_3 = Signal.like(entry.margin, name=f"margin_3_{bank}")
        total = Signal(range(p.n_out + 1), name=f"total{bank}")
        dot = Signal(signed(len(total) + 1), name=f"dot{bank}")
        m.d.comb += dot.eq((total << 1) - upper.active)
        gained = times(dot, p.feedback_gain(1))
        feedback = Signal(gained.shape(), name=f"feedback{bank}")
        with m.If(valid[1]):
            m.d.sync += [total.eq(sum(entry.word & upper.last)), margin_2.eq(entry.margin)]
        with m.If(valid[2]):
            m.d.sync += [feedback.eq(gained), margin_3.eq(margin_2)]
        with m.If(valid[3]):
            m.d.sync += bits[bank].eq(margin_3 + feedback >= 0)

    def _add(self, m, changes):
        """Cycle t + 5: the sums of a set of neurons; t + 6: in the dot products.

        Likewise of the driven ones.
        """
        n_out = self._params.n_out
        m.submodules.driven = driven = WordAdder(self._banks, n_out)
        m.d.comb += [
            driven.take.eq(Mux(self.driven.valid, self.driven.group.active, 0)),
            driven.up.eq(~0),
            driven.words.eq(self.driven.words),
        ]
        for j in range(n_out):
            dots = [Signal(self.dots[0].shape(), name=f"dots{j}_{half}") for half in range(2)]
            m.d.comb += self.dots[j].eq(Mux(self.half, dots[1], dots[0]))
            for half, dot in enumerate(dots):
                filling = self.driven.half == half
                with m.If(filling & self.driven.clear):
                    m.d.sync += dot.eq(0)
                with m.Elif(filling & driven.valid):
                    m.d.sync += dot.eq(dot + driven.sums[j])
                with m.Elif((self.half == half) & changes.valid):
                    m.d.sync += dot.eq(dot + changes.sums[j])
