"""Trainings: what they leave behind, how they are interrupted and go on."""

import csv
import io
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.log import EpochLog
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import say
from popflip.scripts.session import Target
from popflip.scripts.tests.fixtures import same_training, tiny
from popflip.scripts.training.job import TrainingJob, begun_with, counted, interruptible

pytestmark = pytest.mark.usefixtures("default_signals")


def test_a_training_reports_in_one_object(trained, folder):
    out, report, err = trained
    assert report["verified"] is True
    assert report["finished"] is True
    assert report["test_error"] == report["history"][-1]["test_error"]
    assert 0 <= report["test_error"] < 30, "three patterns are easy"
    assert report["samples_per_s"] > 10
    assert report["cycles_per_sample"] is None, "golden has no clock"
    assert (report["epochs"], report["seed"], report["samples"]) == (2, 1, 1500)
    assert report["compared_bits"] == (64 * 12 + 12 * 3) * 9
    assert report["data"] == str(folder)
    assert report == json.loads((out / "report.json").read_text())
    assert "golden: 3,000 of 3,000" in err


def test_a_training_leaves_checkpoint_logs_and_pictures(trained, folder):
    out, report, _ = trained
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock", "checkpoint.npz", "curve.csv", "curves.png", "job.json", "log.csv", "log.json",
        "report.json", "weights.png",
    ]  # fmt: skip
    assert json.loads((out / "log.json").read_text()) == report["history"]
    rows = list(csv.DictReader((out / "log.csv").read_text().splitlines()))
    assert [row["test_error"] for row in rows] == [str(h["test_error"]) for h in report["history"]]
    chunks = list(csv.DictReader((out / "curve.csv").read_text().splitlines()))
    for log in report["history"]:
        of_epoch = [row for row in chunks if int(row["epoch"]) == log["epoch"]]
        assert sum(int(row["samples"]) for row in of_epoch) == log["samples"]
        assert [sum(int(row[f"flips{layer}"]) for row in of_epoch) for layer in (0, 1)] == (
            log["flips"]
        )
    for name in ("curves.png", "weights.png"):
        height, width, _ = imread(out / name).shape
        assert 300 < height < 1500, name
        assert 600 < width < 1800, name


def test_training_is_what_the_five_lines_of_python_do(trained, folder):
    out, _, _ = trained
    params = Params.load(folder / "tiny.toml")
    machine = GoldenMachine(params)
    trainer = Trainer(params, load(folder), machine, seed=1, samples=1500)
    trainer.run(2)
    meta, state = Trainer.read_checkpoint(out / "checkpoint.npz")
    for a, b in zip(machine.read_state().weights, state.weights, strict=True):
        assert (a == b).all()
    assert [log.test_error for log in trainer.history] == [
        log["test_error"] for log in meta["history"]
    ]


def test_a_person_reads_the_same_numbers(popflip, folder, tmp_path):
    argv = tiny(folder, "--samples", 512, "--out", tmp_path, "--seed", 3)
    status, out, err = popflip("train", *argv)
    assert status == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verified"] is None, "golden is not compared with itself unasked"
    assert f"{report['test_error']:.2f} % of 100 images" in out
    assert "not checked" in out
    assert str(tmp_path / "curves.png") in out
    assert re.search(r"train 1/1: 512 of 512 .*flips per sample", err)


@pytest.mark.parametrize("config", ["tiny.toml", "batches.toml"])
def test_a_resumed_training_equals_one_that_went_through(popflip, folder, tmp_path, config):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    argv = tiny(folder, "--samples", 700, config=config)
    assert popflip("train", *argv, "--out", whole, "--epochs", 3)[0] == 0
    assert popflip("train", *argv, "--out", parts, "--epochs", 1)[0] == 0
    status, _, err = popflip("train", *argv, "--out", parts, "--epochs", 3, "--resume", "--verify")
    assert status == 0, err
    assert json.loads((parts / "report.json").read_text())["began_at"]["epochs"] == 1
    same_training(whole, parts)


