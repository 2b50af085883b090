"""What follows from parameters, and what a data set holds."""

import numpy as np

from popflip.boards.build.flash_pins import PINS_DELAY
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import encode
from popflip.golden.description.flash_image import TURN_CYCLES, flash_cycles
from popflip.golden.description.packing import memory_map
from popflip.golden.description.params import Params, preset_names
from popflip.golden.description.registers import register_map
from popflip.golden.support.cache import cache_folder
from popflip.golden.support.errors import InputError
from popflip.rtl.identity import identity

__all__ = ["data_facts", "flash_facts", "network_facts"]


def network_facts(params: Params) -> dict:
    """Return all that ``popflip info`` says of a network and its machine."""
    layers = []
    for number in range(params.depth):
        s = params.synapses(number)
        layers.append({
            "layer": number,
            "joins": [params.sizes[number], params.sizes[number + 1]],
            "synapses": s.rows * s.row_bits,
            "rows": s.rows,
            "row_bits": s.row_bits,
            "word_bits": s.word_bits,
            "banks": s.banks,
            "words_per_row": s.chunks,
            "weight_words": s.weight_depth,
            "latent_words": s.latent_depth if params.machine.training else 0,
            "latent_lanes": s.latent_lanes,
        })
    regions = [
        {"region": r.name, "index": r.index, "words": r.depth, "bits": r.width, "bytes": r.n_bytes}
        for r in memory_map(params)
    ]
    memory = {
        kind: sum(r.depth * r.width for r in memory_map(params) if r.name.startswith(kind))
        for kind in ("weights", "latents", "samples", "results")
    }
    return {
        "verb": "info",
        "preset": params.name,
        "digest": params.digest,
        "identity": _identity(params),
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "first": params.network.first,
        "window_grid": list(params.grid),
        "input_bits": params.n_in,
        "sample_bytes": params.sample_bytes,
        "latent_bits": params.learning.latent_bits,
        "training": params.machine.training,
        "flash": flash_facts(params),
        "memory_bits": memory,
        "layers": layers,
        "memory_map": regions,
        "registers": [
            {"register": r.name, "index": r.index, "writable": r.writable, "meaning": r.meaning}
            for r in register_map(params)
        ],
        "parameters": params.model_dump(mode="json"),
        "presets": [
            {"preset": p.name, "sizes": list(p.sizes), "synapses": p.n_synapses}
            for p in map(Params.load, preset_names())
        ],
    }


def _identity(params: Params) -> str | None:
    """Return the identity of the hardware, if there is hardware for these parameters."""
    try:
        return identity(params).hex()
    except InputError:
        return None


def flash_facts(params: Params, record: float | None = None) -> list[dict]:
    """Say how many clock cycles each way of reading a flash takes over a sample.

    ``record`` is as of :func:`popflip.golden.description.flash_image.flash_cycles`.
    """
    rows = []
    for flash, divider in (
        ("quad", 1), ("quad", 2), ("dual", 1), ("dual", 2), ("single", 1), ("single", 2),
    ):  # fmt: skip
        delay = PINS_DELAY if divider == 1 else 0
        standalone = {"flash": flash, "flash_divider": divider, "flash_delay": delay}
        cycles = round(flash_cycles(params.replace(standalone=standalone), record) + TURN_CYCLES)
        rows.append({"flash": flash, "divider": divider, "cycles_per_sample": cycles})
    return rows


def data_facts(dataset: Dataset, source: str) -> dict:
    """Return all that ``popflip data`` says of a data set."""
    parts = {
        "train": (dataset.train_images, dataset.train_labels),
        "test": (dataset.test_images, dataset.test_labels),
    }
    facts: dict = {
        "verb": "data",
        "data": dataset.name,
        "folder": str(cache_folder() / "datasets" / "mnist") if source == "mnist" else source,
        "checked": "SHA-256 of the published files" if source == "mnist" else "headers and sizes",
        "image": list(dataset.train_images.shape[1:]),
        "classes": int(max(labels.max() for _, labels in parts.values())) + 1,
    }
    for name, (images, labels) in parts.items():
        facts[name] = {
            "images": len(images),
            "labels": np.bincount(labels, minlength=facts["classes"]).tolist(),
            "lit_percent": round(100 * float(encode(images, (127,)).mean()), 3),
        }
    return facts
