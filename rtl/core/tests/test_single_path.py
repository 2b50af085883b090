"""A sample is driven, and the outputs' dot products are those of the neurons it activates."""

import numpy as np
import pytest

from popflip.golden.description.packing import pack_samples, weights_to_bytes
from popflip.golden.model import Model
from popflip.rtl.core.single_path import SinglePath
from popflip.rtl.core.tests.test_core import CONFIGS
from popflip.rtl.simulation import simulate


class Bench:
    """A path, with a memory for each of its read ports."""

    def __init__(self, path, name, samples=3):
        self.params = CONFIGS[name]
        self.dut = path(self.params)
        self.model = Model.initial(self.params, 3)
        rng = np.random.default_rng(11)
        self.x = rng.random((samples, self.params.n_in)) < 0.4
        self.labels = rng.integers(0, self.params.network.classes, samples)
        self.words = [self._words(layer) for layer in range(2)]

    def _words(self, layer):
        """Words of a weight layer, all banks side by side."""
        shape = self.params.synapses(layer)
        region = weights_to_bytes(shape, self.model.weights[layer])
        words, low = [0] * shape.weight_depth, 0
        for part, width in enumerate(shape.part_widths):
            for address in range(shape.weight_depth):
                word = region[part << shape.part_bits | address]
                words[address] |= int.from_bytes(bytes(word), "little") << low
            low += width
        return words

    def memory(self, port, words):
        async def answer(ctx):
            while True:
                _, _, en, address = await ctx.tick().sample(port.en, port.address)
                if en:
                    ctx.set(port.data, words[address])

        return answer

    async def arrive(self, ctx, sample):
        port = self.dut.i
        for byte in pack_samples(self.params, self.x, self.labels)[sample]:
            ctx.set(port.payload, int(byte))
            ctx.set(port.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(port.ready)
        ctx.set(port.valid, 0)

    async def pulse(self, ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def settle(self, ctx):
        """Wait until nothing is under way."""
        await ctx.tick()
        while not (ctx.get(self.dut.sample.driven) and ctx.get(self.dut.visit.idle)):
            await ctx.tick()

    def dots(self, sample):
        """Dot products of the outputs with what the input alone activates."""
        [active] = self.model.drive(self.x[sample : sample + 1]) >= 0
        return self.model.value(active) @ np.where(self.model.weights[1], 1, -1)

    def check(self, ctx, sample):
        dut = self.dut
        assert ctx.get(dut.sample.full)
        assert ctx.get(dut.label) == self.labels[sample]
        found = [ctx.get(dut.dots[j]) for j in range(self.params.n_out)]
        assert found == self.dots(sample).tolist(), f"sample {sample}"

    def simulate(self, bench):
        dut = self.dut
        memories = [
            self.memory(dut.drive_weights, self.words[0]), self.memory(dut.weights, self.words[1]),
        ]  # fmt: skip
        simulate(dut, bench, background=memories, deadline=5000)


@pytest.mark.parametrize("name", ["local", "serial-wide", "sliced", "dense", "sign"])
def test_drives_one_sample_after_the_other(name):
    bench = Bench(SinglePath, name)
    dut = bench.dut

    async def samples(ctx):
        for sample in range(len(bench.x)):
            await bench.arrive(ctx, sample)
            await ctx.tick()
            await bench.pulse(ctx, dut.phase.clear)
            await bench.settle(ctx)
            bench.check(ctx, sample)
            await bench.pulse(ctx, dut.sample.release)
            assert not ctx.get(dut.sample.full)

    bench.simulate(samples)
