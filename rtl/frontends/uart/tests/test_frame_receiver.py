import random

import pytest

from popflip.golden.description.protocol import (
    CRC,
    CRC_BYTES,
    HEADER,
    MAX_PAYLOAD,
    VERSION,
    Status,
    Verb,
)
from popflip.rtl.frontends.uart.frame_receiver import FrameReceiver
from popflip.rtl.simulation import simulate


def frame(sequence=9, verb=Verb.WRITE, payload=b"", *, version=VERSION, error=0):
    body = HEADER.pack(version, sequence, verb) + payload
    return body + (CRC.compute(body) ^ error).to_bytes(CRC_BYTES, "little")


class Line:
    """The tokens of frames, one each cycle."""

    def __init__(self, dut):
        self.dut, self.request = dut, dut.requests

    async def send(self, ctx, data, *, broken=0):
        """Send a frame; return whether there is a complaint, and of which status and sequence."""
        ctx.set(self.dut.i.valid, 1)
        for byte in data:
            ctx.set(self.dut.i.p.data, byte)
            await ctx.tick()
            assert ctx.get(self.request.complaint) == 0
        ctx.set(self.dut.i.p.last, 1)
        ctx.set(self.dut.i.p.broken, broken)
        await ctx.delay(0)
        answer = [
            ctx.get(value)
            for value in (self.request.complaint, self.request.status, self.request.sequence)
        ]
        await ctx.tick()
        ctx.set(self.dut.i.valid, 0)
        ctx.set(self.dut.i.p.last, 0)
        ctx.set(self.dut.i.p.broken, 0)
        return answer

    async def read(self, ctx, count):
        """Return bytes of the payload that is held."""
        data = []
        for number in range(count):
            ctx.set(self.request.address, (HEADER.size + number) % MAX_PAYLOAD)
            await ctx.tick()
            data.append(ctx.get(self.request.data))
        return bytes(data)

    async def release(self, ctx):
        ctx.set(self.request.release, 1)
        await ctx.tick()
        ctx.set(self.request.release, 0)
        await ctx.delay(0)


@pytest.mark.parametrize("size", [0, 1, 7, MAX_PAYLOAD])
def test_holds_a_good_frame(size):
    dut = FrameReceiver()
    line = Line(dut)
    payload = random.Random(size).randbytes(size)

    async def bench(ctx):
        for round_number, verb in enumerate((Verb.FILL, 200, 0x0A)):
            complaint, status, _ = await line.send(ctx, frame(33, verb, payload))
            assert (complaint, status) == (0, Status.OK)
            request = dut.requests
            assert ctx.get(request.held) == 1
            assert ctx.get(request.sequence) == 33
            assert ctx.get(request.verb) == (verb if verb == Verb.FILL else 0)
            assert ctx.get(request.size) == HEADER.size + size
            assert await line.read(ctx, size) == payload
            # Another is dropped whole, however it ends.
            assert (await line.send(ctx, frame(34)))[0] == 0
            assert (ctx.get(request.held), ctx.get(request.sequence)) == (1, 33)
            assert await line.read(ctx, size) == payload
            await line.release(ctx)
            assert ctx.get(request.held) == 0
            assert ctx.get(request.good) == ctx.get(request.bad) == round_number + 1

    simulate(dut, bench)


DAMAGED = {
    "crc": (frame(error=0x0100), 0, Status.BAD_CRC, 9),
    "crc-low": (frame(error=0x0001), 0, Status.BAD_CRC, 9),
    "version": (frame(version=VERSION + 1), 0, Status.BAD_VERSION, 9),
    "broken": (frame(), 1, Status.BAD_FRAME, 9),
    "no-verb": (frame()[:4], 0, Status.BAD_FRAME, 9),
    "short": (frame()[:3], 0, Status.BAD_FRAME, 0),
    "empty": (b"", 0, Status.BAD_FRAME, 0),
    "oversize": (frame(payload=bytes(MAX_PAYLOAD + 1)), 0, Status.OVERSIZE, 9),
    "endless": (frame(payload=bytes(3 * MAX_PAYLOAD)), 0, Status.OVERSIZE, 9),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_complains_about_a_bad_frame_and_takes_the_next(case):
    data, broken, status, sequence = DAMAGED[case]
    dut = FrameReceiver()
    line = Line(dut)

    async def bench(ctx):
        assert await line.send(ctx, data, broken=broken) == [1, status, sequence]
        assert ctx.get(dut.requests.held) == 0
        assert ctx.get(dut.requests.bad) == 1
        assert (await line.send(ctx, frame(payload=b"abc")))[:2] == [0, Status.OK]
        assert ctx.get(dut.requests.held) == 1
        assert await line.read(ctx, 3) == b"abc"

    simulate(dut, bench)
