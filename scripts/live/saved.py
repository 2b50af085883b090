"""Checkpoints of what was learned on the page."""

import tempfile
from pathlib import Path

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.training.checkpoint import save_network
from popflip.golden.training.state import NetworkState
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.training.streaming.job import blank_meta

__all__ = ["checkpoint_of"]


def checkpoint_of(exhibit: Shown, data: Dataset | None, state: NetworkState) -> bytes:
    """Return a checkpoint as bytes; what it learned counts as samples that came by themselves."""
    total = exhibit.history.total()
    told = blank_meta(exhibit.params, 1) | {
        "streamed": {
            "samples": total.samples, "correct": total.correct, "flips": list(total.flips),
        },
    }  # fmt: skip
    if data is not None:
        told |= {"data": data.name, "data_digest": data.digest, "data_source": data.source,
                 "classes": list(data.classes)}  # fmt: skip
    encoder = None if data is None else data.encoder
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.npz"
        save_network(path, exhibit.params, state, encoder, told)
        return path.read_bytes()
