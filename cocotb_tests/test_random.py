"""Networks and machines from all over the space of parameters: generated core against golden."""

import numpy as np
import pytest

from popflip.cocotb_tests.cosim import cosim, initial, train_golden
from popflip.cocotb_tests.simulators import SIMULATORS
from popflip.golden.description.random_params import random_params

# Seeds of random_params, which cover the space together. The others are slow, and nightly there are
# many more (popflip differential).
SEEDS = [*range(19), 89, 111, 189]
QUICK = {"icarus": [0, 189], "verilator": []}
#: Those of pooled windows of any shape, some with shared weights.
WINDOWS = [2, 3, 5, 7, 9, 17, 21, 24, 31, 33]
QUICK_WINDOWS = {"icarus": [9], "verilator": []}


def random_samples(params, seed, n):
    rng = np.random.default_rng([seed, 1])
    return rng.random((n, params.n_in)) < 0.4, rng.integers(0, params.network.classes, n)


@pytest.mark.parametrize(
    ("simulator", "seed"),
    [
        pytest.param(simulator, seed, marks=[] if seed in QUICK[simulator] else pytest.mark.slow)
        for simulator in SIMULATORS
        for seed in SEEDS
    ],
)
def test_random_parameters(simulator, seed):
    params = random_params(np.random.default_rng(seed))
    result = cosim(params, simulator, *random_samples(params, seed, 6), seed=seed + 1)
    lines = [f"seed {seed}, {params.name}, in {simulator}:", *result["differences"]]
    assert result["agree"], "\n".join(lines)
    assert sum(result["flips"]) > 0


@pytest.mark.parametrize(
    ("simulator", "seed"),
    [
        pytest.param(
            simulator, seed, marks=[] if seed in QUICK_WINDOWS[simulator] else pytest.mark.slow
        )
        for simulator in SIMULATORS
        for seed in WINDOWS
    ],
)
def test_random_windows(simulator, seed):
    params = random_windows(seed)
    result = cosim(params, simulator, *random_samples(params, seed, 6), seed=seed + 1)
    lines = [f"seed {seed}, {params.name}, in {simulator}:", *result["differences"]]
    assert result["agree"], "\n".join(lines)
    assert sum(result["flips"]) > 0


def random_windows(seed):
    """The first pooled network that a generator draws."""
    rng = np.random.default_rng(seed)
    while not (params := random_params(rng, windows=True)).first_layer.pooled:
        pass
    return params


def test_seeds_of_windows_cover_the_space():
    seen, changed = set(), 0
    for seed in WINDOWS:
        p = random_windows(seed)
        machine = p.machine
        seen |= {
            p.dynamics.code, f"lanes {1 if machine.pool_lanes == 1 else 'several'}",
            f"all {machine.pool_lanes == p.first_layer.offsets}",
            f"serial {machine.serial_windows}", f"overlap {machine.overlap}",
            f"masks {machine.mask_words}",
            f"shared {machine.shared_update}", f"chunks {p.synapses(0).chunks > 1}",
            p.network.sharing, f"{p.network.sharing} overlap {machine.overlap}",
            f"{p.network.sharing} serial {machine.serial_windows}",
        }  # fmt: skip
        expected = train_golden(initial(p, seed + 1), *random_samples(p, seed, 6))
        changed += expected["changed"]
    assert changed > 10
    assert seen >= {
        "heaviside", "sign", "lanes 1", "lanes several", "all True", "all False", "serial True",
        "serial False", "overlap True", "overlap False", "shared True", "shared False",
        "chunks True", "chunks False", "full", "full overlap True", "full serial True",
        "masks True", "masks False",
    }  # fmt: skip


def test_seeds_cover_the_space():
    seen, changed, restarts, nothing_divides = set(), 0, 0, 0
    for seed in SEEDS:
        p = random_params(np.random.default_rng(seed))
        shapes = [p.synapses(layer) for layer in range(p.depth)]
        nothing_divides += all(
            s.row_bits % s.word_bits or s.word_bits % s.latent_lanes for s in shapes
        )
        seen |= {
            p.network.first, p.dynamics.code, p.learning.nudging, p.depth, f"planes {p.planes}",
            f"batch {p.learning.batch}", f"reset {p.learning.reset_on_flip}",
            f"banks {shapes[0].banks > 1}", f"block short {bool(p.block % shapes[0].banks)}",
            f"latent slices {bool(p.machine.latent_slice)}",
            f"weight slices {shapes[0].slices > 1}",
            f"shared {p.machine.shared_update}", f"serial {p.machine.serial_windows}",
            f"{p.dynamics.kind} {p.learning.nudging}",
            f"{p.dynamics.kind} banks {shapes[-1].banks > 1}",
        }  # fmt: skip
        expected = train_golden(initial(p, seed + 1), *random_samples(p, seed, 6))
        changed += expected["changed"]
        restarts += expected["restarts"]
    assert seen >= {
        "dense", "local", "heaviside", "sign", "centered", "random-sign", "positive", 2, 3, 4,
        "planes 1", "planes 2", "planes 3", "batch 1", "batch 2", "batch 3", "batch 4",
        "reset True", "reset False", "banks True", "banks False", "block short True",
        "latent slices True", "latent slices False", "weight slices True", "weight slices False",
        "shared True", "shared False", "serial True", "serial False", "leaky centered",
        "leaky random-sign", "leaky positive", "leaky banks True", "leaky banks False",
    }  # fmt: skip
    assert nothing_divides >= 5
    assert changed > 50
    assert restarts > 5
