"""All proofs, by subject."""

from popflip.rtl.proofs import popcount
from popflip.rtl.proofs.harness import Proof

__all__ = ["PROOFS"]

PROOFS: list[Proof] = [
    *popcount.PROOFS,
]
