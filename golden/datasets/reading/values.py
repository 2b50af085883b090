"""Values of samples, as arrays of a shape and a type that can be encoded."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from popflip.golden.datasets.reading.raw import DataError, RawSamples, listed

__all__ = ["checked", "shaped", "table_of"]

#: Shares of red, green and blue in grey, in thousandths: ITU-R BT.601, as Pillow has it.
_GREY = (299, 587, 114)


def checked(samples: RawSamples) -> RawSamples:
    """Return samples whose values can be encoded; messages number them as their file does.

    Raises
    ------
    DataError
        As of :func:`table_of` and :func:`shaped`.
    """
    values = table_of(samples) if isinstance(samples.values, dict) else shaped(samples)
    return replace(samples, values=values)


def shaped(samples: RawSamples) -> np.ndarray:
    """Return values with one axis for samples, and one or two for what a sample holds.

    Returns
    -------
    ndarray of uint8 or float64, shape (n, values) or (n, height, width)
        Colours have become grey, truth values 0 and 255.

    Raises
    ------
    DataError
        If they are of another shape or type, or values are missing.
    """
    values, source = samples.values, samples.source
    assert isinstance(values, np.ndarray)
    if values.dtype == object:
        raise DataError(f"{source}: values must be numbers, not Python objects of several shapes")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{source}: values must be numbers, not {values.dtype}")
    if values.ndim == 0 or not len(values):
        raise DataError(f"{source} must have at least 1 sample, not {len(samples)}")
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim == 4:
        values = _grey(values, source)
    if values.ndim > 3 or not values.size:
        raise DataError(
            f"{source}: values must be of shape (samples, values), (samples, height, width) or "
            f"(samples, height, width, colours), not {values.shape}"
        )
    if values.dtype == bool:
        return np.where(values, np.uint8(255), np.uint8(0))
    if values.dtype == np.uint8:
        return values
    values = values.astype(np.float64, copy=False)
    finite = np.isfinite(values)
    if not finite.all():
        odd = ~finite.reshape(len(values), -1).all(axis=1)
        count = int((~finite).sum())
        raise DataError(
            f"{source}: {count:,} {'value is' if count == 1 else 'values are'} missing or infinite "
            f"(NaN), the first in sample {int(odd.argmax()) + 1:,}; fill them in, or remove those "
            "samples"
        )
    return values


def table_of(samples: RawSamples, wanted: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return the columns of a table as arrays of float64 or of texts.

    Parameters
    ----------
    samples : RawSamples
        Whose values are columns.
    wanted : collection of str, optional
        Columns that matter; all if left out.

    Raises
    ------
    DataError
        If there are none, or values are missing.
    """
    assert isinstance(samples.values, dict)
    source = samples.source
    table = {}
    for name, column in samples.values.items():
        if wanted and name not in wanted:
            table[name] = column
            continue
        if column.dtype.kind == "U":
            missing = column == ""
        else:
            column = column.astype(np.float64, copy=False)
            missing = ~np.isfinite(column)
        if missing.any():
            raise DataError(
                f"{source}: column {name!r} lacks {int(missing.sum()):,} of {len(column):,} "
                f"values, the first in sample {int(missing.argmax()) + 1:,}; fill them in, remove "
                f'those samples, or leave the column out: data.ignore = ["{name}"]'
            )
        table[name] = column
    if not table:
        raise DataError(f"{source} has no column but that of the labels")
    if not len(samples):
        raise DataError(f"{source} must have at least 1 sample, not 0")
    return table


def _grey(values, source):
    """Return images of grey pixels for those with an axis of colours, last or first."""
    if values.shape[-1] not in (1, 3, 4) and values.shape[1] in (1, 3):
        values = np.moveaxis(values, 1, -1)
    if values.shape[-1] == 1:
        return values[..., 0]
    if values.shape[-1] not in (3, 4):
        raise DataError(
            f"{source}: images must have 1, 3 or 4 colours as their last axis, not "
            f"{listed(values.shape)}"
        )
    parts = [weight * values[..., i].astype(np.float64) for i, weight in enumerate(_GREY)]
    grey = sum(parts) / 1000
    return np.floor(grey + 0.5).astype(np.uint8) if values.dtype == np.uint8 else grey
