"""Latents saturate and weights flip as the rule says, up to both rails."""

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, signed

from popflip.golden.description.layout import Synapses
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
        dut = UpdateEngine(self._shape, self._code)
        m.submodules.dut = (inside := Inside(dut)).fragment
        olds = self._surround(m, dut)
        issued = self._issue(m, dut, inside)
        first, words = self._arrive(m, dut, issued)
        news, flips = [], []
        for lane in range(self._shape.latent_lanes):
            new, flip = self._rule(m, dut, lane, olds[lane], issued, words)
            news.append(new)
            flips.append(flip)
        self._claim_latents(m, dut, issued, news)
        self._claim_weights(m, dut, issued, first, words[0], flips)

    def _surround(self, m, dut):
        """The environment, as the docstring of the engine wants it; return the latents read."""
        s, learner = self._shape, dut.learner
        job, partners = learner.job, learner.partners
        for name, port in (
            ("plus", partners.plus), ("minus", partners.minus), ("tau", learner.tau),
            ("immediate", dut.immediate), ("reset_on_flip", dut.reset_on_flip),
            ("flush", dut.control.flush), ("touch", dut.touch),
        ):  # fmt: skip
            m.d.comb += port.eq(self.any(port.shape(), name))
        m.d.comb += [
            job.valid.eq(self.any(1, "job_valid")),
            job.payload.eq(self.any(len(job.payload.as_value()), "job")),
            learner.weights.read.data.eq(self.any(s.word_bits, "weights")),
        ]
        olds = [self.any(signed(s.latent_bits), f"latent{n}") for n in range(s.latent_lanes)]
        m.d.comb += dut.latent_read.data.eq(Cat(olds))
        for old in olds:
            self.assume(old >= -self._top)
        self.assume(learner.tau >= 1)
        settings = Cat(learner.tau, dut.immediate, dut.reset_on_flip)
        was_busy = past(m, dut.control.busy | (job.valid & job.ready), 1, "was_busy")
        self.stays(m, settings, was_busy, "settings")
        return olds

    @property
    def _top(self) -> int:
        return (1 << (self._shape.latent_bits - 1)) - 1

    def _issue(self, m, dut, inside):
        """Cycle t: where the engine is in a row, by what it accepted and what it reads."""
        s, job = self._shape, dut.learner.job
        steps, issue = s.steps, dut.latent_read.en
        step, flushing = Signal(range(steps)), Signal()
        own_plus, own_minus = Signal(), Signal()
        with m.If(job.valid & job.ready):
            m.d.sync += [
                own_plus.eq(job.payload.plus), own_minus.eq(job.payload.minus), flushing.eq(0),
            ]  # fmt: skip
        with m.Elif(dut.control.flush & ~dut.control.busy):
            m.d.sync += flushing.eq(1)
        with m.If(issue):
            m.d.sync += step.eq(Mux(step == steps - 1, 0, step + 1))
        self.lemma(step == inside["step"])
        self.lemma(inside["issuing"] == issue)
        self.lemma(inside.legal("rows.source"))
        flushes = ~inside.state("rows.Jobs", "source")
        self.lemma(~flushes | flushing)
        self.lemma(
            ~issue
            | (inside["adds"] == ~flushing)
            & (inside["tests"] == (flushing | dut.immediate))
            & (flushing | (inside["plus"] == own_plus) & (inside["minus"] == own_minus))
        )
        self.lemma(~(issue | flushes) | dut.control.busy)
        self.lemma(step == 0 if s.chunks == 1 and steps == 1 else issue | (step == 0))
        return _Issued(
            issue,
            past(m, issue, 1, "issue"),
            past(m, step, 1, "step"),
            past(m, ~flushing, 1, "adds"),
            past(m, flushing | dut.immediate, 1, "tests"),
            (past(m, own_plus, 1, "own_plus"), past(m, own_minus, 1, "own_minus")),
        )

    def _arrive(self, m, dut, issued):
        """Cycle t + 1: the words arrive; return whether they do, and weights and partners."""
        first = issued.before & (issued.step == 0)
        partners, words = dut.learner.partners, []
        for name, port in (
            ("word", dut.learner.weights.read.data),
            ("partners_plus", partners.plus),
            ("partners_minus", partners.minus),
        ):
            kept = Signal(self._shape.word_bits, name=f"kept_{name}")
            with m.If(first):
                m.d.sync += kept.eq(port)
            words.append(Mux(first, port, kept))
        return first, words

    def _rule(self, m, dut, lane, old, issued, words):
        """What becomes of the latent in a lane, and whether its weight flips."""
        s, tau = self._shape, dut.learner.tau
        synapse = [issued.step == number for number in range(s.steps)]
        places = [number * s.latent_lanes + lane for number in range(s.steps)]

        def at(word):
            return Cat(
                here & word[place] if place < s.word_bits else 0
                for here, place in zip(synapse, places, strict=True)
            ).any()

        there = Cat(
            here if place < s.word_bits else 0 for here, place in zip(synapse, places, strict=True)
        ).any()
        # What pads a word is 0.
        self.assume(~issued.before | there | (old == 0))
        products = []
        for own, word in zip(issued.own, words[1:], strict=True):
            other = at(word)
            products.append(own & other if self._code == "heaviside" else own == other)
        contrast = Mux(issued.adds & there, products[0] - products[1], 0)
        moved = clipped(m, old + contrast, s.latent_bits, f"moved{lane}")
        weight = Mux(at(words[0]), 1, -1)
        flip = Signal(name=f"flip{lane}")
        m.d.comb += flip.eq(issued.before & issued.tests & (moved * weight + tau <= 0))
        new = Signal(signed(s.latent_bits + 4), name=f"result{lane}")
        m.d.comb += new.eq(Mux(flip & dut.reset_on_flip, 0, moved))
        return new, flip

    def _claim_latents(self, m, dut, issued, news):
        """Four cycles after its issue, and only then, a word is written."""
        bits, top, write = self._shape.latent_bits, self._top, dut.latent_write
        due = past(m, issued.now, 4, "due")
        self.claim("writes", write.en == due)
        self.claim(
            "writes",
            ~due | (write.address == past(m, dut.latent_read.address, 4, "address")),
        )
        for lane, new in enumerate(news):
            written = write.data[lane * bits : (lane + 1) * bits].as_signed()
            expected = past(m, new, 3, f"expected{lane}")
            self.claim("saturate", ~due | (written == expected))
            self.claim("rails", ~write.en | (written >= -top) & (written <= top))

    def _claim_weights(self, m, dut, issued, first, word, flips):
        """The weight word has the flips of all its steps, a cycle after the last of its latents."""
        s, write = self._shape, dut.learner.weights.write
        lanes, steps = s.latent_lanes, s.steps
        gathered, after = Signal(steps * lanes), Signal(steps * lanes)
        here = Cat(Cat(flips) & (issued.step == n).replicate(lanes) for n in range(steps))
        m.d.comb += after.eq(Mux(first, 0, gathered) | here)
        with m.If(issued.before):
            m.d.sync += gathered.eq(after)
        changed = after[: s.word_bits]
        ended = issued.before & (issued.step == steps - 1) & (changed != 0)
        flipping = past(m, ended, 4, "flipping")
        flipped_word = past(m, word ^ changed, 4, "flipped_word")
        self.claim("flip", write.en == flipping)
        self.claim("flip", ~flipping | (write.data == flipped_word))
        self.claim("count", dut.learner.flips == past(m, sum(flips), 4, "count"))


