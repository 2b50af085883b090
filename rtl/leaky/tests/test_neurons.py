"""What a layer's neurons show: a memory of layer 1, registers of later layers."""

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.rtl.leaky.neurons import LeakyMemory, LeakyRegisters, keeps_free
from popflip.rtl.simulation import simulate


def network(nudging="centered", training=True):
    return Params.build({
        "network": {"image": [3, 3], "hidden": [8, 7], "classes": 3},
        "dynamics": {"kind": "leaky", "gains": [13, 7, 5]},
        "learning": {"tau": [1, 1, 1], "nudging": nudging},
        "machine": {"neuron_lanes": 3, "training": training},
    })


def bits_of(number, n):
    return [number >> i & 1 for i in range(n)]


class Groups:
    """Reads and writes of groups of neurons."""

    def __init__(self, port):
        self.port = port

    async def write(self, ctx, index, bits, *, first=0, free=0):
        ctx.set(self.port.write_index, index)
        ctx.set(self.port.write_bits, bits)
        ctx.set(self.port.write_first, first)
        ctx.set(self.port.into_free, free)
        ctx.set(self.port.write_en, 1)
        await ctx.tick()
        ctx.set(self.port.write_en, 0)

    async def look(self, ctx, index, *, free=0):
        ctx.set(self.port.look_index, index)
        ctx.set(self.port.from_free, free)
        ctx.set(self.port.look_en, 1)
        await ctx.tick()
        ctx.set(self.port.look_en, 0)
        await ctx.tick()  # What was looked at stays.
        return ctx.get(self.port.last), ctx.get(self.port.first)


def test_only_centered_training_keeps_the_free_state():
    assert keeps_free(network())
    assert not keeps_free(network("positive"))
    assert not keeps_free(network("random-sign"))
    assert not keeps_free(network(training=False))


def test_memory_keeps_drives():
    dut, rng = LeakyMemory(network()), np.random.default_rng(3)
    margins = rng.integers(-100, 100, (3, 3)).tolist()

    async def bench(ctx):
        for index, group in enumerate(margins):
            ctx.set(dut.drive.index, index)
            for bank, margin in enumerate(group):
                ctx.set(dut.drive.margins[bank], margin)
            ctx.set(dut.drive.en, 1)
            await ctx.tick()
        ctx.set(dut.drive.en, 0)
        for index in (2, 0, 1):
            ctx.set(dut.neurons.below_index, index)
            ctx.set(dut.neurons.below_en, 1)
            await ctx.tick()
            ctx.set(dut.neurons.below_en, 0)
            await ctx.tick()
            assert [ctx.get(dut.neurons.below[bank]) for bank in range(3)] == margins[index]

    simulate(dut, bench)


@pytest.mark.parametrize("nudging", ["centered", "positive"])
def test_memory_keeps_activations(nudging):
    dut = LeakyMemory(network(nudging))
    groups = Groups(dut.neurons)

    async def bench(ctx):
        for index, bits in enumerate((5, 2, 3)):
            await groups.write(ctx, index, bits, first=1, free=1)
        for index, bits in enumerate((6, 1, 0)):
            await groups.write(ctx, index, bits)
        kept = nudging == "centered"
        for index, (free, now) in enumerate(zip((5, 2, 3), (6, 1, 0), strict=True)):
            assert await groups.look(ctx, index) == (now, free)
            assert await groups.look(ctx, index, free=1) == (free if kept else now, free)

    simulate(dut, bench)


def test_registers_follow_phases_and_count():
    params = network()
    dut, rng = LeakyRegisters(params, 2), np.random.default_rng(5)
    groups, shown = Groups(dut.neurons), dut.activations

    async def pulse(ctx, signal):
        ctx.set(signal, 1)
        await ctx.tick()
        ctx.set(signal, 0)

    async def bench(ctx):
        dots = rng.integers(-8, 9, 7)
        for j, dot in enumerate(dots):
            ctx.set(dut.dots[j], int(dot))
        for index in range(3):
            ctx.set(dut.neurons.below_index, index)
            ctx.set(dut.neurons.below_en, 1)
            await ctx.tick()
            ctx.set(dut.neurons.below_en, 0)
            got = [ctx.get(dut.neurons.below[bank]) for bank in range(3)]
            there = dots[3 * index : 3 * index + 3].tolist()
            assert got[: len(there)] == there

        await pulse(ctx, dut.phase.clear)
        assert (ctx.get(shown.last), ctx.get(shown.active)) == (0x7F, 7)
        for index, bits in enumerate((5, 2, 1)):
            await groups.write(ctx, index, bits, first=1)
        assert (ctx.get(shown.last), ctx.get(shown.first)) == (0b1_010_101, 0b1_010_101)
        assert ctx.get(shown.active) == 4
        await pulse(ctx, dut.phase.save)
        for index, bits in enumerate((7, 0, 0)):
            await groups.write(ctx, index, bits)
        assert (ctx.get(shown.last), ctx.get(shown.first)) == (0b111, 0b1_010_101)
        assert ctx.get(shown.active) == 3
        assert await groups.look(ctx, 0) == (7, 5)
        assert await groups.look(ctx, 2) == (0, 1)
        await pulse(ctx, dut.phase.restore)
        assert (ctx.get(shown.last), ctx.get(shown.active)) == (0b1_010_101, 4)
        assert await groups.look(ctx, 1) == (2, 2)

    simulate(dut, bench)
