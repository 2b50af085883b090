"""One update engine for all weight layers, on latents in single-port RAM: the small machine's."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.params import Synapses, ceil_div
from popflip.rtl.layers.synapses import (
    ReadSignature,
    WriteSignature,
    shared_latent_address,
    shared_latent_bits,
)
from popflip.rtl.layers.update import JobLayout

__all__ = ["SharedUpdateEngine"]


class SharedUpdateEngine(wiring.Component):
    """Add the contrasts of whole rows to their latents, and flip the weights that are due.

    It does what one :class:`~popflip.rtl.layers.update.UpdateEngine` per layer does in a batch of
    1, with the lanes of one, and hardly a register of its own: weights and the other side of the
    synapses are selected where they stand, and what is read in one cycle is written in the next. So
    a read and a write never meet in a bank of :class:`~popflip.rtl.layers.synapses.SharedLatents`:
    steps of a row alternate between its two banks, and a row takes an even number of cycles.

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
        ``plus0`` and ``minus0`` go round as ``turn`` says, which saves their selection here.

    Attributes
    ----------
    latency : int
        Cycles after a row that the engine stays busy.

    Members
    -------
    job<l> : ``In(stream.Signature(JobLayout(shapes[l])))``
        Rows of layer ``l`` to update.
    at<l> : ``Out(1)``
        A row of the layer is being worked on, or will be in the next cycle.
    plus<l>, minus<l> : ``In(word_bits)``
        Activation bits on the other side of the row's synapses at the two ends of the contrast,
        in all ``row_cycles`` cycles that follow the one in which the job was accepted.
    turn : ``Out(1)``
        Only if ``turning``: in the next cycle the low ``latent_lanes`` bits of ``plus0`` and
        ``minus0`` have to be those of the next step. The last step is followed by the first.
    tau<l> : ``In(unsigned(latent_bits - 1))``
        Flip threshold, at least 1.
    flush, touch, stale, busy
        As of :class:`~popflip.rtl.layers.update.UpdateEngine`.
    flips<l> : ``Out(range(latent_lanes + 1))``
        Weights of the layer flipped; the sum over all cycles is their number.
    weight_read<l>, weight_write<l> : ``Out``
        Ports of the layer's weights. What was read has to stay until the next read.
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
            "flush": In(1),
            "touch": In(1),
            "stale": Out(1),
            "busy": Out(1),
            "latent_read": Out(ReadSignature(1 << depth, width)),
            "latent_write": Out(WriteSignature(1 << depth, width)),
        }
        if turning:
            members["turn"] = Out(1)
        for l, s in enumerate(self._shapes):
            weights = s.weight_depth, s.word_bits
            members |= {
                f"job{l}": In(stream.Signature(JobLayout(s))),
                f"at{l}": Out(1),
                f"plus{l}": In(s.word_bits),
                f"minus{l}": In(s.word_bits),
                f"tau{l}": In(unsigned(s.latent_bits - 1)),
                f"flips{l}": Out(range(s.latent_lanes + 1)),
                f"weight_read{l}": Out(ReadSignature(*weights)),
                f"weight_write{l}": Out(WriteSignature(s.weight_depth, s.word_bits, 1, s.slices)),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        shapes = self._shapes
        layers = range(len(shapes))
        lanes, latent_bits = shapes[0].latent_lanes, shapes[0].latent_bits
        latent_max = (1 << (latent_bits - 1)) - 1
        # Of -S without its lowest bit, and of -S - 1: what only an upset leaves must not wrap.
        lowest = 1 << (latent_bits - 2)

        def of_layer(name, number):
            return getattr(self, f"{name}{number}")

        # The row in hand ------------------------------------------------------------------------

        issuing, walking = Signal(), Signal()
        layer = Signal(range(len(shapes)))
        row = Signal(range(max(s.rows for s in shapes)))
        step = Signal(range(max(s.row_cycles for s in shapes)))
        plus, minus = Signal(), Signal()
        last, real, last_row = Signal(), Signal(), Signal()
        free = ~issuing | last
        with m.Switch(layer):
            for l, s in enumerate(shapes):
                with m.Case(l):
                    m.d.comb += [
                        last.eq(step == s.row_cycles - 1),
                        real.eq(1 if s.row_cycles == s.steps else ~last),
                        last_row.eq(row == s.rows - 1),
                    ]
        with m.If(self.touch):
            m.d.sync += self.stale.eq(1)
        with m.If(issuing):
            m.d.sync += step.eq(Mux(last, 0, step + 1))
        with m.FSM(name="source"):
            with m.State("Jobs"):
                with m.If(free):
                    m.d.sync += issuing.eq(0)
                taken = self.flush | ~free
                for l in reversed(layers):
                    job = of_layer("job", l)
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
                with m.If(self.flush & ~self.busy):
                    m.d.sync += [issuing.eq(1), layer.eq(0), row.eq(0), self.stale.eq(0)]
                    m.next = "Walk"
            with m.State("Walk"):
                m.d.comb += walking.eq(1)
                with m.If(last):
                    m.d.sync += row.eq(row + 1)
                    with m.If(last_row):
                        m.d.sync += [row.eq(0), layer.eq(layer + 1)]
                        with m.If(layer == layers[-1]):
                            m.d.sync += issuing.eq(0)
                            m.next = "Jobs"
        for l in layers:
            m.d.comb += of_layer("at", l).eq(issuing & ~last & (layer == l))

        # t: issue -------------------------------------------------------------------------------

        address = Signal.like(self.latent_read.address)
        with m.Switch(layer):
            for l, s in enumerate(shapes):
                with m.Case(l):
                    low = Cat(step, Const(0, 16))[: ceil_log2(s.latent_stride)]
                    m.d.comb += address.eq(shared_latent_address(shapes, l, Cat(low, row)))
        m.d.comb += [self.latent_read.en.eq(issuing & real), self.latent_read.address.eq(address)]
        for l in layers:
            port = of_layer("weight_read", l)
            m.d.comb += [
                port.en.eq(issuing & (step == 0) & (layer == l)),
                port.address.eq(row),
            ]

        others_plus, others_minus, inside = (
            Signal(lanes, name=name) for name in ("plus_side", "minus_side", "inside")
        )
        with m.Switch(layer):
            for l, s in enumerate(shapes):
                with m.Case(l):
                    for signal, word in (
                        (others_plus, of_layer("plus", l)),
                        (others_minus, of_layer("minus", l)),
                        (inside, Const((1 << s.row_bits) - 1, s.steps * lanes)),
                    ):
                        if l == 0 and self._turning and signal is not inside:
                            m.d.comb += signal.eq(word[:lanes])
                        else:
                            m.d.comb += signal.eq(_pick(word, step, lanes, s.steps))
        if self._turning:
            m.d.comb += self.turn.eq(issuing & real & ~walking & (layer == 0))
        products = []
        for end, others in ((plus, others_plus), (minus, others_minus)):
            mine = end.replicate(lanes)
            products.append(mine & others if self._code == "heaviside" else ~(mine ^ others))
        valid, up, down, tested = Signal(), Signal(lanes), Signal(lanes), Signal(lanes)
        layer_1, step_1, row_1 = Signal.like(layer), Signal.like(step), Signal.like(row)
        may = inside & (issuing & real & ~walking).replicate(lanes)
        m.d.sync += [
            valid.eq(issuing & real),
            up.eq(may & products[0] & ~products[1]),
            down.eq(may & products[1] & ~products[0]),
            tested.eq(inside & (issuing & real).replicate(lanes)),
            layer_1.eq(layer),
            step_1.eq(step),
            row_1.eq(row),
        ]

        # t + 1: latents take their contrasts and are written, weights flip -----------------------

        old = data.ArrayLayout(signed(latent_bits), lanes)(self.latent_read.data)
        # The weights of a row's first step come straight from the memory, those of the others from
        # a register: they were selected in the cycle before.
        weights, selected, first_1 = Signal(lanes), Signal(lanes), Signal()
        m.d.sync += first_1.eq(step == 0)
        with m.Switch(layer):
            for l, s in enumerate(shapes):
                with m.Case(l):
                    word = of_layer("weight_read", l).data
                    m.d.sync += selected.eq(_pick(word, step, lanes, s.steps))
        tau, below_tau = Signal(latent_bits - 1), Signal(latent_bits - 1)
        with m.Switch(layer_1):
            for l in layers:
                with m.Case(l):
                    word = of_layer("weight_read", l).data
                    m.d.comb += [
                        tau.eq(of_layer("tau", l)),
                        weights.eq(Mux(first_1, word[:lanes], selected)),
                    ]
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
        address_1 = Signal.like(address)
        m.d.sync += address_1.eq(address)
        m.d.comb += [
            self.latent_write.en.eq(valid),
            self.latent_write.address.eq(address_1),
            self.latent_write.data.eq(Cat(new)),
        ]

        # t + 2: flips are counted, and written with the last of their slice of the weight word --

        flips, flipped = Signal(lanes), Signal(lanes)
        m.d.sync += flips.eq(due)
        m.d.comb += flipped.eq(weights ^ due)
        for l, s in enumerate(shapes):
            port, steps = of_layer("weight_write", l), ceil_div(s.slice_bits, lanes)
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
                    m.d.sync += part.eq(flipped)
            word = Cat(*(Mux(place == i, flipped, part) for i, part in enumerate(kept)), flipped)
            m.d.sync += [
                port.en.eq(Mux(here, slices, 0)),
                port.address.eq(row_1),
                port.data.eq(word[: s.slice_bits].replicate(s.slices)),
            ]
            mine = Signal(name=f"flipped{l}")
            m.d.sync += mine.eq(here)
            m.d.comb += of_layer("flips", l).eq(Mux(mine, sum(flips), 0))

        flight = Signal(self.latency)
        m.d.sync += flight.eq(Cat(issuing, flight))
        m.d.comb += self.busy.eq(issuing | flight.any())
        return m


def _pick(word, step, lanes, steps):
    """The lanes of one step, from the bits of a whole row."""
    padded = Cat(word, Const(0, steps * lanes - len(word))) if len(word) < steps * lanes else word
    return Array(padded[i * lanes : (i + 1) * lanes] for i in range(steps))[step]
