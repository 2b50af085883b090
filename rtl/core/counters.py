"""What the core counts for the host: events, and the cycles of each stage."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.golden.description.registers import COUNTER_WORDS
from popflip.rtl.core.signatures import Stage
from popflip.rtl.primitives.counters import CounterBank, CounterSignature

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count what :class:`popflip.golden.description.registers.RegisterMap` names as counters.

    Parameters
    ----------
    params : Params

    Members
    -------
    stage : ``In(Stage)``
        What this cycle is spent on.
    finish, correct, changed, restarted : ``In(1)``
        Pulses: a sample is finished; its prediction is its label; a neuron of layer 1 differs
        between the nudged states; a sample begins again with a larger bound.
    flips : ``In``, a list by layer
        Weights that flip in this cycle.
    look : ``In(CounterSignature)``
    finished : ``Out``
        Only in a standalone machine: the low bits of counter ``samples``.
    """

    def __init__(self, params: Params):
        self._params = params
        training = params.machine.training
        self._most = [
            params.synapses(layer).latent_lanes if training else 1 for layer in range(params.depth)
        ]
        members = {
            "stage": In(Stage),
            "finish": In(1),
            "correct": In(1),
            "changed": In(1),
            "restarted": In(1),
            "flips": In(range(max(self._most) + 1)).array(params.depth),
            "look": In(CounterSignature(COUNTER_WORDS * len(params.registers.counters))),
        }
        if params.standalone.lines:
            members["finished"] = Out(max(11, params.standalone.order_bits))
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        flips = {f"flips{layer}": flips for layer, flips in enumerate(self.flips)}
        events = {
            "samples": self.finish,
            "correct": self.finish & self.correct,
            "changed": self.changed,
            "restarts": self.restarted,
            **flips,
            "cycles_drive": self.stage == Stage.DRIVE,
            "cycles_free": self.stage == Stage.FREE,
            "cycles_nudged": self.stage == Stage.NUDGED,
            "cycles_update": self.stage == Stage.UPDATE,
            "cycles_wait": self.stage == Stage.WAIT,
        }
        most = dict.fromkeys(self._params.registers.counters.names, 1) | dict(
            zip(flips, self._most, strict=True)
        )
        m.submodules.bank = bank = CounterBank(most)
        m.d.comb += [bank.steps[name].eq(events[name]) for name in most]
        connect(m, flipped(self.look), bank.look)

        if self._params.standalone.lines:
            # Of its own: the bank's sums are not at hand.
            with m.If(self.look.clear):
                m.d.sync += self.finished.eq(0)
            with m.Elif(self.finish):
                m.d.sync += self.finished.eq(self.finished + 1)
        return m
