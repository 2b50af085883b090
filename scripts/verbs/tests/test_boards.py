"""``popflip boards``, and what verbs say of a board that is not there."""

import json

import pytest

from popflip.boards.registry import BOARDS
from popflip.golden.description.params import Params
from popflip.scripts.results import PUBLISHED, latest
from popflip.scripts.verbs.hardware.boards import board_rows, table_markdown
from popflip.scripts.verbs.hardware.build import cached_report

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture
def popflip(command, tmp_path, monkeypatch):
    """Run the command in a folder of its own with an empty cache: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    return command


@pytest.mark.parametrize("verb", ["fit", "build", "flash"])
def test_a_board_that_is_not_there(popflip, verb):
    status, out, err = popflip(verb, "--board", "de10")
    assert (status, out) == (2, "")
    assert err.startswith("popflip: board must be one of icebreaker, upduino-v3, ")


def test_on_a_fresh_machine_boards_shows_what_was_recorded(popflip, tmp_path):
    status, out, _ = popflip("boards", "--json", "--page", "table.md")
    assert status == 0
    rows = json.loads(out)
    assert list(dict.fromkeys(row["board"] for row in rows)) == list(BOARDS)
    recorded = latest("boards")
    for row in rows:
        # Of another network than the board's own, its name is behind the board's.
        own = row["net"] == BOARDS[row["board"]].preset
        name = row["board"] if own else f"{row['board']} {row['net']}"
        if name in recorded:
            entry = recorded[name]
            assert (row["state"], row["commit"]) == ("recorded", entry.commit)
            assert (row["lut"], row["fmax_mhz"]) == (entry.values.lut, entry.values.fmax_mhz)
            assert not own or row["test_error"] is not None
        else:
            assert row["state"] in ("not built", "a project for its maker's tools")
            assert row["fmax_mhz"] is row["test_error"] is row["commit"] is None
    text = (tmp_path / "table.md").read_text()
    assert text.count("\n") == 2 + len(rows) + len(PUBLISHED)
    status, out, _ = popflip("boards")
    assert (status, out.count("recorded ")) == (0, len(recorded))


def test_boards_shows_ones_own_builds_beside_the_recorded_ones(popflip, tmp_path):
    board = BOARDS["icebreaker"]
    params = Params.load(board.preset)
    path = cached_report(board, board.params(params))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({
        "used": {"lut": 5000, "block": 28, "spram": 4}, "fmax_mhz": 26.1, "core_mhz": 24,
        "cycles": {"train": 2000.0, "infer": 700.0}, "samples_per_s": 12000.0,
        "inferences_per_s": 34285.7,
    }))  # fmt: skip
    sweep = tmp_path / "runs" / "sweep"
    sweep.mkdir(parents=True)
    told = {
        "verb": "sweep", "validation": 0, "varied": [], "data": "mnist", "samples": None,
        "seeds": 3, "rows": [{"error": 4.25, "spread": 0.11}],
        "parameters": params.replace(machine={"uart_divisor": 9}).model_dump(mode="json"),
    }  # fmt: skip
    (sweep / "report.json").write_text(json.dumps(told))
    row, other = board_rows(tmp_path / "runs")[:2]
    assert (other["board"], other["state"]) == ("icebreaker", "recorded")
    assert (row["state"], row["lut"], row["bram"], row["spram"]) == ("built", 5000, 28, 4)
    assert (row["fmax_mhz"], row["samples_per_s"]) == (26.1, 12000.0)
    assert (row["test_error"], row["test_error_spread"], row["test_error_seeds"]) == (4.25, 0.11, 3)
    assert "28 of 30 + 4 SPRAM | 26.1 | 24 | 2,000 | 12,000 | 34,286 | 4.25 ± 0.11%" in (
        table_markdown([row])
    )
    # On a part of the test set, or of another network, it is not this one's error.
    for change in ({"validation": 100}, {"varied": ["x"]}, {"samples": 10}):
        (sweep / "report.json").write_text(json.dumps(told | change))
        assert board_rows(tmp_path / "runs")[0]["test_error"] is None


def test_a_damaged_report_of_a_build_is_none(popflip, tmp_path):
    board = BOARDS["icebreaker"]
    path = cached_report(board, board.params(Params.load(board.preset)))
    path.parent.mkdir(parents=True)
    path.write_text("{")
    row = board_rows(tmp_path / "runs")[0]
    assert (row["board"], row["state"]) == ("icebreaker", "recorded")
