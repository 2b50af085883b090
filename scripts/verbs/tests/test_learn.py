"""``popflip learn``: lines in, predictions out."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.training.checkpoint import read_checkpoint
from popflip.golden.training.learner import Learner
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences, initial_state

pytestmark = pytest.mark.usefixtures("default_signals")

#: Seconds that a process may take; it ends if something hangs.
LONG = 300.0


def json_lines(folder, n, first=0, names="012"):
    """Samples of the data set as lines of JSON."""
    data = load(folder)
    rows = zip(
        data.train_images[first : first + n], data.train_labels[first : first + n], strict=True
    )
    return "".join(
        json.dumps({"x": image.tolist(), "label": names[label]}) + "\n" for image, label in rows
    )


def start(*words, **options):
    """Start the command in a process of its own."""
    argv = [sys.executable, "-m", "popflip.scripts.cli", "learn", *map(str, words)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(argv, text=True, **pipes | options)


def wait_for(condition):
    """Wait until something is so."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def new(folder, out, *argv):
    """Options of a new network that learns on the golden model."""
    return ["--config", folder / "tiny.toml", "--engine", "golden", "--out", out, *argv]


def test_standard_input_is_learned_and_each_line_answered(folder, tmp_path):
    out = tmp_path / "out"
    process = start(*new(folder, out))
    said, errors = process.communicate(json_lines(folder, 50) + "oops\n", timeout=LONG)
    assert process.returncode == 0, errors
    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["line"] for row in rows] == list(range(1, 52))
    assert rows[-1] == {"line": 51, "error": "it is no JSON: Expecting value"}
    params = Params.load(folder / "tiny.toml")
    wanted = Learner(params, GoldenMachine(params), initial_state(params, 1))
    data = load(folder)
    names = read_checkpoint(out / "checkpoint.npz")[0]["classes"]
    labels = [names.index(str(label)) for label in data.train_labels[:50]]
    wanted.learn(data.train_images[:50], np.array(labels))
    assert differences(read_checkpoint(out / "checkpoint.npz")[1], wanted.state()) == []
    assert "51 lines, 50 predicted, 50 learned" in errors
    go_on = f"popflip learn --checkpoint {out / 'checkpoint.npz'}"
    assert f"popflip: saved; go on with: {go_on}" in errors
    report = json.loads((out / "report.json").read_text())
    assert (report["verb"], report["bad"], report["engine"]) == ("learn", 1, "golden")


def test_the_virtual_board_learns_the_bits_of_golden(popflip, folder, tmp_path):
    source = tmp_path / "samples.jsonl"
    source.write_text(json_lines(folder, 300))
    out = tmp_path / "out"
    status, said, errors = popflip(
        "learn", "--config", "batches.toml", "--from", source, "--out", out, "--json",
        "--predictions", tmp_path / "p.jsonl",
    )  # fmt: skip
    assert status == 0, errors
    report = json.loads(said)
    assert (report["board"], report["verified"]) == ("virtual", True)
    assert report["cycles_per_sample"] > 100
    assert report == json.loads((out / "report.json").read_text())
    # The same by golden alone: 300 samples end within a batch.
    other = tmp_path / "other"
    status, said, errors = popflip(
        "learn", "--config", "batches.toml", "--from", source, "--out", other, "--json",
        "--engine", "golden", "--predictions", tmp_path / "q.jsonl",
    )  # fmt: skip
    assert status == 0, errors
    golden = json.loads(said)
    assert [golden[key] for key in ("flips", "correct")] == [report["flips"], report["correct"]]
    assert golden["verified"] is None
    states = [read_checkpoint(each / "checkpoint.npz")[1] for each in (out, other)]
    assert differences(*states) == []
    assert (tmp_path / "p.jsonl").read_bytes() == (tmp_path / "q.jsonl").read_bytes()
    assert len((tmp_path / "p.jsonl").read_text().splitlines()) == 300