class _Issued(NamedTuple):
    """Whether a step is issued now; of the one a cycle ago: whether, which, and what it does."""

    now: Any
    before: Any
    step: Any
    adds: Any
    tests: Any
    own: tuple


def _shape(bits, synapses, lanes):
    return Synapses(
        layer=0, rows=3, row_bits=synapses, word_bits=synapses, banks=1, block=3,
        latent_lanes=lanes, latent_bits=bits,
    )  # fmt: skip


class _Repeats(Harness):
    """A row that is named again at once: of one latent word, any, reads and writes take turns."""

    def __init__(self, shape: Synapses):
        super().__init__()
        self._shape = shape

    def body(self, m: Module) -> None:
        s = self._shape
        dut = UpdateEngine(s, "heaviside")
        m.submodules.dut = (inside := Inside(dut)).fragment
        job = dut.learner.job
        m.d.comb += [
            job.valid.eq(self.any(1, "job_valid")),
            job.payload.eq(self.any(len(job.payload.as_value()), "job")),
            dut.control.flush.eq(self.any(1, "flush")),
            dut.touch.eq(self.any(1, "touch")),
            dut.learner.tau.eq(1),
        ]
        address = self.constant(m, dut.latent_read.address.shape(), "address")
        # Until its write is over, what was read must not be read once more.
        read = dut.latent_read.en & (dut.latent_read.address == address)
        written = dut.latent_write.en.any() & (dut.latent_write.address == address)
        owed = Signal()
        with m.If(read):
            m.d.sync += owed.eq(1)
        with m.Elif(written):
            m.d.sync += owed.eq(0)
        self.claim("turns", ~read | ~owed)
        # A row's words follow each other, and then it rests; it is owed while it is on its way.
        issuing, step, rest = inside["issuing"], inside["step"], inside["rest"]
        self.lemma(Mux(issuing, rest == s.row_cycles - 1 - step, step == 0))
        self.lemma((step < s.steps) & (rest < s.row_cycles) & inside.legal("rows.source"))
        self.lemma(owed == Cat(past(m, read, n, f"read{n}_") for n in range(1, 5)).any())


