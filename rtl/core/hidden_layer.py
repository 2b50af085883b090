"""A hidden layer above the first: its neurons, and the engine between it and the next layer."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.layers.neurons import HiddenRegisters, dots_layout
from popflip.rtl.layers.ports import (
    ActivationSignature,
    JobLayout,
    PhaseSignature,
    VisitSignature,
)
from popflip.rtl.layers.relax import RelaxEngine
from popflip.rtl.layers.synapses import ReadSignature
from popflip.rtl.leaky.engine import LeakyEngine
from popflip.rtl.leaky.neurons import LeakyRegisters

__all__ = ["HiddenLayer"]


class HiddenLayer(wiring.Component):
    """Hidden layer ``l``, between the one below and the one above.

    Parameters
    ----------
    params : Params
    layer : int
        l, 2 to ``depth - 1``.

    Members
    -------
    phase : ``In(PhaseSignature)``, visit : ``In(VisitSignature)``
    lower_dots : ``In(dots_layout)``, activations : ``Out(ActivationSignature)``
        To and from the layer below.
    upper : ``In(ActivationSignature)``, dots : ``Out(dots_layout)``
        From and to the layer above.
    weights : ``Out(ReadSignature)``
        Of weight layer ``l``.
    job : ``Out(stream)`` of :class:`popflip.rtl.layers.ports.JobLayout`
        Rows of weight layer ``l`` to update.
    """

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        shape = params.synapses(layer)
        super().__init__({
            "phase": In(PhaseSignature()),
            "visit": In(VisitSignature()),
            "lower_dots": In(dots_layout(params, layer)),
            "activations": Out(ActivationSignature(params.sizes[layer])),
            "upper": In(ActivationSignature(params.sizes[layer + 1])),
            "dots": Out(dots_layout(params, layer + 1)),
            "weights": Out(ReadSignature(shape.weight_depth, shape.word_bits, shape.banks)),
            "job": Out(stream.Signature(JobLayout(shape))),
        })

    def elaborate(self, platform):
        m = Module()
        leaky = self._params.dynamics.leaky
        registers, engine = HiddenRegisters, RelaxEngine
        if leaky:
            registers, engine = LeakyRegisters, LeakyEngine
        m.submodules.neurons = neurons = registers(self._params, self._layer)
        m.submodules.relax = relax = engine(self._params, self._layer)
        connect(m, flipped(self.phase), neurons.phase, relax.phase)
        connect(m, flipped(self.visit), relax.visit)
        connect(m, neurons.activations, flipped(self.activations))
        connect(m, flipped(self.upper), relax.upper)
        connect(m, relax.neurons, neurons.neurons)
        if not leaky:
            connect(m, neurons.contribution, relax.contribution)
        connect(m, relax.weights, flipped(self.weights))
        connect(m, relax.job, flipped(self.job))
        m.d.comb += [neurons.dots.eq(self.lower_dots), self.dots.eq(relax.dots)]
        return m
