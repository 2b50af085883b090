"""``popflip new``: networks that fit, a race among them, and the file that comes of it."""

import json
import re

import numpy as np
import pytest

from popflip.boards.build.estimate import estimate
from popflip.boards.build.inventory import inventory
from popflip.boards.registry import find_board
from popflip.golden.datasets.loading import from_arrays, load
from popflip.golden.description.params import Params
from popflip.golden.description.sections.data import Data
from popflip.golden.model import Model
from popflip.golden.training.calibration import vital_signs
from popflip.scripts.console import Display
from popflip.scripts.session import named_network
from popflip.scripts.verbs.explore.new import trials
from popflip.scripts.verbs.explore.new.budget import _LANES, Budget, Fitted
from popflip.scripts.verbs.explore.new.proposals import (
    calibrated,
    epochs_for,
    growth_over,
    proposals,
    shapes_for,
)
from popflip.scripts.verbs.explore.new.search import Wish, _candidates, _Readings, find_network
from popflip.scripts.verbs.explore.new.trials import Candidate, Race, parted

# The first use of the fast engine compiles it.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]


#: A shape that just fits the smallest board that is in these tests.
_POOLED = "windows 8 x 8, 1 bit a value, best of 3 x 3"


@pytest.fixture(scope="module")
def table():
    """Three classes of four numbers, in a CSV file's arrays."""
    rng = np.random.default_rng(2)
    labels = np.arange(240) % 3
    values = rng.normal(size=(240, 4)) + 3 * np.eye(3, 4)[labels]
    return values, np.array(["ash", "birch", "cedar"])[labels]


@pytest.fixture
def file(table, tmp_path, monkeypatch):
    """That file, with a label's column that has to be named."""
    monkeypatch.chdir(tmp_path)
    rows = [",".join([*map(str, row), tree]) for row, tree in zip(*table, strict=True)]
    (tmp_path / "trees.csv").write_text("\n".join(["a,b,c,d,tree", *rows]))
    return tmp_path / "trees.csv"


@pytest.mark.parametrize(
    ("kind", "image"),
    [("table", (1, 30)), ("series", (6, 100)), ("images", (8, 8)), ("images", (28, 28))],
)
def test_every_kind_has_networks_within_a_memory(kind, image):
    budget = Budget(memory=200_000)
    found = 0
    for shape in shapes_for(kind, image):
        for copies in shape.ways:

            def make(size, machine, shape=shape, copies=copies):
                return next(proposals(shape, size, 4, copies, Data(), machine, 20), None)

            fitted = budget.fit(make, shape.most)
            if fitted is None:
                continue
            found += 1
            params = make(fitted.size, fitted.machine)
            assert shape.resized or params.network.image == image
            assert params.network.copies == copies
            assert params.memory_bits <= 200_000
            if fitted.size < shape.most:
                assert make(fitted.size + 1, {}).memory_bits > 200_000
    assert found >= 2


def test_windows_of_series_are_one_row_high_where_there_are_such():
    windows = [shape.network for shape in shapes_for("series", (1, 100)) if shape.windowed]
    assert [each["window"] for each in windows] == [[1, 10], [1, 25]]
    assert windows[0]["pool"] == [1, 16]


@pytest.mark.parametrize("kind", ["table", "series", "images"])
def test_few_samples_take_greater_flip_thresholds(kind):
    def tried(epochs):
        (shape, *_) = shapes_for(kind, (40, 40), 10, epochs)
        return [
            (params.learning.tau, params.learning.batch)
            for copies in shape.ways
            for params in proposals(shape, 5, 10, copies, Data(), {}, epochs)
        ]

    assert ((8, 4) if kind != "images" else (14, 6), 8) in tried(20)
    assert tried(60) == [((16, 8), 1), ((24, 12), 1), ((16, 8), 1)]


def test_large_images_of_few_classes_take_more_outputs():
    shapes = [shapes_for("images", (28, 28), classes)[0] for classes in (2, 10)]
    assert [next(iter(shape.ways)) for shape in shapes] == [4, 1]


def test_epochs_make_up_for_few_samples():
    assert (epochs_for(60_000), epochs_for(2_000), epochs_for(40)) == (5, 20, 60)