def started(folder, out, *argv, prelude="", env=None):
    """Start a training in a process of its own; return it once it has trained some samples."""
    words = [str(word) for word in ["train", *tiny(folder, "--out", out, *argv)]]
    code = (
        "import sys\nfrom popflip.scripts import cli\n"
        f"{prelude}\nsys.argv[1:] = {words!r}\ncli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=env,
    )  # fmt: skip
    line = process.stderr.readline()
    assert line.startswith("train 1/"), line + process.stderr.read()
    return process


@pytest.mark.parametrize("config", ["tiny.toml", "batches.toml"])
def test_ctrl_c_saves_and_the_command_that_it_names_goes_on(popflip, folder, tmp_path, config):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    argv = tiny(folder, "--epochs", 2, "--samples", 1200, config=config)
    assert popflip("train", *argv, "--out", whole)[0] == 0
    options = ["--epochs", 2, "--samples", 1200, "--config", folder / config, "--json"]
    process = started(folder, parts, *options)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 2
    found = re.search(
        r"^popflip: interrupted in epoch (\d) after ([\d,]+) of 1,200 samples; go on with: (.*)$",
        err, re.MULTILINE,
    )  # fmt: skip
    assert found, err
    meta, _ = Trainer.read_checkpoint(parts / "checkpoint.npz")
    assert (meta["epoch"] + 1, meta["position"]) == (int(found[1]), int(found[2].replace(",", "")))
    assert 0 < meta["position"] < 1200, "it was to stop within an epoch"
    report = json.loads(out)
    assert (report["finished"], report["verified"]) == (False, None)
    program, *words = shlex.split(found[3])
    assert program == "popflip"
    status, _, err = popflip(*words)
    assert status == 0, err
    same_training(whole, parts)


