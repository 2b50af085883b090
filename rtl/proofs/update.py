"""Latents saturate and weights flip as the rule says, up to both rails."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed

from popflip.golden.description.params import Synapses
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, past

__all__ = ["PROOFS", "clipped"]


def clipped(m: Module, total, bits: int, name: str) -> Signal:
    """A latent's value after a step: a sum, taken back to the nearer rail if it is beyond one."""
    top = (1 << (bits - 1)) - 1
    value = Signal(signed(bits + 4), name=name)  # wide enough to multiply and compare
    m.d.comb += value.eq(Mux(total > top, top, Mux(total < -top, -top, total)))
    return value


class _Update(Harness):
    """The engine at its ports: what it writes, against the rule in integers that do not overflow.

    Which contrast a latent gets is followed from the accepted job on, and what a weight was from
    the word that was read: of the engine's registers only those that say where it is in a row are
    looked at, by lemmas.
    """

    def __init__(self, shape: Synapses, code: str):
        super().__init__()
        self._shape, self._code = shape, code

    def body(self, m: Module) -> None:
        s, code = self._shape, self._code
        lanes, steps, bits = s.latent_lanes, s.steps, s.latent_bits
        top = (1 << (bits - 1)) - 1
        dut = UpdateEngine(s, code)
        m.submodules.dut = (inside := Inside(dut)).fragment

        # The environment, as the docstring of the engine wants it.
        job = dut.job
        for name in ("plus", "minus", "tau", "immediate", "reset_on_flip", "flush", "touch"):
            port = getattr(dut, name)
            m.d.comb += port.eq(self.any(port.shape(), name))
        m.d.comb += [
            job.valid.eq(self.any(1, "job_valid")),
            job.payload.eq(self.any(len(job.payload.as_value()), "job")),
            dut.weight_read.data.eq(self.any(s.word_bits, "weights")),
        ]
        olds = [self.any(signed(bits), f"latent{lane}") for lane in range(lanes)]
        m.d.comb += dut.latent_read.data.eq(Cat(olds))
        for old in olds:
            self.assume(old >= -top)
        self.assume(dut.tau >= 1)
        settings = Cat(dut.tau, dut.immediate, dut.reset_on_flip)
        was_busy = past(m, dut.busy | (job.valid & job.ready), 1, "was_busy")
        self.stays(m, settings, was_busy, "settings")

        # t: where the engine is in a row, by what it accepted and what it reads.
        issue = dut.latent_read.en
        step, flushing = Signal(range(steps)), Signal()
        own_plus, own_minus = Signal(), Signal()
        with m.If(job.valid & job.ready):
            m.d.sync += [
                own_plus.eq(job.payload.plus), own_minus.eq(job.payload.minus), flushing.eq(0),
            ]  # fmt: skip
        with m.Elif(dut.flush & ~dut.busy):
            m.d.sync += flushing.eq(1)
        with m.If(issue):
            m.d.sync += step.eq(Mux(step == steps - 1, 0, step + 1))
        self.lemma(step == inside["step"])
        self.lemma(inside["issuing"] == issue)
        walks = ~inside.state("Jobs", "source")
        self.lemma(~walks | flushing)
        self.lemma(
            ~issue
            | (inside["adds"] == ~flushing)
            & (inside["tests"] == (flushing | dut.immediate))
            & (flushing | (inside["plus"] == own_plus) & (inside["minus"] == own_minus))
        )
        self.lemma(~(issue | walks) | dut.busy)
        self.lemma(step == 0 if s.chunks == 1 and steps == 1 else issue | (step == 0))

        # t + 1: the words arrive.
        issue_1, step_1 = past(m, issue, 1, "issue"), past(m, step, 1, "step")
        first = issue_1 & (step_1 == 0)
        words = []
        for name, port in (("word", dut.weight_read.data), ("above_plus", dut.plus),
                           ("above_minus", dut.minus)):  # fmt: skip
            kept = Signal(s.word_bits, name=f"kept_{name}")
            with m.If(first):
                m.d.sync += kept.eq(port)
            words.append(Mux(first, port, kept))
        adds = past(m, ~flushing, 1, "adds")
        tests = past(m, flushing | dut.immediate, 1, "tests")
        ends = past(m, own_plus, 1, "end_plus"), past(m, own_minus, 1, "end_minus")

        # The rule.
        news, flips = [], []
        for lane in range(lanes):
            synapse = [step_1 == number for number in range(steps)]
            places = [number * lanes + lane for number in range(steps)]

            def at(word, synapse=synapse, places=places):
                return Cat(
                    here & word[place] if place < s.word_bits else 0
                    for here, place in zip(synapse, places, strict=True)
                ).any()

            there = Cat(
                here if place < s.word_bits else 0
                for here, place in zip(synapse, places, strict=True)
            ).any()
            # What pads a word is 0.
            self.assume(~issue_1 | there | (olds[lane] == 0))
            products = []
            for end, side in zip(ends, words[1:], strict=True):
                other = at(side)
                products.append(end & other if code == "heaviside" else end == other)
            contrast = Mux(adds & there, products[0] - products[1], 0)
            moved = clipped(m, olds[lane] + contrast, bits, f"moved{lane}")
            weight = Mux(at(words[0]), 1, -1)
            flip = Signal(name=f"flip{lane}")
            m.d.comb += flip.eq(issue_1 & tests & (moved * weight + dut.tau <= 0))
            new = Signal(signed(bits + 4), name=f"result{lane}")
            m.d.comb += new.eq(Mux(flip & dut.reset_on_flip, 0, moved))
            news.append(new)
            flips.append(flip)

        # Four cycles after its issue, and only then, a word is written.
        write = dut.latent_write
        written = [write.data[lane * bits : (lane + 1) * bits].as_signed() for lane in range(lanes)]
        due = past(m, issue, 4, "due")
        self.claim("writes", write.en == due)
        self.claim(
            "writes",
            ~due | (write.address == past(m, dut.latent_read.address, 4, "address")),
        )
        for lane in range(lanes):
            expected = past(m, news[lane], 3, f"expected{lane}")
            self.claim("saturate", ~due | (written[lane] == expected))
            self.claim("rails", ~write.en | (written[lane] >= -top) & (written[lane] <= top))

        # The weight word, with the flips of all its steps, one cycle after the last of its latents.
        gathered, after = Signal(steps * lanes), Signal(steps * lanes)
        here = Cat(Cat(flips) & (step_1 == number).replicate(lanes) for number in range(steps))
        m.d.comb += after.eq(Mux(first, 0, gathered) | here)
        with m.If(issue_1):
            m.d.sync += gathered.eq(after)
        ended = issue_1 & (step_1 == steps - 1) & (after[: s.word_bits] != 0)
        flipping = past(m, ended, 4, "flipping")
        word = past(m, words[0] ^ after[: s.word_bits], 4, "flipped")
        self.claim("flip", dut.weight_write.en == flipping)
        self.claim("flip", ~flipping | (dut.weight_write.data == word))
        count = sum(flips)
        self.claim("count", dut.flips == past(m, count, 4, "count"))


