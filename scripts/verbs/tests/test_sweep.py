"""``popflip sweep``, on real worker processes."""

import csv
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import psutil
import pytest
from matplotlib.image import imread

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.engine.machine import FastMachine
from popflip.golden.training.trainer import Trainer
from popflip.scripts.verbs.explore.sweep.axis import Axis

# Workers import, and the engine is compiled if no other test came before.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]


def command(folder, out, *options):
    return [
        sys.executable, "-m", "popflip.scripts.cli", "sweep",
        "--config", str(folder / "batches.toml"),
        "--data", str(folder), "--out", str(out), "--validation", "100", "--epochs", "1",
        *map(str, options),
    ]  # fmt: skip


def sweep(folder, out, *options):
    # Each worker is a process that imports all there is, which takes longer than these trials.
    if "--scheduler" not in options:
        options = (*options, "--workers", 1)
    done = subprocess.run(
        [*command(folder, out, *options), "--json"], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_search_goes_on_where_it_ended(folder, tmp_path):
    axes = ["--vary", "learning.beta=1..8", "--vary", "learning.tau.0=1..60:log"]
    first = sweep(folder, tmp_path, *axes, "--trials", 4)
    assert first["complete"] == 4
    second = sweep(folder, tmp_path, *axes, "--trials", 7)
    assert second["complete"] == 7
    # What had been tried was not tried again, and stayed as it was.
    assert [row for row in second["rows"] if row["trial"] < 4] == first["rows"]
    drawn = {(row["learning.beta"], row["learning.tau.0"]) for row in second["rows"]}
    assert len(drawn) == 7
    with open(tmp_path / "sweep.csv") as file:
        table = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in table] == [row["trial"] for row in second["rows"]]
    errors = [row["error"] for row in second["rows"]]
    assert errors == sorted(errors)
    assert imread(tmp_path / "sweep.png").shape[2] == 4


