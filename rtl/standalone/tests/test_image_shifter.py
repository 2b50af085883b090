import random

import numpy as np
import pytest

from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.shifts import shift_images
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.image_shifter import ImageShifter


def build(image, planes, shift):
    return Params.build({
        "network": {
            "image": image, "thresholds": [30 * (i + 1) for i in range(planes)],
            "first": "local", "window": 2, "stride": 1, "features": 1,
        },
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1], "shift": shift},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })  # fmt: skip


@pytest.mark.parametrize("handshake", ["full-rate", "starved", "backpressure", "polite"])
@pytest.mark.parametrize(
    ("image", "planes", "shift"),
    [([4, 8], 1, 1), ([5, 11], 1, 3), ([3, 6], 2, 2), ([6, 3], 1, 1), ([2, 9], 8, 1)],
    ids=["whole-byte", "far", "planes", "narrow", "a-byte-per-pixel"],
)
def test_images_move_as_golden_moves_them(image, planes, shift, handshake):
    params = build(image, planes, shift)
    rng = np.random.default_rng(5)
    moves = [(x, y) for x in range(-shift, shift + 1) for y in range(-shift, shift + 1)]
    n = len(moves)
    images = rng.integers(0, 256, (n, *image), np.uint8)
    labels = rng.integers(0, 10, n)
    dx, dy = np.array(moves).T
    thresholds = params.network.thresholds
    before = pack_samples(params, encode(images, thresholds), labels)
    after = pack_samples(params, encode(shift_images(images, dx, dy), thresholds), labels)
    # The sample buffer takes a row's bits and leaves what pads them.
    width = params.sample_word_bits
    mask = np.frombuffer(((1 << width) - 1).to_bytes((width + 7) // 8, "little"), np.uint8)
    mask = np.append(np.tile(mask, image[0]), 255)

    dut = ImageShifter(params)
    got, taken = [], []
    pick = random.Random(1)

    async def give(ctx):
        for number, sample in enumerate(before):
            ctx.set(dut.dx, int(dx[number]))
            ctx.set(dut.dy, int(dy[number]))
            ctx.set(dut.begin, 1)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            ctx.set(dut.dx, 0)
            for byte in sample.tolist():
                while handshake == "starved" and pick.random() < 0.7:
                    ctx.set(dut.i.valid, 0)
                    await ctx.tick()
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(dut.i.ready)
                taken.append(byte)
            ctx.set(dut.i.valid, 0)
            while len(got) < (number + 1) * params.sample_bytes:
                await ctx.tick()

    async def take(ctx):
        ready, held = handshake != "polite", None
        while len(got) < after.size:
            ctx.set(dut.o.ready, ready)
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if held is not None:
                assert (valid, byte) == (1, held), "a stalled byte moved"
            held = byte if valid and not ready else None
            if valid and ready:
                got.append(byte)
            if handshake == "polite":
                ready = held is not None
            elif handshake == "backpressure":
                ready = pick.random() < 0.3

    simulate(dut, give, take, deadline=50_000)
    np.testing.assert_array_equal(np.reshape(got, after.shape) & mask, after)
