"""The sample buffer's pooled windows: looks while it is driven, picked ones while it learns."""

import random

import numpy as np
import pytest

from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.rtl.layers.sample_buffer import SampleBuffer
from popflip.rtl.layers.tests.test_sample_buffer import feeder, make_samples
from popflip.rtl.simulation import simulate


def pooled(image, window, stride, pool, lanes=1, planes=1, serial=False, row_lanes=None):
    fan_in = int(np.prod(window)) * planes
    return Params.build({
        "network": {
            "image": image, "thresholds": list(range(planes)), "first": "local",
            "window": window, "stride": stride, "features": 2, "pool": pool,
        },
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {
            "row_lanes": row_lanes or fan_in, "serial_windows": serial, "pool_lanes": lanes,
        },
    })  # fmt: skip


BUFFERS = {
    "one": pooled([7, 5], [3, 2], [2, 1], 3),
    "row": pooled([8, 9], [3, 3], [2, 3], [2, 3], 3, planes=2, row_lanes=5),
    "all": pooled([7, 6], [4, 2], [1, 2], [4, 3], 12),
    "far": pooled([5, 6], [2, 2], [1, 1], [7, 6], 6),
    "line": pooled([1, 9], [1, 3], [1, 2], [3, 5], 5),
    "column": pooled([9, 2], [3, 2], [3, 1], [4, 1], 4),
    "whole": pooled([4, 4], [4, 4], [1, 1], 2, 4),
    "serial": pooled([7, 6], [3, 2], [2, 3], [3, 4], planes=3, serial=True),
    "serial-far": pooled([5, 6], [2, 3], [1, 1], [6, 5], serial=True),
    "serial-line": pooled([1, 9], [1, 3], [1, 2], [2, 5], serial=True),
    "serial-whole": pooled([4, 4], [4, 4], [1, 1], 3, serial=True),
}
buffers = pytest.mark.parametrize("name", BUFFERS)


def looks_of(params):
    """Of each position, the offsets of each look's windows, and whether these are inside."""
    first, lanes = params.first_layer, params.machine.pool_lanes
    for position in range(first.positions):
        place = np.array(divmod(position, first.grid[1])) * first.stride
        moved = [place + divmod(o, first.pool[1]) - first.most_back for o in range(first.offsets)]
        fits = [
            all(0 <= c <= s - k for c, s, k in zip(m, first.image, first.kernel, strict=True))
            for m in moved
        ]
        looks = [range(low, low + lanes) for low in range(0, first.offsets, lanes)]
        if params.machine.serial_windows:
            looks = [look for look in looks if fits[look[0]]]
        yield [([*look], [fits[o] for o in look]) for look in looks]


def chunk_of(params, x, offset, position, chunk):
    lanes = params.machine.row_lanes
    bits = x[params.first_layer.pooled_windows[offset, position]][chunk * lanes :][:lanes]
    return sum(1 << i for i, bit in enumerate(bits) if bit)


class Reader:
    def __init__(self, ctx, dut, params, x):
        self.ctx, self.dut, self.params, self.x = ctx, dut, params, x
        self.rng = random.Random(3)
        self.chunks, self.serial = params.synapses(0).chunks, params.machine.serial_windows

    async def cycle(self, chunk=0, **pulses):
        """One enabled cycle, perhaps behind some in which everything stands still."""
        ctx, windows = self.ctx, self.dut.windows
        ports = ("restart", "next", *(["seek"] if self.serial else []))
        while self.rng.random() < 0.2:
            shown = self.shown()
            ctx.set(self.dut.en, 0)
            for port in ports:
                ctx.set(getattr(windows, port), self.rng.getrandbits(1))
            await ctx.tick()
            assert self.shown() == shown, "moved while frozen"
        ctx.set(self.dut.en, 1)
        for port in ports:
            ctx.set(getattr(windows, port), port in pulses)
        ctx.set(windows.chunk, chunk)
        await ctx.tick()

    def shown(self):
        windows = self.dut.windows
        ports = windows.ready, windows.x, windows.first, windows.last, windows.offset.as_value()
        return [self.ctx.get(port) for port in ports]

    async def full(self):
        self.ctx.set(self.dut.en, 1)
        while not self.ctx.get(self.dut.full):
            await self.ctx.tick()

    async def unready(self, cycles, where):
        for _ in range(cycles):
            assert not self.ctx.get(self.dut.windows.ready), f"{where}: ready early"
            await self.cycle()
        assert self.ctx.get(self.dut.windows.ready), f"{where}: not ready"

    def lane(self, lane):
        bits = self.params.machine.row_lanes
        return self.ctx.get(self.dut.windows.x) >> lane * bits & (1 << bits) - 1


