"""Picture of the training of one of the paper's systems."""

from matplotlib.figure import Figure

from popflip.golden.paper.systems import Row
from popflip.scripts.plots.style import BLUE, INK, LAYERS, ORANGE, QUIET, dress

__all__ = ["reproduction"]


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
    dress(error, "Error", "percent of the images")
    error.plot(epochs, [log["train_error"] for log in history], ".-", color=BLUE, label="training")
    tests = [log["test_error"] for log in history]
    error.plot(epochs, tests, ".-", color=ORANGE, label=f"test: {tests[-1]:.2f} %")
    error.legend(frameon=False, fontsize=9, labelcolor=INK)
    error.set_ylim(bottom=0)
    dress(flips, "Weights flipped", "per epoch")
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
