"""The host's end of the link: requests as methods, over any transport.

The protocol is in :mod:`popflip.golden.description.protocol`, the other end in
:mod:`popflip.rtl.frontends.uart`.
"""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from popflip.boards.host.frames import LONGEST, Frame, FrameError, decode_frame, encode_frame
from popflip.boards.host.transport import Transport
from popflip.golden.description.layout import Region
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    FILL,
    IDENTIFY_ANSWER,
    MAX_PAYLOAD,
    READ,
    RUN,
    SAMPLE_BITS,
    STATUS_ANSWER,
    VERSION,
    WRITE,
    RunFlags,
    Status,
    Verb,
)
from popflip.golden.support.errors import InputError, PopflipError

__all__ = [
    "Identity",
    "Link",
    "LinkError",
    "LinkStatus",
    "LinkTimeout",
    "Refused",
]


class LinkError(PopflipError):
    """The board did not do what it was asked; the message is one line for the user."""


class LinkTimeout(LinkError):
    """The board did not answer in time."""


class Refused(LinkError):
    """The board answered with an error.

    Attributes
    ----------
    status : Status or int
        Its error; an int if this host does not know it.
    """

    def __init__(self, verb: Verb, status: int):
        self.status = Status(status) if status in _REASONS else status
        reason = _REASONS.get(status, f"unknown status {status}")
        super().__init__(f"the board refused {verb.name}: {reason}")


_REASONS: dict[int, str] = {
    Status.BAD_FRAME: "the frame arrived broken",
    Status.OVERSIZE: "the frame arrived too long",
    Status.BAD_CRC: "the frame arrived with a wrong CRC",
    Status.BAD_VERSION: f"it speaks another protocol than version {VERSION}",
    Status.UNKNOWN_VERB: "it does not know that request",
    Status.BAD_LENGTH: "the request has the wrong length",
    Status.OUT_OF_RANGE: "no such memory, or nothing at that address",
    Status.BUSY: "a run is on",
}
_DAMAGED = {Status.BAD_FRAME, Status.OVERSIZE, Status.BAD_CRC}

# Doing these twice leaves what doing them once does; of these, a lost one is sent again.
_IDEMPOTENT = {Verb.IDENTIFY, Verb.READ, Verb.STATUS, Verb.WRITE, Verb.FILL, Verb.STOP}

# Something that talks without end must not hold the host: bytes that a wait takes, and how many
# times its length it may be prolonged by an answer that is on its way.
_PATIENCE = 1 << 16
_PROLONGED = 10


class Identity(NamedTuple):
    """Answer to IDENTIFY."""

    bitstream: bytes
    max_payload: int


@dataclass(frozen=True, kw_only=True)
class LinkStatus:
    """Answer to STATUS.

    Parameters
    ----------
    busy : bool
        A run is on.
    good_frames, bad_frames : int
        Frames that the board received whole, and others, modulo 2**16.
    """

    busy: bool
    good_frames: int
    bad_frames: int


class _Wait:
    """A wait with an end, in the board's time, whatever arrives meanwhile.

    Parameters
    ----------
    transport : Transport
    seconds : float
        How long it lasts, unless it is prolonged.

    Attributes
    ----------
    received : int
        Bytes so far.
    over : bool
        Whether it has ended though more was arriving.
    """

    def __init__(self, transport: Transport, seconds: float):
        self._transport = transport
        self._seconds = seconds
        self._end = transport.now() + seconds
        self._last = self._end + _PROLONGED * seconds
        self._late = False
        self.received = 0
        self.over = False

    def prolong(self) -> None:
        """Begin anew, as far as that is allowed: what is waited for is on its way."""
        self._end = min(self._transport.now() + self._seconds, self._last)

    def read(self, silence: float | None = None) -> bytes:
        """Return what has arrived, or nothing: once the wait is over, or ``silence`` seconds.

        With ``silence`` the wait may take so much longer.
        """
        left = self._end - self._transport.now()
        if left <= 0 or self.received > _PATIENCE:
            # A busy machine may have kept this process from looking: one last look.
            if self._late:
                self.over = True
                return b""
            self._late, left = True, 0.0
        chunk = self._transport.read(left if silence is None else silence)
        self.received += len(chunk)
        return chunk


