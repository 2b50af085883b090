"""Machines behind AXI and Wishbone against the golden model, with models of buses not ours."""

import numpy as np
import pytest

from popflip.boards.driver.image import NetworkImage
from popflip.boards.driver.tests.native import Driver, Result, compile_driver
from popflip.cocotb_tests.cosim import (
    build_design,
    differences,
    initial,
    train_golden,
    train_steps,
)
from popflip.cocotb_tests.simulators import SIMULATORS, play
from popflip.cocotb_tests.test_core import SMALL, random_samples
from popflip.golden.datasets import encoding, loading
from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.training.state import NetworkState
from popflip.golden.training.state import differences as state_differences
from popflip.rtl.identity import identity

# Long enough for two busy cores.
pytestmark = pytest.mark.timeout(900)

#: By bus: what its bench can be told; pauses of the channels, and pipelined cycles.
MANNERS = {"axi": (0, 0.3), "wishbone": (False, True)}

#: Fewer words to load than SMALL has, for Icarus.
TINY = Params.build({
    "network": {"image": [4, 4], "first": "dense", "hidden": [5], "classes": 3, "copies": 2},
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3},
    "machine": {"row_lanes": 16, "relax_lanes": 6, "latent_lanes": [4, 6]},
})  # fmt: skip

_WINDOWS = {
    "image": [7, 6], "first": "local", "window": 3, "stride": 2, "features": 3,
    "classes": 3, "copies": 2,
}  # fmt: skip

#: Other kinds of machines.
OTHERS = {
    "pooled": {"network": _WINDOWS | {"pool": 3}, "machine": {"pool_lanes": 3}},
    "pooled and shared": {
        "network": _WINDOWS | {"pool": [2, 3], "sharing": "full"},
        "learning": {"first_latent_bits": 9},
    },
    "leaky": {
        "network": {"image": [4, 4], "hidden": [5], "classes": 3, "copies": 2},
        "dynamics": {"kind": "leaky", "gains": [80, 60], "free_sweeps": 7},
        "learning": {"nudged_sweeps": 3, "batch": 2},
    },
}


def refusals(params, bus):
    """Accesses that are refused while nothing runs, and the reason of each."""
    bus_map = BusMap(params, bus)
    at, windows = {r.name: 4 * r.index for r in bus_map.registers}, bus_map.windows
    latents = windows["latents0"]
    beyond = windows["registers"].base + windows["registers"].n_bytes
    return [
        (beyond, None, 4, Refusal.UNMAPPED),
        (beyond, 1, 4, Refusal.UNMAPPED),
        (at["first"], 1, 1, Refusal.WIDTH),
        (at["first"] + 2, 1, 2, Refusal.WIDTH),
        (windows["registers"].base + 1, 0, 1, Refusal.WIDTH),
        (at["status"], 0, 4, Refusal.ACCESS),
        (windows["results"].base, 0, 4, Refusal.ACCESS),
        (at["run"], 1, 4, Refusal.VALUE),  # of no samples
        (at["count"], 1 << 24, 4, Refusal.VALUE),
        *([(latents.address(0, 1), 0, 4, Refusal.ORDER)] if latents.lanes > 1 else []),
    ]


def refusals_in_run(params, bus):
    windows = BusMap(params, bus).windows
    return [
        (4 * BusMap(params, bus).registers["run"].index, 1, 4, Refusal.BUSY),
        (windows["weights0"].base, None, 4, Refusal.BUSY),
        (windows["weights0"].base, 0xFFFFFFFF, 4, Refusal.BUSY),
        (windows["registers"].base, 9, 4, Refusal.BUSY),
        (windows["samples"].base, None, 4, Refusal.BUSY),
    ]


def margins(model, x):
    """Class and margin of each sample."""
    votes = model.relax(x).free.v.reshape(len(x), model.params.network.classes, -1).sum(-1)
    best = np.sort(votes, axis=1)
    return list(zip(votes.argmax(1).tolist(), (best[:, -1] - best[:, -2]).tolist(), strict=True))


