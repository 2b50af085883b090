"""Commands to an SPI flash: its pins, its clock, and the address of a sample."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.flash_image import stored_bytes
from popflip.golden.description.layout import ADDRESS_BITS
from popflip.golden.description.params import Params
from popflip.golden.description.sections.standalone import SECTOR
from popflip.rtl.standalone.image_head import head_bytes

__all__ = ["READ", "WAKE", "WAKE_CYCLES", "FlashCommands", "FlashSignature"]

#: Instruction: out of deep power-down.
WAKE = 0xAB

#: Instructions of a fast read, by the lines that its data come on.
READ = {1: 0x0B, 2: 0x3B, 4: 0x6B}

#: Clock cycles after waking until the flash is read: 41 us at 100 MHz, of which the slowest parts
#: want 35. Counted by the two counters of a command, 64 cycles for each step of the second.
WAKE_CYCLES = 4096

#: Bits of an instruction, of the address, and of waiting behind it.
_INSTRUCTION, _ADDRESS, _DUMMY = 8, ADDRESS_BITS, 8


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


class FlashCommands(wiring.Component):
    """Wake a flash, have the head of its image read, then one sample for each request.

    Of the head and of each sample it is told when there is room for the next byte; until then the
    clock of the flash stands still. Timing is that of
    :class:`~popflip.rtl.standalone.flash_reader.FlashReader`.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    request : ``In(stream.Signature(32))``
        Number of a sample.
    ready : ``In(1)``
        The head of the image has been read. Until then no request is taken.
    room : ``In(1)``
        A byte may begin.
    started : ``Out(1)``
        It does.
    sampled, completed : ``Out(1)``
        What is on the lines now counts, and is the last of a byte.
    shorten : ``In(1)``, length : ``In(8)``
        The record that is read has that many bytes behind its first.
    flash : ``Out(FlashSignature())``
        Pins; ``i`` is not looked at.
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "request": In(stream.Signature(32)),
            "ready": In(1),
            "room": In(1),
            "started": Out(1),
            "sampled": Out(1),
            "completed": Out(1),
            "shorten": In(1),
            "length": In(8),
            "flash": Out(FlashSignature()),
        })

    def elaborate(self, platform):
        m = Module()
        stored, wake = stored_bytes(self._params), WAKE_CYCLES >> 6
        # The clock of the flash: a period is `divider` cycles, first low, then high.
        divider = self._params.standalone.flash_divider
        selected, active, reading = Signal(), Signal(), Signal()
        timer = Signal(range(divider))
        last = timer == divider - 1
        with m.If(active):
            m.d.sync += timer.eq(Mux(last, 0, timer + 1))
        high = Const(0b10) if divider == 1 else Mux(timer >= divider // 2, 0b11, 0)
        word = Signal(_INSTRUCTION + _ADDRESS, init=WAKE << _ADDRESS)
        self._drive(m, selected, Mux(active, high, 0), reading, word[-1])
        advance = Signal()
        summing, step = self._add_bit_by_bit(m, word, advance)

        clocks = Signal(6)
        # Bytes that are left to read, less one.
        head = head_bytes(self._params)
        left = Signal(range(max(stored, head, wake)), init=wake - 1)
        with m.FSM():
            self._wake(m, selected, active, last, advance, clocks, left)
            with m.State("Idle"):
                self._load(m, word, left, head)
                with m.If(self.request.valid | ~self.ready):
                    m.next = "Address"
            with m.State("Address"):
                m.d.comb += [summing.eq(1), advance.eq(1)]
                m.d.sync += [
                    step.eq(step + 1),
                    word[_ADDRESS:].eq(READ[self._params.standalone.lines]),
                ]
                with m.If(step == stored.bit_length() - 1):
                    m.d.comb += self.request.ready.eq(self.ready)
                    m.d.sync += step.eq(0)
                    m.next = "Command"
            with m.State("Command"):
                m.d.comb += [
                    selected.eq(1),
                    active.eq(1),
                    reading.eq(clocks >= _INSTRUCTION + _ADDRESS),
                ]
                with m.If(last):
                    m.d.comb += advance.eq(1)
                    m.d.sync += clocks.eq(clocks + 1)
                    with m.If(clocks == _INSTRUCTION + _ADDRESS + _DUMMY - 1):
                        m.d.sync += clocks.eq(0)
                        m.next = "Data"
            with m.State("Data"):
                m.d.comb += [selected.eq(1), reading.eq(1)]
                self._read(m, active, (clocks == 0) & (timer == 0), last, clocks, left)
            with m.State("End"):
                # The clock falls before the flash is let go.
                m.d.comb += [selected.eq(1), reading.eq(1)]
                m.next = "Idle"
                with m.If(~self.ready):
                    m.next = "Head"
            with m.State("Head"):
                with m.If(self.ready):
                    m.next = "Idle"
        if self._params.standalone.record_bytes:
            with m.If(self.shorten):
                m.d.sync += left.eq(left + self.length - (stored - 1) - self.completed)
        return m

    def _drive(self, m, selected, clock, reading, bit):
        """Put everything on the pins, behind registers."""
        pins, lines = self.flash, self._params.standalone.lines
        m.d.sync += [
            pins.cs_n.eq(~selected),
            pins.sck.eq(clock),
            pins.o.eq(Cat(bit, Const(0b110, 3))),
            # Behind the address the lines are the flash's.
            pins.oe.eq(Mux(reading, {1: 0b1101, 2: 0b1100, 4: 0}[lines], 0b1101)),
        ]

    def _add_bit_by_bit(self, m, word, advance):
        """Shift the word that is sent; while an address is found, add the sample's number to it.

        An address is found bit by bit of the constant factor, the highest first. The sum starts
        from what becomes the address of sample 0 when it has been doubled as often.

        Returns
        -------
        Signal
            High while an address is found.
        Signal
            Bits of the factor behind.
        """
        factor = stored_bytes(self._params)
        steps = factor.bit_length()
        step, summing, add = Signal(range(steps)), Signal(), Signal()
        with m.Switch(step):
            for i in range(steps):
                with m.Case(i):
                    m.d.comb += add.eq(summing & self.ready & (factor >> (steps - 1 - i) & 1))
        doubled = Cat(0, word)
        with m.If(advance):
            m.d.sync += word.eq(doubled)
            with m.If(add):
                number = self.request.payload[:_ADDRESS]
                m.d.sync += word[:_ADDRESS].eq(doubled[:_ADDRESS] + number)
        return summing, step

    def _wake(self, m, selected, active, last, advance, clocks, left):
        """Send the instruction that wakes the flash, and give it time."""
        falling = Signal(init=1)
        with m.State("Wake"):
            m.d.comb += [selected.eq(1), active.eq(1)]
            with m.If(last):
                m.d.comb += advance.eq(1)
                m.d.sync += clocks.eq(clocks + 1)
                with m.If(clocks == _INSTRUCTION - 1):
                    m.d.sync += clocks.eq(0)
                    m.next = "Rest"
        with m.State("Rest"):
            m.d.comb += selected.eq(falling)  # The clock falls before the flash is let go.
            m.d.sync += [clocks.eq(clocks + 1), falling.eq(0)]
            with m.If(clocks.all()):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.next = "Idle"

    def _load(self, m, word, left, head):
        """Begin with the address of sample 0; the head of the image is one sector before it."""
        stored = stored_bytes(self._params)
        steps = stored.bit_length()
        start = self._params.standalone.flash_base + SECTOR
        opcode = Const(READ[self._params.standalone.lines], _INSTRUCTION)
        m.d.sync += [
            word.eq(Cat(Const(start >> steps, _ADDRESS), opcode)),
            word[SECTOR.bit_length() - 1 - steps].eq(self.ready),
            left.eq(Mux(self.ready, stored - 1, head - 1)),
        ]

    def _read(self, m, active, first, last, clocks, left):
        """Clock bytes in, each as soon as there is room for it."""
        byte_clocks = 8 // self._params.standalone.lines
        m.d.comb += [active.eq(~first | self.room), self.started.eq(first & self.room)]
        with m.If(active & last):
            m.d.comb += self.sampled.eq(1)
            m.d.sync += clocks.eq(clocks + 1)
            with m.If(clocks == byte_clocks - 1):
                m.d.comb += self.completed.eq(1)
                m.d.sync += [clocks.eq(0), left.eq(left - 1)]
                with m.If(left == 0):
                    m.next = "End"
