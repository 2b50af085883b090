"""The training loop: it learns, and goes on from a checkpoint to the same bits."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from popflip.golden.paper.images import Images
from popflip.golden.paper.trainer import Trainer
from popflip.golden.training.checkpoint import CheckpointError


def timeless(history):
    return [replace(log, seconds=0.0, samples_per_s=0.0) for log in history]


def same(a, b):
    assert (a.epoch, a.position) == (b.epoch, b.position)
    assert timeless(a.history) == timeless(b.history)
    mine, theirs = a._tensors(), b._tensors()
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name
    for one, other in zip(a.network.links, b.network.links, strict=True):
        assert torch.equal(one.weight, other.weight)


@pytest.mark.parametrize(
    ("name", "epochs", "changes"),
    [
        ("fc1-float", 3, {}),
        ("fc1-binary", 3, {}),
        ("fc1-learned", 3, {}),
        ("fc1-bptt", 3, {}),
        ("fc2-binary", 4, {"free_steps": 60}),
        # With so few neurons fewer flip at the paper's thresholds: they are lower here.
        ("full-fc1", 6, {"copies": 10, "tau": (3e-8, 3e-8)}),
        ("full-fc1-learned", 6, {"copies": 10, "tau": (3e-8, 3e-8)}),
    ],
)
def test_fully_connected_rows_learn(small, blobs, name, epochs, changes):
    trainer = Trainer(small(name, **changes), blobs, seed=1)
    assert trainer.run(epochs)
    errors = [log.test_error for log in trainer.history]
    assert errors[-1] < 45, errors
    flips = np.array([log.flips for log in trainer.history])
    assert (flips.sum(0) > 0).all() == (trainer.row.weights == "binary")
    moved = trainer.history[0].alpha != trainer.history[-1].alpha
    assert moved == bool(trainer.row.alpha_lr)


@pytest.mark.parametrize("name", ["conv-float", "conv-binary", "conv-learned", "conv-bptt"])
def test_convolutional_rows_learn(small, blobs, name):
    # The paper's rates are for a thousand times as many batches.
    changes = {"free_steps": 16, "nudged_steps": 6, "batch": 16}
    if name == "conv-float":
        changes |= {"weight_lr": (0.02,) * 3, "bias_lr": (0.01,) * 3}
    else:
        changes |= {"gamma": (1e-6,) * 3, "tau": (1e-7,) * 3}
    trainer = Trainer(small(name, **changes), blobs, seed=1)
    assert trainer.run(3)
    # Guessing gives 90. With BPTT it hangs on how a processor rounds sums: 62.5 was seen on one.
    most = 72 if name == "conv-bptt" else 60
    assert trainer.history[-1].test_error < most, [log.test_error for log in trainer.history]


def cut(images, n):
    return Images(
        images.name, images.train[:n], images.train_labels[:n], images.test, images.test_labels
    )


@pytest.mark.parametrize(
    "name", ["fc1-float", "fc1-bptt", "fc2-learned", "full-fc1", "conv-binary", "full-conv"]
)
def test_an_interrupted_training_comes_to_the_same_bits(small, blobs, tmp_path, name):
    row = small(name, free_steps=8, nudged_steps=4)
    images = cut(blobs, 150)  # two batches of 64, and one of 22
    whole = Trainer(row, images, seed=3, test_samples=40)
    assert whole.run(2)
    broken = Trainer(row, images, seed=3, test_samples=40)

    def stop(progress):
        broken.stop_requested = (progress.epoch, progress.phase, progress.done) == (2, "train", 64)

    assert not broken.run(2, stop)
    assert (broken.epoch, broken.position) == (1, 64)
    broken.save(tmp_path / "checkpoint.npz")
    resumed = Trainer(row, images, seed=3, test_samples=40)
    resumed.resume(tmp_path / "checkpoint.npz")
    same(resumed, broken)
    assert resumed.run(2)
    same(resumed, whole)


def test_seeds_differ(small, blobs):
    row = small("fc1-binary")
    one, other = (Trainer(row, blobs, seed=seed) for seed in (1, 2))
    assert not torch.equal(one.network.links[0].spins, other.network.links[0].spins)


def test_images_in_colour(small):
    rng = np.random.default_rng(1)
    shape = (3, 32, 32)
    images = Images(
        "synthetic",
        *(rng.integers(0, 256, (70, *shape), np.uint8), rng.integers(0, 10, 70, np.uint8)),
        *(rng.integers(0, 256, (9, *shape), np.uint8), rng.integers(0, 10, 9, np.uint8)),
    )
    trainer = Trainer(small("cifar-learned", free_steps=12, nudged_steps=4), images)
    assert trainer.run(1)
    assert trainer.history[0].samples == 70
    assert len(trainer.history[0].flips) == len(trainer.history[0].alpha) == 5


def test_other_checkpoints_are_refused(small, blobs, tmp_path):
    path = tmp_path / "checkpoint.npz"
    row = small("fc1-binary")
    Trainer(row, blobs, seed=1).save(path)

    def refuse(trainer, message):
        with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
            trainer.resume(path)

    refuse(Trainer(small("fc1-float"), blobs), f"{path} is of row fc1-binary, not fc1-float")
    refuse(Trainer(row, blobs, seed=2), f"{path} was made with seed 1, not 2")
    refuse(Trainer(row, blobs, samples=64), f"{path} was made with samples 320, not 64")
    refuse(
        Trainer(row, cut(blobs, 320), test_samples=9),
        f"{path} was made with test_samples 80, not 9",
    )
    other = Images("dots", 255 - blobs.train, blobs.train_labels, blobs.test, blobs.test_labels)
    refuse(Trainer(row, other), f"{path} was trained on other data than dots")
    changed = replace(row, tau=(1e-7, 1e-7))
    refuse(Trainer(changed, blobs), f"{path} was made with other parameters of fc1-binary")
    Trainer(replace(row, epochs=7), blobs).resume(path)  # how long it learns changes nothing
    content = path.read_bytes()
    damaged = f"{path} is not a checkpoint of a row of the paper, or is damaged"
    for part in (content[:-100], b"", content.replace(b"average1", b"average7")):
        path.write_bytes(part)
        refuse(Trainer(row, blobs), damaged)
    path.unlink()
    refuse(Trainer(row, blobs), f"{path} does not exist")


def rewritten(path, change):
    """Change what a checkpoint says of itself."""
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays.pop("meta")))
    change(meta)
    np.savez(path, meta=np.array(json.dumps(meta)), **arrays)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "conv-binary",
            "was made with the first rule of convolutions (bias after pooling, feedback to where "
            "the step before had pooled), which was not the paper's: train it anew",
        ),
        (
            "fc1-bptt",
            "was made with gradients through K steps instead of the paper's K + 1: train it anew",
        ),
        ("fc1-learned", None),
        ("full-fc1", None),
    ],
)
def test_checkpoints_of_the_first_rule(small, blobs, tmp_path, name, reason):
    path = tmp_path / "checkpoint.npz"
    row = small(name, free_steps=12, nudged_steps=2)
    one = Trainer(row, cut(blobs, 64), test_samples=4)
    assert one.run(1)
    one.save(path)

    def older(meta):
        del meta["rule"]
        meta["parameters"] |= {"alpha_decay": 0, "epochs": 7}

    rewritten(path, older)
    other = Trainer(row, cut(blobs, 64), test_samples=4)
    if reason:
        with pytest.raises(CheckpointError, match=f"^{re.escape(f'{path} {reason}')}$"):
            other.resume(path)
    else:
        other.resume(path)
        same(other, one)


def test_values_out_of_range(small, blobs):
    row = small("fc1-binary")
    for options, message in (
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"samples": 0}, "samples must be 1 to 320, not 0"),
        ({"test_samples": 81}, "test_samples must be 1 to 80, not 81"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            Trainer(row, blobs, **options)


def test_logs(small, blobs, tmp_path):
    trainer = Trainer(small("fc1-learned"), blobs, samples=64)
    trainer.run(2)
    trainer.write_logs(tmp_path)
    rows = json.loads((tmp_path / "log.json").read_text())
    with open(tmp_path / "log.csv") as file:
        table = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in table] == [1, 2]
    for row, line in zip(rows, table, strict=True):
        assert [float(line["test_error"]), int(line["flips0"])] == [
            row["test_error"],
            row["flips"][0],
        ]
        assert float(line["alpha1"]) == row["alpha"][1]


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["fc1-binary", "fc2-learned", "full-fc1"])
def test_what_a_gpu_replays_is_what_it_computes(small, blobs, name):
    recorded, plain = (Trainer(small(name), cut(blobs, 150), device="cuda") for _ in range(2))
    plain._ep, plain._infer = plain.network.ep, plain.network.infer
    assert recorded.run(2)
    assert plain.run(2)
    same(recorded, plain)
