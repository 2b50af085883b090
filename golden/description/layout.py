"""Where everything lies: rows of synapses in memories, and the memories as the host sees them.

:class:`Synapses` lays out one weight layer: which memory and address holds each weight and each
latent accumulator. :class:`MemoryMap` lists the *regions* that the host reads and writes.
:mod:`popflip.golden.description.packing` converts arrays to the bytes of a region.
"""

from typing import TYPE_CHECKING, NamedTuple

from popflip.golden.description.named import Table
from popflip.golden.description.registers import REGISTER_BITS
from popflip.golden.support.integers import ceil_div

if TYPE_CHECKING:
    from popflip.golden.description.params import Params

__all__ = [
    "ADDRESS_BITS",
    "MOST_REGIONS",
    "REGION_BITS",
    "RESULTS",
    "WRITTEN",
    "MemoryMap",
    "Region",
    "Synapses",
]

#: Predictions that the machine keeps, one byte each, in a ring.
RESULTS = 256

#: Cycles from the read of latents until they can be read again, with what is added to them.
WRITTEN = 5

#: Bits of the number of a region.
REGION_BITS = 4

#: Regions that a machine may have.
MOST_REGIONS = 1 << REGION_BITS

#: Bits of a word's address in its region.
ADDRESS_BITS = 24

#: Bits of a latent word that the host reads at a time, if it lies in narrower memories: buses to
#: memories all over a device cost wires.
_WIDEST_PART = 256


