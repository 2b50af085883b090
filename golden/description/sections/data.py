"""Section ``data``: how a data set is read, and how its values become 8-bit pixels."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from popflip.golden.description.sections.common import Section
from popflip.golden.support.errors import InputError

__all__ = ["Data"]

_Value = Annotated[float, Field(ge=-1e30, le=1e30)]


class Data(Section):
    """How a data set of one's own is read, and how its values become pixels from 0 to 255.

    Pixels become input bits by ``network.thresholds``: of several thresholds each value gets a
    thermometer code. What is taken from the training samples (ranges, quantiles, categories) is
    saved with each checkpoint.

    Parameters
    ----------
    label : str, optional
        Column of a table that holds the classes; its number, from 1, in a table without names. If
        left out it is the only one called label, labels, class, target, species or y.
    ignore : tuple of str
        Columns of a table that are not looked at, such as a serial number.
    test_percent : int
        Share of the samples of each class that are kept for the test, if the data set has no test
        part of its own.
    seed : int
        Decides which samples those are, and the order of all that have none.
    scale : {"auto", "none", "range", "quantiles"}
        How values become pixels. With ``none`` they are pixels already. With ``range`` the smallest
        value becomes 0 and the greatest 255, evenly between. With ``quantiles`` pixel ``p`` stands
        for the share ``p / 256`` of the training samples: each threshold then splits them by the
        same shares whatever the feature's unit. ``auto`` is ``none`` for 8-bit pixels,
        ``quantiles`` for tables and ``range`` else.
    per : {"auto", "value", "row", "all"}
        What has a range, or quantiles, of its own: each value of a sample (a feature of a table),
        each row of an image (a channel of a time series), or none. ``auto`` is ``value`` for
        tables, ``row`` for time series and ``all`` for images.
    low : tuple of float, optional
        Values that become 0, instead of the smallest of the training samples: one for all, or one
        for each that has a range of its own. With ``range`` only, as is ``high``.
    high : tuple of float, optional
        Values that become 255.
    invert : bool
        Whether 255 is the background, as of dark writing on white paper: pixels are then taken
        from 255.
    resize : {"none", "stretch", "pad", "crop"}
        How images of other sizes come to ``network.image``: not at all, stretched, whole with
        empty margins, or filling it with what juts out cut off.
    """

    label: str | None = None
    ignore: tuple[str, ...] = ()
    test_percent: Annotated[int, Field(ge=1, le=90)] = 20
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1
    scale: Literal["auto", "none", "range", "quantiles"] = "auto"
    per: Literal["auto", "value", "row", "all"] = "auto"
    low: Annotated[tuple[_Value, ...], Field(min_length=1, max_length=1 << 20)] | None = None
    high: Annotated[tuple[_Value, ...], Field(min_length=1, max_length=1 << 20)] | None = None
    invert: bool = False
    resize: Literal["none", "stretch", "pad", "crop"] = "none"

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if (self.low is None) != (self.high is None):
            raise InputError("low and high must be given together")
        if self.low is None or self.high is None:
            return self
        if self.scale != "range":
            raise InputError(f'scale must be "range" with low and high, not "{self.scale}"')
        if len(self.low) != len(self.high):
            raise InputError(
                f"low and high must have as many entries, not {len(self.low)} and {len(self.high)}"
            )
        for low, high in zip(self.low, self.high, strict=True):
            if not low < high:
                raise InputError(f"low must be less than high, not {low} and {high}")
        return self