def test_what_fits_a_board_does():
    board = find_board("ulx3s-25f")
    (shape, *_) = shapes_for("table", (1, 6))

    def make(size, machine):
        return next(proposals(shape, size, 3, 1, Data(), machine, 20), None)

    fitted = Budget(board).fit(make, 40)
    params = make(fitted.size, fitted.machine)
    again = estimate(board.device, inventory(board.params(params)))
    assert again.fits
    assert again == fitted.estimate


@pytest.mark.slow
def test_a_board_is_filled_and_pooled_windows_on_it_fit():
    board = find_board("icebreaker")
    (shape,) = (s for s in shapes_for("images", (28, 28)) if s.title.startswith(_POOLED))

    def make(size, machine):
        return next(proposals(shape, size, 10, 1, Data(), machine, 30), None)

    def estimated(size, machine):
        return estimate(board.device, inventory(board.params(make(size, machine))))

    fitted = Budget(board).fit(make, shape.most)
    assert make(fitted.size, fitted.machine).first_layer.pooled
    assert estimated(fitted.size, fitted.machine).fits
    assert not estimated(fitted.size + 2, fitted.machine).fits


def race(table, n=4, seconds=600.0, on_training=lambda *_: None, **options):
    values, labels = table
    data = from_arrays(values, labels)
    shape = shapes_for("table", (1, 4))[0]
    candidates = [
        Candidate(shape.title, params, Fitted(8 * k, {}), data)
        for k in range(1, n + 1)
        for params in list(proposals(shape, 8 * k, 3, 4, Data(), {}, 3))[:1]
    ]
    final_epochs = options.get("final_epochs", 3)
    return Race(candidates, 3, final_epochs, options.get("seed", 1), seconds, on_training)


def test_large_images_are_tried_smaller_too(tmp_path):
    rng = np.random.default_rng(3)
    labels = np.arange(60) % 5
    images = rng.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    images[np.arange(60), :, labels * 5] = 255
    np.savez(tmp_path / "bars.npz", x_train=images, y_train=labels)
    source = str(tmp_path / "bars.npz")
    wish = Wish(source, named_network(None, None), None, 400_000)
    readings = _Readings(wish)
    with Display() as display:
        found = _candidates(wish, Budget(memory=400_000), readings, (60, 60), display)
    sides = {each.dataset.train_images.shape[1:] for each in found}
    assert sides == {(28, 28), (20, 20)}
    for each in found:
        assert each.dataset.train_images.shape[1:] == each.params.network.image
        # Whoever has the file reads the samples as the search did.
        again = load(source, params=each.params)
        assert np.array_equal(again.train_images, each.dataset.train_images)


@pytest.mark.slow
def test_the_worse_half_is_left_out(table, monkeypatch):
    monkeypatch.setattr(trials, "_JUDGED", 1)
    runs = race(table)
    runs.run()
    assert sorted(len(each.errors) for each in runs.candidates) == [1, 1, 15, 15]
    best = runs.ranked[0]
    assert best.error == min(each.error for each in runs.ranked if len(each.errors) == 15)
    assert best.error < 20
    again = race(table)
    again.run()
    assert [each.errors for each in again.candidates] == [each.errors for each in runs.candidates]


def test_a_small_data_set_is_judged_on_several_folds_first(table):
    runs = race(table)  # 192 samples, of which 39 judge
    runs.run()
    assert sorted(len(each.errors) for each in runs.candidates) == [4, 4, 15, 15]


def test_the_test_part_is_not_touched(table):
    runs = race(table)
    dataset = runs.candidates[0].dataset
    part = parted(dataset, runs._split(0, 1000, 1000))
    train = {row.tobytes() for row in dataset.train_images}
    assert {row.tobytes() for row in part.test_images} <= train
    assert len(part.train_labels) + len(part.test_labels) == len(dataset.train_labels)
    other = parted(dataset, runs._split(1, 1000, 1000))
    assert not np.array_equal(other.test_images, part.test_images)


def test_whoever_ends_it_keeps_what_was_found(table):
    def on_training(done, total, candidate, in_final):
        if done == 2:
            runs.stop()

    runs = race(table, on_training=on_training)
    runs.run()
    assert runs.stopped
    assert len(runs.ranked) == 2


