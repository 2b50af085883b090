"""The shared update engine: whose rows it takes, what it writes of them, and when."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed

from popflip.golden.description.params import Params, Synapses, ceil_div
from popflip.rtl.layers.shared_update import SharedUpdateEngine
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, past
from popflip.rtl.proofs.update import clipped

__all__ = ["PROOFS"]


class _SharedUpdate(Harness):
    """The engine at its ports, against a walk through the rows and a rule that cannot overflow.

    The walk follows from the accepted jobs alone; lemmas say that the engine is in the same place.
    """

    def __init__(self, shapes: list[Synapses], code: str, turning: bool):
        super().__init__()
        self._shapes, self._code, self._turning = shapes, code, turning

    def body(self, m: Module) -> None:
        shapes, layers = self._shapes, range(len(self._shapes))
        lanes, bits = shapes[0].latent_lanes, shapes[0].latent_bits
        top = (1 << (bits - 1)) - 1
        dut = SharedUpdateEngine(shapes, self._code, self._turning)
        m.submodules.dut = (inside := Inside(dut)).fragment
        jobs = [getattr(dut, f"job{l}") for l in layers]
        weight_reads = [getattr(dut, f"weight_read{l}") for l in layers]

        # The environment, as the docstring of the engine wants it.
        ports = [getattr(dut, f"{name}{l}") for name in ("plus", "minus", "tau") for l in layers]
        for port in (dut.flush, dut.touch, *ports):
            m.d.comb += port.eq(self.any(port.shape(), f"{port.name}_any"))
        for l, (s, job) in enumerate(zip(shapes, jobs, strict=True)):
            m.d.comb += [
                job.valid.eq(self.any(1, f"job{l}_valid")),
                job.payload.eq(self.any(len(job.payload.as_value()), f"job{l}_payload")),
            ]
            self.assume(job.payload.row < s.rows)
            self.assume(getattr(dut, f"tau{l}") >= 1)
            # A memory, whatever is in it: what was read stays until the next read.
            port = weight_reads[l]
            fresh, kept = self.any(s.word_bits, f"word{l}"), Signal(s.word_bits)
            m.d.comb += port.data.eq(Mux(past(m, port.en, 1, f"word{l}_read"), fresh, kept))
            m.d.sync += kept.eq(port.data)
        olds = [self.any(signed(bits), f"latent{lane}") for lane in range(lanes)]
        m.d.comb += dut.latent_read.data.eq(Cat(olds))
        for old in olds:
            self.assume(old >= -top)

        # t: the walk, by what was accepted.
        active, walks, end = Signal(), Signal(), Signal()
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
        with m.If(end & walks & last_row):
            m.d.sync += [row.eq(0), layer.eq(layer + 1)]
        with m.Elif(end & walks):
            m.d.sync += row.eq(row + 1)
        with m.If(end & (~walks | (last_row & (layer == layers[-1])))):
            m.d.sync += [active.eq(0), walks.eq(0)]
        with m.If(dut.flush & ~dut.busy):
            m.d.sync += [active.eq(1), walks.eq(1), layer.eq(0), row.eq(0)]
        accepts = ~dut.flush & ~walks & (~active | end)
        for l in layers[::-1]:
            job = jobs[l]
            with m.If(accepts & job.valid):
                m.d.sync += [
                    active.eq(1), layer.eq(l), row.eq(job.payload.row),
                    own_plus.eq(job.payload.plus), own_minus.eq(job.payload.minus),
                ]  # fmt: skip
            self.claim("jobs", (job.valid & job.ready) == (job.valid & accepts))
            accepts = accepts & ~job.valid
        self.claim("jobs", dut.busy == (active | past(m, active, 1, "active")))
        self.lemma(active == inside["issuing"])
        self.lemma(walks == inside.state("Walk", "source"))
        self.lemma(step == inside["step"])
        self.lemma(~active | (layer == inside["layer"]) & (row == inside["row"]))
        self.lemma(~active | walks | (own_plus == inside["plus"]) & (own_minus == inside["minus"]))
        self.lemma(active | (step == 0) & ~walks)
        for l, s in enumerate(shapes):
            self.lemma(~here[l] | (row < s.rows) & (step < s.row_cycles))
            self.claim("jobs", getattr(dut, f"at{l}") == (here[l] & ~end))

            # Every word of the row, and no other.
            place = (l << len(dut.latent_read.address) - len(layer)) + row * s.latent_stride + step
            reads = (
                (weight_reads[l].en == (here[l] & (step == 0)))
                & (~here[l] | (weight_reads[l].address == row))
                & (~here[l] | (dut.latent_read.address == place))
                & (dut.latent_read.en == real)
            )
            self.claim("reads", walks | reads)
            self.claim("flush", ~walks | reads)
        self.lemma(Cat(here).any() == active)

        # The rule.
        contrasts: list = [0] * lanes
        inner: list = [0] * lanes
        for l, s in enumerate(shapes):
            sides = [getattr(dut, f"{name}{l}") for name in ("plus", "minus")]
            if l == 0 and self._turning:
                sides = [
                    self._turned(m, dut, side, real & ~walks & here[0], step, s) for side in sides
                ]
            for place in range(s.row_bits):
                number, lane = divmod(place, lanes)
                at = here[l] & (step == number)
                plus, minus = (
                    mine & side[place] if self._code == "heaviside" else mine == side[place]
                    for mine, side in zip((own_plus, own_minus), sides, strict=True)
                )
                contrasts[lane] = Mux(at & ~walks, plus - minus, contrasts[lane])
                inner[lane] = at | inner[lane]

        # t + 1: the words arrive, and latents are written.
        layer_1, step_1 = past(m, layer, 1, "layer"), past(m, step, 1, "step")
        real_1, row_1 = past(m, real, 1, "real"), past(m, row, 1, "row")
        write = dut.latent_write
        self.claim("writes", write.en == real_1)
        self.claim(
            "writes",
            ~real_1 | (write.address == past(m, dut.latent_read.address, 1, "address")),
        )
        self.claim("apart", ~(write.en & dut.latent_read.en)
                   | (write.address[0] != dut.latent_read.address[0]))  # fmt: skip
        flips = []
        tau = Mux(layer_1 == 0, dut.tau0, dut.tau1)
        word = Signal(max(s.word_bits for s in shapes))
        kept_word = Signal.like(word)
        with m.Switch(layer_1):
            for l, port in enumerate(weight_reads):
                with m.Case(l):
                    m.d.comb += word.eq(Mux(step_1 == 0, port.data, kept_word))
        with m.If(real_1 & (step_1 == 0)):
            m.d.sync += kept_word.eq(word)
        for l, port in enumerate(weight_reads):
            mine = real_1 & (layer_1 == l) & (step_1 != 0)
            self.lemma(~mine | (kept_word[: len(port.data)] == port.data))
        for lane in range(lanes):
            contrast = Signal(signed(2), name=f"contrast{lane}")
            tested = Signal(name=f"tested{lane}")
            m.d.sync += [contrast.eq(contrasts[lane]), tested.eq(inner[lane])]
            moved = clipped(m, olds[lane] + contrast, bits, f"moved{lane}")
            written = write.data[lane * bits : (lane + 1) * bits].as_signed()
            self.claim("saturate", ~real_1 | (written == moved))
            self.claim("rails", ~write.en | (written >= -top) & (written <= top))
            one = Cat(
                (step_1 == number) & word[place]
                for number in range(max(s.steps for s in shapes))
                if (place := number * lanes + lane) < len(word)
            ).any()
            flip = Signal(name=f"flip{lane}")
            m.d.comb += flip.eq(tested & (moved * Mux(one, 1, -1) + tau <= 0))
            flips.append(flip)

        # t + 2: flips are counted, and a slice of the weight word is written behind its last step.
        steps = max(s.steps for s in shapes)
        gathered, after = Signal(steps * lanes), Signal(steps * lanes)
        for number in range(steps):
            part = slice(number * lanes, (number + 1) * lanes)
            m.d.comb += after[part].eq(Mux(step_1 == number, Cat(flips), gathered[part]))
        with m.If(real_1):
            m.d.sync += gathered.eq(after)
        new_word = past(m, word ^ after[: len(word)], 1, "new_word")
        row_2 = past(m, row_1, 1, "row_1")
        for l, s in enumerate(shapes):
            port, mine = getattr(dut, f"weight_write{l}"), real_1 & (layer_1 == l)
            counted = Mux(mine, sum(flips), 0)
            self.claim("count", getattr(dut, f"flips{l}") == past(m, counted, 1, f"count{l}"))
            part_steps = ceil_div(s.slice_bits, lanes)
            for number in range(s.slices):
                low, high = number * s.slice_bits, min((number + 1) * s.slice_bits, s.word_bits)
                last = min((number + 1) * part_steps, s.steps) - 1
                ends = past(m, mine & (step_1 == last), 1, f"ends{l}_{number}")
                self.claim("flip", port.en[number] == ends)
                self.claim("flip", ~ends | (port.data[low:high] == new_word[low:high]))
            self.claim("flip", ~port.en.any() | (port.address == row_2))

    def _turned(self, m, dut, side, turns, step, s):
        """The word that goes round at a port: what the environment promises of its low bits."""
        word = self.constant(m, s.word_bits, f"{side.name}_word")
        lanes, place = s.latent_lanes, Signal(range(s.steps), name=f"{side.name}_place")
        with m.If(dut.turn):
            m.d.sync += place.eq(Mux(place == s.steps - 1, 0, place + 1))
        for number in range(s.steps):
            low, high = number * lanes, min((number + 1) * lanes, s.word_bits)
            self.assume((place != number) | (side[: high - low] == word[low:high]))
        self.claim("turn", dut.turn == turns)
        self.lemma(place == Mux(turns, step, 0))
        return word


_ELABORATE = SharedUpdateEngine.elaborate


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
            Fault(_ELABORATE, "free = ~issuing | last", "free = ~issuing | real & last"),
        ),
        "reads": Claim(
            "each word of a row is read once, in order",
            Fault(_ELABORATE, "port.address.eq(row)", "port.address.eq(row + 1)"),
        ),
        "flush": Claim(
            "a flush reads each word of each row of each layer once, in order",
            Fault(_ELABORATE, "layer.eq(0), row.eq(0)", "layer.eq(0), row.eq(1)"),
        ),
        "writes": Claim(
            "each latent word is written in the cycle after it was read, at its address",
            Fault(_ELABORATE, "address_1.eq(address)", "address_1.eq(address & ~1)"),
        ),
        "apart": Claim(
            "no bank of the latents is read and written in one cycle",
            Fault(_ELABORATE, "Cat(low, row)", "Cat(row, low)"),
        ),
        "saturate": Claim(
            "a latent becomes clip(m + contrast, -S, S)",
            Fault(_ELABORATE, "(old[lane] != latent_max)", "(old[lane] != latent_max - 1)"),
        ),
        "rails": Claim(
            "no latent beyond S or -S is ever written",
            Fault(_ELABORATE, "down[lane] & (old[lane][1:] != lowest)", "down[lane]"),
        ),
        "flip": Claim(
            "a weight changes if and only if it is tested and m * w <= -tau; each slice of its "
            "word is written once, at its row",
            Fault(_ELABORATE, "selected.eq(_pick(word, step,", "selected.eq(_pick(word, step_1,"),
        ),
        "count": Claim(
            "flips counts the weights that change, layer by layer",
            Fault(_ELABORATE, "mine.eq(here)", "mine.eq(valid)"),
        ),
    }
    if turning:
        claims["turn"] = Claim(
            "the other side's bits are turned once for each step of a row of layer 0",
            Fault(_ELABORATE, "~walking & (layer == 0)", "~walking"),
        )
    rows = " and ".join(str(s.row_bits) for s in shapes)
    steps = " and ".join(str(s.steps) for s in shapes)
    return Proof(
        f"shared-update-{name}",
        "shared_update",
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
