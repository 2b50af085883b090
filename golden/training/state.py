"""What a network has learned, as arrays: the same for every machine and for checkpoints."""

from dataclasses import dataclass, replace

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.support.errors import InputError

__all__ = ["NetworkState", "check_state", "differences", "initial_state"]


@dataclass
class NetworkState:
    """Everything that a network has learned, and the state of its random choices.

    Attributes
    ----------
    weights : list of ndarray of bool, shape (rows, row_bits)
    latents : list of ndarray of int16, shape (rows, row_bits)
    sign_state : int
        State of the generator that draws signs of nudging.
    """

    weights: list
    latents: list
    sign_state: int

    def without_latents(self) -> "NetworkState":
        """Return the same network with latents of zero: what was learned yields sooner."""
        return replace(self, latents=[np.zeros_like(latents) for latents in self.latents])


def initial_state(params: Params, seed: int) -> NetworkState:
    """State that training with ``seed`` begins with: random weights, latents zero."""
    model = Model.initial(params, seed)
    return NetworkState(model.weights, model.latents, model.signs.state)


def check_state(params: Params, state: NetworkState) -> None:
    """Raise ValueError if arrays are not those of a network."""
    for layer, (weights, latents) in enumerate(zip(state.weights, state.latents, strict=True)):
        shape = params.synapses(layer)
        for array, kind in ((weights, np.bool_), (latents, np.int16)):
            if array.shape != (shape.rows, shape.row_bits) or array.dtype != kind:
                raise InputError(f"layer {layer} has {array.dtype} of shape {array.shape}")
        if np.abs(latents.astype(np.int32)).max() > params.learning.latent_max_of(layer):
            raise InputError(f"latents of layer {layer} are too large")


def differences(a: NetworkState, b: NetworkState) -> list[str]:
    """Say in what two networks differ; an empty list if every bit agrees."""
    found = []
    for name in ("weights", "latents"):
        for layer, (x, y) in enumerate(zip(getattr(a, name), getattr(b, name), strict=True)):
            unequal = int((x != y).sum())
            if unequal:
                found.append(f"{unequal} of {x.size} {name} of layer {layer} differ")
    if a.sign_state != b.sign_state:
        found.append("the generators of nudge signs differ")
    return found
