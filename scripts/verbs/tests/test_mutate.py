"""The verbs that ask what the tests see: mutate, coverage."""

import json

import pytest

from popflip.scripts.campaigns.mutation import equivalent_mutants
from popflip.scripts.campaigns.mutation.campaign import journal_digest
from popflip.scripts.campaigns.mutation.fault_injection import faulty_netlist
from popflip.scripts.campaigns.networks import NETWORKS

NAME, COUNT = "narrow", 12
ARGV = ["mutate", "--network", NAME, "--mutants", COUNT, "--out", "faults"]


def write_journal(folder, verdicts):
    lines = [{"digest": journal_digest({NAME: COUNT}, 1)}]
    for number, verdict in enumerate(verdicts, 1):
        lines.append({"network": NAME, "number": number, **verdict})
    folder.mkdir(exist_ok=True)
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def verdicts(killed):
    found = {"killed": True, "scenario": "train", "how": "no answer"}
    return [found] * killed + [{"killed": False, "equal": n > 0} for n in range(COUNT - killed)]


@pytest.mark.parametrize(("killed", "status"), [(9, 1), (11, 1)])
def test_a_whole_journal_is_a_report(popflip, tmp_path, monkeypatch, killed, status):
    write_journal(tmp_path, verdicts(killed))
    argv = [*ARGV[:-1], tmp_path, "--resume"]
    got, out, err = popflip(*argv, "--json")
    report = json.loads(out)
    assert (got, report["mutants"], report["equal"]) == (status, COUNT, COUNT - killed - 1)
    assert (report["faults"], report["killed"]) == (killed + 1, killed)
    assert report["scenarios"] == {"train": killed}
    [survivor] = report["survivors"]
    netlist = faulty_netlist(NETWORKS[NAME], COUNT, 1)
    fault = netlist.faults[killed]
    assert survivor == {"network": NAME, **vars(fault), "why": ""}
    assert f"{killed} of {killed + 1} faults killed and 0 explained: fewer than 95% of" in err
    assert json.loads((tmp_path / "report.json").read_text()) == report
    _, out, _ = popflip(*argv)
    assert f"{NAME} {killed + 1}" in out
    # The same name in other hardware is another fault.
    monkeypatch.setattr(
        equivalent_mutants, "_EXPLAINED", {("0" * 16, fault.module, fault.what): "no"}
    )
    assert json.loads(popflip(*argv, "--json")[1])["explained"] == 0
    # The same fault explained: nothing is left.
    what = {(netlist.digest, fault.module, fault.what): "nobody looks there"}
    monkeypatch.setattr(equivalent_mutants, "_EXPLAINED", what)
    got, out, _ = popflip(*argv, "--json")
    report = json.loads(out)
    assert (got, report["explained"], report["share_of_others"]) == (0, 1, 1)
    assert report["survivors"][0]["why"] == "nobody looks there"


def test_all_killed_is_what_is_wanted(popflip, tmp_path):
    write_journal(tmp_path, verdicts(COUNT))
    status, out, err = popflip(*ARGV[:-1], tmp_path, "--resume")
    assert status == 0, err
    assert "12 of 12 faults killed (100.0%)" in out


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--mutants", 3], "mutants must be at least 13, one a network, not 3"),
        (["--network", "wide"], "network must be narrow, batched, serial, shared, pooled, "),
        (["--seed", -1], "seed must be at least 0, not -1"),
        (["--resume", "--out", "nowhere"], "nowhere/journal.jsonl: no journal to go on with"),
    ],
)
def test_bad_input_is_refused_in_one_line(popflip, argv, line):
    status, out, err = popflip("mutate", *argv)
    assert (status, out) == (2, "")
    assert err.startswith(f"popflip: {line}")
    assert err.count("\n") == 1


def test_a_journal_of_something_else_is_refused(popflip, tmp_path):
    write_journal(tmp_path, verdicts(COUNT))
    status, out, err = popflip(*ARGV[:-1], tmp_path, "--resume", "--seed", 2)
    assert (status, out) == (2, "")
    assert "belongs to other faults, hardware or tests; begin without --resume" in err


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b"[1]", b"{}"],
    ids=["empty", "half", "deep", "list", "nothing"],
)
def test_a_damaged_journal_is_refused(popflip, tmp_path, content):
    write_journal(tmp_path, verdicts(COUNT))
    (tmp_path / "journal.jsonl").write_bytes(content)
    status, out, err = popflip(*ARGV[:-1], tmp_path, "--resume")
    assert (status, out) == (2, "")
    assert err.endswith("journal.jsonl is damaged: begin without --resume\n")


def test_damaged_lines_of_a_journal_are_passed_over(popflip, tmp_path):
    write_journal(tmp_path, verdicts(COUNT))
    with open(tmp_path / "journal.jsonl", "a") as file:
        file.write('{"network": 1}\n[1]\n{"netw')
    status, out, err = popflip(*ARGV[:-1], tmp_path, "--resume")
    assert status == 0, err
    assert "12 of 12 faults killed (100.0%)" in out


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_faults_are_killed(popflip, tmp_path):
    argv = ["mutate", "--network", "narrow", "--mutants", 20, "--out", tmp_path, "--json"]
    _, out, _ = popflip(*argv)
    report = json.loads(out)
    assert report["mutants"] == 20
    assert report["killed"] >= 15
    # Nothing is left to do: the same verdicts.
    again = json.loads(popflip(*argv, "--resume")[1])
    assert again["survivors"] == report["survivors"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_coverage_of_the_verilog(popflip):
    status, out, err = popflip("coverage", "--json")
    assert status == 0, err
    reached, points = json.loads(out)["total"]["line"]
    assert reached > 0.9 * points
