"""Learning from a stream: what comes out, what is saved, and how it ends."""

import os
import time

import numpy as np
import pytest

from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.checkpoint import read_checkpoint
from popflip.golden.training.learner import Learner
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences, initial_state
from popflip.golden.training.trainer import Trainer
from popflip.scripts.session import Failure, Target
from popflip.scripts.training.runs.run import Run
from popflip.scripts.training.streaming import job as streaming
from popflip.scripts.training.streaming.job import LearnJob, Network, blank_meta, run_learning
from popflip.scripts.training.streaming.parsing import Arrival, Items

GOLDEN = Target(engine="golden")


def new_network(folder, config="tiny.toml", classes=()):
    """A network that has learned nothing."""
    params = Params.load(folder / config)
    return Network(params, initial_state(params, 1), blank_meta(params, 1), classes=classes)


def pairs(folder, n, names="abc"):
    """Samples of the data set with their labels, as letters."""
    data = load(folder)
    labels = [names[label] for label in data.train_labels[:n]]
    return list(zip(data.train_images[:n], labels, strict=True))


def learn(job, source):
    """Learn a source; return the report and the rows."""
    rows = []
    return run_learning(job, source, rows.extend), rows


@pytest.fixture
def job(folder, tmp_path):
    """Make a job of a new network."""

    def make(config="tiny.toml", classes=(), **options):
        network = new_network(folder, config, classes)
        path = tmp_path / "checkpoint.npz"
        return LearnJob(network=network, checkpoint=path, target=GOLDEN, **options)

    return make


@pytest.mark.parametrize("config", ["tiny.toml", "batches.toml"])
def test_bits_and_predictions_are_those_of_golden_on_the_same_samples(folder, job, config):
    samples = pairs(folder, 100)
    report, rows = learn(job(config), Items(samples))
    params = Params.load(folder / config)
    wanted = Learner(params, GoldenMachine(params), initial_state(params, 1))
    order = list(dict.fromkeys(label for _, label in samples))
    labels = np.array([order.index(label) for _, label in samples])
    predictions = wanted.learn(np.stack([image for image, _ in samples]), labels)
    meta, state = read_checkpoint(job(config).checkpoint)
    assert differences(state, wanted.state()) == []
    names = [*order, *map(str, range(len(order), 3))]
    assert [row["prediction"] for row in rows] == [names[number] for number in predictions]
    assert [row["label"] for row in rows] == [label for _, label in samples]
    assert meta["classes"] == report["classes"] == report["added_classes"] == order
    assert meta["streamed"] == {
        "samples": 100, "correct": report["correct"], "flips": report["flips"]
    }  # fmt: skip
    assert report["correct"] == (predictions == labels).sum()
    assert report["error"] == pytest.approx(100 - report["correct"], abs=1e-3)
    assert report["recent_error"] == report["error"]
    assert (report["lines"], report["learned"], report["predicted"]) == (100, 100, 100)
    assert (report["ended_by"], report["saved"]) == ("end of the source", 1)
    assert report["verified"] is None


def test_samples_without_a_label_are_predicted_in_their_place(folder, job):
    samples = pairs(folder, 40)
    samples[10:20] = [(image, None) for image, _ in samples[10:20]]
    report, rows = learn(job(), Items(samples))
    assert [row["line"] for row in rows] == list(range(1, 41))
    assert ["label" in row for row in rows] == [not 10 <= i < 20 for i in range(40)]
    assert (report["predicted"], report["learned"]) == (40, 30)


def test_bad_lines_are_named_counted_and_skipped(folder, job, capsys):
    samples = pairs(folder, 60)
    good = learn(job(), Items(samples))[1]
    _, state = read_checkpoint(job().checkpoint)
    odd = [*samples[:30], *[([1, 2], "a")] * 25, *samples[30:]]
    report, rows = learn(job(), Items(odd))
    assert report["bad"] == 25
    assert len(report["bad_lines"]) == streaming.NAMED
    why = "network.image must be 1 x 2 for x, not 8 x 8"
    assert report["bad_lines"][0] == {"line": 31, "why": why}
    assert [row for row in rows if "error" in row] == [
        {"line": line, "error": why} for line in range(31, 56)
    ]
    predicted = [row["prediction"] for row in rows if "prediction" in row]
    assert predicted == [row["prediction"] for row in good]
    assert differences(read_checkpoint(job().checkpoint)[1], state) == []
    said = capsys.readouterr().err
    assert f"popflip: samples, line 31 is skipped: {why}" in said
    assert said.count("is skipped") == streaming.NAMED
    assert "more bad lines are counted, and not named" in said


