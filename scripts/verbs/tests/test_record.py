"""``popflip record``."""

import datetime
import json

import pytest

from popflip.scripts.results import Entry, Measured
from popflip.scripts.verbs.explore import record as module


@pytest.fixture
def asked(monkeypatch):
    """Have recording answer with one entry, or with a failure of the verb."""
    state = {"status": 0}
    entry = Entry[Measured](
        name="engine", command="popflip bench engine", commit="0123abc",
        date=datetime.date(2026, 11, 29), machine="a test", values=Measured(figures={"rate": 1}),
    )  # fmt: skip

    def record_verb(words, **options):
        state["words"], state["options"] = words, options
        return state["status"], [] if state["status"] else [("bench", entry)]

    monkeypatch.setattr(module, "record_verb", record_verb)
    return state


def test_the_command_is_split_as_a_shell_does(command, asked):
    status, out, err = command(
        "record", "bench engine --out 'a b.png'", "--machine", "mine", "--note", "idle", "--dirty"
    )
    assert (status, out) == (0, "")
    assert "popflip: recorded engine among bench" in err
    assert asked["words"] == ["bench", "engine", "--out", "a b.png"]
    assert asked["options"] == {"machine": "mine", "note": "idle", "dirty": True}


def test_json_prints_the_entries(command, asked):
    status, out, _ = command("record", "bench engine", "--json")
    assert status == 0
    (entry,) = json.loads(out)
    assert (entry["kind"], entry["name"], entry["values"]["figures"]) == (
        "bench", "engine", {"rate": 1},
    )  # fmt: skip


def test_a_verb_that_fails_gives_its_status(command, asked):
    asked["status"] = 1
    assert command("record", "prove")[0] == 1


def test_a_verb_without_results_is_refused(command):
    status, out, err = command("record", "info")
    assert (status, out) == (2, "")
    assert err.startswith("popflip: verb must be one of build, sweep, ")
