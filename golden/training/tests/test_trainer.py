"""The training loop on the golden model, with a data set small enough to be learned in a second."""

import csv
import errno
import json
import os
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from popflip.golden.cycles import CycleModel, StageCycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.shifts import draw_shifts, shift_images
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report
from popflip.golden.support.files import write_atomically
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.log import EpochLog
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences, initial_state
from popflip.golden.training.trainer import Trainer

N, N_TEST = 700, 300


def digits(noise=0.2, seed=1):
    """Four glyphs of 8 x 8 pixels in noise: each pixel is on the wrong side with this chance."""
    rng = np.random.default_rng(seed)
    glyphs = rng.random((4, 8, 8)) < 0.4

    def draw(n):
        labels = rng.integers(0, 4, n).astype(np.uint8)
        on = glyphs[labels] ^ (rng.random((n, 8, 8)) < noise)
        grey = rng.integers(0, 128, on.shape) + 128 * on
        return grey.astype(np.uint8), labels

    return Dataset("glyphs", *draw(N), *draw(N_TEST))


DATA = digits()
DENSE = {"hidden": [24]}
LOCAL = {"first": "local", "window": 4, "stride": 2, "features": 3}


def build(network=DENSE, **learning):
    return Params.build({
        "name": "tiny",
        "network": {"image": [8, 8], "classes": 4, "copies": 4, **network},
        "dynamics": {"gains": [80, 30]},
        # A batch that divides neither the epoch nor 256.
        "learning": {"tau": [6, 4], "batch": 7, **learning},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })


def trainer(params, seed=1, data=DATA, machine=GoldenMachine, **options):
    return Trainer(params, data, machine(params), seed=seed, **options)


def timeless(history):
    return [replace(log, seconds=0.0, samples_per_s=0.0) for log in history]


def same(a, b):
    """Assert that two trainers stand at the same point, bit for bit."""
    assert differences(a.machine.read_state(), b.machine.read_state()) == []
    assert (a.epoch, a.position) == (b.epoch, b.position)
    assert timeless(a.history) == timeless(b.history)


def stop_at(trainer, phase, done, epoch=1):
    """Make a handler of progress that stops when so many samples are done."""

    def on_progress(progress):
        if (progress.epoch, progress.phase) == (epoch, phase) and progress.done >= done:
            trainer.stop_requested = True

    return on_progress


def resumed(params, path, **options):
    other = trainer(params, **options)
    other.resume(path)
    return other


class CountingMachine(GoldenMachine):
    """A machine that counts its cycles, as boards do."""

    def write_state(self, state):
        super().write_state(state)
        self._clock = CycleModel(self.params)

    def train(self, first, count, flush):
        total, cycles = Report(flips=[0] * self.params.depth), StageCycles()
        for i in range(first, first + count):
            chunk = slice(i, i + 1)
            report, r = self._model.train(self._x[chunk], self._labels[chunk], keep_history=True)
            total += report
            cycles = cycles.plus(self._clock.sample(r, 0))
        if flush and self._model.pending:
            total += Report(flips=self._model.flush())
            cycles = cycles.plus(self._clock.flush())
        total.cycles = {**cycles._asdict(), "total": cycles.total}
        return total

    def infer(self, first, count):
        report, predictions = super().infer(first, count)
        r = self._model.relax(self._x[first : first + count], keep_history=True)
        total = sum(self._clock.sample(r, i).total for i in range(count))
        report.cycles = {"total": total}
        return report, predictions


# Learning ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [DENSE, LOCAL], ids=["dense", "local"])
@pytest.mark.parametrize("nudging", ["centered", "random-sign"])
def test_learns(network, nudging):
    t = trainer(build(network, nudging=nudging))
    before = t.test()
    assert before.samples == N_TEST
    assert before.correct < 0.5 * N_TEST
    assert t.run(2)
    # Three in four by chance.
    assert [log.epoch for log in t.history] == [1, 2]
    assert t.history[-1].test_error < 20
    assert t.history[-1].train_error < t.history[0].train_error
    assert t.history[-1].train_error < 20
    for log in t.history:
        assert log.samples == N
        assert all(flips > 0 for flips in log.flips)
        assert log.changed_per_sample > 0
        assert log.seconds > 0
        assert log.samples_per_s == N / log.seconds


