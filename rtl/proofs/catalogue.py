"""All proofs, by subject."""

from popflip.rtl.proofs import (
    core,
    drive,
    link,
    lists,
    popcount,
    samples,
    shared_update,
    streams,
    update,
)
from popflip.rtl.proofs.harness import Proof

__all__ = ["PROOFS"]

PROOFS: list[Proof] = [
    *popcount.PROOFS,
    *drive.PROOFS,
    *update.PROOFS,
    *shared_update.PROOFS,
    *streams.PROOFS,
    *lists.PROOFS,
    *samples.PROOFS,
    *link.PROOFS,
    *core.PROOFS,
]
