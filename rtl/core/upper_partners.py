"""The partners of a hidden layer's rows: the neurons of the layer above."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from popflip.golden.description.layout import Synapses
from popflip.rtl.layers.ports import ActivationSignature, PartnerSignature, PhaseSignature

__all__ = ["UpperPartners"]


class UpperPartners(wiring.Component):
    """Show an update engine the activations of the layer above in both nudged states.

    Latency: 1 cycle after the chunk for an engine of the layer's own; none for a shared one, which
    looks at them during the whole row.

    Parameters
    ----------
    shape : Synapses
        Of the weight layer.
    n : int
        Neurons of the layer above.

    Members
    -------
    upper : ``In(ActivationSignature)``
    phase : ``In(PhaseSignature)``
        Which of the contrasted states is the minus state.
    partners : ``In(PartnerSignature)``
    """

    def __init__(self, shape: Synapses, n: int):
        self._shape = shape
        super().__init__({
            "upper": In(ActivationSignature(n)),
            "phase": In(PhaseSignature()),
            "partners": In(PartnerSignature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        shape, upper, partners, swap = self._shape, self.upper, self.partners, self.phase.swap
        for bits, is_last in ((partners.plus, swap), (partners.minus, ~swap)):
            row = Signal(shape.chunks * shape.word_bits, name=f"{bits.name}_row")
            m.d.comb += row.eq(Mux(is_last, upper.last, upper.first))
            if shape.shared:
                m.d.comb += bits.eq(row)
            else:
                m.d.sync += bits.eq(row.word_select(partners.chunk, shape.word_bits))
        return m
