"""A picture of what the neurons of the first hidden layer see."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from popflip.golden.description.first_layer import FirstLayer
from popflip.golden.description.params import Params
from popflip.scripts.plots.style import BLUE, FAINT, INK, LAYERS, ORANGE, QUIET, short_name

__all__ = ["first_windows"]


def first_windows(params: Params, image: np.ndarray | None = None) -> Figure:
    """Draw the windows of the first hidden layer over an image.

    Left: where windows stand. A dot is a position; the first, the middle and the last have their
    window drawn. Right: the windows of the middle position, one for each offset, which differ where
    there is pooling.

    Parameters
    ----------
    params : Params
    image : ndarray of uint8, optional, shape (height, width)
        Drawn behind them.
    """
    first = params.first_layer
    height, width = first.image
    figure = Figure(figsize=(10.5, min(max(10.5 / 2 * height / width, 2.2), 9) + 1.1))
    figure.suptitle(
        f"{short_name(params)}: {_told(first)}", x=0.02, ha="left", color=INK, fontsize=11
    )
    middle = (first.grid[0] // 2) * first.grid[1] + first.grid[1] // 2
    left, right = figure.subplots(1, 2)
    for axis in (left, right):
        _pixels(axis, first, image)
    dots = first.corners[first.own_offset] + (np.array(first.kernel) - 1) / 2
    left.plot(dots[:, 1], dots[:, 0], ".", color=BLUE, markersize=4)
    for place in {0, middle, first.positions - 1}:
        _window(left, first, first.own_offset, place, ORANGE if place == middle else BLUE, 1.8)
    left.set_title("positions, and three of their windows", loc="left", color=INK, fontsize=10)
    others = [offset for offset in range(first.offsets) if offset != first.own_offset]
    for offset in (*others, first.own_offset):
        own = offset == first.own_offset
        colour = ORANGE if own else LAYERS[offset % len(LAYERS)]
        _window(right, first, offset, middle, colour, 2.4 if own else 1.0)
    seen = len(np.unique(first.corners[:, middle], axis=0))
    right.set_title(
        f"the middle position: {seen} window{'s' * (seen > 1)}", loc="left", color=INK, fontsize=10
    )
    figure.tight_layout()
    return figure


def _told(first: FirstLayer) -> str:
    """Say in words what the layer is."""
    if not first.windowed:
        return f"{first.block:,} neurons see the whole image"
    words = [
        f"windows of {first.kernel[0]} x {first.kernel[1]}",
        f"stride {first.stride[0]} x {first.stride[1]}",
        f"{first.positions} positions of {first.block} features",
    ]
    if first.pooled:
        words.append(f"pool {first.pool[0]} x {first.pool[1]}")
    if first.shared:
        words.append("shared weights")
    return ", ".join(words)


def _pixels(axis: Axes, first: FirstLayer, image: np.ndarray | None) -> None:
    height, width = first.image
    if image is not None:
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=510, interpolation="nearest")
    axis.set_axisbelow(True)
    axis.set_xticks(np.arange(-0.5, width), minor=True)
    axis.set_yticks(np.arange(-0.5, height), minor=True)
    axis.grid(which="minor", color=FAINT, linewidth=0.4)
    axis.tick_params(which="both", length=0, colors=QUIET, labelsize=8)
    axis.set(xlim=(-1, width), ylim=(height, -1), aspect="equal" if height > 1 else "auto")
    axis.spines[:].set_visible(False)


def _window(
    axis: Axes, first: FirstLayer, offset: int, position: int, colour: str, line: float
) -> None:
    row, column = first.corners[offset, position]
    high, wide = first.kernel
    axis.add_patch(
        Rectangle(
            (column - 0.5, row - 0.5),
            wide,
            high,
            fill=False,
            color=colour,
            linewidth=line,
            zorder=3,
        )
    )
