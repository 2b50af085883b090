"""The verbs that prove things: attack, differential, soak, upsets."""

import json
import shlex

import pytest
from matplotlib.image import imread

from popflip.scripts import differential

pytestmark = pytest.mark.timeout(600)


def test_attack_reports_what_was_sent(popflip):
    argv = ["attack", "--end", "host", "--host-frames", 640, "--seed", 3]
    status, out, err = popflip(*argv, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"]) == (True, [])
    assert report["ends"]["host"]["frames"] == 640
    assert sum(report["ends"]["host"]["kinds"].values()) == 640
    status, out, _ = popflip(*argv, "--group", 5)
    assert status == 0
    assert "16 frames in 1 groups" in out


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["attack", "--end", "both"], "end must be host or board, not 'both'"),
        (["attack", "--group", 3], "a group is one of an end: name it with --end"),
        (["attack", "--end", "host", "--host-frames", 0], "frames must be at least 1 for one end"),
        (["differential", "--cases", 3, "--verilog", 4], "verilog must be 0 to 3, as many as"),
        (["differential", "--seed", -1], "seed must be at least 0, not -1"),
        (["differential", "--replay", "x"], "replay must be a case as it was printed, not 'x'"),
        (["soak", "--samples", 1000], "stop_samples must be 2561 to 1000, more than a chunk"),
        (["upsets", "--rate", -1], "rates must be 0 to 100 upsets per bit and epoch, not -1.0"),
    ],
)
def test_bad_input_is_refused_in_one_line(popflip, folder, argv, line):
    if argv[0] in ("soak", "upsets"):
        argv += ["--config", "tiny.toml", "--data", folder]
    status, out, err = popflip(*argv)
    assert (status, out) == (2, "")
    assert err.startswith(f"popflip: {line}")
    assert err.count("\n") == 1


def test_differential_finds_the_smallest_failure(popflip, monkeypatch):
    def fails(case, simulators=()):
        return ["too deep"] if case.params.depth > 2 else []

    monkeypatch.setattr(differential, "compare", fails)
    status, out, err = popflip("differential", "--cases", 60, "--verilog", 0, "--json")
    assert status == 1
    report = json.loads(out)
    assert report["differences"] == ["too deep"]
    assert "popflip: not verified: too deep" in err
    # The line that repeats it.
    words = shlex.split(report["replay"])
    case = differential.Case.from_json(words[-1])
    assert case.params.depth == 3
    assert (case.params.network.first, case.params.dynamics.code) == ("dense", "heaviside")
    assert case.samples == 1
    assert popflip(*words[1:])[0] == 1
    monkeypatch.setattr(differential, "compare", lambda case, simulators: [])
    assert popflip(*words[1:])[0] == 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_machines_agree(popflip):
    status, out, err = popflip("differential", "--seed", 2, "--json")
    assert status == 0, err
    assert (json.loads(out)["cases"], json.loads(out)["verilog_cases"]) == (500, 50)


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