def test_a_killed_training_goes_on_from_its_last_checkpoint(popflip, folder, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    argv = tiny(folder, "--epochs", 2, "--samples", 1200)
    assert popflip("train", *argv, "--out", whole)[0] == 0
    # It saves as soon as it may, once, and is still there when it is killed.
    once = (
        "import time, popflip.scripts.training as t, popflip.golden.training.trainer as g; "
        "t.SAVE_S = t.SAVE_SHARE = 0; save = g.Trainer.save; "
        "g.Trainer.save = lambda self, path: time.sleep(600) if path.exists() else save(self, path)"
    )
    process = started(folder, parts, "--epochs", 2, "--samples", 1200, prelude=once)
    deadline = time.monotonic() + 60
    while not (parts / "curve.csv").exists():
        assert time.monotonic() < deadline, "no checkpoint within an epoch"
        time.sleep(0.01)
    process.kill()
    process.communicate()
    meta, _ = Trainer.read_checkpoint(parts / "checkpoint.npz")
    assert (meta["epoch"], meta["position"]) < (2, 0), "it was to die before its end"
    status, _, err = popflip("train", *argv, "--resume", "--out", parts)
    assert status == 0, err
    same_training(whole, parts)


def test_a_full_disk_leaves_earlier_results_as_they_were(folder, popflip, tmp_path, uncounted):
    argv = tiny(folder, "--samples", 256, "--out", tmp_path)
    assert popflip("train", *argv)[0] == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))"
    process = started(folder, tmp_path, "--samples", 512, prelude=limit, env=uncounted)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (2, "")
    last = err.splitlines()[-1]
    assert last == f"popflip: {tmp_path / 'checkpoint.npz'}: File too large"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--seed", "2"], r"was made with seed 1, not 2"),
        (["--samples", "1000"], r"was made with samples 1500, not 1000"),
        (["--config", "wider.toml"], r"is of another network: its network differs"),
        (["--config", "batches.toml"], r"is of another network: its learning differs"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(popflip, trained, folder, argv, line):
    out, _, _ = trained
    before = (out / "checkpoint.npz").read_bytes()
    options = ["--resume", "--out", out, "--engine", "golden", "--data", folder, "--epochs", 3]
    status, stdout, err = popflip("train", *options, *argv)
    assert (status, stdout) == (2, "")
    assert re.fullmatch(rf"popflip: \S+checkpoint\.npz {line}\n", err), err
    assert (out / "checkpoint.npz").read_bytes() == before


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_resumption_with_nothing_to_do_is_refused(popflip, trained, folder, epochs):
    out, _, _ = trained
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    argv = tiny(folder, "--resume", "--samples", 1500, "--out", out, "--epochs", epochs)
    status, stdout, err = popflip("train", *argv)
    assert (status, stdout) == (2, "")
    assert re.fullmatch(rf"popflip: epochs must be at least 3, not {epochs}: \S+ has done 2\n", err)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_checkpoint_of_an_earlier_popflip_does_not_say_where_its_data_is(
    popflip, trained, tmp_path
):
    out, _, _ = trained
    with np.load(out / "checkpoint.npz") as file:
        content = dict(file)
    meta = json.loads(str(content["meta"]))
    for name in ("data_source", "classes", "encoder"):
        del meta[name]
    np.savez(tmp_path / "checkpoint.npz", **content | {"meta": np.array(json.dumps(meta))})
    status, _, err = popflip("train", "--resume", "--out", tmp_path)
    assert status == 2
    assert err.endswith(": name that data set with --data\n")


def test_counters_that_differ_are_named():
    log = EpochLog(
        epoch=1, samples=100, train_error=9.0, test_error=8.0, flips=[3, 4], seconds=1.0,
        samples_per_s=100.0, changed_per_sample=2.5, tau=[1, 1],
    )  # fmt: skip
    same = {"samples": 100, "correct": 91, "changed": 250, "flips": [3, 4]}
    assert counted([log], {1: same}) == []
    assert counted([log], {}) == [], "an epoch from before a resumption"
    assert counted([log], {1: same | {"correct": 90}}) == [
        "training error of epoch 1: 9.0, not 10.0"
    ]
    assert counted([log], {1: same | {"flips": [3, 5]}}) == ["flips of epoch 1: [3, 4], not [3, 5]"]


@pytest.mark.parametrize("config", ["tiny.toml", "batches.toml"])
def test_the_fast_engine_learns_what_golden_learns(popflip, folder, tmp_path, config):
    argv = ["train", "--config", config, "--data", folder, "--engine", "fast", "--threads", 1]
    status, out, err = popflip(*argv, "--verify", "--json", "--out", tmp_path)
    assert status == 0, err
    report = json.loads(out)
    assert report["verified"] is True
    assert (report["engine"], report["board"]) == ("fast", None)


def test_the_command_to_go_on_with_says_what_was_not_the_default():
    job = TrainingJob(
        params=Params.load("local-small"),
        dataset=None,
        source="mnist",
        out=Path("runs/a b"),
        epochs=3,
    )
    assert job.resume_command() == "popflip train --resume --out 'runs/a b' --epochs 3"
    target = Target("/dev/ttyUSB0", 6_250_000)
    job = replace(job, source="/d", target=target, verify=False)
    assert job.resume_command().endswith(
        " --epochs 3 --board /dev/ttyUSB0 --baud 6250000 --no-verify"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_whoever_ends_it_politely_gets_a_checkpoint(folder, tmp_path, number):
    process = started(folder, tmp_path, "--epochs", 500)
    process.send_signal(number)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2, err
    assert "go on with: popflip train --resume" in err
    Trainer.read_checkpoint(tmp_path / "checkpoint.npz")


class InterruptedStream(io.RawIOBase):
    """A stream during whose first write somebody types Ctrl-C."""

    def __init__(self):
        self.text = b""

    def writable(self):
        return True

    def write(self, data):
        first, self.text = not self.text, self.text + bytes(data)
        if first:
            signal.raise_signal(signal.SIGINT)
        return len(data)


def test_an_interrupt_in_the_midst_of_a_line_is_heeded(monkeypatch, capfd):
    stream, trainer = InterruptedStream(), SimpleNamespace(stop_requested=False)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(stream)))
    interrupts.install()
    with interruptible(trainer):
        say("a line")
        assert trainer.stop_requested
        interrupts.check()  # the loop ends in its own way
    assert stream.text == b"a line\n"
    assert capfd.readouterr().err.startswith("stopping after the work in hand")
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
    interrupts.install()  # nobody wants an end any more
    interrupts.check()


