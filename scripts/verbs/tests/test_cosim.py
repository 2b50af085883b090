"""``popflip cosim``."""

import json


def test_missing_simulators_are_all_named(popflip, monkeypatch):
    monkeypatch.setenv("PATH", "")
    status, out, err = popflip("cosim", "--simulator", "both")
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("popflip: missing programs: iverilog (apt-get install iverilog), ")
    assert "perl (apt-get install perl), make (apt-get install make), g++" in line


def test_the_core_in_a_simulator_equals_golden(popflip, folder):
    argv = ["--config", "tiny.toml", "--data", folder, "--simulator", "icarus", "--samples", 3]
    status, out, err = popflip("cosim", *argv, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"], report["samples"]) == (True, [], 3)
    assert list(report["simulators"]) == ["icarus"]
    assert report["cycles_per_sample"] == report["cycles"] / 3 > 64


def test_a_network_of_another_shape_than_mnist_needs_no_data(popflip):
    argv = ["cosim", "--config", "tiny.toml", "--simulator", "icarus", "--samples", 2, "--json"]
    status, out, err = popflip(*argv)
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["data"], report["samples"]) == (True, "random samples", 2)
