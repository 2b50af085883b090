"""Random networks and machines for tests: valid, small, and lively."""

import json
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.description.sections.dynamics import MOST_GAIN
from popflip.golden.description.sections.machine import word_bits
from popflip.golden.description.sections.network import Network
from popflip.golden.support.integers import ceil_div

__all__ = ["Choices", "draw_params", "random_params"]

Option = TypeVar("Option")


class Choices(Protocol):
    """Decides what is drawn: a random generator, or a search for the smallest failure."""

    def integer(self, low: int, high: int) -> int:
        """Return one of ``low`` to ``high``, both included."""

    def number(self, low: float, high: float) -> float:
        """Return a number between the two."""

    def one_of(self, options: Sequence[Option]) -> Option:
        """Return one of the options; the first is the simplest."""

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


def random_params(
    rng: np.random.Generator, software: bool = False, windows: bool = False
) -> Params:
    """Draw a network and its machine, as :func:`draw_params` does, from a generator."""
    return draw_params(_Drawn(rng), software, windows)


def draw_params(choices: Choices, software: bool = False, windows: bool = False) -> Params:
    """Draw a network and its machine from the whole space of parameters, small enough to simulate.

    Gains are large enough for these sizes that neurons change and weights flip. Two kinds of
    parameters are not drawn: what only software can do, and what changes no bit of the core (the
    link's speed, the flash, and what a host does with images and thresholds between epochs).

    Parameters
    ----------
    choices : Choices
    software : bool
        Draw all kinds of first layers, and nudges that are held, also where only software has them
        (:mod:`popflip.golden.description.software_only`).
    windows : bool
        Draw windows of any shape, and pooled ones, for which there is hardware too.

    Returns
    -------
    Params
        Named after what was drawn.
    """
    code = choices.one_of(["heaviside", "sign"])
    network = _network(choices)
    if (software or windows) and network["first"] == "local":
        _any_windows(choices, network, software)
    # What follows from it is asked of itself.
    net = Network.model_validate_json(json.dumps(network))
    dynamics = _dynamics(choices, net, code)
    learning = _learning(choices, net)
    if (software or windows) and choices.chance(0.3):
        learning["first_latent_bits"] = choices.integer(3, 16)
    if software and choices.chance(0.3):
        learning["hold_nudge"] = True
    machine = _machine(choices, net)
    if choices.chance(0.4):
        gains = dynamics["gains"][1:]
        dynamics["feedback_gains"] = [max(1, round(g * choices.number(0.3, 3))) for g in gains]
    _kinds_of_machine(choices, net, code, learning, machine)
    _extremes(choices, dynamics, learning)
    machine["sample_slots"] = choices.integer(1, 8)
    kind = ""
    if not machine.get("overlap") and choices.chance(0.3):
        _leaky(choices, dynamics, learning)
        kind = "leaky-"
    if windows:
        _hardware_of_windows(choices, net, code, network, learning, machine, kind)
    return Params.build({
        "name": f"{kind}{net.first}-{code}-{'-'.join(map(str, net.sizes[1:]))}",
        "network": network,
        "dynamics": dynamics,
        "learning": learning,
        "machine": machine,
    })


def _network(choices: Choices) -> dict:
    """Draw section ``network``."""
    pick = choices.integer
    first = choices.one_of(["dense", "local"])
    layers = pick(1, 3)
    image = [pick(4, 8), pick(4, 8)]
    thresholds = choices.some_of(20, 239, pick(1, 3))
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
        network["hidden"] = network["hidden"][1:]
    return network


def _any_windows(choices: Choices, network: dict, shared: bool) -> None:
    """Draw windows of any shape, pooled, and perhaps shared, or not, on images of any height."""
    pick = choices.integer
    if choices.chance(0.2):
        network["image"] = [1, pick(6, 24)]
    height, width = network["image"]
    window = [pick(1, height), pick(1, min(width, 8))]
    network |= {
        "window": window,
        "stride": [pick(1, window[0] + 1), pick(1, window[1] + 1)],
        "pool": choices.one_of([1, 3, 2, [pick(1, 4), pick(1, 4)]]),
    }
    if shared:
        network["sharing"] = choices.one_of(["none", "full"])


def _hardware_of_windows(
    choices: Choices,
    net: Network,
    code: str,
    network: dict,
    learning: dict,
    machine: dict,
    leaky: str,
) -> None:
    """Draw lanes for pooled windows, and take back what their machine cannot do."""
    if machine.get("shared_update"):
        learning.pop("first_latent_bits", None)
    elif not leaky and network["first"] == "local":
        network["sharing"] = choices.one_of(["none", "full"])
    if leaky:
        network.pop("pool", None)
    elif not machine.get("serial_windows"):
        first = net.first_layer
        machine["pool_lanes"] = choices.one_of([1, first.pool[1], first.offsets])
        if first.pooled and code == "heaviside":
            machine["mask_words"] = choices.chance(0.4)


