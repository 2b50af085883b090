"""The pins of a board's SPI flash, for a standalone machine."""

from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from popflip.boards.families.family import Family
from popflip.golden.description.sections.standalone import Standalone
from popflip.golden.support.errors import InputError
from popflip.rtl.standalone.flash_commands import FlashSignature

__all__ = ["PINS_DELAY", "FlashPins", "HalfCycles"]

#: Registers in the pins, there and back together, by which they are fast enough for a divider of 1.
PINS_DELAY = 2


class HalfCycles(wiring.Component):
    """Turn two bits per cycle into a level that may change in the middle of it, without a pin.

    Two flip-flops, one of each edge of the clock, of which only one changes at a time: their
    difference is free of glitches. It leaves a cycle after ``i``, as from a register of double data
    rate.

    Members
    -------
    i : ``In(2)``
        Levels of the first (bit 0) and of the second half of a cycle.
    o : ``Out(1)``
    """

    def __init__(self):
        super().__init__({"i": In(2), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.domains.fall = ClockDomain("fall", clk_edge="neg", reset_less=True, local=True)
        m.d.comb += ClockSignal("fall").eq(ClockSignal("sync"))
        rising, falling, second = Signal(), Signal(), Signal()
        m.d.sync += [rising.eq(self.i[0] ^ falling), second.eq(self.i[1])]
        m.d.fall += falling.eq(second ^ rising)
        m.d.comb += self.o.eq(rising ^ falling)
        return m


class FlashPins(wiring.Component):
    """Buffers between the machine's flash reader and a platform's flash resource.

    With an even ``flash_divider`` they hold no register, and ``flash_delay`` is 0. With 1 the
    clock leaves at double data rate, everything else by flip-flops in the pins, and ``flash_delay``
    is :data:`PINS_DELAY`: one out, one in.

    Parameters
    ----------
    port : object
        What ``platform.request(name, 0, dir="-")`` returns for a resource of the flash: ``cs``,
        ``dq`` (two or four data lines, the flash's input first) and ``clk``. Without ``clk`` the
        flash has the configuration's clock, which the family knows how to drive.
    standalone : Standalone
        Of the machine.
    family : Family
        Of the FPGA.

    Members
    -------
    flash : ``In(FlashSignature())``
        The machine's side.
    """

    def __init__(self, port, standalone: Standalone, family: Family):
        self._port, self._standalone, self._family = port, standalone, family
        delay = PINS_DELAY if standalone.flash_divider == 1 else 0
        if standalone.flash_delay != delay:
            raise InputError(
                f"standalone.flash_delay must be {delay} with a flash_divider of "
                f"{standalone.flash_divider} and these pins, not {standalone.flash_delay}"
            )
        super().__init__({"flash": In(FlashSignature())})

    def elaborate(self, platform):
        m = Module()
        port, flash = self._port, self.flash
        fast = self._standalone.flash_divider == 1
        plain = io.FFBuffer if fast else io.Buffer

        # The resource knows that its pin is active low.
        m.submodules.cs = cs = plain("o", port.cs)
        m.d.comb += cs.o.eq(~flash.cs_n)
        self._clock(m, fast)
        for line in range(len(port.dq)):
            m.submodules[f"dq{line}"] = dq = plain("io", port.dq[line])
            m.d.comb += [
                dq.o.eq(flash.o[line]),
                dq.oe.eq(flash.oe[line]),
                flash.i[line].eq(dq.i),
            ]
        return m

    def _clock(self, m, fast: bool):
        sck = self.flash.sck
        if hasattr(self._port, "clk"):
            if fast:
                m.submodules.clk = clk = io.DDRBuffer("o", self._port.clk)
                m.d.comb += [clk.o[0].eq(sck[0]), clk.o[1].eq(sck[1])]
            else:
                m.submodules.clk = clk = io.Buffer("o", self._port.clk)
                m.d.comb += clk.o.eq(sck[0])
            return
        level = sck[0]
        if fast:
            m.submodules.halves = halves = HalfCycles()
            m.d.comb += halves.i.eq(sck)
            level = halves.o
        self._family.flash_clock(m, level)
