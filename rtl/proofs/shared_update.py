"""The shared update engine: whose rows it takes, what it writes of them, and when."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, signed

from popflip.golden.description.layout import Synapses
from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.rtl.layers.shared_update import SharedUpdateEngine
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, past
from popflip.rtl.proofs.update import clipped

__all__ = ["PROOFS"]


class _SharedUpdate(Harness):
    """The engine at its ports, against a model of its rows and a rule that cannot overflow.

    The model follows from the accepted jobs alone; lemmas say that the engine is in the same place.
    """

    def __init__(self, shapes: list[Synapses], code: str, turning: bool):
        super().__init__()
        self._shapes, self._code, self._turning = shapes, code, turning
        self._lanes, self._bits = shapes[0].latent_lanes, shapes[0].latent_bits
        self._top = (1 << (self._bits - 1)) - 1

    def body(self, m: Module) -> None:
        dut = SharedUpdateEngine(self._shapes, self._code, self._turning)
        m.submodules.dut = (inside := Inside(dut)).fragment
        olds = self._surround(m, dut)
        row = self._follow(m, dut, inside)
        self._claim_reads(dut, row)
        contrasts, inner = self._contrasts(m, dut, row)
        before = _Before(*(past(m, value, 1, name) for name, value in (
            ("layer", row.layer), ("step", row.step), ("real", row.real), ("row", row.row),
        )))  # fmt: skip
        self._claim_writes(m, dut, before)
        word = self._weights(m, dut, before)
        flips = [
            self._rule(m, dut, lane, olds[lane], contrasts[lane], inner[lane], before, word)
            for lane in range(self._lanes)
        ]
        self._claim_flips(m, dut, before, word, flips)

    def _surround(self, m, dut):
        """The environment, as the docstring of the engine wants it; return the latents read."""
        ports = [dut.control.flush, dut.touch]
        for learner in dut.learners:
            ports += [learner.partners.plus, learner.partners.minus, learner.tau]
        for port in ports:
            m.d.comb += port.eq(self.any(port.shape(), f"{port.name}_any"))
        for l, (s, learner) in enumerate(zip(self._shapes, dut.learners, strict=True)):
            job = learner.job
            m.d.comb += [
                job.valid.eq(self.any(1, f"job{l}_valid")),
                job.payload.eq(self.any(len(job.payload.as_value()), f"job{l}_payload")),
            ]
            self.assume(job.payload.row < s.rows)
            self.assume(learner.tau >= 1)
            # A memory, whatever is in it: what was read stays until the next read.
            port = learner.weights.read
            fresh, kept = self.any(s.word_bits, f"word{l}"), Signal(s.word_bits)
            m.d.comb += port.data.eq(Mux(past(m, port.en, 1, f"word{l}_read"), fresh, kept))
            m.d.sync += kept.eq(port.data)
        olds = [self.any(signed(self._bits), f"latent{lane}") for lane in range(self._lanes)]
        m.d.comb += dut.latent_read.data.eq(Cat(olds))
        for old in olds:
            self.assume(old >= -self._top)
        return olds

    def _follow(self, m, dut, inside):
        """Cycle t: the row in hand, by what was accepted."""
        shapes, layers, control = self._shapes, range(len(self._shapes)), dut.control
        active, flushing, end = Signal(), Signal(), Signal()
        layer, step = Signal(range(len(shapes))), Signal(range(max(s.row_cycles for s in shapes)))
        row = Signal(range(max(s.rows for s in shapes)))
        own_plus, own_minus = Signal(), Signal()
        here = [active & (layer == l) for l in layers]
        real = Cat(here[l] & (step < s.steps) for l, s in enumerate(shapes)).any()
        last_row = Cat(here[l] & (row == s.rows - 1) for l, s in enumerate(shapes)).any()
        m.d.comb += end.eq(
            Cat(here[l] & (step == s.row_cycles - 1) for l, s in enumerate(shapes)).any()
        )
        with m.If(active):
            m.d.sync += step.eq(Mux(end, 0, step + 1))
        with m.If(end & flushing & last_row):
            m.d.sync += [row.eq(0), layer.eq(layer + 1)]
        with m.Elif(end & flushing):
            m.d.sync += row.eq(row + 1)
        with m.If(end & (~flushing | (last_row & (layer == layers[-1])))):
            m.d.sync += [active.eq(0), flushing.eq(0)]
        with m.If(control.flush & ~control.busy):
            m.d.sync += [active.eq(1), flushing.eq(1), layer.eq(0), row.eq(0)]
        accepts = ~control.flush & ~flushing & (~active | end)
        for l in layers[::-1]:
            job = dut.learners[l].job
            with m.If(accepts & job.valid):
                m.d.sync += [
                    active.eq(1), layer.eq(l), row.eq(job.payload.row),
                    own_plus.eq(job.payload.plus), own_minus.eq(job.payload.minus),
                ]  # fmt: skip
            self.claim("jobs", (job.valid & job.ready) == (job.valid & accepts))
            accepts = accepts & ~job.valid
            self.claim("jobs", dut.learners[l].partners.held == (here[l] & ~end))
        self.claim("jobs", control.busy == (active | past(m, active, 1, "active")))
        self.lemma(active == inside["issuing"])
        self.lemma(flushing == inside.state("Flush", "source"))
        self.lemma(step == inside["step"])
        self.lemma(~active | (layer == inside["layer"]) & (row == inside["row"]))
        own = (own_plus == inside["plus"]) & (own_minus == inside["minus"])
        self.lemma(~active | flushing | own)
        self.lemma(active | (step == 0) & ~flushing)
        self.lemma(Cat(here).any() == active)
        for l, s in enumerate(shapes):
            self.lemma(~here[l] | (row < s.rows) & (step < s.row_cycles))
        return _Row(layer, row, step, here, real, flushing, (own_plus, own_minus))

    def _claim_reads(self, dut, row):
        """Every word of the row is read, and no other."""
        address = dut.latent_read.address
        for l, (s, learner) in enumerate(zip(self._shapes, dut.learners, strict=True)):
            here, port = row.here[l], learner.weights.read
            place = (l << len(address) - len(row.layer)) + row.row * s.latent_stride + row.step
            reads = (
                (port.en == (here & (row.step == 0)))
                & (~here | (port.address == row.row))
                & (~here | (address == place))
                & (dut.latent_read.en == row.real)
            )
            self.claim("reads", row.flushing | reads)
            self.claim("flush", ~row.flushing | reads)

    def _contrasts(self, m, dut, row):
        """The rule: each lane's contrast, and whether there is a synapse in it."""
        contrasts: list = [0] * self._lanes
        inner: list = [0] * self._lanes
        adds = row.real & ~row.flushing
        for l, (s, learner) in enumerate(zip(self._shapes, dut.learners, strict=True)):
            words = [learner.partners.plus, learner.partners.minus]
            if l == 0 and self._turning:
                turn = learner.partners.turn
                turns = adds & row.here[0]
                words = [self._turned(m, turn, word, turns, row.step, s) for word in words]
            for place in range(s.row_bits):
                number, lane = divmod(place, self._lanes)
                at = row.here[l] & (row.step == number)
                plus, minus = (
                    mine & word[place] if self._code == "heaviside" else mine == word[place]
                    for mine, word in zip(row.own, words, strict=True)
                )
                contrasts[lane] = Mux(at & ~row.flushing, plus - minus, contrasts[lane])
                inner[lane] = at | inner[lane]
        return contrasts, inner

    def _turned(self, m, turn, bits, turns, step, s):
        """The word that goes round at a port: what the environment promises of its low bits."""
        word = self.constant(m, s.word_bits, f"{bits.name}_word")
        lanes, place = s.latent_lanes, Signal(range(s.steps), name=f"{bits.name}_place")
        with m.If(turn):
            m.d.sync += place.eq(Mux(place == s.steps - 1, 0, place + 1))
        for number in range(s.steps):
            low, high = number * lanes, min((number + 1) * lanes, s.word_bits)
            self.assume((place != number) | (bits[: high - low] == word[low:high]))
        self.claim("turn", turn == turns)
        self.lemma(place == Mux(turns, step, 0))
        return word

    def _claim_writes(self, m, dut, before):
        """Cycle t + 1: latents are written where they were read."""
        read, write = dut.latent_read, dut.latent_write
        self.claim("writes", write.en == before.real)
        self.claim("writes", ~before.real | (write.address == past(m, read.address, 1, "address")))
        self.claim("apart", ~(write.en & read.en) | (write.address[0] != read.address[0]))

    def _weights(self, m, dut, before):
        """The weight word of the row whose step was issued a cycle ago."""
        word = Signal(max(s.word_bits for s in self._shapes))
        kept_word = Signal.like(word)
        with m.Switch(before.layer):
            for l, learner in enumerate(dut.learners):
                with m.Case(l):
                    data = learner.weights.read.data
                    m.d.comb += word.eq(Mux(before.step == 0, data, kept_word))
        with m.If(before.real & (before.step == 0)):
            m.d.sync += kept_word.eq(word)
        for l, learner in enumerate(dut.learners):
            mine, data = before.real & (before.layer == l), learner.weights.read.data
            self.lemma(~(mine & (before.step != 0)) | (kept_word[: len(data)] == data))
        return word

    def _rule(self, m, dut, lane, old, contrast_before, inner, before, word):
        """What becomes of the latent in a lane; return whether its weight flips."""
        bits, top, write = self._bits, self._top, dut.latent_write
        tau = Mux(before.layer == 0, *(learner.tau for learner in dut.learners))
        contrast = Signal(signed(2), name=f"contrast{lane}")
        tested = Signal(name=f"tested{lane}")
        m.d.sync += [contrast.eq(contrast_before), tested.eq(inner)]
        moved = clipped(m, old + contrast, bits, f"moved{lane}")
        written = write.data[lane * bits : (lane + 1) * bits].as_signed()
        self.claim("saturate", ~before.real | (written == moved))
        self.claim("rails", ~write.en | (written >= -top) & (written <= top))
        one = Cat(
            (before.step == number) & word[place]
            for number in range(max(s.steps for s in self._shapes))
            if (place := number * self._lanes + lane) < len(word)
        ).any()
        flip = Signal(name=f"flip{lane}")
        m.d.comb += flip.eq(tested & (moved * Mux(one, 1, -1) + tau <= 0))
        return flip

    def _claim_flips(self, m, dut, before, word, flips):
        """Cycle t + 2: flips are counted, and each slice of the word is written, once."""
        lanes, steps = self._lanes, max(s.steps for s in self._shapes)
        gathered, after = Signal(steps * lanes), Signal(steps * lanes)
        for number in range(steps):
            part = slice(number * lanes, (number + 1) * lanes)
            m.d.comb += after[part].eq(Mux(before.step == number, Cat(flips), gathered[part]))
        with m.If(before.real):
            m.d.sync += gathered.eq(after)
        new_word = past(m, word ^ after[: len(word)], 1, "new_word")
        row_2 = past(m, before.row, 1, "row_1")
        for l, (s, learner) in enumerate(zip(self._shapes, dut.learners, strict=True)):
            port, mine = learner.weights.write, before.real & (before.layer == l)
            counted = Mux(mine, sum(flips), 0)
            self.claim("count", learner.flips == past(m, counted, 1, f"count{l}"))
            part_steps = ceil_div(s.slice_bits, lanes)
            for number in range(s.slices):
                low, high = number * s.slice_bits, min((number + 1) * s.slice_bits, s.word_bits)
                last = min((number + 1) * part_steps, s.steps) - 1
                ends = past(m, mine & (before.step == last), 1, f"ends{l}_{number}")
                self.claim("flip", port.en[number] == ends)
                self.claim("flip", ~ends | (port.data[low:high] == new_word[low:high]))
            self.claim("flip", ~port.en.any() | (port.address == row_2))


