"""One update engine for all weight layers, on latents in single-port RAM: the small machine's."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.layout import Synapses
from popflip.golden.support.integers import ceil_div
from popflip.rtl.layers.ports import LearnerSignature, UpdateSignature
from popflip.rtl.layers.synapses import (
    ReadSignature,
    WriteSignature,
    shared_latent_address,
    shared_latent_bits,
)

__all__ = ["SharedUpdateEngine"]


class SharedUpdateEngine(wiring.Component):
    """Add the contrasts of whole rows to their latents, and flip the weights that are due.

    It does what one :class:`~popflip.rtl.layers.update.UpdateEngine` per layer does in a batch of
    1, with the lanes of one, and hardly a register of its own: weights and the partners' bits are
    selected where they stand, and what is read in one cycle is written in the next. So a read and a
    write never meet in a bank of :class:`~popflip.rtl.layers.synapses.SharedLatents`: steps of a
    row alternate between its two banks, and a row takes an even number of cycles.

    *Rows.* A row costs ``row_cycles`` of its shape. Of jobs that are valid at once the highest
    layer's is taken; ``ready`` of the others is low. ``ready`` is low but while the engine is idle
    and in the last cycle of a row. A job that is accepted in cycle ``a`` is issued from ``a + 1``
    on. Rows come in any order; before one is named again ``busy`` must have been low.

    *Writes.* Latents issued in cycle ``t`` are written in ``t + 1``. A slice of the weight word,
    the last latents of which are issued in ``t``, is written in ``t + 2``; ``flips`` counts those
    of each step in ``t + 2``.

    *Flush.* A pulse on ``flush`` tests all rows of all layers, one after the other, and clears
    ``stale``. With ``n`` the sum of their ``row_cycles`` and the pulse in cycle ``f``, ``busy`` is
    high in cycles ``f + 1`` to ``f + n + latency``.

    *Busy.* ``busy`` is high from the cycle after a job is accepted until ``latency`` cycles after
    the last cycle of its row, both included.

    Parameters
    ----------
    shapes : sequence of Synapses
        Of all weight layers: ``shared`` ones of one bank whose rows are one word.
    code : {"heaviside", "sign"}
        What an activation bit stands for.
    turning : bool
        The bits of layer 0's partners go round as ``turn`` says, which saves their selection here.

    Attributes
    ----------
    latency : int
        Cycles after a row that the engine stays busy.

    Members
    -------
    learner0, learner1, ... : ``Out(LearnerSignature)``
        Of each layer; see :attr:`learners`. The partners' bits have to stay in all ``row_cycles``
        cycles that follow the one in which the job was accepted. ``held`` is high while a row of
        the layer is being worked on and is not in its last cycle. After ``turn`` the low
        ``latent_lanes`` bits have to be those of the next step; the last step is followed by the
        first. Weights that were read have to stay until the next read.
    control : ``In(UpdateSignature)``, touch : ``In(1)``
        As of :class:`~popflip.rtl.layers.update.UpdateEngine`.
    latent_read, latent_write : ``Out``
        Ports of the latents of all layers.
    """

    latency = 1

    def __init__(self, shapes: Sequence[Synapses], code: str, turning: bool = False):
        if code not in ("heaviside", "sign"):
            raise ValueError(f"code must be 'heaviside' or 'sign', not {code!r}")
        for shape in shapes:
            if not (shape.shared and shape.chunks == shape.banks == 1):
                raise ValueError(f"shapes must be shared, of one bank and one chunk, not {shape}")
            if shape.slices > 1 and shape.slice_bits % shape.latent_lanes:
                raise ValueError(f"weight_slice must be a multiple of latent_lanes, not {shape}")
        self._shapes = tuple(shapes)
        self._code = code
        self._turning = turning
        depth, width = shared_latent_bits(shapes)
        members = {
            "control": In(UpdateSignature()),
            "touch": In(1),
            "latent_read": Out(ReadSignature(1 << depth, width)),
            "latent_write": Out(WriteSignature(1 << depth, width)),
        }
        for l, s in enumerate(self._shapes):
            members[f"learner{l}"] = Out(LearnerSignature(s, turning and l == 0))
        super().__init__(members)

    @property
    def learners(self) -> tuple:
        """What each layer sees of the engine."""
        return tuple(getattr(self, f"learner{l}") for l in range(len(self._shapes)))

    def elaborate(self, platform):
        m = Module()
        shapes, lanes = self._shapes, self._shapes[0].latent_lanes

        # The row in hand.
        issuing, flushing = Signal(), Signal()
        layer = Signal(range(len(shapes)))
        row = Signal(range(max(s.rows for s in shapes)))
        step = Signal(range(max(s.row_cycles for s in shapes)))
        plus, minus = Signal(), Signal()
        last, real, last_row = Signal(), Signal(), Signal()
        with m.Switch(layer):
            for l, s in enumerate(shapes):
                with m.Case(l):
                    m.d.comb += [
                        last.eq(step == s.row_cycles - 1),
                        real.eq(1 if s.row_cycles == s.steps else ~last),
                        last_row.eq(row == s.rows - 1),
                    ]
        with m.If(issuing):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
        self._choose_rows(m, issuing, flushing, layer, row, plus, minus, last, last_row)

        # t: issue.
        issues = issuing & real
        self._read(m, issuing, issues, layer, row, step)
        partners_plus, partners_minus, inside = self._select_partners(m, layer, step)
        if self._turning:
            turn = self.learners[0].partners.turn
            m.d.comb += turn.eq(issues & ~flushing & (layer == 0))
        products = []
        for own, others in ((plus, partners_plus), (minus, partners_minus)):
            mine = own.replicate(lanes)
            products.append(mine & others if self._code == "heaviside" else ~(mine ^ others))
        valid, up, down, tested = Signal(), Signal(lanes), Signal(lanes), Signal(lanes)
        layer_1, step_1, row_1 = Signal.like(layer), Signal.like(step), Signal.like(row)
        may = inside & (issues & ~flushing).replicate(lanes)
        m.d.sync += [
            valid.eq(issues),
            up.eq(may & products[0] & ~products[1]),
            down.eq(may & products[1] & ~products[0]),
            tested.eq(inside & issues.replicate(lanes)),
            layer_1.eq(layer),
            step_1.eq(step),
            row_1.eq(row),
        ]

        # t + 1: latents take their contrasts and are written, weights flip.
        weights, tau = self._select_weights(m, layer, layer_1, step)
        due = self._flip(m, valid, up, down, tested, weights, tau)

        # t + 2: flips are counted, and written with the last of their slice of the weight word.
        self._write_weights(m, valid, layer_1, step_1, row_1, weights, due)

        flight = Signal(self.latency)
        m.d.sync += flight.eq(Cat(issuing, flight))
        m.d.comb += self.control.busy.eq(issuing | flight.any())
        return m

    def _choose_rows(self, m, issuing, flushing, layer, row, plus, minus, last, last_row):
        """Take the highest layer's job, or go through all rows in a flush."""
        control, learners = self.control, self.learners
        free = ~issuing | last
        with m.If(self.touch):
            m.d.sync += control.stale.eq(1)
        with m.FSM(name="source"):
            with m.State("Jobs"):
                with m.If(free):
                    m.d.sync += issuing.eq(0)
                taken = control.flush | ~free
                for l, learner in reversed(list(enumerate(learners))):
                    job = learner.job
                    m.d.comb += job.ready.eq(~taken)
                    with m.If(job.valid & job.ready):
                        m.d.sync += [
                            issuing.eq(1),
                            layer.eq(l),
                            row.eq(job.payload.row),
                            plus.eq(job.payload.plus),
                            minus.eq(job.payload.minus),
                        ]
                    taken = taken | job.valid
                with m.If(control.flush & ~control.busy):
                    m.d.sync += [issuing.eq(1), layer.eq(0), row.eq(0), control.stale.eq(0)]
                    m.next = "Flush"
            with m.State("Flush"):
                m.d.comb += flushing.eq(1)
                with m.If(last):
                    m.d.sync += row.eq(row + 1)
                    with m.If(last_row):
                        m.d.sync += [row.eq(0), layer.eq(layer + 1)]
                        with m.If(layer == len(learners) - 1):
                            m.d.sync += issuing.eq(0)
                            m.next = "Jobs"
        for l, learner in enumerate(learners):
            m.d.comb += learner.partners.held.eq(issuing & ~last & (layer == l))

    def _read(self, m, issuing, issues, layer, row, step):
        """Cycle t: ask for the latents of a step, and with the first one for the weights."""
        shapes = self._shapes
        address, address_1 = (
            Signal.like(self.latent_read.address, name=n) for n in ("address", "address_1")
        )
        with m.Switch(layer):
            for l, s in enumerate(shapes):
                with m.Case(l):
                    low = Cat(step, Const(0, 16))[: ceil_log2(s.latent_stride)]
                    m.d.comb += address.eq(shared_latent_address(shapes, l, Cat(low, row)))
        m.d.sync += address_1.eq(address)
        m.d.comb += [
            self.latent_read.en.eq(issues),
            self.latent_read.address.eq(address),
            self.latent_write.address.eq(address_1),
        ]
        for l, learner in enumerate(self.learners):
            m.d.comb += [
                learner.weights.claim.eq(issues),
                learner.weights.read.en.eq(issuing & (step == 0) & (layer == l)),
                learner.weights.read.address.eq(row),
            ]

    def _select_partners(self, m, layer, step):
        """Cycle t: the partners' bits in both nudged states, and which lanes hold synapses."""
        lanes = self._shapes[0].latent_lanes
        selected = [
            Signal(lanes, name=name) for name in ("partners_plus", "partners_minus", "inside")
        ]
        with m.Switch(layer):
            for l, (s, learner) in enumerate(zip(self._shapes, self.learners, strict=True)):
                turns = l == 0 and self._turning
                words = (learner.partners.plus, learner.partners.minus)
                with m.Case(l):
                    for signal, word in zip(selected, words, strict=False):
                        part = word[:lanes] if turns else _pick(word, step, lanes, s.steps)
                        m.d.comb += signal.eq(part)
                    mask = Const((1 << s.row_bits) - 1, s.steps * lanes)
                    m.d.comb += selected[2].eq(_pick(mask, step, lanes, s.steps))
        return selected

    def _select_weights(self, m, layer, layer_1, step):
        """Cycle t + 1: the weights of the step, and the flip threshold.

        The weights of a row's first step come straight from the memory, those of the others from a
        register: they were selected in the cycle before.
        """
        lanes = self._shapes[0].latent_lanes
        weights, selected, first_1 = Signal(lanes), Signal(lanes), Signal()
        tau = Signal(self._shapes[0].latent_bits - 1)
        m.d.sync += first_1.eq(step == 0)
        with m.Switch(layer):
            for l, (s, learner) in enumerate(zip(self._shapes, self.learners, strict=True)):
                with m.Case(l):
                    word = learner.weights.read.data
                    m.d.sync += selected.eq(_pick(word, step, lanes, s.steps))
        with m.Switch(layer_1):
            for l, learner in enumerate(self.learners):
                with m.Case(l):
                    m.d.comb += [
                        tau.eq(learner.tau),
                        weights.eq(Mux(first_1, learner.weights.read.data[:lanes], selected)),
                    ]
        return weights, tau

    def _flip(self, m, valid, up, down, tested, weights, tau):
        """Cycle t + 1: write the new latents; return which weights flip."""
        lanes, latent_bits = self._shapes[0].latent_lanes, self._shapes[0].latent_bits
        latent_max = (1 << (latent_bits - 1)) - 1
        # Of -S without its lowest bit, and of -S - 1: what only an upset leaves must not wrap.
        lowest = 1 << (latent_bits - 2)
        old = data.ArrayLayout(signed(latent_bits), lanes)(self.latent_read.data)
        below_tau = Signal(latent_bits - 1)
        m.d.comb += below_tau.eq(tau - 1)
        new = [Signal(signed(latent_bits), name=f"new{lane}") for lane in range(lanes)]
        due = Signal(lanes)
        for lane in range(lanes):
            rises = up[lane] & (old[lane] != latent_max)
            falls = down[lane] & (old[lane][1:] != lowest)
            # -1, 0 or +1 in two's complement.
            change = Cat(rises | falls, falls).as_signed()
            # One sum for both comparisons: with tau - 1, or with its complement, which is -tau.
            one = weights[lane]
            bound = Cat(below_tau ^ (~one).replicate(latent_bits - 1), ~one).as_signed()
            m.d.comb += [
                new[lane].eq(old[lane] + change),
                due[lane].eq(tested[lane] & ((new[lane] + bound < 0) == one)),
            ]
        m.d.comb += [self.latent_write.en.eq(valid), self.latent_write.data.eq(Cat(new))]
        return due

    def _write_weights(self, m, valid, layer_1, step_1, row_1, weights, due):
        """Cycle t + 2: count flips, and write each slice of the weight word with its last step."""
        lanes = self._shapes[0].latent_lanes
        flips, flipped_word = Signal(lanes), Signal(lanes)
        m.d.sync += flips.eq(due)
        m.d.comb += flipped_word.eq(weights ^ due)
        for l, (s, learner) in enumerate(zip(self._shapes, self.learners, strict=True)):
            port, steps = learner.weights.write, ceil_div(s.slice_bits, lanes)
            here = valid & (layer_1 == l)
            kept = [Signal(lanes, name=f"kept{l}_{i}") for i in range(steps - 1)]
            place = Signal(range(steps), name=f"place{l}")
            slices = Signal(s.slices, name=f"slices{l}")
            for number in range(s.steps):
                with m.If(step_1 == number):
                    m.d.comb += place.eq(number % steps)
                    if number % steps == steps - 1 or number == s.steps - 1:
                        m.d.comb += slices.eq(1 << number // steps)
            for i, part in enumerate(kept):
                with m.If(place == i):
                    m.d.sync += part.eq(flipped_word)
            parts = (Mux(place == i, flipped_word, part) for i, part in enumerate(kept))
            word = Cat(*parts, flipped_word)
            m.d.sync += [
                port.en.eq(Mux(here, slices, 0)),
                port.address.eq(row_1),
                port.data.eq(word[: s.slice_bits].replicate(s.slices)),
            ]
            mine = Signal(name=f"flipped{l}")
            m.d.sync += mine.eq(here)
            m.d.comb += learner.flips.eq(Mux(mine, sum(flips), 0))


def _pick(word, step, lanes, steps):
    """The lanes of one step, from the bits of a whole row."""
    padded = Cat(word, Const(0, steps * lanes - len(word))) if len(word) < steps * lanes else word
    return Array(padded[i * lanes : (i + 1) * lanes] for i in range(steps))[step]
