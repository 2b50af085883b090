"""What executes requests: the part of the host link that uses the core."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC_BYTES,
    FILL,
    HEADER,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    WRITE,
    Status,
    Verb,
)
from popflip.rtl.frontends.uart.answer import AnswerPart, AnswerSender, checked_identity
from popflip.rtl.frontends.uart.arguments import RequestArguments
from popflip.rtl.frontends.uart.requests import RequestSignature
from popflip.rtl.frontends.uart.word_buffer import WordBuffer
from popflip.rtl.interface import HostSignature
from popflip.rtl.primitives.cobs import FrameToken

__all__ = ["RequestExecutor"]

#: How requests lay out their arguments; the others have none.
_ARGUMENTS = {Verb.READ: READ, Verb.WRITE: WRITE, Verb.FILL: FILL, Verb.RUN: RUN}


class RequestExecutor(wiring.Component):
    """Execute requests on the core, one at a time, and answer them.

    A request that names words is gone through twice, first to see that all of them are there, then
    to execute it. To look at its arguments takes two cycles per byte each time, to look for the
    words one per byte, for FILL one per word. Then WRITE takes two cycles per byte of its words
    and, like FILL, two per word that the core accepts at once. A word of READ takes one cycle for
    the command, the core's time for the reply, and one per byte; the answer leaves as fast as it is
    taken. An internal request is executed at once.

    An answer that is only an error does not block: the request is released when it begins.

    Parameters
    ----------
    params : Params
    identity : bytes
        The id of this bitstream, ``IDENTITY_BYTES`` long.

    Members
    -------
    requests : ``In(RequestSignature())``
        What is asked.
    answers : ``Out(stream.Signature(FrameToken()))``
        Frames.
    host : ``Out(HostSignature(params))``
        The core.
    fault : ``Out(1)``
        The last answer to the host was an error.
    """

    def __init__(self, params: Params, identity: bytes):
        self._params = params
        self._identity = checked_identity(identity)
        super().__init__({
            "requests": In(RequestSignature()),
            "answers": Out(stream.Signature(FrameToken())),
            "host": Out(HostSignature(params)),
            "fault": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.arguments = arguments = RequestArguments(self._params)
        m.submodules.buffer = buffer = WordBuffer(self._params)
        m.submodules.sender = sender = AnswerSender(self._identity)
        wiring.connect(m, sender.o, wiring.flipped(self.answers))
        control = _Control(self._params, self, arguments, buffer, sender)
        control.connect(m)
        with m.FSM():
            control.idle(m)
            control.fetch_arguments(m)
            control.look_for_words(m)
            control.write(m)
            control.run(m)
            control.send_header(m)
            control.send_words(m)
            control.send_end(m)
        return m


class _Control:
    """The executor's states, by what they are for, and the signals that they share."""

    def __init__(self, params, port, arguments, buffer, sender):
        self.request, self.host, self.fault = port.requests, port.host, port.fault
        self.arguments, self.buffer, self.sender = arguments, buffer, sender
        verb = self.request.verb
        self.is_read, self.is_write, self.is_fill, self.is_run = (
            verb == v for v in (Verb.READ, Verb.WRITE, Verb.FILL, Verb.RUN)
        )
        # What is counted depends on the state: bytes of arguments, of a word, of the answer.
        longest = max(region.word_bytes for region in params.regions)
        self.position = Signal(range(max(IDENTIFY_ANSWER.size, FILL.size + 1, longest)))
        self.n_arguments = Signal.like(self.position)
        # The byte of the frame that is looked at; whether it is behind the last, and whether words
        # are left.
        self.pointer = Signal.like(self.request.size)
        self.ended = Signal()
        self.more = Signal()
        self.last_of_word = self.position == arguments.last_byte
        self.checked = Signal()  # All words of the request are there.
        self.status = Signal(Status)
        self.sequence = Signal(8)
        self.dismissed = Signal()
        self.concluded = Signal()

    def connect(self, m):
        """Join the parts."""
        request, host = self.request, self.host
        arguments, buffer, sender = self.arguments, self.buffer, self.sender
        internal = request.internal
        with m.Switch(request.verb):
            for verb, layout in _ARGUMENTS.items():
                with m.Case(verb):
                    m.d.comb += self.n_arguments.eq(layout.size)
        with m.If(internal):
            m.d.comb += self.n_arguments.eq(FILL.size)
        m.d.sync += self.dismissed.eq(0)
        m.d.comb += [
            request.address.eq(self.pointer),
            request.release.eq(self.dismissed | self.concluded),
            self.ended.eq(self.pointer == request.size),
            self.more.eq(Mux(self.is_write & ~internal, ~self.ended, arguments.some)),
            arguments.position.eq(self.position),
            arguments.byte.eq(request.data),
            arguments.is_read.eq(self.is_read),
            buffer.last_byte.eq(arguments.last_byte),
            buffer.byte.eq(request.data),
            buffer.loaded.eq(host.reply.payload),
            host.command.p.write.eq(~self.is_read),
            host.command.p.region.eq(arguments.region),
            host.command.p.address.eq(arguments.address),
            host.command.p.data.eq(buffer.word),
            host.run.payload.eq(arguments.run),
            sender.position.eq(self.position),
            sender.sequence.eq(self.sequence),
            sender.status.eq(self.status),
            sender.identify.eq(request.verb == Verb.IDENTIFY),
            sender.busy.eq(host.busy),
            sender.good.eq(request.good),
            sender.bad.eq(request.bad),
            sender.byte.eq(buffer.word[:8]),
        ]

    def refuse(self, m, why):
        """Answer with an error."""
        # Nothing of the request is needed any more: the next may come, a cycle later lest all
        # reasons be parts of the receiver's long paths.
        m.d.sync += [self.dismissed.eq(1), self.status.eq(why), self.position.eq(0)]
        m.next = "Header"

    def conclude(self, m):
        """Answer that the request has been executed."""
        m.next = "Header"
        self.finish_internal(m)

    def finish_internal(self, m):
        """Go on without an answer if nobody wants one."""
        with m.If(self.request.internal):
            m.d.comb += self.request.done.eq(1)
            m.next = "Idle"

    def idle(self, m):
        """Wait for a request."""
        request = self.request
        with m.State("Idle"):
            m.d.comb += [request.idle.eq(1), self.sender.start.eq(1)]
            m.d.sync += [
                self.status.eq(Status.OK),
                self.sequence.eq(request.sequence),
                self.position.eq(0),
                self.pointer.eq(HEADER.size),
                self.checked.eq(request.next_internal),
            ]
            with m.If(request.held):
                with m.If(request.next_internal & request.next_report):
                    m.d.sync += self.status.eq(Status.REPORT)
                m.next = "Fetch argument"
            with m.Elif(request.complaint):
                m.d.sync += self.status.eq(request.status)
                m.next = "Header"

    def fetch_arguments(self, m):
        """Take the arguments, and see what is to be done with them."""
        request, arguments, position = self.request, self.arguments, self.position
        too_short = self.ended & ~request.internal
        too_long = ~self.ended & ~request.internal
        with m.State("Fetch argument"):
            m.d.sync += self.pointer.eq(self.pointer + 1)
            m.next = "Take argument"
            with m.If(position == self.n_arguments):
                m.d.sync += [position.eq(0), self.pointer.eq(self.pointer)]
                with m.If(self.is_read | self.is_write | self.is_fill):
                    m.next = "Look for words"
                    with m.If(self.is_fill | self.checked):
                        m.next = "Fetch byte"
                    with m.If(self.is_read & self.checked):
                        m.next = "Header"
                    with m.Elif(self.is_fill & self.checked):
                        m.next = "Write word"
                    with m.If(self.is_read & too_long):
                        self.refuse(m, Status.BAD_LENGTH)
                    with m.Elif(~arguments.known):
                        self.refuse(m, Status.OUT_OF_RANGE)
                with m.Elif(self.is_run):
                    m.next = "Run"
                    with m.If(too_long):
                        self.refuse(m, Status.BAD_LENGTH)
                    with m.Elif(arguments.no_run):
                        self.refuse(m, Status.OUT_OF_RANGE)
                    with m.Elif(self.host.busy):
                        self.refuse(m, Status.BUSY)
                with m.Else():
                    m.next = "Header"
                    with m.If(request.verb == 0):
                        self.refuse(m, Status.UNKNOWN_VERB)
                    with m.Elif(~self.ended):
                        self.refuse(m, Status.BAD_LENGTH)
                    with m.Elif(request.verb == Verb.STOP):
                        m.d.comb += self.host.stop.eq(1)
            with m.Elif(too_short):
                self.refuse(m, Status.BAD_LENGTH)

        with m.State("Take argument"):
            m.d.comb += arguments.take.eq(1)
            m.d.sync += position.eq(position + 1)
            m.next = "Fetch argument"

    def look_for_words(self, m):
        """Go from word to word without doing anything.

        Of WRITE this goes through the bytes that are there, of READ through those that the answer
        would have.
        """
        arguments, position, is_read = self.arguments, self.position, self.is_read
        allowed = Mux(is_read, arguments.read_in_run, arguments.written_in_run)
        with m.State("Look for words"):
            m.d.sync += [self.pointer.eq(self.pointer + 1), position.eq(position + 1)]
            with m.If(self.last_of_word | self.is_fill):
                m.d.sync += position.eq(0)
                m.d.comb += arguments.advance.eq(self.more)
            with m.If(arguments.too_far):
                self.refuse(m, Status.OUT_OF_RANGE)
            with m.Elif(~self.more):
                m.d.sync += [position.eq(0), self.pointer.eq(HEADER.size), self.checked.eq(1)]
                m.next = "Fetch argument"
                with m.If(position != 0):
                    self.refuse(m, Status.BAD_LENGTH)
                with m.Elif(self.host.busy & ~allowed):
                    # Settings, and memories that the core uses itself.
                    self.refuse(m, Status.BUSY)
            with m.Elif(is_read & (self.pointer == HEADER.size + READ.size + MAX_PAYLOAD)):
                self.refuse(m, Status.OUT_OF_RANGE)

    def write(self, m):
        """Write the words of WRITE, or the one of FILL many times."""
        request, command, is_fill = self.request, self.host.command, self.is_fill
        with m.State("Fetch byte"):
            m.d.sync += self.pointer.eq(self.pointer + 1)
            m.next = "Take byte"
            with m.If(is_fill):
                with m.If(self.ended):
                    self.refuse(m, Status.BAD_LENGTH)
            with m.Elif(~self.more):
                self.conclude(m)
            with m.Elif(~request.has_data):
                m.next = "Fetch byte"

        with m.State("Take byte"):
            m.d.comb += [self.buffer.shift.eq(1), request.take.eq(1)]
            m.d.sync += self.position.eq(self.position + 1)
            m.next = "Fetch byte"
            with m.If(self.last_of_word):
                m.d.sync += self.position.eq(0)
                m.next = "Write word"
                with m.If(is_fill):
                    m.next = "Look for words"
                    with m.If(~self.ended):
                        self.refuse(m, Status.BAD_LENGTH)

        with m.State("Write word"):
            with m.If(is_fill & ~self.more):
                self.conclude(m)
            with m.Else():
                m.d.comb += command.valid.eq(1)
                with m.If(command.ready):
                    m.next = "Written"

        with m.State("Written"):
            # Only now: the core looks at the word for one more cycle.
            m.d.comb += self.arguments.advance.eq(1)
            m.next = "Fetch byte"
            with m.If(is_fill):
                m.next = "Write word"

    def run(self, m):
        """Begin a run."""
        run = self.host.run
        with m.State("Run"):
            m.d.comb += run.valid.eq(1)
            with m.If(run.ready):
                self.conclude(m)

    def send_header(self, m):
        """Begin an answer; of IDENTIFY and STATUS, all but its end."""
        sender, position, status, verb = self.sender, self.position, self.status, self.request.verb
        with m.State("Header"):
            # `position` is 0 here first, whatever came before.
            m.d.comb += sender.part.eq(AnswerPart.HEADER)
            with m.If(sender.o.ready):
                m.d.sync += position.eq(position + 1)
                with m.If(position == HEADER.size - 1):
                    m.d.sync += position.eq(0)
                    m.next = "CRC"
                    with m.If((status == Status.OK) | (status == Status.REPORT)):
                        with m.If(self.is_read):
                            m.next = "Next word"
                        with m.Elif((verb == Verb.IDENTIFY) | (verb == Verb.STATUS)):
                            m.next = "Facts"

        with m.State("Facts"):
            m.d.comb += sender.part.eq(AnswerPart.FACTS)
            with m.If(sender.o.ready):
                m.d.sync += position.eq(position + 1)
                with m.If(sender.last_fact):
                    m.d.sync += position.eq(0)
                    m.next = "CRC"

    def send_words(self, m):
        """Read the words that READ asks for, each as soon as the one before it is sent."""
        buffer, command, sender = self.buffer, self.host.command, self.sender
        with m.State("Next word"):
            m.d.comb += command.valid.eq(self.more)
            with m.If(~self.more):
                m.next = "CRC"
            with m.Elif(command.ready):
                m.next = "Await word"

        with m.State("Await word"):
            m.d.comb += buffer.load.eq(1)
            with m.If(self.host.reply.valid):
                m.d.comb += self.arguments.advance.eq(1)
                m.next = "Send word"

        with m.State("Send word"):
            m.d.comb += sender.part.eq(AnswerPart.WORD)
            with m.If(sender.o.ready):
                m.d.comb += buffer.shift.eq(1)
                m.d.sync += self.position.eq(self.position + 1)
                with m.If(self.last_of_word):
                    m.d.sync += self.position.eq(0)
                    m.next = "Next word"

    def send_end(self, m):
        """Close an answer, and let go of what it answers."""
        sender, position = self.sender, self.position
        with m.State("CRC"):
            m.d.comb += sender.part.eq(AnswerPart.CRC)
            with m.If(sender.o.ready):
                m.d.sync += position.eq(position + 1)
                with m.If(position == CRC_BYTES - 1):
                    m.next = "End"

        with m.State("End"):
            m.d.comb += sender.part.eq(AnswerPart.END)
            with m.If(sender.o.ready):
                m.next = "Idle"
                self.finish_internal(m)
                with m.If(~self.request.internal):
                    m.d.sync += self.fault.eq(self.status != Status.OK)
                with m.If(self.status == Status.OK):
                    m.d.comb += self.concluded.eq(1)