def test_a_strict_job_ends_at_a_bad_line_and_keeps_what_was_before(folder, job):
    rows = []
    source = Items([*pairs(folder, 20), ([1], "a"), *pairs(folder, 20)])
    with pytest.raises(InputError, match=r"^samples, line 21: network\.image must be 1 x 1"):
        run_learning(job(strict=True), source, rows.extend)
    assert [row["line"] for row in rows] == list(range(1, 22))
    meta, _ = read_checkpoint(job().checkpoint)
    assert meta["streamed"]["samples"] == 20


def test_it_goes_on_from_its_checkpoint(folder, job):
    samples = pairs(folder, 90)
    learn(job(), Items(samples))
    whole = read_checkpoint(job().checkpoint)
    learn(job(), Items(samples[:50]))
    meta, state = read_checkpoint(job().checkpoint)
    params = Params.build(meta["params"])
    network = Network(params, state, meta, classes=meta["classes"])
    rest = LearnJob(network=network, checkpoint=job().checkpoint, target=GOLDEN, first=51)
    report, rows = learn(rest, Items(samples))
    assert [row["line"] for row in rows] == list(range(51, 91))
    assert report["added_classes"] == []
    meta, state = read_checkpoint(job().checkpoint)
    assert differences(state, whole[1]) == []
    assert meta == whole[0]


def test_it_goes_on_from_a_training_and_a_training_from_it(folder, trained, tmp_path):
    out, _, _ = trained
    meta, state = read_checkpoint(out / "checkpoint.npz")
    params = Params.build(meta["params"])
    path = tmp_path / "checkpoint.npz"
    network = Network(params, state, meta, classes=["0", "1", "2"])
    learn(
        LearnJob(network=network, checkpoint=path, target=GOLDEN), Items(pairs(folder, 30, "012"))
    )
    after, learned = read_checkpoint(path)
    assert differences(learned, state) != []
    assert (after["epoch"], after["history"]) == (meta["epoch"], meta["history"])
    trainer = Trainer(params, load(folder), GoldenMachine(params), samples=1500)
    trainer.resume(path)
    assert differences(trainer.machine.read_state(), learned) == []


def test_a_class_that_came_later_keeps_its_name_in_a_training_that_goes_on(folder, tmp_path):
    params = Params.load(folder / "tiny.toml").replace(network={"classes": 4})
    trainer = Trainer(params, load(folder), GoldenMachine(params), samples=50, test_samples=10)
    trainer.run(1)
    trainer.save(tmp_path / "a.npz")
    meta, state = read_checkpoint(tmp_path / "a.npz")
    network = Network(params, state, meta, classes=meta["classes"])
    report, _ = learn(
        LearnJob(network=network, checkpoint=tmp_path / "b.npz", target=GOLDEN),
        Items(pairs(folder, 30, ["0", "1", "bird"])),
    )
    assert report["classes"] == ["0", "1", "2", "bird"]
    trainer.resume(tmp_path / "b.npz")
    trainer.save(tmp_path / "c.npz")
    assert read_checkpoint(tmp_path / "c.npz")[0]["classes"] == ["0", "1", "2", "bird"]


def test_golden_beside_it_compares_every_bit(folder, job):
    report, _ = learn(job(verify=True), Items(pairs(folder, 50)))
    assert (report["verified"], report["differences"]) == (True, [])
    assert report["compared_bits"] == (64 * 12 + 12 * 3) * 9


def test_a_difference_is_found(folder, job, monkeypatch):
    ask, asked = Run.learn, []

    def learn_otherwise(run, images, labels):
        asked.append(run)
        return ask(run, images, (labels + (len(asked) == 1)) % 3)  # one of the two, once

    monkeypatch.setattr(Run, "learn", learn_otherwise)
    report, _ = learn(job(verify=True), Items(pairs(folder, 50)))
    assert report["verified"] is False
    assert any("weights of layer" in each for each in report["differences"])


