"""The host link's constants, shared by the hardware and the host.

On the wire a frame is COBS-encoded and closed by a zero byte; a sender may put more zeros before
it, since an empty frame means nothing. Integers are little-endian. A frame is

======== =====================================================
version  u8, :data:`VERSION`
sequence u8, chosen by the host and echoed by the answer
kind     u8, a :class:`Verb` in a request, a :class:`Status` in an answer
payload  0 to :data:`MAX_PAYLOAD` bytes
CRC      u16, :data:`CRC` of all bytes before it
======== =====================================================

The payloads of requests, and of their answers if the status is ``OK`` (else the answer has none):

======== ================================================ ==================================
IDENTIFY nothing                                          id (16 bytes), MAX_PAYLOAD u16
READ     region u8, address u32, count u16                ``count`` words
WRITE    region u8, address u32, words                    nothing
FILL     region u8, address u32, count u32, word          nothing
RUN      flags u8 (:class:`RunFlags`), first u32,         nothing, and at once: the run goes
         count u32, 1 at least, both of SAMPLE_BITS       on, STATUS says when it is over
STOP     nothing                                          nothing
STATUS   nothing                                          busy u8, good u32, bad u32
======== ================================================ ==================================

In standalone training (:mod:`popflip.rtl.standalone.sequencer`) the machine also sends frames that
nobody asked for: after each training and each test of an epoch one of sequence 0 and kind
``REPORT``, whose payload is the whole region ``registers``. Hosts choose sequences from 1 on.

A region's words are numbered from 0 and padded to whole bytes each, see
:class:`popflip.golden.description.layout.MemoryMap`. ``good`` counts the frames that arrived
whole, ``bad`` all others, dropped ones included; both count modulo 2**16.
"""

import struct
from enum import IntEnum, IntFlag

from amaranth.lib.crc.catalog import CRC16_IBM_3740

from popflip.golden.description.named import Meanings

__all__ = [
    "CRC",
    "CRC_BYTES",
    "FILL",
    "FLAG_MEANINGS",
    "FRAME_COUNT_BITS",
    "HEADER",
    "IDENTIFY_ANSWER",
    "IDENTITY_BYTES",
    "MAX_PAYLOAD",
    "READ",
    "RULES",
    "RUN",
    "SAMPLE_BITS",
    "STATUS_ANSWER",
    "VERSION",
    "WRITE",
    "RunFlags",
    "Status",
    "Verb",
]

#: Version of this protocol, the first byte of every frame.
VERSION = 1

#: Bytes that a payload may have.
MAX_PAYLOAD = 1024

#: Bytes of a bitstream id.
IDENTITY_BYTES = 16

#: The checksum of a frame: ``compute()`` in software, ``create()`` in hardware.
CRC = CRC16_IBM_3740(data_width=8)

#: Bytes of the checksum, low byte first.
CRC_BYTES = 2

#: Bits of the number of a sample in a run, and of the count of its samples.
SAMPLE_BITS = 24

#: Bits of each of the two counts of frames; they wrap.
FRAME_COUNT_BITS = 16

#: Version, sequence, kind.
HEADER = struct.Struct("<BBB")


class Verb(IntEnum):
    """What a request asks for."""

    IDENTIFY = 1
    READ = 2
    WRITE = 3
    FILL = 4
    RUN = 5
    STOP = 6
    STATUS = 7


class Status(Meanings):
    """The outcome of a request. With any but ``OK`` it changed nothing."""

    OK = 0, "done; a run has begun"
    BAD_FRAME = 1, "broken COBS, or too short for a header and a checksum"
    OVERSIZE = 2, "more payload than MAX_PAYLOAD"
    BAD_CRC = 3, "another checksum than that of the bytes before it"
    BAD_VERSION = 4, "another version of this protocol"
    UNKNOWN_VERB = 5, "no request has this number"
    BAD_LENGTH = 6, "the payload's length is not one that the request takes"
    OUT_OF_RANGE = (
        7,
        "no such region, words beyond its end, an answer longer than MAX_PAYLOAD, or a run of no "
        "samples or of samples and flags that there are not",
    )
    BUSY = (
        8,
        "not while the core runs: all but reads of registers and results, writes of samples, and "
        "the requests that name no region and start nothing",
    )
    REPORT = 9, "no answer, but a frame that a machine in standalone training sends by itself"


class RunFlags(IntFlag):
    """The first byte of RUN; see :class:`popflip.rtl.interface.RunLayout`."""

    TRAIN = 1
    INTERNAL = 2
    FLUSH = 4


#: What each of them says.
FLAG_MEANINGS = {
    RunFlags.TRAIN: "learn from the samples, instead of only predicting",
    RunFlags.INTERNAL: "take them from the slots that the host loads, instead of the stream or the "
    "sample store",
    RunFlags.FLUSH: "end with the flips of a batch that is not full",
}

#: What a host keeps to. The board has no time-out.
RULES = (
    "One request is under way at a time. Sequence numbers go from 1 to 255; each request takes "
    "another one. Skip whatever does not carry the number that you wait for.",
    "Send a zero byte before each frame. It ends whatever noise has begun.",
    "Give up after a time without an answer, whether the line is silent or talks.",
    "Send a lost request again if doing it twice does what doing it once does: every request but "
    "RUN. Before that, send a zero byte and read until the line is silent.",
    "After BAD_FRAME, OVERSIZE or BAD_CRC the request had arrived damaged, and nothing was done. "
    "Send it again, RUN too.",
    "After a RUN whose answer was lost, ask STATUS whether the machine is busy, and read counter "
    "`samples`.",
    "IDENTIFY tells the longest payload. Requests and answers keep to it.",
)


#: Region, address, count.
READ = struct.Struct("<BIH")

#: Region, address; words follow.
WRITE = struct.Struct("<BI")

#: Region, address, count; one word follows.
FILL = struct.Struct("<BII")

#: Flags, first sample, count.
RUN = struct.Struct("<BII")

#: Bitstream id, longest payload.
IDENTIFY_ANSWER = struct.Struct(f"<{IDENTITY_BYTES}sH")

#: Busy, good frames, bad frames.
STATUS_ANSWER = struct.Struct("<BII")
