"""A visit gives each neuron of an upper hidden layer the activation that golden gives it."""

import numpy as np
import pytest

from popflip.golden.model import Model
from popflip.rtl.core.hidden_layer import HiddenLayer
from popflip.rtl.core.tests.test_core import CONFIGS
from popflip.rtl.core.tests.test_single_path import Bench
from popflip.rtl.layers.ports import Visit
from popflip.rtl.simulation import simulate


@pytest.mark.parametrize("name", ["two-hidden", "three-hidden-sign"])
def test_settles_between_its_neighbours_and_goes_back(name):
    params, layer = CONFIGS[name], 2
    n, n_upper = params.sizes[layer : layer + 2]
    model, rng = Model.initial(params, 3), np.random.default_rng(12)
    shape = params.synapses(layer)
    signs = [np.where(weights, 1, -1) for weights in model.weights]
    dut = HiddenLayer(params, layer)
    rows = np.pad(model.weights[layer], ((0, 0), (0, shape.chunks * shape.word_bits - n_upper)))
    words = rows.reshape(-1, shape.word_bits) @ (1 << np.arange(shape.word_bits))
    memory = Bench.memory(None, dut.weights, [int(word) for word in words])

    async def visit(ctx, kind):
        ctx.set(dut.visit.kind, kind)
        ctx.set(dut.visit.start, 1)
        await ctx.tick()
        ctx.set(dut.visit.start, 0)
        while not ctx.get(dut.visit.idle):
            await ctx.tick()

    def bits(value):
        return np.array([value >> i & 1 for i in range(n)], bool)

    async def bench(ctx):
        ctx.set(dut.phase.clear, 1)
        await ctx.tick()
        ctx.set(dut.phase.clear, 0)
        await ctx.tick()
        while not ctx.get(dut.visit.idle):
            await ctx.tick()
        found = []
        for step in range(4):
            below = rng.random(params.sizes[layer - 1]) < 0.5
            above = rng.random(n_upper) < 0.5
            dots = model.value(below) @ signs[layer - 1]
            for neuron, dot in enumerate(dots):
                ctx.set(dut.lower_dots[neuron], int(dot))
            ctx.set(dut.upper.last, sum(1 << i for i, bit in enumerate(above) if bit))
            ctx.set(dut.upper.active, int(above.sum()))
            await visit(ctx, Visit.SETTLE)
            feedback = params.feedback_gain(layer) * (signs[layer] @ model.value(above))
            potential = params.dynamics.gains[layer - 1] * dots + feedback
            expected = potential >= params.dynamics.hidden_threshold
            assert np.array_equal(bits(ctx.get(dut.activations.last)), expected)
            assert ctx.get(dut.activations.active) == expected.sum()
            upper = [ctx.get(dut.dots[j]) for j in range(n_upper)]
            assert upper == (model.value(expected) @ signs[layer]).tolist()
            found.append(expected)
            if step == 0:
                ctx.set(dut.phase.save, 1)
                await ctx.tick()
                ctx.set(dut.phase.save, 0)
        await visit(ctx, Visit.RESTORE)
        assert np.array_equal(bits(ctx.get(dut.activations.last)), found[0])
        assert any((one != found[0]).any() for one in found[1:])

    simulate(dut, bench, background=[memory], deadline=3000)
