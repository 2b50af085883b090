"""``popflip bench standalone``: the flash budget against the virtual board."""

import pytest

from popflip.golden.datasets.loading import load
from popflip.golden.description.flash_image import TURN_CYCLES, flash_cycles
from popflip.golden.description.params import Params
from popflip.scripts.verbs.explore.bench import standalone
from popflip.scripts.verbs.explore.bench.standalone import bench_standalone, simulated


def test_machines_that_boards_share_are_simulated_once(folder, monkeypatch):
    done = []

    def stand_in(params, dataset, samples):
        done.append((params.name, params.standalone.flash))
        return {"samples": samples, "cycles": 7.0, "wait": 0.0}

    monkeypatch.setattr(standalone, "simulated", stand_in)
    monkeypatch.setattr(standalone, "counted_cycles", lambda params, dataset: {"train": 1e6})
    names = ["ulx3s-12f", "colorlight-i5", "ulx3s-25f", "upduino-v3"]
    rows = bench_standalone(load(folder), 60, names)
    assert done == [("ecp5-25f", "quad"), ("ecp5-25f", "dual")]
    assert [row["board"] for row in rows] == names
    assert [row["simulated"] is not None for row in rows] == [True, True, True, False]
    assert rows[3]["obstacle"] == "the board's flash is not wired to the design"
    assert not any(row["bound"] for row in rows[:3])


@pytest.mark.slow
def test_no_board_waits_for_its_flash():
    rows = [row for row in bench_standalone(load("mnist"), 0) if row["obstacle"] is None]
    assert len(rows) >= 10
    assert [row["board"] for row in rows if row["bound"]] == []


@pytest.mark.slow
@pytest.mark.parametrize(("flash", "divider"), [("single", 8), ("quad", 1)])
def test_the_core_waits_if_the_flash_is_slower(folder, flash, divider):
    """By as much as the arithmetic says."""
    params = Params.load(folder / "tiny.toml").replace(
        standalone={
            "flash": flash, "flash_divider": divider, "flash_delay": 2, "order_bits": 8,
            "flash_base": 8192,
        }
    )  # fmt: skip
    found = simulated(params, load(folder), 250)
    takes = flash_cycles(params) + TURN_CYCLES
    if flash == "single":
        assert takes > 1.5 * found["cycles"]
        assert found["cycles"] + found["wait"] == pytest.approx(takes, rel=0.02)
    else:
        assert found["wait"] < 0.05 * found["cycles"] + 1