def test_history_is_what_the_model_did():
    params = build(batch=16, tau_growth=40.0)
    t = trainer(params, samples=300, test_samples=70)
    t.run(2)
    model = Model.initial(params, 1)
    for epoch, log in enumerate(t.history):
        model.tau = params.learning.tau_in_epoch(epoch)
        assert log.tau == list(model.tau)
        x, labels = t.epoch_samples(epoch)
        total = Report()
        for first in range(0, 300, 16):
            total += model.train(x[first : first + 16], labels[first : first + 16])[0]
        # 300 samples end within a batch, whose flips are not left to the next epoch.
        assert model.pending == 300 % 16
        total += Report(flips=model.flush())
        wrong = 300 - total.correct
        x, labels = t.test_set()
        assert len(x) == 70
        wrong_in_test = int((model.relax(x).prediction != labels).sum())
        assert log == EpochLog(
            epoch=epoch + 1,
            samples=300,
            train_error=round(wrong / 3, 4),
            test_error=round(wrong_in_test / 0.7, 4),
            changed_per_sample=total.changed / 300,
            flips=total.flips,
            tau=[6, 4] if epoch == 0 else [8, 6],
            seconds=log.seconds,
            samples_per_s=log.samples_per_s,
        )
    state = NetworkState(model.weights, model.latents, model.signs.state)
    assert differences(t.machine.read_state(), state) == []


def test_flush_at_the_end_of_an_epoch_makes_a_difference():
    # 20 samples in batches of 64: but for the flush, nothing would flip.
    t = trainer(build(batch=64, tau=[1, 1]), samples=20)
    t.run(1)
    assert sum(t.history[0].flips) > 0
    t.run(2)
    assert sum(t.history[1].flips) > 0


def test_seed_decides_everything():
    params = build(nudging="random-sign", shift=1)
    one, again, other = trainer(params, 1), trainer(params, 1), trainer(params, 2)
    for t in (one, again, other):
        t.run(1)
    same(one, again)
    assert differences(one.machine.read_state(), other.machine.read_state())
    assert not np.array_equal(one.epoch_samples(0)[1], other.epoch_samples(0)[1])


def test_begins_from_the_initial_state():
    params = build()
    for seed in (0, 1, 2):
        state = trainer(params, seed).machine.read_state()
        assert differences(state, initial_state(params, seed)) == []
    model = Model.initial(params, 2)
    assert state.sign_state == model.signs.state
    np.testing.assert_array_equal(state.weights[0], model.weights[0])


def test_read_state_is_a_copy():
    t = trainer(build())
    before = t.machine.read_state()
    kept = [array.copy() for array in before.weights + before.latents]
    t.run(1)
    for old, now in zip(kept, before.weights + before.latents, strict=True):
        np.testing.assert_array_equal(old, now)
    # Nor does writing to it reach the machine.
    taken, again = t.machine.read_state(), t.machine.read_state()
    for array in taken.weights + taken.latents:
        array[:] = 1
    assert differences(t.machine.read_state(), again) == []
    assert len(differences(taken, again)) == 4


# Samples -----------------------------------------------------------------------------------------


def test_each_epoch_has_each_sample_once_in_an_order_of_its_own():
    t = trainer(build())
    expected = encode(DATA.train_images, (127,))
    orders = []
    for epoch in (0, 1, 0):
        x, labels = t.epoch_samples(epoch)
        # Noise makes every image its own: find out which it is.
        order = (x[:, None] == expected).all(-1).argmax(-1)
        assert sorted(order) == list(range(N))
        np.testing.assert_array_equal(labels, DATA.train_labels[order])
        orders.append(order.tolist())
    assert orders[0] == orders[2] != orders[1]


def test_fewer_samples_are_the_first_of_the_set():
    t = trainer(build(), samples=50, test_samples=9)
    x, labels = t.epoch_samples(3)
    expected = encode(DATA.train_images[:50], (127,))
    order = (x[:, None] == expected).all(-1).argmax(-1)
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(labels, DATA.train_labels[:50][order])
    x, labels = t.test_set()
    np.testing.assert_array_equal(x, encode(DATA.test_images[:9], (127,)))
    np.testing.assert_array_equal(labels, DATA.test_labels[:9])


