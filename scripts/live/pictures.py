"""Weights, latents and samples as small pictures: PNG files as data addresses."""

import base64
import io

import numpy as np
from PIL import Image

from popflip.golden.description.params import Params
from popflip.golden.trace import Trace
from popflip.scripts.live.witness import Snapshot
from popflip.scripts.plots.weights import DARK, GAP, LIGHT, tiles_of

__all__ = [
    "COLD",
    "CONTRAST",
    "FLIPPED",
    "NEURONS",
    "NONE",
    "WARM",
    "address",
    "contrast_picture",
    "grey",
    "latent_picture",
    "moved_picture",
    "neuron_picture",
    "sample_picture",
    "weight_picture",
]

#: A weight that has just flipped to -1 and to +1: far from both colours, also for the colour-blind.
FLIPPED = (160, 0, 224), (255, 90, 200)

#: Latents of -S, 0 and S.
COLD, NONE, WARM = (0, 90, 181), (245, 245, 245), (220, 90, 0)

#: Decided and silent, decided and active, undecided and silent, undecided and active.
NEURONS = (32, 48, 82), (244, 200, 116), (0, 158, 115), (150, 255, 220)

#: Silent in both nudged states, active in both, only towards the label, and only away from it.
CONTRAST = (32, 48, 82), (244, 200, 116), (213, 70, 0), (110, 200, 255)


def address(pixels: np.ndarray, scale: int = 1) -> str:
    """Return a picture as a data address.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3) or (height, width)
    scale : int
        How much larger it becomes.
    """
    if scale > 1:
        pixels = np.repeat(np.repeat(pixels, scale, 0), scale, 1)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _blend(share: np.ndarray, low, high) -> np.ndarray:
    share = np.clip(np.nan_to_num(share), 0, 1)[..., None]
    return np.array(low) * (1 - share) + np.array(high) * share


def _scale(image: np.ndarray, wide: int = 700) -> int:
    return max(1, min(12, wide // image.shape[1]))


def weight_picture(params: Params, snapshot: Snapshot) -> str:
    """Draw the weights of the first layer; those that have just flipped stand out."""
    weights, flipped = snapshot.state.weights[0], snapshot.flipped[0]
    image, _ = tiles_of(params, np.where(weights, 1.0, -1.0))
    pixels = _blend((image + 1) / 2, DARK, LIGHT)
    changed, _ = tiles_of(params, flipped.astype(float))
    for colour, sign in zip(FLIPPED, (-1, 1), strict=True):
        where = (np.nan_to_num(changed) > 0) & (np.nan_to_num(image) * sign >= 0)
        pixels[where] = colour
    pixels[np.isnan(image)] = GAP
    return address(pixels.round().astype(np.uint8), _scale(image))


def latent_picture(params: Params, snapshot: Snapshot) -> str:
    """Draw the latents of the first layer as heat."""
    most = params.learning.latent_max_of(0)
    image, _ = tiles_of(params, snapshot.state.latents[0] / most)
    return address(_heat(image), _scale(image))


def _heat(image: np.ndarray) -> np.ndarray:
    # The middle of the range is where most latents are: its differences must be seen.
    strength = np.sqrt(np.abs(np.nan_to_num(image)))[..., None]
    far = np.where(np.nan_to_num(image)[..., None] < 0, np.array(COLD), np.array(WARM))
    pixels = np.array(NONE) * (1 - strength) + far * strength
    pixels[np.isnan(image)] = GAP
    return np.clip(pixels.round(), 0, 255).astype(np.uint8)


def moved_picture(params: Params, traced: Trace) -> str:
    """Draw which synapses of the first layer a sample moves: down, up; flips stand out."""
    shape, moves = params.synapses(0), traced.moves[0]
    values = np.zeros((shape.rows, shape.row_bits))
    flips = np.zeros((shape.rows, shape.row_bits))
    values[moves.rows, moves.bits] = np.sign(moves.after.astype(int) - moves.before)
    flips[moves.rows, moves.bits] = moves.flips
    image, _ = tiles_of(params, values)
    pixels = _heat(image)
    changed, _ = tiles_of(params, flips)
    pixels[np.nan_to_num(changed) > 0] = FLIPPED[1]
    return address(pixels, _scale(image))


def grey(image: np.ndarray, wide: int = 280) -> str:
    """Draw an image of a data set."""
    return address(image, max(1, wide // max(image.shape)))


def sample_picture(params: Params, traced: Trace, neuron: int) -> str:
    """Draw what a network sees of a sample: mean of a pixel's bits.

    The window that a neuron of layer 1 sees stands out; if it looks for the best of several
    (pooling), the one that won.
    """
    x = traced.x
    height, width = params.network.image
    most = 255 if params.network.pixel_bits == 8 else 1
    values = x.reshape(height, width, -1).astype(float).mean(-1) / most
    pixels = _blend(values, (0, 0, 0), (255, 255, 255))
    bits = params.first_layer.input_bits(np.array([neuron]), traced.offset[[neuron]])[0]
    seen = np.zeros(params.n_in, bool)
    seen[bits] = True
    inside = seen.reshape(height, width, -1).any(-1)
    pixels[inside] = _blend(values[inside], (70, 40, 0), LIGHT)
    return address(pixels.round().astype(np.uint8), max(1, 280 // max(height, width)))


def neuron_picture(params: Params, active: np.ndarray, undecided: np.ndarray) -> str:
    """Draw the neurons of a layer: whether they are decided, and active."""
    return _neurons(params, active.astype(int) + 2 * undecided.astype(int), NEURONS)


def contrast_picture(params: Params, plus: np.ndarray, minus: np.ndarray) -> str:
    """Draw the neurons of a layer: which are active in the two nudged states."""
    kinds = np.select([plus & minus, plus, minus], [1, 2, 3], 0)
    return _neurons(params, kinds, CONTRAST)


def _neurons(params: Params, kinds: np.ndarray, colours: tuple) -> str:
    n = len(kinds)
    across = params.first_layer.block * params.first_layer.grid[1]
    if n != params.first_layer.neurons or across > 200 or across >= n:
        across = min(n, max(10, int((2 * n) ** 0.5)))
    down = -(-n // across)
    pixels = np.full((down * across, 3), 255, np.uint8)
    pixels[:n] = np.array(colours, np.uint8)[kinds]
    return address(pixels.reshape(down, across, 3), max(1, min(10, 560 // across)))
