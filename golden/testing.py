"""Random networks and machines for tests: valid, small, and lively."""

import numpy as np

from popflip.golden.params import Params

#: Why a test of the paper's own systems is left out.
NEEDS_TORCH = (
    "the paper's own systems run on PyTorch, an extra that popflip does without and that is not "
    "installed here: pip install 'popflip[paper]'"
)

__all__ = ["NEEDS_TORCH", "random_params"]


def random_params(rng: np.random.Generator) -> Params:
    """Draw a network and its machine from the whole space of parameters, small enough to simulate.

    Gains are large enough, for these sizes, that neurons change and weights flip.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    Params
        Named after what was drawn.
    """

    def pick(low, high):
        return int(rng.integers(low, high + 1))

    code = str(rng.choice(["heaviside", "sign"]))
    first = str(rng.choice(["dense", "local"]))
    layers = pick(1, 3)
    image = [pick(4, 8), pick(4, 8)]
    planes = pick(1, 3)
    thresholds = sorted(rng.choice(np.arange(20, 240), planes, replace=False).tolist())
    network = {
        "image": image,
        "thresholds": thresholds,
        "first": first,
        "hidden": [pick(3, 14) for _ in range(layers)],
        "classes": pick(2, 5),
        "copies": pick(1, 3),
    }
    if first == "local":
        window = pick(2, min(image))
        network |= {"window": window, "stride": pick(1, window + 1), "features": pick(1, 6)}
        fan_in, block = window * window * planes, network["features"]
        positions = [(side - window) // network["stride"] + 1 for side in image]
        network["hidden"] = network["hidden"][1:]
        sizes = [positions[0] * positions[1] * block, *network["hidden"]]
    else:
        fan_in, block = image[0] * image[1] * planes, network["hidden"][0]
        sizes = list(network["hidden"])
    sizes.append(network["classes"] * network["copies"])

    # The drive of a neuron is about the root of its fan-in times its gain: let it reach the
    # threshold, and the feedback be of the same size.
    unit = 128 if code == "heaviside" else 60
    fans = [fan_in, *sizes[:-1]]
    gains = [max(4, round(unit * rng.uniform(1, 3) / fan**0.5)) for fan in fans]
    gains[1:] = [round(gain * rng.uniform(1, 2)) for gain in gains[1:]]
    dynamics = {
        "code": code,
        "gains": gains,
        "free_sweeps": pick(2, 5),
        "v0": int(rng.choice([0, 0, 100, 128, 256])),
    }
    if rng.random() < 0.3:
        dynamics["threshold"] = pick(-20, 60)
    if rng.random() < 0.6:
        dynamics["active_bound"] = pick(1, sizes[1])
    latent_bits = pick(3, 9)
    learning = {
        "nudging": str(rng.choice(["centered", "random-sign", "positive"])),
        "nudged_sweeps": pick(1, 4),
        "beta": pick(2, 6),
        "latent_bits": latent_bits,
        "tau": [pick(1, 3) for _ in gains],
        "batch": int(rng.choice([1, 1, 2, 3, 4])),
        "reset_on_flip": bool(rng.random() < 0.5),
    }
    # At least a fifth of the bits at once, or a row takes longer than a test should.
    row_lanes, relax_lanes = pick(-(-fan_in // 5), fan_in), pick(2, max(sizes[1:]))
    words = [row_lanes, *(min(relax_lanes, size) for size in sizes[1:])]
    machine = {
        "row_lanes": row_lanes,
        "neuron_lanes": pick(1, min(block, 6)),
        "relax_lanes": relax_lanes,
        "latent_lanes": [pick(-(-word // 5), word) for word in words],
    }
    if rng.random() < 0.4:
        dynamics["feedback_gains"] = [max(1, round(g * rng.uniform(0.3, 3))) for g in gains[1:]]
    if rng.random() < 0.4:
        machine["output_lanes"] = pick(1, sizes[-1])
    if first == "local" and rng.random() < 0.4:
        machine |= {"serial_windows": True, "row_lanes": fan_in}
        machine["latent_lanes"][0] = pick(-(-fan_in // 5), fan_in)
    if rng.random() < 0.2:
        lanes = pick(-(-fan_in // 6), fan_in)
        lanes = min(lanes, *sizes[1:])
        machine |= {
            "row_lanes": fan_in, "neuron_lanes": 1, "relax_lanes": max(sizes[1:]),
            "latent_lanes": [lanes] * len(gains), "weight_slice": lanes * pick(1, 3),
            "shared_update": True,
        }  # fmt: skip
        learning |= {"batch": 1, "reset_on_flip": False}
    else:
        if rng.random() < 0.4:
            machine["latent_slice"] = pick(1, latent_bits * machine["latent_lanes"][0])
        if rng.random() < 0.4:
            machine["weight_slice"] = pick(1, machine["row_lanes"])
    name = f"{first}-{code}-{'-'.join(map(str, sizes))}"
    return Params.build({
        "name": name,
        "network": network,
        "dynamics": dynamics,
        "learning": learning,
        "machine": machine,
    })