def _shape(bits, synapses, lanes):
    return Synapses(
        layer=0, rows=3, row_bits=synapses, word_bits=synapses, banks=1, block=3,
        latent_lanes=lanes, latent_bits=bits,
    )  # fmt: skip


_ELABORATE = UpdateEngine.elaborate


def _proof(bits, code, synapses, lanes, slow=False):
    steps = -(-synapses // lanes)
    return Proof(
        f"update-{code}-{bits}x{lanes}",
        "update",
        f"latents of {bits} bits, {code}; rows of {synapses} synapses in {steps} steps",
        lambda: _Update(_shape(bits, synapses, lanes), code),
        {
            "saturate": Claim(
                "a latent becomes clip(m + contrast, -S, S), or 0 if its flip resets it",
                Fault(_ELABORATE, "(old[lane] != latent_max)", "(old[lane] != latent_max - 1)"),
            ),
            "rails": Claim(
                "no latent beyond S or -S is ever written",
                Fault(_ELABORATE, "down[lane] & (old[lane][1:] != lowest)", "down[lane]"),
            ),
            "writes": Claim(
                "each latent word that is read is written once, at its address, 4 cycles later",
                Fault(_ELABORATE, "eq(latent_address[3])", "eq(latent_address[2])"),
            ),
            "flip": Claim(
                "a weight changes if and only if it is tested and m * w <= -tau",
                Fault(_ELABORATE, "new[lane] <= minus_tau", "new[lane] < minus_tau", 14),
            ),
            "count": Claim(
                "flips counts the weights that change",
                Fault(_ELABORATE, "eq(testing[3] & against)", "eq(valid[3] & against)", 14),
            ),
        },
        depth=9,
        slow=slow,
    )


PROOFS = [
    _proof(8, "heaviside", 2, 1),
    _proof(8, "heaviside", 5, 2, slow=True),
    _proof(6, "heaviside", 5, 2, slow=True),
    _proof(10, "sign", 5, 2, slow=True),
]
