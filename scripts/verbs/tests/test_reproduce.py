"""Rows of the paper by the command: results, resumption, refusals, the table."""

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack
from functools import partial

import numpy as np
import pytest
from matplotlib.image import imread

from popflip.golden.paper.images import CIFAR_RECORD
from popflip.golden.paper.systems import ROWS
from popflip.scripts.results import read
from popflip.scripts.tables import duration
from popflip.scripts.verbs.explore.reproduce.runs import RESULTS

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Patterns with noise in MNIST's shape, as IDX files: 200 to learn, 40 to test."""
    folder = tmp_path_factory.mktemp("digits")
    rng = np.random.default_rng(7)
    patterns = rng.random((10, 28, 28)) < 0.2
    for part, n in (("train", 200), ("t10k", 40)):
        labels = rng.integers(0, 10, n).astype(np.uint8)
        lit = patterns[labels] ^ (rng.random((n, 28, 28)) < 0.05)
        for kind, values in (("images-idx3", 255 * lit), ("labels-idx1", labels)):
            values = values.astype(np.uint8)
            header = b"\0\0\x08" + bytes([values.ndim])
            header += b"".join(size.to_bytes(4, "big") for size in values.shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return folder


@pytest.fixture
def popflip(command, tmp_path, monkeypatch):
    """Run ``popflip reproduce`` in an empty folder: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    return partial(command, "reproduce")


def refused(called, message):
    status, printed, said = called
    assert (status, printed) == (2, "")
    assert said == f"popflip: {message}\n"


def test_the_list_needs_no_pytorch(popflip, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    status, printed, _ = popflip("--list")
    assert status == 0
    assert all(name in printed for name in ROWS)
    rows = json.loads(popflip("--list", "--json")[1])
    assert [row["row"] for row in rows] == list(ROWS)
    assert rows[1]["parameters"]["gamma"] == [1e-4, 1e-5]


def test_one_thing_at_a_time(popflip):
    for options in ([], ["--table", "--list"], ["fc1-binary", "--table"]):
        refused(popflip(*options), "name one of a row, --table and --list")
    refused(popflip("--table", "--seeds", 3), "seeds must be left out with --table")
    refused(popflip("--list", "--resume"), "resume must be left out with --list")
    refused(
        popflip("fc1-binary", "--seeds", 2, "--seed", 5),
        "seed must be left out with --seeds, not 5",
    )
    message = f"row must be one of {', '.join(ROWS)}, not 'fc9'"
    refused(popflip("fc9"), message)


def test_without_pytorch_a_row_says_what_to_install(popflip, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "popflip.golden.paper.trainer", raising=False)
    refused(
        popflip("fc1-binary"),
        "reproduce needs torch, which is not installed: pip install 'popflip[paper]'",
    )


@pytest.mark.torch
def test_a_row_is_trained_and_gone_on_with(popflip, digits):
    options = ["--data", digits, "--threads", 1, "--samples", 128]
    status, printed, said = popflip("fc1-learned", "--epochs", 1, *options, "--json")
    assert status == 0, said
    first = json.loads(printed)
    assert (first["finished"], first["epochs"]) == (True, 1)
    out = RESULTS / "fc1-learned-seed1"
    assert first["out"] == str(out)
    status, printed, _ = popflip("fc1-learned", "--epochs", 3, *options, "--resume", "--json")
    assert status == 0
    report = json.loads(printed)
    assert report["history"][0] == first["history"][0]
    assert len(report["history"]) == report["epochs"] == 3
    assert report["test_error"] < 60
    assert set(report["files"]) == {
        "checkpoint.npz", "curves.png", "log.csv", "log.json", "row.json",
    }  # fmt: skip
    assert imread(out / "curves.png").shape[2] == 4
    with open(out / "log.csv") as file:
        table = list(csv.DictReader(file))
    flips = [[int(line["flips0"]), int(line["flips1"])] for line in table]
    assert flips == [log["flips"] for log in report["history"]]
    assert sum(map(sum, flips)) > 0
    message = f"epochs must be at least 4, not 2: {out / 'checkpoint.npz'} has done 3"
    before = (out / "checkpoint.npz").read_bytes()
    refused(popflip("fc1-learned", "--epochs", 2, *options, "--resume"), message)
    assert (out / "checkpoint.npz").read_bytes() == before
    # For a person, and its command is one that the shell takes.
    status, printed, said = popflip("fc1-learned", "--epochs", 1, *options)
    assert status == 0
    assert re.search(r"test error +\d+\.\d\d % of 40 images", printed)
    assert re.search(r"epoch 1: test error .* flips [\d,]+ \+ [\d,]+", said)
    words = shlex.split(report["command"])
    assert words[:3] == ["popflip", "reproduce", "fc1-learned"]


@pytest.mark.torch
def test_results_of_another_row_are_left_alone(popflip, digits, tmp_path):
    options = ["--data", digits, "--threads", 1, "--samples", 64, "--epochs", 1, "--out", "here"]
    assert popflip("fc1-float", *options)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    message = "here holds results of row fc1-float, not fc1-bptt: name another folder with --out"
    refused(popflip("fc1-bptt", *options), message)
    refused(popflip("fc1-bptt", *options, "--resume"), message)
    (tmp_path / "here" / "row.json").unlink()
    refused(
        popflip("fc1-bptt", *options, "--resume"),
        "here/checkpoint.npz is of row fc1-float, not fc1-bptt",
    )
    after = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert {**after, "row.json": before["row.json"]} == before
    refused(
        popflip("fc1-binary", "--resume", "--data", digits),
        "runs/reproduce/fc1-binary-seed1/checkpoint.npz does not exist",
    )


@pytest.mark.torch
def test_wrong_images_and_numbers(popflip, digits, tmp_path):
    refused(
        popflip("cifar-binary"),
        "cifar-binary needs --data FOLDER with CIFAR-10, binary version: data_batch_1.bin to "
        "data_batch_5.bin and test_batch.bin; or --data synthetic",
    )
    refused(
        popflip("cifar-binary", "--data", digits),
        f"{digits} lacks data_batch_1.bin, data_batch_2.bin, data_batch_3.bin, data_batch_4.bin, "
        f"data_batch_5.bin, test_batch.bin of CIFAR-10's binary version",
    )
    options = ["fc1-float", "--data", digits]
    refused(popflip(*options, "--samples", 201), "samples must be 1 to 200, not 201")
    refused(popflip(*options, "--seed", -1), "seed must be at least 0, not -1")
    refused(popflip(*options, "--threads", 0), "threads must be at least 1, not 0")
    refused(popflip(*options, "--validation", 200), "validation must be 1 to 199, not 200")
    refused(
        popflip("full-fc1-integer", "--data", digits, "--validation", 9),
        "validation must be left out for full-fc1-integer, not 9",
    )
    status, printed, said = popflip(*options, "--device", "meta")
    assert (status, printed) == (2, "")
    assert said.startswith("popflip: device 'meta' is not there: ")
    status, printed, said = popflip(*options, "--device", "cuda:77")
    assert (status, printed) == (2, "")
    assert said.startswith("popflip: device 'cuda:77' is not there: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.torch
def test_synthetic_images_of_cifar10s_shape(popflip, tmp_path):
    folder = tmp_path / "synthetic"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for name in (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"):
        records = rng.integers(0, 256, (64, CIFAR_RECORD)).astype(np.uint8)
        records[:, 0] %= 10
        with open(folder / name, "wb") as file:
            file.write(records.tobytes())
            file.truncate(10_000 * CIFAR_RECORD)
    # The whole network, on a single image: its 150 steps take a while.
    options = ["--data", folder, "--samples", 1, "--test-samples", 1, "--epochs", 1, "--json"]
    status, printed, said = popflip("cifar-learned", *options, "--threads", 1)
    assert status == 0, said
    report = json.loads(printed)
    assert report["data"] == "synthetic"
    assert len(report["history"][0]["flips"]) == 5


@pytest.mark.slow
@pytest.mark.torch
def test_ctrl_c_saves_and_the_rest_comes_to_the_same(digits, tmp_path):
    words = [
        sys.executable, "-m", "popflip.scripts.cli", "reproduce", "fc1-binary", "--threads", "1",
        "--data", str(digits), "--epochs", "3", "--test-samples", "20",
    ]  # fmt: skip
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("train 1/3: 64 of 200")
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 2
    words_to_go_on = re.search(
        r"interrupted in epoch \d after \d+ of 200 samples; go on with: (.*)$", said
    )[1]
    command = shlex.split(words_to_go_on)
    assert command[-1] == "--resume"
    subprocess.run([*words[:3], *command[1:]], cwd=tmp_path, check=True, timeout=200)
    subprocess.run([*words, "--out", "once"], cwd=tmp_path, check=True, timeout=200)
    folders = tmp_path / RESULTS / "fc1-binary-seed1", tmp_path / "once"
    with ExitStack() as stack:
        a, b = (stack.enter_context(np.load(f / "checkpoint.npz")) for f in folders)
        names = [name for name in a.files if name != "meta"]
        assert len(names) == 8
        for name in names:
            np.testing.assert_array_equal(a[name], b[name])
    rows = [json.loads((folder / "log.json").read_text()) for folder in folders]
    assert [log["flips"] for log in rows[0]] == [log["flips"] for log in rows[1]]
    assert len(rows[0]) == 3


@pytest.mark.slow
def test_the_fast_engine_trains_its_row(popflip, digits):
    options = ["--data", digits, "--samples", 64, "--test-samples", 20]
    status, printed, said = popflip("full-fc1-integer", "--epochs", 1, *options, "--json")
    assert status == 0, said
    first = json.loads(printed)
    assert popflip("full-fc1-integer", "--epochs", 2, *options, "--resume")[0] == 0
    (row,) = [
        r for r in json.loads(popflip("--table", "--json")[1]) if r["epochs"] and not r["commit"]
    ]
    assert (row["row"], row["epochs"], row["paper_epochs"]) == ("full-fc1-integer", 2, 100)
    assert (row["seeds"], row["spread"]) == ([1], None)
    assert row["samples"] == 64
    log = json.loads((RESULTS / "full-fc1-integer-seed1" / "log.json").read_text())
    assert log[0] == first["history"][0]
    assert row["flips"] == log[1]["flips"]


def write_run(folder, row, errors, seed=1, samples=60000):
    folder.mkdir(parents=True)
    what = {
        **ROWS[row].recipe(),
        "seed": seed, "data": "mnist", "samples": samples, "test_samples": 10000,
        "command": f"popflip reproduce {row}",
    }  # fmt: skip
    (folder / "row.json").write_text(json.dumps(what))
    history = [
        {"epoch": n, "train_error": e, "test_error": e, "flips": [1, 2], "seconds": 90.0}
        for n, e in enumerate(errors, 1)
    ]
    (folder / "log.json").write_text(json.dumps(history))


def test_the_table_compares_rows_after_as_many_epochs(popflip, tmp_path):
    runs = tmp_path / "elsewhere"
    write_run(runs / "a", "fc1-float", [5.0, 3.0, 2.0])
    write_run(runs / "b", "fc1-binary", [6.0, 3.5])
    write_run(runs / "d", "full-fc1", [9.0], samples=100)
    table = json.loads(popflip("--table", "--out", runs, "--json")[1])
    assert [*dict.fromkeys(row["row"] for row in table)] == list(ROWS)
    found = {row["row"]: row for row in table if not row["commit"]}
    binary = found["fc1-binary"]
    assert (binary["difference"], binary["difference_spread"]) == (0.5, None)
    assert (binary["difference_epoch"], binary["size"]) == (2, "full")
    assert (binary["epochs"], binary["test_error"], binary["seconds"]) == (2, 3.5, 180.0)
    # On other images there is nothing to compare with.
    assert found["full-fc1"]["difference"] is None
    assert found["cifar-float"]["epochs"] == 0
    status, printed, _ = popflip("--table", "--out", runs)
    assert status == 0
    flat = " ".join(printed.split())
    assert "3.50 % +0.50 2 1 2 of 50" in flat
    assert "3 min for each seed, 60,000 images of mnist, 10,000 to test" in flat
    (runs / "a" / "log.json").write_text("{")
    path = runs / "a" / "log.json"
    refused(
        popflip("--table", "--out", runs),
        f"{path} is damaged; remove its folder to go on without it",
    )


@pytest.mark.parametrize(
    ("name", "older", "why"),
    [
        ("conv-small-binary", {"rule": 1}, "was made with the first rule of convolutions "),
        ("conv-small-binary", {"rule": None}, "was made with the first rule of convolutions "),
        ("fc1-bptt", {"rule": None}, "was made with gradients through K steps "),
        ("fc1-binary", {"parameters": None}, "was made with other parameters of fc1-binary"),
        ("fc1-binary", {"parameters": []}, "was made with other parameters of fc1-binary"),
        ("fc2-binary", {"parameters": {"tau": [1, 1, 1]}}, "was made with other parameters of "),
    ],
)
def test_results_of_an_earlier_rule_or_recipe_do_not_count(popflip, tmp_path, name, older, why):
    out = tmp_path / "runs" / "old"
    write_run(out, name, [3.0])
    what = json.loads((out / "row.json").read_text()) | older
    what = {key: value for key, value in what.items() if value is not None}
    (out / "row.json").write_text(json.dumps(what))
    table = json.loads(popflip("--table", "--out", out.parent, "--json")[1])
    (row,) = [row for row in table if row["row"] == name and not row["epochs"]]
    assert row["void"].startswith(f"{out} {why}")
    assert not any(r["epochs"] and not r["commit"] for r in table)
    printed = " ".join(popflip("--table", "--out", out.parent)[1].split())
    assert "No longer valid" in printed


@pytest.mark.parametrize("text", ["[]", '"fc1-binary"', "7", "{"])
def test_damaged_results(popflip, tmp_path, text):
    out = tmp_path / "runs" / "one"
    write_run(out, "fc1-binary", [3.0])
    good = (out / "row.json").read_text()
    (out / "row.json").write_text(text)
    message = f"{out / 'row.json'} is damaged; remove its folder to go on without it"
    refused(popflip("--table", "--out", out.parent), message)
    (out / "row.json").write_text(good)
    for log in ("{}", "[1]", "[{}]"):
        (out / "log.json").write_text(log)
        status, printed, said = popflip("--table", "--out", out.parent)
        assert (status, printed) == (2, "")
        assert said.endswith(".json is damaged; remove its folder to go on without it\n")


def test_the_table_has_means_over_the_seeds_and_their_spread(popflip, tmp_path):
    runs = tmp_path / "runs"
    for seed, errors in enumerate(([5.0, 3.0, 2.0], [5.0, 4.0, 1.0], [5.0, 3.5, 2.5]), 1):
        write_run(runs / f"f{seed}", "fc2-small-float", errors, seed)
    for seed, errors in enumerate(([6.0, 3.5], [6.0, 3.0, 2.5], [6.0, 4.0]), 1):
        write_run(runs / f"b{seed}", "fc2-small-binary", errors, seed)
    # A seed that the reference lacks counts for the error alone.
    write_run(runs / "b4", "fc2-small-binary", [6.0, 5.5], 4)
    table = json.loads(popflip("--table", "--out", runs, "--json")[1])
    found = {row["row"]: row for row in table if not row["commit"]}
    binary = found["fc2-small-binary"]
    assert (binary["seeds"], binary["epochs"], binary["size"]) == ([1, 2, 3, 4], 2, "small")
    assert (binary["test_error"], binary["spread"]) == (4.0, 1.0801)
    # 0.5, -1 and 0.5 after two epochs.
    assert (binary["difference"], binary["difference_spread"]) == (0.0, 0.866)
    assert binary["difference_epoch"] == 2
    assert (found["fc2-small-float"]["test_error"], found["fc2-small-float"]["epochs"]) == (
        1.8333,
        3,
    )
    printed = popflip("--table", "--out", runs)[1]
    assert "4.00 ± 1.08 % +0.00 ± 0.87 2 1, 2, 3, 4 2 of 20" in " ".join(printed.split())


def test_on_a_fresh_machine_the_table_shows_what_was_recorded(popflip, tmp_path):
    recorded = read("paper")
    void = {entry.values.row: entry.void for entry in recorded if entry.void}
    table = json.loads(popflip("--table", "--out", tmp_path / "none", "--json")[1])
    assert [*dict.fromkeys(row["row"] for row in table)] == list(ROWS)
    shown = 0
    for row in table:
        if row["epochs"]:
            entries = [
                entry for entry in recorded
                if entry.values.row == row["row"] and entry.commit == row["commit"]
            ]  # fmt: skip
            assert row["test_error"] in {entry.values.test_error for entry in entries} or (
                len(entries) > 1
            )
            shown += 1
        else:
            assert (row["commit"], row["void"]) == (None, void.get(row["row"]))
    assert shown
    # A short run of three seeds does not hide the long one of the first.
    doubled = [row["epochs"] for row in table if row["row"] == "full-fc1-integer-doubled"]
    assert doubled == [100, 20]
    assert {"conv-float", "conv-binary", "fc1-bptt"} <= set(void)
    status, printed, _ = popflip("--table", "--out", tmp_path / "none")
    assert (status, printed.count("recorded ")) == (0, shown)
    assert "No longer valid" in printed


def test_patterns_without_rows(popflip):
    refused(popflip("fc9-*"), "no row is like 'fc9-*'; popflip reproduce --list shows all")


@pytest.mark.torch
def test_several_rows_and_seeds(popflip, digits):
    options = ["--data", digits, "--threads", 1, "--samples", 64, "--test-samples", 20]
    words = ["fc1-small-[fb]*", "--seeds", 2, *options]
    status, printed, said = popflip(*words, "--epochs", 1, "--json")
    assert status == 0, said
    reports = json.loads(printed)
    done = [("fc1-small-float", 1), ("fc1-small-binary", 1)]
    done += [(name, 2) for name, _ in done]
    assert [(report["row"], report["seed"]) for report in reports] == done
    assert "3 of 4: fc1-small-float from seed 2, 1 epoch\n" in said
    # Nothing of it is done again; further epochs go on.
    log = RESULTS / "fc1-small-float-seed1" / "log.json"
    written = log.stat().st_mtime_ns
    # One was killed before it could report.
    killed = RESULTS / "fc1-small-binary-seed2"
    told = json.loads((killed / "report.json").read_text())
    for name in ("report.json", "row.json", "log.json"):
        (killed / name).unlink()
    status, printed, said = popflip(*words, "--epochs", 1, "--json")
    assert (status, said.count(": done, test error"), said.count("epoch 1")) == (0, 3, 0)
    again = json.loads(printed)[3]
    assert again["history"] == told["history"]
    assert log.stat().st_mtime_ns == written
    status, printed, said = popflip(*words, "--epochs", 2)
    assert status == 0, said
    assert said.count("epoch 2: test error") == 4
    assert said.count("epoch 1: test error") == 0
    assert len(json.loads(log.read_text())) == 2
    status, printed, said = popflip(*words, "--epochs", 2)
    assert (status, said.count(": done, test error"), said.count("epoch ")) == (0, 4, 0)
    assert printed.count("fc1-small-binary ") == 2
    # Other images are another training, which the checkpoint is not of.
    path = RESULTS / "fc1-small-float-seed1" / "checkpoint.npz"
    status, _, said = popflip(*words, "--epochs", 2, "--samples", 100)
    assert (status, said.splitlines()[-1]) == (
        2, f"popflip: {path} was made with samples 64, not 100",
    )  # fmt: skip


@pytest.mark.torch
def test_settings_are_chosen_without_the_test_images(popflip, digits):
    options = ["--data", digits, "--threads", 1, "--epochs", 1, "--validation", 50, "--json"]
    status, printed, said = popflip("fc1-small-float", *options)
    assert status == 0, said
    report = json.loads(printed)
    assert (report["samples"], report["test_samples"]) == (150, 50)
    assert report["data"] == f"{digits.name}, the last 50 training images to test"
    assert "--validation 50" in report["command"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (5000, "83 min"), (9000, "2.5 h")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
