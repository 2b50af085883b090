"""``popflip fit``."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture
def popflip(command, tmp_path, monkeypatch):
    """Run the command in a folder of its own with an empty cache: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    return command


@pytest.mark.slow
def test_fit_says_yes_with_the_largest_that_does(popflip, folder):
    narrow = (folder / "tiny.toml").read_text()
    for wide, lanes in (("row_lanes = 64", "row_lanes = 16"), ("[32, 3]", "[8, 3]")):
        narrow = narrow.replace(wide, lanes)
    (folder / "narrow.toml").write_text(narrow)
    words = ("fit", "--board", "icebreaker", "--config", folder / "narrow.toml", "--no-cycles")
    status, out, _ = popflip(*words, "--json")
    assert status == 0
    report = json.loads(out)
    assert report["fits"]
    assert report["largest"]["fits"]
    assert report["largest"]["size"] > 12
    assert report["used"]["block"] <= report["available"]["block"]
    blocks = {memory["memory"]: memory for memory in report["memories"]}
    assert blocks["core.memory0.latents0"]["bits"] == 8 * 8
    status, out, _ = popflip(*words, "--no-search")
    assert "narrow fits 1BitSquared iCEBreaker" in out


def test_fit_says_no_with_what_is_lacking(popflip):
    status, out, err = popflip(
        "fit", "--board", "hx8k-b-evn", "--preset", "local-small", "--no-cycles", "--no-search"
    )
    assert status == 1
    assert "local-small does NOT fit" in out
    assert err.splitlines()[-1].startswith(
        "popflip: local-small does not fit Lattice iCE40-HX8K Breakout Board: too few LUTs"
    )
