"""Training on the golden model: what is learned, in which order, and how it goes on."""

import csv
import errno
import os
import re
from dataclasses import asdict

import numpy as np
import pytest

from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.shifts import draw_shifts, shift_images
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report
from popflip.golden.training.log import EpochLog
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences, initial_state
from popflip.golden.training.tests.glyphs import (
    DATA,
    DENSE,
    LOCAL,
    N_TEST,
    CountingMachine,
    N,
    build,
    no_space,
    resumed,
    same,
    stop_at,
    trainer,
)
from popflip.golden.training.trainer import Trainer


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
