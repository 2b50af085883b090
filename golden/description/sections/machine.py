"""Section ``machine``: how many of each operation the hardware does per cycle."""

from typing import Annotated

from pydantic import Field

from popflip.golden.description.sections.common import Positive, Section

__all__ = ["Machine"]


class Machine(Section):
    """How many of each operation the hardware does per cycle.

    Parameters
    ----------
    row_lanes : int
        Bits of a first-layer neuron's row per cycle of the drive engine, 1 to its fan-in.
    neuron_lanes : int
        First-layer neurons side by side in the drive engine, 1 to the neurons that share a
        window (all of layer 1 if it is dense).
    relax_lanes : int
        Bits of a word of the later weight layers per cycle, 1 to the layer above; a narrower
        layer takes what it has.
    serial_windows : bool
        For a local first layer whose rows are one word each. The rows of a window are fetched one
        per cycle, behind one shifter, while the neurons of the window before it are counted; else
        a register and a shifter per row of the window bring the next in one cycle. It costs
        nothing if at least as many words as the window is high are counted for each window.
    output_lanes : int, optional
        Output neurons per cycle, 1 to all of them; if left out, as many as ``relax_lanes`` are of
        them.
    latent_lanes : tuple of int
        Accumulators per cycle of each weight layer's update engine, 1 to the lanes of that
        layer's weight word.
    latent_slice : int, optional
        The first layer's latents lie in memories of so many bits side by side; in one as wide as
        a word if left out. With what a block RAM is wide at that depth, no multiplexer of whole
        words stands behind the block RAMs.
    weight_slice : int, optional
        Weight words lie in memories of so many bits side by side, each of which is written by
        itself; in one as wide as a word if left out.
    shared_update : bool
        One update engine serves all weight layers, with all latents in one memory of single-port
        RAM, for small FPGAs. It takes whole rows, one after the other, and batches of 1:
        ``row_lanes``, ``relax_lanes`` and ``neuron_lanes`` must not cut rows, the entries of
        ``latent_lanes`` be equal, and ``weight_slice`` a multiple of them.
    overlap : bool
        While a sample relaxes and learns, the next one of its batch is driven. For a local first
        layer below the output, the ``heaviside`` code, and rows of later layers that are not cut
        (``relax_lanes``). Neurons of layer 1 are listed together with their weights to the
        output, ``neuron_lanes`` lists side by side, and one of each is visited per cycle.
    training : bool
        Whether the training logic is built; without it the machine only infers.
    uart_divisor : int
        Clock cycles per bit of the host link.
    sample_slots : int
        Samples that the host can load at a time.
    """

    row_lanes: Positive
    neuron_lanes: Positive = 1
    serial_windows: bool = False
    relax_lanes: Positive
    output_lanes: Positive | None = None
    latent_lanes: Annotated[tuple[Positive, ...], Field(min_length=2)]
    latent_slice: Positive | None = None
    weight_slice: Positive | None = None
    shared_update: bool = False
    overlap: bool = False
    training: bool = True
    uart_divisor: Annotated[int, Field(ge=4, le=65535)] = 8
    sample_slots: Annotated[int, Field(ge=1, le=256)] = 16