@pytest.fixture
def with_final(monkeypatch):
    """Bounds as if the table's 192 training samples were many."""
    monkeypatch.setattr(trials, "_TEACH", 60)
    monkeypatch.setattr(trials, "_JUDGED", 1)
    monkeypatch.setattr(trials, "FINALISTS", 2)


@pytest.mark.usefixtures("with_final")
def test_the_last_ones_are_trained_longer_and_the_final_decides(table):
    told = []
    runs = race(table, final_epochs=4, on_training=lambda *what: told.append(what))
    assert runs.has_final
    runs.run()
    assert sorted(len(each.errors) for each in runs.candidates) == [1, 1, 1, 1]
    finalists = [each for each in runs.candidates if each.final is not None]
    assert [each for *_, each, in_final in told if in_final] == sorted(
        finalists, key=lambda c: (c.error, c.params.n_synapses)
    )
    assert len(finalists) == 2
    assert runs.ranked[0].final == min(each.final for each in finalists)
    assert runs.ranked[0].last_error == runs.ranked[0].final
    assert all(
        each.error >= max(f.error for f in finalists)
        for each in runs.candidates
        if each.final is None
    )
    assert runs.ranked[0].network.learning.tau_growth == growth_over(4)


@pytest.mark.usefixtures("with_final")
def test_the_final_shows_whether_shifted_images_are_worth_it(table):
    runs = race(table, n=2, final_epochs=4)
    values, labels = table
    for each in runs.candidates:
        each.dataset = from_arrays(values.reshape(-1, 2, 2), labels)
        each.params = each.params.replace(network={"image": [2, 2]}, learning={"shift": 1})
    runs.run()
    *others, again = runs.candidates
    assert [each.params.learning.shift for each in runs.candidates] == [1, 1, 0]
    assert again.title.endswith(", not shifted")
    assert all(each.final is not None for each in runs.candidates)
    assert again.errors == min(others, key=lambda c: c.error).errors


@pytest.mark.usefixtures("with_final")
def test_a_final_that_is_cut_short_leaves_the_brief_order(table):
    def on_training(done, total, candidate, in_final):
        if in_final:
            runs.stop()

    runs = race(table, final_epochs=4, on_training=on_training)
    runs.run()
    assert [each.final for each in runs.candidates] == [None] * 4
    assert runs.ranked[0].error == min(each.error for each in runs.candidates)


def test_brief_trainings_that_show_all_there_is_need_no_final(table):
    assert not race(table).has_final


def test_no_training_is_begun_when_the_time_is_up(table):
    runs = race(table, seconds=-1.0)
    runs.run()
    assert runs.ranked == []
    assert not runs.stopped


def test_from_a_file_to_a_network_that_learns_it(command, file, monkeypatch):
    monkeypatch.setattr("popflip.scripts.verbs.explore.new.proposals.EPOCHS", (2, 10))
    status, out, err = command(
        "new", "--data", "trees.csv", "--label", "tree", "--memory", 20_000, "-o", "trees.toml",
        "--minutes", 5, "--json",
    )  # fmt: skip
    assert status == 0, err
    report = json.loads(out)
    assert (report["finished"], report["kind"], report["file"]) == (True, "table", "trees.toml")
    assert report["best"] == report["rows"][0]
    assert report["best"]["error"] < 15
    assert all(row["memory_bits"] <= 20_000 for row in report["rows"])
    assert all(row["samples_per_s"] > 1000 for row in report["rows"][:3])

    text = (file.parent / "trees.toml").read_text()
    assert text.startswith("# Proposed by popflip new for trees.csv, on 20,000 bits of memory, ")
    assert re.search(r"^# thresholds: ", text, re.M)
    params = Params.load("trees.toml")
    assert (params.data.label, params.network.classes) == ("tree", 3)
    status, out, err = command(
        "train", "--config", "trees.toml", "--data", "trees.csv", "--engine", "fast",
        "--epochs", report["epochs"], "--json",
    )  # fmt: skip
    assert status == 0, err
    assert json.loads(out)["test_error"] < 15


