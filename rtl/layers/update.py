"""The engine that adds contrasts to latents and flips weights."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Synapses
from popflip.rtl.layers.synapses import hint, synapse_ports
from popflip.rtl.primitives.arithmetic import times
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = ["JobLayout", "UpdateEngine"]


class JobLayout(data.StructLayout):
    """One row to update.

    ``row``, and its ``slot`` and ``bank`` in the weight memory; ``plus`` and ``minus``, the
    activation bits of the row's neuron at the two ends of the contrast.
    """

    def __init__(self, shape: Synapses):
        super().__init__({
            "row": range(shape.rows),
            "slot": range(shape.rows // shape.block * shape.groups),
            "bank": range(shape.banks),
            "plus": 1,
            "minus": 1,
        })


class UpdateEngine(wiring.Component):
    """Add the contrasts of whole rows to their latents, and flip the weights that are due.

    The rule is that of :mod:`popflip.golden.plasticity`. Latents must be in ``[-S, S]``, and those
    that pad a word 0, as the engine leaves them.

    *Rows.* The latent words of a row are issued in order, one per cycle: a row costs ``chunks *
    steps`` cycles. ``job.ready`` is high while the engine is idle and in the cycle of a row's last
    issue. A job that is accepted in cycle ``a`` is issued from ``a + 1`` on, so ``n`` jobs that
    are always valid in time are issued in cycles ``a + 1`` to ``a + n * chunks * steps``. Rows
    come in any order; before one is named again ``busy`` must have been low.

    *Writes.* Latents issued in cycle ``t`` are written in ``t + latency - 2``. The flips of a
    chunk, whose last latents are issued in ``t``, are written in ``t + latency - 1``; counts are
    on ``flips`` by ``t + latency``.

    *Flips.* If ``immediate`` is high the weights of a row are tested as it passes. If not, the row
    is marked, and waits for a flush.

    *Flush.* A pulse on ``flush`` tests the marked rows, or all rows if ``stale`` is high, and
    clears the marks and ``stale``. The walk goes from slot to slot: one takes ``chunks * steps``
    cycles for each of its rows that is tested, and one cycle if none is. With ``n`` the sum of
    these, and the pulse in cycle ``f``, ``busy`` is high in cycles ``f + 1`` to ``f + n + 1 +
    latency``.

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
    job : ``In(stream.Signature(JobLayout(shape)))``
        Rows to update.
    chunk : ``Out(range(chunks))``
        Chunk of the current row that is issued in this cycle.
    plus, minus : ``In(word_bits)``
        Activation bits on the other side of the synapses of the chunk that was issued one cycle
        ago, at the two ends of the contrast. They are looked at in the cycle after a chunk's first
        issue only. Bits beyond the end of the row do not matter.
    immediate, reset_on_flip : ``In(1)``
        Whether rows are tested as they pass, and whether a flip sets its latent to 0. Must hold
        still from the cycle in which the first job is accepted until ``busy`` is low.
    tau : ``In(unsigned(latent_bits - 1))``
        Flip threshold, at least 1. Must hold still likewise.
    flush : ``In(1)``
        A pulse starts a flush; ignored while ``busy`` is high. No job is accepted in its cycle.
    touch : ``In(1)``
        A pulse sets ``stale``. In the cycle of ``flush`` it counts for that flush.
    stale : ``Out(1)``
        Rows without a mark may hold weights that are due, because somebody else wrote to the
        memories or lowered ``tau``.
    busy : ``Out(1)``
        A row, a flush or a write is under way.
    flips : ``Out(range(latent_lanes + 1))``
        Weights flipped; the sum over all cycles is their number.
    weight_read, weight_write, latent_read, latent_write
        ``Out`` of :func:`~popflip.rtl.layers.synapses.synapse_ports`. Weights are read from the
        row's bank, on the first issue of a chunk, and written there if one flips.
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
            "job": In(stream.Signature(JobLayout(shape))),
            "chunk": Out(range(shape.chunks)),
            "plus": In(shape.word_bits),
            "minus": In(shape.word_bits),
            "immediate": In(1),
            "tau": In(unsigned(shape.latent_bits - 1)),
            "reset_on_flip": In(1),
            "flush": In(1),
            "touch": In(1),
            "stale": Out(1),
            "busy": Out(1),
            "flips": Out(range(shape.latent_lanes + 1)),
            **{name: Out(port) for name, port in synapse_ports(shape).items()},
        })

    @property
    def shape(self) -> Synapses:
        """Shape of the weight layer."""
        return self._shape

    @property
    def code(self) -> str:
        """What an activation bit stands for."""
        return self._code

    def elaborate(self, platform):
        m = Module()
        s = self._shape
        lanes, steps = s.latent_lanes, s.steps
        latent_word = data.ArrayLayout(signed(s.latent_bits), lanes)
        latent_max = (1 << (s.latent_bits - 1)) - 1
        # Of -S without its lowest bit, and of -S - 1: what only an upset leaves must not wrap.
        lowest = 1 << (s.latent_bits - 2)

        def delayed(signal, cycles):
            """Return the signal as it was 0, 1, ... ``cycles`` cycles ago."""
            stages = [signal]
            for cycle in range(1, cycles + 1):
                stages.append(Signal.like(signal, name=f"{signal.name}_{cycle}"))
                m.d.sync += stages[-1].eq(stages[-2])
            return stages

        # Where rows come from: jobs, or a walk over the marks ---------------------------------

        # A mark for each bank in the word of a slot.
        slots = s.rows // s.block * s.groups
        m.submodules.marks = marks = Memory(
            shape=unsigned(s.banks), depth=slots, init=[], attrs=hint(slots)
        )
        mark_read, mark_write = marks.read_port(), marks.write_port()

        issuing, last_issue = Signal(), Signal()
        free, take = Signal(), Signal()  # The next cycle may be, and is, a row's first issue.
        taken = Signal(JobLayout(s))
        walking, walk_all = Signal(), Signal()
        walk = Signal(JobLayout(s))  # Its row is the first one of its slot.
        group = Signal(range(s.groups))  # Of its block: the slot that the walk is at.
        active = Signal()
        flight = Signal(self.latency)

        m.d.comb += [
            free.eq(~issuing | last_issue),
            mark_read.en.eq(0),  # A read port is enabled if nobody says otherwise.
            self.busy.eq(active | flight.any()),
        ]
        m.d.sync += flight.eq(Cat(active, flight))
        with m.If(self.touch):
            m.d.sync += self.stale.eq(1)

        # A job's mark joins those of its slot a cycle later, which are in the memory by then or
        # have just been written.
        marking, mark_slot, mark_bank = Signal(), Signal(range(slots)), Signal(range(s.banks))
        written, written_slot = Signal(), Signal.like(mark_slot)
        marked, written_marks = Signal(s.banks), Signal(s.banks)
        just_written = written & (written_slot == mark_slot)
        again = marking & (mark_slot == taken.slot)
        m.d.comb += [
            marked.eq(
                Mux(just_written, written_marks, mark_read.data)
                | Cat(mark_bank == bank for bank in range(s.banks))
            ),
            mark_write.en.eq(marking),
            mark_write.addr.eq(mark_slot),
            mark_write.data.eq(marked),
        ]
        m.d.sync += [written.eq(marking), written_slot.eq(mark_slot), written_marks.eq(marked)]

        # The rows of a slot that are to be tested: all, those with a mark, or what is left of them.
        tail_rows = s.block - (s.groups - 1) * s.banks
        last_of_block = group == s.groups - 1
        there = Mux(last_of_block, (1 << tail_rows) - 1, (1 << s.banks) - 1)
        looked, rest, due_rows = Signal(), Signal(s.banks), Signal(s.banks)
        others = due_rows & (due_rows - 1)[: s.banks]
        m.d.comb += due_rows.eq(Mux(looked, rest, Mux(walk_all, there, mark_read.data)))

        with m.FSM(name="source"):
            with m.State("Jobs"):
                m.d.comb += [
                    active.eq(issuing),
                    self.job.ready.eq(free & ~self.flush),
                    take.eq(self.job.valid & self.job.ready),
                    taken.eq(self.job.payload),
                    mark_read.en.eq(self.flush | take & ~self.immediate & ~again),
                    mark_read.addr.eq(Mux(self.flush, 0, taken.slot)),
                ]
                m.d.sync += [
                    marking.eq(take & ~self.immediate),
                    mark_slot.eq(taken.slot),
                    mark_bank.eq(taken.bank),
                ]
                with m.If(self.flush & ~self.busy):
                    m.d.sync += [walk_all.eq(self.stale | self.touch), self.stale.eq(0)]
                    m.next = "Walk"
            with m.State("Walk"):
                m.d.comb += [active.eq(1), walking.eq(1), taken.eq(walk)]
                for bank in reversed(range(s.banks)):
                    with m.If(due_rows[bank]):
                        m.d.comb += [taken.row.eq(walk.row + bank), taken.bank.eq(bank)]
                with m.If(free):
                    m.d.comb += take.eq(due_rows.any())
                    m.d.sync += [looked.eq(1), rest.eq(others)]
                    with m.If(others == 0):
                        m.d.comb += [
                            mark_write.en.eq(1),
                            mark_write.addr.eq(walk.slot),
                            mark_write.data.eq(0),
                            mark_read.addr.eq(walk.slot + 1),
                        ]
                        m.d.sync += [
                            looked.eq(0),
                            group.eq(Mux(last_of_block, 0, group + 1)),
                            walk.slot.eq(walk.slot + 1),
                            walk.row.eq(walk.row + Mux(last_of_block, tail_rows, s.banks)),
                        ]
                        with m.If(walk.slot == slots - 1):
                            m.d.sync += [walk.eq(0), group.eq(0)]
                            m.next = "Last row"
                        with m.Else():
                            m.d.comb += mark_read.en.eq(1)
            with m.State("Last row"):
                # It stays a cycle even if the last row is not tested, so that the time of a flush
                # follows from how many rows are tested, not from which.
                m.d.comb += active.eq(1)
                with m.If(free):
                    m.next = "Jobs"

        # t: issue -------------------------------------------------------------------------------

        # What is registered here belongs to the row: its neuron's bits, whether there is a
        # contrast to add, and whether its weights are tested.
        plus, minus, adds, tests = Signal(), Signal(), Signal(), Signal()
        bank = Signal(range(s.banks))
        step = Signal(range(steps))
        first, last, last_chunk = Signal(), Signal(), Signal()
        test = Signal()
        m.d.comb += [
            first.eq(step == 0),
            last.eq(step == steps - 1),
            last_chunk.eq(self.chunk == s.chunks - 1),
            last_issue.eq(last & last_chunk),
            test.eq(issuing & tests),
            self.latent_read.en.eq(issuing),
            self.weight_read.en.eq(Mux(test & first, 1 << bank, 0)),
        ]
        with m.If(issuing):
            m.d.sync += [
                step.eq(step + 1),
                self.latent_read.address.eq(self.latent_read.address + 1),
            ]
            with m.If(last):
                m.d.sync += [
                    step.eq(0),
                    self.chunk.eq(self.chunk + 1),
                    self.weight_read.address.eq(self.weight_read.address + 1),
                ]
        with m.If(free):
            m.d.sync += [
                issuing.eq(take),
                self.chunk.eq(0),
                self.latent_read.address.eq(times(taken.row, s.chunks * steps)),
                self.weight_read.address.eq(times(taken.slot, s.chunks)),
                bank.eq(taken.bank),
                plus.eq(taken.plus),
                minus.eq(taken.minus),
                adds.eq(~walking),
                tests.eq(walking | self.immediate),
            ]

        firsts, lasts, banks = delayed(first, 4), delayed(last, 4), delayed(bank, 4)
        valid, testing = delayed(issuing, 4), delayed(test, 4)
        latent_address = delayed(self.latent_read.address, 3)
        weight_address = delayed(self.weight_read.address, 4)

        # t + 1: data arrive; contrasts ----------------------------------------------------------

        words = Signal.like(self.weight_read.data)
        old = Signal(latent_word)
        with m.If(valid[1] & firsts[1]):
            m.d.sync += words.eq(self.weight_read.data)
        with m.If(valid[1]):
            m.d.sync += old.eq(self.latent_read.data)

        products = []
        for name, end in (("plus", plus), ("minus", minus)):
            # The other side's bits move down from step to step: no multiplexer in the path.
            side, rest = (Signal(steps * lanes, name=f"{name}_{part}") for part in ("side", "rest"))
            m.d.comb += side.eq(Mux(firsts[1], getattr(self, name), rest))
            with m.If(valid[1]):
                m.d.sync += rest.eq(side >> lanes)
            [_, end] = delayed(end, 1)
            end, other = end.replicate(lanes), side[:lanes]
            products.append(end & other if self._code == "heaviside" else ~(end ^ other))
        mask = Cat(self._masks(m, adds, step, last_chunk))
        up, down = Signal(lanes), Signal(lanes)
        with m.If(valid[1]):
            m.d.sync += [
                up.eq(mask & products[0] & ~products[1]),
                down.eq(mask & products[1] & ~products[0]),
            ]

        # t + 2: latents take their contrasts -----------------------------------------------------

        weights = Signal(steps * lanes)
        word = words.word_select(banks[2], s.word_bits)
        with m.If(valid[2]):
            m.d.sync += weights.eq(Mux(firsts[2], word, weights >> lanes))

        new = Signal(latent_word)
        for lane in range(lanes):
            rises = up[lane] & (old[lane] != latent_max)
            falls = down[lane] & (old[lane][1:] != lowest)
            # -1, 0 or +1 in two's complement.
            change = Cat(rises | falls, falls).as_signed()
            with m.If(valid[2]):
                m.d.sync += new[lane].eq(old[lane] + change)

        # t + 3: weights flip ---------------------------------------------------------------------

        minus_tau = Signal(signed(s.latent_bits))
        due, flips, flipped = Signal(lanes), Signal(lanes), Signal(lanes)
        kept = Signal(latent_word)
        m.d.sync += minus_tau.eq(-self.tau)
        for lane in range(lanes):
            against = Mux(weights[lane], new[lane] <= minus_tau, new[lane] >= self.tau)
            resets = due[lane] & self.reset_on_flip
            m.d.comb += [
                due[lane].eq(testing[3] & against),
                kept[lane].eq(Mux(resets, 0, new[lane])),
            ]
        m.d.sync += [
            flips.eq(due),
            self.latent_write.en.eq(Mux(valid[3], ~0, 0)),
            self.latent_write.address.eq(latent_address[3]),
        ]
        with m.If(valid[3]):
            m.d.sync += [flipped.eq(weights[:lanes] ^ due), self.latent_write.data.eq(kept)]

        # t + 4: latents are written; a chunk's steps become a weight word again -------------------

        gathered = Signal(steps * lanes)
        any_before, any_flip = Signal(), Signal()
        m.d.comb += any_flip.eq((any_before & ~firsts[4]) | flips.any())
        m.d.sync += [
            any_before.eq(any_flip),
            gathered.eq(Cat(gathered, flipped)[lanes:]),
            self.weight_write.en.eq(
                Mux(
                    testing[4] & lasts[4] & any_flip,
                    Cat((banks[4] == bank).replicate(s.slices) for bank in range(s.banks)),
                    0,
                )
            ),
            self.weight_write.address.eq(weight_address[4]),
        ]

        # t + 5: weights are written; t + 6 at the latest: flips are counted ----------------------

        m.d.comb += self.weight_write.data.eq(gathered[: s.word_bits].replicate(s.banks))
        # One or two registers for up to 1,536 lanes.
        m.submodules.count = count = PopcountTree(lanes, levels_per_register=5)
        m.d.comb += [count.en.eq(1), count.i.eq(flips), self.flips.eq(count.o)]
        return m

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
