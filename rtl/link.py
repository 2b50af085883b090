"""The host link: framed requests in, framed answers out, on a serial line.

    rx -> UartReceiver -> CobsDecoder -> FrameReceiver -> RequestServer <-> core
    tx <- UartTransmitter <------------- CobsEncoder <---------'

The protocol is in :mod:`popflip.golden.protocol`.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.packing import Region, memory_map
from popflip.golden.params import Params, ceil_div
from popflip.golden.protocol import (
    CRC,
    CRC_BYTES,
    FILL,
    HEADER,
    IDENTIFY_ANSWER,
    IDENTITY_BYTES,
    MAX_PAYLOAD,
    READ,
    RUN,
    VERSION,
    WRITE,
    Status,
    Verb,
)
from popflip.rtl.cobs import CobsDecoder, CobsEncoder, FrameToken
from popflip.rtl.interface import (
    HostSignature,
    OrderKind,
    OrderSignature,
    check_hardware,
    host_word_bits,
)
from popflip.rtl.uart import UartReceiver, UartTransmitter

__all__ = ["FrameReceiver", "HostLink", "RequestServer"]


def _checked_identity(identity: bytes) -> bytes:
    if not isinstance(identity, bytes):
        raise TypeError(f"identity must be bytes, not {identity!r}")
    if len(identity) != IDENTITY_BYTES:
        raise ValueError(f"identity must be {IDENTITY_BYTES} bytes, not {len(identity)}")
    return identity


class ArgumentLayout(data.StructLayout):
    """The first bytes of a request's payload, as READ, WRITE and FILL lay them out.

    RUN has its flags in the place of the region, its first sample in that of the address.
    """

    def __init__(self):
        super().__init__({"region": 8, "address": 32, "count": 32})


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
    held : ``Out(1)``
        A request is there; its fields below stay as they are.
    release : ``In(1)``
        A pulse lets go of it.
    complaint : ``Out(1)``
        A bad frame ends; ``status`` and ``sequence`` are those of the answer.
    status : ``Out(Status)``
        What is wrong with it.
    sequence : ``Out(8)``
        Of the request or the bad frame; 0 if it ended before.
    verb : ``Out(8)``
        What the request asks for.
    size : ``Out(range)``
        Bytes of its header and payload.
    arguments : ``Out(ArgumentLayout())``
        Its first bytes. Those beyond its size have no meaning.
    address : ``In(10)``
        A byte of header and payload to look up, modulo ``MAX_PAYLOAD``. The header itself can be
        gone.
    data : ``Out(8)``
        That byte, 1 cycle later.
    good, bad : ``Out(32)``
        Frames that arrived whole; all others.
    """

    def __init__(self):
        self._oversize = HEADER.size + MAX_PAYLOAD + 1
        super().__init__({
            "i": In(stream.Signature(FrameToken(), always_ready=True)),
            "held": Out(1),
            "release": In(1),
            "complaint": Out(1),
            "status": Out(Status),
            "sequence": Out(8),
            "verb": Out(8),
            "size": Out(range(self._oversize + 1)),
            "arguments": Out(ArgumentLayout()),
            "address": In(range(MAX_PAYLOAD)),
            "data": Out(8),
            "good": Out(32),
            "bad": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=MAX_PAYLOAD, init=[])
        write, read = buffer.write_port(), buffer.read_port()
        m.submodules.crc = crc = CRC.create()

        newest = Signal(8 * CRC_BYTES)
        known = Signal(CRC_BYTES)  # Which of these bytes have come.
        leaving = newest[:8]
        version = Signal(8)
        dropping = Signal()
        restart = Signal()

        m.d.comb += [
            # A payload of full length takes each address once, so that none needs to be subtracted;
            # what an oversized frame overwrites is its own.
            write.addr.eq(self.size),
            write.data.eq(leaving),
            read.addr.eq(self.address),
            self.data.eq(read.data),
            crc.data.eq(leaving),
            crc.start.eq(restart),
        ]

        with m.If(self.size == self._oversize):
            m.d.comb += self.status.eq(Status.OVERSIZE)
        with m.Elif(self.i.p.broken | (self.size < HEADER.size)):
            m.d.comb += self.status.eq(Status.BAD_FRAME)
        with m.Elif(crc.crc != newest):
            m.d.comb += self.status.eq(Status.BAD_CRC)
        with m.Elif(version != VERSION):
            m.d.comb += self.status.eq(Status.BAD_VERSION)

        with m.If(self.i.valid):
            with m.If(self.i.p.last):
                m.d.sync += dropping.eq(0)
                with m.If(self.held | dropping):
                    m.d.sync += self.bad.eq(self.bad + 1)
                with m.Elif(self.status == Status.OK):
                    m.d.sync += [self.held.eq(1), self.good.eq(self.good + 1)]
                with m.Else():
                    m.d.comb += [self.complaint.eq(1), restart.eq(1)]
                    m.d.sync += self.bad.eq(self.bad + 1)
            with m.Elif(self.held | dropping):
                m.d.sync += dropping.eq(1)
            with m.Else():
                m.d.sync += [newest.eq(Cat(newest[8:], self.i.p.data)), known.eq(Cat(1, known))]
                with m.If(known.all() & (self.size != self._oversize)):
                    m.d.comb += [crc.valid.eq(1), write.en.eq(1)]
                    m.d.sync += self.size.eq(self.size + 1)
                    fields = [version, self.sequence, self.verb]
                    arguments = self.arguments.as_value()
                    fields += [arguments[at : at + 8] for at in range(0, len(arguments), 8)]
                    with m.Switch(self.size):
                        for position, field in enumerate(fields):
                            with m.Case(position):
                                m.d.sync += field.eq(leaving)
        with m.If(self.release):
            m.d.comb += restart.eq(1)
            m.d.sync += self.held.eq(0)
        with m.If(restart):
            m.d.sync += [known.eq(0), self.size.eq(0), self.sequence.eq(0)]
        return m


class RequestServer(wiring.Component):
    """Execute framed requests on the core, one at a time.

    A request is checked first, within 8 cycles, or for WRITE 8 and one per word. Then WRITE takes
    two cycles per byte of its words and, like FILL, one per word that the core accepts at once. A
    word of READ takes one cycle for the command, the core's time for the reply, and one per byte;
    the answer leaves as fast as ``o`` and :class:`~popflip.rtl.cobs.CobsEncoder` take it.

    While a request is executed, and its answer sent, frames that begin are dropped and counted. An
    answer that is only an error does not block: the next good frame waits for it, and bad ones in
    the meantime are counted but not answered.

    Parameters
    ----------
    params : Params
    identity : bytes
        The id of this bitstream, ``IDENTITY_BYTES`` long.

    Members
    -------
    i, o : ``In``, ``Out(stream.Signature(8))``
        Bytes of COBS-encoded frames; ``i`` is always ready.
    host : ``Out(HostSignature(params))``
        The core.
    orders : ``In(OrderSignature())``
        Only in a machine that trains alone: its own requests, executed between those of the host.
        Of them only reports leave.
    """

    def __init__(self, params: Params, identity: bytes):
        self._params = params
        self._regions = memory_map(params)
        self._identity = _checked_identity(identity)
        members = {
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
            "host": Out(HostSignature(params)),
        }
        if params.alone.lines:
            members["orders"] = In(OrderSignature())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.encoder = encoder = CobsEncoder()
        m.submodules.crc = crc = CRC.create()
        host, arguments = self.host, receiver.arguments
        orders = self.orders if self._params.alone.lines else None
        own = Signal()  # The request is one of the machine's own.

        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        m.d.comb += [
            receiver.i.payload.eq(decoder.o.payload),
            receiver.i.valid.eq(decoder.o.valid),
            decoder.o.ready.eq(1),
        ]

        # What is known of the region that the request names.
        asked = arguments.region if orders is None else Mux(own, orders.region, arguments.region)
        region = _RegionFacts(m, asked, self._regions)
        region_is = {
            name: arguments.region == region.index
            for region in self._regions
            if (name := region.name) in ("registers", "samples", "results")
        }

        # The words of the request that are still to do start at `address`.
        bits = max(r.depth for r in self._regions).bit_length()
        address, count, end = Signal(bits), Signal(bits), Signal(bits + 1)
        too_far = Signal()
        is_read, is_write, is_fill = (
            receiver.verb == v for v in (Verb.READ, Verb.WRITE, Verb.FILL)
        )
        if orders is not None:
            is_read = Mux(own, orders.kind == OrderKind.REPORT, is_read)
            is_write = is_write | own

        # The core must not be running: settings, and memories that it uses itself.
        needs_rest = Mux(
            is_read,
            ~(region_is["registers"] | region_is["results"]),
            ~region_is["samples"],
        )

        # One word on its way from the buffer to the core, or from the core to the answer. On its
        # way in, a byte enters at the top of the region's word, wherever that is, and the others
        # move down; what is above is not looked at.
        word = Signal(8 * ceil_div(host_word_bits(self._params), 8))
        lanes = [word[at : at + 8] for at in range(0, len(word), 8)]
        tops = {r.word_bytes - 1 for r in self._regions}
        position = Signal(range(max(len(lanes), IDENTIFY_ANSWER.size)))
        last_of_word = position == region.word_bytes - 1
        rest = Signal.like(receiver.size)  # Bytes of WRITE's words not yet counted.
        pointer = Signal(range(MAX_PAYLOAD))
        m.d.comb += receiver.address.eq(pointer)

        status, sequence = Signal(Status), Signal(8)
        out, send = encoder.i, Signal()  # `send` for a byte that the CRC covers
        m.d.comb += [crc.data.eq(out.p.data), crc.valid.eq(send & out.ready)]

        m.d.comb += [
            host.command.p.write.eq(~is_read),
            host.command.p.region.eq(asked),
            host.command.p.address.eq(address),
            host.command.p.data.eq(word),
            host.run.p.train.eq(arguments.region[0]),
            host.run.p.internal.eq(arguments.region[1]),
            host.run.p.flush.eq(arguments.region[2]),
            host.run.p.first.eq(arguments.address),
            host.run.p.count.eq(arguments.count),
        ]
        if orders is not None:
            with m.If(own):
                m.d.comb += host.run.p.eq(orders.run)

        def refuse(why):
            # Nothing of the request is needed any more: the next may come.
            m.d.comb += receiver.release.eq(1)
            m.d.sync += status.eq(why)
            m.next = "Header"

        def finish_own():
            # The machine wants no answer; it sees that it is over.
            if orders is not None:
                with m.If(own):
                    m.d.comb += orders.done.eq(1)
                    m.next = "Idle"

        def emit(byte, *, last=0, covered=True):
            m.d.comb += [out.p.data.eq(byte), out.p.last.eq(last), out.valid.eq(1)]
            if covered:
                m.d.comb += send.eq(1)

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += crc.start.eq(1)
                m.d.sync += [
                    status.eq(Status.OK),
                    sequence.eq(receiver.sequence),
                    position.eq(0),
                    too_far.eq(0),
                    own.eq(0),
                ]
                with m.If(receiver.held):
                    m.next = "Check verb"
                with m.Elif(receiver.complaint):
                    m.d.sync += status.eq(receiver.status)
                    m.next = "Header"
                if orders is not None:
                    with m.Elif(orders.valid):
                        m.d.sync += [
                            own.eq(1),
                            sequence.eq(0),
                            address.eq(orders.address),
                            count.eq(orders.count),
                        ]
                        with m.Switch(orders.kind):
                            with m.Case(OrderKind.WRITE):
                                m.next = "Fetch byte"
                            with m.Case(OrderKind.RUN):
                                m.next = "Run"
                            with m.Default():
                                m.d.sync += status.eq(Status.REPORT)
                                m.next = "Header"

            with m.State("Check verb"):
                size = receiver.size - HEADER.size
                m.d.sync += [
                    rest.eq(size - WRITE.size),
                    pointer.eq(HEADER.size + Mux(is_write, WRITE.size, FILL.size)),
                    address.eq(arguments.address),
                    count.eq(arguments.count),
                ]
                with m.Switch(receiver.verb):
                    with m.Case(Verb.IDENTIFY, Verb.STATUS, Verb.STOP):
                        m.next = "Header"
                        with m.If(size != 0):
                            refuse(Status.BAD_LENGTH)
                        with m.Elif(receiver.verb == Verb.STOP):
                            m.d.comb += host.stop.eq(1)
                    with m.Case(Verb.RUN):
                        m.next = "Run"
                        with m.If(size != RUN.size):
                            refuse(Status.BAD_LENGTH)
                        with m.Elif(arguments.count == 0):
                            refuse(Status.OUT_OF_RANGE)
                        with m.Elif(host.busy):
                            refuse(Status.BUSY)
                    with m.Case(Verb.READ):
                        m.d.sync += [
                            count.eq(arguments.count[:16]),
                            too_far.eq(
                                arguments.address[bits:].any() | arguments.count[:16][bits:].any()
                            ),
                        ]
                        m.next = "Check region"
                        with m.If(size != READ.size):
                            refuse(Status.BAD_LENGTH)
                    with m.Case(Verb.WRITE):
                        m.d.sync += [
                            count.eq(0),
                            too_far.eq(arguments.address[bits:].any()),
                        ]
                        m.next = "Check region"
                        with m.If(size < WRITE.size):
                            refuse(Status.BAD_LENGTH)
                    with m.Case(Verb.FILL):
                        m.d.sync += too_far.eq(
                            arguments.address[bits:].any() | arguments.count[bits:].any()
                        )
                        m.next = "Check region"
                        with m.If(size < FILL.size):
                            refuse(Status.BAD_LENGTH)
                    with m.Default():
                        refuse(Status.UNKNOWN_VERB)

            with m.State("Check region"):
                m.next = "Add up"
                with m.If(~region.known):
                    refuse(Status.OUT_OF_RANGE)
                with m.Elif(is_write):
                    m.next = "Count words"
                with m.Elif(
                    is_fill & (receiver.size != HEADER.size + FILL.size + region.word_bytes)
                ):
                    refuse(Status.BAD_LENGTH)

            with m.State("Count words"):
                m.d.sync += [rest.eq(rest - region.word_bytes), count.eq(count + 1)]
                with m.If(rest == 0):
                    m.d.sync += count.eq(count)
                    m.next = "Add up"
                with m.Elif(rest < region.word_bytes):
                    refuse(Status.BAD_LENGTH)

            with m.State("Add up"):
                m.d.sync += end.eq(address + count)
                m.next = "Check range"

            with m.State("Check range"):
                m.next = "Header"
                with m.If(
                    too_far | (end > region.depth) | (is_read & (count > region.words_per_answer))
                ):
                    refuse(Status.OUT_OF_RANGE)
                with m.Elif(host.busy & needs_rest):
                    refuse(Status.BUSY)
                with m.Elif(~is_read & (count != 0)):
                    m.next = "Fetch byte"

            with m.State("Fetch byte"):
                m.d.sync += pointer.eq(pointer + 1)
                m.next = "Take byte"
                if orders is not None:
                    with m.If(own & ~orders.has_byte):
                        m.next = "Fetch byte"

            with m.State("Take byte"):
                byte = receiver.data
                if orders is not None:
                    byte = Mux(own, orders.byte, byte)
                    m.d.comb += orders.take.eq(own)
                for lane, above in zip(lanes, [*lanes[1:], None], strict=True):
                    if above is not None:
                        m.d.sync += lane.eq(above)
                for top in sorted(tops):
                    with m.If(region.word_bytes == top + 1):
                        m.d.sync += lanes[top].eq(byte)
                m.d.sync += position.eq(position + 1)
                m.next = "Fetch byte"
                with m.If(last_of_word):
                    m.d.sync += position.eq(0)
                    m.next = "Write word"

            with m.State("Write word"):
                m.d.comb += host.command.valid.eq(1)
                with m.If(host.command.ready):
                    m.d.sync += [address.eq(address + 1), count.eq(count - 1)]
                    with m.If(count == 1):
                        m.next = "Header"
                        finish_own()
                    with m.Elif(is_write):
                        m.next = "Fetch byte"

            with m.State("Run"):
                m.d.comb += host.run.valid.eq(1)
                with m.If(host.run.ready):
                    m.next = "Header"
                    finish_own()

            with m.State("Header"):
                # `position` is 0 here first, whatever came before.
                emit(Mux(position == 0, VERSION, Mux(position == 1, sequence, status)))
                with m.If(out.ready):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == HEADER.size - 1):
                        m.d.sync += position.eq(0)
                        m.next = "CRC"
                        with m.If(status == Status.REPORT):
                            m.next = "Next word"
                        with m.Elif(status == Status.OK):
                            with m.Switch(receiver.verb):
                                with m.Case(Verb.IDENTIFY, Verb.STATUS):
                                    m.next = "Facts"
                                with m.Case(Verb.READ):
                                    m.next = "Next word"

            with m.State("Facts"):
                facts = [*self._identity, *MAX_PAYLOAD.to_bytes(2, "little")]
                counts = Cat(host.busy, *[0] * 7, receiver.good, receiver.bad)
                counts = [counts[at : at + 8] for at in range(0, len(counts), 8)]
                identify = receiver.verb == Verb.IDENTIFY
                fact = Signal(8)
                with m.Switch(Cat(position, identify)):
                    for at, byte in enumerate(counts):
                        with m.Case(at):
                            m.d.comb += fact.eq(byte)
                    for at, byte in enumerate(facts, 1 << len(position)):
                        with m.Case(at):
                            m.d.comb += fact.eq(byte)
                emit(fact)
                with m.If(out.ready):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == Mux(identify, len(facts) - 1, len(counts) - 1)):
                        m.d.sync += position.eq(0)
                        m.next = "CRC"

            with m.State("Next word"):
                m.d.comb += host.command.valid.eq(count != 0)
                with m.If(count == 0):
                    m.next = "CRC"
                with m.Elif(host.command.ready):
                    m.d.sync += [address.eq(address + 1), count.eq(count - 1)]
                    m.next = "Await word"

            with m.State("Await word"):
                m.d.sync += word.eq(host.reply.payload)
                with m.If(host.reply.valid):
                    m.next = "Send word"

            with m.State("Send word"):
                emit(word[:8])
                with m.If(out.ready):
                    m.d.sync += [word.eq(word >> 8), position.eq(position + 1)]
                    with m.If(last_of_word):
                        m.d.sync += position.eq(0)
                        m.next = "Next word"

            with m.State("CRC"):
                emit(Mux(position == 0, crc.crc[:8], crc.crc[8:]), covered=False)
                with m.If(out.ready):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == CRC_BYTES - 1):
                        m.next = "End"

            with m.State("End"):
                emit(0, last=1, covered=False)
                with m.If(out.ready):
                    m.next = "Idle"
                    finish_own()
                    with m.If(status == Status.OK):
                        m.d.comb += receiver.release.eq(1)
        return m


