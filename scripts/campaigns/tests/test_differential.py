"""A few cases of the differential test; many are `popflip differential`."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, seed, settings

from popflip.golden.description.bus import BUSES
from popflip.golden.description.params import Params
from popflip.golden.training.machine import GoldenMachine
from popflip.scripts.campaigns.differential import cases as differential
from popflip.scripts.campaigns.differential.cases import (
    VARIANTS,
    Case,
    cases,
    compare,
    compare_hardware,
    compare_software,
    front_end,
)

pytestmark = pytest.mark.timeout(600)

SMALL = Params.build({
    "network": {"image": [3, 3], "hidden": [4], "classes": 2},
    "dynamics": {"gains": [90, 60]},
    "learning": {"tau": [1, 1], "beta": 4},
    "machine": {"row_lanes": 9, "relax_lanes": 2, "latent_lanes": [9, 2], "sample_slots": 4},
})  # fmt: skip

BUS_THAT_IS_NONE = Case(SMALL, bus="apb").to_json()


@seed(1)
@given(cases())
@settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_random_cases(case):
    assert compare(case) == [], f"popflip differential --replay '{case.to_json()}'"


@given(cases())
@settings(max_examples=30, deadline=None)
def test_a_case_survives_its_line(case):
    assert Case.from_json(case.to_json()) == case


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants(variant):
    assert compare_software(Case(SMALL, seed=3, samples=4, variant=variant)) == []


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("bus", ["axi", *(
    pytest.param(bus, marks=pytest.mark.slow) for bus in ("none", "uart", "wishbone")
)])  # fmt: skip
def test_front_ends(bus, internal):
    """Samples from slots whose bytes are no whole words, and from outside."""
    case = Case(SMALL, seed=3, samples=3, internal=internal, bus=bus)
    assert compare_hardware(case, ("icarus",)) == []


def test_front_ends_are_drawn():
    counts = Counter(front_end(seed) for seed in range(1000))
    assert set(counts) == set(BUSES)
    assert min(counts.values()) > 200


def test_every_way_is_compared(monkeypatch):
    """With a golden model that is wrong, all others are."""
    train, learn = differential.train_golden, GoldenMachine.train

    def miscounted(model, x, labels):
        expected = train(model, x, labels)
        return expected | {"samples": expected["samples"] + 1}

    monkeypatch.setattr(differential, "train_golden", miscounted)
    monkeypatch.setattr(
        GoldenMachine, "train", lambda self, first, count, flush: learn(self, first, 1, flush)
    )
    case = Case(SMALL, seed=3, samples=2, internal=True)
    software, *hardware = differential.compare(case, ("icarus",))
    assert software.startswith("fast engine: ")
    assert hardware[-2:] == ["amaranth: samples: 2, not 3", "icarus: samples: 2, not 3"]
    assert all(line.startswith("fast engine: ") for line in hardware[:-2])


@pytest.mark.parametrize("text", ["", "{}", '{"params":{}}', "[]", BUS_THAT_IS_NONE])
def test_what_is_no_case_is_refused(text):
    with pytest.raises(ValueError, match=r"^(replay must be a case as it was printed|.* missing)"):
        Case.from_json(text)
