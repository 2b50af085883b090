"""``popflip upsets``."""

import json

import pytest
from matplotlib.image import imread

pytestmark = pytest.mark.timeout(600)


@pytest.mark.slow
def test_upsets(popflip, folder):
    argv = ["--config", "tiny.toml", "--data", folder, "--seeds", 2, "--board-samples", 40]
    for rate in (0, 0.01, 10):
        argv += ["--rate", rate]
    status, out, err = popflip("upsets", *argv, "--picture", "upsets.png", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["verified"]
    clean, few, many = (row["error"] for row in report["rows"])
    assert clean <= few + 5
    assert many > clean + 10
    assert report["rows"][1]["upsets_per_epoch"] == 0.01 * report["bits"]
    assert 0 < report["board"]["most_cycles"] <= report["board"]["bound"]
    assert imread("upsets.png").shape[2] == 4
