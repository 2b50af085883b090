"""``popflip doctor``."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture
def popflip(command, tmp_path, monkeypatch):
    """Run the command in a folder of its own with an empty cache: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    return command


def test_doctor_names_a_fix_for_all_that_is_missing(popflip, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, _ = popflip("doctor", "--json")
    assert status == 0
    report = json.loads(out)
    assert report["missing"]
    for finding in report["findings"]:
        assert finding["ok"] == (not finding["fix"]), finding
    assert {"perl", "make"} <= set(report["missing"])
    status, out, _ = popflip("doctor")
    assert "apt-get install perl" in " ".join(out.split())
