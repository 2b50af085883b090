"""Networks that go on learning after a change."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.support.errors import InputError
from popflip.golden.training.learner import Learner
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import initial_state
from popflip.golden.training.tests.glyphs import DATA, build
from popflip.golden.training.trainer import Trainer
from popflip.scripts.campaigns.adaptation import curves
from popflip.scripts.campaigns.adaptation.curves import WAYS, AdaptJob, run_adaptation
from popflip.scripts.campaigns.adaptation.problems import DEFAULT_CHANGES, problem_of
from popflip.scripts.session import Target


@pytest.fixture
def job(tmp_path):
    """A job of seconds."""
    return AdaptJob(
        params=build(batch=1), dataset=DATA, source="glyphs", changes=("rotate-90", "unseen"),
        seeds=2, epochs=1, samples=200, test_samples=100, at=(50, 120), replay=1,
        target=Target(engine="golden"), out=tmp_path / "out", picture=tmp_path / "curves.png",
    )  # fmt: skip


def first(n, tests):
    """The first samples of the glyphs."""
    return replace(
        DATA, train_images=DATA.train_images[:n], train_labels=DATA.train_labels[:n],
        test_images=DATA.test_images[:tests], test_labels=DATA.test_labels[:tests],
    )  # fmt: skip


def test_curves_are_those_of_networks_that_learn_by_themselves(job):
    report = run_adaptation(job)
    assert list(report["curves"]) == [
        f"seed {seed}, {kind}, {way}" for seed in (1, 2) for kind in job.changes for way in WAYS
    ]
    problem = problem_of(first(200, 100), "rotate-90", 2)
    trainer = Trainer(job.params, problem.old, GoldenMachine(job.params), seed=2)
    trainer.run(1)
    order = np.random.default_rng([2, 1]).permutation(200)
    old = np.random.default_rng([2, 2]).integers(0, 200, (120, 1))[:, 0]
    for way in WAYS:
        curve = report["curves"][f"seed 2, rotate-90, {way}"]
        state = trainer.machine.read_state()
        if way == "scratch":
            state = initial_state(job.params, 2)
        elif way == "cleared":
            state.latents = [np.zeros_like(latents) for latents in state.latents]
        assert curve["before"] == (None if way == "scratch" else trainer.history[0].test_error)
        learner = Learner(job.params, GoldenMachine(job.params), state)
        errors = []
        for i in range(121):
            if i in (0, 50, 120):
                test, kept = problem.test, problem.kept
                errors.append({
                    "samples": i,
                    "error": round(learner.error(test.images, test.labels), 4),
                    "old_error": round(learner.error(kept.images, kept.labels), 4),
                })
            if i < 120:
                images, labels = problem.train.images[order], problem.train.labels[order]
                learner.learn(images[i : i + 1], labels[i : i + 1])
                if way == "replay":
                    images, labels = problem.rehearsed.images, problem.rehearsed.labels
                    learner.learn(images[old[i] : old[i] + 1], labels[old[i] : old[i] + 1])
        assert curve["points"] == errors
        assert curve["digest"] == curves._digest(learner.state())
    for row in report["rows"]:
        names = [f"seed {seed}, {row['change']}, {row['way']}" for seed in (1, 2)]
        values = [
            point["error"]
            for name in names
            for point in report["curves"][name]["points"]
            if point["samples"] == row["samples"]
        ]
        assert row["error"] == pytest.approx(np.mean(values), abs=1e-3)
        assert row["error_spread"] == pytest.approx(np.std(values, ddof=1), abs=1e-3)
        assert ("before" in row) is (row["way"] != "scratch")
    assert imread(job.picture).shape[2] in (3, 4)


def test_it_goes_on_where_it_ended(job, monkeypatch):
    whole = run_adaptation(job)
    done, measure = [], curves._curve

    def stop_after_four(*arguments):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(arguments)
        return measure(*arguments)

    other = replace(job, out=job.out.parent / "other")
    monkeypatch.setattr(curves, "_curve", stop_after_four)
    with pytest.raises(KeyboardInterrupt):
        run_adaptation(other)
    assert len(json.loads((other.out / "curves.json").read_text())["curves"]) == 4
    left = []

    def count(*arguments):
        left.append(arguments)
        return measure(*arguments)

    monkeypatch.setattr(curves, "_curve", count)
    report = run_adaptation(other)
    assert len(left) == len(whole["curves"]) - 4
    assert (report["rows"], report["curves"]) == (whole["rows"], whole["curves"])


def test_more_changes_and_seeds_may_be_added_but_other_settings_not(job):
    few = replace(job, changes=("rotate-90",), seeds=1)
    run_adaptation(few)
    report = run_adaptation(replace(few, changes=("rotate-90", "invert")))
    assert len(report["curves"]) == 2 * len(WAYS)
    with pytest.raises(
        InputError, match=r"out holds curves of other settings \(at, replay\): name"
    ):
        run_adaptation(replace(few, at=(50,), replay=2))
    (few.out / "curves.json").write_text("{}")
    with pytest.raises(InputError, match=r"curves\.json is damaged; remove it to begin anew$"):
        run_adaptation(few)


def test_old_samples_keep_what_was_learned(job):
    many = replace(job, changes=("invert",), seeds=1, samples=None, at=(700,))
    report = run_adaptation(many)
    errors = {row["way"]: row["old_error"] for row in report["rows"] if row["samples"]}
    assert errors["replay"] <= errors["on"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": ()}, "at must be samples in ascending order, from 1, not "),
        ({"at": (5, 5)}, "at must be samples in ascending order, from 1, not "),
        ({"at": (0, 5)}, "at must be samples in ascending order, from 1, not "),
        ({"changes": ("invert", "invert")}, "change must name each change once"),
        ({"seeds": 0}, "seeds must be at least 1, not 0"),
        ({"replay": 0}, "replay must be at least 1, not 0"),
    ],
)
def test_jobs_that_cannot_be_are_refused(job, options, message):
    with pytest.raises(InputError, match=f"^{message}"):
        replace(job, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 701}, "samples must be 1 to 700, not 701"),
        ({"test_samples": 0}, "test_samples must be 1 to 300, not 0"),
        ({"changes": ("melt",)}, "change must be one of .*, not 'melt'"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(job, options, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        run_adaptation(replace(job, **options))
    assert not job.out.exists()


def test_without_a_name_all_changes_that_the_data_can_meet_are_meant():
    assert curves.possible_changes(DATA) == (DEFAULT_CHANGES, [])
    wide = Dataset(
        "wide", *(DATA.train_images[:40].reshape(40, 1, -1), DATA.train_labels[:40] % 2) * 2
    )
    found, why = curves.possible_changes(wide)
    assert {*DEFAULT_CHANGES} - {*found} == {"rotate-90", "rename", "unseen"}
    assert why[0].startswith("rotate-90 needs square images, not 1 x ")
