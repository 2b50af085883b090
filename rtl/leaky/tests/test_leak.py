"""The step of one neuron against the formula, at both rails and between them."""

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.rtl.leaky.leak import Leak
from popflip.rtl.simulation import simulate


def network(code, bits):
    return Params.build({
        "network": {"image": [3, 3], "hidden": [5, 4], "classes": 3},
        "dynamics": {
            "kind": "leaky", "code": code, "gains": [53, 47, 5], "feedback_gains": [41, 39],
            "potential_bits": bits,
        },
        "learning": {"tau": [1, 1, 1]},
    })  # fmt: skip


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize(("layer", "most", "gain", "fan_out"), [(1, 9 * 53, 1, 4), (2, 5, 47, 3)])
def test_follows_the_formula(bits, layer, most, gain, fan_out):
    params = network("heaviside", bits)
    dut, rng, v_max = Leak(params, layer), np.random.default_rng(bits), 1 << bits
    n = 400
    states = rng.integers(0, v_max + 1, n)
    belows = rng.integers(-most, most + 1, n)
    feedbacks = rng.integers(-fan_out, fan_out + 1, n)
    states[:4], belows[:4], feedbacks[:4] = (
        [0, v_max, 0, v_max], [-most, -most, most, most], [-fan_out] * 2 + [fan_out] * 2,
    )  # fmt: skip
    pull = gain * belows + params.feedback_gain(layer) * feedbacks
    wanted = np.clip((states + pull) >> 1, 0, v_max)
    got = []

    async def bench(ctx):
        for i in range(n + Leak.latency):
            if i < n:
                ctx.set(dut.state, int(states[i]))
                ctx.set(dut.below, int(belows[i]))
                ctx.set(dut.feedback, int(feedbacks[i]))
            got.append((ctx.get(dut.new), ctx.get(dut.before)))
            await ctx.tick()

    simulate(dut, bench)
    assert got[Leak.latency :] == list(zip(wanted.tolist(), states.tolist(), strict=True))
    assert {0, v_max} < set(wanted.tolist())


def test_extremes_fit_a_wide_network():
    params = Params.load("dense-wide").replace(dynamics={"kind": "leaky", "potential_bits": 14})
    dut, v_max = Leak(params, 1), 1 << 14
    gains, got = params.dynamics.gains, []

    async def bench(ctx):
        for sign in (1, -1):
            ctx.set(dut.state, v_max if sign > 0 else 0)
            ctx.set(dut.below, sign * gains[0] * params.fan_in)
            ctx.set(dut.feedback, sign * params.n_out)
            for _ in range(Leak.latency):
                await ctx.tick()
            got.append(ctx.get(dut.new))

    simulate(dut, bench)
    total = gains[0] * params.fan_in + gains[1] * params.n_out
    assert got == [min(v_max, (v_max + total) >> 1), 0]
