"""``popflip cosim``."""

import json
from importlib import metadata
from xml.etree import ElementTree

import pytest

from popflip.cocotb_tests import cosim
from popflip.cocotb_tests.simulators import BenchError
from popflip.golden.datasets import loading

SLOW = [
    pytest.param(bus, marks=[pytest.mark.slow, pytest.mark.timeout(900)]) for bus in ("uart", "axi")
]


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


@pytest.mark.parametrize("bus", ["wishbone", *SLOW])
def test_a_machine_behind_a_front_end(popflip, bus):
    argv = ["cosim", "--config", "tiny.toml", "--simulator", "icarus", "--samples", 1]
    status, out, err = popflip(*argv, "--bus", bus, "--junit", f"new/{bus}.xml", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["bus"]) == (True, bus)
    [suite] = ElementTree.parse(f"new/{bus}.xml").getroot()
    [case] = suite.iter("testcase")
    assert case.get("name") == f"{report['preset']}, bus {bus}, icarus"
    assert (suite.get("failures"), suite.get("errors"), list(case)) == ("0", "0", [])


def test_a_file_of_mnists_shape_needs_no_data(popflip, monkeypatch):
    """Continuous integration may have no network to fetch it from."""
    monkeypatch.setattr(loading, "load", None)
    monkeypatch.setattr(cosim, "play_training", lambda *args, **options: [])
    monkeypatch.setattr(cosim, "differences", lambda *args: [])
    assert popflip("info", "--preset", "ice40hx8k", "--write", "digits.toml")[0] == 0
    argv = ["cosim", "--config", "digits.toml", "--simulator", "icarus", "--samples", 1, "--json"]
    status, out, err = popflip(*argv)
    assert status == 0, err
    assert json.loads(out)["data"] == "random samples"


@pytest.mark.parametrize(("lines", "status"), [(["3 of weights0"], 1), (None, 2)])
def test_a_report_of_what_failed(popflip, monkeypatch, lines, status):
    def play(*args, **options):
        if lines is None:
            raise BenchError("tb_core failed in icarus:\nits log")
        return []

    monkeypatch.setattr(cosim, "play_training", play)
    monkeypatch.setattr(cosim, "differences", lambda *args: lines)
    argv = ["cosim", "--config", "tiny.toml", "--simulator", "icarus", "--junit", "report.xml"]
    assert popflip(*argv, "--samples", 1)[0] == status
    [suite] = ElementTree.parse("report.xml").getroot()
    [[problem]] = suite.iter("testcase")
    expected = (
        ("failure", "3 of weights0") if lines else ("error", "tb_core failed in icarus:\nits log")
    )
    assert (problem.tag, problem.text) == expected


def test_what_there_is_not_is_refused(popflip, monkeypatch):
    argv = ["cosim", "--config", "tiny.toml", "--simulator", "icarus"]
    status, out, err = popflip(*argv, "--bus", "apb")
    assert (status, out) == (2, "")
    assert err == "popflip: bus must be one of uart, axi, wishbone, none, not 'apb'\n"

    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(cosim.metadata, "version", missing)
    status, out, err = popflip(*argv, "--bus", "axi")
    assert (status, out) == (2, "")
    assert err == "popflip: missing package: cocotbext-axi (pip install 'popflip[sim]')\n"