def test_training_images_are_shifted_and_test_images_are_not():
    still, moved = trainer(build()), trainer(build(shift=2))
    np.testing.assert_array_equal(still.test_set()[0], moved.test_set()[0])
    seen = []
    for epoch in (0, 1):
        order = np.random.default_rng([1, epoch]).permutation(N)
        state = int(np.random.SeedSequence([1, epoch]).generate_state(1)[0])
        dx, dy = draw_shifts(Lfsr(state), N, 2)
        images = shift_images(DATA.train_images[order], dx, dy)
        x, labels = moved.epoch_samples(epoch)
        np.testing.assert_array_equal(x, encode(images, (127,)))
        np.testing.assert_array_equal(labels, DATA.train_labels[order])
        assert not np.array_equal(x, still.epoch_samples(epoch)[0])
        seen.append(dx.tolist())
    assert seen[0] != seen[1]


# Progress ----------------------------------------------------------------------------------------


def test_reports_progress_chunk_by_chunk():
    t, seen, logs = trainer(build()), [], []
    t.run(2, lambda p: seen.append((p.epoch, p.epochs, p.phase, p.done, p.total)), logs.append)
    # 259 is the first multiple of the batch, 7, from 256 on.
    assert seen == [
        (epoch, 2, phase, done, total)
        for epoch in (1, 2)
        for phase, total, dones in (("train", N, (259, 518, N)), ("test", N_TEST, (256, N_TEST)))
        for done in dones
    ]
    assert logs == t.history


def test_progress_tells_the_error_so_far():
    seen = []
    t = trainer(build())
    t.run(1, lambda p: seen.append((p.phase, p.report.error)))
    assert seen[2] == ("train", pytest.approx(t.history[0].train_error, abs=1e-4))
    assert seen[4] == ("test", pytest.approx(t.history[0].test_error, abs=1e-4))
    assert Report().error == 100
    assert Report(8, 6).error == 25


def test_batch_of_more_than_a_chunk_is_not_cut():
    t, seen = trainer(build(batch=300)), []
    t.run(1, lambda p: p.phase == "train" and seen.append(p.done))
    assert seen == [300, 600, N]


# Stopping, saving and going on --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "done", "position"),
    [("train", 1, 259), ("train", 300, 518), ("train", N, N), ("test", 1, N)],
    ids=["first-chunk", "second-chunk", "before-the-test", "in-the-test"],
)
@pytest.mark.parametrize("epoch", [1, 2])
def test_resumes_within_an_epoch_bit_for_bit(tmp_path, phase, done, position, epoch):
    params = build(LOCAL, nudging="random-sign", shift=1, tau_growth=30.0)
    whole = trainer(params)
    assert whole.run(3)

    t = trainer(params)
    assert not t.run(3, stop_at(t, phase, done, epoch))
    assert (t.epoch, t.position) == (epoch - 1, position)
    t.save(tmp_path / "halfway.npz")
    again = resumed(params, tmp_path / "halfway.npz")
    same(again, t)
    seconds = Trainer.read_checkpoint(tmp_path / "halfway.npz")[0]["seconds"]
    assert again.run(3)
    # Times cannot be equal, but those before the break count.
    assert again.history[epoch - 1].seconds >= seconds > 0
    same(again, whole)
    # The one that was stopped can go on as well.
    t.stop_requested = False
    assert t.run(3)
    same(t, whole)


def test_resumes_after_an_epoch_bit_for_bit(tmp_path):
    params = build(tau_growth=30.0)
    whole, t = trainer(params), trainer(params)
    whole.run(3)
    t.run(1)
    t.save(tmp_path / "one.npz")
    t = resumed(params, tmp_path / "one.npz")
    assert (t.epoch, t.position) == (1, 0)
    t.run(2)
    t.save(tmp_path / "two.npz")
    t = resumed(params, tmp_path / "two.npz")
    assert t.run(2), "nothing is left to do"
    assert len(t.history) == 2
    t.run(3)
    same(t, whole)
    assert [log.tau for log in t.history] == [[6, 4], [8, 5], [10, 7]]


