"""Pictures of a training: learning curves, and the weights of the first hidden layer."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from popflip.golden.description.params import Params, ceil_div
from popflip.golden.paper.systems import Row
from popflip.golden.support.files import write_atomically

__all__ = [
    "build_resources",
    "engine_speed",
    "epoch_errors",
    "hidden_weights",
    "learning_curves",
    "reproduction",
    "save",
    "sweep_results",
    "tiles",
    "upset_errors",
]

INK, QUIET, FAINT = "#22272e", "#6b7480", "#d9dde2"
BLUE, ORANGE, GREEN, PURPLE, RED = "#2f6db5", "#d9772b", "#3c8d5a", "#7b5aa6", "#b5393f"
LAYERS = (BLUE, ORANGE, GREEN, PURPLE, RED, QUIET, INK)

#: Weights of -1 and +1, and what lies between the images.
DARK, LIGHT, GAP = (32, 48, 82), (244, 200, 116), (255, 255, 255)

DPI = 120

#: Neurons that one picture shows at most.
MOST = 2048


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    write_atomically(path, buffer.getvalue())


def _title(params: Params) -> str:
    """Name of a network, as long as a picture is wide."""
    return params.name if len(params.name) <= 16 else params.name[:15] + "\N{HORIZONTAL ELLIPSIS}"


# Learning curves ----------------------------------------------------------------------------


def learning_curves(params: Params, points: list, history: list) -> Figure:
    """Draw error, flips, changed neurons and cycles against the samples trained on.

    Parameters
    ----------
    params : Params
    points : list of popflip.scripts.curve.Point
        At least one.
    history : list of popflip.golden.training.log.EpochLog
    """
    table = _merged(points)
    seen, samples = table["seen"], table["samples"]
    with_cycles = table["cycles"].any()
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1, hspace=0.06, wspace=0.04)
    figure.suptitle(
        f"{_title(params)}: {'-'.join(map(str, params.sizes))} neurons, "
        f"{params.n_synapses:,} synapses",
        color=INK, fontsize=13, fontweight="bold",
    )  # fmt: skip
    axes = figure.subplots(2, 2, sharex=True).ravel()

    error = axes[0]
    _dress(error, "Error", "percent of the images")
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
    _dress(flips, "Weights flipped", "per sample")
    for layer, counts in enumerate(table["flips"].T):
        label = f"layer {layer} to {layer + 1}"
        flips.plot(seen, counts / samples, color=LAYERS[layer % 7], lw=1.6, label=label)
    flips.legend(frameon=False, fontsize=9, labelcolor=INK)

    changed = axes[2]
    _dress(
        changed, f"Neurons of layer 1 changed by the nudge, of {params.sizes[1]:,}", "per sample"
    )
    changed.plot(seen, table["changed"] / samples, color=PURPLE, lw=1.6)

    cycles = axes[3]
    if with_cycles:
        _dress(cycles, "Clock cycles", "per training sample")
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
    """Draw the errors of each epoch of a board that trained by itself.

    Parameters
    ----------
    name : str
        Of the network.
    history : list of dict
        With ``epoch``, ``train_error`` and ``test_error``, at least one.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    figure.suptitle(f"{name}, trained by itself", color=INK, fontsize=13, fontweight="bold")
    axis = figure.subplots()
    _dress(axis, "Error after each epoch", "percent of the images")
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


def _dress(axis, title, unit):
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


# Weights ------------------------------------------------------------------------------------


