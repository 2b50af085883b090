"""Section ``learning``: how contrasts become flips."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from popflip.golden.description.sections.common import Positive, Section
from popflip.golden.support.errors import InputError

__all__ = ["Learning"]


class Learning(Section):
    """How contrasts become flips.

    Parameters
    ----------
    nudging : {"centered", "random-sign", "positive"}
        Nudged phases of a sample: with ``centered`` one for each sign of beta, both from the free
        state; with ``random-sign`` one, whose sign is drawn for each batch; with ``positive`` one,
        always plus.
    nudged_sweeps : int
        K, sweeps of each nudged phase.
    beta : int
        Strength of nudging: ``nudge = beta * (target * V - v)`` is added to an output's potential.
    hold_nudge : bool
        Whether ``v`` in it is that of the end of the free phase, in all sweeps of a nudged phase,
        rather than the running one. Software only.
    latent_bits : int
        Bits of a latent accumulator. It saturates at ``-S`` and ``S = 2**(latent_bits - 1) - 1``.
    first_latent_bits : int, optional
        The same for the first weight layer, which may need a wider range if its weights are shared.
        ``latent_bits`` if left out, as with ``machine.shared_update`` in hardware.
    tau : tuple of int
        Flip threshold of each weight layer in counts, 1 to S: a weight flips when its latent
        accumulator speaks against it by so much.
    tau_growth : float
        Percent by which ``tau`` grows each epoch (rounded to counts, at most S).
    batch : int
        Samples between flips.
    reset_on_flip : bool
        Whether a flip sets its latent accumulator to 0.
    shift : int
        Training images are moved at random by up to so many pixels in each direction.
    """

    nudging: Literal["centered", "random-sign", "positive"] = "centered"
    nudged_sweeps: Annotated[int, Field(ge=1, le=255)] = 3
    beta: Annotated[int, Field(ge=1, le=256)] = 2
    hold_nudge: bool = False
    latent_bits: Annotated[int, Field(ge=2, le=16)] = 8
    first_latent_bits: Annotated[int, Field(ge=2, le=16)] | None = None
    tau: Annotated[tuple[Positive, ...], Field(min_length=2)]
    tau_growth: Annotated[float, Field(ge=0, le=100)] = 0.0
    batch: Annotated[int, Field(ge=1, le=65535)] = 1
    reset_on_flip: bool = False
    shift: Annotated[int, Field(ge=0, le=16)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> "Learning":
        for layer, tau in enumerate(self.tau):
            most = self.latent_max_of(layer)
            if tau > most:
                raise InputError(
                    f"tau[{layer}] must be at most {most}, the range of "
                    f"{self.latent_bits_of(layer)}-bit latents, not {tau}"
                )
        return self

    @model_serializer(mode="wrap")
    def _serialized(self, handler: SerializerFunctionWrapHandler) -> dict:
        """Leave out keys that say nothing, as older readers and digests do."""
        tree = handler(self)
        if self.first_latent_bits is None:
            tree.pop("first_latent_bits", None)
        if not self.hold_nudge:
            tree.pop("hold_nudge", None)
        return tree

    @property
    def latent_max(self) -> int:
        """S of weight layers that have ``latent_bits``."""
        return (1 << (self.latent_bits - 1)) - 1

    def latent_bits_of(self, layer: int) -> int:
        """Bits of a latent accumulator of weight layer ``layer``."""
        first = self.first_latent_bits
        return self.latent_bits if layer or first is None else first

    def latent_max_of(self, layer: int) -> int:
        """S of weight layer ``layer``, the count at which a latent accumulator saturates."""
        return (1 << (self.latent_bits_of(layer) - 1)) - 1

    def tau_in_epoch(self, epoch: int) -> tuple[int, ...]:
        """Flip thresholds of epoch ``epoch`` (0 is the first), annealed by ``tau_growth``."""
        most = [self.latent_max_of(layer) for layer in range(len(self.tau))]
        try:
            growth = (1 + self.tau_growth / 100) ** epoch
        except OverflowError:
            return tuple(most)
        return tuple(round(min(s, tau * growth)) for s, tau in zip(most, self.tau, strict=True))
