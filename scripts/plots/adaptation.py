"""Picture of networks that go on learning after a change."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from popflip.golden.support.integers import ceil_div
from popflip.scripts.plots.style import BLUE, GREEN, INK, ORANGE, PURPLE, QUIET, dress

__all__ = ["adaptation_curves"]

#: From a way to its colour and what the legend calls it.
_WAYS = {
    "on": (BLUE, "learns on"),
    "replay": (GREEN, "learns on, old samples in between"),
    "cleared": (PURPLE, "learns on, latents cleared"),
    "scratch": (ORANGE, "a new network"),
}


def adaptation_curves(name: str, rows: list[dict]) -> Figure:
    """Draw the errors of each change: of what comes, and of what came before it.

    Parameters
    ----------
    name : str
        Of the network.
    rows : list of dict
        Of :func:`popflip.scripts.campaigns.adaptation.curves.run_adaptation`.
    """
    kinds = list(dict.fromkeys(row["change"] for row in rows))
    across = min(4, len(kinds))
    down = ceil_div(len(kinds), across)
    figure = Figure(figsize=(2.9 * max(across, 2), 2.6 * down + 1.1), layout="constrained")
    figure.suptitle(f"{name} meets a change", color=INK, fontsize=13)
    axes = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
    drawn: dict = {}
    for axis, kind in zip(axes, kinds, strict=False):
        dress(axis, kind, "")
        for way, (color, label) in _WAYS.items():
            points = [row for row in rows if (row["change"], row["way"]) == (kind, way)]
            if not points:
                continue
            places = range(len(points))
            drawn[label] = axis.errorbar(
                places, [p["error"] for p in points], [p["error_spread"] for p in points],
                fmt="o-", color=color, lw=1.4, ms=3.5,
            )  # fmt: skip
            if way != "scratch":
                old = [p["old_error"] for p in points]
                axis.plot(places, old, "--", color=color, lw=1.2)
        axis.xaxis.set_major_locator(FixedLocator(list(places)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(list(places), [_short(p["samples"]) for p in points])
        axis.set_ylim(0, 100)
    for axis in axes[len(kinds) :]:
        axis.set_visible(False)
    for axis in axes[::across]:
        axis.set_ylabel("error, %", color=QUIET, fontsize=9)
    for axis in axes[max(0, len(kinds) - across) : len(kinds)]:
        axis.set_xlabel("samples after the change", color=QUIET, fontsize=9)
    drawn["dashed: what it had learned before"] = Line2D([], [], color=QUIET, ls="--", lw=1.2)
    figure.legend(
        list(drawn.values()), list(drawn), loc="outside lower center",
        ncols=5 if across > 3 else 2 if across > 1 else 1, frameon=False,
        fontsize=8.5, labelcolor=INK,
    )  # fmt: skip
    return figure


def _short(samples: int) -> str:
    return f"{samples // 1000}k" if samples and samples % 1000 == 0 else f"{samples}"
