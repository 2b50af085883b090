"""Samples come as the store or the slots hold them, in order and as many as asked for."""

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.rtl.core.sample_feeder import SampleFeeder
from popflip.rtl.simulation import simulate

PARAMS = Params.build({
    "network": {"image": [4, 4], "hidden": [4], "classes": 2},
    "dynamics": {"gains": [40, 30]},
    "learning": {"tau": [3, 2]},
    "machine": {"row_lanes": 16, "relax_lanes": 2, "latent_lanes": [4, 2], "sample_slots": 5},
})
SIZE = PARAMS.sample_bytes


class Bench:
    """A store, and a consumer that takes bytes as it likes."""

    def __init__(self, patience):
        self.dut, self.rng = SampleFeeder(PARAMS), np.random.default_rng(8)
        self.patience, self.requests, self.samples = patience, [], []
        self.held = self.rng.integers(256, size=(20, SIZE))

    async def store(self, ctx):
        port = self.dut.store
        while True:
            ctx.set(port.request.ready, 1)
            _, _, valid, number = await ctx.tick().sample(port.request.valid, port.request.payload)
            if not valid:
                continue
            self.requests.append(number)
            ctx.set(port.request.ready, 0)
            for byte in self.held[number]:
                ctx.set(port.data.payload, int(byte))
                ctx.set(port.data.valid, 1)
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(port.data.ready)
                ctx.set(port.data.valid, 0)

    async def consume(self, ctx):
        port, sample = self.dut.o, []
        while True:
            ctx.set(port.ready, self.rng.random() >= self.patience)
            ctx.set(self.dut.last, len(sample) == SIZE - 1)
            _, _, valid, ready, byte = await ctx.tick().sample(port.valid, port.ready, port.payload)
            if valid and ready:
                sample.append(byte)
            if len(sample) == SIZE:
                self.samples.append(sample)
                sample = []

    async def run(self, ctx, first, count, internal):
        feed = self.dut.feed
        for name, value in (("first", first), ("count", count), ("internal", internal)):
            ctx.set(feed.run[name], value)
        ctx.set(feed.start, 1)
        await ctx.tick()
        ctx.set(feed.start, 0)
        await self.end(ctx)

    async def end(self, ctx):
        await ctx.tick()
        while not ctx.get(self.dut.feed.idle):
            await ctx.tick()

    def simulate(self, bench):
        simulate(self.dut, bench, background=[self.store, self.consume], deadline=3000)


@pytest.mark.parametrize("patience", [0, 0.6])
def test_brings_the_samples_of_the_store(patience):
    bench = Bench(patience)

    async def runs(ctx):
        assert ctx.get(bench.dut.feed.idle)
        await bench.run(ctx, 3, 4, 0)
        assert ctx.get(bench.dut.feed.over)
        await bench.run(ctx, 0, 2, 0)
        await bench.run(ctx, 9, 0, 0)

    bench.simulate(runs)
    assert bench.requests == [3, 4, 5, 6, 0, 1]
    assert bench.samples == bench.held[bench.requests].tolist()


@pytest.mark.parametrize("first", [0, 3])
def test_brings_the_slots_that_the_host_loaded(first):
    bench = Bench(0.3)
    slots = bench.dut.slots

    async def runs(ctx):
        content = bench.held[:5].reshape(-1)
        ctx.set(slots.ask, 1)
        ctx.set(slots.writes, 1)
        for address, byte in enumerate(content):
            ctx.set(slots.address, address)
            ctx.set(slots.data, int(byte))
            await ctx.tick()
        ctx.set(slots.writes, 0)
        for address, byte in enumerate(content):
            ctx.set(slots.address, address)
            await ctx.tick()
            assert ctx.get(slots.reply) == byte
        ctx.set(slots.ask, 0)
        await bench.run(ctx, first, 7, 1)

    bench.simulate(runs)
    assert bench.requests == []
    wanted = [(first + number) % 5 for number in range(7)]
    assert bench.samples == bench.held[wanted].tolist()


def test_no_sample_is_begun_after_a_stop():
    bench = Bench(0)

    async def runs(ctx):
        ctx.set(bench.dut.feed.run.count, 9)
        ctx.set(bench.dut.feed.start, 1)
        await ctx.tick()
        ctx.set(bench.dut.feed.start, 0)
        while len(bench.requests) < 2:
            await ctx.tick()
        ctx.set(bench.dut.feed.stop, 1)
        await bench.end(ctx)

    bench.simulate(runs)
    assert len(bench.samples) == len(bench.requests) == 2
