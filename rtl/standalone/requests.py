"""Internal requests: what a standalone machine asks of its request executor."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import ADDRESS_BITS, REGION_BITS
from popflip.golden.description.protocol import HEADER, Verb
from popflip.rtl.frontends.uart.requests import RequestSignature
from popflip.rtl.interface import RunLayout

__all__ = ["InternalRequestSignature", "RequestArbiter"]


class InternalRequestSignature(wiring.Signature):
    """Requests from within the machine, from the side that makes them.

    Members
    -------
    valid : ``Out(1)``
        A request; it and all that describes it stay until ``done``.
    verb : ``Out(Verb)``
        WRITE, RUN, or READ for a report: words that the machine sends without being asked.
    done : ``In(1)``
        A pulse: all words are written, the run is on, or the report has been sent.
    region : ``Out(4)``, address, count : ``Out(24)``
        Words to write or to report. Reports take as many as fit a frame.
    byte : ``Out(8)``, has_byte : ``Out(1)``, take : ``In(1)``
        The next byte of the words to write, each padded to whole bytes; ``take`` asks for the one
        after it and comes only in the cycle after one with ``has_byte``.
    run : ``Out(RunLayout())``
        What RUN starts.
    """

    def __init__(self):
        super().__init__({
            "valid": Out(1),
            "verb": Out(Verb),
            "done": In(1),
            "region": Out(REGION_BITS),
            "address": Out(ADDRESS_BITS),
            "count": Out(ADDRESS_BITS),
            "byte": Out(8),
            "has_byte": Out(1),
            "take": In(1),
            "run": Out(RunLayout()),
        })


class RequestArbiter(wiring.Component):
    """Put internal requests between those of a front end.

    It chooses whenever the executor is idle, the front end first, and adds no cycle. Without a
    front end, ``frames`` stays unconnected.

    Members
    -------
    frames : ``In(RequestSignature())``
        From the front end.
    internal : ``In(InternalRequestSignature())``
        From within the machine.
    requests : ``Out(RequestSignature())``
        To the executor.
    """

    def __init__(self):
        super().__init__({
            "frames": In(RequestSignature()),
            "internal": In(InternalRequestSignature()),
            "requests": Out(RequestSignature()),
        })

    def elaborate(self, platform):
        m = Module()
        frames, internal, requests = self.frames, self.internal, self.requests
        # Whose request is there for an idle executor to take, and whose is executed.
        waiting, own = Signal(), Signal()
        m.d.comb += waiting.eq(internal.valid & ~frames.held & ~frames.complaint)
        with m.If(requests.idle):
            m.d.sync += own.eq(waiting)

        m.d.comb += [
            requests.held.eq(frames.held | waiting),
            requests.next_internal.eq(waiting),
            requests.next_report.eq(internal.verb == Verb.READ),
            requests.internal.eq(own),
            requests.complaint.eq(frames.complaint),
            requests.status.eq(frames.status),
            requests.sequence.eq(Mux(waiting, 0, frames.sequence)),
            requests.verb.eq(Mux(own, internal.verb, frames.verb)),
            requests.size.eq(frames.size),
            requests.data.eq(frames.data),
            requests.has_data.eq(frames.has_data),
            requests.good.eq(frames.good),
            requests.bad.eq(frames.bad),
            frames.idle.eq(requests.idle),
            frames.address.eq(requests.address),
            frames.take.eq(requests.take),
            frames.release.eq(requests.release),
            internal.done.eq(requests.done),
            internal.take.eq(requests.take & own),
        ]
        with m.If(own):
            argument = self._argument()
            m.d.comb += [
                requests.data.eq(Mux(requests.take, internal.byte, argument)),
                requests.has_data.eq(internal.has_byte),
            ]
        return m

    def _argument(self):
        """Return the byte of the arguments that stands before the address that is looked up now.

        They follow the header, laid out as FILL and RUN have them.
        """
        internal = self.internal
        run, is_run = internal.run, internal.verb == Verb.RUN
        flags = Cat(run.train, run.internal, run.flush)
        whole = Cat(
            Mux(is_run, flags, internal.region)[:8],
            Const(0, 8 - len(internal.region)),
            Mux(is_run, run.first, internal.address),
            Const(0, 32 - len(internal.address)),
            Mux(is_run, run.count, internal.count),
            Const(0, 32 - len(internal.count)),
        )
        # By then the executor looks at the address behind it.
        place = self.requests.address[: (HEADER.size + 1 + len(whole) // 8 - 1).bit_length()]
        return Cat(Const(0, 8 * (HEADER.size + 1)), whole).word_select(place, 8)
