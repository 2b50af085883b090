"""Picture of the errors of networks trained with bit flips."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from popflip.scripts.plots.style import BLUE, INK, QUIET, dress

__all__ = ["upset_errors"]


def upset_errors(name: str, rows: list[dict]) -> Figure:
    """Draw the test error against the rate of upsets.

    Parameters
    ----------
    name : str
        Of the network.
    rows : list of dict
        Of :func:`popflip.scripts.campaigns.upsets.run_upsets`: ``rate``, ``error``, ``spread``.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    figure.suptitle(f"{name}, trained while bits turn over", color=INK, fontsize=13)
    axis = figure.subplots()
    dress(axis, "Test error", "percent of the images")
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
