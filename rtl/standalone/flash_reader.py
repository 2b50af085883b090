"""The data set in an SPI flash: a sample's number in, its bytes out."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.flash_image import COUNT_BYTES, MAGIC, kind_of, stored_bytes
from popflip.golden.description.params import SECTOR, Params
from popflip.rtl.interface import StoreSignature
from popflip.rtl.standalone.records import RecordReader

__all__ = ["FlashReader", "FlashSignature"]

#: Instruction: out of deep power-down.
WAKE = 0xAB

#: Instructions of a fast read, by the lines that its data come on.
READ = {1: 0x0B, 2: 0x3B, 4: 0x6B}

#: Clock cycles after waking until the flash is read: 41 us at 100 MHz, of which the slowest parts
#: want 35. Counted by the two counters of a command, 64 cycles for each step of the second.
WAKE_CYCLES = 4096

#: Bytes of records that wait for those before them: zeros that were left out take time again.
_QUEUED = 64

#: Bits of the address, and of waiting behind it.
_ADDRESS, _DUMMY = 24, 8


class FlashSignature(wiring.Signature):
    """Pins of an SPI flash, from the machine's side; all outputs come from registers.

    Members
    -------
    cs_n : ``Out(1)``
        Selects the flash while low.
    sck : ``Out(2)``
        Its clock in the first (bit 0) and in the second half of a cycle. The halves are equal
        unless ``flash_divider`` is 1.
    o, oe : ``Out(4)``
        Data lines 0 to 3, and which of them the machine drives. Line 0 is the flash's input. Lines
        2 and 3 are driven high (no write protection, no hold) unless they carry data.
    i : ``In(4)``
        What is on the lines; line 1 is the flash's output. Not synchronised: its timing is that of
        the clock.
    """

    def __init__(self):
        super().__init__({
            "cs_n": Out(1, init=1),
            "sck": Out(2),
            "o": Out(4, init=0b1100),
            "oe": Out(4, init=0b1101),
            "i": In(4),
        })


class FlashReader(wiring.Component):
    """Read samples from a flash that holds an image of a data set.

    Its layout is that of :mod:`popflip.golden.description.flash_image`.

    After the start the flash is woken from deep power-down, where some FPGAs leave it, and the
    head of the image is read. Then each request is one fast-read command: instruction 0Bh, 3Bh for
    dual or 6Bh for quad output, three bytes of address, one of waiting, and the sample's bytes. 6Bh
    wants the flash's quad-enable bit set, which many parts have set for good; the reader does not
    set it (``popflip flash --with-data`` does).
    Clock mode 0: data are put on the lines while the clock is low, and taken before it falls.

    A request is taken, with the address, one cycle for each bit of the number of bytes of a sample
    in the flash after it was offered. The command takes ``40 * divider`` cycles, each byte ``8 /
    lines * divider`` while ``store.data`` is not stalled; else the clock stands still. Of a record
    no more is read than it says, and 64 bytes may wait in a queue. What a sample takes in all is
    :func:`popflip.golden.description.flash_image.flash_cycles`.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    store : ``In(StoreSignature())``
        Requests and samples. Nothing is accepted before ``ready``.
    flash : ``Out(FlashSignature())``
        Pins.
    ready : ``Out(1)``
        The head of the image has been read.
    found : ``Out(1)``
        It is one, for such samples. Else ``train`` and ``test`` mean nothing, but requests are
        answered, with whatever is there.
    train, test : ``Out(order_bits + 1)``
        Samples of either kind.
    """

    def __init__(self, params: Params):
        if not params.standalone.lines:
            raise ValueError(
                f"standalone.flash must be single, dual or quad, not {params.standalone.flash}"
            )
        self._params = params
        super().__init__({
            "store": In(StoreSignature()),
            "flash": Out(FlashSignature()),
            "ready": Out(1),
            "found": Out(1),
            "train": Out(params.standalone.order_bits + 1),
            "test": Out(params.standalone.order_bits + 1),
        })

    def elaborate(self, platform):
        m = Module()
        p, standalone = self._params, self._params.standalone
        lines = standalone.lines
        opcode = Const(READ[lines], 8)
        byte_clocks = 8 // lines
        head = MAGIC + kind_of(p)
        head_bytes = len(head) + 2 * COUNT_BYTES

        # The clock of the flash: a period is `divider` cycles, first low, then high.
        divider = standalone.flash_divider
        selected, active = Signal(), Signal()
        timer = Signal(range(divider))
        last = timer == divider - 1
        with m.If(active):
            m.d.sync += timer.eq(Mux(last, 0, timer + 1))
        high = Const(0b10) if divider == 1 else Mux(timer >= divider // 2, 0b11, 0)
        reading = Signal()  # Behind the address: the lines are the flash's.
        word = Signal(8 + _ADDRESS, init=WAKE << _ADDRESS)
        pins = self.flash
        m.d.sync += [
            pins.cs_n.eq(~selected),
            pins.sck.eq(Mux(active, high, 0)),
            pins.o.eq(Cat(word[-1], Const(0b110, 3))),
            pins.oe.eq(Mux(reading, {1: 0b1101, 2: 0b1100, 4: 0}[lines], 0b1101)),
        ]

        # An address is found bit by bit of the constant factor, the highest first. The sum starts
        # from what becomes the address of sample 0 when it has been doubled as often; that of the
        # head of the image is one sector, one bit, before it.
        factor, start = stored_bytes(p), standalone.flash_base + SECTOR
        steps = factor.bit_length()
        step = Signal(range(steps))
        summing, add = Signal(), Signal()
        with m.Switch(step):
            for i in range(steps):
                with m.Case(i):
                    m.d.comb += add.eq(summing & self.ready & (factor >> (steps - 1 - i) & 1))
        number = self.store.request.payload[:_ADDRESS]
        doubled = Cat(0, word)
        advance = Signal()
        with m.If(advance):
            m.d.sync += word.eq(doubled)
            with m.If(add):
                m.d.sync += word[:_ADDRESS].eq(doubled[:_ADDRESS] + number)

        clocks = Signal(6)
        left = Signal(range(max(factor, head_bytes, WAKE_CYCLES >> 6)), init=(WAKE_CYCLES >> 6) - 1)
        falling = Signal(init=1)
        taken, dropped, gone = Signal(), Signal(), Signal()
        room_for = _QUEUED if standalone.record_bytes else 2
        # Bytes that there is still room for behind the lines.
        credit = Signal(range(room_for + 1), init=room_for)
        started = Signal()
        sampled, completed = Signal(), Signal()
        m.d.sync += credit.eq(credit + dropped + gone - started)

        with m.FSM():
            with m.State("Wake"):
                m.d.comb += [selected.eq(1), active.eq(1)]
                with m.If(last):
                    m.d.comb += advance.eq(1)
                    m.d.sync += clocks.eq(clocks + 1)
                    with m.If(clocks == 7):
                        m.d.sync += clocks.eq(0)
                        m.next = "Rest"
            with m.State("Rest"):
                m.d.comb += selected.eq(falling)  # The clock falls before the flash is let go.
                m.d.sync += [clocks.eq(clocks + 1), falling.eq(0)]
                with m.If(clocks.all()):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.next = "Idle"
            with m.State("Idle"):
                m.d.sync += [
                    word.eq(Cat(Const(start >> steps, _ADDRESS), opcode)),
                    word[SECTOR.bit_length() - 1 - steps].eq(self.ready),
                    left.eq(Mux(self.ready, factor - 1, head_bytes - 1)),
                ]
                with m.If(self.store.request.valid | ~self.ready):
                    m.next = "Address"
            with m.State("Address"):
                m.d.comb += [summing.eq(1), advance.eq(1)]
                m.d.sync += [step.eq(step + 1), word[_ADDRESS:].eq(opcode)]
                with m.If(step == steps - 1):
                    m.d.comb += self.store.request.ready.eq(self.ready)
                    m.d.sync += step.eq(0)
                    m.next = "Command"
            with m.State("Command"):
                m.d.comb += [selected.eq(1), active.eq(1), reading.eq(clocks >= 8 + _ADDRESS)]
                with m.If(last):
                    m.d.comb += advance.eq(1)
                    m.d.sync += clocks.eq(clocks + 1)
                    with m.If(clocks == 8 + _ADDRESS + _DUMMY - 1):
                        m.d.sync += clocks.eq(0)
                        m.next = "Data"
            with m.State("Data"):
                first = (clocks == 0) & (timer == 0)
                room = (credit != 0) | gone
                m.d.comb += [
                    selected.eq(1),
                    reading.eq(1),
                    active.eq(~first | room),
                    started.eq(first & room),
                ]
                with m.If(active & last):
                    m.d.comb += sampled.eq(1)
                    m.d.sync += clocks.eq(clocks + 1)
                    with m.If(clocks == byte_clocks - 1):
                        m.d.comb += completed.eq(1)
                        m.d.sync += [clocks.eq(0), left.eq(left - 1)]
                        with m.If(left == 0):
                            m.next = "End"
            with m.State("End"):
                # The clock falls before the flash is let go.
                m.d.comb += [selected.eq(1), reading.eq(1)]
                m.next = "Idle"
                with m.If(~self.ready):
                    m.next = "Head"
            with m.State("Head"):
                with m.If(self.ready):
                    m.next = "Idle"

        # Bits come back: behind the register of the pins, and those on the way. A byte may wait
        # in the shift register for the one before it; there is no third, for want of credit.
        taps = [(sampled, completed)]
        for i in range(1 + standalone.flash_delay):
            later = Signal(name=f"sampled{i}"), Signal(name=f"completed{i}")
            m.d.sync += [late.eq(early) for late, early in zip(later, taps[-1], strict=True)]
            taps.append(later)
        arriving, whole = taps[-1]
        shift, complete = Signal(8), Signal()
        with m.If(arriving):
            new = pins.i[1] if lines == 1 else pins.i[:lines]
            m.d.sync += shift.eq(Cat(new, shift))
        byte, held = Signal(8), Signal()
        with m.If(~held | taken):
            m.d.sync += [byte.eq(shift), held.eq(complete)]
        m.d.sync += complete.eq(whole | complete & held & ~taken)

        # The head of the image stays here, samples go on.
        position = Signal(range(head_bytes))
        good = Signal(init=1)
        expected = Signal(8)
        with m.Switch(position):
            for i, value in enumerate(head):
                with m.Case(i):
                    m.d.comb += expected.eq(value)
            for i in range(COUNT_BYTES):
                for at, count in ((len(head), self.train), (len(head) + COUNT_BYTES, self.test)):
                    with m.Case(at + i):
                        m.d.comb += expected.eq(byte)
                        if part := len(count[8 * i : 8 * i + 8]):
                            with m.If(held & ~self.ready):
                                m.d.sync += count[8 * i : 8 * i + part].eq(byte)
        with m.If(held & ~self.ready):
            m.d.sync += position.eq(position + 1)
            with m.If(byte != expected):
                m.d.sync += good.eq(0)
            with m.If(position == head_bytes - 1):
                m.d.sync += self.ready.eq(1)
        m.d.comb += self.found.eq(self.ready & good)
        if not standalone.record_bytes:
            m.d.comb += [
                self.store.data.payload.eq(byte),
                self.store.data.valid.eq(held & self.ready),
                taken.eq(held & (self.store.data.ready | ~self.ready)),
                gone.eq(taken),
            ]
            return m

        # The first byte of a record tells how many follow, which shortens what is left to read. It
        # is here long before even the shortest record ends.
        at_length = Signal()
        with m.If(self.store.request.valid & self.store.request.ready):
            m.d.sync += at_length.eq(1)
        length = held & self.ready & at_length
        with m.If(length):
            m.d.sync += [at_length.eq(0), left.eq(left + byte - (factor - 1) - completed)]
        m.submodules.queue = queue = fifo.SyncFIFO(width=8, depth=_QUEUED)
        m.submodules.records = records = RecordReader(p)
        m.d.comb += [
            taken.eq(held),
            queue.w_data.eq(byte),
            queue.w_en.eq(held & self.ready & ~at_length),
            records.i.payload.eq(queue.r_data),
            records.i.valid.eq(queue.r_rdy),
            queue.r_en.eq(records.i.ready),
            dropped.eq(held & ~queue.w_en),
            gone.eq(queue.r_rdy & queue.r_en),
        ]
        connect(m, records.o, flipped(self.store.data))
        return m
