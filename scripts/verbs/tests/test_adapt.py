"""``popflip adapt``."""

import json

import pytest
from matplotlib.image import imread

pytestmark = pytest.mark.timeout(600)


def words(folder, *argv):
    """Options of a campaign of seconds: three patterns, so no class can be renamed."""
    return [
        "adapt", "--config", "batches.toml", "--data", folder, "--samples", 200,
        "--test-samples", 50, "--epochs", 1, "--at", 20, "--at", 100, "--seeds", 1, *argv,
    ]  # fmt: skip


@pytest.mark.slow
def test_the_virtual_board_and_both_engines_come_to_the_same_bits(popflip, folder, tmp_path):
    reports = []
    for name, argv in (
        ("virtual", ["--board", "virtual"]), ("fast", []), ("golden", ["--engine", "golden"])
    ):  # fmt: skip
        status, out, err = popflip(
            *words(folder, "--change", "rotate-90", "--change", "unseen", *argv),
            "--out", tmp_path / name, "--json",
        )  # fmt: skip
        assert status == 0, err
        reports.append(json.loads(out))
    board, fast, golden = reports
    assert [board["board"], fast["engine"], golden["engine"]] == ["virtual", "fast", "golden"]
    # Digests of all weights and latents are among them.
    assert board["curves"] == fast["curves"] == golden["curves"]
    assert board["rows"] == golden["rows"]
    assert len({curve["digest"] for curve in board["curves"].values()}) == 8
    assert imread(board["picture"]).shape[2] == 4


def test_the_table_names_each_change_and_way(popflip, folder, tmp_path):
    status, out, err = popflip(
        *words(folder, "--change", "invert", "--engine", "golden", "--out", tmp_path / "out"),
        "--picture", tmp_path / "p.png",
    )  # fmt: skip
    assert status == 0, err
    assert "error in % after so many new samples" in out
    assert [way in out for way in ("on", "replay", "cleared", "scratch")] == [True] * 4
    assert (tmp_path / "p.png").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--change", "melt"], "change must be one of rotate-90, "),
        (["--change", "rename"], "change 'rename' needs at least 4 classes, not 3"),
        (["--at", "5"], "at must be samples in ascending order, from 1, not (20, 100, 5)"),
    ],
)
def test_what_cannot_be_is_refused_with_one_line(popflip, folder, tmp_path, argv, message):
    out = tmp_path / "out"
    status, _, err = popflip(*words(folder, "--engine", "golden", "--out", out, *argv))
    assert status == 2
    assert err.startswith(f"popflip: {message}")
    assert len(err.splitlines()) == 1
