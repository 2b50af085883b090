"""``popflip bench live``: learning on show beside training. How fast either is, no test asks."""

import json

import pytest

from popflip.scripts.verbs.explore.bench.live import show_live


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_both_learn_the_same_by_turns_and_the_page_answers(popflip, folder, capsys):
    words = ("--engine", "golden", "--preset", folder / "tiny.toml", "--data", folder)
    status, out, err = popflip("bench", "live", *words, "--samples", 400, "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["samples"], row["rounds"]) == (400, 3)
    assert row["train_samples_per_s"] > 0
    assert row["live_samples_per_s"] > 0
    assert row["answers"] >= 3
    assert 0 < row["answer_ms"] <= row["answer_ms_95"] <= row["answer_ms_99"]
    assert row["answer_ms_99"] <= row["answer_ms_most"]
    show_live(row)
    assert "the page answers" in capsys.readouterr().out


def test_samples_are_some(popflip):
    status, _, said = popflip("bench", "live", "--samples", 0)
    assert status == 2
    assert said == "popflip: samples must be at least 1, not 0\n"