def test_checkpoint_holds_times_and_names(tmp_path):
    params = build()
    t = trainer(params, seed=5, samples=600, test_samples=100)
    t.run(2, stop_at(t, "train", 1, epoch=2))
    t.save(tmp_path / "a.npz")
    meta, state = Trainer.read_checkpoint(tmp_path / "a.npz")
    assert Params.build(meta["params"]) == params
    assert (meta["seed"], meta["samples"], meta["test_samples"]) == (5, 600, 100)
    assert (meta["data"], meta["epoch"], meta["position"]) == ("glyphs", 1, 259)
    assert meta["seconds"] > 0
    assert meta["so_far"]["samples"] == 259
    assert meta["history"] == [asdict(log) for log in t.history]
    assert differences(state, t.machine.read_state()) == []
    assert [w.dtype for w in state.weights] == [bool, bool]
    assert [m.dtype for m in state.latents] == [np.int16, np.int16]
    assert resumed(params, tmp_path / "a.npz", seed=5, samples=600, test_samples=100).history == (
        t.history
    )


def test_resumes_on_another_machine_of_the_same_network(tmp_path):
    params = build()
    whole, t = trainer(params), trainer(params)
    whole.run(2)
    t.run(1)
    t.save(tmp_path / "a.npz")
    wider = params.replace(machine={"row_lanes": 8, "latent_lanes": [4, 1]}, name="wide")
    t = resumed(wider, tmp_path / "a.npz")
    t.run(2)
    same(t, whole)


@pytest.mark.parametrize("first", [GoldenMachine, CountingMachine])
def test_resumes_between_machines_that_count_cycles_and_that_do_not(tmp_path, first):
    params = build(batch=1)
    second = CountingMachine if first is GoldenMachine else GoldenMachine
    t = trainer(params, machine=first, samples=300, test_samples=20)
    t.run(2, stop_at(t, "train", 1, epoch=2))
    t.save(tmp_path / "a.npz")
    t = resumed(params, tmp_path / "a.npz", machine=second, samples=300, test_samples=20)
    assert t.run(3)
    # An epoch of which only a part was counted has no average.
    assert t.history[1].cycles_per_sample is None
    assert t.history[1].stage_cycles == {}
    t.write_logs(tmp_path)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    counted = 0 if first is CountingMachine else 2
    for i in (0, 2):
        assert bool(rows[i]["cycles_drive"]) == (i == counted), f"epoch {i + 1}"
        assert (t.history[i].cycles_per_sample is not None) == (i == counted), f"epoch {i + 1}"


def test_replays_to_where_a_run_came(tmp_path):
    params = build(nudging="random-sign", tau_growth=30.0)
    stopped, seen = trainer(params), []
    stopped.run(3, stop_at(stopped, "train", 300, epoch=2))
    t = trainer(params)
    assert t.replay(stopped.epoch, stopped.position, lambda p: seen.append((p.epoch, p.phase)))
    assert differences(t.machine.read_state(), stopped.machine.read_state()) == []
    assert (t.epoch, t.position) == (1, 518)
    assert t.history == []
    assert seen == [(1, "train")] * 3 + [(2, "train")] * 2
    # Nothing is left to replay; and a whole number of epochs has no rest.
    assert t.replay(1, 518)
    assert t.replay(0)
    assert (t.epoch, t.position) == (1, 518)
    whole, t = trainer(params), trainer(params)
    whole.run(2)
    assert t.replay(2)
    assert (t.epoch, t.position) == (2, 0)
    assert differences(t.machine.read_state(), whole.machine.read_state()) == []


def test_replay_can_be_stopped():
    t = trainer(build())
    assert not t.replay(2, 0, stop_at(t, "train", 1))
    assert (t.epoch, t.position) == (0, 259)


# Bad checkpoints ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "good.npz"
    t = trainer(build(), samples=50, test_samples=20)
    t.run(1)
    t.save(path)
    return path


def refuses(path, message, params=None, **options):
    """Assert that a checkpoint is refused in these words and changes nothing."""
    t = trainer(params or build(), **{"samples": 50, "test_samples": 20, **options})
    before = t.machine.read_state()
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        t.resume(path)
    assert differences(t.machine.read_state(), before) == []
    assert (t.epoch, t.position, t.history) == (0, 0, [])


def test_refuses_a_missing_checkpoint(tmp_path):
    path = tmp_path / "none.npz"
    refuses(path, f"{path} does not exist")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"network": {"hidden": [25]}}, "network"),
        ({"dynamics": {"gains": [80, 31]}}, "dynamics"),
        ({"learning": {"tau": [6, 5]}}, "learning"),
        ({"network": {"copies": 3}, "learning": {"batch": 8}}, "network, learning"),
    ],
)
def test_refuses_a_checkpoint_of_another_network(checkpoint, changes, parts):
    message = f"{checkpoint} is of another network: its {parts} differ"
    refuses(checkpoint, message, build().replace(**changes))


