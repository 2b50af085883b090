"""``popflip differential``."""

import json
import shlex

import pytest

from popflip.scripts.campaigns.differential import campaign

pytestmark = pytest.mark.timeout(600)


def test_differential_finds_the_smallest_failure(popflip, monkeypatch):
    def fails(case, simulators=()):
        return ["too deep"] if case.params.depth > 2 else []

    monkeypatch.setattr(campaign, "compare", fails)
    status, out, err = popflip("differential", "--cases", 60, "--verilog", 0, "--json")
    assert status == 1
    report = json.loads(out)
    assert report["differences"] == ["too deep"]
    assert "popflip: not verified: too deep" in err
    # The line that repeats it.
    words = shlex.split(report["replay"])
    case = campaign.Case.from_json(words[-1])
    assert case.params.depth == 3
    assert (case.params.network.first, case.params.dynamics.code) == ("dense", "heaviside")
    assert case.samples == 1
    assert popflip(*words[1:])[0] == 1
    monkeypatch.setattr(campaign, "compare", lambda case, simulators: [])
    assert popflip(*words[1:])[0] == 0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_machines_agree(popflip):
    status, out, err = popflip("differential", "--cases", 200, "--verilog", 20, "--json")
    assert status == 0, err
    assert (json.loads(out)["cases"], json.loads(out)["verilog_cases"]) == (200, 20)