@buffers
def test_looks(name):
    params = BUFFERS[name]
    dut, first = SampleBuffer(params), params.first_layer
    x, labels = make_samples(params, 2, seed=len(name))

    async def bench(ctx):
        windows = dut.windows
        for sample in x:
            read = Reader(ctx, dut, params, sample)
            await read.full()
            await read.cycle(restart=1)
            await read.unready(dut.load_cycles, "restart")
            looked, every = 0, [*looks_of(params)]
            for position, looks in enumerate(every):
                for number, (offsets, fits) in enumerate(looks):
                    where = f"position {position}, look {number}"
                    assert ctx.get(windows.first) == (number == 0), where
                    ends = number == len(looks) - 1
                    assert ctx.get(windows.last) == ends, where
                    offset = ctx.get(windows.offset)
                    assert (offset.down, offset.across) == divmod(offsets[0], first.pool[1]), where
                    order = [*range(read.chunks)] * read.rng.randint(1, 3)
                    over = ends and position == first.positions - 1
                    for time, chunk in enumerate(order, 1):
                        moves = time == len(order) and not over
                        await read.cycle(chunk, **({"next": 1} if moves else {}))
                        if not read.serial:
                            there = sum(1 << i for i, fit in enumerate(fits) if fit)
                            assert ctx.get(windows.there) == there, where
                        for lane, (offset, fit) in enumerate(zip(offsets, fits, strict=True)):
                            wanted = chunk_of(params, sample, offset, position, chunk)
                            assert not fit or read.lane(lane) == wanted, (where, lane)
                        if read.serial:
                            ones = read.lane(0).bit_count()
                            assert ctx.get(windows.ones) == ones, where
                    looked += len(order)
                    if read.serial and not over:
                        await read.unready(max(0, first.kernel[0] - len(order)), where)
                if not read.serial and (position + 1) % first.grid[1] == 0 and not over:
                    await read.unready(max(0, first.step_rows - looked), f"after {position}")
                    looked = 0
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)

    simulate(dut, bench, feeder(dut, pack_samples(params, x, labels)), deadline=20_000)


@buffers
def test_picked_windows(name):
    params = BUFFERS[name]
    dut, first = SampleBuffer(params), params.first_layer
    [sample], labels = make_samples(params, 1, seed=7)
    inside = [
        [o for offsets, fits in looks for o, fit in zip(offsets, fits, strict=True) if fit]
        for looks in looks_of(params)
    ]

    async def bench(ctx):
        windows, read = dut.windows, Reader(ctx, dut, params, sample)
        await read.full()
        for _ in range(4):
            ctx.set(windows.picks, 0)
            await read.cycle(restart=1)
            ctx.set(windows.picks, 1)
            for _ in range(read.rng.randrange(2 * dut.load_cycles)):
                await read.cycle()
            position = 0
            while position < first.positions:
                for _ in range(read.rng.randint(0, 2)):
                    offset = read.rng.choice(inside[position])
                    down, across = divmod(offset, first.pool[1])
                    ctx.set(windows.pick, {"down": down, "across": across})
                    if read.serial:
                        await read.cycle(seek=1)
                        await read.unready(first.kernel[0], f"position {position}")
                    while not ctx.get(windows.ready):
                        await read.cycle()
                    lane = offset % params.machine.pool_lanes
                    for chunk in range(read.chunks):
                        await read.cycle(chunk)
                        wanted = chunk_of(params, sample, offset, position, chunk)
                        assert read.lane(lane) == wanted, (position, offset, chunk)
                while not read.serial and not ctx.get(windows.ready):
                    await read.cycle()
                if position == first.positions - 1:
                    break
                await read.cycle(next=1)
                position += 1

    simulate(dut, bench, feeder(dut, pack_samples(params, sample[None], labels)), deadline=20_000)
