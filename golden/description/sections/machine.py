"""Section ``machine``: how many of each operation the hardware does per cycle."""

from typing import Annotated

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from popflip.golden.description.sections.common import Positive, Section
from popflip.golden.description.sections.network import Network
from popflip.golden.support.integers import ceil_div

__all__ = ["DERIVED_LANES", "Machine", "default_lanes", "word_bits"]

#: Keys that follow from the network if they are left out.
DERIVED_LANES = ("row_lanes", "relax_lanes", "latent_lanes")

#: Lanes of rows, if nobody says how many: rows up to so long are one word, longer ones are cut into
#: equal words.
ROW_LANES = 128

#: Lanes of latents, if nobody says how many.
LATENT_LANES = 8


class Machine(Section):
    """How many of each operation the hardware does per cycle.

    None of this changes what is learned. Fewer lanes take less of the FPGA and more cycles. The
    section may be missing: three keys follow from the network if they are left out, with lanes
    that any simulator and most FPGAs hold (:func:`default_lanes`).

    Parameters
    ----------
    row_lanes : int, optional
        Bits of a first-layer neuron's row per cycle, 1 to its fan-in. If left out, a row is one
        word, or as few equal words of at most 128 bits as it takes.
    neuron_lanes : int
        First-layer neurons side by side, 1 to those that share a window (all of layer 1 if it is
        dense). With ``leaky`` dynamics so many neurons of each hidden layer also settle side by
        side, or as many as it has.
    pool_lanes : int
        Of the windows that a pooled neuron looks at, so many per cycle: 1, a row of them, or all.
    mask_words : bool
        With pooling: the neurons' own popcounts count the lit pixels of the windows, too, in a word
        more at each look (as many as a row has). Else each of ``pool_lanes`` has a popcount for
        that. It saves logic, and cycles are lost to it where few neurons share a window.
    serial_windows : bool
        For a local first layer whose rows are one word each. Rows of the image are fetched one per
        cycle, behind one shifter, while the neurons of the window before are counted; else a
        register and a shifter for each row of the window bring the next window in one cycle. It
        saves logic, and costs no cycles if a window has at least as many words as it is high.
    relax_lanes : int, optional
        Bits of a word of the later weight layers per cycle, 1 to the widest layer behind layer 1; a
        narrower layer takes what it has. If left out, the widest layer's row is cut as
        ``row_lanes`` cuts rows of the first.
    output_lanes : int, optional
        Output neurons per cycle, 1 to all of them. As many as a word has weights to them if left
        out.
    latent_lanes : tuple of int, optional
        Latent accumulators per cycle in each weight layer, 1 to the bits of that layer's weight
        word. If left out, 8 in each, or as many as there are.
    latent_slice : int, optional
        Latents of the first layer lie in memories of so many bits side by side. One memory as wide
        as a word if left out. With the width that a block RAM has at that depth, no multiplexer of
        whole words stands behind the block RAMs.
    weight_slice : int, optional
        Weight words lie in memories of so many bits side by side, each of which is written by
        itself. One memory as wide as a word if left out.
    shared_update : bool
        For small FPGAs: one update engine serves all weight layers, with all latents in one memory
        of single-port RAM. It takes whole rows, one after the other, and batches of 1:
        ``row_lanes``, ``relax_lanes`` and ``neuron_lanes`` must not cut rows, the entries of
        ``latent_lanes`` must be equal, and ``weight_slice`` a multiple of them.
    overlap : bool
        While a sample relaxes and learns, the next one of its batch is driven. For a local first
        layer below the output, the ``heaviside`` code, and rows of later layers that are not cut
        (``relax_lanes``). Neurons of layer 1 are listed together with their weights to the
        output, in ``neuron_lanes`` lists side by side, and one of each is visited per cycle.
    training : bool
        Whether the training logic is built; without it the machine only infers.
    uart_divisor : int
        Clock cycles per bit of the host link.
    sample_slots : int
        Samples that a host can load at a time.
    """

    row_lanes: Positive
    neuron_lanes: Positive = 1
    pool_lanes: Positive = 1
    mask_words: bool = False
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

    @model_serializer(mode="wrap")
    def _serialized(self, handler: SerializerFunctionWrapHandler) -> dict:
        """Leave out a key that says nothing, as older readers and digests do."""
        tree = handler(self)
        if self.pool_lanes == 1:
            tree.pop("pool_lanes", None)
        if not self.mask_words:
            tree.pop("mask_words", None)
        return tree


def word_bits(sizes: tuple[int, ...], row_lanes: int, relax_lanes: int, layer: int) -> int:
    """Return the bits of a weight word of a layer: a narrower layer takes what it has."""
    return row_lanes if layer == 0 else min(relax_lanes, sizes[layer + 1])


def default_lanes(network: Network, given: dict) -> dict:
    """Choose the lanes that nobody gave.

    Parameters
    ----------
    network : Network
    given : dict
        Section ``machine`` as it was read; what is wrong with it is not said here.

    Returns
    -------
    dict
        ``row_lanes``, ``relax_lanes`` and ``latent_lanes``, but for those that are given.
    """

    def equal_words(bits):
        return ceil_div(bits, ceil_div(bits, ROW_LANES))

    shared, longest = given.get("shared_update"), network.widest_later
    whole_rows = shared or given.get("serial_windows")
    whole_later = shared or given.get("overlap")
    fan_in = network.first_layer.fan_in
    lanes: dict = {
        "row_lanes": fan_in if whole_rows else equal_words(fan_in),
        "relax_lanes": longest if whole_later else equal_words(longest),
    }
    row, relax = (
        value if type(value := given.get(key, lanes[key])) is int and value > 0 else 1
        for key in ("row_lanes", "relax_lanes")
    )
    words = [word_bits(network.sizes, row, relax, layer) for layer in range(network.depth)]
    if shared:  # which takes as many of each
        words = [min(words)] * len(words)
    lanes["latent_lanes"] = [min(LATENT_LANES, word) for word in words]
    return {key: value for key, value in lanes.items() if key not in given}