@pytest.mark.parametrize(
    ("name", "value", "was"), [("seed", 2, 1), ("samples", 51, 50), ("test_samples", 21, 20)]
)
def test_refuses_a_checkpoint_made_otherwise(checkpoint, name, value, was):
    refuses(checkpoint, f"{checkpoint} was made with {name} {was}, not {value}", **{name: value})


def test_refuses_a_checkpoint_of_other_data(checkpoint):
    other = replace(DATA, name="letters", test_labels=DATA.test_labels[::-1].copy())
    refuses(checkpoint, f"{checkpoint} was trained on glyphs, not letters", data=other)
    other = replace(other, name="glyphs")
    message = f"{checkpoint} was trained on glyphs, not other data of that name"
    refuses(checkpoint, message, data=other)
    # The same data in a folder of another name are the same data.
    renamed = replace(DATA, name="letters")
    trainer(build(), data=renamed, samples=50, test_samples=20).resume(checkpoint)


def change(path, target, meta=(), **arrays):
    """Write a checkpoint again with some of its contents changed; None takes one out."""
    with np.load(path) as file:
        found = dict(file)
    told = json.loads(str(found["meta"])) | dict(meta)
    told = {name: value for name, value in told.items() if value is not None}
    found = found | arrays | {"meta": np.array(json.dumps(told))}
    np.savez(target, **{name: value for name, value in found.items() if value is not None})


@pytest.mark.parametrize(
    "changes",
    [
        *({"meta": {name: None}} for name in ("seed", "data", "samples", "epoch", "so_far")),
        *({"meta": {"epoch": value}} for value in ("1", -1, 1.5, 3)),
        *({"meta": {"position": value}} for value in (-5, 5000)),
        {"meta": {"history": [{}]}},
        {"meta": {"so_far": 5}},
        {"meta": {"sign_state": 0}},
        {"meta": {"surprise": 1}},
        {"weights0": None},
        {"weights0": np.zeros((3, 3), bool)},
        {"weights1": np.array("text")},
        {"latents0": "nan"},
        {"latents0": "large"},
    ],
    ids=str,
)
def test_refuses_contents_that_no_training_leaves(checkpoint, tmp_path, changes):
    shape = build().synapses(0)
    latents = {
        "nan": np.full((shape.rows, shape.row_bits), np.nan),
        "large": np.full((shape.rows, shape.row_bits), 1000, np.int16),
    }
    if "latents0" in changes:
        changes = {"latents0": latents[changes["latents0"]]}
    path = tmp_path / "odd.npz"
    change(checkpoint, path, **changes)
    refuses(path, f"{path} is not a checkpoint of popflip, or is damaged")


def test_refuses_parameters_that_are_not_valid(checkpoint, tmp_path):
    path = tmp_path / "odd.npz"
    tree = build().model_dump(mode="json")
    tree["network"]["classes"] = 1
    change(checkpoint, path, {"params": tree})
    why = "network.classes must be at least 2, not 1"
    refuses(path, f"{path} holds parameters that are not valid: {why}")


def test_a_checkpoint_with_the_old_name_of_a_section_reads(checkpoint, tmp_path):
    path = tmp_path / "old.npz"
    tree = build().model_dump(mode="json")
    tree["alone"] = tree.pop("standalone")
    change(checkpoint, path, {"params": tree})
    with pytest.warns(FutureWarning, match="'alone' is called 'standalone' now"):
        meta, _ = Trainer.read_checkpoint(path)
    with pytest.warns(FutureWarning, match="'alone' is called 'standalone' now"):
        assert Params.build(meta["params"]) == build()


