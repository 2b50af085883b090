"""``popflip bench own-data``, on a data set that takes a moment."""

import json

import pytest

from popflip.golden.description.params import Params
from popflip.scripts.verbs.explore.bench import own_data
from popflip.scripts.verbs.explore.new import proposals

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("default_signals")]


def test_networks_are_compared_on_the_same_samples(popflip, tmp_path, monkeypatch):
    monkeypatch.setattr(own_data, "DATA", {"iris": 4_000})
    monkeypatch.setattr(own_data, "SEEDS", (1, 2))
    monkeypatch.setattr(own_data, "MINUTES", 10.0)
    monkeypatch.setattr(proposals, "EPOCHS", (10, 10))
    monkeypatch.delitem(proposals._FEW_BITS, 1)
    monkeypatch.delitem(proposals._FEW_BITS, 10)
    status, out, err = popflip("bench", "own-data", "--out", tmp_path / "any.png", "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["data"], row["seeds"], len(row["errors"])) == ("iris", 2, 2)
    assert row["error"] < 30
    assert row["logistic"] < 15
    assert row["mlp"] < 15
    # Each seed has a split of its own.
    files = [Params.load(tmp_path / f"new-iris-{seed}.toml") for seed in (1, 2)]
    assert [params.data.seed for params in files] == [1, 2]


def test_other_data_sets_are_refused(popflip):
    status, _, err = popflip("bench", "own-data", "--data", "mnist")
    assert status == 2
    assert err == (
        "popflip: data must be one of digits, breast-cancer, basic-motions, not 'mnist'\n"
    )
