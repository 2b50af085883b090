"""The step of one leaky neuron."""

from amaranth.hdl import Module, Shape, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Params
from popflip.rtl.leaky.neurons import below_shape
from popflip.rtl.primitives.arithmetic import times

__all__ = ["Leak"]


class Leak(wiring.Component):
    """Move a hidden neuron: ``s <- clip((s + below + gain * feedback) >> 1, 0, V)``.

    What comes in leaves :attr:`latency` cycles later; one neuron is accepted per cycle.

    Parameters
    ----------
    params : Params
    layer : int
        Of the neuron, 1 to ``depth - 1``.

    Members
    -------
    state : ``In``
        Its potential, 0 to V.
    below : ``In``
        Of layer 1, what it receives from the input; of a later layer, the dot product with the
        layer below, which still lacks its gain.
    feedback : ``In``
        Dot product with the layer above.
    new, before : ``Out``
        Its potential after the step, and that before it.
    """

    latency = 2

    def __init__(self, params: Params, layer: int):
        self._params = params
        self._layer = layer
        v_bits = params.dynamics.potential_bits + 1
        super().__init__({
            "state": In(v_bits),
            "below": In(below_shape(params, layer)),
            "feedback": In(feedback_shape(params, layer)),
            "new": Out(v_bits),
            "before": Out(v_bits),
        })

    def elaborate(self, platform):
        m = Module()
        p, layer = self._params, self._layer
        v_max, gains = p.dynamics.v_max, p.dynamics.gains
        fan_in = p.fan_in if layer == 1 else p.sizes[layer - 1]
        below = self.below if layer == 1 else times(self.below, gains[layer - 1])
        kept = Signal(_signed_to(v_max + gains[layer - 1] * fan_in))
        pull = Signal(_signed_to(p.feedback_gain(layer) * p.sizes[layer + 1]))
        state = Signal.like(self.state)
        m.d.sync += [
            kept.eq(self.state + below),
            pull.eq(times(self.feedback, p.feedback_gain(layer))),
            state.eq(self.state),
        ]
        total = (kept + pull) >> 1
        m.d.sync += self.before.eq(state)
        with m.If(total < 0):
            m.d.sync += self.new.eq(0)
        with m.Elif(total > v_max):
            m.d.sync += self.new.eq(v_max)
        with m.Else():
            m.d.sync += self.new.eq(total)
        return m


def feedback_shape(params: Params, layer: int) -> Shape:
    """Shape of the dot product of a neuron of hidden layer ``layer`` with the layer above."""
    return _signed_to(params.sizes[layer + 1])


def _signed_to(most: int) -> Shape:
    """Shape of the numbers from ``-most`` to ``most``."""
    return signed(ceil_log2(most + 1) + 1)