class Slow:
    """A source that hands out one list each time that it is asked, and can be stopped."""

    name = "slow"

    def __init__(self, *taken):
        self.taken, self.stopped, self.closed = list(taken), False, False

    def take(self, most, wait):
        if self.taken:
            return self.taken.pop(0)
        if self.stopped:
            return None
        time.sleep(min(wait, 0.01))
        return []

    def stop(self):
        self.stopped = True

    def close(self):
        self.closed = True


def arrivals(folder, first, n):
    """Arrivals of the data set."""
    samples = pairs(folder, first + n)[first:]
    return [Arrival(first + i + 1, image, label) for i, (image, label) in enumerate(samples)]


def test_without_lines_it_ends_after_a_while(folder, job):
    source = Slow(arrivals(folder, 0, 5), [], arrivals(folder, 5, 5))
    report, _ = learn(job(idle=0.1), source)
    assert (report["ended_by"], report["learned"]) == ("no line for 0.1 s", 10)
    assert source.closed


def test_a_request_to_end_loses_nothing_that_was_read(folder, job):
    class Interrupted(Slow):
        def take(self, most, wait):
            found = super().take(most, wait)
            if len(self.taken) == 2:
                learning[0].stop_requested = True
            return found

    learning = []
    begin = streaming._Learning.__init__

    def begin_and_tell(self, *arguments):
        begin(self, *arguments)
        learning.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming._Learning, "__init__", begin_and_tell)
        source = Interrupted(*(arrivals(folder, 10 * i, 10) for i in range(4)))
        report, rows = learn(job(), source)
    assert source.stopped
    assert report["ended_by"] == "Ctrl-C"
    assert report["learned"] == len(rows) == 40
    assert read_checkpoint(job().checkpoint)[0]["streamed"]["samples"] == 40


@pytest.mark.parametrize(("config", "saved"), [("tiny.toml", 5), ("batches.toml", 3)])
def test_checkpoints_are_written_by_time_between_two_batches(folder, job, config, saved):
    # Of 20 samples each: a batch of 16 ends with none of them but the fourth.
    source = Slow(*(arrivals(folder, 20 * i, 20) for i in range(4)), arrivals(folder, 80, 16))
    report, _ = learn(job(config, save_every=0.0, idle=0.05), source)
    assert report["saved"] - 1 == saved - (config == "batches.toml")
    meta, state = read_checkpoint(job().checkpoint)
    params = Params.load(folder / config)
    assert meta["streamed"]["samples"] == 96
    wanted = Learner(params, GoldenMachine(params), initial_state(params, 1))
    samples = pairs(folder, 96)
    labels = np.array([meta["classes"].index(label) for _, label in samples])
    wanted.learn(np.stack([image for image, _ in samples]), labels)
    assert differences(state, wanted.state()) == []


def test_a_board_that_vanishes_leaves_the_last_checkpoint(folder, job, capsys, monkeypatch):
    ask, there = Run.learn, []

    def vanish(run, images, labels):
        future = ask(run, images, labels)
        if run.report.total.samples >= 20 and job().checkpoint.exists():
            there.append(read_checkpoint(job().checkpoint)[0]["streamed"]["samples"])
            os.kill(run._process.pid, 9)
        return future

    monkeypatch.setattr(Run, "learn", vanish)
    rows = []
    source = Slow(*(arrivals(folder, 10 * i, 10) for i in range(9)))
    with pytest.raises(Failure, match=r"^the run's process ended with status -9$"):
        run_learning(job(save_every=0.0), source, rows.extend)
    meta, _ = read_checkpoint(job().checkpoint)
    assert meta["streamed"]["samples"] in (there[0], there[0] + 10)
    assert source.closed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first": 0}, "first must be at least 1, not 0"),
        ({"save_every": -1.0}, r"save_every must be at least 0, not -1\.0"),
        ({"idle": float("nan")}, "idle must be at least 0, not nan"),
    ],
)
def test_options_that_cannot_be_are_refused(job, options, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        job(**options)
