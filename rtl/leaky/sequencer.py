"""The sequencer of the leaky dynamics: steps in which all layers move at once."""

from amaranth.hdl import Cat, Signal

from popflip.golden.description.params import Params
from popflip.rtl.core.sequencer import Sequencer

__all__ = ["LeakySequencer"]


class LeakySequencer(Sequencer):
    """Lead samples through the engines, as any sequencer, but relax them in synchronous steps.

    A step is a pass over each hidden layer, from the first to the last, and then an update of the
    outputs. One that changes no potential ends its phase: nor would those that follow.

    Parameters
    ----------
    params : Params
        With ``leaky`` dynamics.
    """

    _first = "Step"

    def __init__(self, params: Params):
        super().__init__(params)
        #: A potential of a hidden layer has changed in this step.
        self._moved = Signal(name="moved")

    def _all_stale(self):
        return []  # Every neuron is visited in every step.

    def _relax(self, m, exceeded):
        """States of a step."""
        visits, output = self.visits, self.output
        with m.State("Step"):
            self._relaxing(m)
            self._begin_step(m)

        for layer, visit in enumerate(visits, 1):
            with m.State(f"Pass {layer}"):
                self._relaxing(m)
                with m.If(visit.idle):
                    if layer < len(visits):
                        m.d.comb += visits[layer].start.eq(1)
                        m.next = f"Pass {layer + 1}"
                    else:
                        m.d.comb += output.update.eq(1)
                        m.next = "Outputs"

        with m.State("Outputs"):
            self._relaxing(m)
            with m.If(output.idle):
                m.d.sync += self._sweeps.eq(self._sweeps - 1)
                with m.If((self._sweeps == 1) | ~self._moved & ~output.moved):
                    m.next = "Phase end"
                with m.Else():
                    self._begin_step(m)

    def _begin_step(self, m):
        m.d.comb += self.visits[0].start.eq(1)
        m.d.sync += self._moved.eq(0)
        m.next = "Pass 1"

    def _go_back(self, m):
        """The engines begin their next pass with the free state, once they are told of it."""

    def _restore(self, m):
        """Nothing has to be visited for that."""

    def _follow_changes(self, m):
        """Remember in a step that a potential has changed."""
        with m.If(Cat(visit.toggled for visit in self.visits).any()):
            m.d.sync += self._moved.eq(1)
