"""A small real top for tests of the virtual board: an echo, and a reader of the sample store."""

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from popflip.rtl.interface import StoreSignature

DIVISOR = 5
SAMPLE_BYTES = 37
BYTE_CYCLES = 10 * DIVISOR


class Receiver(wiring.Component):
    """Bytes from a UART line."""

    def __init__(self):
        super().__init__({"line": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        now = Signal(init=1)
        wait = Signal(range(2 * DIVISOR))
        bit = Signal(range(10))
        m.d.sync += [now.eq(self.line), self.o.valid.eq(0)]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(bit != 0):
            m.d.sync += bit.eq(bit - 1)
            with m.If(bit == 1):  # the middle of the stop bit
                m.d.sync += self.o.valid.eq(now)
            with m.Else():
                m.d.sync += wait.eq(DIVISOR - 1)
                m.d.sync += self.o.payload.eq(Cat(self.o.payload[1:], now))
        with m.Elif(~now):
            m.d.sync += [bit.eq(9), wait.eq(DIVISOR + DIVISOR // 2 - 2)]
        return m


class Sender(wiring.Component):
    """Bytes to a UART line; ``broken`` spoils the stop bit."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "broken": In(1), "line": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        shift = Signal(10)
        left = Signal(range(11))
        wait = Signal(range(DIVISOR))
        m.d.comb += self.i.ready.eq(left == 0)
        m.d.sync += self.line.eq(shift[0] | (left == 0))
        with m.If(left == 0):
            with m.If(self.i.valid):
                m.d.sync += shift.eq(Cat(Const(0, 1), self.i.payload, ~self.broken))
                m.d.sync += [left.eq(10), wait.eq(DIVISOR - 1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [left.eq(left - 1), wait.eq(DIVISOR - 1), shift.eq(shift >> 1)]
        return m


class Top(wiring.Component):
    """Obeys bytes from ``rx``.

    ==========  ==================================================================
    0x80..0xFF  sent back (0xEE with a broken stop bit, 0xEF not at all: an ``error``)
    0x00..0x3F  sample ``n``: its bytes, as fast as ``tx`` takes them
    0x40..0x4F  sample ``(n & 15) << 28``: likewise
    0x50..0x6F  sample ``n & 15`` read in every cycle (below 0x60) or in every other one:
                sum of its bytes, then cycles from the request to the last byte
    0x70..0x7F  4 samples from ``n & 15`` on, all requested before any byte is taken, each cycle:
                sum of all, then cycles from the last request to the last byte
    ==========  ==================================================================
    """

    def __init__(self):
        super().__init__({
            "rx": In(1, init=1),
            "tx": Out(1, init=1),
            "store": Out(StoreSignature()),
            "led": Out(4),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = Receiver()
        m.submodules.sender = sender = Sender()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8, depth=64)
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(sender.line),
            fifo.w_data.eq(receiver.o.payload),
            fifo.w_en.eq(receiver.o.valid),
        ]
        request, data = self.store.request, self.store.data
        order = Signal(8)
        left = Signal(range(4 * SAMPLE_BYTES + 1))
        asked = Signal(2)
        total = Signal(8)
        clock = Signal(8)
        every = Signal()
        m.d.sync += [clock.eq(clock + 1), every.eq(~every), self.led.eq(clock[4:])]
        number = Array([order & 63, order & 63, order & 63, order & 63, (order & 15) << 28])[
            order[4:]
        ]
        with m.FSM():
            with m.State("Listen"):
                m.d.sync += [order.eq(fifo.r_data), total.eq(0), asked.eq(0)]
                m.d.comb += fifo.r_en.eq(fifo.r_rdy)
                with m.If(fifo.r_rdy):
                    with m.If(fifo.r_data[7]):
                        m.next = "Echo"
                    with m.Else():
                        m.next = "Request"
            with m.State("Echo"):
                m.d.comb += [
                    sender.i.payload.eq(order),
                    sender.i.valid.eq(order != 0xEF),
                    sender.broken.eq(order == 0xEE),
                ]
                m.d.sync += self.error.eq(order == 0xEF)
                with m.If(sender.i.ready):
                    m.next = "Listen"
            with m.State("Request"):
                m.d.comb += request.valid.eq(1)
                m.d.comb += request.payload.eq(number)
                with m.If(order >= 0x50):
                    m.d.comb += request.payload.eq((order & 15) + asked)
                with m.If(request.ready):
                    m.d.sync += [clock.eq(1), left.eq(SAMPLE_BYTES)]
                    with m.If(order < 0x50):
                        m.next = "Copy"
                    with m.Elif((order < 0x70) | (asked == 3)):
                        m.next = "Sum"
                    with m.If(order >= 0x70):
                        m.d.sync += [asked.eq(asked + 1), left.eq(4 * SAMPLE_BYTES)]
            with m.State("Copy"):
                m.d.comb += [
                    sender.i.payload.eq(data.payload),
                    sender.i.valid.eq(data.valid),
                    data.ready.eq(sender.i.ready),
                ]
                with m.If(data.valid & data.ready):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "Listen"
            with m.State("Sum"):
                m.d.comb += data.ready.eq(data.valid & (every | (order[4:] != 6)))
                with m.If(data.ready):
                    m.d.sync += [total.eq(total + data.payload), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.d.sync += order.eq(clock)
                        m.next = "Total"
            with m.State("Total"):
                m.d.comb += [sender.i.payload.eq(total), sender.i.valid.eq(1)]
                with m.If(sender.i.ready):
                    m.next = "Clock"
            with m.State("Clock"):
                m.d.comb += [sender.i.payload.eq(order), sender.i.valid.eq(1)]
                with m.If(sender.i.ready):
                    m.next = "Listen"
        return m


def collect(board, count, timeout=1e-3):
    """Read ``count`` bytes; simulated milliseconds without one are an end."""
    data = b""
    while len(data) < count and (piece := board.read(timeout)):
        data += piece
    return data
