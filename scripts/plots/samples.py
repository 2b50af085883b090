"""Pictures of a data set, as a network would see it."""

import numpy as np
from matplotlib.figure import Figure

from popflip.golden.datasets.dataset import Dataset
from popflip.scripts.plots.style import DPI, INK, QUIET

__all__ = ["data_picture"]

#: Samples of each class, and classes, that are shown at most.
SAMPLES, CLASSES = 10, 26

#: Names of features that are written out at most.
NAMES = 40


def data_picture(dataset: Dataset) -> Figure:
    """Draw training samples of each class; of a table the mean pixel of each feature and class.

    Parameters
    ----------
    dataset : Dataset
    """
    classes = dataset.class_names(dataset.n_classes)[:CLASSES]
    if dataset.train_images.shape[1] == 1:
        return _features(dataset, classes)
    return _images(dataset, classes)


def _images(dataset: Dataset, classes: list[str]) -> Figure:
    """Draw the first training images of each class in a row of their own."""
    height, width = dataset.train_images.shape[1:]
    canvas = np.full((len(classes) * (height + 1) - 1, SAMPLES * (width + 1) - 1), 255, np.uint8)
    for number in range(len(classes)):
        shown = dataset.train_images[np.flatnonzero(dataset.train_labels == number)[:SAMPLES]]
        for place, image in enumerate(shown):
            y, x = number * (height + 1), place * (width + 1)
            canvas[y : y + height, x : x + width] = image
    inches = 8.0
    figure = Figure(
        figsize=(inches, 0.8 + min(12.0, inches * canvas.shape[0] / canvas.shape[1])), dpi=DPI,
        layout="constrained",
    )  # fmt: skip
    axis = figure.add_subplot()
    axis.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    middles = [number * (height + 1) + height / 2 for number in range(len(classes))]
    axis.set_yticks(middles, _names(classes))
    axis.set_xticks([])
    _dress(axis, f"{dataset.name}: training samples of each class, {height} x {width} pixels")
    return figure


def _features(dataset: Dataset, classes: list[str]) -> Figure:
    """Draw the mean pixel of each feature, a row for each class."""
    images = dataset.train_images[:, 0].astype(float)
    empty = np.zeros(images.shape[1])
    means = [
        images[dataset.train_labels == number].mean(axis=0)
        if (dataset.train_labels == number).any()
        else empty
        for number in range(len(classes))
    ]
    figure = Figure(figsize=(10, 1.8 + 0.3 * len(classes)), dpi=DPI, layout="constrained")
    axis = figure.add_subplot()
    axis.imshow(np.array(means), cmap="viridis", vmin=0, vmax=255, aspect="auto")
    axis.set_yticks(range(len(classes)), _names(classes))
    columns = dataset.encoder.columns if dataset.encoder else ()
    if len(columns) == images.shape[1] <= NAMES:
        axis.set_xticks(range(len(columns)), _names(columns), rotation=90)
    else:
        axis.set_xlabel("pixel", color=QUIET, fontsize=9)
    _dress(axis, f"{dataset.name}: mean pixel of each feature, by class")
    return figure


def _names(names) -> list[str]:
    """Return names as Matplotlib is to write them: short, and nothing of them as a formula."""
    return [name[:24].replace("$", r"\$") for name in names]


def _dress(axis, title: str) -> None:
    axis.set_title(title.replace("$", r"\$"), loc="left", color=INK, fontsize=10.5)
    axis.spines[:].set_visible(False)
    axis.tick_params(colors=QUIET, labelsize=8, length=0)
