"""Section ``dynamics``: how neurons settle."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from popflip.golden.description.sections.common import Natural, Positive, Section
from popflip.golden.support.errors import InputError

__all__ = ["MOST_GAIN", "Dynamics"]

#: Greatest gain that there is.
MOST_GAIN = 4096

#: What a dot product is multiplied by.
_Gain = Annotated[int, Field(ge=1, le=MOST_GAIN)]


class Dynamics(Section):
    """How neurons settle.

    Parameters
    ----------
    code : {"heaviside", "sign"}
        Values of an activation: {0, 1}, or {-1, +1}. The stored bit is 1 for the larger one.
    kind : {"sweeps", "leaky"}
        With ``sweeps`` layers are updated in turn and hidden neurons keep no state. ``leaky`` is
        the paper's: every neuron keeps a potential, and all are updated at once, in steps.
    free_sweeps : int
        T, sweeps (or synchronous steps) of the free phase.
    gains : tuple of int
        What a neuron's dot product with the layer below is multiplied by, in units of the
        potential: one for each weight layer.
    feedback_gains : tuple of int, optional
        The same for the layer above: one for each weight layer but the first. Those of ``gains``
        if left out.
    potential_bits : int
        Output potentials lie in ``[0, V]``, ``V = 2 ** potential_bits``.
    threshold : int, optional
        Potential from which on a hidden neuron is active. ``V / 2`` for the ``heaviside`` code and
        0 for ``sign`` if left out. With ``leaky`` dynamics it is always ``V / 2``.
    v0 : int
        Potential of every output at the start of a sample, 0 to V. With ``leaky`` dynamics every
        neuron starts at V.
    active_bound : int, optional
        Changes cycles, never results. As long as at most so many neurons of layer 2 are active, a
        neuron of layer 1 is skipped if their feedback cannot change it. A sample that exceeds the
        bound starts again with twice of it. All of layer 2 if left out; of no use with the
        ``sign`` code, whose neurons are never silent, and with ``leaky`` dynamics.
    """

    code: Literal["heaviside", "sign"] = "heaviside"
    kind: Literal["sweeps", "leaky"] = "sweeps"
    free_sweeps: Annotated[int, Field(ge=1, le=255)] = 4
    gains: Annotated[tuple[_Gain, ...], Field(min_length=2)]
    feedback_gains: tuple[_Gain, ...] | None = None
    potential_bits: Annotated[int, Field(ge=2, le=14)] = 8
    threshold: Annotated[int, Field(ge=-(1 << 20), le=1 << 20)] | None = None
    v0: Natural = 0
    active_bound: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Dynamics":
        if self.v0 > self.v_max:
            raise InputError(f"v0 must be 0 to V = {self.v_max}, not {self.v0}")
        return self

    @property
    def v_max(self) -> int:
        """V, the highest potential of an output."""
        return 1 << self.potential_bits

    @property
    def leaky(self) -> bool:
        """Whether every neuron keeps a potential, and all are updated at once."""
        return self.kind == "leaky"

    @property
    def v_start(self) -> int:
        """Potential of every output at the start of a sample."""
        return self.v_max if self.leaky else self.v0

    @property
    def output_threshold(self) -> int:
        """The potential from which on an output neuron is active."""
        return self.v_max // 2

    @property
    def hidden_threshold(self) -> int:
        """The potential from which on a hidden neuron is active."""
        if self.threshold is not None:
            return self.threshold
        return self.v_max // 2 if self.code == "heaviside" else 0
