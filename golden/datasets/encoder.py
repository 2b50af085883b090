"""From values to 8-bit pixels: what a network's input bits are made from.

An :class:`Encoder` is fitted to the training samples and kept with the network. All scales are one
mechanism: a value has 255 *edges*, and its pixel is how many of them it reaches. Edges evenly
between two values make a range, those of equal shares of the training samples quantiles. A category
has a pixel of its own for each value that it may take: 255 for the one that it takes, 0 for the
others.

Pixels become input bits by the thresholds of the network, as of any image
(:mod:`popflip.golden.datasets.encoding`). So the golden model, the host and the flash image agree
by themselves, and several thresholds make a thermometer code of each value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from popflip.golden.datasets.reading.raw import DataError, RawSamples, listed
from popflip.golden.datasets.reading.resizing import resize_images
from popflip.golden.datasets.reading.values import shaped, table_of
from popflip.golden.description.sections.data import Data

__all__ = ["EDGES", "MOST_SIDE", "Encoder", "as_pixels", "fit_encoder"]

#: Edges of a value: one less than pixels.
EDGES = 255

#: Values that a category may take.
MOST_CATEGORIES = 64

#: Pixels along one side of an image.
MOST_SIDE = 1024


#: What has edges of its own, if nobody says it.
_PER: dict[str, Literal["value", "row", "all"]] = {
    "images": "all",
    "series": "row",
    "table": "value",
}


@dataclass(frozen=True, eq=False)
class Encoder:
    """What makes images of samples.

    Attributes
    ----------
    image : (int, int)
        Height and width of the images.
    shape : tuple of int
        Shape of one sample, before any resizing.
    columns : tuple of str
        Names of a table's columns; empty without names.
    categories : tuple of (tuple of str, or None)
        For each column of a table the texts that it may hold; None if it holds numbers.
    edges : ndarray of float64, shape (groups, 255), optional
        Ascending along each row; infinite where no value reaches them. None if values are pixels.
    per : {"value", "row", "all"}
        What has a row of edges of its own.
    invert : bool
    resize : {"none", "stretch", "pad", "crop"}
    """

    image: tuple[int, int]
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...] | None, ...] = ()
    edges: np.ndarray | None = None
    per: Literal["value", "row", "all"] = "all"
    invert: bool = False
    resize: str = "none"

    def encode(self, samples: RawSamples) -> np.ndarray:
        """Make images of samples, which must be like those that it was fitted to.

        Returns
        -------
        ndarray of uint8, shape (n, height, width)

        Raises
        ------
        DataError
            If they are of another shape, have other columns, or lack values.
        """
        if isinstance(samples.values, dict):
            pixels = self._encode_table(samples)
        else:
            values = shaped(samples)
            if self.columns and values.ndim == 2:  # a table without its names
                names = dict(zip(self.columns, values.T, strict=False))
                if values.shape[1] != len(self.columns):
                    self._refuse(samples, values.shape[1:])
                pixels = self._encode_table(RawSamples(names, None, samples.source))
            else:
                pixels = self._encode_array(values, samples)
        if pixels.ndim == 3:
            pixels = resize_images(pixels, self.image, self.resize)
        if self.invert:
            pixels = 255 - pixels
        images = np.ascontiguousarray(pixels).reshape(len(pixels), *self.image)
        images.flags.writeable = False
        return images

    def describe(self) -> dict:
        """Return all but the edges, for a checkpoint; :meth:`described` takes it back."""
        return {
            "image": list(self.image),
            "shape": list(self.shape),
            "columns": list(self.columns),
            "categories": [each and list(each) for each in self.categories],
            "groups": None if self.edges is None else len(self.edges),
            "per": self.per,
            "invert": self.invert,
            "resize": self.resize,
        }

    @classmethod
    def described(cls, tree: Mapping, edges: np.ndarray | None) -> "Encoder":
        """Return the encoder that :meth:`describe` told of."""
        return cls(
            image=(tree["image"][0], tree["image"][1]),
            shape=tuple(tree["shape"]),
            columns=tuple(tree["columns"]),
            categories=tuple(each and tuple(each) for each in tree["categories"]),
            edges=edges,
            per=tree["per"],
            invert=tree["invert"],
            resize=tree["resize"],
        )

    # Inside ---------------------------------------------------------------------------------

    def _encode_array(self, values, samples) -> np.ndarray:
        if self.resize == "none" and values.shape[1:] != self.shape:
            self._refuse(samples, values.shape[1:])
        if self.edges is None:
            return as_pixels(values, samples.source)
        return _pixels(values, self.edges, self.per)

    def _encode_table(self, samples) -> np.ndarray:
        table = table_of(self._with_names(samples), set(self.columns))
        lacking = [name for name in self.columns if name not in table]
        if lacking or not self.columns:
            if not self.columns and self.shape == (len(table),):  # fitted to an array
                table = dict(zip(map(str, range(len(table))), table.values(), strict=True))
                matrix = RawSamples(np.stack(list(table.values()), axis=1), None, samples.source)
                return self._encode_array(shaped(matrix), matrix)
            raise DataError(
                f"{samples.source} lacks columns that the network was trained with: "
                f"{listed(lacking)}; it has: {listed(table)}"
            )
        parts, group = [], 0
        for name, allowed in zip(self.columns, self.categories, strict=True):
            column = table[name]
            if (column.dtype.kind == "U") != (allowed is not None):
                kinds = ("numbers", "texts") if allowed is None else ("texts", "numbers")
                raise DataError(
                    f"{samples.source}: column {name!r} must hold {kinds[0]}, as in training, not "
                    f"{kinds[1]}"
                )
            if allowed is not None:
                parts.append(np.where(column[:, None] == np.array(allowed), 255, 0))
            elif self.edges is None:
                parts.append(as_pixels(column[:, None], samples.source))
            else:
                row = group if self.per == "value" else 0
                parts.append(_pixels(column[:, None], self.edges[row : row + 1], "all"))
                group += 1
        return np.concatenate(parts, axis=1).astype(np.uint8)

    def _with_names(self, samples) -> RawSamples:
        """Return a table with its columns' names; where the file has none, their order tells."""
        unnamed = [str(number + 1) for number in range(len(self.columns))]
        if not unnamed or [*samples.values] != unnamed:
            return samples
        return replace(
            samples, values=dict(zip(self.columns, samples.values.values(), strict=True))
        )

    def _refuse(self, samples, shape):
        wanted, found = (" x ".join(map(str, each)) for each in (self.shape, shape))
        raise DataError(
            f"{samples.source} must have samples of {wanted} values, as in training, not {found}"
        )


