"""Upsets: flipped bits in a network's memories, as radiation or a low voltage causes them."""

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState

__all__ = ["upset"]


def upset(
    params: Params, state: NetworkState, count: int, rng: np.random.Generator
) -> NetworkState:
    """Flip some bits of weights and latents, each as likely as any other.

    A latent may become -S - 1, which the machine itself never makes.

    Parameters
    ----------
    params : Params
    state : NetworkState
        Stays as it is.
    count : int
        Bits to flip, drawn one by one: one that is drawn twice is as before.
    rng : numpy.random.Generator

    Returns
    -------
    NetworkState

    Raises
    ------
    InputError
        If latents of the first weight layer have a width of their own.
    """
    if params.learning.first_latent_bits is not None:
        raise InputError("learning.first_latent_bits must be left out where memories have upsets")
    weights = [array.copy() for array in state.weights]
    latents = [array.copy() for array in state.latents]
    bits = params.learning.latent_bits
    offsets = np.cumsum([array.size for array in weights])
    synapses = rng.integers(0, params.n_synapses, count)
    for synapse, bit in zip(synapses.tolist(), rng.integers(0, bits + 1, count), strict=True):
        layer = int(np.searchsorted(offsets, synapse, side="right"))
        place = np.unravel_index(
            synapse - (offsets[layer] - weights[layer].size), weights[layer].shape
        )
        if bit == bits:
            weights[layer][place] ^= True
            continue
        # In two's complement, of so many bits.
        code = (int(latents[layer][place]) ^ 1 << int(bit)) & (1 << bits) - 1
        latents[layer][place] = code - (code >> (bits - 1) << bits)
    return NetworkState(weights, latents, state.sign_state)