def check(params, simulator, bus, manner, n, seconds=800):
    """Train, with refused accesses before and meanwhile; read all back; then predict."""
    x, labels = random_samples(params, 1, n)
    model = initial(params, 3)
    steps = train_steps(model, x, labels)
    [begin] = [i for i, step in enumerate(steps) if step[0] == "run"]
    wrong = refusals(params, bus), refusals_in_run(params, bus)
    before, meanwhile = ([("access", *access[:3]) for access in each] for each in wrong)
    steps[begin : begin + 1] = [
        *before, ("begin", steps[begin][1]), *meanwhile, ("finish",), ("control", "frames"),
    ]  # fmt: skip
    infer = {"train": 0, "internal": 0, "flush": 0, "first": 0, "count": n}
    steps = [("params", params), ("manner", manner), *steps[1:]]
    if bus == "axi":
        sample = bytes(pack_samples(params, x[:1], labels[:1])[0])
        steps[2:2] = [("frame", sample[:-1]), ("frame", sample + sample)]
        steps += [("label_in_user", True), ("run", infer), ("predictions",)]
    else:
        steps += [("run", infer), ("read", "results", 0, n), ("control", "id3")]
    results = play(build_design(params, simulator, bus), f"tb_{bus}", steps, seconds=seconds)

    asked = [*wrong[0], *wrong[1]]
    assert results[: len(asked)] == [(None, reason) for *_, reason in asked]
    frames = results[len(asked)]
    assert frames == n | (2 if bus == "axi" else 0) << 16
    rest = results[len(asked) + 1 :]
    expected = train_golden(model, x, labels)
    read = rest[: -1 if bus == "axi" else -2]
    assert differences(params, read, expected) == []
    assert expected["changed"] > 0
    wanted = margins(model, x)
    if bus == "axi":
        trained, predicted = rest[-1]
        assert [label for label, _, _ in trained] == expected["results"]
        assert predicted == [(*each, i) for i, each in enumerate(wanted)]
        assert [number for *_, number in trained] == list(range(n))
    else:
        assert rest[-2][:, 0].tolist() == [label for label, _ in wanted]
        assert rest[-1].to_bytes(4, "little") == identity(params, bus)[12:]


