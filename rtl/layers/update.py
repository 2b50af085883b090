"""The engine that adds contrasts to latents and flips weights."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.layout import Synapses
from popflip.rtl.layers.ports import LearnerSignature, UpdateSignature
from popflip.rtl.layers.synapses import latent_ports
from popflip.rtl.layers.update_rows import RowSource
from popflip.rtl.primitives.arithmetic import times
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = ["UpdateEngine"]


class UpdateEngine(wiring.Component):
    """Add the contrasts of whole rows to their latents, and flip the weights that are due.

    The rule is that of :mod:`popflip.golden.plasticity`. Latents must be in ``[-S, S]``, and those
    that pad a word 0, as the engine leaves them.

    *Rows.* The latent words of a row are issued in order, one per cycle: a row costs ``chunks *
    steps`` cycles. ``job.ready`` is high while the engine is idle and in the cycle of a row's last
    issue. A job that is accepted in cycle ``a`` is issued from ``a + 1`` on, so ``n`` jobs that
    are always valid in time are issued in cycles ``a + 1`` to ``a + n * chunks * steps``. Rows
    come in any order; before one is named again ``busy`` must have been low. But with ``repeats``
    in the shape it may be named again at once: then ``job.ready`` is low for ``row_cycles`` of the
    shape, so that a row's latents are written before they are read again.

    *Writes.* Latents issued in cycle ``t`` are written in ``t + latency - 2``. The flips of a
    chunk, whose last latents are issued in ``t``, are written in ``t + latency - 1``; counts are
    on ``flips`` by ``t + latency``.

    *Flips.* If ``immediate`` is high the weights of a row are tested as it passes. If not, the row
    is marked, and waits for a flush.

    *Flush.* A pulse on ``flush`` tests the marked rows, or all rows if ``stale`` is high, and
    clears the marks and ``stale``. It goes from row group to row group: one takes ``chunks *
    steps`` cycles for each of its rows that is tested, and one cycle if none is. With ``n`` the
    sum of these, and the pulse in cycle ``f``, ``busy`` is high in cycles ``f + 1`` to ``f + n + 1
    + latency``.

    *Busy.* ``busy`` is high from the cycle after a job is accepted until ``latency`` cycles after
    the last issue, both included: ``n`` jobs without a gap, the first accepted in ``a``, make it
    high in cycles ``a + 1`` to ``a + n * chunks * steps + latency``.

    Parameters
    ----------
    shape : Synapses
    code : {"heaviside", "sign"}
        What an activation bit stands for.

    Attributes
    ----------
    latency : int
        Cycles after an issue that the engine stays busy.

    Members
    -------
    learner : ``Out(LearnerSignature(shape))``
        Jobs, partners, weights and flips. The partners' bits are those of the chunk that was
        issued one cycle ago; they are looked at in the cycle after a chunk's first issue only.
        Bits beyond the end of the row do not matter. ``tau`` must hold still from the cycle in
        which the first job is accepted until ``busy`` is low. Weights are read from the row's
        bank, on the first issue of a chunk, and written there if one flips.
    control : ``In(UpdateSignature)``
        ``flush`` is ignored while ``busy`` is high; no job is accepted in its cycle. ``stale``
        rises because somebody else wrote to the memories or lowered ``tau``.
    immediate, reset_on_flip : ``In(1)``
        Whether rows are tested as they pass, and whether a flip sets its latent to 0. Must hold
        still like ``tau``.
    touch : ``In(1)``
        A pulse sets ``stale``. In the cycle of ``flush`` it counts for that flush.
    latent_read, latent_write : ``Out``
        Ports of :func:`~popflip.rtl.layers.synapses.latent_ports`.
    idle_address : ``In(range(shape.latent_depth))``
        While no row is issued, ``latent_read.address`` is this a cycle later: so somebody else can
        read without a multiplexer in front of the memory.
    """

    latency = 6

    def __init__(self, shape: Synapses, code: str):
        if not isinstance(shape, Synapses):
            raise TypeError(f"shape must be a Synapses, not {shape!r}")
        if code not in ("heaviside", "sign"):
            raise ValueError(f"code must be 'heaviside' or 'sign', not {code!r}")
        self._shape = shape
        self._code = code
        super().__init__({
            "learner": Out(LearnerSignature(shape)),
            "control": In(UpdateSignature()),
            "immediate": In(1),
            "reset_on_flip": In(1),
            "touch": In(1),
            **{name: Out(port) for name, port in latent_ports(shape).items()},
            "idle_address": In(range(shape.latent_depth)),
        })

    @property
    def shape(self) -> Synapses:
        """Shape of the weight layer."""
        return self._shape

    @property
    def code(self) -> str:
        """What an activation bit stands for."""
        return self._code

    @property
    def learners(self) -> tuple:
        """The one layer that learns here, as of a shared engine."""
        return (self.learner,)

    def elaborate(self, platform):
        m = Module()
        s, steps = self._shape, self._shape.steps
        weights, partners = self.learner.weights, self.learner.partners

        # Where rows come from: jobs, or a flush.
        m.submodules.rows = rows = RowSource(s)
        issuing, last_issue, free = Signal(), Signal(), Signal()
        flight = Signal(self.latency)
        active = issuing | rows.flushes
        connect(m, flipped(self.learner.job), rows.job)
        connect(m, flipped(self.control), rows.control)
        over = ~issuing | last_issue
        if s.repeats and s.row_cycles > s.chunks * steps:
            # Short rows wait until theirs could be named again.
            rest = Signal(range(s.row_cycles))
            with m.If(rows.take):
                m.d.sync += rest.eq(s.row_cycles - 1)
            with m.Elif(rest != 0):
                m.d.sync += rest.eq(rest - 1)
            over = over & (rest == 0)
        m.d.comb += [
            free.eq(over),
            rows.free.eq(free),
            rows.immediate.eq(self.immediate),
            rows.touch.eq(self.touch),
            rows.busy.eq(active | flight.any()),
            # Nobody scans during a flush: what jobs wait for besides would only lengthen the path.
            partners.held.eq(~free),
        ]
        m.d.sync += flight.eq(Cat(active, flight))

        # t: issue. What is registered here belongs to the row: its neuron's bits, whether there is
        # a contrast to add, and whether its weights are tested.
        plus, minus, adds, tests = Signal(), Signal(), Signal(), Signal()
        bank = Signal(range(s.banks))
        step = Signal(range(steps))
        chunk = Signal(range(s.chunks))
        first, last, last_chunk = Signal(), Signal(), Signal()
        test = Signal()
        m.d.comb += [
            first.eq(step == 0),
            last.eq(step == steps - 1),
            last_chunk.eq(chunk == s.chunks - 1),
            last_issue.eq(last & last_chunk),
            test.eq(issuing & tests),
            partners.chunk.eq(chunk),
            self.latent_read.en.eq(issuing),
            weights.claim.eq(issuing),
            weights.read.en.eq(Mux(test & first, 1 << bank, 0)),
        ]
        with m.If(issuing):
            m.d.sync += [
                step.eq(step + 1),
                self.latent_read.address.eq(self.latent_read.address + 1),
            ]
            with m.If(last):
                m.d.sync += [
                    step.eq(0),
                    chunk.eq(chunk + 1),
                    weights.read.address.eq(weights.read.address + 1),
                ]
        with m.If(free):
            m.d.sync += [
                issuing.eq(rows.take),
                chunk.eq(0),
                self.latent_read.address.eq(
                    Mux(rows.take, times(rows.taken.row, s.chunks * steps), self.idle_address)
                ),
                weights.read.address.eq(times(rows.taken.row_group, s.chunks)),
                bank.eq(rows.taken.bank),
                plus.eq(rows.taken.plus),
                minus.eq(rows.taken.minus),
                adds.eq(~rows.flushing),
                tests.eq(rows.flushing | self.immediate),
            ]

        if s.repeats:
            with m.Elif(last_issue):
                m.d.sync += [issuing.eq(0), chunk.eq(0)]

        firsts, lasts, banks = (_delayed(m, signal, 4) for signal in (first, last, bank))
        valid, testing = _delayed(m, issuing, 4), _delayed(m, test, 4)
        words, old = self._fetch(m, valid, firsts)
        mask = Cat(self._masks(m, adds, step, last_chunk))
        up, down = self._contrasts(m, valid, firsts, plus, minus, mask)
        signs, new = self._add(m, valid, firsts, words.word_select(banks[2], s.word_bits),
                               old, up, down)  # fmt: skip
        flips, flipped_word = self._flip(m, valid, testing, signs, new)
        self._write(m, testing, firsts, lasts, banks, flips, flipped_word)
        return m

    def _fetch(self, m, valid, firsts):
        """Cycle t + 1: data arrive."""
        weights = self.learner.weights
        words = Signal.like(weights.read.data, name="words")
        old = Signal(self._latent_word, name="old")
        with m.If(valid[1] & firsts[1]):
            m.d.sync += words.eq(weights.read.data)
        with m.If(valid[1]):
            m.d.sync += old.eq(self.latent_read.data)
        return words, old

    def _contrasts(self, m, valid, firsts, plus, minus, mask):
        """Cycle t + 1: which latents rise, and which fall."""
        lanes, partners = self._shape.latent_lanes, self.learner.partners
        products = []
        for name, own, bits in (
            ("plus", plus, partners.plus),
            ("minus", minus, partners.minus),
        ):
            # The partners' bits move down from step to step: no multiplexer in the path.
            word, rest = (
                Signal(self._shape.steps * lanes, name=f"{name}_{part}")
                for part in ("partners", "rest")
            )
            m.d.comb += word.eq(Mux(firsts[1], bits, rest))
            with m.If(valid[1]):
                m.d.sync += rest.eq(word >> lanes)
            own, other = _delayed(m, own, 1)[1].replicate(lanes), word[:lanes]
            products.append(own & other if self._code == "heaviside" else ~(own ^ other))
        up, down = Signal(lanes), Signal(lanes)
        with m.If(valid[1]):
            m.d.sync += [
                up.eq(mask & products[0] & ~products[1]),
                down.eq(mask & products[1] & ~products[0]),
            ]
        return up, down

    def _add(self, m, valid, firsts, word, old, up, down):
        """Cycle t + 2: latents take their contrasts; the weights of the step are selected."""
        s = self._shape
        lanes = s.latent_lanes
        latent_max = (1 << (s.latent_bits - 1)) - 1
        # Of -S without its lowest bit, and of -S - 1: what only an upset leaves must not wrap.
        lowest = 1 << (s.latent_bits - 2)
        weights = Signal(s.steps * lanes, name="weights")
        with m.If(valid[2]):
            m.d.sync += weights.eq(Mux(firsts[2], word, weights >> lanes))
        new = Signal(self._latent_word, name="new")
        for lane in range(lanes):
            rises = up[lane] & (old[lane] != latent_max)
            falls = down[lane] & (old[lane][1:] != lowest)
            # -1, 0 or +1 in two's complement.
            change = Cat(rises | falls, falls).as_signed()
            with m.If(valid[2]):
                m.d.sync += new[lane].eq(old[lane] + change)
        return weights[:lanes], new

    def _flip(self, m, valid, testing, weights, new):
        """Cycle t + 3: weights flip; latents are on their way to the memory."""
        s, tau = self._shape, self.learner.tau
        lanes = s.latent_lanes
        minus_tau = Signal(signed(s.latent_bits))
        due, flips, flipped_word = Signal(lanes), Signal(lanes), Signal(lanes)
        kept = Signal(self._latent_word)
        m.d.sync += minus_tau.eq(-tau)
        for lane in range(lanes):
            against = Mux(weights[lane], new[lane] <= minus_tau, new[lane] >= tau)
            resets = due[lane] & self.reset_on_flip
            m.d.comb += [
                due[lane].eq(testing[3] & against),
                kept[lane].eq(Mux(resets, 0, new[lane])),
            ]
        address = _delayed(m, self.latent_read.address, 3)
        m.d.sync += [
            flips.eq(due),
            self.latent_write.en.eq(Mux(valid[3], ~0, 0)),
            self.latent_write.address.eq(address[3]),
        ]
        with m.If(valid[3]):
            m.d.sync += [flipped_word.eq(weights ^ due), self.latent_write.data.eq(kept)]
        return flips, flipped_word

    def _write(self, m, testing, firsts, lasts, banks, flips, flipped_word):
        """Cycle t + 4: a chunk's steps become a weight word again, which is written in t + 5."""
        s, weights = self._shape, self.learner.weights
        gathered = Signal(s.steps * s.latent_lanes)
        any_before, any_flip = Signal(), Signal()
        address = _delayed(m, weights.read.address, 4)
        bank_is = (banks[4] == bank for bank in range(s.banks))
        m.d.comb += any_flip.eq((any_before & ~firsts[4]) | flips.any())
        m.d.sync += [
            any_before.eq(any_flip),
            gathered.eq(Cat(gathered, flipped_word)[s.latent_lanes :]),
            weights.write.en.eq(
                Mux(
                    testing[4] & lasts[4] & any_flip,
                    Cat(here.replicate(s.slices) for here in bank_is),
                    0,
                )
            ),
            weights.write.address.eq(address[4]),
        ]
        m.d.comb += weights.write.data.eq(gathered[: s.word_bits].replicate(s.banks))

        # By t + 6 flips are counted: one or two registers for up to 1,536 lanes.
        m.submodules.count = count = PopcountTree(s.latent_lanes, levels_per_register=5)
        m.d.comb += [count.en.eq(1), count.i.eq(flips), self.learner.flips.eq(count.o)]

    @property
    def _latent_word(self) -> data.ArrayLayout:
        return data.ArrayLayout(signed(self._shape.latent_bits), self._shape.latent_lanes)

    def _masks(self, m, adds, step, last_chunk):
        """Return a bit per lane, one cycle late: there is a contrast, and a synapse to take it."""
        s = self._shape
        place = Cat(step, last_chunk)
        last = s.chunks - 1
        masks: dict[frozenset[tuple[int, int]], Signal] = {}
        lanes = []
        for lane in range(s.latent_lanes):
            bits = [(number, number * s.latent_lanes + lane) for number in range(s.steps)]
            # All chunks but the last are alike; lanes that hold synapses in the same places share
            # a mask, so that there are only a few.
            places = {
                (chunk, number): bit < s.word_bits and chunk * s.word_bits + bit < s.row_bits
                for chunk in {0, last}
                for number, bit in bits
            }
            holds = frozenset(where for where, inside in places.items() if inside)
            if holds not in masks:
                masks[holds] = mask = Signal(name=f"mask_{len(masks)}")
                codes = [number | (chunk == last) << len(step) for chunk, number in sorted(holds)]
                inside = 1 if len(holds) == len(places) else place.matches(*codes)
                m.d.sync += mask.eq(adds & inside)
            lanes.append(masks[holds])
        return lanes


def _delayed(m, signal, cycles):
    """Return the signal as it was 0, 1, ... ``cycles`` cycles ago."""
    stages = [signal]
    for cycle in range(1, cycles + 1):
        stages.append(Signal.like(signal, name=f"{signal.name}_{cycle}"))
        m.d.sync += stages[-1].eq(stages[-2])
    return stages
