"""Picture of a build: resources, and the speed of each placement."""

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from popflip.scripts.plots.style import BLUE, FAINT, GREEN, INK, ORANGE, QUIET, RED, dress

__all__ = ["build_resources"]


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
    dress(used, f"Of the {report['device']}", "")
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

    dress(speed, "Estimate after routing", "MHz")
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
