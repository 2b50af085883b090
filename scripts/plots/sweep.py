"""Picture of a sweep."""

from matplotlib.figure import Figure

from popflip.golden.support.integers import ceil_div
from popflip.scripts.plots.style import BLUE, INK, ORANGE, dress

__all__ = ["sweep_results"]


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
        dress(axes, name, "percent")
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