def _dynamics(choices: Choices, net: Network, code: str) -> dict:
    """Draw section ``dynamics``, but for feedback gains and what is rare.

    The drive of a neuron is about the root of its fan-in times its gain: let it reach the
    threshold, and the feedback be of the same size.
    """
    unit = 128 if code == "heaviside" else 60
    fans = [net.first_layer.fan_in, *net.sizes[1:-1]]
    gains = [max(4, round(unit * choices.number(1, 3) / fan**0.5)) for fan in fans]
    gains[1:] = [round(gain * choices.number(1, 2)) for gain in gains[1:]]
    dynamics: dict = {
        "code": code,
        "gains": gains,
        "free_sweeps": choices.integer(2, 5),
        "v0": choices.one_of([0, 0, 100, 128, 256]),
    }
    if choices.chance(0.3):
        dynamics["threshold"] = choices.integer(-20, 60)
    if choices.chance(0.6):
        dynamics["active_bound"] = choices.integer(1, net.sizes[2])
    return dynamics


def _learning(choices: Choices, net: Network) -> dict:
    """Draw section ``learning``, but for what is rare."""
    latent_bits = choices.integer(3, 9)
    return {
        "nudging": choices.one_of(["centered", "random-sign", "positive"]),
        "nudged_sweeps": choices.integer(1, 4),
        "beta": choices.integer(2, 6),
        "latent_bits": latent_bits,
        "tau": [choices.integer(1, 3) for _ in range(net.depth)],
        "batch": choices.one_of([1, 1, 2, 3, 4]),
        "reset_on_flip": choices.chance(0.5),
    }


def _machine(choices: Choices, net: Network) -> dict:
    """Draw lanes: at least a fifth of the bits, or a row takes longer than a test should."""
    pick, fan_in = choices.integer, net.first_layer.fan_in
    row_lanes, relax_lanes = pick(ceil_div(fan_in, 5), fan_in), pick(2, net.widest_later)
    words = [word_bits(net.sizes, row_lanes, relax_lanes, layer) for layer in range(net.depth)]
    return {
        "row_lanes": row_lanes,
        "neuron_lanes": pick(1, min(net.first_layer.block, 6)),
        "relax_lanes": relax_lanes,
        "latent_lanes": [pick(ceil_div(word, 5), word) for word in words],
    }


def _kinds_of_machine(choices: Choices, net: Network, code, learning: dict, machine: dict) -> None:
    """Draw what kind of machine it is; change ``machine``, and ``learning`` as it demands."""
    pick, chance = choices.integer, choices.chance
    first, fan_in = net.first_layer, net.first_layer.fan_in
    if chance(0.4):
        machine["output_lanes"] = pick(1, net.n_out)
    if first.can_fetch_serially and chance(0.4):
        machine |= {"serial_windows": True, "row_lanes": fan_in}
        machine["latent_lanes"][0] = pick(ceil_div(fan_in, 5), fan_in)
    if chance(0.2):
        lanes = min(pick(ceil_div(fan_in, 6), fan_in), *net.sizes[2:])
        machine |= {
            "row_lanes": fan_in, "neuron_lanes": 1, "relax_lanes": net.widest_later,
            "latent_lanes": [lanes] * net.depth, "weight_slice": lanes * pick(1, 3),
            "shared_update": True,
        }  # fmt: skip
        learning |= {"batch": 1, "reset_on_flip": False}
    else:
        if chance(0.4):
            most = learning["latent_bits"] * machine["latent_lanes"][0]
            machine["latent_slice"] = pick(1, most)
        if chance(0.4):
            machine["weight_slice"] = pick(1, machine["row_lanes"])
    if first.can_overlap and net.depth == 2 and code == "heaviside" and chance(0.6):
        machine |= {
            "overlap": True, "serial_windows": False, "shared_update": False,
            "relax_lanes": net.n_out,
            "latent_lanes": [machine["latent_lanes"][0], pick(ceil_div(net.n_out, 5), net.n_out)],
        }  # fmt: skip
        machine.pop("weight_slice", None)


def _extremes(choices: Choices, dynamics: dict, learning: dict) -> None:
    """Now and then go to the limits of what is allowed."""
    if choices.chance(0.25):
        bits = choices.integer(4, 10)
        dynamics |= {"potential_bits": bits, "v0": dynamics["v0"] * 2**bits >> 8}
        for scaled in ("gains", "feedback_gains"):
            if scaled in dynamics:
                gains = [max(1, g * 2**bits >> 8) for g in dynamics[scaled]]
                dynamics[scaled] = [min(gain, MOST_GAIN) for gain in gains]
        if "threshold" in dynamics:
            dynamics["threshold"] = dynamics["threshold"] * 2**bits >> 8
    if choices.chance(0.1):
        dynamics["free_sweeps"] = 1
    if choices.chance(0.15):
        learning["latent_bits"] = choices.one_of([2, 10, 16])
        most = 2 ** (learning["latent_bits"] - 1) - 1
        learning["tau"] = [min(tau, most) for tau in learning["tau"]]


def _leaky(choices: Choices, dynamics: dict, learning: dict) -> None:
    """Let it be the paper's dynamics, in whose phases it may or may not come to rest."""
    dynamics |= {"kind": "leaky", "free_sweeps": choices.one_of([3, 1, 2, 6, 14])}
    learning["nudged_sweeps"] = choices.one_of([2, 1, 3, 12])