@pytest.mark.parametrize("manner", [0, 1])
@pytest.mark.parametrize("bus", MANNERS)
def test_small_networks_in_icarus(bus, manner):
    check(TINY, "icarus", bus, MANNERS[bus][manner], 5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("manner", [0, 1])
@pytest.mark.parametrize("bus", MANNERS)
def test_small_networks_in_verilator(bus, manner):
    check(SMALL, "verilator", bus, MANNERS[bus][manner], 40)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("bus", MANNERS)
@pytest.mark.parametrize("name", OTHERS)
def test_other_machines(name, bus):
    """Pooled windows, shared weights and leaky neurons behind a bus."""
    given = {"dynamics": {"gains": [90, 40]}, **OTHERS[name]}
    learning = {"tau": [2, 1], "beta": 3, **given.pop("learning", {})}
    check(Params.build(given | {"learning": learning}), "icarus", bus, MANNERS[bus][1], 5)


def check_driver(folder, params, simulator, bus, samples, *, stream=True, seconds=800):
    """Have the C driver load a network, learn, save and predict."""
    x, labels = samples
    packed = pack_samples(params, x, labels)
    model, own = initial(params, 3), identity(params, bus)

    def image():
        state = NetworkState(model.weights, model.latents, model.signs.state)
        return NetworkImage(state, model.batch, False, tuple(model.tau))

    begin = image().pack(params, own)
    library, foreign = (folder / name for name in ("own", "foreign"))
    for path, of in ((library, own), (foreign, bytes(16))):
        path.mkdir()
        compile_driver(path, params, bus, of)
    steps = [
        ("params", params), ("manner", MANNERS[bus][0]),
        ("driver", Driver, foreign / "driver.so", []),
        ("driver", Driver, library / "driver.so", [
            ("load", begin), ("clear",), ("train", packed), ("save",), ("count", "correct"),
            ("count", "cycles_update"), ("infer", packed), ("read", "results", 0, 3),
            # What the machine would refuse is not asked for.
            ("write", "results", 0, b"x"), ("begin", 1, 0, 0),
            ("interrupt", 1), ("events",), ("events",),
        ], stream),
        ("control", "enable"),
        ("control", "refusal"),
    ]  # fmt: skip
    other, got, enable, refusal = play(build_design(params, simulator, bus), f"tb_{bus}", steps,
                               seconds=seconds)  # fmt: skip
    expected = train_golden(model, x, labels)
    assert other == [Result.OTHER_DESIGN]
    assert refusal == Refusal.NONE
    opened, loaded, cleared, trained, (saved, data), correct, update, inferred, read, *wrong = got
    assert {opened, loaded, cleared, saved} == {Result.OK}
    assert trained == (Result.OK, expected["results"])
    assert correct == (Result.OK, expected["correct"])
    assert update == (Result.OK, expected["cycles_update"])
    found = NetworkImage.unpack(params, own, data)
    assert state_differences(found.state, image().state) == []
    assert (found.batch, found.tau) == (model.batch, tuple(model.tau))
    assert expected["changed"] > 0
    predicted = model.relax(x).prediction.tolist()
    assert inferred == (Result.OK, predicted)
    assert read == (Result.OK, bytes(predicted[:3]))
    *wrong, enabled, events, again = wrong
    assert wrong == [Result.RANGE, Result.RANGE]
    assert (enabled, enable) == (Result.OK, 1)
    assert (events, again) == ((Result.OK, 1), (Result.OK, 0))


@pytest.mark.parametrize(("bus", "stream"), [("axi", True), ("axi", False), ("wishbone", True)])
def test_the_c_driver_trains(tmp_path, bus, stream):
    """Against the buses' models that are not ours."""
    check_driver(tmp_path, TINY, "icarus", bus, random_samples(TINY, 1, 5), stream=stream)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)  # in Icarus, which takes about a quarter of an hour alone
@pytest.mark.parametrize("bus", MANNERS)
@pytest.mark.parametrize("simulator", SIMULATORS)
def test_mnist(simulator, bus):
    params, n = Params.load("ice40hx8k"), 500
    images = loading.load("mnist")
    x = encoding.encode(images.train_images[:n], params.network.thresholds)
    labels = images.train_labels[:n].astype(int)
    model = initial(params, 3)
    steps = train_steps(model, x, labels)
    steps = [steps[0], ("manner", MANNERS[bus][1]), *steps[1:]]
    design = build_design(params, simulator, bus)
    results = play(design, f"tb_{bus}", steps, seconds=4 * 3500)
    expected = train_golden(model, x, labels)
    assert differences(params, results, expected) == []
    assert expected["changed"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bus", MANNERS)
def test_the_c_driver_trains_on_mnist(tmp_path, bus):
    params, n = Params.load("ice40hx8k"), 100
    images = loading.load("mnist")
    x = encoding.encode(images.train_images[:n], params.network.thresholds)
    samples = x, images.train_labels[:n].astype(int)
    check_driver(tmp_path, params, "verilator", bus, samples, seconds=3500)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_stream_keeps_up_with_the_core():
    """Waiting for samples takes less than 2% of the cycles that the core takes by itself."""
    params, n = Params.load("ecp5-85f"), 60
    images = loading.load("mnist")
    x = encoding.encode(images.train_images[:n], params.network.thresholds)
    model = initial(params, 3)
    steps = train_steps(model, x, images.train_labels[:n].astype(int))
    steps = [steps[0], ("manner", 0), *steps[1:]]
    results = play(build_design(params, "verilator", "axi"), "tb_axi", steps, seconds=1700)
    words = [int.from_bytes(word.tobytes(), "little") for word in results[0]]
    counters = params.registers.decode(words)
    own = sum(counters[f"cycles_{what}"] for what in ("drive", "free", "nudged", "update"))
    # The first sample's way in is waited for, however long the run.
    waits = counters["cycles_wait"] - params.sample_bytes - 60
    assert waits < 0.02 * own, (counters["cycles_wait"], own)