def test_a_file_that_grows_is_followed_until_ctrl_c(folder, tmp_path):
    source, out, rows = tmp_path / "grows.jsonl", tmp_path / "out", tmp_path / "rows.jsonl"
    source.write_text(json_lines(folder, 10))
    process = start(
        *new(folder, out, "--from", source, "--follow", "--predictions", rows, "--json")
    )
    try:
        wait_for(lambda: rows.exists() and len(rows.read_text().splitlines()) == 10)
        with open(source, "a") as writer:
            writer.write(json_lines(folder, 5, first=10) + '{"x": [1')
        wait_for(lambda: len(rows.read_text().splitlines()) == 15)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=LONG)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    report = json.loads(said)
    assert (report["ended_by"], report["lines"], report["bad"]) == ("Ctrl-C", 15, 0)
    meta, _ = read_checkpoint(out / "checkpoint.npz")
    assert meta["streamed"]["samples"] == 15
    # It goes on where it ended, with what came meanwhile.
    source.write_text(json_lines(folder, 20))
    process = start(
        "--checkpoint", out / "checkpoint.npz", "--engine", "golden", "--from", source,
        "--first", report["last_line"] + 1, "--out", tmp_path / "on", "--json",
    )  # fmt: skip
    said, errors = process.communicate(timeout=LONG)
    assert json.loads(said)["learned"] == 5, errors
    assert read_checkpoint(tmp_path / "on" / "checkpoint.npz")[0]["streamed"]["samples"] == 20


def test_checkpoints_are_written_while_it_waits_and_outlive_a_kill(folder, tmp_path):
    out = tmp_path / "out"
    process = start(*new(folder, out, "--save-every", 0))
    try:
        process.stdin.write(json_lines(folder, 7))
        process.stdin.flush()
        wait_for((out / "checkpoint.npz").exists)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate(timeout=LONG)
    assert read_checkpoint(out / "checkpoint.npz")[0]["streamed"]["samples"] == 7


def test_a_reader_that_goes_away_ends_it_and_loses_nothing(folder, tmp_path):
    read, write = os.pipe()
    process = start(*new(folder, tmp_path / "out"), stdout=write)
    os.close(write)
    process.stdin.write(json_lines(folder, 5))
    process.stdin.flush()
    assert os.read(read, 1) == b"{"
    os.close(read)
    _, errors = process.communicate(json_lines(folder, 5), timeout=LONG)
    assert process.returncode == 2, errors
    assert read_checkpoint(tmp_path / "out" / "checkpoint.npz")[0]["streamed"]["samples"] == 10


def test_a_training_goes_on_with_its_encoder_and_its_names(popflip, folder, tmp_path):
    rng = np.random.default_rng(1)
    table = tmp_path / "flowers.csv"
    heights = rng.normal(size=80)
    rows = [
        f"{h:.3f},{'red' if h > 0 else 'blue'},{'rose' if h > 0.3 else 'iris'}" for h in heights
    ]
    table.write_text("height,colour,kind\n" + "\n".join(rows) + "\n")
    config = tmp_path / "flowers.toml"
    config.write_text(
        "[network]\nimage = [1, 3]\nthresholds = [63, 127, 191]\nhidden = [16]\nclasses = 3\n"
        "[dynamics]\ngains = [40, 30]\n[learning]\ntau = [3, 2]\n[data]\nlabel = 'kind'\n"
    )
    first = tmp_path / "first"
    status, _, errors = popflip(
        "train", "--config", config, "--data", table, "--engine", "golden", "--out", first
    )
    assert status == 0, errors
    grown = tmp_path / "grown.csv"
    grown.write_text(
        "kind,colour,height\nrose,red,1.5\n,blue,-1\ntulip,red,2\noak,red,tall\n,green,1\n"
    )
    status, said, errors = popflip(
        "learn", "--checkpoint", first / "checkpoint.npz", "--engine", "golden", "--from", grown,
        "--out", tmp_path / "second",
    )  # fmt: skip
    assert status == 0, errors
    answers = [json.loads(line) for line in said.splitlines()]
    assert [answer["line"] for answer in answers] == [2, 3, 4, 5, 6]
    assert answers[0]["label"] == "rose"
    assert answers[1]["prediction"] in ("iris", "rose")
    assert answers[2]["label"] == "tulip", "a class that came later"
    assert answers[3]["error"] == "column 'height' must hold a number, not 'tall'"
    assert "prediction" in answers[4], "a text that training lacked is none of the known ones"
    assert "new classes: tulip" in errors
    status, said, errors = popflip(
        "infer", "--checkpoint", tmp_path / "second" / "checkpoint.npz", "--data", table,
        "--engine", "golden", "--json",
    )  # fmt: skip
    assert status == 0, errors
    assert json.loads(said)["classes"] == ["iris", "rose", "tulip"]


