"""The generated trainer core against the golden model: every bit, and every cycle."""

import numpy as np
import pytest

from popflip.boards import tools
from popflip.cocotb_tests.cosim import (
    build_design,
    cosim,
    differences,
    initial,
    train_golden,
    train_steps,
)
from popflip.cocotb_tests.simulators import SIMULATORS, BenchError, build, play
from popflip.golden.datasets import encoding, loading
from popflip.golden.description.params import Params

SMALL = Params.build({
    "network": {
        "image": [6, 6], "first": "local", "window": 3, "stride": 1, "features": 3,
        "classes": 3, "copies": 2,
    },
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3},
    "machine": {"row_lanes": 9, "relax_lanes": 6, "latent_lanes": [3, 6]},
})  # fmt: skip


@pytest.fixture(scope="module")
def mnist():
    images = loading.load("mnist")

    def first(params, n):
        x = encoding.encode(images.train_images[:n], params.network.thresholds)
        return x, images.train_labels[:n].astype(int)

    return first


def random_samples(params, seed, n):
    rng = np.random.default_rng([seed, 1])
    return rng.random((n, params.n_in)) < 0.4, rng.integers(0, params.network.classes, n)


def agree(result):
    assert result["agree"], "\n".join(result["differences"])
    return result


@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def test_one_training_step(simulator):
    result = agree(cosim(SMALL, simulator, *random_samples(SMALL, 1, 1), seed=3))
    assert result["changed"] > 0
    assert min(result["flips"]) > 0


# Long enough for two busy cores to generate and compile a preset.
pytestmark = pytest.mark.timeout(900)

SLOW = [pytest.mark.slow, pytest.mark.timeout(1800)]


# Icarus is a hundred times as slow as Verilator.
@pytest.mark.parametrize(
    ("simulator", "samples", "batch"),
    [
        pytest.param("verilator", 200, 1, marks=SLOW),
        pytest.param("verilator", 200, 16, marks=SLOW),
        pytest.param("icarus", 2, 2, marks=SLOW),
        pytest.param("icarus", 200, 1, marks=SLOW),
        pytest.param("icarus", 200, 16, marks=SLOW),
    ],
)
def test_mnist(simulator, samples, batch, mnist):
    params = Params.load("local-small")
    x, labels = mnist(params, samples)
    result = agree(cosim(params, simulator, x, labels, batch=batch, seconds=1700))
    assert result["samples"] == samples
    assert result["changed"] > 0
    assert min(result["flips"]) > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("preset", ["local-large-wide", "dense-wide", "ecp5-85f-leaky"])
def test_wide_presets(preset, mnist):
    params = Params.load(preset)
    result = agree(cosim(params, "verilator", *mnist(params, 20), seconds=600))
    assert result["changed"] > 0
    assert min(result["flips"]) > 0


def test_differences_name_what_differs():
    x, labels = random_samples(SMALL, 1, 3)
    model = initial(SMALL, 3)
    results = play(build_design(SMALL, "icarus"), "tb_core", train_steps(model, x, labels))
    expected = train_golden(model, x, labels)
    assert differences(SMALL, results, expected) == []
    cycles = expected["cycles_drive"]
    expected["cycles_drive"] += 1
    was = expected["weights1"][2, 4]
    expected["weights1"][2, 4] ^= True
    expected["results"][2] = 9
    assert differences(SMALL, results, expected) == [
        "1 predictions, the first of sample 2",
        f"cycles_drive: {cycles}, not {cycles + 1}",
        f"1 of weights1, the first at row 2, column 4: {was}, not {not was}",
    ]


def test_missing_programs_are_named_together(monkeypatch):
    monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    monkeypatch.setattr(tools, "_packaged", lambda: None)
    with pytest.raises(tools.ToolError, match=r"missing programs: verilator \(.*, perl \(.*g\+\+"):
        cosim(SMALL, "verilator", *random_samples(SMALL, 1, 1))
    with pytest.raises(tools.ToolError, match=r"missing programs: iverilog \(.*iverilog\)$"):
        cosim(SMALL, "icarus", *random_samples(SMALL, 1, 1))


def test_unknown_simulator():
    with pytest.raises(
        ValueError, match=r"^simulator must be one of icarus, verilator, not 'questa'$"
    ):
        cosim(SMALL, "questa", *random_samples(SMALL, 1, 1))


@pytest.mark.parametrize("simulator", list(SIMULATORS))
def test_verilog_that_does_not_compile(simulator):
    with pytest.raises(
        tools.ToolError, match=rf"^{simulator} does not compile core: design\.v:4:.*syntax error"
    ):
        build(simulator, "core", "module core(clk);\n  input clk;\n  nonsense\nendmodule\n")


def test_bench_that_fails():
    design = build("icarus", "core", "module core(clk, rst);\n  input clk, rst;\nendmodule\n")
    with pytest.raises(BenchError, match=r"^tb_core failed in icarus:\n(.*\n)*.*host_command"):
        play(design, "tb_core", [("params", SMALL)])


def test_simulation_without_end():
    # A loop without delay: the simulator never comes back to Python.
    text = (
        "module core(clk, rst);\n  input clk, rst;\n  always @(posedge rst) forever ;\nendmodule\n"
    )
    design = build("icarus", "core", text)
    with pytest.raises(BenchError, match=r"^tb_unit was not done in 3 s in icarus:\n"):
        play(design, "tb_unit", [[], {}], seconds=3)
