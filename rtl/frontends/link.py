"""The host link: framed requests in, framed answers out, on a serial line.

    rx -> UartReceiver -> CobsDecoder -> FrameReceiver -> RequestServer <-> core
    tx <- UartTransmitter <------------- CobsEncoder <---------'

The protocol is in :mod:`popflip.golden.description.protocol`.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.packing import Region, memory_map
from popflip.golden.description.params import Params, ceil_div
from popflip.golden.description.protocol import (
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
    RunFlags,
    Status,
    Verb,
)
from popflip.golden.support.errors import InputError
from popflip.rtl.interface import (
    HostSignature,
    OrderKind,
    OrderSignature,
    check_hardware,
    host_word_bits,
)
from popflip.rtl.primitives.arithmetic import next_count
from popflip.rtl.primitives.cobs import CobsDecoder, CobsEncoder, FrameToken
from popflip.rtl.primitives.uart import UartReceiver, UartTransmitter

__all__ = ["FrameReceiver", "HostLink", "RequestServer"]

_VERB_BITS = max(Verb).bit_length()
#: How requests lay out their arguments; the others have none.
_ARGUMENTS = {Verb.READ: READ, Verb.WRITE: WRITE, Verb.FILL: FILL, Verb.RUN: RUN}


def _checked_identity(identity: bytes) -> bytes:
    if not isinstance(identity, bytes):
        raise TypeError(f"identity must be bytes, not {identity!r}")
    if len(identity) != IDENTITY_BYTES:
        raise InputError(f"identity must be {IDENTITY_BYTES} bytes, not {len(identity)}")
    return identity


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
    verb : ``Out(3)``
        What the request asks for; 0 for what no :class:`Verb` is.
    size : ``Out(range)``
        Bytes of its header and payload.
    address : ``In(10)``
        A byte of header and payload to look up, modulo ``MAX_PAYLOAD``. The header itself can be
        gone.
    data : ``Out(8)``
        That byte, 1 cycle later.
    good, bad : ``Out(16)``
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
            "verb": Out(_VERB_BITS),
            "size": Out(range(self._oversize + 1)),
            "address": In(range(MAX_PAYLOAD)),
            "data": Out(8),
            "good": Out(16),
            "bad": Out(16),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=MAX_PAYLOAD, init=[])
        write, read = buffer.write_port(), buffer.read_port()
        m.submodules.crc = crc = CRC.create()

        newest = Signal(8 * CRC_BYTES)
        known = Signal(CRC_BYTES)  # Which of these bytes have come.
        leaving = newest[:8]
        version_known = Signal()
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
        with m.Elif(~version_known):
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
                    with m.Switch(self.size):
                        with m.Case(0):
                            m.d.sync += version_known.eq(leaving == VERSION)
                        with m.Case(1):
                            m.d.sync += self.sequence.eq(leaving)
                        with m.Case(2):
                            known_verb = leaving[_VERB_BITS:] == 0
                            m.d.sync += self.verb.eq(Mux(known_verb, leaving, 0))
        with m.If(self.release):
            m.d.comb += restart.eq(1)
            m.d.sync += self.held.eq(0)
        with m.If(restart):
            m.d.sync += [known.eq(0), self.size.eq(0), self.sequence.eq(0)]
        return m


class RequestServer(wiring.Component):
    """Execute framed requests on the core, one at a time.

    A request that names words is gone through twice, first to see that all of them are there, then
    to execute it. To look at its arguments takes two cycles per byte each time, to look for the
    words one per byte, for FILL one per word. Then WRITE takes two cycles per byte of its words
    and, like FILL, two per word that the core accepts at once. A word of READ takes one cycle for
    the command, the core's time for the reply, and one per byte; the answer leaves as fast as ``o``
    and :class:`~popflip.rtl.primitives.cobs.CobsEncoder` take it. An order of the machine's own is
    executed at once.

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
    fault : ``Out(1)``
        The last answer to the host was an error.
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
            "fault": Out(1),
        }
        if params.standalone.lines:
            members["orders"] = In(OrderSignature())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = FrameReceiver()
        m.submodules.encoder = encoder = CobsEncoder()
        m.submodules.crc = crc = CRC.create()
        host = self.host
        orders = self.orders if self._params.standalone.lines else None
        own = Signal()  # The request is one of the machine's own.

        wiring.connect(m, wiring.flipped(self.i), decoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        m.d.comb += [
            receiver.i.payload.eq(decoder.o.payload),
            receiver.i.valid.eq(decoder.o.valid),
            decoder.o.ready.eq(1),
        ]

        is_read, is_write, is_fill = (
            receiver.verb == v for v in (Verb.READ, Verb.WRITE, Verb.FILL)
        )
        is_run = receiver.verb == Verb.RUN
        if orders is not None:
            is_read = Mux(own, orders.kind == OrderKind.REPORT, is_read)
            is_write = Mux(own, orders.kind == OrderKind.WRITE, is_write)
            is_fill = is_fill & ~own
            is_run = Mux(own, orders.kind == OrderKind.RUN, is_run)

        # The arguments, as FILL lays them out; RUN has its flags in the place of the region, and
        # its first sample in that of the address. What no machine has is only remembered.
        index, beyond = Signal(4), Signal()
        address = Signal.like(host.command.p.address)
        missing = Signal.like(address)  # Complement of the count, so that it counts up.
        lanes = range(0, len(address), 8)
        region = _RegionFacts(m, index, self._regions)
        bits = region.depth.shape().width
        byte, taking, advance = Signal(8), Signal(), Signal()
        # Found a cycle before, from the address as it will be: ``address + advance > depth`` is the
        # carry of this sum.
        too_far, overshoot = Signal(), address[:bits] + ~region.depth + advance
        m.d.sync += too_far.eq(beyond | address[bits:].any() | overshoot[bits])
        longest = max(r.word_bytes for r in self._regions)
        position = Signal(range(max(IDENTIFY_ANSWER.size, FILL.size + 1, longest)))
        for at in lanes:
            with m.If(taking & (position == 1 + at // 8) | advance):
                m.d.sync += address[at : at + 8].eq(
                    next_count(address, taking, byte << at)[at : at + 8]
                )
            with m.If(taking & (position == 5 + at // 8) | advance):
                m.d.sync += missing[at : at + 8].eq(
                    next_count(missing, taking, ~byte << at)[at : at + 8]
                )
        with m.If(taking):
            with m.Switch(position):
                with m.Case(0):
                    m.d.sync += [index.eq(byte), beyond.eq(byte[len(index) :].any())]
                with m.Case(4, 8):
                    m.d.sync += beyond.eq(beyond | byte.any())
        n_arguments = Signal.like(position)
        with m.Switch(receiver.verb):
            for verb, layout in _ARGUMENTS.items():
                with m.Case(verb):
                    m.d.comb += n_arguments.eq(layout.size)

        # The bytes of the request that are taken, and whether words are left.
        pointer = Signal.like(receiver.size)
        ended, some, more = Signal(), Signal(), Signal()
        m.d.comb += [
            receiver.address.eq(pointer),
            ended.eq(pointer == receiver.size),
            # READ has 16 bits of a count: nobody loads those above.
            some.eq(~(missing[:16].all() & (missing[16:].all() | is_read))),
            more.eq(Mux(is_write & ~own, ~ended, some)),
            byte.eq(receiver.data),
        ]
        if orders is not None:
            with m.If(own):
                m.d.comb += [n_arguments.eq(FILL.size), byte.eq(_argument(orders, position))]

        # One word on its way from the buffer to the core, or from the core to the answer. On its
        # way in, a byte enters at the top of the region's word, wherever that is, and the others
        # move down; what is above is not looked at.
        word = Signal(8 * ceil_div(host_word_bits(self._params), 8))
        tops = {r.word_bytes - 1 for r in self._regions}
        last_of_word = position == region.last_byte
        entering, shift, load = Signal(8), Signal(), Signal()
        with m.If(shift | load):
            for at in range(0, len(word), 8):
                above = word[at + 8 : at + 16] if at + 8 < len(word) else entering
                if at // 8 in tops:
                    above = Mux(region.last_byte == at // 8, entering, above)
                m.d.sync += word[at : at + 8].eq(Mux(load, host.reply.payload[at : at + 8], above))

        checked = Signal()  # All words of the request are there.
        status, sequence = Signal(Status), Signal(8)
        out, send = encoder.i, Signal()  # `send` for a byte that the CRC covers
        m.d.comb += [crc.data.eq(out.p.data), crc.valid.eq(send & out.ready)]

        m.d.comb += [
            host.command.p.write.eq(~is_read),
            host.command.p.region.eq(index),
            host.command.p.address.eq(address),
            host.command.p.data.eq(word),
            host.run.p.train.eq(index[0]),
            host.run.p.internal.eq(index[1]),
            host.run.p.flush.eq(index[2]),
            host.run.p.first.eq(address),
            host.run.p.count.eq(~missing),
        ]

        dismissed, concluded = Signal(), Signal()
        m.d.sync += dismissed.eq(0)
        m.d.comb += receiver.release.eq(dismissed | concluded)

        def refuse(why):
            # Nothing of the request is needed any more: the next may come, a cycle later lest all
            # reasons be parts of the receiver's long paths.
            m.d.sync += [dismissed.eq(1), status.eq(why), position.eq(0)]
            m.next = "Header"

        def conclude():
            m.next = "Header"
            finish_own()

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
                    pointer.eq(HEADER.size),
                    checked.eq(0),
                    own.eq(0),
                ]
                with m.If(receiver.held):
                    m.next = "Fetch argument"
                with m.Elif(receiver.complaint):
                    m.d.sync += status.eq(receiver.status)
                    m.next = "Header"
                if orders is not None:
                    with m.Elif(orders.valid):
                        m.d.sync += [own.eq(1), checked.eq(1), sequence.eq(0)]
                        with m.If(orders.kind == OrderKind.REPORT):
                            m.d.sync += status.eq(Status.REPORT)
                        m.next = "Fetch argument"

            with m.State("Fetch argument"):
                m.d.sync += pointer.eq(pointer + 1)
                m.next = "Take argument"
                with m.If(position == n_arguments):
                    m.d.sync += [position.eq(0), pointer.eq(pointer)]
                    with m.If(is_read | is_write | is_fill):
                        m.next = "Look for words"
                        with m.If(is_fill | checked):
                            m.next = "Fetch byte"
                        with m.If(is_read & checked):
                            m.next = "Header"
                        with m.Elif(is_fill & checked):
                            m.next = "Write word"
                        with m.If(is_read & ~ended & ~own):
                            refuse(Status.BAD_LENGTH)
                        with m.Elif(~region.known):
                            refuse(Status.OUT_OF_RANGE)
                    with m.Elif(is_run):
                        m.next = "Run"
                        with m.If(~ended & ~own):
                            refuse(Status.BAD_LENGTH)
                        with m.Elif(~some | beyond | index[len(RunFlags) :].any()):
                            refuse(Status.OUT_OF_RANGE)
                        with m.Elif(host.busy):
                            refuse(Status.BUSY)
                    with m.Else():
                        m.next = "Header"
                        with m.If(receiver.verb == 0):
                            refuse(Status.UNKNOWN_VERB)
                        with m.Elif(~ended):
                            refuse(Status.BAD_LENGTH)
                        with m.Elif(receiver.verb == Verb.STOP):
                            m.d.comb += host.stop.eq(1)
                with m.Elif(ended & ~own):
                    refuse(Status.BAD_LENGTH)

            with m.State("Take argument"):
                m.d.comb += taking.eq(1)
                m.d.sync += position.eq(position + 1)
                m.next = "Fetch argument"

            # Go from word to word without doing anything. Of WRITE this goes through the bytes
            # that are there, of READ through those that the answer would have.
            with m.State("Look for words"):
                m.d.sync += [pointer.eq(pointer + 1), position.eq(position + 1)]
                with m.If(last_of_word | is_fill):
                    m.d.sync += position.eq(0)
                    m.d.comb += advance.eq(more)
                with m.If(too_far):
                    refuse(Status.OUT_OF_RANGE)
                with m.Elif(~more):
                    m.d.sync += [position.eq(0), pointer.eq(HEADER.size), checked.eq(1)]
                    m.next = "Fetch argument"
                    with m.If(position != 0):
                        refuse(Status.BAD_LENGTH)
                    with m.Elif(
                        host.busy & ~Mux(is_read, region.read_in_run, region.written_in_run)
                    ):
                        # Settings, and memories that the core uses itself.
                        refuse(Status.BUSY)
                with m.Elif(is_read & (pointer == HEADER.size + READ.size + MAX_PAYLOAD)):
                    refuse(Status.OUT_OF_RANGE)

            with m.State("Fetch byte"):
                m.d.sync += pointer.eq(pointer + 1)
                m.next = "Take byte"
                with m.If(is_fill):
                    with m.If(ended):
                        refuse(Status.BAD_LENGTH)
                with m.Elif(~more):
                    conclude()
                if orders is not None:
                    with m.Elif(own & ~orders.has_byte):
                        m.next = "Fetch byte"

            with m.State("Take byte"):
                m.d.comb += [shift.eq(1), entering.eq(receiver.data)]
                if orders is not None:
                    with m.If(own):
                        m.d.comb += [entering.eq(orders.byte), orders.take.eq(1)]
                m.d.sync += position.eq(position + 1)
                m.next = "Fetch byte"
                with m.If(last_of_word):
                    m.d.sync += position.eq(0)
                    m.next = "Write word"
                    with m.If(is_fill):
                        m.next = "Look for words"
                        with m.If(~ended):
                            refuse(Status.BAD_LENGTH)

            with m.State("Write word"):
                with m.If(is_fill & ~more):
                    conclude()
                with m.Else():
                    m.d.comb += host.command.valid.eq(1)
                    with m.If(host.command.ready):
                        m.next = "Written"

            with m.State("Written"):
                # Only now: the core looks at the word for one more cycle.
                m.d.comb += advance.eq(1)
                m.next = "Fetch byte"
                with m.If(is_fill):
                    m.next = "Write word"

            with m.State("Run"):
                m.d.comb += host.run.valid.eq(1)
                with m.If(host.run.ready):
                    conclude()

            with m.State("Header"):
                # `position` is 0 here first, whatever came before.
                emit(Mux(position == 0, VERSION, Mux(position == 1, sequence, status)))
                with m.If(out.ready):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == HEADER.size - 1):
                        m.d.sync += position.eq(0)
                        m.next = "CRC"
                        with m.If((status == Status.OK) | (status == Status.REPORT)):
                            with m.If(is_read):
                                m.next = "Next word"
                            with m.Elif(
                                (receiver.verb == Verb.IDENTIFY) | (receiver.verb == Verb.STATUS)
                            ):
                                m.next = "Facts"

            with m.State("Facts"):
                facts = [*self._identity, *MAX_PAYLOAD.to_bytes(2, "little")]
                counts = [Const(0, 32 - len(receiver.good)), receiver.bad]
                counts = Cat(host.busy, *[0] * 7, receiver.good, *counts, counts[0])
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
                m.d.comb += host.command.valid.eq(more)
                with m.If(~more):
                    m.next = "CRC"
                with m.Elif(host.command.ready):
                    m.next = "Await word"

            with m.State("Await word"):
                m.d.comb += load.eq(1)
                with m.If(host.reply.valid):
                    m.d.comb += advance.eq(1)
                    m.next = "Send word"

            with m.State("Send word"):
                emit(word[:8])
                with m.If(out.ready):
                    m.d.comb += shift.eq(1)
                    m.d.sync += position.eq(position + 1)
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
                    with m.If(~own):
                        m.d.sync += self.fault.eq(status != Status.OK)
                    with m.If(status == Status.OK):
                        m.d.comb += concluded.eq(1)
        return m


class _RegionFacts:
    """Constants of the region that an index names, looked up."""

    def __init__(self, m: Module, index, regions: list[Region]):
        self.known = Signal()
        self.depth = Signal(range(max(r.depth for r in regions) + 1))
        self.last_byte = Signal(range(max(r.word_bytes for r in regions)))
        # Whether the host may read it, or write to it, while the core runs.
        self.read_in_run, self.written_in_run = Signal(), Signal()
        with m.Switch(index):
            for region in regions:
                with m.Case(region.index):
                    m.d.comb += [
                        self.known.eq(1),
                        self.depth.eq(region.depth),
                        self.last_byte.eq(region.word_bytes - 1),
                        self.read_in_run.eq(region.name in ("registers", "results")),
                        self.written_in_run.eq(region.name == "samples"),
                    ]


def _argument(orders, position):
    """Return the byte of an order that stands where FILL and RUN have it."""
    run, is_run = orders.run, orders.kind == OrderKind.RUN
    flags = Cat(run.train, run.internal, run.flush)
    return Cat(
        Mux(is_run, flags, orders.region)[:8],
        Const(0, 8 - len(orders.region)),
        Mux(is_run, run.first, orders.address),
        Const(0, 32 - len(orders.address)),
        Mux(is_run, run.count, orders.count),
        Const(0, 32 - len(orders.count)),
    ).word_select(position, 8)


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
    fault : ``Out(1)``
        The last answer to the host was an error.
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
            "fault": Out(1),
        }
        if params.standalone.lines:
            members["orders"] = In(OrderSignature())
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        divisor = self._params.machine.uart_divisor
        m.submodules.receiver = receiver = UartReceiver(divisor)
        m.submodules.server = server = RequestServer(self._params, self._identity)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.fault.eq(server.fault),
        ]
        wiring.connect(m, receiver.o, server.i)
        wiring.connect(m, server.o, transmitter.i)
        wiring.connect(m, server.host, wiring.flipped(self.host))
        if self._params.standalone.lines:
            wiring.connect(m, wiring.flipped(self.orders), server.orders)
        return m
