"""Section ``network``: which neurons there are and how they are joined."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from popflip.golden.description.first_layer import DenseInput, FirstLayer, Windows
from popflip.golden.description.sections.common import (
    Natural,
    Positive,
    Section,
    Side,
    both_ways,
    number_or_pair,
)
from popflip.golden.support.errors import InputError

__all__ = ["Network"]

# A table of them is made.
_MOST_SEEN = 1 << 28


class Network(Section):
    """Which neurons there are, and how they are joined.

    Parameters
    ----------
    image : (int, int)
        Height and width of the input image in pixels.
    thresholds : tuple of int
        Each threshold gives every pixel one input bit: 1 where the pixel (0 to 255) is above it.
    pixel_bits : {1, 8}
        With 8, neurons of layer 1 see the pixels themselves, as 1/256 of an active bit each, and
        ``thresholds`` is left out. Latents and ``tau`` of the first weight layer then count in
        1/256 too. In software only, with the ``heaviside`` code.
    first : {"dense", "local"}
        What a neuron of the first hidden layer sees: every input bit, or a window.
    window : int or (int, int)
        Height and width of a window in pixels; one number if it is square. For a local first layer
        only, as are the next four.
    stride : int or (int, int)
        Pixels from one window to the next, down and across; one number if they are equal.
    features : int
        Neurons that see the same window.
    pool : int or (int, int)
        A neuron looks at so many windows down and across, its own and those that are moved by whole
        pixels around it, and takes the greatest dot product. Windows that would leave the image are
        moved back inside. In software only if above 1 with ``leaky`` dynamics.
    sharing : {"none", "full"}
        With ``none`` every neuron has weights of its own. With ``full`` the neurons of all
        positions use the same weights, one row for each of ``features``: a convolution. In software
        only with ``leaky`` dynamics or ``machine.shared_update``.
    hidden : tuple of int
        Neurons of each dense hidden layer. With a local first layer they come behind it.
    classes : int
        Classes to tell apart. Output neuron ``j`` stands for class ``j // copies``.
    copies : int
        Output neurons for each class.
    """

    image: tuple[Side, Side] = (28, 28)
    thresholds: Annotated[
        tuple[Annotated[int, Field(ge=0, le=254)], ...], Field(min_length=1, max_length=8)
    ] = (127,)
    pixel_bits: Literal[1, 8] = 1
    first: Literal["dense", "local"] = "dense"
    window: number_or_pair(0, 1 << 20) = 0  # type: ignore[valid-type]
    stride: number_or_pair(0, 1024) = 0  # type: ignore[valid-type]
    features: Natural = 0
    pool: number_or_pair(1, 16) = 1  # type: ignore[valid-type]
    sharing: Literal["none", "full"] = "none"
    hidden: Annotated[tuple[Positive, ...], Field(max_length=6)] = ()
    classes: Annotated[int, Field(ge=2, le=256)] = 10
    copies: Positive = 1

    @model_validator(mode="after")
    def _consistent(self) -> "Network":
        if (
            self.pixel_bits == 8
            and self.thresholds != type(self).model_fields["thresholds"].default
        ):
            raise InputError(
                f"thresholds must be left out for 8-bit pixels, not {list(self.thresholds)}"
            )
        local = {"window": self.window, "stride": self.stride, "features": self.features}
        if self.first == "local":
            for name, value in local.items():
                if min(both_ways(value)) < 1:
                    raise InputError(
                        f"{name} must be at least 1 for a local first layer, not {_said(value)}"
                    )
            self._check_window()
        else:
            for name, value in local.items():
                if value:
                    raise InputError(
                        f"{name} must be left out for a dense first layer, not {_said(value)}"
                    )
            for name, value, default in (("pool", self.pool, 1), ("sharing", self.sharing, "none")):
                if value != default:
                    raise InputError(
                        f"{name} must be left out for a dense first layer, not {_said(value)}"
                    )
            if not self.hidden:
                raise InputError(
                    "hidden must name at least 1 layer for a dense first layer, not ()"
                )
        return self

    def _check_window(self) -> None:
        """Raise ValueError if a window is larger than the image, or all of them see too much."""
        window = self.window
        if isinstance(window, int) and window > min(self.image):
            raise InputError(
                f"window must be at most the image's shorter side, {min(self.image)}, not {window}"
            )
        for side, most, name in zip(
            both_ways(window), self.image, ("height", "width"), strict=True
        ):
            if side > most:
                raise InputError(
                    f"window must be at most the image's {name}, {most}, not {_said(window)}"
                )
        first = self.first_layer
        seen = first.offsets * first.positions * first.fan_in
        if seen > _MOST_SEEN:
            raise InputError(
                f"windows must see at most {_MOST_SEEN:,} input bits, all pooled ones together, "
                f"not {seen:,}"
            )

    @model_serializer(mode="wrap")
    def _serialized(self, handler: SerializerFunctionWrapHandler) -> dict:
        """Leave out keys that say nothing, as older readers and digests do."""
        tree = handler(self)
        for key, default in (("pool", 1), ("sharing", "none")):
            if tree.get(key) == default:
                del tree[key]
        return tree

    @property
    def planes(self) -> int:
        """Input bits per pixel."""
        return len(self.thresholds)

    @cached_property
    def first_layer(self) -> FirstLayer:
        """Which input bits the neurons of layer 1 see."""
        if self.first == "dense":
            return DenseInput(image=self.image, planes=self.planes, block=self.hidden[0])
        return Windows(
            image=self.image,
            planes=self.planes,
            block=self.features,
            size=both_ways(self.window),
            step=both_ways(self.stride),
            pool=both_ways(self.pool),
            shared=self.sharing == "full",
        )

    @property
    def n_out(self) -> int:
        """Output neurons."""
        return self.classes * self.copies

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, from the input to the output."""
        first = self.first_layer
        later = self.hidden[1:] if self.first == "dense" else self.hidden
        return (first.n_in, first.neurons, *later, self.n_out)

    @property
    def depth(self) -> int:
        """L: weight layers, and the number of the output layer."""
        return len(self.sizes) - 1

    @property
    def widest_later(self) -> int:
        """Neurons of the widest layer behind layer 1, whose rows are the longest but its own."""
        return max(self.sizes[2:])


def _said(value) -> str:
    """Say the value of a key as a file does."""
    return str(list(value) if isinstance(value, tuple) else value)