def fit_encoder(
    samples: RawSamples,
    data: Data,
    kind: Literal["images", "series", "table"] | None = None,
    image: tuple[int, int] | None = None,
) -> tuple[Encoder, list[str]]:
    """Fit an encoder to training samples.

    Parameters
    ----------
    samples : RawSamples
    data : Data
        What the user says of the scale.
    kind : {"images", "series", "table"}, optional
        What the values are; their shape tells if it is left out.
    image : (int, int), optional
        Of the network. Values of as many pixels are brought into that shape.

    Returns
    -------
    Encoder
    list of str
        What a user should know.

    Raises
    ------
    DataError
        If the values cannot be learned: some are missing, or there are too many.
    """
    columns: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...] | None, ...] = ()
    if isinstance(samples.values, dict):
        table = table_of(samples)
        columns = tuple(table)
        categories = tuple(_categories(name, column, samples) for name, column in table.items())
        numbers = [column for column in table.values() if column.dtype.kind != "U"]
        values = np.stack(numbers, axis=1) if numbers else np.zeros((len(samples), 0))
        if all(each is None for each in categories):
            shape: tuple[int, ...] = (len(columns),)
        else:
            shape = (sum(1 if each is None else len(each) for each in categories),)
    else:
        values = shaped(samples)
        shape = values.shape[1:]
    kind = kind or ("table" if values.ndim == 2 else "images")
    if kind == "table" and data.scale == "auto" and _is_of_pixels(values, categories, image):
        kind, values = "images", values.astype(np.uint8)
    bytes_already = values.dtype == np.uint8
    scale: str = data.scale
    if scale == "auto":
        scale = "quantiles" if kind == "table" else "none" if bytes_already else "range"
    per = _PER[kind] if data.per == "auto" else data.per
    edges = None
    if scale == "none":
        as_pixels(values, samples.source)
    else:
        edges = _edges(_grouped(values, per), scale, data)
    fitted = Encoder(
        image=_image_of(shape, data, image, samples.source), shape=shape, columns=columns,
        categories=categories, edges=edges, per=per, invert=data.invert, resize=data.resize,
    )  # fmt: skip
    return fitted, _warnings(values, samples, columns, categories, fitted)


