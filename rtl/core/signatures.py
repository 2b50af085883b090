"""The signatures by which the parts of the core meet."""

from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import ADDRESS_BITS
from popflip.golden.description.params import Params
from popflip.rtl.interface import RunLayout

__all__ = [
    "FeedSignature",
    "RegionSignature",
    "SampleSignature",
    "Stage",
]


class Stage(enum.Enum, shape=3):
    """What a cycle is spent on, for the cycle counters."""

    IDLE = 0
    WAIT = 1
    DRIVE = 2
    FREE = 3
    NUDGED = 4
    UPDATE = 5


class FeedSignature(wiring.Signature):
    """How the sequencer has samples brought, from its side.

    Members
    -------
    start : ``Out(1)``, run : ``Out(RunLayout)``
        A pulse begins a run.
    stop : ``Out(1)``
        While high, no further sample is begun.
    idle : ``In(1)``
        Every sample that was begun has left.
    over : ``In(1)``
        All samples of the run have left, the last one more than a cycle ago.
    """

    def __init__(self):
        super().__init__({
            "start": Out(1), "run": Out(RunLayout()), "stop": Out(1), "idle": In(1), "over": In(1),
        })  # fmt: skip


class SampleSignature(wiring.Signature):
    """A sample's way through the buffers and the drive, from the sequencer's side.

    Members
    -------
    full : ``In(1)``
        The sample in hand has arrived, or the next one if there is none in hand.
    release : ``Out(1)``
        That sample is done with.
    attempt : ``Out(range(len(params.active_bounds)))``
        Bound of the drive, as of :class:`popflip.rtl.layers.drive.DriveEngine`.
    driven : ``In(1)``
        No drive is under way.

    With ``machine.overlap`` also:

    start : ``Out(1)``
        A pulse drives that sample; only while ``driven`` is high. ``attempt`` counts for this
        pulse only. (Without overlap a drive begins with the phase's ``clear``.)
    lead : ``Out(1)``
        The sample after it may be driven; not in the cycle of ``start``.
    ahead : ``In(1)``
        That began.
    waits : ``Out(1)``, late : ``In(1)``
        The machine waits for the drive; it does so, in this cycle, because the sample arrived late.
    """

    def __init__(self, params: Params):
        members = {
            "full": In(1),
            "release": Out(1),
            "attempt": Out(range(len(params.active_bounds))),
            "driven": In(1),
        }
        if params.machine.overlap:
            members |= {
                "start": Out(1), "lead": Out(1), "ahead": In(1), "waits": Out(1), "late": In(1),
            }  # fmt: skip
        super().__init__(members)


class RegionSignature(wiring.Signature):
    """The host's access to one region, from the side of the host port.

    Parameters
    ----------
    width : int
        Bits of the widest word of any region.

    Members
    -------
    ask : ``Out(1)``
        A pulse: a command for this region was accepted in the cycle before.
    read, write : ``Out(1)``
        Likewise, if the core was at rest: which of the two it was.
    writes : ``Out(1)``, address : ``Out(ADDRESS_BITS)``, data : ``Out(width)``
        Whether it writes, where, and what; in the cycle of the pulse and, of a read, until the
        reply.
    reply : ``In(width)``
        What was read, in the cycle after the pulse.
    """

    def __init__(self, width: int):
        super().__init__({
            "ask": Out(1),
            "read": Out(1),
            "write": Out(1),
            "writes": Out(1),
            "address": Out(ADDRESS_BITS),
            "data": Out(width),
            "reply": In(width),
        })