def test_what_is_written_is_calibrated(file, monkeypatch):
    from popflip.golden.datasets.encoding import input_of
    from popflip.golden.datasets.loading import load
    from popflip.scripts.verbs.explore.new.search import Wish

    monkeypatch.setattr("popflip.scripts.verbs.explore.new.proposals.EPOCHS", (2, 2))
    reading = Params.load("local-small").replace(data={"label": "tree"})
    text, report = find_network(Wish(str(file), reading, None, 20_000, 3, 5.0, "trees"))
    (file.parent / "net.toml").write_text(text)
    params = Params.load(file.parent / "net.toml")
    assert params.name == "trees"
    data = load(file, params=params)
    found = vital_signs(
        Model.initial(params, 3), input_of(params.network, data.train_images), data.train_labels
    )
    assert 0.03 < found.active[0] < 0.12
    assert report["rows"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "name one of --board and --memory"),
        (["--board", "icebreaker", "--memory", 9], "name one of --board and --memory"),
        (["--memory", 9, "--minutes", 0], "minutes must be above 0, not 0"),
        (["--memory", 9, "-o", "net.json"], "output must be a .toml file, not 'net.json'"),
        (
            ["--memory", 9],
            "no network for trees.csv fits 9 bits of memory: its samples have 1 x 4 values",
        ),
        (["--memory", 9, "--board", "nobody's"], "name one of --board and --memory"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(command, file, options, line):
    status, out, err = command("new", "--data", "trees.csv", "--label", "tree", *options)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == f"popflip: {line}"
    assert not (file.parent / "net.toml").exists()


def test_a_single_sample_of_each_class_judges_nothing(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.csv").write_text(
        "a,b,label\n" + "".join(f"{i},2,k{i % 2}\n" for i in range(4))
    )
    status, _, err = command("new", "--data", "few.csv", "--memory", 20_000)
    assert status == 2
    assert err.splitlines()[-1] == (
        "popflip: few.csv must have 2 training samples of a class at least: one to learn, one to "
        "judge the networks by"
    )


def small(table, **machine):
    """A network for the table, as proposed, on its first way."""
    (params, *_) = proposals(shapes_for("table", (1, 4))[0], 8, 3, 4, Data(), machine, 20)
    return params, from_arrays(*table)


def test_a_loud_network_hears_its_input_more_and_its_outputs_less(table):
    params, data = small(table)
    plain, loud = (calibrated(params, data, 1, loud).dynamics for loud in (False, True))
    assert list(loud.gains) == [round(1.5 * gain) for gain in plain.gains]
    assert list(loud.feedback_gains) == [round(0.5 * gain) for gain in plain.feedback_gains]
    assert loud.threshold == plain.threshold


def test_where_logic_is_scarce_gains_are_small_and_hardly_anything_changes(table):
    shared = {"shared_update": True, "latent_lanes": [2, 2], "weight_slice": 4}
    dynamics = [
        calibrated(params, data, 1).dynamics
        for params, data in (small(table), small(table, **shared))
    ]
    plain, short = dynamics
    unit = short.gains[0]
    assert unit in (1, 2, 4)
    assert short.gains[1] in (8, 16, 32, 64)
    assert short.gains[1] / plain.gains[1] == pytest.approx(1, abs=0.42)
    assert short.feedback_gains[0] / unit == pytest.approx(
        plain.feedback_gains[0] / plain.gains[0], abs=0.5 / unit
    )
    # Sums of the input are odd or even, all of them: between two there is room for a threshold.
    level = plain.hidden_threshold / plain.gains[0]
    assert 0 <= short.threshold / unit - level < 1 / unit


def test_what_no_longer_fits_once_it_is_calibrated_is_not_chosen():
    board = find_board("icebreaker")
    shape = next(s for s in shapes_for("images", (28, 28)) if s.title.startswith(_POOLED))

    def make(size, machine):
        return next(proposals(shape, size, 10, 1, Data(), machine, 30), None)

    fitted = Budget(board)._at(make, 4, _LANES[0])[0]
    params = make(4, fitted.machine)
    again = Budget(board).holds(params, fitted)
    assert again.estimate.fits
    much = params.replace(dynamics={"gains": [683, 1365], "feedback_gains": [1365]})
    assert Budget(board).holds(much, fitted) is None
    assert Budget(memory=1).holds(much, fitted) is fitted
