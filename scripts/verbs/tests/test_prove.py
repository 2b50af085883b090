"""``popflip prove``."""

import json

from popflip.scripts.campaigns import proofs
from popflip.scripts.cli import run


def test_the_verb_lists_what_it_would_prove(capsys):
    assert run(["prove", "link", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["proofs"]
    assert {row["claim"] for row in rows} == {"crc", "idle", "ready", "error", "held"}
    assert all(row["verdict"] is None for row in rows)


def test_the_verb_refuses_a_proof_that_there_is_not(capsys):
    assert run(["prove", "nonsense"]) == 2
    assert "a proof must be one of popcount-flat" in capsys.readouterr().err


def test_the_verb_ends_with_status_1_if_a_claim_survives_its_fault(capsys, monkeypatch):
    unnoticed = proofs.Run("popcount-flat", "count", "popcount", "bounded", 3, 0.1, "not found")
    real = proofs.prove
    monkeypatch.setattr(
        proofs, "prove", lambda p, c="", **more: unnoticed if c else real(p, c, **more)
    )
    assert run(["prove", "popcount-flat", "--json"]) == 1
    [row] = json.loads(capsys.readouterr().out)["proofs"]
    assert (row["verdict"], row["fault_verdict"], row["good"]) == ("proven", "not found", False)


def test_the_verb_prints_a_table(capsys):
    assert run(["prove", "popcount-flat", "--list"]) == 0
    assert "popcount-flat: count" in capsys.readouterr().out
