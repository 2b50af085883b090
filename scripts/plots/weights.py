"""Pictures of the weights of the first hidden layer."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.scripts.plots.style import (
    DPI,
    INK,
    QUIET,
    short_name,
)

__all__ = ["DARK", "GAP", "LIGHT", "hidden_weights", "tiles", "tiles_of"]

#: Weights of -1 and +1, and what lies between the images.
DARK, LIGHT, GAP = (32, 48, 82), (244, 200, 116), (255, 255, 255)


#: Neurons that one picture shows at most.
MOST = 2048


def tiles(params: Params, weights) -> tuple[np.ndarray, np.ndarray]:
    """Lay the weights of the first layer out as one image; see :func:`tiles_of`.

    Parameters
    ----------
    params : Params
    weights : ndarray of bool, shape (rows, row_bits)

    Returns
    -------
    image, centres : ndarray of float
        Weights are -1 and +1.
    """
    return tiles_of(params, np.where(weights, 1.0, -1.0))


def tiles_of(params: Params, values) -> tuple[np.ndarray, np.ndarray]:
    """Lay a value for each weight of the first layer out as one image.

    A local layer's neurons stand where their window does: a block per position, with the neurons
    of that position in it. Rows that all positions share, and a dense layer's, stand in order, line
    by line.

    Parameters
    ----------
    params : Params
    values : ndarray of float, shape (rows, row_bits)

    Returns
    -------
    image : ndarray of float, shape (height, width)
        Mean value over the planes of a pixel; NaN between the images.
    centres : ndarray of float, shape (grid rows + grid columns,)
        Where the blocks of a local layer have their middle: rows of blocks, then columns.
    """
    first = params.first_layer
    height, width = first.kernel
    values = values.reshape(len(values), height, width, params.planes).mean(-1)
    placed = first.windowed and not first.shared
    rows, columns = first.grid if placed else (1, 1)
    if placed:
        inner, gap = first.block, 3
        across = _across(inner, rows * height, columns * width)
    else:
        values, gap = values[:MOST], 0
        inner = len(values)
        across = _across(inner, height, width)
    down = ceil_div(inner, across)
    block_h, block_w = down * (height + 1) - 1, across * (width + 1) - 1
    step_h, step_w = block_h + gap, block_w + gap
    image = np.full((rows * step_h - gap, columns * step_w - gap), np.nan)
    for number, value in enumerate(values):
        position, feature = divmod(number, inner)
        y = position // columns * step_h + feature // across * (height + 1)
        x = position % columns * step_w + feature % across * (width + 1)
        image[y : y + height, x : x + width] = value
    centres = [r * step_h + block_h / 2 - 0.5 for r in range(rows)]
    centres += [c * step_w + block_w / 2 - 0.5 for c in range(columns)]
    return image, np.array(centres)


def _across(count, height, width) -> int:
    """Columns of a grid of ``count`` images so that all together are a little wider than high."""

    def cost(across):
        down = ceil_div(count, across)
        shape = math.log(across * width / (down * height) / 1.6)
        return abs(shape) + 1.5 * (across * down - count) / count

    return min(range(1, count + 1), key=cost)


def hidden_weights(params: Params, weights) -> Figure:
    """Draw the weights of the first hidden layer as images.

    Parameters
    ----------
    params : Params
    weights : ndarray of bool, shape (rows, row_bits)
    """
    image, centres = tiles(params, weights)
    first = params.first_layer
    local = first.windowed and not first.shared
    # Whole device pixels per weight: nothing is blurred.
    scale = max(1, min(24, 1500 // image.shape[1], 1150 // image.shape[0]))
    blend = (np.nan_to_num(image)[..., None] + 1) / 2
    colours = np.array(DARK) * (1 - blend) + np.array(LIGHT) * blend
    colours[np.isnan(image)] = GAP
    pixels = np.repeat(np.repeat(colours.round().astype(np.uint8), scale, 0), scale, 1)

    left, right, top, bottom = (70, 30, 92, 62) if local else (30, 30, 92, 30)
    height, width = pixels.shape[0] + top + bottom, pixels.shape[1] + left + right
    spare = max(0, 760 - width)
    left, width = left + spare // 2, width + spare
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axis = figure.add_axes((
        left / width, bottom / height, pixels.shape[1] / width, pixels.shape[0] / height,
    ))  # fmt: skip
    axis.imshow(pixels, interpolation="nearest", aspect="auto")
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0, colors=QUIET, labelsize=9)
    shown = min(len(weights), MOST) if not local else len(weights)
    if local:
        (rows, columns), (down, right) = first.grid, first.stride
        middles = (centres + 0.5) * scale - 0.5
        axis.set_yticks(middles[:rows], [str(down * r) for r in range(rows)])
        axis.set_xticks(middles[rows:], [str(right * c) for c in range(columns)])
        axis.set_xlabel("window's left edge (pixel of the image)", color=QUIET, fontsize=9.5)
        axis.set_ylabel("window's top edge (pixel)", color=QUIET, fontsize=9.5)
        what = (
            f"{first.kernel[0]}x{first.kernel[1]} windows, {first.block} neurons at each position"
        )
    else:
        axis.set_xticks([])
        axis.set_yticks([])
        what = f"windows of {first.kernel[0]}x{first.kernel[1]} pixels, shared by all positions"
    if not first.windowed:
        what = f"all {params.network.image[0]}x{params.network.image[1]} pixels"
    count = f"{len(weights):,}" if shown == len(weights) else f"first {shown:,} of {len(weights):,}"
    start = 30 / width
    figure.text(
        start, 1 - 30 / height, f"{short_name(params)}: weights of the {count} neurons of layer 1",
        color=INK, fontsize=12.5, fontweight="bold", va="center",
    )  # fmt: skip
    planes = f", mean of {params.planes} bits per pixel" if params.planes > 1 else ""
    figure.text(start, 1 - 56 / height, what + planes, color=QUIET, fontsize=9.5, va="center")
    figure.legend(
        handles=[
            Patch(facecolor=np.array(LIGHT) / 255, edgecolor=QUIET, lw=0.6, label="+1"),
            Patch(facecolor=np.array(DARK) / 255, edgecolor=QUIET, lw=0.6, label="\N{MINUS SIGN}1"),
        ],
        loc="center right", bbox_to_anchor=(1 - 20 / width, 1 - 56 / height), ncols=2,
        frameon=False, fontsize=9.5, labelcolor=INK, handlelength=1.1, columnspacing=1.2,
        borderaxespad=0,
    )  # fmt: skip
    return figure
