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

__all__ = [
    "CRC",
    "CRC_BYTES",
    "FILL",
    "FRAME_COUNT_BITS",
    "HEADER",
    "IDENTIFY_ANSWER",
    "IDENTITY_BYTES",
    "MAX_PAYLOAD",
    "READ",
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


class Status(IntEnum):
    """The outcome of a request. With any but ``OK`` it changed nothing."""

    OK = 0
    #: Broken COBS, or too short for a header and a checksum.
    BAD_FRAME = 1
    #: More payload than ``MAX_PAYLOAD``.
    OVERSIZE = 2
    BAD_CRC = 3
    BAD_VERSION = 4
    UNKNOWN_VERB = 5
    #: The payload's length is not one that the verb takes.
    BAD_LENGTH = 6
    #: No such region, words beyond its end, an answer longer than ``MAX_PAYLOAD``, or a run of no
    #: samples or of samples and flags that there are not.
    OUT_OF_RANGE = 7
    #: Not while the core runs: all but reads of registers and results, writes of samples, and the
    #: verbs that name no region and start nothing.
    BUSY = 8
    #: No answer, but a frame that a machine in standalone training sends by itself.
    REPORT = 9


class RunFlags(IntFlag):
    """The first byte of RUN; see :class:`popflip.rtl.interface.RunLayout`."""

    TRAIN = 1
    INTERNAL = 2
    FLUSH = 4


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
