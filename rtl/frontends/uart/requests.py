"""The seam between who brings requests and the executor that serves them."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.protocol import HEADER, MAX_PAYLOAD, Status, Verb

__all__ = ["OVERSIZE", "VERB_BITS", "RequestSignature"]

#: Bytes of header and payload at which a frame is counted as too long; more are not counted.
OVERSIZE = HEADER.size + MAX_PAYLOAD + 1

#: Bits of a :class:`Verb`.
VERB_BITS = max(Verb).bit_length()


class RequestSignature(wiring.Signature):
    """One request at a time, from the side that brings it.

    Members
    -------
    held : ``Out(1)``
        For an idle executor: a request is there.
    next_internal, next_report : ``Out(1)``
        For an idle executor: the request is the machine's own; if so, whether it is READ.
    internal : ``Out(1)``
        The request that is executed is the machine's own. It is right, so it is not checked. Its
        arguments are laid out as those of FILL (RUN: its own), and ``count`` says how many words
        WRITE has. Nobody answers it, but READ sends its words as a report. Comes from a register,
        as the executor's longest paths go through it: it is right from the cycle after ``idle`` on.
    complaint : ``Out(1)``
        A bad frame ends in this cycle; it is answered with ``status`` if the executor is idle.
    status : ``Out(Status)``
        What is wrong with that frame.
    sequence : ``Out(8)``
        For an idle executor: of the request or the bad frame; 0 if the frame ended before it, and
        of internal requests.
    verb : ``Out(3)``
        What the request that is executed asks for; 0 for what no :class:`Verb` is. It and all below
        stay as they are until ``release`` or ``done``.
    size : ``Out(range)``
        Bytes of header and payload; means nothing in an internal request.
    address : ``In(10)``
        A byte of header and payload to look up, modulo ``MAX_PAYLOAD``. The header itself can be
        gone.
    data : ``Out(8)``
        That byte, 1 cycle later. Of an internal request while ``take`` is high: the next byte of
        its words.
    has_data : ``Out(1)``
        A byte of words can be taken in the next cycle.
    good, bad : ``Out(16)``
        Frames that arrived whole, and all others, for STATUS.
    idle : ``In(1)``
        The executor takes the request that is there in this cycle.
    take : ``In(1)``
        A byte of the request's words is taken.
    release : ``In(1)``
        A pulse: nothing of a frame's request is needed any more.
    done : ``In(1)``
        A pulse: an internal request has been executed.
    """

    def __init__(self):
        super().__init__({
            "held": Out(1),
            "next_internal": Out(1),
            "next_report": Out(1),
            "internal": Out(1),
            "complaint": Out(1),
            "status": Out(Status),
            "sequence": Out(8),
            "verb": Out(VERB_BITS),
            "size": Out(range(OVERSIZE + 1)),
            "address": In(range(MAX_PAYLOAD)),
            "data": Out(8),
            "has_data": Out(1),
            "good": Out(16),
            "bad": Out(16),
            "idle": In(1),
            "take": In(1),
            "release": In(1),
            "done": In(1),
        })
