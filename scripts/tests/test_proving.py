"""Every property is proven, and fails on the fault that is seeded for it."""

import json

import pytest

from popflip.rtl.primitives.popcount import PopcountTree
from popflip.rtl.proofs.catalogue import PROOFS
from popflip.rtl.proofs.harness import Fault
from popflip.scripts import proving
from popflip.scripts.cli import run


def questions():
    """Each proof, and each of its claims' faults; slow ones marked."""
    for proof in PROOFS:
        for claim in proving.runs_of(proof):
            slow = proof.slow or (claim and proof.claims[claim].fault.slow)
            marks = [pytest.mark.slow, pytest.mark.timeout(1800)] if slow else []
            yield pytest.param(proof, claim, id=f"{proof.name}-{claim or 'proof'}", marks=marks)


@pytest.mark.parametrize(("proof", "claim"), [*questions()])
def test_claims_hold_and_find_their_faults(proof, claim):
    verdict = proving.prove(proof, claim).verdict
    assert verdict == ("found" if claim else "proven")


def test_names_are_unique():
    names = [proof.name for proof in PROOFS]
    assert len(set(names)) == len(names)


def test_a_fault_wants_its_text_once():
    fault = Fault(PopcountTree.elaborate, "no such text", "")
    with pytest.raises(ValueError, match=r"'no such text' must stand once in PopcountTree"):
        with fault.seeded():
            pass


def test_a_fault_leaves_no_trace():
    before = PopcountTree.elaborate
    with PROOFS[0].claims["count"].fault.seeded():
        pass
    assert PopcountTree.elaborate is before


def test_the_verb_lists_what_it_would_prove(capsys):
    assert run(["prove", "link", "--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["proofs"]
    assert {row["claim"] for row in rows} == {"crc", "idle", "ready", "error", "held"}
    assert all(row["verdict"] is None for row in rows)


def test_the_verb_refuses_a_proof_that_there_is_not(capsys):
    assert run(["prove", "nonsense"]) == 2
    assert "a proof must be one of popcount-flat" in capsys.readouterr().err


def test_the_verb_ends_with_status_1_if_a_claim_survives_its_fault(capsys, monkeypatch):
    unnoticed = proving.Run("popcount-flat", "count", "popcount", "bounded", 3, 0.1, "not found")
    real = proving.prove
    monkeypatch.setattr(
        proving, "prove", lambda p, c="", **more: unnoticed if c else real(p, c, **more)
    )
    assert run(["prove", "popcount-flat", "--json"]) == 1
    [row] = json.loads(capsys.readouterr().out)["proofs"]
    assert (row["verdict"], row["fault_verdict"], row["good"]) == ("proven", "not found", False)


def test_the_verb_prints_a_table(capsys):
    assert run(["prove", "popcount-flat", "--list"]) == 0
    assert "popcount-flat: count" in capsys.readouterr().out
