"""All proofs, by subject."""

from popflip.rtl.proofs import (
    buses,
    contrast_scan,
    drive,
    engines,
    leaky,
    link,
    memory_ports,
    pool,
    popcount,
    samples,
    sequencer,
    serial,
    shared_update,
    update,
)
from popflip.rtl.proofs.harness import Proof

__all__ = ["PROOFS"]

PROOFS: list[Proof] = [
    *popcount.PROOFS,
    *drive.PROOFS,
    *pool.PROOFS,
    *update.PROOFS,
    *shared_update.PROOFS,
    *serial.PROOFS,
    *engines.PROOFS,
    *leaky.PROOFS,
    *contrast_scan.PROOFS,
    *samples.PROOFS,
    *link.PROOFS,
    *memory_ports.PROOFS,
    *sequencer.PROOFS,
    *buses.PROOFS,
]
