"""Scenarios of requests that a machine must refuse: bad frames, and what lies out of bounds."""

from collections.abc import Callable
from functools import partial

import numpy as np
from cobs import cobs

from popflip.cocotb_tests.stimulus import Stimulus
from popflip.golden.description.layout import Region
from popflip.golden.description.packing import bits_to_bytes
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    CRC,
    CRC_BYTES,
    FILL,
    HEADER,
    MAX_PAYLOAD,
    READ,
    RUN,
    STATUS_ANSWER,
    VERSION,
    WRITE,
    RunFlags,
    Status,
    Verb,
)
from popflip.scripts.campaigns.scenarios.scenario import STORED, JudgedStimulus, Scenario

__all__ = ["asks_at_once", "asks_bounds", "asks_long", "counts", "refuses"]

#: The shortest frame: no byte is in it.
_NOTHING = b"\x01\0"


def counts(params: Params) -> Scenario:
    """Send good and bad frames in turns, then so many that all but the high bits of counts move.

    Those are 13 bits of the bad ones, and, as each of them takes an answer, 12 of the good ones.
    """
    judged = JudgedStimulus(params)
    for _ in range(260):
        judged.send(_NOTHING)
        judged.ask(Verb.STATUS)
    samples = judged.regions["samples"]
    most = min(MAX_PAYLOAD, samples.depth)
    stimulus = judged.stimulus
    while judged.bad < 1 << 12:
        # While a long answer leaves, what comes is dropped and counted, even if it is good.
        judged.ask(Verb.READ, READ.pack(samples.index, 0, most))
        n = max(0, most // len(_NOTHING) - 8)
        stimulus.steps[-1] = (
            "ask",
            stimulus.steps[-1][1] + n * _NOTHING + stimulus.frame(Verb.STATUS),
        )
        judged.bad += n + 1
        judged.ask(Verb.STATUS)
    while judged.good < 1 << 11:
        judged.ask(Verb.STOP)
    judged.ask(Verb.STATUS)
    return judged.scenario()


def _kept(params: Params, region: Region, rng):
    """Draw words of a region, only bits that are kept: the last memory may hold fewer."""
    bits = rng.random((region.depth, 8 * region.word_bytes)) < 0.5
    widths = [region.width]
    if region.part:
        widths = params.synapses(int(region.name.removeprefix("weights"))).part_widths
    for address, word in enumerate(bits):
        word[widths[address // region.part if region.part else 0] :] = False
    return bits_to_bytes(bits)


def _settings(params: Params, rng) -> list[dict[str, int]]:
    """Draw values of the registers that keep what is written to them, and their complements."""
    kept = [r for r in params.registers if r.writable and not r.command]
    sizes = {register.name: register.bits for register in kept}
    values = {name: int(rng.integers(1 << bits)) for name, bits in sizes.items()}
    return [values, {name: value ^ (1 << sizes[name]) - 1 for name, value in values.items()}]


def refuses(params: Params, seed: int = 3) -> Scenario:
    """Send bad frames of every kind: each is answered and counted, and changes nothing."""
    return _Refusals(params, np.random.default_rng(seed)).scenario()


class _Refusals:
    """What :func:`refuses` sends, part by part, and what its judgement needs of it.

    Parameters
    ----------
    params : Params
    rng : numpy.random.Generator
    """

    def __init__(self, params: Params, rng: np.random.Generator):
        self.params, self.rng, self.stimulus = params, rng, Stimulus(params)
        self.regions = params.regions
        self.names = [name for name in self.regions.names if name.startswith(STORED)]
        self.bad = 0
        self.written: dict[str, np.ndarray] = {}
        self.registers: list[list[int]] = []

    def scenario(self) -> Scenario:
        """Send everything, and return the scenario of it."""
        stimulus = self.stimulus
        self._write_memories()
        target = self.regions["weights0"]
        self.write = WRITE.pack(target.index, 0) + bytes(target.word_bytes)
        good = stimulus.frame(Verb.WRITE, self.write)
        self._send_damaged(cobs.decode(good[:-1]))
        self._ask_malformed(target)
        self._ask_out_of_range(target)
        self._vanish(good)
        # Zeros between frames are none.
        stimulus.ask(b"\0\0\0" + stimulus.frame(Verb.STATUS))
        self.after = [stimulus.read(name) for name in self.names]
        self._fill()
        # Good frames, with that of the status itself.
        self.good = sum(answer is not None for answer in stimulus.expected) - self.bad + 1
        self.status = stimulus.request(Verb.STATUS)
        self._ask_in_a_run(target)
        return Scenario(stimulus, self._judge)

    def _write_memories(self) -> None:
        """Write all that can be written, and read it back."""
        stimulus = self.stimulus
        for name in self.names:
            words = _kept(self.params, self.regions[name], self.rng)
            stimulus.write(name, 0, words)
            self.written[name] = words
        self.before = [stimulus.read(name) for name in self.names]
        self.settings = _settings(self.params, self.rng)
        for values in self.settings:
            stimulus.set(**values)
            self.registers.append(stimulus.read("registers"))

    def _send_damaged(self, body: bytes) -> None:
        """Send frames with a wrong checksum, length or version, and one that is no frame."""
        stimulus = self.stimulus
        stimulus.ask(cobs.encode(body[:-1] + bytes([body[-1] ^ 1])) + b"\0", Status.BAD_CRC)
        stimulus.ask(cobs.encode(body[:-1]) + b"\0", Status.BAD_CRC)  # truncated
        stimulus.ask(cobs.encode(body[:4]) + b"\0", Status.BAD_FRAME)
        stimulus.ask(b"\x05\x01\0", Status.BAD_FRAME, sequence=0)  # broken COBS
        too_much = HEADER.pack(VERSION, 77, Verb.WRITE) + self.write + bytes(MAX_PAYLOAD)
        too_much += CRC.compute(too_much).to_bytes(2, "little")
        stimulus.ask(cobs.encode(too_much) + b"\0", Status.OVERSIZE, sequence=77)
        self.bad += 5
        for bit in range(8):
            other = HEADER.pack(VERSION ^ 1 << bit, 78, Verb.WRITE) + self.write
            other += CRC.compute(other).to_bytes(2, "little")
            stimulus.ask(cobs.encode(other) + b"\0", Status.BAD_VERSION, sequence=78)
            self.bad += 1

    def _ask_malformed(self, target: Region) -> None:
        """Ask for verbs that there are not, and for verbs with too few or too many bytes."""
        stimulus, write = self.stimulus, self.write
        for unknown in (99, *(Verb.WRITE | 1 << bit for bit in range(4, 8))):
            stimulus.request(unknown, write, Status.UNKNOWN_VERB)
        stimulus.request(Verb.WRITE, write[:4], Status.BAD_LENGTH)
        if target.word_bytes > 1:
            stimulus.request(Verb.WRITE, write + b"\0", Status.BAD_LENGTH)
        stimulus.request(Verb.READ, b"\0\0\0", Status.BAD_LENGTH)

    def _ask_out_of_range(self, target: Region) -> None:
        """Ask for regions, words, runs and lengths that there are not."""
        stimulus, regions = self.stimulus, self.regions
        index, depth, word_bytes = target.index, target.depth, target.word_bytes
        for each in regions:
            for address, count in ((each.depth, 1), (each.depth - 1, 2)):
                request = READ.pack(each.index, address, count)
                stimulus.request(Verb.READ, request, Status.OUT_OF_RANGE)
        for verb, payload in (
            (Verb.READ, READ.pack(len(regions), 0, 1)),
            (Verb.READ, READ.pack(index, depth, 1)),
            (Verb.READ, READ.pack(index, 0, depth + 1)),
            (Verb.READ, READ.pack(index, 1 << 31, 1)),
            (Verb.WRITE, WRITE.pack(index, depth) + bytes(word_bytes)),
            (Verb.WRITE, WRITE.pack(index, depth - 1) + bytes(2 * word_bytes)),
            (Verb.FILL, FILL.pack(index, 1, depth) + bytes(word_bytes)),
            (Verb.FILL, FILL.pack(index, 0, (1 << 32) - 1) + bytes(word_bytes)),
            (Verb.RUN, RUN.pack(0, 0, 0)),
        ):
            stimulus.request(verb, payload, Status.OUT_OF_RANGE)
        samples = regions["samples"]
        if samples.depth > MAX_PAYLOAD:
            stimulus.request(Verb.READ, READ.pack(samples.index, 0, MAX_PAYLOAD))
            too_long = READ.pack(samples.index, 0, MAX_PAYLOAD + 1)
            stimulus.request(Verb.READ, too_long, Status.OUT_OF_RANGE)

    def _vanish(self, good: bytes) -> None:
        """Vanish in the middle of a frame; a host that is back closes what was open."""
        stimulus = self.stimulus
        for cut in (1, 4, len(good) - 3):
            stimulus.steps.append(("send", good[:cut]))
            stimulus.silence()
            # Its sequence number is known only if enough came to tell it from the checksum.
            known = good[2] if cut > HEADER.size + CRC_BYTES else 0
            frame = stimulus.frame(Verb.STATUS)
            stimulus.ask(b"\0" + frame, Status.BAD_FRAME, sequence=known)
            stimulus.ask(b"", Status.OK)
            self.bad += 1

    def _fill(self) -> None:
        """Fill all but the first and the last word of a region."""
        self.filled = self.regions["latents0"]
        [self.word] = _kept(self.params, self.filled._replace(depth=1), self.rng)
        middle = FILL.pack(self.filled.index, 1, self.filled.depth - 2)
        self.stimulus.request(Verb.FILL, middle + self.word.tobytes())
        self.behind = self.stimulus.read("latents0")

    def _ask_in_a_run(self, target: Region) -> None:
        """Ask for what is refused during a run.

        While a run waits for a sample that does not come, or is far from its end, its memories are
        its own.
        """
        stimulus = self.stimulus
        stimulus.request(Verb.RUN, RUN.pack(RunFlags.TRAIN, 0, (1 << 24) - 1))
        stimulus.request(Verb.WRITE, self.write, Status.BUSY)
        stimulus.request(Verb.READ, READ.pack(target.index, 0, 1), Status.BUSY)
        stimulus.request(Verb.RUN, RUN.pack(RunFlags.TRAIN, 0, 1), Status.BUSY)
        self.waiting = stimulus.request(Verb.STATUS)
        self.waits = [stimulus.read("registers") for _ in range(2)]

    def _judge(self, answers) -> None:
        words = self.stimulus.words
        for name, first, second in zip(self.names, self.before, self.after, strict=True):
            assert [answers[i] for i in first] == [answers[i] for i in second], name
        reads = zip([self.regions[name] for name in self.names], self.before, strict=True)
        kept_words = words(answers, [*reads])
        for (name, written), kept in zip(self.written.items(), kept_words, strict=True):
            # Between the parts of a region there is nothing.
            there = [self.regions[name].holds(address) for address in range(len(written))]
            assert (kept[there] == written[there]).all(), name
        [kept] = words(answers, [(self.filled, self.behind)])
        assert (kept[1:-1] == self.word).all()
        assert (kept[[0, -1]] == self.written["latents0"][[0, -1]]).all()
        for values, numbers in zip(self.settings, self.registers, strict=True):
            assert values.items() <= self._register_values(answers, numbers).items()
        busy, *counted = STATUS_ANSWER.unpack(answers[self.status])
        assert (busy, counted) == (0, [self.good, self.bad])
        assert STATUS_ANSWER.unpack(answers[self.waiting])[0] == 1
        self._judge_cycles(answers)

    def _judge_cycles(self, answers) -> None:
        """Each cycle counts for some stage, about as many as the second answer took to come."""
        first, second = (
            sum(
                count
                for name, count in self._register_values(answers, numbers).items()
                if name.startswith("cycles_")
            )
            for numbers in self.waits
        )
        frame = HEADER.size + CRC_BYTES + 2
        sent = len(self.waits[1]) * (2 * frame + READ.size) + self.regions["registers"].n_bytes
        cycles = self.params.machine.uart_divisor * 10 * sent
        assert 0.8 * cycles < second - first < 1.3 * cycles

    def _register_values(self, answers, numbers) -> dict[str, int]:
        [kept] = self.stimulus.words(answers, [(self.regions["registers"], numbers)])
        return self.params.registers.decode(kept.copy().view("<u4")[:, 0].tolist())


def asks_bounds(params: Params, seed: int = 10) -> Scenario:
    """Ask for what is just there and what just is not: lengths, regions, words, runs."""
    judged, rng = JudgedStimulus(params), np.random.default_rng(seed)
    stored = [r for r in judged.regions if r.name.startswith(STORED)]
    for region in stored:
        fill = FILL.pack(region.index, 0, region.depth)
        judged.ask(Verb.FILL, fill + rng.bytes(region.word_bytes))

    # One bit of a frame is another, or its end is missing.
    for bit in range(8 * (HEADER.size + CRC_BYTES)):
        body = bytearray(cobs.decode(judged.stimulus.frame(Verb.STOP)[:-1]))
        body[bit // 8] ^= 1 << bit % 8
        judged.send(cobs.encode(body) + b"\0")
    for size in range(HEADER.size + CRC_BYTES):
        judged.send(cobs.encode(body[:size]) + b"\0")
    for verb in Verb:
        for bit in range(Verb.STATUS.bit_length(), 8):
            judged.ask(verb ^ 1 << bit)
    judged.ask(0)

    # Every length, the longest first: what a short one should not write is not written over. All
    # ask for word 1, or, of RUN, for flags and samples that there are.
    layouts = {Verb.READ: READ, Verb.WRITE: WRITE, Verb.FILL: FILL, Verb.RUN: RUN}
    for verb in Verb:
        for region in stored if verb in (Verb.WRITE, Verb.FILL) else stored[:1]:
            arguments = b""
            if verb in layouts:
                arguments = layouts[verb].pack(region.index, 1, *[1] * (verb != Verb.WRITE))
            least = 0 if region == stored[0] else len(arguments)
            for size in range(len(arguments) + 2 * region.word_bytes + 1, least - 1, -1):
                if verb != Verb.RUN or size != RUN.size:
                    judged.ask(verb, (arguments + rng.bytes(size))[:size])

    for index in [*range(17), *(stored[0].index | 1 << bit for bit in range(4, 8))]:
        judged.ask(Verb.READ, READ.pack(index, 0, 1))
        judged.ask(Verb.FILL, FILL.pack(index, 0, 0) + b"\0")
    for region in judged.regions:
        end, most = region.depth, MAX_PAYLOAD // region.word_bytes
        for at, count in ((end, 0), (0, 0), (end - 1, 1), (end, 1), (0, end + 1), (0, most + 1)):
            judged.ask(Verb.READ, READ.pack(region.index, at, count))
    # One bit of an address or a count is another than in one that there is.
    for bit in range(32):
        region = stored[bit % len(stored)]
        at = int(rng.integers(region.depth))
        count = int(rng.integers(1, min(4, region.depth - at) + 1))
        word, other = rng.bytes(region.word_bytes), 1 << bit
        judged.ask(Verb.READ, READ.pack(region.index, at ^ other, count))
        judged.ask(Verb.WRITE, WRITE.pack(region.index, at ^ other) + count * word)
        judged.ask(Verb.FILL, FILL.pack(region.index, at ^ other, count) + word)
        judged.ask(Verb.FILL, FILL.pack(region.index, at, count ^ other) + word)
        if bit < 16:
            judged.ask(Verb.READ, READ.pack(region.index, at, count ^ other))
        if bit >= 24:
            judged.ask(Verb.RUN, RUN.pack(0, other, 1))
            judged.ask(Verb.RUN, RUN.pack(0, 0, 1 | other))
    for flag in (8, 16, 32, 64, 128):
        judged.ask(Verb.RUN, RUN.pack(flag, 0, 1))
    judged.check()
    return judged.scenario()


def asks_at_once(params: Params) -> Scenario:
    """Send a frame right behind another.

    While a request is executed and answered, what comes is dropped and counted. Behind one that is
    refused, or damaged, it is answered.
    """
    judged = JudgedStimulus(params)
    stimulus, region = judged.stimulus, judged.regions["weights0"]
    word = bytes(region.word_bytes)
    for verb, payload in (
        (Verb.IDENTIFY, b""),
        (Verb.STOP, b""),
        (Verb.READ, READ.pack(region.index, 0, 1)),
        (Verb.WRITE, WRITE.pack(region.index, 0) + word),
        (Verb.FILL, FILL.pack(region.index, 0, 1) + word),
        (Verb.RUN, RUN.pack(RunFlags.INTERNAL, 0, 1)),
    ):
        judged.ask(verb, payload)
        # Its request would be executed, and answered, if it were not dropped.
        stimulus.steps[-1] = ("ask", stimulus.steps[-1][1] + stimulus.frame(Verb.STATUS))
        judged.bad += 1
        stimulus.silence(1000)  # More than the run takes.
        judged.ask(Verb.STATUS)
    damaged = bytearray(cobs.decode(stimulus.frame(Verb.STOP)[:-1]))
    damaged[-1] ^= 1
    frames: list[Callable[[], bytes]] = [
        lambda: cobs.encode(damaged) + b"\0",
        *(partial(stimulus.frame, verb, b"\0") for verb in (0, *Verb)),
    ]
    for frame in frames:
        judged.send(frame())
        judged.ask(Verb.STATUS)
        (_, first), (_, second) = stimulus.steps[-2:]
        stimulus.steps[-2:] = [("ask", first + second), ("ask", b"")]
    judged.check()
    return judged.scenario()


def asks_long(params: Params, seed: int = 12) -> Scenario:
    """Send and fetch bytes whose zeros are about as far apart as pieces of a frame may be long."""
    judged, rng = JudgedStimulus(params), np.random.default_rng(seed)
    samples = judged.regions["samples"]
    # A checksum follows the bytes; before the last of them may be a zero, as far from the first.
    sizes: list[tuple[int, int | None]] = [
        (size, None) for piece in (254, 508) for size in range(piece - 4, piece + 2)
    ]
    sizes += [(270, zero) for zero in (252, 253, 254, 255)]
    for size, zero in sizes:
        if size <= samples.depth:
            data = rng.integers(1, 256, size, np.uint8)
            if zero is not None:
                data[zero] = 0
            judged.ask(Verb.WRITE, WRITE.pack(samples.index, 0) + data.tobytes())
            judged.ask(Verb.READ, READ.pack(samples.index, 0, size))
    judged.ask(Verb.STATUS)
    return judged.scenario()
