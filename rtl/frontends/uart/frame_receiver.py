"""Where frames are checked: length, CRC and version."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.protocol import (
    CRC,
    CRC_BYTES,
    HEADER,
    MAX_PAYLOAD,
    VERSION,
    Status,
)
from popflip.rtl.frontends.uart.requests import OVERSIZE, VERB_BITS, RequestSignature
from popflip.rtl.primitives.cobs import FrameToken

__all__ = ["FrameReceiver"]


class FrameReceiver(wiring.Component):
    """Receive frames, check them, and hold one request at a time.

    A good frame is held from the cycle after its end on, until it is released. Frames that begin
    before that are dropped whole. A bad frame leaves a complaint, in the cycle of its end; nobody
    has to listen. Every byte is accepted at once.

    The receiver keeps the newest ``CRC_BYTES`` bytes back: whatever leaves behind them is checked
    and stored, and at the end they are the CRC.

    Members
    -------
    i : ``In(stream.Signature(FrameToken(), always_ready=True))``
        Frames.
    requests : ``Out(RequestSignature())``
        What they ask for.
    """

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(FrameToken(), always_ready=True)),
            "requests": Out(RequestSignature()),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=MAX_PAYLOAD, init=[])
        write, read = buffer.write_port(), buffer.read_port()
        m.submodules.crc = crc = CRC.create()
        request = self.requests
        held, size = request.held, request.size

        newest = Signal(8 * CRC_BYTES)
        known = Signal(CRC_BYTES)  # Which of these bytes have come.
        leaving = newest[:8]
        version_known = Signal()
        dropping = Signal()
        restart = Signal()

        m.d.comb += [
            # A payload of full length takes each address once, so that none needs to be subtracted;
            # what an oversized frame overwrites is its own.
            write.addr.eq(size),
            write.data.eq(leaving),
            read.addr.eq(request.address),
            request.data.eq(read.data),
            request.has_data.eq(1),
            crc.data.eq(leaving),
            crc.start.eq(restart),
        ]

        with m.If(size == OVERSIZE):
            m.d.comb += request.status.eq(Status.OVERSIZE)
        with m.Elif(self.i.p.broken | (size < HEADER.size)):
            m.d.comb += request.status.eq(Status.BAD_FRAME)
        with m.Elif(crc.crc != newest):
            m.d.comb += request.status.eq(Status.BAD_CRC)
        with m.Elif(~version_known):
            m.d.comb += request.status.eq(Status.BAD_VERSION)

        with m.If(self.i.valid):
            with m.If(self.i.p.last):
                m.d.sync += dropping.eq(0)
                with m.If(held | dropping):
                    m.d.sync += request.bad.eq(request.bad + 1)
                with m.Elif(request.status == Status.OK):
                    m.d.sync += [held.eq(1), request.good.eq(request.good + 1)]
                with m.Else():
                    m.d.comb += [request.complaint.eq(1), restart.eq(1)]
                    m.d.sync += request.bad.eq(request.bad + 1)
            with m.Elif(held | dropping):
                m.d.sync += dropping.eq(1)
            with m.Else():
                m.d.sync += [newest.eq(Cat(newest[8:], self.i.p.data)), known.eq(Cat(1, known))]
                with m.If(known.all() & (size != OVERSIZE)):
                    m.d.comb += [crc.valid.eq(1), write.en.eq(1)]
                    m.d.sync += size.eq(size + 1)
                    with m.Switch(size):
                        with m.Case(0):
                            m.d.sync += version_known.eq(leaving == VERSION)
                        with m.Case(1):
                            m.d.sync += request.sequence.eq(leaving)
                        with m.Case(2):
                            known_verb = leaving[VERB_BITS:] == 0
                            m.d.sync += request.verb.eq(Mux(known_verb, leaving, 0))
        with m.If(request.release):
            m.d.comb += restart.eq(1)
            m.d.sync += held.eq(0)
        with m.If(restart):
            m.d.sync += [known.eq(0), size.eq(0), request.sequence.eq(0)]
        return m
