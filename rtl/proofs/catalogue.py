"""All proofs, by subject."""

from popflip.rtl.proofs import core, link, popcount, streams, update
from popflip.rtl.proofs.harness import Proof

__all__ = ["PROOFS"]

PROOFS: list[Proof] = [
    *popcount.PROOFS,
    *update.PROOFS,
    *streams.PROOFS,
    *link.PROOFS,
    *core.PROOFS,
]
