"""Pictures of a training: errors, flips and cycles against the samples."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.scripts.plots.style import (
    BLUE,
    GREEN,
    INK,
    LAYERS,
    ORANGE,
    PURPLE,
    QUIET,
    dress,
    short_name,
)

__all__ = ["epoch_errors", "learning_curves"]


def learning_curves(params: Params, points: list, history: list) -> Figure:
    """Draw error, flips, changed neurons and cycles against the samples trained on.

    Parameters
    ----------
    params : Params
    points : list of popflip.scripts.training.curve.Point
        At least one.
    history : list of popflip.golden.training.log.EpochLog
    """
    table = _merged(points)
    seen, samples = table["seen"], table["samples"]
    with_cycles = table["cycles"].any()
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1, hspace=0.06, wspace=0.04)
    figure.suptitle(
        f"{short_name(params)}: {'-'.join(map(str, params.sizes))} neurons, "
        f"{params.n_synapses:,} synapses",
        color=INK, fontsize=13, fontweight="bold",
    )  # fmt: skip
    axes = figure.subplots(2, 2, sharex=True).ravel()

    error = axes[0]
    dress(error, "Error", "percent of the images")
    error.plot(seen, 100 * (1 - table["correct"] / samples), color=BLUE, lw=1.6, label="training")
    if history:
        ends = np.cumsum([log.samples for log in history])
        error.plot(
            ends, [log.test_error for log in history], "o-", color=ORANGE, lw=1.2, ms=6,
            clip_on=False, zorder=5, label="test, after an epoch",
        )  # fmt: skip
        error.annotate(
            f"{history[-1].test_error:.2f} %", (ends[-1], history[-1].test_error),
            (-8, 10), textcoords="offset points", ha="right", color=ORANGE, fontweight="bold",
            fontsize=10,
        )  # fmt: skip
    error.legend(frameon=False, fontsize=9, labelcolor=INK)

    flips = axes[1]
    dress(flips, "Weights flipped", "per sample")
    for layer, counts in enumerate(table["flips"].T):
        label = f"layer {layer} to {layer + 1}"
        flips.plot(seen, counts / samples, color=LAYERS[layer % 7], lw=1.6, label=label)
    flips.legend(frameon=False, fontsize=9, labelcolor=INK)

    changed = axes[2]
    dress(changed, f"Neurons of layer 1 changed by the nudge, of {params.sizes[1]:,}", "per sample")
    changed.plot(seen, table["changed"] / samples, color=PURPLE, lw=1.6)

    cycles = axes[3]
    if with_cycles:
        dress(cycles, "Clock cycles", "per training sample")
        cycles.plot(seen, table["cycles"] / samples, color=GREEN, lw=1.6)
    else:
        cycles.set_axis_off()
        cycles.text(
            0.5, 0.5, "the golden model counts no cycles", color=QUIET, fontsize=10,
            ha="center", va="center", transform=cycles.transAxes,
        )  # fmt: skip
    bottom = axes[2:] if with_cycles else axes[1:3]
    for axis in bottom:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("training images seen", color=QUIET, fontsize=9)
    for axis in axes:
        axis.set_xlim(0, seen[-1])
        axis.set_ylim(bottom=0)
    return figure


def epoch_errors(name: str, history: list[dict]) -> Figure:
    """Draw the errors of each epoch of a board after standalone training.

    Parameters
    ----------
    name : str
        Of the network.
    history : list of dict
        With ``epoch``, ``train_error`` and ``test_error``, at least one.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    figure.suptitle(f"{name}, standalone training", color=INK, fontsize=13, fontweight="bold")
    axis = figure.subplots()
    dress(axis, "Error after each epoch", "percent of the images")
    epochs = [log["epoch"] for log in history]
    for key, color, label in (("train_error", BLUE, "training"), ("test_error", ORANGE, "test")):
        axis.plot(epochs, [log[key] for log in history], "o-", color=color, lw=1.4, label=label)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _merged(points: list) -> dict:
    """Points as arrays, neighbours added up until a picture's width has no more than it shows."""
    most = 150
    step = ceil_div(len(points), most)
    groups = [points[i : i + step] for i in range(0, len(points), step)]
    table = {
        name: np.array([sum(getattr(p, name) for p in group) for group in groups])
        for name in ("samples", "correct", "changed", "cycles")
    }
    table["flips"] = np.array([np.sum([p.flips for p in group], axis=0) for group in groups])
    table["seen"] = np.cumsum(table["samples"])
    return table