def test_a_second_interrupt_ends_at_once(folder, tmp_path):
    process = started(folder, tmp_path / "out", "--epochs", 500)
    process.send_signal(signal.SIGINT)
    while not (line := process.stderr.readline()).startswith("stopping after"):
        assert line, "it ended without saying that it stops"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert err.splitlines()[-1].startswith("popflip: interrupted"), err
    assert "Traceback" not in err


def test_the_virtual_board_learns_what_golden_learns(popflip, folder, tmp_path):
    argv = ["--config", "batches.toml", "--data", folder, "--samples", 250, "--epochs", 2]
    status, out, err = popflip("train", *argv, "--out", tmp_path / "out", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["verified"] is True
    assert report["compared_bits"] == 804 * 9
    cycles = report["cycles_per_sample"]
    assert cycles == pytest.approx(sum(report["stage_cycles"].values()))
    assert report["training_samples_per_s_at_mhz"]["50"] == pytest.approx(50e6 / cycles, abs=0.1)
    assert report["cycles_per_inference"] < cycles
    assert report["simulated_cycles_per_s"] > 0

    checkpoint = tmp_path / "out" / "checkpoint.npz"
    status, out, err = popflip("infer", "--checkpoint", checkpoint, "--data", folder, "--json")
    assert status == 0, err
    got = json.loads(out)
    assert got["test_error"] == report["test_error"]
    assert got["cycles_per_inference"] == pytest.approx(report["cycles_per_inference"])


def test_a_resumption_goes_on_with_what_it_was_begun_with(popflip, folder, tmp_path):
    argv = ["train", "--data", folder, "--samples", 300, "--out", tmp_path]
    begin = ["--config", folder / "tiny.toml", "--engine", "fast", "--threads", 1]
    assert popflip(*argv, *begin)[0] == 0
    status, out, err = popflip(*argv, "--resume", "--epochs", 2, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["engine"], report["board"], report["epochs"]) == ("fast", None, 2)
    assert "popflip: goes on with the fast engine, as it was begun" in err
    assert (report["verified"], "golden" in err) == (None, False)
    status, out, err = popflip(*argv, "--resume", "--epochs", 3, "--engine", "golden", "--json")
    assert status == 0, err
    assert json.loads(out)["engine"] == "golden"
    said = "popflip: goes on with the golden engine; it was begun with the fast engine"
    assert said in err
    (tmp_path / "job.json").unlink()
    status, _, err = popflip(*argv, "--resume", "--epochs", 3)
    assert status == 2
    assert err.startswith("popflip: goes on with board virtual\npopflip: epochs must be at least 4")
    (tmp_path / "job.json").write_text('{"engine": 7}')
    status, _, err = popflip(*argv, "--resume", "--epochs", 4)
    assert (status, err.count("\n")) == (2, 1)


def test_the_second_training_in_a_folder_is_refused(popflip, folder, tmp_path):
    process = started(folder, tmp_path, "--epochs", 500)
    argv = tiny(folder, "--out", tmp_path)
    status, out, err = popflip("train", *argv)
    assert (status, out) == (2, "")
    assert err == (
        f"popflip: another popflip writes its results to {tmp_path}: name another folder with "
        "--out\n"
    )
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert "go on with: popflip train --resume" in err
    assert popflip("train", *argv, "--samples", 300)[0] == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moments", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_a_second_interrupt_at_any_moment_is_one_line(folder, tmp_path, moments):
    """The second Ctrl-C comes at moments that are drawn, from the first one to the end."""
    rng = np.random.default_rng(moments)
    for number in range(moments):
        out = tmp_path / str(number)
        process = started(folder, out, "--epochs", 500, "--samples", 600)
        process.send_signal(signal.SIGINT)
        time.sleep(float(rng.exponential(0.03)) if number % 5 else 0.0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
        assert process.returncode == 2, err
        assert "Traceback" not in err
        assert "Error" not in err
        last = err.splitlines()[-1]
        assert last.startswith("popflip: interrupted"), err
        if (out / "checkpoint.npz").exists():
            Trainer.read_checkpoint(out / "checkpoint.npz")


def test_a_note_with_brackets_within_brackets_is_damaged(tmp_path):
    (tmp_path / "job.json").write_text("[" * 50_000)
    with pytest.raises(CheckpointError, match=r"job\.json is damaged; remove it"):
        begun_with(tmp_path)