class Link:
    """A board at the end of a transport.

    One request is under way at a time. Anything that is not its answer is skipped: damaged frames,
    rubbish, and late answers to earlier requests. A request that was lost is sent again, unless it
    is RUN.

    Whatever the other end sends, a request is given up after ``timeout`` seconds, and a resync too
    (and the time that frames take on a slow line). Only an answer that has begun to arrive prolongs
    the wait, up to eleven times. So a port that is no popflip board holds a request, with its two
    repetitions and the resyncs between them, for 10 seconds.

    Parameters
    ----------
    transport : Transport
        Stays the caller's, who closes it.
    params : Params, optional
        Whose regions may be given by name; without it, only :class:`Region` will do.
    timeout : float
        Seconds after which a request is given up if no answer has begun to arrive.
    retries : int
        How often a lost request is sent again.
    quiet : float
        Seconds of silence after which nothing more of an earlier answer is expected.

    Attributes
    ----------
    reports : deque of bytes
        Payloads of reports that a machine sent by itself, the oldest first; the newest 256 of them.

    Raises
    ------
    LinkError
        From every method that asks the board: :class:`LinkTimeout` if no answer comes,
        :class:`Refused` if it is an error.
    """

    def __init__(
        self,
        transport: Transport,
        params: Params | None = None,
        *,
        timeout: float = 2.0,
        retries: int = 2,
        quiet: float = 0.05,
    ):
        self._transport = transport
        self._regions = params.regions if params else None
        self._timeout = timeout
        self._retries = retries
        self._quiet = quiet
        self._heard = False
        self._sequence = 0
        self._received = bytearray()
        self._max_payload = MAX_PAYLOAD
        self.reports: deque[bytes] = deque(maxlen=256)

    def identify(self) -> Identity:
        """Ask which bitstream the board runs; later requests keep to its longest payload."""
        identity = Identity(*self._ask(Verb.IDENTIFY, answer=IDENTIFY_ANSWER))
        self._max_payload = min(MAX_PAYLOAD, identity.max_payload)
        return identity

    def read(self, region: Region | str, address: int = 0, count: int | None = None) -> np.ndarray:
        """Read words of a region, in as few frames as possible.

        Parameters
        ----------
        region : Region or str
        address : int
            The first word.
        count : int, optional
            All up to the end if left out.

        Returns
        -------
        ndarray of uint8, shape (count, word_bytes)
        """
        region = self._region(region)
        count = region.depth - address if count is None else count
        self._check_range(region, address, count)
        per_frame = self._words_per_frame(region, 0)
        words = bytearray()
        for start in range(address, address + count, per_frame):
            n = min(per_frame, address + count - start)
            request = READ.pack(region.index, start, n)
            words += self._exchange(Verb.READ, request, n * region.word_bytes)
        return np.frombuffer(words, np.uint8).reshape(count, region.word_bytes)

    def write(self, region: Region | str, address: int, words) -> None:
        """Write words to a region, in as few frames as possible.

        If this fails half-way, the words before are written.

        Parameters
        ----------
        region : Region or str
        address : int
            The first word.
        words : array_like of uint8, shape (count, word_bytes)
        """
        region = self._region(region)
        words = _words(words, region)
        self._check_range(region, address, len(words))
        per_frame = self._words_per_frame(region, WRITE.size)
        for start in range(0, len(words), per_frame):
            head = WRITE.pack(region.index, address + start)
            self._exchange(Verb.WRITE, head + words[start : start + per_frame].tobytes())

    def fill(self, region: Region | str, address: int, count: int, word: int | bytes) -> None:
        """Write one word many times, in one frame.

        Parameters
        ----------
        region : Region or str
        address : int
            The first word.
        count : int
            How many.
        word : int or bytes
            An int that fits the word, or ``word_bytes`` bytes.
        """
        region = self._region(region)
        if isinstance(word, int):
            if word < 0 or word >> region.width:
                raise InputError(f"word must fit {region.width} bits of {region.name}, not {word}")
            word = word.to_bytes(region.word_bytes, "little")
        words = _words(word, region)
        if len(words) != 1:
            raise InputError(f"word must be one word, not {len(words)}")
        self._check_range(region, address, count)
        self._exchange(Verb.FILL, FILL.pack(region.index, address, count) + words.tobytes())

    def run(
        self,
        *,
        train: bool,
        internal: bool,
        flush: bool,
        first: int,
        count: int,
    ) -> None:
        """Start a run of ``count`` samples and return; :meth:`status` tells when it is over.

        Parameters
        ----------
        train, internal, flush, first, count
            See :class:`popflip.rtl.interface.RunLayout`.
        """
        for name, value, least in (("first", first, 0), ("count", count, 1)):
            if not least <= value < 1 << SAMPLE_BITS:
                raise InputError(f"{name} must be {least} to 2**{SAMPLE_BITS} - 1, not {value}")
        flags = RunFlags.TRAIN * train | RunFlags.INTERNAL * internal | RunFlags.FLUSH * flush
        self._exchange(Verb.RUN, RUN.pack(flags, first, count))

    def stop(self) -> None:
        """End the run, if one is on, after the sample in hand."""
        self._exchange(Verb.STOP)

    def status(self) -> LinkStatus:
        """Ask whether a run is on, and how the link does."""
        busy, good, bad = self._ask(Verb.STATUS, answer=STATUS_ANSWER)
        return LinkStatus(busy=bool(busy), good_frames=good, bad_frames=bad)

    def listen(self, timeout: float) -> None:
        """Wait for reports, without a request.

        Parameters
        ----------
        timeout : float
            Seconds to wait at most.
        """
        wait = _Wait(self._transport, timeout)
        while not self.reports:
            for _ in self._frames():
                pass  # Answers that nobody waits for any more.
            if not self.reports:
                chunk = wait.read()
                if not chunk:
                    return
                self._received += chunk

    def resync(self) -> None:
        """Close any fragment at the board, and discard whatever it still sends.

        Raises
        ------
        LinkTimeout
            If the line does not fall silent.
        """
        self._transport.write(b"\0")
        self._received.clear()
        start = self._transport.now()
        # As long as a late answer may take, and the quiet after it.
        seconds = self._timeout + self._transport.line_seconds(LONGEST) + self._quiet
        wait = _Wait(self._transport, seconds)
        while wait.read(self._quiet):
            pass
        if wait.over:
            took = self._transport.now() - start
            raise LinkTimeout(
                f"{self._transport.title or 'the line'} is never silent, as a popflip board would "
                f"be ({wait.received} bytes in {took:.1f} s){self._advice()}"
            )

    # One request ----------------------------------------------------------------------------

    def _region(self, region: Region | str) -> Region:
        if isinstance(region, Region):
            return region
        if self._regions is None:
            known = "a Region (without params, none has a name)"
        elif region in self._regions.names:
            return self._regions[region]
        else:
            known = ", ".join(self._regions.names)
        raise InputError(f"region must be {known}, not {region!r}")

    def _check_range(self, region: Region, address: int, count: int) -> None:
        # The board checks too, but would have done the first frames of several by then.
        if address < 0 or count < 0 or address + count > region.depth:
            raise InputError(
                f"words must lie in 0 to {region.depth - 1} of {region.name}, "
                f"not {count} from {address} on"
            )

    def _words_per_frame(self, region: Region, head: int) -> int:
        words = (self._max_payload - head) // region.word_bytes
        if words < 1:
            raise LinkError(
                f"a word of {region.name} does not fit the board's frames "
                f"of {self._max_payload} bytes"
            )
        return words

    def _ask(self, verb: Verb, answer: struct.Struct) -> tuple:
        return answer.unpack(self._exchange(verb, b"", answer.size))

    def _exchange(self, verb: Verb, request: bytes = b"", expected: int = 0) -> bytes:
        """Send a request, wait for its answer, and return the ``expected`` bytes of its payload."""
        for more in reversed(range(1 + self._retries)):
            # 0 is what the board answers to frames that it could not read.
            self._sequence = self._sequence % 255 + 1
            # The zero in front closes whatever noise has opened.
            self._transport.write(b"\0" + encode_frame(self._sequence, verb, request))
            try:
                answer = self._await_answer(verb, Frame(self._sequence, verb, request))
            except LinkTimeout:
                if not more or verb not in _IDEMPOTENT:
                    raise
                self.resync()
                continue
            # Whatever the verb, a request that arrived damaged has done nothing.
            if not more or answer.kind not in _DAMAGED:
                break
        if answer.kind != Status.OK:
            raise Refused(verb, answer.kind)
        if len(answer.payload) != expected:
            raise LinkError(
                f"the answer to {verb.name} must have {expected} bytes, "
                f"not {len(answer.payload)}: is this another bitstream?"
            )
        return answer.payload

    def _await_answer(self, verb: Verb, sent: Frame) -> Frame:
        """Wait for the answer with the sequence number of what was sent.

        No answer is equal to its request, so what is equal is an echo.
        """
        # A request and two answers, one of them to a request before, on a slow line.
        wait = _Wait(self._transport, self._timeout + self._transport.line_seconds(3 * LONGEST))
        damage = ""
        while True:
            for frame in self._frames():
                if isinstance(frame, FrameError):
                    damage = str(frame)
                elif frame == sent:
                    damage = "an echo of the request"
                elif frame.sequence == sent.sequence:
                    return frame
                else:
                    damage = f"an answer to request {frame.sequence}, not {sent.sequence}"
            if self._begun():
                wait.prolong()
            chunk = wait.read()
            if not chunk:
                raise LinkTimeout(self._complaint(verb, wait.received, damage))
            self._received += chunk

    def _begun(self) -> bool:
        """Whether what has arrived last is the beginning of the answer."""
        # COBS puts one byte before the version and the sequence number, of which neither is 0.
        return bytes(self._received[1:3]) == bytes((VERSION, self._sequence))

    def _complaint(self, verb: Verb, received: int, damage: str) -> str:
        title = self._transport.title or ("the line" if received else "")
        text = f"no answer to {verb.name} within {self._timeout:g} s"
        if title:
            text += f" from {title}"
        if received:
            what = f"the last: {damage}" if damage else "no frame among them"
            text += f", which talks, but not as a popflip board does ({received} bytes; {what})"
        if verb not in _IDEMPOTENT:
            text += "; whether it was heard, STATUS may tell"
        return text + self._advice()

    def _advice(self) -> str:
        """What to try, as long as nothing has shown that the line is right."""
        if self._heard:
            return ""
        return f"; {self._transport.advice}" if self._transport.advice else ""

    def _frames(self) -> Iterator[Frame | FrameError]:
        """Take the frames that have arrived whole; keep reports for whoever wants them."""
        while (end := self._received.find(0)) >= 0:
            raw = bytes(self._received[:end])
            del self._received[: end + 1]
            if not raw:
                continue
            try:
                frame = decode_frame(raw)
            except FrameError as error:
                yield error
                continue
            self._heard = True
            if frame.sequence == 0 and frame.kind == Status.REPORT:
                self.reports.append(frame.payload)
            else:
                yield frame
        if len(self._received) > LONGEST:
            self._received.clear()
            yield FrameError(f"more than {LONGEST} bytes without a zero, which closes a frame")


def _words(words, region: Region) -> np.ndarray:
    """View bytes, or an array of bytes, as words of a region."""
    if isinstance(words, bytes | bytearray | memoryview):
        words = np.frombuffer(words, np.uint8)
    words = np.asarray(words)
    if words.dtype != np.uint8:  # A conversion might cut.
        raise TypeError(f"words must be uint8, not {words.dtype}")
    if words.size % region.word_bytes:
        raise InputError(
            f"words of {region.name} must have {region.word_bytes} bytes each, "
            f"not {words.size} bytes in all"
        )
    return words.reshape(-1, region.word_bytes)