@pytest.mark.slow
def test_a_grid_tries_every_combination_once(folder, tmp_path):
    axes = [
        "--vary",
        "dynamics.gains=[40,30],[50,30]",
        "--vary",
        "learning.nudging=centered,positive",
    ]
    report = sweep(folder, tmp_path, *axes, "--grid", "--seeds", 2)
    tried = {(tuple(r["dynamics.gains"]), r["learning.nudging"]) for r in report["rows"]}
    assert report["complete"] == len(report["rows"]) == len(tried) == 4
    again = sweep(folder, tmp_path, *axes, "--grid", "--seeds", 2)
    assert again["rows"] == report["rows"]
    # The folder takes no other.
    done = subprocess.run(
        command(folder, tmp_path, "--vary", "learning.beta=2,4", "--grid", "--seeds", 2),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "holds another sweep: its axes differ; name another folder" in done.stderr


@pytest.mark.slow
def test_one_network_with_several_seeds_on_the_test_set(folder, tmp_path):
    report = sweep(folder, tmp_path, "--seeds", 3, "--validation", 0, "--epochs", 2)
    assert report["complete"] == len(report["rows"]) == 1
    assert report["judge"] == "the test set"
    assert set(report["files"]) == {"table"}
    errors = [train(folder, seed).history[-1].test_error for seed in (1, 2, 3)]
    row = report["rows"][0]
    assert row["error"] == pytest.approx(statistics.mean(errors), abs=1e-3)
    assert row["spread"] == pytest.approx(statistics.stdev(errors), abs=1e-3)


def train(folder, seed):
    params = Params.load(folder / "batches.toml")
    trainer = Trainer(params, loading.load(str(folder)), FastMachine(params, 1), seed=seed)
    trainer.run(2)
    return trainer


@pytest.mark.slow
def test_networks_that_cannot_be_are_left_out(folder, tmp_path):
    axes = ["--vary", "learning.tau.0=3,500,5"]
    report = sweep(folder, tmp_path, *axes, "--grid")
    assert (report["complete"], report["refused"]) == (2, 1)


def workers_of(process):
    """Processes under a process that are Dask's workers."""
    children = psutil.Process(process.pid).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


@contextmanager
def started(folder, out, *options, until):
    """A sweep that runs and has said ``until``."""
    with subprocess.Popen(
        command(folder, out, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while until not in (line := process.stderr.readline()):
            assert line, f"it ended before it said {until!r}"
        yield process


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_at_most_its_trial(folder, tmp_path):
    options = ["--vary", "learning.beta=1..8", "--trials", 8, "--epochs", 40, "--json"]
    with started(folder, tmp_path, *options, until="sweep: 0 of 8") as process:
        deadline = time.monotonic() + 60
        while not (found := workers_of(process)) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(found[0], signal.SIGKILL)
        out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["complete"] + report["failed"] == 8
    assert report["complete"] >= 7


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_found(folder, tmp_path):
    options = ["--vary", "learning.beta=1..8", "--epochs", 8]
    with started(folder, tmp_path, *options, "--trials", 500, until="best") as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 2, err
    assert "Traceback" not in err
    done = json.loads((tmp_path / "report.json").read_text())["complete"]
    assert 1 <= done < 500
    assert sweep(folder, tmp_path, *options, "--trials", done)["complete"] == done


@pytest.mark.slow
def test_a_cluster_does_the_work(folder, tmp_path):
    address = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_{}", "--scheduler-file", str(address)]
    words = {
        "scheduler": ["--port", "0", "--no-dashboard", "--host", "127.0.0.1"],
        "worker": ["--nthreads", "1", "--no-dashboard"],
    }
    with ExitStack() as stack:
        for part, more in words.items():
            process = subprocess.Popen(
                [word.format(part) for word in dask] + more,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)
            deadline = time.monotonic() + 60
            while not address.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
        where = json.loads(address.read_text())["address"]
        axes = ["--vary", "learning.beta=2,3,4", "--grid"]
        assert sweep(folder, tmp_path / "out", *axes, "--scheduler", where)["complete"] == 3


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--vary", "learning.beta"], r"vary must be SECTION\.NAME=A,B,C or .*"),
        (["--config", "shape.toml"], r"network\.image must be 8 x 8 for \S+, not 9 x 8"),
        (["--samples", "3000"], r"samples must be 1 to 2900, not 3000"),
        (["--vary", "learning.bata=1..2"], r"learning\.bata is not a parameter"),
        (["--vary", "learning.tau.7=1..2"], r"learning\.tau\.7 is not a parameter"),
        (["--vary", "learning.beta=3..2"], r"vary must have a range of numbers .*, not '3\.\.2'"),
        (["--vary", "learning.beta=0..2:log"], r"vary must have a LOW above 0 .*, not 0"),
        (["--vary", "learning.beta=1..2", "--grid"], r"grid needs choices A,B,C .*, not ranges"),
        (["--vary", "learning.beta=1..2", "--trials", "0"], r"trials must be at least 1, not 0"),
        (["--workers", "0"], r"workers must be 1 to \d+, as many as there are threads, not 0"),
        (["--workers", "4096"], r"workers must be 1 to \d+, as many as .* threads, not 4096"),
        (["--vary", "learning.beta=1..2", "--validation", "3000"], r"validation must .* 2999, .*"),
        pytest.param(
            ["--vary", "learning.beta=1,2", "--scheduler", "tcp://127.0.0.1:9"],
            r"scheduler 'tcp://127\.0\.0\.1:9' does not answer: .*",
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_bad_input_gets_one_line_and_status_2(popflip, folder, tmp_path, options, line):
    other = (folder / "batches.toml").read_text().replace("image = [8, 8]", "image = [9, 8]")
    (folder / "shape.toml").write_text(other)
    _, _, _, *words = command(folder, tmp_path, *options)
    status, out, err = popflip(*words)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}", err.splitlines()[-1]), err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_full_disk_costs_nothing_that_was_found(folder, tmp_path, uncounted):
    axes = ["--vary", "learning.beta=2..9"]
    before = sweep(folder, tmp_path, *axes, "--trials", 2)
    results = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    journal = results.pop("sweep.journal")
    # In the midst of a line: each trial adds hundreds of bytes.
    room = len(journal) + 700
    limit = (
        "import resource, sys; from popflip.scripts import cli; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); "
        "sys.exit(cli.run(sys.argv[1:]))"
    )
    words = command(folder, tmp_path, *axes, "--trials", 9)
    done = subprocess.run(
        [sys.executable, "-c", limit, *words[3:]], capture_output=True, text=True, timeout=300,
        env=uncounted,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(rf"popflip: {tmp_path}/sweep\.\w+: File too large", last), done.stderr
    assert "Traceback" not in done.stderr
    for name, content in results.items():
        assert (tmp_path / name).read_bytes() == content
    left = (tmp_path / "sweep.journal").read_bytes()
    assert left.startswith(journal)
    assert not left.endswith(b"\n"), "no line was cut"
    for trials in (4, 5):  # twice: the first could write behind what is cut, the second read it
        after = sweep(folder, tmp_path, *axes, "--trials", trials)
        assert after["complete"] == trials
        assert [row for row in after["rows"] if row["trial"] < 2] == before["rows"]


@pytest.mark.parametrize("package", ["optuna", "distributed"])
@pytest.mark.parametrize("verb", ["sweep", "ablate"])
def test_a_missing_package_is_named_with_its_extra(folder, tmp_path, verb, package):
    hidden = f"import sys; sys.modules[{package!r}] = None; from popflip.scripts import cli; "
    done = subprocess.run(
        [sys.executable, "-c", f"{hidden}sys.exit(cli.run(sys.argv[1:]))", verb],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    fix = "pip install 'popflip[sweep]'"
    assert done.stderr == f"popflip: {verb} needs {package}, which is not installed: {fix}\n"
    assert not list(tmp_path.iterdir())


def test_axes_are_put_where_they_belong():
    tree = {"learning": {"tau": [1, 2], "beta": 3}}
    Axis.parse("learning.tau.1=5,6").put(tree, 5)
    Axis.parse("learning.beta=1..9").put(tree, 7)
    assert tree == {"learning": {"tau": [1, 5], "beta": 7}}
    with pytest.raises(ParamsError, match=r"learning\.tau\.2 is not a parameter"):
        Axis.parse("learning.tau.2=1,2").put(tree, 1)


def test_parameters_that_a_file_leaves_out_can_be_varied():
    tree = Params.load("local-small").model_dump(mode="json")
    assert "pool" not in tree["network"]
    for text in ("network.pool=1,3", "learning.first_latent_bits=9,16", "data.seed=1,2"):
        axis = Axis.parse(text)
        axis.put(tree, axis.choices[-1])
    varied = Params.build(tree)
    assert (varied.first_layer.pool, varied.learning.first_latent_bits) == ((3, 3), 16)
    assert varied.data.seed == 2


@pytest.mark.parametrize(("samples", "kept"), [(60_000, 10_000), (1400, 233), (5, 1), (1, 0)])
def test_the_test_set_never_judges_by_default(samples, kept):
    from popflip.scripts.verbs.explore.sweep.study import default_validation

    images, labels = np.zeros((samples, 2, 2), np.uint8), np.zeros(samples, np.uint8)
    assert default_validation(Dataset("d", images, labels, images[:1], labels[:1])) == kept