class _RegionFacts:
    """Constants of the region that an index names, looked up."""

    def __init__(self, m: Module, index, regions: list[Region]):
        self.known = Signal()
        self.depth = Signal(range(max(r.depth for r in regions) + 1))
        self.word_bytes = Signal(range(max(r.word_bytes for r in regions) + 1))
        self.words_per_answer = Signal(range(MAX_PAYLOAD + 1))
        with m.Switch(index):
            for region in regions:
                with m.Case(region.index):
                    m.d.comb += [
                        self.known.eq(1),
                        self.depth.eq(region.depth),
                        self.word_bytes.eq(region.word_bytes),
                        self.words_per_answer.eq(MAX_PAYLOAD // region.word_bytes),
                    ]


class HostLink(wiring.Component):
    """The host link at its pins: a UART around a :class:`RequestServer`.

    A bit takes ``params.machine.uart_divisor`` cycles.

    Parameters
    ----------
    params : Params
    identity : bytes
        The id of this bitstream, ``IDENTITY_BYTES`` long.

    Members
    -------
    rx : ``In(1)``
        From the host.
    tx : ``Out(1)``
        To the host.
    host : ``Out(HostSignature(params))``
        The core.
    orders : ``In(OrderSignature())``
        Only in a machine that trains alone: its own requests.
    """

    def __init__(self, params: Params, identity: bytes):
        check_hardware(params)
        self._params = params
        self._identity = _checked_identity(identity)
        members = {
            "rx": In(1, init=1),
            "tx": Out(1, init=1),
            "host": Out(HostSignature(params)),
        }
        if params.alone.lines:
            members["orders"] = In(OrderSignature())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        divisor = self._params.machine.uart_divisor
        m.submodules.receiver = receiver = UartReceiver(divisor)
        m.submodules.server = server = RequestServer(self._params, self._identity)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, server.i)
        wiring.connect(m, server.o, transmitter.i)
        wiring.connect(m, server.host, wiring.flipped(self.host))
        if self._params.alone.lines:
            wiring.connect(m, wiring.flipped(self.orders), server.orders)
        return m