def test_latents_can_be_cleared(popflip, folder, trained, tmp_path):
    source = tmp_path / "none.jsonl"
    source.write_text("\n")
    states = []
    for argv in ([], ["--clear-latents"]):
        status, _, errors = popflip(
            "learn", "--checkpoint", trained[0] / "checkpoint.npz", "--engine", "golden", "--from",
            source, "--out", tmp_path / "out", *argv,
        )  # fmt: skip
        assert status == 0, errors
        assert "popflip: nothing learned, saved; go on with: " in errors
        states.append(read_checkpoint(tmp_path / "out" / "checkpoint.npz")[1])
    kept, cleared = states
    assert all(latents.any() for latents in kept.latents)
    assert not any(latents.any() for latents in cleared.latents)
    for a, b in zip(kept.weights, cleared.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_strict_ends_at_the_first_bad_line(popflip, folder, tmp_path):
    source = tmp_path / "samples.jsonl"
    source.write_text(json_lines(folder, 3) + "oops\n" + json_lines(folder, 3))
    status, said, errors = popflip(
        "learn", *new(folder, tmp_path / "out", "--from", source, "--strict")
    )
    assert status == 2
    assert errors.splitlines()[-1] == (f"popflip: {source}, line 4: it is no JSON: Expecting value")
    assert len(said.splitlines()) == 4
    assert read_checkpoint(tmp_path / "out" / "checkpoint.npz")[0]["streamed"]["samples"] == 3


def test_new_classes_can_be_ruled_out(popflip, folder, trained, tmp_path):
    source = tmp_path / "samples.jsonl"
    source.write_text(
        json_lines(folder, 2, names="0xy"[:1] * 3) + json_lines(folder, 1, names="xxx")
    )
    status, said, errors = popflip(
        "learn", "--checkpoint", trained[0] / "checkpoint.npz", "--engine", "golden", "--from",
        source, "--out", tmp_path / "out", "--no-new-classes", "--json",
    )  # fmt: skip
    assert status == 0, errors
    report = json.loads(said)
    assert report["bad_lines"] == [
        {"line": 3, "why": "label 'x' is none of the classes: 0, 1, 2"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "none.jsonl"], "none.jsonl: No such file or directory"),
        (["--from", "."], ". is a folder, not a file of samples"),
        (["--follow"], "--follow goes with a file: standard input is waited for anyway"),
        (["--from", "tiny.toml", "--format", "xml"], "format must be json, csv or tsv, not 'xml'"),
        (["--from", "tiny.toml", "--first", "0"], "first must be at least 1, not 0"),
        (["--from", "tiny.toml", "--idle", "-1"], "idle must be at least 0, not -1.0"),
        (["--checkpoint", "none.npz"], "none.npz does not exist"),
        (["--board", "virtual"], "name one of --board and --engine, not both"),
        (
            ["--from", "tiny.toml", "--predictions", "."],
            "predictions must be a file, not the folder .",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_one_line(popflip, folder, tmp_path, words, message):
    status, _, errors = popflip("learn", *new(folder, tmp_path / "out"), *words)
    assert (status, errors.splitlines()) == (2, [f"popflip: {message}"])


def test_a_checkpoint_of_another_network_is_refused(popflip, folder, trained, tmp_path):
    status, _, errors = popflip(
        "learn", "--checkpoint", trained[0] / "checkpoint.npz", "--config", "wider.toml",
        "--engine", "golden", "--out", tmp_path / "out",
    )  # fmt: skip
    assert status == 2
    assert errors.endswith("is of another network: its network differs\n")


def test_a_folder_in_use_is_refused(popflip, folder, tmp_path):
    out = tmp_path / "out"
    process = start(*new(folder, out))
    try:
        wait_for((out / ".lock").exists)
        status, _, errors = popflip("learn", *new(folder, out, "--from", "tiny.toml"))
        assert status == 2
        assert "another popflip writes its results to" in errors
    finally:
        process.kill()
        process.communicate(timeout=LONG)


def test_predictions_never_take_the_place_of_what_is_read(popflip, folder, tmp_path):
    kept = tmp_path / "kept.jsonl"
    kept.write_text('{"x": [0]}\n')
    argv = [
        "learn",
        "--config",
        folder / "tiny.toml",
        "--engine",
        "golden",
        "--out",
        tmp_path / "o",
    ]
    status, _, err = popflip(*argv, "--from", kept, "--predictions", kept)
    line = f"predictions must be written to another file than {kept}, which is read"
    assert (status, err) == (2, f"popflip: {line}\n")
    assert popflip(*argv, "--from", tmp_path / "gone.jsonl", "--predictions", kept)[0] == 2
    assert kept.read_text() == '{"x": [0]}\n'
