"""``popflip bench own-data``, on a data set that takes a moment."""

import json

import pytest

from popflip.golden.description.params import Params
from popflip.scripts.results import latest
from popflip.scripts.verbs.explore.bench import own_data
from popflip.scripts.verbs.explore.new import proposals, trials

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]


@pytest.fixture
def iris(monkeypatch):
    """The only data set, which takes a moment, and few candidates."""
    monkeypatch.setattr(own_data, "TASKS", {"iris": own_data.Task(memory=4_000)})
    monkeypatch.setattr(own_data, "SEEDS", (1, 2))
    monkeypatch.setattr(proposals, "EPOCHS", (10, 10))
    monkeypatch.setattr(proposals, "CHOSEN_EPOCHS", 10)
    monkeypatch.setattr(trials, "MOST_FOLDS", 5)
    monkeypatch.delitem(proposals._USUAL, 1)
    monkeypatch.delitem(proposals._USUAL, 10)


@pytest.mark.usefixtures("iris")
def test_networks_are_compared_on_the_same_samples(popflip, tmp_path):
    status, out, err = popflip(
        "bench", "own-data", "--out", tmp_path / "any.png", "--samples", 0, "--json"
    )
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["data"], row["seeds"], len(row["errors"])) == ("iris", 2, 2)
    assert row["error"] < 30
    assert row["logistic"] < 15
    assert row["mlp"] < 15
    assert (row["bits_equal"], row["by_hand"]) == (None, None)
    assert row["search_processor_seconds"] > 0
    # Each seed has a split of its own.
    files = [Params.load(tmp_path / f"new-iris-{seed}.toml") for seed in (1, 2)]
    assert [params.data.seed for params in files] == [1, 2]


@pytest.mark.slow
@pytest.mark.usefixtures("iris")
def test_one_search_may_do_and_the_virtual_board_learns_what_it_found(
    popflip, tmp_path, monkeypatch
):
    task = own_data.Task(memory=4_000, searches=1)
    monkeypatch.setattr(own_data, "LARGE", {"iris": task})
    status, out, err = popflip(
        "bench", "own-data", "--data", "iris", "--out", tmp_path / "any.png", "--samples", 40,
        "--json",
    )  # fmt: skip
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["searches"], len(row["errors"]), row["samples"]) == (1, 2, 40)
    params = Params.load(tmp_path / "new-iris-1.toml")
    assert row["bits_equal"] == params.memory_bits
    assert not (tmp_path / "new-iris-2.toml").exists()


def test_the_preset_beside_is_the_boards_where_it_learned_the_data():
    on = {e.values.network: e.values for e in latest("accuracy").values() if e.values.epochs == 40}
    assert own_data.by_hand("mnist", own_data.LARGE["mnist"]) == on["ice40up5k"].error
    assert own_data.by_hand("digits", own_data.TASKS["digits"]) is None


def test_other_data_sets_are_refused(popflip):
    status, _, err = popflip("bench", "own-data", "--data", "iris")
    assert status == 2
    assert err == (
        "popflip: data must be one of digits, breast-cancer, basic-motions, fashion-mnist, mnist, "
        "not 'iris'\n"
    )