def tiles(params: Params, weights) -> tuple[np.ndarray, np.ndarray]:
    """Lay the rows of the first weight layer out as one image.

    A local layer's neurons stand where their window does: a block per position, with the neurons
    of that position in it. A dense layer's stand in order, line by line.

    Parameters
    ----------
    params : Params
    weights : ndarray of bool, shape (rows, row_bits)

    Returns
    -------
    image : ndarray of float, shape (height, width)
        Mean weight over the planes of a pixel, -1 to 1; NaN between the images.
    centres : ndarray of float, shape (grid rows + grid columns,)
        Where the blocks of a local layer have their middle: rows of blocks, then columns.
    """
    height, width = params.network.image
    if params.network.first == "local":
        height = width = params.network.window
    values = np.where(weights, 1.0, -1.0).reshape(len(weights), height, width, params.planes)
    values = values.mean(-1)
    rows, columns = params.grid
    if params.network.first == "local":
        inner, gap = params.block, 3
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
    local = params.network.first == "local"
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
        rows, stride = params.grid[0], params.network.stride
        middles = (centres + 0.5) * scale - 0.5
        axis.set_yticks(middles[:rows], [str(stride * r) for r in range(rows)])
        axis.set_xticks(middles[rows:], [str(stride * c) for c in range(params.grid[1])])
        axis.set_xlabel("window's left edge (pixel of the image)", color=QUIET, fontsize=9.5)
        axis.set_ylabel("window's top edge (pixel)", color=QUIET, fontsize=9.5)
        what = (
            f"{params.network.window}x{params.network.window} windows, "
            f"{params.block} neurons at each position"
        )
    else:
        axis.set_xticks([])
        axis.set_yticks([])
        what = f"all {params.network.image[0]}x{params.network.image[1]} pixels"
    count = f"{len(weights):,}" if shown == len(weights) else f"first {shown:,} of {len(weights):,}"
    start = 30 / width
    figure.text(
        start, 1 - 30 / height, f"{_title(params)}: weights of the {count} neurons of layer 1",
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


# Benchmarks ---------------------------------------------------------------------------------


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
        _dress(axes, title, "samples/s")
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
    _dress(axis, "Cycles by what they are spent on", "")
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
            _dress(axis, title if axis is line[0] else "", "")
            axis.plot(*zip(*points, strict=True), "o-", color=BLUE, lw=1.4, ms=4)
            if kind == "fmax_mhz":
                axis.set_xticks([x for x, _ in points], [f"{x:,}" for x, _ in points])
                axis.set_xlabel(curve, color=QUIET, fontsize=9)
        line[0].set_ylim(bottom=0)  # of all: the limits are shared
    return figure


def upset_errors(name: str, rows: list[dict]) -> Figure:
    """Draw the test error against the rate of upsets.

    Parameters
    ----------
    name : str
        Of the network.
    rows : list of dict
        Of :func:`popflip.scripts.upsets.run_upsets`, with ``rate``, ``error`` and ``spread``.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    figure.suptitle(f"{name}, trained while bits turn over", color=INK, fontsize=13)
    axis = figure.subplots()
    _dress(axis, "Test error", "percent of the images")
    hit = [row for row in rows if row["rate"]]
    for row in rows:
        if not row["rate"]:
            axis.axhline(row["error"], color=QUIET, lw=1.2, ls="--", label="without upsets")
    if hit:
        columns = ([row[key] for row in hit] for key in ("rate", "error", "spread"))
        axis.errorbar(*columns, fmt="o-", color=BLUE, lw=1.4, ms=4, label="with upsets")
        axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlabel("upsets per bit of weights and latents, per epoch", color=QUIET, fontsize=9)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def reproduction(row: Row, history: list[dict]) -> Figure:
    """Draw errors and flips of a row of the paper by epoch.

    Parameters
    ----------
    row : Row
    history : list of dict
        What ``log.json`` holds; not empty.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    figure.suptitle(
        f"{row.name}: {row.network}, {row.method_name}", color=INK, fontsize=12, fontweight="bold"
    )
    error, flips = figure.subplots(1, 2)
    epochs = [log["epoch"] for log in history]
    _dress(error, "Error", "percent of the images")
    error.plot(epochs, [log["train_error"] for log in history], ".-", color=BLUE, label="training")
    tests = [log["test_error"] for log in history]
    error.plot(epochs, tests, ".-", color=ORANGE, label=f"test: {tests[-1]:.2f} %")
    error.legend(frameon=False, fontsize=9, labelcolor=INK)
    error.set_ylim(bottom=0)
    _dress(flips, "Weights flipped", "per epoch")
    if row.weights == "real":
        flips.set_axis_off()
        flips.text(
            0.5, 0.5, "real weights do not flip", color=QUIET, fontsize=10, ha="center",
            va="center", transform=flips.transAxes,
        )  # fmt: skip
    else:
        for layer in range(len(row.layers)):
            label = f"layer {layer} to {layer + 1}"
            counts = [log["flips"][layer] for log in history]
            flips.plot(epochs, counts, ".-", color=LAYERS[layer % 7], label=label)
        flips.set_yscale("symlog", linthresh=1)
        flips.legend(frameon=False, fontsize=9, labelcolor=INK)
    for axis in (error, flips):
        axis.set_xlabel("epoch", color=QUIET, fontsize=9)
    return figure


def sweep_results(rows: list[dict], names: list[str], judge: str) -> Figure:
    """Draw the error of all trials against each parameter that was varied.

    Parameters
    ----------
    rows : list of dict
        Of :func:`popflip.scripts.sweep.run_sweep`, the best first.
    names : list of str
        Of the parameters.
    judge : str
        What the errors are of.
    """
    across = min(3, len(names))
    down = ceil_div(len(names), across)
    figure = Figure(figsize=(3.6 * across + 0.6, 3.1 * down + 0.5), layout="constrained")
    # As wide as one axes, which may be all there is.
    figure.suptitle(f"Error on {judge}", color=INK, fontweight="bold", fontsize="medium")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    errors = [row["error"] for row in rows]
    for axes, name in zip(grid, names, strict=False):
        values = [row[name] for row in rows]
        _dress(axes, name, "percent")
        if not all(type(value) in (int, float) for value in values):
            # Named, in the order of their names, one beside the other.
            labels = sorted({str(value) for value in values})
            values = [labels.index(str(value)) for value in values]
            axes.set_xticks(range(len(labels)), labels, rotation=20 if len(labels) > 3 else 0)
        bars = [row["spread"] for row in rows]
        axes.errorbar(values, errors, bars, fmt="o", color=BLUE, ms=4, lw=0.8, alpha=0.7)
        axes.plot(values[0], errors[0], "o", color=ORANGE, ms=8, zorder=5)
        axes.annotate(
            f"{errors[0]:.2f} %", (values[0], errors[0]), (6, -12), textcoords="offset points",
            color=ORANGE, fontweight="bold",
        )  # fmt: skip
    for axes in grid[len(names) :]:
        axes.set_axis_off()
    return figure


# Builds -------------------------------------------------------------------------------------


def build_resources(report: dict) -> Figure:
    """Draw what a build takes of its device, and how fast each of its placements is.

    Parameters
    ----------
    report : dict
        Of ``popflip build``.
    """
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1, wspace=0.06)
    figure.suptitle(
        f"{report['preset']} on {report['title']}", color=INK, fontsize=13, fontweight="bold"
    )
    used, speed = figure.subplots(1, 2, width_ratios=[1.5, 1])

    names = {"lut": "LUTs", "ff": "flip-flops", "block": "block RAMs", "spram": "SPRAMs",
             "dsp": "multipliers"}  # fmt: skip
    kinds = list(report["available"])
    shares = [100 * report["used"][kind] / report["available"][kind] for kind in kinds]
    _dress(used, f"Of the {report['device']}", "")
    used.barh([names[kind] for kind in kinds], shares, color=BLUE, height=0.6)
    for row, (kind, share) in enumerate(zip(kinds, shares, strict=True)):
        text = f"{report['used'][kind]:,} of {report['available'][kind]:,}"
        inside = share > 55
        used.annotate(
            text, (share, row), (-6 if inside else 6, 0), textcoords="offset points",
            ha="right" if inside else "left", va="center", fontsize=9,
            color="white" if inside else INK,
        )  # fmt: skip
    used.set_xlim(0, 100)
    used.set_xlabel("percent", color=QUIET, fontsize=9)
    used.yaxis.set_major_locator(FixedLocator(range(len(kinds))))
    used.set_yticks(range(len(kinds)), [names[kind] for kind in kinds])
    used.grid(visible=False, axis="y")
    used.grid(axis="x", color=FAINT, lw=0.6)
    used.invert_yaxis()

    _dress(speed, "Estimate after routing", "MHz")
    seeds = {int(n): mhz for n, mhz in report["seeds"].items()}
    colors = [GREEN if mhz >= report["core_mhz"] else RED for mhz in seeds.values()]
    speed.bar(list(seeds), list(seeds.values()), color=colors, width=0.6)
    speed.axhline(report["core_mhz"], color=ORANGE, lw=1.4)
    speed.annotate(
        f"clock {report['core_mhz']:g}", (1, report["core_mhz"]), (-2, 4),
        xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
        color=ORANGE, fontsize=9, fontweight="bold",
    )  # fmt: skip
    speed.set_xlim(min(seeds) - 1, max(seeds) + 1)
    speed.set_ylim(0, 1.15 * max(*seeds.values(), report["core_mhz"]))
    speed.set_xlabel("placement seed", color=QUIET, fontsize=9)
    return figure
