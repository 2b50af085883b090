import random

import pytest
from cobs import cobs

from popflip.rtl.primitives.cobs import CobsDecoder, CobsEncoder
from popflip.rtl.simulation import simulate

# How often a producer offers, and a consumer takes, in each cycle; a polite consumer is ready only
# once something is offered.
HANDSHAKES = {
    "full-rate": (1, 1, False),
    "backpressure": (1, 0.4, False),
    "starved": (0.4, 1, False),
    "polite": (0.7, 0.5, True),
}


def pass_through(dut, sent, handshake):
    """Send items through a block, until it has been silent for long, and return what leaves.

    On the way, a stalled output must hold still.
    """
    offer, take, polite = HANDSHAKES[handshake]
    rng = random.Random(len(sent))
    got = []
    over = False

    async def producer(ctx):
        nonlocal over
        for item in sent:
            while rng.random() >= offer:
                await ctx.tick()
            ctx.set(dut.i.payload, item)
            ctx.set(dut.i.valid, 1)
            async for _, _, ready in ctx.tick().sample(dut.i.ready):
                if ready:
                    break
            ctx.set(dut.i.valid, 0)
        silence = 0
        while silence < 40:
            seen = len(got)
            await ctx.tick()
            silence = silence + 1 if len(got) == seen else 0
        over = True

    async def consumer(ctx):
        stalled = None
        while not over:
            ready = rng.random() < take and (not polite or ctx.get(dut.o.valid))
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if stalled is not None:
                assert valid, f"withdrew {stalled} behind item {len(got)}"
                assert payload == stalled, f"changed while stalled behind item {len(got)}"
            stalled = payload if valid and not ready else None
            if valid and ready:
                got.append(payload)

    simulate(dut, producer, consumer, deadline=40 * len(sent) + 400)
    return got


def bodies():
    """Frames at the edges of the code, and random ones with many zeros or none."""
    rng = random.Random(5)
    fixed = [b"\0", b"\0\0", b"\1", b"\1\0", b"\0\1", b"\xff" * 253, b"\xff" * 254, b"\xff" * 255]
    fixed += [b"\1" * 254 + b"\0", b"\0" + b"\2" * 254, b"\3" * 508, b"\3" * 509 + b"\0\0"]
    dense = [
        bytes(rng.choice((0, 0, 1, 255)) for _ in range(rng.randrange(1, 20))) for _ in "12345"
    ]
    return [b"", *fixed, *dense, rng.randbytes(300)]


def tokens_of(frames):
    """Frames as the token stream; ``None`` marks a broken end."""
    tokens = []
    for body, broken in frames:
        tokens += [{"data": byte, "last": 0, "broken": 0} for byte in body]
        tokens.append({"data": 0, "last": 1, "broken": int(broken)})
    return tokens


def frames_of(tokens):
    """Undo :func:`tokens_of`."""
    frames, body = [], bytearray()
    for token in tokens:
        if token.last:
            frames.append((bytes(body), bool(token.broken)))
            body.clear()
        else:
            body.append(token.data)
    assert not body, f"a frame without end: {bytes(body)!r}"
    return frames


@pytest.mark.parametrize("handshake", HANDSHAKES)
def test_encoder_equals_the_library(handshake):
    sent = tokens_of((body, False) for body in bodies())
    got = bytes(pass_through(CobsEncoder(), sent, handshake))
    assert got.split(b"\0") == [*(cobs.encode(body) for body in bodies()), b""]


@pytest.mark.parametrize("handshake", HANDSHAKES)
def test_decoder_undoes_the_library(handshake):
    line = b"".join(cobs.encode(body) + b"\0" for body in bodies())
    got = frames_of(pass_through(CobsDecoder(), line, handshake))
    assert got == [(body, False) for body in bodies()]


def test_decoder_takes_a_byte_per_cycle():
    dut = CobsDecoder()
    line = cobs.encode(bytes(range(200))) + b"\0"

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        for byte in line:
            ctx.set(dut.i.payload, byte)
            assert ctx.get(dut.i.ready)
            await ctx.tick()

    simulate(dut, bench)


def test_decoder_ignores_empty_frames():
    frame = cobs.encode(b"abc") + b"\0"
    got = frames_of(pass_through(CobsDecoder(), b"\0\0" + frame + b"\0\0\0" + frame, "full-rate"))
    assert got == [(b"abc", False)] * 2


def test_decoder_marks_a_frame_cut_short_and_goes_on():
    frame = cobs.encode(b"abcdef") + b"\0"
    line = frame[:4] + b"\0" + frame + b"\xff\0" + frame
    got = frames_of(pass_through(CobsDecoder(), line, "full-rate"))
    assert got == [(b"abc", True), (b"abcdef", False), (b"", True), (b"abcdef", False)]


@pytest.mark.parametrize("handshake", ["full-rate", "polite"])
def test_decoder_agrees_with_the_library_on_noise(handshake):
    rng = random.Random(7)
    pieces = [
        bytes(rng.choice((1, 2, 3, 5, rng.randrange(1, 256))) for _ in range(rng.randrange(1, 12)))
        for _ in range(150)
    ]
    got = frames_of(pass_through(CobsDecoder(), b"\0".join(pieces) + b"\0", handshake))
    for number, ((body, broken), piece) in enumerate(zip(got, pieces, strict=True)):
        try:
            expected = cobs.decode(piece)
        except cobs.DecodeError:
            assert broken, f"piece {number}, {piece!r}, is broken"
        else:
            assert not broken, f"piece {number}, {piece!r}, is whole"
            assert body == expected, f"piece {number}, {piece!r}"
