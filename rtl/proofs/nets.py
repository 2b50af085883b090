"""Networks small enough for a solver to hold a whole machine."""

from popflip.golden.description.params import Params

__all__ = ["tiny"]


def tiny(**sections) -> Params:
    """Return a dense network 4-3-2 that learns in batches, or one that differs from it.

    Parameters
    ----------
    **sections : dict
        Settings of a section that differ.
    """
    settings = {
        "name": "tiny",
        "network": {
            "image": [2, 2], "thresholds": [127], "first": "dense", "hidden": [3], "classes": 2,
            "copies": 1,
        },
        "dynamics": {"gains": [60, 90], "free_sweeps": 2},
        "learning": {
            "nudging": "centered", "nudged_sweeps": 1, "beta": 2, "latent_bits": 4, "tau": [2, 2],
            "batch": 1,
        },
        "machine": {
            "row_lanes": 4, "neuron_lanes": 1, "relax_lanes": 2, "latent_lanes": [4, 2],
            "sample_slots": 1,
        },
    }  # fmt: skip
    return Params.build({
        k: v | sections.get(k, {}) if isinstance(v, dict) else v for k, v in settings.items()
    })