def as_pixels(values: np.ndarray, source: str) -> np.ndarray:
    """Return values that are pixels already.

    Raises
    ------
    DataError
        If they are not.
    """
    if values.dtype == np.uint8:
        return values
    if values.size and not (
        values.min() >= 0 and values.max() <= 255 and (values == np.floor(values)).all()
    ):
        raise DataError(
            f'{source}: values must be whole numbers from 0 to 255 for data.scale "none", not '
            f"{values.min()} to {values.max()}"
        )
    return values.astype(np.uint8)


def _pixels(values, edges, per):
    """Count the edges that each value reaches."""
    grouped = _grouped(values, per)
    pixels = np.empty(grouped.shape, np.uint8)
    for group, row in enumerate(edges):
        pixels[:, group] = np.searchsorted(row, grouped[:, group], side="right")
    return pixels.reshape(values.shape)


def _grouped(values, per):
    """Return values with what has edges of its own as the second of three axes."""
    n, size = len(values), int(np.prod(values.shape[1:]))
    if per == "all":
        return values.reshape(n, 1, size)
    if per == "value":
        return values.reshape(n, size, 1)
    if values.ndim < 3:
        raise DataError('data.per must not be "row" for samples without rows')
    return values.reshape(n, values.shape[1], -1)


def _edges(grouped, scale, data):
    """Return the edges of each group of training values."""
    groups = grouped.shape[1]
    edges = np.empty((groups, EDGES))
    share = np.arange(1, EDGES + 1) / 256
    for name in ("low", "high"):
        given = getattr(data, name)
        if given is not None and len(given) not in (1, groups):
            raise DataError(f"data.{name} must have 1 entry or {groups}, not {len(given)}")
    for group in range(groups):
        values = grouped[:, group].ravel()
        low, high = float(values.min()), float(values.max())
        if data.low is not None and data.high is not None:
            low, high = (v[group if len(v) > 1 else 0] for v in (data.low, data.high))
        if low == high:  # says nothing: its pixel is 0
            edges[group] = np.inf
        elif scale == "range":
            edges[group] = low + (high - low) * share
        else:
            # Values that occur, without arithmetic: the same on any machine. One that every sample
            # reaches would tell nothing, so the next one stands in for the smallest.
            found = np.quantile(values, share, method="inverted_cdf")
            edges[group] = np.where(found > low, found, values[values > low].min())
    return edges


def _categories(name, column, samples):
    """Return the texts that a column may hold; None if it holds numbers."""
    if column.dtype.kind != "U":
        return None
    found = np.unique(column).tolist()
    if len(found) > MOST_CATEGORIES:
        raise DataError(
            f"{samples.source}: column {name!r} holds {len(found):,} different texts, of which "
            f'{MOST_CATEGORIES} can be told apart; leave it out: data.ignore = ["{name}"]'
        )
    return tuple(found)


def _is_of_pixels(values, categories, image):
    """Whether a table holds the pixels of a network's images."""
    return (
        image is not None
        and min(image) > 1
        and values.shape[1:] == (image[0] * image[1],)
        and all(each is None for each in categories)
        and (values >= 0).all()
        and (values <= 255).all()
        and (values == np.floor(values)).all()
        and values.max(initial=0) > 1
    )


def _image_of(shape, data, image, source):
    """Return height and width of the images."""
    if image is not None and int(np.prod(shape)) == image[0] * image[1]:
        return tuple(image)
    if len(shape) == 2 and data.resize != "none" and image is not None:
        return tuple(image)
    found = shape if len(shape) == 2 else (1, shape[0])
    if max(found) > MOST_SIDE:
        what = "values for each sample" if len(shape) == 1 else "pixels along a side"
        raise DataError(f"{source} must have at most {MOST_SIDE:,} {what}, not {max(found):,}")
    return found


def _warnings(values, samples, columns, categories, fitted):
    """Say what is odd about training values that can be learned."""
    told = []
    if values.ndim == 2 and values.size:
        numbers = [
            name for name, each in zip(columns, categories, strict=True) if each is None
        ] or list(range(1, values.shape[1] + 1))
        constant = [
            name
            for name, column in zip(numbers, values.T, strict=True)
            if column.min() == column.max()
        ]
        constant += [
            name for name, each in zip(columns, categories, strict=True) if each and len(each) == 1
        ]
        # Of images many pixels are never lit.
        if constant and (columns or fitted.per == "value"):
            told.append(f"the same in all training samples, so of no use: {listed(constant)}")
    if fitted.edges is None and values.size and not columns:
        most = int(values.max())
        if most < 128:
            told.append(f'pixels reach only {most} of 255: data.scale = "range" stretches them')
    return told
