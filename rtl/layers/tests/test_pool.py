import random

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.rtl.layers.pool import GreatestWindow
from popflip.rtl.simulation import simulate


def pooled(pool, lanes, features=3, neuron_lanes=1):
    return Params.build({
        "network": {
            "image": [6, 7], "first": "local", "window": 3, "stride": 2, "features": features,
            "pool": pool,
        },
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {"pool_lanes": lanes, "neuron_lanes": neuron_lanes},
    })  # fmt: skip


MACHINES = {
    "one": pooled(2, 1),
    "row": pooled(3, 3, features=5, neuron_lanes=2),
    "all": pooled(3, 9),
    "line": pooled([1, 5], 5),
    "column": pooled([4, 1], 1, features=1),
    "oblong": pooled([2, 3], 6),
}


@pytest.mark.parametrize("en", [1.0, 0.6])
@pytest.mark.parametrize("name", MACHINES)
def test_greatest_dot_and_lowest_offset(name, en):
    """Looks of neurons that take turns, whose products are often equal, against NumPy."""
    params, rng = MACHINES[name], random.Random(len(name))
    dut, first, lanes = GreatestWindow(params), params.first_layer, params.machine.pool_lanes
    groups, looks, most = params.synapses(0).groups, params.looks, params.fan_in
    draws = np.random.default_rng(2)
    script, expected = [], []
    for _ in range(40):
        spread = rng.choice([1, most])
        dots = draws.integers(-spread, spread + 1, (groups, first.offsets))
        dots[rng.randrange(groups)] = -most  # which is more than of a window that is not there
        # The own window is always inside.
        there = draws.random(first.offsets) < rng.choice([0.2, 0.7, 1])
        there[first.own_offset] = True
        for look in range(looks):
            offsets = np.arange(look * lanes, (look + 1) * lanes)
            for group in range(groups):
                script.append((look == 0, dots[group, offsets], there[offsets], offsets[0]))
                last = look == looks - 1
                found = np.where(there, dots[group], -most - 1)
                expected.append((found.max(), found.argmax()) if last else None)
    seen = []

    async def bench(ctx):
        history = []
        for first_look, dots, there, offset in script:
            down, across = divmod(int(offset), first.pool[1])
            while True:
                enabled, valid = rng.random() < en, rng.random() < 0.8
                ctx.set(dut.en, enabled)
                ctx.set(dut.valid, valid)
                ctx.set(dut.first, first_look if valid else rng.getrandbits(1))
                ctx.set(dut.dots, [int(dot) for dot in dots])
                ctx.set(dut.there, sum(1 << i for i, one in enumerate(there) if one))
                ctx.set(dut.offset, {"down": down, "across": across})
                if enabled:
                    history.append(valid)
                await ctx.tick()
                if enabled and len(history) >= dut.latency and history[-dut.latency]:
                    winner = ctx.get(dut.winner)
                    seen.append((
                        ctx.get(dut.greatest),
                        winner.down * first.pool[1] + winner.across,
                    ))
                if enabled and valid:
                    break
        ctx.set(dut.valid, 0)
        ctx.set(dut.en, 1)
        for _ in range(dut.latency - 1):
            history.append(False)
            await ctx.tick()
            if history[-dut.latency]:
                winner = ctx.get(dut.winner)
                seen.append((ctx.get(dut.greatest), winner.down * first.pool[1] + winner.across))

    simulate(dut, bench, deadline=20_000)
    assert len(seen) == len(expected)
    for at, (found, wanted) in enumerate(zip(seen, expected, strict=True)):
        assert wanted is None or found == wanted, f"look {at}"
