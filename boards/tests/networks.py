"""Networks small enough to elaborate in a moment."""

import json

from popflip.golden.description.params import Params

__all__ = ["MICRO", "MICRO_SHARED", "SMALL_LOCAL", "toml_of"]


def toml_of(params):
    """Write parameters as a file that ``Params.load`` reads."""
    lines = []
    for section, values in params.model_dump(mode="json", exclude_none=True).items():
        if isinstance(values, dict):
            lines += [f"[{section}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items())]
    return "\n".join(lines) + "\n"


MICRO = Params.build({
    "name": "micro",
    "network": {"image": [8, 8], "hidden": [12], "classes": 3},
    "dynamics": {"gains": [40, 30]},
    "learning": {"beta": 4, "tau": [3, 2]},
    "machine": {
        "row_lanes": 16, "relax_lanes": 3, "latent_lanes": [4, 3], "sample_slots": 2,
    },
})  # fmt: skip

#: The same with one update engine for both layers.
MICRO_SHARED = MICRO.replace(
    machine={
        "row_lanes": 64, "latent_lanes": [3, 3], "weight_slice": 6, "shared_update": True,
    }
)  # fmt: skip

SMALL_LOCAL = Params.build({
    "network": {
        "image": [6, 6], "first": "local", "window": 3, "stride": 1, "features": 3,
        "classes": 3, "copies": 2,
    },
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3, "batch": 4, "nudging": "random-sign"},
    "machine": {"row_lanes": 9, "relax_lanes": 6, "latent_lanes": [3, 6]},
})  # fmt: skip
