"""Small networks whose machines reach all parts of the hardware between them."""

from popflip.golden.description.params import Params

__all__ = ["NETWORKS"]


def _build(network, dynamics=None, learning=None, machine=None, standalone=None):
    return Params.build({
        "network": {"image": [6, 6], "classes": 3, "copies": 2, **network},
        "dynamics": {"gains": [91, 37], **(dynamics or {})},
        "learning": {"tau": [2, 1], "beta": 3, **(learning or {})},
        "machine": {
            "row_lanes": 9, "relax_lanes": 6, "latent_lanes": [3, 6], "uart_divisor": 4,
            "sample_slots": 256, **(machine or {}),
        },
        "standalone": standalone or {},
    })  # fmt: skip


_LOCAL = {"first": "local", "window": 3, "stride": 1, "features": 3}

#: By what is particular about each. Gains are odd, so that every bit of a sum matters.
NETWORKS = {
    "narrow": _build(
        _LOCAL | {"features": 5, "stride": 2}, {"active_bound": 1}, {"latent_bits": 4},
        {
            "row_lanes": 4, "neuron_lanes": 2, "relax_lanes": 4, "latent_lanes": [3, 3],
            "latent_slice": 5,
        },
    ),
    "batched": _build(
        _LOCAL | {"features": 5}, {"active_bound": 2},
        {"batch": 4, "reset_on_flip": True, "nudging": "random-sign"},
        {"row_lanes": 7, "neuron_lanes": 2, "latent_lanes": [3, 3], "weight_slice": 3},
    ),
    "serial": _build(
        _LOCAL | {"features": 5, "stride": 2}, {"active_bound": 1}, {"latent_bits": 4},
        {"serial_windows": True, "neuron_lanes": 2, "relax_lanes": 4, "latent_lanes": [3, 3]},
    ),
    "shared": _build(
        _LOCAL | {"features": 5}, {"active_bound": 2}, None,
        {"latent_lanes": [3, 3], "weight_slice": 6, "shared_update": True},
    ),
    "pooled": _build(
        _LOCAL | {"features": 5, "stride": 2, "pool": 3}, {"active_bound": 2},
        {"batch": 2, "latent_bits": 4},
        {
            "row_lanes": 5, "neuron_lanes": 2, "pool_lanes": 3, "latent_lanes": [3, 3],
            "mask_words": True,
        },
    ),
    "pooled-serial": _build(
        _LOCAL | {"window": [4, 2], "stride": 2, "pool": 2}, {"active_bound": 1}, None,
        {
            "row_lanes": 8, "serial_windows": True, "shared_update": True, "weight_slice": 4,
            "latent_lanes": [2, 2],
        },
    ),
    "overlap": _build(
        _LOCAL | {"features": 4, "stride": 2, "pool": 2}, {"active_bound": 1},
        {"batch": 4, "latent_bits": 4},
        {"overlap": True, "neuron_lanes": 2, "pool_lanes": 2, "latent_lanes": [9, 6]},
    ),
    "convolution": _build(
        _LOCAL | {"features": 4, "stride": 2, "pool": 2, "sharing": "full"},
        {"active_bound": 2}, {"batch": 2, "first_latent_bits": 6, "tau": [5, 2]},
        {"neuron_lanes": 2, "pool_lanes": 4, "latent_lanes": [3, 6]},
    ),
    "sign": _build(
        {"hidden": [9], "image": [5, 5], "thresholds": [60, 160]},
        {"code": "sign", "gains": [31, 17], "feedback_gains": [37]}, {"tau": [2, 2]},
        {"row_lanes": 14, "relax_lanes": 4, "latent_lanes": [4, 3]},
    ),
    "deep": _build(
        {"hidden": [8, 7, 5]},
        {
            "gains": [61, 31, 61, 23], "feedback_gains": [151, 151, 151], "threshold": 20,
            "active_bound": 2,
        },
        {"tau": [2, 1, 1, 1], "batch": 2, "nudging": "positive"},
        {"row_lanes": 10, "relax_lanes": 7, "latent_lanes": [3, 2, 4, 2]},
    ),
    "leaky": _build(
        _LOCAL | {"features": 5, "stride": 2}, {"kind": "leaky", "free_sweeps": 7},
        {"nudged_sweeps": 4, "batch": 2},
        {"row_lanes": 4, "neuron_lanes": 2, "relax_lanes": 4, "latent_lanes": [3, 3]},
    ),
    "leaky-deep": _build(
        {"hidden": [9, 7], "image": [5, 5]},
        {
            "kind": "leaky", "code": "sign", "gains": [31, 37, 61], "feedback_gains": [37, 31],
            "free_sweeps": 6,
        },
        {"tau": [2, 1, 1], "nudged_sweeps": 5, "nudging": "random-sign"},
        {"row_lanes": 7, "neuron_lanes": 3, "relax_lanes": 7, "latent_lanes": [4, 3, 2]},
    ),
    "standalone": _build(
        {"first": "local", "window": 3, "stride": 1, "features": 2, "image": [5, 5]},
        None, {"tau": [3, 2], "shift": 1, "batch": 2, "tau_growth": 40},
        {"relax_lanes": 3, "latent_lanes": [3, 3]},
        {"flash": "quad", "order_bits": 4, "epochs": 3, "flash_base": 8192},
    ),
}  # fmt: skip