def test_refuses_a_damaged_checkpoint(checkpoint, tmp_path):
    good, path = checkpoint.read_bytes(), tmp_path / "bad.npz"
    message = f"{path} is not a checkpoint of popflip, or is damaged"
    pieces = [good[:n] for n in (0, 1, 30, len(good) // 2, len(good) - 1)]
    for content in (*pieces, b"nonsense", good[len(good) // 2 :] + good[: len(good) // 2]):
        path.write_bytes(content)
        refuses(path, message)
    # Bytes spoiled anywhere: refused in one line, or of no importance.
    t = trainer(build(), samples=50, test_samples=20)
    t.resume(checkpoint)
    state, refused = t.machine.read_state(), 0
    for position in range(5, len(good), 61):
        spoiled = bytearray(good)
        spoiled[position] ^= 0x5A
        path.write_bytes(spoiled)
        try:
            _, found = Trainer.read_checkpoint(path)
        except CheckpointError:
            refused += 1
        else:
            assert differences(found, state) == [], f"byte {position}"
    assert refused > len(good) // 61 // 2


def test_refuses_a_checkpoint_of_another_format(checkpoint, tmp_path):
    path = tmp_path / "later.npz"
    change(checkpoint, path, {"format": 2})
    refuses(path, f"{path} is a checkpoint of format 2; this popflip reads format 1")


def test_refuses_arrays_that_are_no_checkpoint(tmp_path):
    for name, save in (
        ("array.npy", lambda path: np.save(path, np.arange(3))),
        ("arrays.npz", lambda path: np.savez(path, x=np.arange(3))),
        ("meta.npz", lambda path: np.savez(path, meta=np.array("{}"))),
        ("list.npz", lambda path: np.savez(path, meta=np.array("[1]"))),
        ("text.npz", lambda path: np.savez(path, meta=np.array("no json"))),
    ):
        path = tmp_path / name
        save(path)
        refuses(path, f"{path} is not a checkpoint of popflip, or is damaged")
    with pytest.raises(IsADirectoryError):
        Trainer.read_checkpoint(tmp_path)


# Logs --------------------------------------------------------------------------------------------


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


# Files -------------------------------------------------------------------------------------------


def test_writes_a_file_and_its_folders(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def no_space(path):
    """Return the message of a full disk, which names the file and not its scratch copy."""
    return f"[Errno {errno.ENOSPC}] No space left on device: {str(path)!r}"


@pytest.mark.parametrize("existed", [False, True])
def test_nothing_is_left_half_written(tmp_path, monkeypatch, existed):
    path = tmp_path / "file"
    if existed:
        path.write_bytes(b"old")
    seen = []

    def fail(source, target):
        seen.append((os.fspath(target), source.read_bytes()))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=f"^{re.escape(no_space(path))}$"):
        write_atomically(path, b"new")
    # All of the new content was elsewhere until then, and is gone.
    assert seen == [(str(path), b"new")]
    assert list(tmp_path.iterdir()) == ([path] if existed else [])
    assert not existed or path.read_bytes() == b"old"


def test_a_target_that_cannot_be_written_stays(tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(folder, b"content")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_failing_save_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    params = build()
    t = trainer(params, samples=50, test_samples=20)
    t.run(1)
    path = tmp_path / "a.npz"
    t.save(path)
    good = path.read_bytes()
    t.run(2)

    def fail(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match=f"^{re.escape(no_space(path))}$"):
            t.save(path)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


# Differences -------------------------------------------------------------------------------------


def test_differences_name_every_part_that_differs():
    params = build()
    a, b = initial_state(params, 1), initial_state(params, 1)
    assert differences(a, b) == []
    b.weights[0] ^= np.arange(a.weights[0].size).reshape(a.weights[0].shape) < 3
    assert differences(a, b) == ["3 of 1536 weights of layer 0 differ"]
    b.latents[1][5, 7] += 1
    b.latents[0][0, 0] -= 1
    b.sign_state ^= 1
    assert differences(a, b) == [
        "3 of 1536 weights of layer 0 differ",
        "1 of 1536 latents of layer 0 differ",
        "1 of 384 latents of layer 1 differ",
        "the generators of nudge signs differ",
    ]


# Rejections --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"samples": 0}, f"samples must be 1 to {N}, not 0"),
        ({"samples": N + 1}, f"samples must be 1 to {N}, not {N + 1}"),
        ({"test_samples": 0}, f"test_samples must be 1 to {N_TEST}, not 0"),
        ({"test_samples": N_TEST + 1}, f"test_samples must be 1 to {N_TEST}, not {N_TEST + 1}"),
    ],
)
def test_rejects_impossible_options(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        trainer(build(), **options)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"image": [8, 9]}, "network.image must be 8 x 8 for glyphs, not 8 x 9"),
        ({"classes": 3}, "network.classes must be at least 4 for glyphs, not 3"),
    ],
)
def test_rejects_data_that_do_not_fit_the_network(network, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        trainer(build(DENSE | network))
