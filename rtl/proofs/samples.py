"""On its way from the flash to the windows no byte of a sample is lost, doubled or changed."""

from amaranth.hdl import Cat, Mux, Signal

from popflip.golden.description.params import Params
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.proofs.harness import Claim, Fault, Proof, past
from popflip.rtl.proofs.streams import Streams, rules
from popflip.rtl.standalone.byte_receiver import ByteReceiver
from popflip.rtl.standalone.flash_reader import FlashReader
from popflip.rtl.standalone.image_shifter import ImageShifter
from popflip.rtl.standalone.records import RecordReader
from popflip.rtl.standalone.sample_order import SampleOrder
from popflip.rtl.standalone.sequencer import StandaloneSequencer

__all__ = ["PROOFS"]


class _Flash(Streams):
    """A byte begins on the lines only if there is room for it behind them."""

    def __init__(self, params):
        super().__init__(lambda: FlashReader(params), ("store.data",), ("store.request",))
        self._params = params

    def words(self, m, dut, inside):
        divider, lines = self._params.standalone.flash_divider, self._params.standalone.lines
        clocks, timer, data = (
            inside["commands.clocks"],
            inside["commands.timer"],
            inside.state("commands.Data"),
        )
        under_way = data & ~((clocks == 0) & (timer == 0))
        # Behind each register: whether a bit has come so far, and whether the last of its byte.
        sampled, completed = zip(*inside["receiver.taps"][1:], strict=True)
        complete, byte_held, taken = inside["receiver.complete"], inside["held"], inside["taken"]
        waits = complete & byte_held & ~taken
        self.claim("kept", ~(sampled[-1] & waits))

        self.lemma(
            inside["credit"] + under_way + sum(completed) + complete + byte_held == 2,
        )
        self.lemma(timer < divider)
        for state in inside.states("commands.fsm"):
            # Clocks that each counts; the others find the counters at rest.
            most = {"Wake": 8, "Command": 40, "Data": 8 // lines}.get(state, 1)
            if state != "Rest":
                self.lemma(~inside.state(f"commands.{state}") | (clocks < most))
            if most == 1:
                self.lemma(~inside.state(f"commands.{state}") | (timer == 0))
        # A bit that is not the last of its byte has the rest of that byte behind it.
        for at, (bit, last) in enumerate(zip(sampled, completed, strict=True)):
            self.lemma(~last | bit)
            self.lemma(~(bit & ~last) | under_way | Cat(completed[:at]).any())
        if self.only:
            # A fault is looked for in one that has read the head of the image.
            inside.begin(inside["head"].ready, 1)
            inside.begin(inside["commands.fsm_state"], inside.states("commands.fsm").index("Idle"))


class _Records(Streams):
    """Of each mask the ones are bytes that follow it, and the zeros bytes that are zero."""

    def __init__(self, params):
        super().__init__(lambda: RecordReader(params))
        self._size = params.sample_bytes

    def words(self, m, dut, inside):
        i, o = dut.i, dut.o
        taken, given = i.valid & i.ready, o.valid & o.ready
        # How many bytes of the mask have left; 8 if there is no more of it.
        mask, gone = Signal(8), Signal(range(9), init=8)
        number = Signal(range(self._size))
        some, one = gone != 8, mask.bit_select(gone[:3], 1)
        final = number == self._size - 1
        with m.If(given):
            m.d.sync += [
                gone.eq(Mux(final, 8, gone + 1)),
                number.eq(Mux(final, 0, number + 1)),
            ]
        as_mask = taken & ~(some & one)
        with m.If(as_mask):
            m.d.sync += [mask.eq(i.payload), gone.eq(0)]
        self.claim("words", o.valid == (some & (~one | i.valid)))
        self.claim("words", ~o.valid | (o.payload == Mux(one, i.payload, 0)))
        self.claim("words", (taken & some & one) == (given & one))
        self.claim("words", ~as_mask | ~some | given & (gone == 7) & ~final)
        self.lemma(inside["mask"] == Mux(some, Cat(mask, 1) >> gone, 1))
        self.lemma((inside["number"] == number) & (number < self._size) & (gone <= 8))


class _Shifter(Streams):
    """Of each sample as many bytes leave as enter."""

    def __init__(self, params):
        super().__init__(lambda: ImageShifter(params))
        self._params = params

    def words(self, m, dut, inside):
        p = self._params
        height, reach = p.sample_words, p.learning.shift
        row = (p.sample_bytes - 1) // height
        active = inside["active"]
        self.assume(~dut.begin | ~active)
        for distance in (dut.dx, dut.dy):
            self.assume((distance >= -reach) & (distance <= reach))
        entered, left = Signal(range(p.sample_bytes + 1)), Signal(range(p.sample_bytes + 1))
        with m.If(dut.begin):
            m.d.sync += [entered.eq(0), left.eq(0)]
        with m.Else():
            m.d.sync += [
                entered.eq(entered + (dut.i.valid & dut.i.ready)),
                left.eq(left + (dut.o.valid & dut.o.ready)),
            ]
        was_active = Signal()
        m.d.sync += was_active.eq(active)
        ended = was_active & ~active
        self.claim("words", ~ended | (entered == p.sample_bytes) & (left == p.sample_bytes))

        step, column, distance = inside["step"], inside["column"], inside["distance"]
        source, target, to_left = inside["source"], inside["target"], inside["left"]
        at_label = inside["at_label"]
        later = Mux(step > distance, step - distance, 0)
        sooner = Mux(step < height, step, height)
        rows_in, rows_out = Mux(inside["down"], later, sooner), Mux(inside["down"], sooner, later)
        behind = source & target & to_left
        here = active & ~at_label
        self.lemma(~active | (entered == rows_in * row + Mux(here & source, column, 0)))
        self.lemma(
            ~active
            | (left == rows_out * row + Mux(here & target, column - (behind & (column != 0)), 0))
        )
        self.lemma(column <= Mux(here & behind, row, row - 1))
        self.lemma((step <= height + distance) & (distance <= reach))
        self.lemma(active | (step == 0) & (column == 0))
        self.lemma(inside["early"] == (active & (step < distance)))
        self.lemma(inside["late"] == (step >= height))
        self.lemma(at_label == (active & (step == height + distance)))
        self.lemma(~at_label | (column == 0))


class _Buffer(Streams):
    """Of both banks one byte, any, is looked at; and all labels."""

    twins_are_equal = False

    def __init__(self, params):
        super().__init__(lambda: SampleBuffer(params), (), ("i",))
        self._params = params

    def words(self, m, dut, inside):
        words, size = self._params.sample_words, (self._params.sample_bytes - 1)
        row = size // words
        i = dut.i
        taken = i.valid & i.ready
        at, writing, reading, count = Signal(range(size + 1)), Signal(), Signal(), Signal(2)
        labels = [Signal(8, name=f"expected{bank}") for bank in range(2)]
        whole, released = taken & (at == size), dut.release & (count != 0)
        m.d.sync += count.eq(count + whole - released)
        with m.If(released):
            m.d.sync += reading.eq(~reading)
        with m.If(taken):
            m.d.sync += at.eq(at + 1)
            with m.If(whole):
                m.d.sync += [at.eq(0), writing.eq(~writing)]
                for bank, label in enumerate(labels):
                    with m.If(writing == bank):
                        m.d.sync += label.eq(i.payload)
        self.claim("words", i.ready == (count != 2))
        self.claim("words", dut.full == (count != 0))
        self.claim("words", dut.last == (at == size))
        self.claim("words", ~dut.full | (dut.label == Mux(reading, labels[1], labels[0])))

        bank = self.constant(m, 1, "bank")
        word, byte = self.constant(m, range(words), "word"), self.constant(m, range(row), "byte")
        self.assume((word < words) & (byte < row))
        place, wanted, kept = word * row + byte, Signal(8), Signal(8 * row)
        with m.If(taken & (writing == bank) & (at == place)):
            m.d.sync += wanted.eq(i.payload)
        [memory] = [f for f, name, _ in inside.fragment.subfragments if name == "memory"]
        address = Cat(word[: (words - 1).bit_length()], bank)
        memory.read_port(domain="comb", addr=address, data=kept, en=1, transparent_for=())
        stored = (count == 2) | (count == 1) & (reading == bank)
        there = stored | (writing == bank) & (at > place)
        self.claim("words", ~there | (kept.word_select(byte, 8) == wanted))

        self.lemma((count <= 2) & (at <= size) & ((writing == reading) == (count != 1)))
        self.lemma((inside["write_bank"] == writing) & (inside["read_bank"] == reading))
        held = Mux(count == 0, 0, Mux(count == 2, 3, Mux(reading, 2, 1)))
        self.lemma(inside["stored"] == held)
        self.lemma(inside["word"] * row + inside["byte"] == at)
        self.lemma((inside["byte"] < row) & (inside["word"] <= words))
        self.lemma(Mux(at == size, inside["byte"] == 0, inside["word"] < words))
        for mine, theirs in zip(labels, inside["labels"], strict=True):
            self.lemma(mine == theirs)


class _Sequencer(Streams):
    """Between core and flash; the core asks while it is at work, and for one sample at a time."""

    def __init__(self, params):
        outs, ins = ("flash.request", "core.data"), ("core.request", "flash.data")
        super().__init__(lambda: StandaloneSequencer(params), outs, ins)
        self._bits = params.standalone.order_bits

    def words(self, m, dut, inside):
        asked, answered = dut.core.request, dut.flash.request
        self.assume(~asked.valid | dut.busy & ~inside["samples.shifter.active"])
        self.assume(~dut.busy | inside.state("Rest") | inside.state("Running"))
        # What the head of the image says stays while samples are asked for.
        self.stays(m, dut.train, past(m, dut.busy, 1, "busy"), "train")
        self.claim("words", (asked.valid & asked.ready) == (answered.valid & answered.ready))
        drawn = inside.state("Running") & ~inside["steps"].testing
        self.assume(~drawn | (asked.payload[self._bits :] == 0))
        self.claim("words", ~answered.valid | ~drawn | (answered.payload < dut.train))
        self.claim("words", drawn | ~answered.valid | (answered.payload == asked.payload[:24]))
        self.lemma(inside.legal())


def _with_flash(preset, **standalone):
    return Params.load(preset).replace(learning={"shift": 1}, standalone=standalone)


_READ, _RECORD = FlashReader.elaborate, RecordReader.elaborate
_RECEIVE = ByteReceiver.elaborate
_SHIFT, _ORDER = ImageShifter.elaborate, SampleOrder.elaborate

PROOFS = [
    Proof(
        "flash",
        "standalone/flash_reader",
        "local-small, four lines, a bit in every cycle, two registers on the way back",
        lambda: _Flash(_with_flash("local-small", flash="quad", flash_divider=1, flash_delay=2)),
        rules(
            Fault(
                _READ,
                "self.store.data.valid.eq(held & self.ready)",
                "self.store.data.valid.eq(held & self.ready & self.store.data.ready)",
                70,
            ),
            Fault(_RECEIVE, "with m.If(~self.held | self.taken):", "with m.If(1):", 70),
        )
        | {
            "kept": Claim(
                "no bit comes while a byte waits where it would go",
                Fault(_READ, "room.eq((credit != 0) | gone)", "room.eq(1)", 70),
            )
        },
    ),
    Proof(
        "records",
        "standalone/records",
        "ecp5-85f: samples of 197 bytes",
        lambda: _Records(Params.load("ecp5-85f")),
        rules(
            Fault(
                _RECORD,
                "(~byte_next | self.i.valid)),",
                "(~byte_next | self.i.valid) & self.o.ready),",
            ),
            Fault(
                _RECORD,
                "leaves.eq(self.o.valid & self.o.ready)",
                "leaves.eq(self.o.valid)",
            ),
            "the bytes that leave are those that masks and bytes stand for, each once",
            Fault(_RECORD, "beside = ~empty & ~byte_next &", "beside = ~empty &", 14),
        ),
    ),
    Proof(
        "shifter",
        "standalone/image_shifter",
        "local-small, images moved by up to a pixel",
        lambda: _Shifter(_with_flash("local-small")),
        rules(
            Fault(
                _SHIFT,
                "self.o.valid.eq(active & gives & (self.i.valid | ~takes))",
                "self.o.valid.eq(active & gives & (self.i.valid | ~takes) & self.o.ready)",
            ),
            Fault(
                _SHIFT,
                "moves.eq(active & (self.i.valid | ~takes) & (self.o.ready | ~gives))",
                "moves.eq(active & (self.i.valid | ~takes))",
            ),
            "as many bytes leave as enter: those of one sample",
            Fault(
                _SHIFT,
                "late.eq(upcoming >= height)",
                "late.eq(upcoming > height)",
                130,
                slow=True,
            ),
        ),
    ),
    Proof(
        "buffer",
        "layers/sample_buffer",
        "local-small: rows of 4 bytes",
        lambda: _Buffer(Params.load("local-small")),
        rules(
            None,
            None,
            "two samples are held as they came, in order, until they are released",
            Fault(SampleBuffer.elaborate, "write_port.en.eq(1 << byte)", "write_port.en.eq(-1)"),
        ),
    ),
    Proof(
        "standalone",
        "standalone/sample_order",
        "local-small, images moved by up to a pixel",
        lambda: _Sequencer(_with_flash("local-small", flash="quad")),
        rules(
            Fault(
                _ORDER,
                "wanted.valid.eq(asked.valid & offered)",
                "wanted.valid.eq(asked.valid & wanted.ready)",
            ),
            Fault(
                _ORDER,
                "with m.Elif(self.shuffling & (requested | ~in_range)):",
                "with m.Elif(self.shuffling):",
                60,
            ),
            "each request of the core is one of the flash, in training for a sample that there is",
            Fault(
                _ORDER,
                "asked.ready.eq(wanted.ready & offered)",
                "asked.ready.eq(wanted.ready)",
                60,
            ),
        ),
        depth=3,
    ),
]
