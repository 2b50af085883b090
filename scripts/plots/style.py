"""How all pictures look, and how they are written."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from popflip.golden.description.params import Params
from popflip.golden.support.files import write_atomically

__all__ = [
    "BLUE",
    "DPI",
    "FAINT",
    "GREEN",
    "INK",
    "LAYERS",
    "ORANGE",
    "PURPLE",
    "QUIET",
    "RED",
    "dress",
    "save_figure",
    "short_name",
]

INK, QUIET, FAINT = "#22272e", "#6b7480", "#d9dde2"


BLUE, ORANGE, GREEN, PURPLE, RED = "#2f6db5", "#d9772b", "#3c8d5a", "#7b5aa6", "#b5393f"


LAYERS = (BLUE, ORANGE, GREEN, PURPLE, RED, QUIET, INK)


DPI = 120


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    write_atomically(path, buffer.getvalue())


def short_name(params: Params) -> str:
    """Name of a network, as long as a picture is wide."""
    return params.name if len(params.name) <= 16 else params.name[:15] + "\N{HORIZONTAL ELLIPSIS}"


def dress(axis, title: str, unit: str) -> None:
    """Give an axis its title, its unit and our colours."""
    axis.set_title(title, loc="left", color=INK, fontsize=10.5)
    axis.set_ylabel(unit, color=QUIET, fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(FAINT)
    axis.tick_params(colors=QUIET, labelsize=9, length=3)
    axis.grid(axis="y", color=FAINT, lw=0.6)
    axis.set_axisbelow(True)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
