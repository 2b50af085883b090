"""Logs as files."""

import csv
import json

import pytest

from popflip.golden.training.log import EpochLog
from popflip.golden.training.state import initial_state
from popflip.golden.training.tests.glyphs import CountingMachine, build, trainer


def test_logs_hold_the_history(tmp_path):
    t = trainer(build(tau_growth=30.0))
    t.run(2)
    t.write_logs(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["log.csv", "log.json"]
    logs = json.loads((folder / "log.json").read_text())
    assert [EpochLog(**log) for log in logs] == t.history
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch", "samples", "train_error", "test_error", "flips0", "flips1", "seconds",
        "samples_per_s", "changed_per_sample", "tau0", "tau1", "cycles_per_sample",
        "cycles_per_inference",
    ]  # fmt: skip
    assert len(rows) == 2
    for row, log in zip(rows, t.history, strict=True):
        for name in ("epoch", "samples", "train_error", "test_error", "changed_per_sample"):
            assert float(row[name]) == getattr(log, name), name
        assert [int(row["flips0"]), int(row["flips1"])] == log.flips
        assert [int(row["tau0"]), int(row["tau1"])] == log.tau
        assert (row["cycles_per_sample"], row["cycles_per_inference"]) == ("", "")
    assert [log.tau for log in t.history] == [[6, 4], [8, 5]]


def test_logs_hold_cycles_where_the_machine_counts_them(tmp_path):
    params = build(batch=1)
    t = trainer(params, machine=CountingMachine, samples=30, test_samples=10)
    t.run(1)
    t.write_logs(tmp_path)
    [log] = t.history
    machine = CountingMachine(params)
    machine.write_state(initial_state(params, 1))
    machine.load(*t.epoch_samples(0))
    trained = machine.train(0, 30, flush=True)
    machine.load(*t.test_set())
    tested, _ = machine.infer(0, 10)
    total = trained.cycles.pop("total")
    assert log.cycles_per_sample == total / 30
    assert log.stage_cycles == {stage: count / 30 for stage, count in trained.cycles.items()}
    assert sum(log.stage_cycles.values()) == pytest.approx(log.cycles_per_sample)
    assert log.cycles_per_inference == tested.cycles["total"] / 10
    with open(tmp_path / "log.csv", newline="") as file:
        [row] = csv.DictReader(file)
    for stage, count in log.stage_cycles.items():
        assert float(row[f"cycles_{stage}"]) == count
    assert "stage_cycles" not in row


def test_logs_without_a_history_are_empty(tmp_path):
    trainer(build()).write_logs(tmp_path)
    assert json.loads((tmp_path / "log.json").read_text()) == []
    assert (tmp_path / "log.csv").read_text().strip() == "epoch"


def test_a_list_has_a_column_for_each_layer():
    log = EpochLog(1, 10, 5.0, 6.0, [7, 8], 1.0, 10.0, 0.5, [3, 4], 90.0, None, {"drive": 40.0})
    assert log.columns() == {
        "epoch": 1, "samples": 10, "train_error": 5.0, "test_error": 6.0, "flips0": 7, "flips1": 8,
        "seconds": 1.0, "samples_per_s": 10.0, "changed_per_sample": 0.5, "tau0": 3, "tau1": 4,
        "cycles_per_sample": 90.0, "cycles_per_inference": None, "cycles_drive": 40.0,
    }  # fmt: skip
