"""Random networks and machines for tests: valid, small, and lively."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from popflip.golden.description.params import Params

#: Why a test of the paper's own systems is left out.
NEEDS_TORCH = (
    "the paper's own systems run on PyTorch, an extra that popflip does without and that is not "
    "installed here: pip install 'popflip[paper]'"
)

__all__ = ["NEEDS_TORCH", "Choices", "draw_params", "random_params"]

Option = TypeVar("Option")


class Choices(Protocol):
    """Whoever decides what is drawn: a generator, or what looks for the smallest failure."""

    def integer(self, low: int, high: int) -> int:
        """Return one of ``low`` to ``high``, both included."""

    def number(self, low: float, high: float) -> float:
        """Return a number between the two."""

    def one_of(self, options: Sequence[Option]) -> Option:
        """Return one of the options, the simplest of which is the first."""

    def chance(self, probability: float) -> bool:
        """Return True with a probability; False is simpler."""

    def some_of(self, low: int, high: int, count: int) -> list[int]:
        """Return different ones of ``low`` to ``high``, ascending."""


class _Drawn:
    """Choices of a generator."""

    def __init__(self, rng: np.random.Generator):
        self._rng = rng

    def integer(self, low, high):
        return int(self._rng.integers(low, high + 1))

    def number(self, low, high):
        return self._rng.uniform(low, high)

    def one_of(self, options):
        return options[int(self._rng.integers(len(options)))]

    def chance(self, probability):
        return bool(self._rng.random() < probability)

    def some_of(self, low, high, count):
        chosen = self._rng.choice(np.arange(low, high + 1), count, replace=False)
        return sorted(chosen.tolist())


def random_params(rng: np.random.Generator) -> Params:
    """Draw a network and its machine, as :func:`draw_params` does, from a generator."""
    return draw_params(_Drawn(rng))


def draw_params(choices: Choices) -> Params:
    """Draw a network and its machine from the whole space of parameters, small enough to simulate.

    Gains are large enough, for these sizes, that neurons change and weights flip. What software
    alone can do is not drawn, nor what no bit of the core depends on: the link's speed, flashes,
    and what a host does with images and thresholds between epochs.

    Parameters
    ----------
    choices : Choices

    Returns
    -------
    Params
        Named after what was drawn.
    """
    pick, one_of, chance = choices.integer, choices.one_of, choices.chance

    code = one_of(["heaviside", "sign"])
    first = one_of(["dense", "local"])
    layers = pick(1, 3)
    image = [pick(4, 8), pick(4, 8)]
    planes = pick(1, 3)
    thresholds = choices.some_of(20, 239, planes)
    network: dict = {
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
    gains = [max(4, round(unit * choices.number(1, 3) / fan**0.5)) for fan in fans]
    gains[1:] = [round(gain * choices.number(1, 2)) for gain in gains[1:]]
    dynamics: dict = {
        "code": code,
        "gains": gains,
        "free_sweeps": pick(2, 5),
        "v0": one_of([0, 0, 100, 128, 256]),
    }
    if chance(0.3):
        dynamics["threshold"] = pick(-20, 60)
    if chance(0.6):
        dynamics["active_bound"] = pick(1, sizes[1])
    latent_bits = pick(3, 9)
    learning: dict = {
        "nudging": one_of(["centered", "random-sign", "positive"]),
        "nudged_sweeps": pick(1, 4),
        "beta": pick(2, 6),
        "latent_bits": latent_bits,
        "tau": [pick(1, 3) for _ in gains],
        "batch": one_of([1, 1, 2, 3, 4]),
        "reset_on_flip": chance(0.5),
    }
    # At least a fifth of the bits at once, or a row takes longer than a test should.
    row_lanes, relax_lanes = pick(-(-fan_in // 5), fan_in), pick(2, max(sizes[1:]))
    words = [row_lanes, *(min(relax_lanes, size) for size in sizes[1:])]
    machine: dict = {
        "row_lanes": row_lanes,
        "neuron_lanes": pick(1, min(block, 6)),
        "relax_lanes": relax_lanes,
        "latent_lanes": [pick(-(-word // 5), word) for word in words],
    }
    if chance(0.4):
        dynamics["feedback_gains"] = [max(1, round(g * choices.number(0.3, 3))) for g in gains[1:]]
    if chance(0.4):
        machine["output_lanes"] = pick(1, sizes[-1])
    if first == "local" and chance(0.4):
        machine |= {"serial_windows": True, "row_lanes": fan_in}
        machine["latent_lanes"][0] = pick(-(-fan_in // 5), fan_in)
    if chance(0.2):
        lanes = pick(-(-fan_in // 6), fan_in)
        lanes = min(lanes, *sizes[1:])
        machine |= {
            "row_lanes": fan_in, "neuron_lanes": 1, "relax_lanes": max(sizes[1:]),
            "latent_lanes": [lanes] * len(gains), "weight_slice": lanes * pick(1, 3),
            "shared_update": True,
        }  # fmt: skip
        learning |= {"batch": 1, "reset_on_flip": False}
    else:
        if chance(0.4):
            machine["latent_slice"] = pick(1, latent_bits * machine["latent_lanes"][0])
        if chance(0.4):
            machine["weight_slice"] = pick(1, machine["row_lanes"])
    if first == "local" and layers == 1 and code == "heaviside" and chance(0.6):
        machine |= {
            "overlap": True, "serial_windows": False, "shared_update": False,
            "relax_lanes": sizes[1],
            "latent_lanes": [machine["latent_lanes"][0], pick(-(-sizes[1] // 5), sizes[1])],
        }  # fmt: skip
        machine.pop("weight_slice", None)
    # Rarer: the ends of what there is.
    if chance(0.25):
        bits = pick(4, 10)
        dynamics |= {"potential_bits": bits, "v0": dynamics["v0"] * 2**bits >> 8}
        for scaled in ("gains", "feedback_gains"):
            if scaled in dynamics:
                dynamics[scaled] = [max(1, g * 2**bits >> 8) for g in dynamics[scaled]]
        if "threshold" in dynamics:
            dynamics["threshold"] = dynamics["threshold"] * 2**bits >> 8
    if chance(0.1):
        dynamics["free_sweeps"] = 1
    if chance(0.15):
        learning["latent_bits"] = one_of([2, 10, 16])
        most = 2 ** (learning["latent_bits"] - 1) - 1
        learning["tau"] = [min(tau, most) for tau in learning["tau"]]
    machine["sample_slots"] = pick(1, 8)
    name = f"{first}-{code}-{'-'.join(map(str, sizes))}"
    return Params.build({
        "name": name,
        "network": network,
        "dynamics": dynamics,
        "learning": learning,
        "machine": machine,
    })
