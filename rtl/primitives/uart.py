"""Bytes to and from a serial line: 8 data bits, least significant first, no parity, 1 stop bit."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]


def _checked(divisor: int) -> int:
    if not isinstance(divisor, int):
        raise TypeError(f"divisor must be an int, not {divisor!r}")
    if divisor < 4:
        raise ValueError(f"divisor must be at least 4, not {divisor}")
    return divisor


class UartReceiver(wiring.Component):
    """Turn a serial line into bytes.

    Every bit is sampled once, near its middle. A start bit that is over by then is taken for noise.
    A byte without a stop bit is dropped, and the line must be high again before the next.

    A byte is offered 3 cycles after its stop bit was sampled and waits until it is taken; one that
    arrives meanwhile is lost.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, at least 4.

    Members
    -------
    rx : ``In(1)``
        The line, high when idle. Synchronised here.
    o : ``Out(stream.Signature(8))``
        Bytes in order.
    """

    def __init__(self, divisor: int):
        self._divisor = _checked(divisor)
        super().__init__({
            "rx": In(1, init=1),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, line, init=1)

        timer = Signal(range(self._divisor))
        # A one above the bits that are still missing; it falls out at the bottom of the last.
        bits = Signal(9)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("Idle"):
                # The line has been low for one cycle when this sees it.
                m.d.sync += [timer.eq(self._divisor // 2 - 1), bits.eq(1 << 8)]
                with m.If(~line):
                    m.next = "Start bit"
            with m.State("Start bit"):
                m.d.sync += timer.eq(timer - 1)
                with m.If(timer == 0):
                    m.d.sync += timer.eq(self._divisor - 1)
                    m.next = "Data bits"
                    with m.If(line):
                        m.next = "Idle"
            with m.State("Data bits"):
                m.d.sync += timer.eq(timer - 1)
                with m.If(timer == 0):
                    m.d.sync += [timer.eq(self._divisor - 1), bits.eq(Cat(bits[1:], line))]
                    with m.If(bits[0]):
                        m.next = "Wait for high"
                        with m.If(line):
                            m.next = "Idle"
                            with m.If(~self.o.valid | self.o.ready):
                                m.d.sync += [self.o.payload.eq(bits[1:]), self.o.valid.eq(1)]
            with m.State("Wait for high"):
                with m.If(line):
                    m.next = "Idle"
        return m


class UartTransmitter(wiring.Component):
    """Turn bytes into a serial line.

    A byte takes ``10 * divisor`` cycles, the first of them the one after it was taken; bytes that
    are offered in time follow one another without a gap.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, at least 4.

    Members
    -------
    i : ``In(stream.Signature(8))``
        Bytes to send.
    tx : ``Out(1)``
        The line, high when idle.
    """

    def __init__(self, divisor: int):
        self._divisor = _checked(divisor)
        super().__init__({
            "i": In(stream.Signature(8)),
            "tx": Out(1, init=1),
        })

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self._divisor))
        left = Signal(range(11))
        bits = Signal(10, init=-1)
        m.d.comb += [
            self.tx.eq(bits[0]),
            self.i.ready.eq((left == 0) | ((left == 1) & (timer == 0))),
        ]
        with m.If(self.i.ready):
            with m.If(self.i.valid):
                m.d.sync += [
                    bits.eq(Cat(0, self.i.payload, 1)),
                    left.eq(10),
                    timer.eq(self._divisor - 1),
                ]
            with m.Else():
                m.d.sync += left.eq(0)
        with m.Elif(timer == 0):
            m.d.sync += [bits.eq(Cat(bits[1:], 1)), left.eq(left - 1), timer.eq(self._divisor - 1)]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m
