"""Pictures of speed, of cycles, and of how machines grow."""

import numpy as np
from matplotlib.figure import Figure

from popflip.scripts.plots.style import BLUE, FAINT, GREEN, INK, ORANGE, QUIET, RED, dress

__all__ = ["engine_speed", "growth", "stage_cycles"]


def engine_speed(rows: list[dict]) -> Figure:
    """Draw training samples per second against hidden size, threads and batch.

    Parameters
    ----------
    rows : list of dict
        Of :func:`popflip.scripts.bench.bench_engine`.
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    figure.suptitle("The fast engine: training samples/s", color=INK, fontweight="bold")
    titles = {"hidden": "hidden neurons", "threads": "threads", "batch": "batch"}
    for axes, (curve, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        points = [(row[curve], row["samples_per_s"]) for row in rows if row["curve"] == curve]
        dress(axes, title, "samples/s")
        axes.plot(*zip(*points, strict=True), "o-", color=BLUE, lw=1.6)
        axes.set_ylim(bottom=0)
        if curve != "threads":
            axes.set_xscale("log", base=2)
        axes.set_xticks([x for x, _ in points], [str(x) for x, _ in points])
        axes.minorticks_off()
    return figure


def stage_cycles(rows: list[dict]) -> Figure:
    """Draw what the machines of networks spend the cycles of a training sample on.

    Parameters
    ----------
    rows : list of dict
        Of :func:`popflip.scripts.hardware.bench_core`.
    """
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(rows)), layout="constrained")
    figure.suptitle("A training sample, after the first epoch", color=INK, fontsize=13)
    axis = figure.subplots()
    dress(axis, "Cycles by what they are spent on", "")
    stages = [stage for stage in rows[0]["stages"] if any(row["stages"][stage] for row in rows)]
    left = np.zeros(len(rows))
    for stage, color in zip(stages, (BLUE, GREEN, ORANGE, RED, QUIET), strict=False):
        widths = np.array([row["stages"][stage] for row in rows])
        axis.barh(range(len(rows)), widths, left=left, color=color, height=0.6, label=stage)
        left += widths
    for at, row in enumerate(rows):
        axis.annotate(
            f"{row['cycles']:,.0f}", (left[at], at), (5, 0), textcoords="offset points",
            va="center", fontsize=9, color=INK,
        )  # fmt: skip
    axis.set_yticks(range(len(rows)), [row["net"] for row in rows])
    axis.set_xlim(0, 1.12 * left.max())
    axis.set_xlabel("clock cycles", color=QUIET, fontsize=9)
    axis.grid(visible=False, axis="y")
    axis.grid(axis="x", color=FAINT, lw=0.6)
    axis.invert_yaxis()
    axis.legend(frameon=False, fontsize=9, labelcolor=INK, ncols=len(stages))
    return figure


def growth(rows: list[dict]) -> Figure:
    """Draw what machines of several sizes take.

    Parameters
    ----------
    rows : list of dict
        Of :func:`popflip.scripts.hardware.bench_growth`.
    """
    kinds = {
        "cycles": "cycles a sample", "lut": "LUTs", "block": "block RAMs", "fmax_mhz": "Fmax, MHz",
    }  # fmt: skip
    curves = list(dict.fromkeys(row["curve"] for row in rows))
    figure = Figure(figsize=(2.9 * len(curves), 2.1 * len(kinds)), layout="constrained")
    figure.suptitle("How a machine grows", color=INK, fontsize=13)
    grid = figure.subplots(len(kinds), len(curves), sharex="col", sharey="row", squeeze=False)
    for line, (kind, title) in zip(grid, kinds.items(), strict=True):
        for axis, curve in zip(line, curves, strict=True):
            points = [(row["value"], row[kind]) for row in rows if row["curve"] == curve]
            dress(axis, title if axis is line[0] else "", "")
            axis.plot(*zip(*points, strict=True), "o-", color=BLUE, lw=1.4, ms=4)
            if kind == "fmax_mhz":
                axis.set_xticks([x for x, _ in points], [f"{x:,}" for x, _ in points])
                axis.set_xlabel(curve, color=QUIET, fontsize=9)
        line[0].set_ylim(bottom=0)  # of all: the limits are shared
    return figure
