"""What the tests of the command have in common: a data set and networks that are small."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

from popflip.golden.training.trainer import Trainer
from popflip.scripts.cli import run

CONFIG = """\
[network]
image = [8, 8]
hidden = [12]
classes = 3

[dynamics]
gains = [40, 30]

[learning]
beta = 4
tau = [3, 2]
batch = {batch}

[machine]
row_lanes = 64
relax_lanes = 3
latent_lanes = [32, 3]
"""


TRAIN, TEST = 3000, 100


def write_idx(path, values):
    """Write an array as an IDX file."""
    header = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three patterns with noise, as IDX files, and configurations of networks for them."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(5)
    patterns = rng.random((3, 8, 8)) < 0.4
    for part, n in (("train", TRAIN), ("t10k", TEST)):
        labels = rng.integers(0, 3, n).astype(np.uint8)
        lit = patterns[labels] ^ (rng.random((n, 8, 8)) < 0.12)
        write_idx(folder / f"{part}-images-idx3-ubyte", np.where(lit, 255, 0).astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    (folder / "tiny.toml").write_text(CONFIG.format(batch=1))
    (folder / "batches.toml").write_text(CONFIG.format(batch=16))
    (folder / "wider.toml").write_text(CONFIG.format(batch=1).replace("[12]", "[13]"))
    return folder


@pytest.fixture
def command(capsys):
    """Run the command in this process: (status, output, errors)."""

    def call(*argv):
        capsys.readouterr()
        status = run([str(word) for word in argv])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def popflip(command, folder, monkeypatch):
    """Run the command in the folder of the data."""
    monkeypatch.chdir(folder)
    return command


@pytest.fixture
def uncounted():
    """The environment of a process that has no room for the data of coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def tiny(folder, *argv, config="tiny.toml"):
    """Options of a training of the small network by the golden model."""
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


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """Train two epochs on the golden model: the folder of results, and the report."""
    out = tmp_path_factory.mktemp("runs") / "golden"
    argv = [str(word) for word in tiny(folder, "--epochs", 2, "--samples", 1500, "--out", out)]
    command = [sys.executable, "-m", "popflip.scripts.cli", "train", *argv, "--json", "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout), done.stderr
