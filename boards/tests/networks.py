"""A network small enough to elaborate in a moment."""

from popflip.golden.params import Params

__all__ = ["MICRO", "MICRO_SHARED"]

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
