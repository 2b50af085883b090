"""The pins of a board's SPI flash, for a machine that trains alone."""

from amaranth.hdl import Module
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from popflip.golden.params import Alone
from popflip.rtl.flash import FlashSignature

__all__ = ["FlashPins"]


class FlashPins(wiring.Component):
    """Buffers between :class:`popflip.rtl.flash.FlashReader` and a platform's flash resource.

    With an even ``flash_divider`` they hold no register, and ``flash_delay`` is 0. With 1 the
    clock leaves by a double-data-rate buffer, everything else by flip-flops in the pins, and
    ``flash_delay`` is 2: one out, one in.

    The clock's pin has to be an ordinary one: that of the ECP5's configuration flash is not, and
    wants the primitive ``USRMCLK`` in the place of its buffer.

    Parameters
    ----------
    port : object
        What ``platform.request(name, 0, dir="-")`` returns for a resource of
        ``amaranth_boards.resources.SPIFlashResources``: ``spi_flash_1x`` for a single line,
        ``spi_flash_4x`` for four.
    alone : Alone
        Of the machine.

    Members
    -------
    flash : ``In(FlashSignature())``
        The machine's side.
    """

    def __init__(self, port, alone: Alone):
        self._port, self._alone = port, alone
        delay = 2 if alone.flash_divider == 1 else 0
        if alone.flash_delay != delay:
            raise ValueError(
                f"alone.flash_delay must be {delay} with a flash_divider of "
                f"{alone.flash_divider} and these pins, not {alone.flash_delay}"
            )
        super().__init__({"flash": In(FlashSignature())})

    def elaborate(self, platform):
        m = Module()
        port, flash = self._port, self.flash
        fast = self._alone.flash_divider == 1
        plain = io.FFBuffer if fast else io.Buffer

        def drive(name, pin, value):
            m.submodules[name] = buffer = plain("o", pin)
            m.d.comb += buffer.o.eq(value)

        # The resources know which pins are active low.
        drive("cs", port.cs, ~flash.cs_n)
        if fast:
            m.submodules.clk = clk = io.DDRBuffer("o", port.clk)
            m.d.comb += [clk.o[0].eq(flash.sck[0]), clk.o[1].eq(flash.sck[1])]
        else:
            drive("clk", port.clk, flash.sck[0])
        if self._alone.flash == "quad":
            for line in range(4):
                m.submodules[f"dq{line}"] = dq = plain("io", port.dq[line])
                m.d.comb += [
                    dq.o.eq(flash.o[line]),
                    dq.oe.eq(flash.oe[line]),
                    flash.i[line].eq(dq.i),
                ]
        else:
            drive("copi", port.copi, flash.o[0])
            m.submodules.cipo = cipo = plain("i", port.cipo)
            m.d.comb += flash.i[1].eq(cipo.i)
            for name in ("wp", "hold"):
                if hasattr(port, name):
                    drive(name, getattr(port, name), 0)
        return m
