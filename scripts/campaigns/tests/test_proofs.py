"""Every property is proven, and fails on the fault that is seeded for it."""

import pytest

from popflip.rtl.primitives.popcount import PopcountTree
from popflip.rtl.proofs.catalogue import PROOFS
from popflip.rtl.proofs.harness import Fault
from popflip.scripts.campaigns import proofs


def questions():
    """Each proof and its claims' faults; all faults but the first of a proof are slow."""
    for proof in PROOFS:
        first = next(iter(proof.claims), None)
        for claim in proofs.runs_of(proof):
            slow = proof.slow or (claim and (claim != first or proof.claims[claim].fault.slow))
            marks = [pytest.mark.slow, pytest.mark.timeout(1800)] if slow else []
            yield pytest.param(proof, claim, id=f"{proof.name}-{claim or 'proof'}", marks=marks)


@pytest.mark.parametrize(("proof", "claim"), [*questions()])
def test_claims_hold_and_find_their_faults(proof, claim):
    verdict = proofs.prove(proof, claim).verdict
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