class Synapses(NamedTuple):
    """Shape and memory layout of one weight layer.

    A *row* is the set of synapses of one neuron: of the upper neuron in layer 0 (its window), of
    the lower neuron in every later layer (one word then serves both directions). A row is cut into
    ``chunks`` words of ``word_bits`` weights, bit 0 first; the last is padded with zeros. Latents
    of a word are cut likewise into ``steps`` words of ``latent_lanes`` accumulators, which lie in
    memories of ``latent_slice`` bits (of all bits if None) side by side. A weight word lies in
    ``slices`` memories of ``slice_bits`` side by side.

    With ``repeats`` a row may take several contrasts of one sample, one behind the other.

    Row ``r`` lies in bank ``bank(r)``; its chunk ``c`` is at weight address ``slot(r) * chunks +
    c``, and step ``s`` of that chunk at latent address ``r * latent_stride + c * steps + s``.
    """

    layer: int
    rows: int
    row_bits: int
    word_bits: int
    banks: int
    block: int
    latent_lanes: int
    latent_bits: int
    latent_slice: int | None = None
    weight_slice: int | None = None
    shared: bool = False
    repeats: bool = False

    @property
    def slice_bits(self) -> int:
        """Bits of a weight word in each of its memories; the last may need fewer."""
        return min(self.weight_slice or self.word_bits, self.word_bits)

    @property
    def slices(self) -> int:
        """Memories side by side that hold a weight word."""
        return ceil_div(self.word_bits, self.slice_bits)

    @property
    def part_widths(self) -> list[int]:
        """Bits of each memory of weights: slice by slice, bank by bank."""
        lows = range(0, self.word_bits, self.slice_bits)
        return self.banks * [min(self.slice_bits, self.word_bits - low) for low in lows]

    @property
    def part_bits(self) -> int:
        """Bits of an address in a memory of weights; the host has its number in front of them."""
        return (self.weight_depth - 1).bit_length()

    @property
    def weight_region_depth(self) -> int:
        """Words of region ``weights<l>``."""
        return (len(self.part_widths) - 1 << self.part_bits) + self.weight_depth

    @property
    def latent_slice_widths(self) -> list[int]:
        """Bits of each memory of latents."""
        width = self.latent_lanes * self.latent_bits
        bits = min(self.latent_slice or width, width)
        return [min(bits, width - low) for low in range(0, width, bits)]

    @property
    def latent_part_slices(self) -> int:
        """Memories of latents that the host reads and writes side by side."""
        return max(1, _WIDEST_PART // self.latent_slice_widths[0])

    @property
    def latent_part_widths(self) -> list[int]:
        """Bits of each part of a latent word, as the host sees it."""
        widths, step = self.latent_slice_widths, self.latent_part_slices
        return [sum(widths[i : i + step]) for i in range(0, len(widths), step)]

    @property
    def latent_part_bits(self) -> int:
        """Bits of an address of a latent word; the host has its part's number in front of them."""
        return (self.latent_depth - 1).bit_length()

    @property
    def latent_region_depth(self) -> int:
        """Words of region ``latents<l>``."""
        return (len(self.latent_part_widths) - 1 << self.latent_part_bits) + self.latent_depth

    @property
    def chunks(self) -> int:
        """Weight words per row."""
        return ceil_div(self.row_bits, self.word_bits)

    @property
    def groups(self) -> int:
        """Groups of ``banks`` rows in a block of rows that share their input."""
        return ceil_div(self.block, self.banks)

    @property
    def slots(self) -> int:
        """Rows in each bank: a group of each block's rows has one slot, whether full or not."""
        return self.rows // self.block * self.groups

    @property
    def last_group(self) -> int:
        """Rows in the last group of a block, 1 to ``banks``."""
        return self.block - (self.groups - 1) * self.banks

    @property
    def steps(self) -> int:
        """Latent words per weight word."""
        return ceil_div(self.word_bits, self.latent_lanes)

    @property
    def weight_depth(self) -> int:
        """Words in each bank of the weight memory."""
        return self.slots * self.chunks

    @property
    def latent_stride(self) -> int:
        """Latent words from one row to the next.

        Of ``shared`` latents an even power of two, so that an address is a row and a step side by
        side, and every row begins in the same one of two banks.
        """
        words = self.chunks * self.steps
        return 1 << max(1, (words - 1).bit_length()) if self.shared else words

    @property
    def latent_depth(self) -> int:
        """Words in the latent memory."""
        return self.rows * self.latent_stride

    @property
    def row_words(self) -> int:
        """Latent words of a row."""
        return self.chunks * self.steps

    @property
    def row_cycles(self) -> int:
        """Cycles that the update engine takes for a row: of shared latents an even number.

        Of one that is named again, no fewer than it takes until the first latents are written.
        """
        words = self.row_words
        if self.repeats:
            words = max(words, WRITTEN)
        return words + words % 2 if self.shared else words

    def bank(self, row):
        """Bank that holds ``row``, an int or an array of them."""
        return row % self.block % self.banks

    def slot(self, row):
        """Position of ``row``, an int or an array of them, in its bank, in rows."""
        return row // self.block * self.groups + row % self.block // self.banks


class Region(NamedTuple):
    """One memory of the machine, as the host link addresses it.

    Attributes
    ----------
    name : str
    index : int
        Its number.
    depth, width : int
        Words, and bits of a word.
    part, filled : int
        With ``part`` above 0 it is cut into parts that begin every ``part`` words, of which the
        first ``filled`` are words of the memory, and the others are nothing.
    meaning : str
        What it holds.
    read_in_run, written_in_run : bool
        Whether the host may read it, or write to it, while a run is on.
    """

    name: str
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody calls
    depth: int
    width: int
    part: int = 0
    filled: int = 0
    meaning: str = ""
    read_in_run: bool = False
    written_in_run: bool = False

    def holds(self, address: int) -> bool:
        """Whether there is a word at an address of the region."""
        return not self.part or address % self.part < self.filled

    @property
    def word_bytes(self) -> int:
        """Bytes per word on the link."""
        return ceil_div(self.width, 8)

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole region on the link."""
        return self.depth * self.word_bytes


class MemoryMap(Table[Region]):
    """Regions in order of their index: ``regions["samples"]``, ``regions.weights(layer)``.

    ``registers`` (32-bit words, see :mod:`popflip.golden.description.registers`), ``samples``
    (slots that the host loads), ``results`` (predictions of the last run), then ``weights<l>`` and,
    if the machine trains, ``latents<l>`` of each weight layer. Weights are given part by part, a
    part being one slice of one bank, so that the link is no wider than one of them; every part
    begins at a power of two, and what is between its end and the next one is nothing. So are
    latents, if their words are wide and sliced: a part is some slices of a word.

    Parameters
    ----------
    params : Params
    """

    kind = "region"

    def __init__(self, params: "Params"):
        slots = params.machine.sample_slots * params.sample_bytes
        rows: list[dict] = [
            {
                "name": "registers",
                "depth": len(params.registers),
                "width": REGISTER_BITS,
                "meaning": "settings, state and counters",
                "read_in_run": True,
            },
            {
                "name": "samples",
                "depth": slots,
                "width": 8,
                "meaning": "slots that the host loads, one sample each, for runs with the flag "
                "INTERNAL",
                "written_in_run": True,
            },
            {
                "name": "results",
                "depth": RESULTS,
                "width": 8,
                "meaning": "classes predicted in the last run, a ring: sample i of the run is word "
                "i modulo the depth",
                "read_in_run": True,
            },
        ]
        for layer in range(params.depth):
            rows.append(_weight_region(params.synapses(layer)))
            if params.machine.training:
                rows.append(_latent_region(params.synapses(layer)))
        super().__init__(Region(index=i, **row) for i, row in enumerate(rows))

    def weights(self, layer: int) -> Region:
        """Region of the weights of weight layer ``layer``."""
        return self[_weights(layer)]

    def latents(self, layer: int) -> Region:
        """Region of the latent accumulators of weight layer ``layer``; there if it trains."""
        return self[_latents(layer)]

    @property
    def widest(self) -> int:
        """Bits of the widest word, which the host port is wide enough for."""
        return max(region.width for region in self)


def _weight_region(shape: Synapses) -> dict:
    """Describe the region of a layer's weights, but for its number."""
    in_parts = len(shape.part_widths) > 1
    return {
        "name": _weights(shape.layer),
        "depth": shape.weight_region_depth,
        "width": shape.slice_bits,
        "part": 1 << shape.part_bits if in_parts else 0,
        "filled": shape.weight_depth if in_parts else 0,
        "meaning": f"weights of weight layer {shape.layer}",
    }


def _latent_region(shape: Synapses) -> dict:
    """Describe the region of a layer's latent accumulators, but for its number."""
    in_parts = len(shape.latent_part_widths) > 1
    return {
        "name": _latents(shape.layer),
        "depth": shape.latent_region_depth,
        "width": shape.latent_part_widths[0],
        "part": 1 << shape.latent_part_bits if in_parts else 0,
        "filled": shape.latent_depth if in_parts else 0,
        "meaning": f"latent accumulators of weight layer {shape.layer}",
    }


def _weights(layer: int) -> str:
    return f"weights{layer}"


def _latents(layer: int) -> str:
    return f"latents{layer}"
