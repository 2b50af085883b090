"""The leaky dynamics: how a potential moves, and that each does so once in a step."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.description.params import Params
from popflip.rtl.core.sequencer import Sequencer
from popflip.rtl.leaky.engine import LeakyEngine
from popflip.rtl.leaky.leak import Leak
from popflip.rtl.leaky.sequencer import LeakySequencer
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, past
from popflip.rtl.proofs.nets import tiny
from popflip.rtl.proofs.sequencer import Ends

__all__ = ["PROOFS"]


class _Leak(Harness):
    """A hidden neuron with any potential, dot products and feedback that there are."""

    def __init__(self, params: Params, layer: int):
        super().__init__()
        self._params, self._layer = params, layer

    def body(self, m: Module) -> None:
        p, layer = self._params, self._layer
        dut = Leak(p, layer)
        m.submodules.dut = Inside(dut).fragment
        v_max, gains = p.dynamics.v_max, p.dynamics.gains
        state = self.any(len(dut.state), "state")
        below = self.any(dut.below.shape(), "below")
        feedback = self.any(dut.feedback.shape(), "feedback")
        m.d.comb += [dut.state.eq(state), dut.below.eq(below), dut.feedback.eq(feedback)]
        self.assume(state <= v_max)
        # A drive has its gain already.
        most = gains[0] * p.fan_in if layer == 1 else p.sizes[layer - 1]
        above = p.sizes[layer + 1]
        self.assume((below >= -most) & (below <= most))
        self.assume((feedback >= -above) & (feedback <= above))
        pull = below if layer == 1 else gains[layer - 1] * below
        half = (state + pull + p.feedback_gain(layer) * feedback) >> 1
        total = past(m, half, Leak.latency, "half")
        self.claim("bottom", (total >= 0) | (dut.new == 0))
        self.claim("top", (total <= v_max) | (dut.new == v_max))
        self.claim("between", (total < 0) | (total > v_max) | (dut.new == total))
        self.claim("before", dut.before == past(m, state, Leak.latency, "state"))


class _Pass(Harness):
    """An engine whose passes begin when it is idle; nobody scans meanwhile.

    All that it does follows from how many cycles ago a pass began.
    """

    def __init__(self, params: Params):
        super().__init__()
        self._params = params

    def body(self, m: Module) -> None:
        dut, shape = LeakyEngine(self._params, 1), self._params.synapses(1)
        m.submodules.dut = (inside := Inside(dut)).fragment
        for path, member, value in dut.signature.flatten(dut):
            port = Value.cast(value)
            if member.flow == In and len(port):
                m.d.comb += port.eq(self.any(len(port), "__".join(map(str, path))))
        start, words, latency = dut.visit.start, shape.weight_depth, dut.latency
        self.assume(~dut.phase.scan & (~start | dut.visit.idle))
        self.lemma(~inside["scanning"] & ~inside["scan_valid"])

        since = Signal(range(words + latency))
        last = since == words + latency - 1
        m.d.sync += since.eq(Mux(start, 1, Mux((since == 0) | last, 0, since + 1)))
        self.lemma(since < words + latency)
        self.claim("whole", ~dut.visit.idle | (since == 0))
        self._follow_words(dut, inside, since)

        # Of a group, any, what is written in this pass until now.
        port = dut.neurons
        group, count = self.constant(m, len(port.write_index), "written_group"), Signal(2)
        self.assume(group < shape.slots)
        here = port.write_en & (port.write_index == group)
        with m.If(start):
            m.d.sync += count.eq(0)
        with m.Elif(here & (count != 3)):
            m.d.sync += count.eq(count + 1)
        self.claim("once", ~last | (count + here == 1))
        self.claim("once", ~port.write_en | (since != 0))
        at = latency + (group + 1) * shape.chunks - 1
        self.lemma((since == 0) | (here == (since == at)))
        self.lemma((since == 0) | (count == (since > at)))
        # No memory reads and writes one word in a cycle.
        for en, index in ((port.look_en, port.look_index), (port.below_en, port.below_index)):
            self.claim("apart", ~en | ~port.write_en | (index != port.write_index))
        # It is written where it was looked up.
        looked = past(m, Cat(port.below_index, port.below_en), Leak.latency + 1, "looked")
        self.claim("place", ~port.write_en | (looked == Cat(port.write_index, 1)))

    def _follow_words(self, dut, inside, since):
        """Words are asked for one after the other, and go through the stages side by side."""
        shape, latency = self._params.synapses(1), dut.latency
        words, bits = shape.weight_depth, (shape.chunks - 1).bit_length()
        last_chunk = shape.chunks - 1
        assert last_chunk == (1 << bits) - 1
        passing = (since != 0) & (since <= words)
        place = Mux(passing, since - 1, 0)
        self.lemma(inside["passing"] == passing)
        self.lemma(dut.weights.address == place)
        self.lemma(inside["chunk"] == (place & last_chunk))
        self.lemma(inside["group"] == place >> bits)
        self.lemma(inside["number"] == place >> bits)
        self.claim("read", dut.weights.en == passing.replicate(shape.banks))
        self.claim("read", ~passing | (dut.weights.address == since - 1))
        indices = {latency - 2 - Leak.latency: "look_index", latency - 1: "write_index"}
        for k, stage in enumerate(inside["stages"]):
            there, word = (since > k) & (since <= words + k), (since - 1 - k)[: len(since)]
            self.lemma(stage.valid == there)
            self.lemma(~there | (stage.last == ((word & last_chunk) == last_chunk)))
            if k in indices:
                index = inside[indices[k]]
                done = Mux(there, word, Mux(since > k, words, 0)) >> bits
                self.lemma((since == 0) | (index == done[: len(index)]))


class _Steps(Ends):
    """The sequencer, whose engines answer in time: every run ends, and steps are whole."""

    sequencer = LeakySequencer

    def __init__(self, params: Params, within: int):
        super().__init__(params, within)
        self._passes = [f"Pass {layer}" for layer in range(1, params.depth)]
        self.sweeping = ("Step", *self._passes, "Outputs")

    def sweep(self, b):
        return self._params.depth * b

    def phase(self, sweeps, b):
        return 1 + super().phase(sweeps, b)

    def answers(self, dut):
        idle = {name: visit.idle for name, visit in zip(self._passes, dut.visits, strict=True)}
        return idle | {"Outputs": dut.output.idle}

    def ranks(self, b, waited, left, behind):
        ranks = {"Step": 1 + left + self.sweep(b) + behind}
        for number, name in enumerate(self.sweeping[1:]):
            ranks[name] = left + self.sweep(b) - number * b - waited + behind
        return ranks

    def body(self, m: Module) -> None:
        super().body(m)
        dut, inside = self._dut
        # The layer whose turn it is: each pass follows the one below, the outputs the last.
        turn, layers = Signal(range(self._params.depth)), self._params.depth - 1
        for number, visit in enumerate(dut.visits):
            self.claim("turns", ~visit.start | (turn == number))
            with m.If(visit.start):
                m.d.sync += turn.eq(number + 1)
        self.claim("turns", ~dut.output.update | (turn == layers))
        with m.If(dut.output.update):
            m.d.sync += turn.eq(0)
        expected = 0
        for number, name in enumerate(self._passes, 1):
            expected = Mux(inside.state(name, "sequencer"), number, expected)
        self.lemma(turn == expected)


def _deeper() -> Params:
    params = Params.load("ecp5-85f-leaky")
    return params.replace(
        network={"hidden": [512, 128]},
        dynamics={"gains": [16, 12, 6]},
        learning={"tau": [20, 20, 12]},
        machine={"latent_lanes": [8, 8, 4]},
    )


def _leak(name, size, make, layer):
    return Proof(
        f"leak-{name}",
        "leaky/leak",
        size,
        lambda: _Leak(make(), layer),
        {
            "bottom": Claim(
                "a potential that would fall below 0 becomes 0",
                Fault(Leak.elaborate, "with m.If(total < 0)", "with m.If(total < -1)"),
            ),
            "top": Claim(
                "one that would rise above V becomes V",
                Fault(Leak.elaborate, "total > v_max", "total > v_max + 1"),
            ),
            "between": Claim(
                "any other is half of the potential and of what the neuron receives, rounded down",
                Fault(Leak.elaborate, "(kept + pull) >> 1", "(kept + pull + 1) >> 1"),
            ),
            "before": Claim(
                "the potential before the step stands beside it",
                Fault(Leak.elaborate, "self.before.eq(state)", "self.before.eq(self.state)"),
            ),
        },
        depth=4,
    )


PROOFS = [
    _leak(
        "784",
        "ecp5-85f-leaky: 784 inputs and 100 outputs",
        lambda: Params.load("ecp5-85f-leaky"),
        1,
    ),
    _leak("512", "layer 2 of a network 784-512-128-100", _deeper, 2),
    Proof(
        "leaky-pass",
        "leaky/engine",
        "layer 1 of a dense network 4-13-6: 7 groups of 2 neurons, words of 3 bits",
        lambda: _Pass(
            tiny(
                network={"hidden": [13], "classes": 3, "copies": 2},
                dynamics={"kind": "leaky"},
                machine={"neuron_lanes": 2, "relax_lanes": 3, "latent_lanes": [4, 3]},
            )
        ),
        {
            "once": Claim(
                "every neuron moves once in a pass, and none at other times",
                Fault(
                    LeakyEngine._move,
                    "stages[at].valid & stages[at].last for",
                    "stages[at].valid for",
                    40,
                ),
            ),
            "read": Claim(
                "every word is read once in a pass, in order",
                Fault(
                    LeakyEngine._request,
                    "with m.If(self.weights.address == shape.weight_depth - 1)",
                    "with m.If(self.weights.address == shape.weight_depth - 2)",
                    30,
                ),
            ),
            "place": Claim(
                "a neuron's potential goes back to where it came from",
                Fault(
                    LeakyEngine._move,
                    "for at in (-2 - Leak.latency, -1)",
                    "for at in (-1 - Leak.latency, -1)",
                    30,
                ),
            ),
            "apart": Claim(
                "no potential or activation is read in the cycle in which it is written",
                Fault(
                    LeakyEngine._move, "for at in (-2 - Leak.latency, -1)", "for at in (-1, -1)", 30
                ),
            ),
            "whole": Claim(
                "the engine is not idle before its pass is over",
                Fault(
                    LeakyEngine.elaborate, "for stage in stages]", "for stage in stages[:-1]]", 40
                ),
            ),
        },
        depth=4,
    ),
    Proof(
        "leaky-sequencer",
        "leaky/sequencer",
        "the sequencer of a network 4-3-3-2, T = 2 and K = 1; runs of up to 3 samples, engines "
        "that answer within 10 cycles",
        lambda: _Steps(
            tiny(
                network={"hidden": [3, 3]},
                dynamics={"kind": "leaky", "gains": [60, 90, 90]},
                learning={"tau": [2, 2, 2]},
                machine={"latent_lanes": [4, 2, 2]},
            ),
            within=10,
        ),
        {
            "ends": Claim(
                "every run ends within the bound, whatever the engines answer",
                Fault(
                    Sequencer._finish,
                    "m.If(self.feed.idle & ~self.sample.full)",
                    "m.If(self.feed.idle & ~self.sample.full & self._stopping)",
                    10,
                ),
            ),
            "turns": Claim(
                "a step is one pass over each hidden layer, from the first to the last, and then "
                "one update of the outputs",
                Fault(
                    LeakySequencer._relax,
                    "if layer < len(visits):",
                    "if layer < len(visits) - 1:",
                    14,
                ),
            ),
        },
        depth=2,
    ),
]
