import numpy as np
import pytest

from popflip.golden.description.flash_image import write_image
from popflip.golden.description.params import Params
from popflip.rtl.simulation import simulate
from popflip.rtl.standalone.image_head import ImageHead, head_bytes

PARAMS = Params.build({
    "network": {"image": [5, 9], "first": "local", "window": 3, "stride": 2, "features": 2},
    "dynamics": {"gains": [1, 1]},
    "learning": {"tau": [1, 1]},
    "machine": {"row_lanes": 9, "relax_lanes": 2, "latent_lanes": [1, 1]},
    "standalone": {"flash": "quad", "order_bits": 10},
})
TRAIN, TEST = 700, 260
SIZE = head_bytes(PARAMS)


def head_of(params):
    parts = [np.zeros((n, params.sample_bytes), np.uint8) for n in (TRAIN, TEST)]
    return write_image(params, *parts)[:SIZE]


def read(content):
    dut = ImageHead(PARAMS)
    found = []

    async def bench(ctx):
        for byte in content:
            assert ctx.get(dut.ready) == 0
            ctx.set(dut.byte, byte)
            ctx.set(dut.held, 1)
            await ctx.tick()
            ctx.set(dut.held, 0)
            ctx.set(dut.byte, 0x55)
            await ctx.tick()
        # What follows is not looked at.
        ctx.set(dut.held, 1)
        for _ in range(5):
            assert ctx.get(dut.ready) == 1
            await ctx.tick()
        found.extend(ctx.get(value) for value in (dut.found, dut.train, dut.test))

    simulate(dut, bench)
    return found


def test_finds_the_counts():
    assert read(head_of(PARAMS)) == [1, TRAIN, TEST]


@pytest.mark.parametrize("at", [0, 3, SIZE - 7])
def test_knows_what_is_no_image_for_this_network(at):
    content = bytearray(head_of(PARAMS))
    content[at] ^= 0x10
    assert read(content)[0] == 0


def test_other_samples_are_of_another_kind():
    other = PARAMS.replace(network={"image": [6, 9]})
    assert read(head_of(other))[0] == 0
    assert read(b"\xff" * SIZE)[0] == 0
