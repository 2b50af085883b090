"""The fast engine against the golden model: every bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popflip.golden.datasets import encoding, loading
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.description.random_params import random_params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.engine.threads import most_threads
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences, initial_state

# It is compiled before the first of them, which takes a minute or two.
pytestmark = pytest.mark.timeout(600)


def agree(params, x, labels, parts, threads, seed=1, taus=()):
    """Train both on the same samples in parts, and compare all that they return."""
    golden, fast = GoldenMachine(params), FastMachine(params, threads)
    for machine in (golden, fast):
        machine.write_state(initial_state(params, seed))
        machine.load(x, labels)
    first = 0
    for i, (count, flush) in enumerate(parts):
        if i < len(taus):
            golden.set_tau(taus[i])
            fast.set_tau(taus[i])
        wanted, got = golden.train(first, count, flush), fast.train(first, count, flush)
        assert got == wanted
        first += count
    assert not differences(golden.read_state(), fast.read_state())
    wanted, got = golden.infer(1, len(x) - 1), fast.infer(1, len(x) - 1)
    assert got[0] == wanted[0]
    assert got[1].tolist() == wanted[1].tolist()


#: Software does not mind how a machine is built, but parameters have to be of one that can be.
PLAIN = {"shared_update": False, "serial_windows": False}


networks = given(
    seed=st.integers(0, 2**32 - 1),
    leaky=st.booleans(),
    batch=st.sampled_from([1, 2, 3, 16]),
    threads=st.integers(1, most_threads()),
)


@networks
@settings(max_examples=20, deadline=None)
def test_random_networks(seed, leaky, batch, threads):
    check_network(seed, leaky, batch, threads)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@networks
@settings(max_examples=200, deadline=None)
def test_many_random_networks(seed, leaky, batch, threads):
    check_network(seed, leaky, batch, threads)


def check_network(seed, leaky, batch, threads):
    rng = np.random.default_rng(seed)
    params = random_params(rng).replace(
        dynamics={"kind": "leaky" if leaky else "sweeps"},
        learning={"batch": batch, "hold_nudge": bool(rng.random() < 0.3)},
        machine=PLAIN,
    )
    x = rng.random((50, params.n_in)) < rng.uniform(0.1, 0.7)
    labels = rng.integers(0, params.network.classes, 50)
    most = params.learning.latent_max
    taus = [tuple(int(t) for t in rng.integers(1, most + 1, params.depth)) for _ in range(3)]
    agree(params, x, labels, [(7, False), (20, True), (23, True)], threads, seed, taus)


windows = given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.sampled_from([1, 2, 3, 16]),
    pixels=st.booleans(),
    threads=st.integers(1, most_threads()),
)


@windows
@settings(max_examples=30, deadline=None)
def test_random_windows(seed, batch, pixels, threads):
    check_windows(seed, batch, pixels, threads)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@windows
@settings(max_examples=200, deadline=None)
def test_many_random_windows(seed, batch, pixels, threads):
    check_windows(seed, batch, pixels, threads)


def check_windows(seed, batch, pixels, threads):
    rng = np.random.default_rng(seed)
    drawn = random_params(rng, software=True)
    params = drawn.replace(learning={"batch": batch}, machine=PLAIN)
    if pixels:
        params = drawn.replace(
            network={"pixel_bits": 8, "thresholds": [127]},
            dynamics={"code": "heaviside"},
            learning={
                "batch": batch, "latent_bits": 9, "first_latent_bits": 15,
                "tau": [40, *drawn.learning.tau[1:]],
            },
            machine=PLAIN | {"row_lanes": 1, "latent_lanes": [1] * drawn.depth},
        )  # fmt: skip
        x = rng.integers(0, 256, (50, params.n_in), dtype=np.uint8)
        x[rng.random(x.shape) < rng.choice([0, 0.5, 0.98])] = 0
    else:
        # Down to samples whose windows are mostly blank.
        x = rng.random((50, params.n_in)) < rng.uniform(0.02, 0.7)
    labels = rng.integers(0, params.network.classes, 50)
    most = [params.learning.latent_max_of(layer) for layer in range(params.depth)]
    taus = [tuple(int(rng.integers(1, min(s, 4) + 1)) for s in most) for _ in range(3)]
    agree(params, x, labels, [(7, False), (20, True), (23, True)], threads, seed, taus)


@pytest.mark.parametrize(
    ("network", "dynamics", "learning"),
    [
        ({"pool": 3}, {"threshold": 192}, {}),
        (
            {"pool": 3, "sharing": "full", "features": 20},
            {"threshold": 320, "gains": [16, 2]},
            {"first_latent_bits": 16, "tau": [30, 4]},
        ),
    ],
)
def test_real_samples_through_pooled_windows(network, dynamics, learning):
    params = Params.load("ecp5-85f").replace(
        network=network, dynamics=dynamics, learning=learning, machine={"overlap": False}
    )
    mnist = loading.load("mnist")
    x = encoding.encode(mnist.train_images[:160], params.network.thresholds)
    agree(params, x, mnist.train_labels[:160].astype(int), [(160, True)], most_threads())


@pytest.mark.parametrize("kind", ["sweeps", "leaky"])
@pytest.mark.parametrize("batch", [1, pytest.param(16, marks=pytest.mark.slow), 64])
@pytest.mark.parametrize("preset", preset_names())
def test_real_samples(preset, batch, kind):
    gains = {"sweeps": {}, "leaky": {"gains": [7, 3], "free_sweeps": 9}}[kind]
    params = Params.load(preset).replace(
        dynamics={"kind": kind, **gains}, learning={"batch": batch}, machine=PLAIN
    )
    count = 640 if kind == "sweeps" and batch == 64 else 300
    mnist = loading.load("mnist", params=params)
    x = encoding.input_of(params.network, mnist.train_images[:count])
    agree(params, x, mnist.train_labels[:count].astype(int), [(count, True)], most_threads())


def test_wide_latents_and_many_planes():
    params = Params.load("local-small").replace(
        network={"thresholds": [30, 80, 127, 170, 220]},  # a window's row of more than 32 bits
        learning={"latent_bits": 16, "tau": [200, 150]},
    )
    rng = np.random.default_rng(3)
    x, labels = rng.random((40, params.n_in)) < 0.3, rng.integers(0, 10, 40)
    agree(params, x, labels, [(40, True)], 1)


def test_windows_wider_than_a_word():
    params = Params.build({
        "network": {
            "image": [9, 40], "thresholds": [60, 127, 200], "first": "local", "window": 9,
            "stride": 5, "features": 3, "classes": 3, "copies": 2,
        },
        "dynamics": {"gains": [20, 30]},
        "learning": {"tau": [2, 2], "beta": 4},
        "machine": {"row_lanes": 9, "relax_lanes": 3, "latent_lanes": [3, 3]},
    })  # fmt: skip
    rng = np.random.default_rng(4)
    x, labels = rng.random((60, params.n_in)) < 0.4, rng.integers(0, 3, 60)
    agree(params, x, labels, [(60, True)], 1)


def test_a_batch_that_is_pending_can_be_ended_without_samples():
    params = Params.load("local-small").replace(learning={"batch": 32, "tau": [1, 1]})
    rng = np.random.default_rng(5)
    x, labels = rng.random((20, params.n_in)) < 0.3, rng.integers(0, 10, 20)
    agree(params, x, labels, [(20, False), (0, True)], 1)


def test_a_synapse_takes_at_most_three_bytes():
    for preset in ("dense-wide", "local-large-wide"):
        for bits in (8, 16):
            params = Params.load(preset).replace(learning={"latent_bits": bits})
            assert FastMachine(params).n_bytes <= 3 * params.n_synapses


@given(
    seed=st.integers(0, 2**32 - 1),
    leaky=st.booleans(),
    batch=st.sampled_from([1, 3, 16, 64]),
    bits=st.integers(8, 16),
    threads=st.integers(1, most_threads()),
)
@settings(max_examples=40, deadline=None)
def test_random_networks_of_8_bit_pixels(seed, leaky, batch, bits, threads):
    rng = np.random.default_rng(seed)
    drawn = random_params(rng)
    params = drawn.replace(
        network={"pixel_bits": 8, "thresholds": [127]},
        dynamics={"code": "heaviside", "kind": "leaky" if leaky else "sweeps"},
        learning={"batch": batch, "latent_bits": bits, "tau": [40, *drawn.learning.tau[1:]]},
        machine=PLAIN | {"row_lanes": 1, "latent_lanes": [1] * drawn.depth},
    )
    x = rng.integers(0, 256, (50, params.n_in), dtype=np.uint8)
    x[rng.random(x.shape) < rng.choice([0, 0.5, 0.98])] = 0  # and words that nobody sees
    labels = rng.integers(0, params.network.classes, 50)
    agree(params, x, labels, [(7, False), (43, True)], threads, seed)


@pytest.mark.parametrize("preset", ["dense-wide", "local-small"])
def test_real_pixels_of_8_bits(preset):
    params = Params.load(preset).replace(
        network={"pixel_bits": 8},
        learning={"batch": 16, "latent_bits": 16, "tau": [256, 2]},
    )
    mnist = loading.load("mnist")
    x = encoding.input_of(params.network, mnist.train_images[:600])
    labels = mnist.train_labels[:600].astype(int)
    agree(params, x, labels, [(600, True)], most_threads())
    machine = FastMachine(params)
    machine.load(x, labels)
    assert all(machine.train(0, 600, True).flips)


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 21), (20, 1), (3, -1)])
def test_samples_that_were_not_loaded_are_refused(first, count):
    params = Params.load("local-small")
    machine = FastMachine(params, 1)
    machine.load(np.zeros((20, params.n_in), bool), np.zeros(20))
    message = rf"^samples must be among the 20 that were loaded, not {first} to {first + count}$"
    with pytest.raises(ValueError, match=message):
        machine.train(first, count, True)
    with pytest.raises(ValueError, match=message):
        machine.infer(first, count)
    assert machine.train(20, 0, True).samples == 0
