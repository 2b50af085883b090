"""``popflip soak``."""

import json

import pytest

pytestmark = pytest.mark.timeout(600)


@pytest.mark.slow
def test_soak(popflip, folder):
    argv = ["--config", "tiny.toml", "--data", folder, "--out", "soak", "--json"]
    argv += ["--samples", 800, "--stops", 2, "--stop-samples", 768]
    status, out, err = popflip("soak", *argv)
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"]) == (True, [])
    assert (report["samples"], report["stop_samples"]) == (800, 768)
    assert report["stops"] == [256, 512]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_soak_of_the_ecp5_preset(popflip):
    status, _, err = popflip("soak", "--json")
    assert status == 0, err
