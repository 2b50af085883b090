"""Section ``network``: which neurons there are and how they are joined."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from popflip.golden.description.first_layer import DenseInput, FirstLayer, Windows
from popflip.golden.description.sections.common import Natural, Positive, Section, Side
from popflip.golden.support.errors import InputError

__all__ = ["Network"]


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
        What a neuron of the first hidden layer sees: every input bit, or a square window.
    window : int
        Side of a window in pixels. For a local first layer only, as are ``stride`` and
        ``features``.
    stride : int
        Pixels from one window to the next, across and down.
    features : int
        Neurons that see the same window.
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
    window: Natural = 0
    stride: Annotated[int, Field(ge=0, le=1024)] = 0
    features: Natural = 0
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
                if value < 1:
                    raise InputError(
                        f"{name} must be at least 1 for a local first layer, not {value}"
                    )
            if self.window > min(self.image):
                raise InputError(
                    f"window must be at most the image's shorter side, {min(self.image)}, "
                    f"not {self.window}"
                )
        else:
            for name, value in local.items():
                if value:
                    raise InputError(
                        f"{name} must be left out for a dense first layer, not {value}"
                    )
            if not self.hidden:
                raise InputError(
                    "hidden must name at least 1 layer for a dense first layer, not ()"
                )
        return self

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
            size=(self.window, self.window),
            step=(self.stride, self.stride),
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