_ADD, _FLIP = UpdateEngine._add, UpdateEngine._flip


def _proof(bits, code, synapses, lanes, slow=False):
    steps = -(-synapses // lanes)
    return Proof(
        f"update-{code}-{bits}x{lanes}",
        "layers/update",
        f"latents of {bits} bits, {code}; rows of {synapses} synapses in {steps} steps",
        lambda: _Update(_shape(bits, synapses, lanes), code),
        {
            "saturate": Claim(
                "a latent becomes clip(m + contrast, -S, S), or 0 if its flip resets it",
                Fault(_ADD, "(old[lane] != latent_max)", "(old[lane] != latent_max - 1)"),
            ),
            "rails": Claim(
                "no latent beyond S or -S is ever written",
                Fault(_ADD, "down[lane] & (old[lane][1:] != lowest)", "down[lane]"),
            ),
            "writes": Claim(
                "each latent word that is read is written once, at its address, 4 cycles later",
                Fault(_FLIP, "eq(address[3])", "eq(address[2])"),
            ),
            "flip": Claim(
                "a weight changes if and only if it is tested and m * w <= -tau",
                Fault(_FLIP, "new[lane] <= minus_tau", "new[lane] < minus_tau", 14),
            ),
            "count": Claim(
                "flips counts the weights that change",
                Fault(_FLIP, "eq(testing[3] & against)", "eq(valid[3] & against)", 14),
            ),
        },
        depth=9,
        slow=slow,
    )


def _repeats(words):
    shape = _shape(4, 2 * words, 2)._replace(repeats=True)
    return Proof(
        f"update-repeats-{words}",
        "layers/update",
        f"shared weights, rows of {words} words",
        lambda: _Repeats(shape),
        {
            "turns": Claim(
                "latents of a row that is named again are read when its last contrast is written",
                Fault(UpdateEngine.elaborate, "rest.eq(s.row_cycles - 1)",
                      "rest.eq(s.row_cycles - 2)", 16),
            ),
        },
        depth=10,
    )  # fmt: skip


PROOFS = [
    _repeats(1),
    _repeats(3),
    _proof(8, "heaviside", 2, 1),
    _proof(8, "heaviside", 5, 2, slow=True),
    _proof(6, "heaviside", 5, 2, slow=True),
    _proof(10, "sign", 5, 2, slow=True),
]