class _Row(NamedTuple):
    """The row in hand; ``here`` says of each layer whether it is one of its rows."""

    layer: Any
    row: Any
    step: Any
    here: list
    real: Any
    flushing: Any
    own: tuple


class _Before(NamedTuple):
    """What was issued a cycle ago."""

    layer: Any
    step: Any
    real: Any
    row: Any


_ENGINE = SharedUpdateEngine


def _small(bits):
    common = {"block": 1, "banks": 1, "latent_lanes": 2, "latent_bits": bits, "shared": True}
    return [
        Synapses(layer=0, rows=3, row_bits=5, word_bits=5, weight_slice=4, **common),
        Synapses(layer=1, rows=2, row_bits=3, word_bits=3, **common),
    ]


def _ice40up5k():
    params = Params.load("ice40up5k")
    return [params.synapses(layer) for layer in range(params.depth)]


def _proof(name, shapes, code="heaviside", turning=False, slow=False):
    claims = {
        "jobs": Claim(
            "of the rows that are offered the highest layer's is taken, in the last cycle of the "
            "one before; busy is high from then until a cycle after it",
            Fault(
                _ENGINE._choose_rows,
                "free = ~issuing | last",
                "free = ~issuing | last & ~flushing & (row == 0)",
            ),
        ),
        "reads": Claim(
            "each word of a row is read once, in order",
            Fault(_ENGINE._read, "read.address.eq(row)", "read.address.eq(row + 1)"),
        ),
        "flush": Claim(
            "a flush reads each word of each row of each layer once, in order",
            Fault(_ENGINE._choose_rows, "layer.eq(0), row.eq(0)", "layer.eq(0), row.eq(1)"),
        ),
        "writes": Claim(
            "each latent word is written in the cycle after it was read, at its address",
            Fault(_ENGINE._read, "address_1.eq(address)", "address_1.eq(address & ~1)"),
        ),
        "apart": Claim(
            "no bank of the latents is read and written in one cycle",
            Fault(_ENGINE._read, "Cat(low, row)", "Cat(row, low)"),
        ),
        "saturate": Claim(
            "a latent becomes clip(m + contrast, -S, S)",
            Fault(_ENGINE._flip, "(old[lane] != latent_max)", "(old[lane] != latent_max - 1)"),
        ),
        "rails": Claim(
            "no latent beyond S or -S is ever written",
            Fault(_ENGINE._flip, "down[lane] & (old[lane][1:] != lowest)", "down[lane]"),
        ),
        "flip": Claim(
            "a weight changes if and only if it is tested and m * w <= -tau; each slice of its "
            "word is written once, at its row",
            Fault(_ENGINE._select_weights, "Mux(first_1,", "Mux(~first_1,"),
        ),
        "count": Claim(
            "flips counts the weights that change, layer by layer",
            Fault(_ENGINE._write_weights, "mine.eq(here)", "mine.eq(valid)"),
        ),
    }
    if turning:
        claims["turn"] = Claim(
            "the partners' bits are turned once for each step of a row of layer 0",
            Fault(_ENGINE.elaborate, "~flushing & (layer == 0)", "~flushing"),
        )
    rows = " and ".join(str(s.row_bits) for s in shapes)
    steps = " and ".join(str(s.steps) for s in shapes)
    return Proof(
        f"shared-update-{name}",
        "layers/shared_update",
        f"{shapes[0].latent_bits}-bit latents, {code}; rows of {rows} synapses in {steps} steps",
        lambda: _SharedUpdate(shapes, code, turning),
        claims,
        depth=4,
        slow=slow,
    )


PROOFS = [
    _proof("heaviside", _small(4)),
    _proof("sign", _small(8), code="sign", slow=True),
    _proof("turning", _small(6), turning=True, slow=True),
    _proof("ice40up5k", _ice40up5k(), turning=True, slow=True),
]
