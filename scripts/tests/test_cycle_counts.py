"""How many cycles samples take."""

import pytest

from popflip.golden.cycles.model import CycleModel
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import initial_state
from popflip.golden.training.trainer import Trainer
from popflip.scripts.cycle_counts import counted_cycles


def test_cycles_are_those_of_the_model(folder, tmp_path, monkeypatch):
    """The fast engine learns an epoch, golden and the formulas count the next samples."""
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    dataset, params = load(folder), Params.load(folder / "tiny.toml")
    found = counted_cycles(params, dataset)
    assert found["counted"] == 512
    assert found["train"] == pytest.approx(sum(found["stages"].values()), abs=0.02)

    plan = Trainer(params, dataset, GoldenMachine(params), seed=1)
    model, clock, total = Model(params, initial_state(params, 1).weights), CycleModel(params), 0
    model.tau = params.learning.tau_in_epoch(0)
    x, labels = plan.epoch_samples(0)
    for i in range(len(labels)):
        model.train(x[i : i + 1], labels[i : i + 1])
    model.tau = params.learning.tau_in_epoch(1)
    clock.touched = False
    x, labels = plan.epoch_samples(1)
    for i in range(512):
        _, relaxation = model.train(x[i : i + 1], labels[i : i + 1], keep_history=True)
        total += clock.sample(relaxation, 0).total
    assert found["train"] == pytest.approx(total / 512, abs=0.01)
    assert counted_cycles(params, dataset) == found
