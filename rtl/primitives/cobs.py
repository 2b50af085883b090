"""Consistent Overhead Byte Stuffing: frames of any bytes, told apart by zero bytes.

A frame is cut behind each zero and after at most 254 bytes; each piece is sent without its zero,
behind a code byte that is one more than its length. Code 255 stands for a piece that had no zero.
Inside the machine a frame is a stream of :class:`FrameToken`.
"""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CobsDecoder", "CobsEncoder", "FrameToken"]

_PIECE = 254


class FrameToken(data.StructLayout):
    """A byte of a frame (``data``) or, if ``last`` is set, its end, which has no byte.

    At the end, ``broken`` says that the frame was cut short inside a piece.
    """

    def __init__(self):
        super().__init__({"data": 8, "last": 1, "broken": 1})


class CobsDecoder(wiring.Component):
    """Decode frames as they arrive.

    Takes a byte per cycle; its token leaves in the same cycle, and not every byte has one. A zero
    ends a frame wherever it stands, so that the decoder is in step behind any zero; one that
    follows another means nothing.

    Members
    -------
    i : ``In(stream.Signature(8))``
        Bytes from the line.
    o : ``Out(stream.Signature(FrameToken()))``
        Frames.
    """

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(FrameToken())),
        })

    def elaborate(self, platform):
        m = Module()
        empty = Signal(init=1)  # Nothing of a frame has been seen.
        missing = Signal(8)  # Bytes of the piece still to come.
        zero = Signal()  # The frame, if it goes on, goes on with a zero.
        is_zero = Signal()
        has_token = Signal()

        m.d.comb += [
            is_zero.eq(self.i.payload == 0),
            self.o.p.last.eq(is_zero),
            self.o.p.broken.eq(missing != 0),
            self.o.p.data.eq(Mux(missing != 0, self.i.payload, 0)),
            has_token.eq(Mux(is_zero, ~empty, (missing != 0) | zero)),
            self.o.valid.eq(self.i.valid & has_token),
            self.i.ready.eq(self.o.ready | ~has_token),
        ]
        with m.If(self.i.valid & self.i.ready):
            with m.If(is_zero):
                m.d.sync += [empty.eq(1), missing.eq(0), zero.eq(0)]
            with m.Elif(missing != 0):
                m.d.sync += missing.eq(missing - 1)
            with m.Else():
                m.d.sync += [
                    empty.eq(0),
                    missing.eq(self.i.payload - 1),
                    zero.eq(self.i.payload != _PIECE + 1),
                ]
        return m


class CobsEncoder(wiring.Component):
    """Encode frames, each followed by a zero.

    A piece is collected at one byte per cycle, then sent: its code byte 1 cycle after the byte that
    completed it was taken, then one byte every 2 cycles. A frame's closing zero follows at once.

    Members
    -------
    i : ``In(stream.Signature(FrameToken()))``
        Frames; ``broken`` is ignored.
    o : ``Out(stream.Signature(8))``
        Bytes for the line.
    """

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(FrameToken())),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.piece = piece = memory.Memory(shape=8, depth=256, init=[])
        write, read = piece.write_port(), piece.read_port()
        size = Signal(8)
        sent = Signal(8)
        full = Signal()  # The piece before this one had no zero.
        ending = Signal()

        m.d.comb += [
            write.addr.eq(size),
            write.data.eq(self.i.p.data),
            read.addr.eq(sent),
            read.en.eq(0),
        ]
        with m.FSM():
            with m.State("Collect"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [sent.eq(0), ending.eq(self.i.p.last)]
                with m.If(self.i.valid):
                    with m.If(self.i.p.last):
                        m.next = "Send code"
                        # Behind a piece without a zero, nothing more is to be said.
                        with m.If(full & (size == 0)):
                            m.next = "Close"
                    with m.Elif(self.i.p.data == 0):
                        m.next = "Send code"
                    with m.Else():
                        m.d.comb += write.en.eq(1)
                        m.d.sync += size.eq(size + 1)
                        with m.If(size == _PIECE - 1):
                            m.next = "Send code"
            with m.State("Send code"):
                m.d.comb += [self.o.payload.eq(size + 1), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += full.eq(size == _PIECE)
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.d.comb += read.en.eq(1)
                m.next = "Send"
                with m.If(sent == size):
                    m.d.sync += size.eq(0)
                    m.next = "Collect"
                    with m.If(ending):
                        m.next = "Close"
            with m.State("Send"):
                m.d.comb += [self.o.payload.eq(read.data), self.o.valid.eq(1)]
                with m.If(self.o.ready):
                    m.d.sync += sent.eq(sent + 1)
                    m.next = "Fetch"
            with m.State("Close"):
                m.d.comb += self.o.valid.eq(1)
                m.d.sync += full.eq(0)
                with m.If(self.o.ready):
                    m.next = "Collect"
        return m
