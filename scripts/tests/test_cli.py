"""The command: what it prints, how it ends, what it leaves behind."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

from popflip.boards.host.machine import virtual_machine
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.log import EpochLog
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import say
from popflip.scripts.session import Target
from popflip.scripts.training import Order, counted, interruptible, resume_command

pytestmark = pytest.mark.usefixtures("default_signals")

VERBS = [
    "attack", "differential", "soak", "upsets",
    "train", "demo", "watch", "infer", "verify", "save", "load", "serve", "verilog", "cosim",
    "info", "data",
]  # fmt: skip


def tiny(folder, *argv, config="tiny.toml"):
    return ["--config", folder / config, "--data", folder, "--engine", "golden", *argv]


def same_training(a, b):
    """Compare the checkpoints in two folders, but for the time that was taken."""
    (meta_a, state_a), (meta_b, state_b) = (
        Trainer.read_checkpoint(folder / "checkpoint.npz") for folder in (a, b)
    )
    for one, other in ((state_a, state_b),):
        for layer, (x, y) in enumerate(zip(one.weights, other.weights, strict=True)):
            assert (x == y).all(), f"weights of layer {layer}"
        for layer, (x, y) in enumerate(zip(one.latents, other.latents, strict=True)):
            assert (x == y).all(), f"latents of layer {layer}"
    for meta in (meta_a, meta_b):
        for log in meta["history"]:
            del log["seconds"], log["samples_per_s"]
    assert meta_a == meta_b
    assert (a / "curve.csv").read_text() == (b / "curve.csv").read_text()


# Help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_examples_that_are_accepted(popflip, verb):
    status, out, err = popflip(verb, "--help")
    assert (status, err) == (0, "")
    after = out.split("Examples:")[1]
    examples = [line.strip() for line in after.splitlines() if line.strip()]
    assert examples
    for example in examples:
        words = shlex.split(example.split(" > ")[0])
        assert words[:2] == ["popflip", verb]
        # Options are known if asking for help besides them is no error.
        assert popflip(*words[1:], "--help")[0] == 0
        for option in (word for word in words if word.startswith("-")):
            assert option in out, f"{option} is not in the help of {verb}"


def test_without_a_verb_the_help_lists_all(popflip):
    status, out, err = popflip()
    assert (status, err) == (2, "")
    assert out.count("Usage:") == 1
    for verb in VERBS:
        assert re.search(rf"^\W*{verb} ", out, re.MULTILINE), verb


def test_the_version(popflip):
    assert popflip("--version") == (0, "popflip 0.1.0\n", "")


# Bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["trian"], r"No such command 'trian'.* \(popflip --help says more\)"),
        (
            ["train", "--epoch", "1"],
            r"No such option.*--epoch.* \(popflip train --help says more\)",
        ),
        (["train", "--epochs", "0"], r"Invalid value for '--epochs': .*\(popflip train --help.*"),
        (["infer"], r"Missing option '--checkpoint' \(popflip infer --help says more\)"),
        (
            ["train", "--preset", "huge"],
            r"preset must be one of dense-wide, .* or a \.toml file, not 'huge'",
        ),
        (
            ["info", "--preset", "dense-wide", "--config", "tiny.toml"],
            r"name one of --preset and --config, not both",
        ),
        (["info", "--config", "absent.toml"], r"cannot read absent\.toml: .*No such file.*"),
        (["info", "--config", "tiny.json"], r"config must be a \.toml file, not 'tiny\.json'"),
        (["train", "--samples", "0"], r"samples must be 1 to 3000, not 0"),
        (["train", "--samples", "3001"], r"samples must be 1 to 3000, not 3001"),
        (["train", "--test-samples", "101"], r"test_samples must be 1 to 100, not 101"),
        (["train", "--seed", "-1"], r"seed must be at least 0, not -1"),
        (["train", "--data", "absent"], r"there is no data set or folder 'absent'; .*"),
        (
            ["train", "--preset", "local-small"],
            r"network\.image must be 8 x 8 for \S+, not 28 x 28",
        ),
        (["train", "--board", "real"], r"board must be virtual or a serial port .*, not 'real'"),
        (
            ["train", "--board", "/dev/ttyNONE"],
            r"no serial port /dev/ttyNONE \(there are: .*\)",
        ),
        (["train", "--out", "tiny.toml/run"], r"tiny\.toml/run: Not a directory"),
        (["train", "--resume", "--out", "absent"], r"absent/checkpoint\.npz does not exist"),
        (["infer", "--checkpoint", "absent.npz"], r"absent\.npz does not exist"),
        (
            ["infer", "--checkpoint", "tiny.toml"],
            r"tiny\.toml is not a checkpoint of popflip, or is damaged",
        ),
        (
            ["verify", "--checkpoint", "a.npz", "--seed", "3"],
            r"--seed has no place beside --checkpoint, which says it",
        ),
        (
            ["verify", "--checkpoint", "a.npz", "--engine", "golden"],
            r"--engine has no place beside --checkpoint, which is compared without a board",
        ),
        (["train", "--engine", "slow"], r"engine must be fast or golden, not 'slow'"),
        (
            ["train", "--engine", "fast", "--threads", "4096"],
            r"threads must be 1 to \d+, as many as there are, not 4096",
        ),
        (
            ["train", "--board", "virtual", "--engine", "fast"],
            r"name one of --board and --engine, not both",
        ),
        (["train", "--threads", "2"], r"threads are the fast engine's: .* --engine fast"),
        (["train", "--data", ""], r"data must be mnist or a folder with IDX files, not ''"),
        (
            ["train", "--data", "~nobody-here/x"],
            r"there is no data set or folder '~nobody-here/x'; .*",
        ),
        (
            ["cosim", "--batch", "70000", "--config", "tiny.toml"],
            r"learning\.batch must be at most 65535, not 70000",
        ),
        (["data", "--folder", "mnist"], r"there is no data set or folder '\./mnist'; .*"),
        (
            ["bench", "model"],
            r"what to bench must be engine, core, standalone or growth, not 'model'",
        ),
        (["bench", "standalone", "--samples", "-1"], r"samples must be 0 to \d+, not -1"),
        (["bench", "engine", "--samples", "9"], r"samples must be 64 to \d+, not 9"),
        (
            ["bench", "engine", "--threads", "4096"],
            r"threads must be 1 to \d+, as many as there are, not 4096",
        ),
        (
            ["bench", "engine", "--data", ".", "--samples", "64"],
            r"network\.image must be 8 x 8 for .*, not 28 x 28",
        ),
        (["demo", "--seed", "-1"], r"seed must be at least 0, not -1"),
        (["demo", "--samples", "60001"], r"samples must be 1 to 60000, not 60001"),
        (["verify", "--samples", "9999"], r"samples must be 1 to 3000, not 9999"),
        (["cosim", "--simulator", "spice"], r"simulator must be icarus, .* or both, not 'spice'"),
        (["verilog", "-o", "tiny.toml"], r"tiny\.toml: File exists"),
        (["data", "--folder", "absent"], r"there is no data set or folder 'absent'; .*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_line_and_status_2(popflip, folder, argv, line):
    if argv[:1] in (["train"], ["verify"]) and "--checkpoint" not in argv:
        for option, value in (("--data", folder), ("--config", "tiny.toml")):
            if option not in argv and not (option == "--config" and "--preset" in argv):
                argv = [*argv, option, value]
        if argv[0] == "train" and not {"--board", "--engine"} & {*argv}:
            argv = [*argv, "--engine", "golden"]
    status, out, err = popflip(*argv)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("hidden = [12]", "hidden = [0]"), r"network\.hidden\.0 must be at least 1, not 0"),
        (("tau = [3, 2]", "tau = [300, 2]"), r".*tau\[0\] must be at most 127, .*, not 300"),
        (("row_lanes = 64", "row_lanes = 65"), r"machine\.row_lanes must be at most .*, not 65"),
        (("image = [8, 8]", "image = [8, 8"), r"\S+ is not valid TOML: .*"),
    ],
    ids=["no neurons", "narrow latents", "wide lanes", "syntax"],
)
def test_impossible_parameters_get_one_line_and_status_2(popflip, tmp_path, change, line):
    (tmp_path / "bad.toml").write_text(Path("tiny.toml").read_text().replace(*change))
    status, out, err = popflip("train", "--config", tmp_path / "bad.toml")
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ('kind = "leaky"', r"dynamics\.kind must be 'sweeps' in hardware, not 'leaky'; .*"),
        ("pixel_bits = 8", r"network\.pixel_bits must be 1 in hardware, not 8; .*"),
        ("training = false", r"machine\.training must be true to train on a board, not false"),
        (
            "relax_lanes = 2500",
            r"a word of weights1 must be at most 1015 bytes .*; --engine fast .*",
        ),
    ],
)
def test_a_board_that_cannot_train_is_not_built(popflip, folder, tmp_path, change, line):
    sections = {"kind": "[dynamics]", "pixel_bits": "[network]"}
    section = sections.get(change.split()[0], "[machine]")
    text = Path("tiny.toml").read_text().replace(section, f"{section}\n{change}")
    if "lanes" in change:
        text = Path("tiny.toml").read_text().replace("relax_lanes = 3", "relax_lanes = 9000")
        text = text.replace("classes = 3", "classes = 3\ncopies = 3000")
    (tmp_path / "bad.toml").write_text(text)
    config = ["--config", tmp_path / "bad.toml", "--data", folder]
    for argv in (["train", "--out", tmp_path / "out"], ["cosim"]):
        status, out, err = popflip(*argv, *config)
        assert (status, out) == (2, "")
        assert re.fullmatch(rf"popflip: {line}\n", err), err
    assert not (tmp_path / "out").exists()


def test_missing_simulators_are_all_named(popflip, monkeypatch):
    monkeypatch.setenv("PATH", "")
    status, out, err = popflip("cosim", "--simulator", "both")
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("popflip: missing programs: iverilog (apt-get install iverilog), ")
    assert "perl (apt-get install perl), make (apt-get install make), g++" in line


def test_debug_shows_where_an_error_came_from(popflip):
    with pytest.raises(ValueError, match="preset must be one of"):
        popflip("--debug", "info", "--preset", "huge")


# Training -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """Train two epochs on the golden model: the folder of results, and the report."""
    out = tmp_path_factory.mktemp("runs") / "golden"
    argv = [str(word) for word in tiny(folder, "--epochs", 2, "--samples", 1500, "--out", out)]
    command = [sys.executable, "-m", "popflip.scripts.cli", "train", *argv, "--json", "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout), done.stderr


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
        "checkpoint.npz", "curve.csv", "curves.png", "log.csv", "log.json", "report.json",
        "weights.png",
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
    assert re.search(r"train 1/1: 512 of 512 .*flips each", err)


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
    code = f"import sys\nfrom popflip.scripts.cli import run\n{prelude}\nsys.exit(run({words!r}))"
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
        (["--config", "wider.toml"], r"is of another network: its network differ"),
        (["--config", "batches.toml"], r"is of another network: its learning differ"),
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
    assert re.fullmatch(
        rf"popflip: epochs must be at least 3, not {epochs}: \S+ has 2 behind it\n", err
    )
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_folder_called_mnist_is_not_mnist(popflip, folder, tmp_path, monkeypatch):
    (tmp_path / "mnist").symlink_to(folder)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    status, out, err = popflip("data", "--folder", "mnist", "--json")
    assert status == 0, err
    assert json.loads(out)["data"] == folder.name


def test_a_checkpoint_does_not_say_where_its_data_is(popflip, trained):
    out, _, _ = trained
    status, _, err = popflip("train", "--resume", "--out", out)
    assert status == 2
    assert err.endswith(": name the folder of that data set with --data\n")


# Inference and verification -----------------------------------------------------------------


def test_inference_gives_every_prediction_of_the_network(popflip, trained, folder, tmp_path):
    out, report, _ = trained
    table = tmp_path / "predictions.csv"
    argv = ["--checkpoint", out / "checkpoint.npz", "--data", folder, "--engine", "golden"]
    status, stdout, err = popflip("infer", *argv, "--json", "--predictions", table)
    assert status == 0, err
    got = json.loads(stdout)
    assert got["test_error"] == report["test_error"]
    data = load(folder)
    params = Params.load(folder / "tiny.toml")
    _, state = Trainer.read_checkpoint(out / "checkpoint.npz")
    x = encode(data.test_images, params.network.thresholds)
    expected = Model(params, state.weights).relax(x).prediction
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [int(row["prediction"]) for row in rows] == expected.tolist()
    assert [int(row["label"]) for row in rows] == data.test_labels.tolist()
    counts = [
        [int(((data.test_labels == true) & (expected == guess)).sum()) for guess in range(3)]
        for true in range(3)
    ]
    assert got["confusion"] == counts
    assert got["correct"] == sum(counts[i][i] for i in range(3))
    status, stdout, _ = popflip("infer", *argv, "--samples", 10)
    assert status == 0
    right = int((expected[:10] == data.test_labels[:10]).sum())
    assert f"{right} of 10 images" in stdout


def test_a_checkpoint_is_verified_from_scratch(popflip, trained, folder):
    out, _, _ = trained
    argv = ["--checkpoint", out / "checkpoint.npz", "--data", folder]
    status, stdout, err = popflip("verify", *argv, "--json")
    assert status == 0, err
    report = json.loads(stdout)
    assert (report["verified"], report["samples"]) == (True, 3000)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("weights0", "1 of 768 weights of layer 0 differ"),
        ("latents1", "1 of 36 latents of layer 1 differ"),
    ],
)
def test_one_wrong_bit_is_found(popflip, trained, folder, tmp_path, name, line):
    out, _, _ = trained
    with np.load(out / "checkpoint.npz") as file:
        arrays = dict(file)
    arrays[name][2, 1] ^= 1
    np.savez(tmp_path / "wrong.npz", **arrays)
    argv = ["--checkpoint", tmp_path / "wrong.npz", "--data", folder]
    status, stdout, err = popflip("verify", *argv, "--json")
    assert status == 1
    report = json.loads(stdout)
    assert (report["verified"], report["differences"]) == (False, [line])
    assert err.splitlines()[-1] == f"popflip: not verified: {line}"


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
    order = Order(Params.load("local-small"), None, "mnist", Path("runs/a b"), epochs=3)
    assert resume_command(order) == "popflip train --resume --out 'runs/a b' --epochs 3"
    target = Target("/dev/ttyUSB0", 6_250_000)
    order = replace(order, source="/d", target=target, verify=False)
    assert resume_command(order).endswith(
        " --data /d --board /dev/ttyUSB0 --baud 6250000 --no-verify"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_whoever_ends_it_politely_gets_a_checkpoint(folder, tmp_path, number):
    process = started(folder, tmp_path, "--epochs", 500)
    process.send_signal(number)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2, err
    assert "go on with: popflip train --resume" in err
    Trainer.read_checkpoint(tmp_path / "checkpoint.npz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_end_before_any_work_is_one_line(folder, tmp_path, number):
    fifo = tmp_path / "slow.toml"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "popflip.scripts.cli", "info", "--config", str(fifo)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with open(fifo, "w"):  # opens once the other side reads
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "popflip: interrupted; what was saved before is whole\n"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_a_reader_that_leaves_is_not_scolded(options):
    command = [sys.executable, "-m", "popflip.scripts.cli", "info", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 2


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


def test_an_interrupt_in_the_midst_of_a_line_is_heeded(monkeypatch):
    stream, trainer = InterruptedStream(), SimpleNamespace(stop_requested=False)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(stream)))
    before = threading.active_count()
    with interruptible(trainer):
        say("a line")
    assert trainer.stop_requested
    while threading.active_count() > before:
        time.sleep(0.01)
    first, second = stream.text.decode().splitlines()
    assert first == "a line"
    assert second.startswith("stopping after the samples in hand")


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


# Facts --------------------------------------------------------------------------------------


def test_info_gives_what_follows_from_the_parameters(popflip):
    status, out, err = popflip("info", "--preset", "local-small", "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["sizes"] == [784, 490, 40]
    assert report["synapses"] == 68600
    assert report["memory_bits"]["latents"] == 68600 * 8
    assert [preset["preset"] for preset in report["presets"]] == sorted(
        preset["preset"] for preset in report["presets"]
    )
    assert report["memory_map"][0]["region"] == "registers"
    status, out, _ = popflip("info")
    assert status == 0
    assert "68,600" in out


def test_data_says_what_a_folder_holds(popflip, folder):
    status, out, err = popflip("data", "--folder", folder, "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["image"] == [8, 8]
    assert report["classes"] == 3
    assert (report["train"]["images"], report["test"]["images"]) == (3000, 100)
    assert sum(report["train"]["labels"]) == 3000


def test_verilog_writes_files_that_are_there(popflip, tmp_path):
    out = tmp_path / "verilog"
    status, stdout, err = popflip("verilog", "--config", "tiny.toml", "-o", out, "--json")
    assert (status, err) == (0, "")
    files = json.loads(stdout)["files"]
    assert sorted(files) == sorted(str(path) for path in out.iterdir())


# In simulators and on the virtual board -------------------------------------------------------


def test_the_core_in_a_simulator_equals_golden(popflip, folder):
    argv = ["--config", "tiny.toml", "--data", folder, "--simulator", "icarus", "--samples", 3]
    status, out, err = popflip("cosim", *argv, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"], report["samples"]) == (True, [], 3)
    assert list(report["simulators"]) == ["icarus"]
    assert report["cycles_per_sample"] == report["cycles"] / 3 > 64


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


def test_a_board_on_a_serial_port_is_verified(popflip, folder):
    params = Params.load(folder / "batches.toml")
    transport = virtual_machine(params).transport
    try:
        with pseudo_terminal(transport) as port:
            argv = ["--config", "batches.toml", "--data", folder, "--board", port]
            status, out, err = popflip("verify", *argv, "--samples", 40, "--json")
    finally:
        transport.close()
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"]) == (True, [])
    assert (report["compared_cycles"], report["compared_predictions"]) == (40, 100)
    assert os.path.basename(report["board"]).isdigit()
