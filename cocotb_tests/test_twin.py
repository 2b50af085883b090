"""A bench of one's own, as a user's tests run it."""

import json

import pytest

from popflip.boards.host.machine import cached_verilog
from popflip.cocotb_tests.cosim import initial, train_golden
from popflip.cocotb_tests.simulators import BenchError
from popflip.cocotb_tests.test_buses import TINY
from popflip.cocotb_tests.twin import Twin, simulate
from popflip.golden.cycles.model import CycleModel
from popflip.golden.support.errors import InputError

pytestmark = pytest.mark.timeout(900)

BENCH = """\
import cocotb
from popflip.cocotb_tests.twin import attach

@cocotb.test()
async def learns(dut):
    machine, twin = await attach(dut, seed=4)
    for count in (3, 2):
        x, labels = twin.random_samples(count)
        assert await machine.train(x, labels) == twin.train(x, labels)
        assert await machine.differences() == []
    twin.model.latents[0][0, 0] ^= 1
    assert await machine.differences() == []  # of what it was told to be
    twin.train(x, labels)
    found = await machine.differences()
    assert "samples: 5, not 7" in found
    try:
        await machine.infer(x[:0])
    except ValueError as error:
        assert str(error).startswith("samples of a run must be 1 to ")
    await machine.load()
    assert await machine.infer(x) == twin.infer(x)
    assert await machine.train(x, labels) == twin.train(x, labels)
    assert await machine.differences() == []
"""


def write_design(folder, params, bus, **changes):
    folder.mkdir()
    tree = {
        "name": params.name,
        "digest": params.digest,
        "parameters": params.model_dump(mode="json", exclude={"name"}),
        "verilog": {"file": "top.v", "module": "top", "bus": bus},
    } | changes
    (folder / "manifest.json").write_text(json.dumps(tree))
    (folder / "top.v").write_text(cached_verilog(params, bus))
    return folder


@pytest.mark.parametrize("bus", ["none", *(
    pytest.param(bus, marks=pytest.mark.slow) for bus in ("uart", "axi", "wishbone")
)])  # fmt: skip
def test_machine_and_twin_learn_alike(tmp_path, bus):
    (tmp_path / "bench.py").write_text(BENCH)
    simulate(tmp_path / "bench.py", write_design(tmp_path / "design", TINY, bus))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("assert await machine.train(*twin.random_samples(2)) == []", "AssertionError"),
        ("await machine.differences()", "the twin must train before it is compared"),
    ],
)
def test_a_bench_that_fails_says_why(tmp_path, body, said):
    lines = BENCH.splitlines()[:6]
    (tmp_path / "fails.py").write_text("\n".join([*lines, f"    {body}", ""]))
    with pytest.raises(BenchError, match=r"^fails failed in icarus:") as caught:
        simulate(tmp_path / "fails.py", write_design(tmp_path / "design", TINY, "none"))
    assert said in str(caught.value)


def test_what_is_no_design_is_refused(tmp_path):
    bench = tmp_path / "bench.py"
    bench.write_text(BENCH)
    with pytest.raises(InputError, match=r"manifest.json is of another version of popflip"):
        simulate(bench, write_design(tmp_path / "old", TINY, "none", digest="0"))
    untrained = TINY.replace(machine={"training": False})
    with pytest.raises(InputError, match=r"^machine.training must be true for a golden twin"):
        simulate(bench, write_design(tmp_path / "fixed", untrained, "none"))
    (tmp_path / "old" / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"must be a manifest that popflip verilog wrote$"):
        simulate(bench, tmp_path / "old")


def test_counters_of_runs_add_up():
    twin = Twin(TINY, 1)
    x, labels = twin.random_samples(3)
    model, clock = initial(TINY, 1), CycleModel(TINY)
    runs = [train_golden(model, x, labels, clock=clock) for _ in range(2)]
    assert [twin.train(x, labels) for _ in runs] == [run["results"] for run in runs]
    expected = twin.expected()
    assert (expected["samples"], expected["pending"]) == (6, 0)
    for name in ("correct", "changed", "flips0", "cycles_drive", "cycles_update"):
        assert expected[name] == sum(run[name] for run in runs), name
    assert runs[0]["cycles_update"] > runs[1]["cycles_update"], "what was loaded was not tested"
