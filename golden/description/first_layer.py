"""The first layer's geometry: which input bits each of its neurons sees.

The neurons of layer 1 stand at *positions* of a grid, ``block`` of them at each, and all of a
position see the same *window* of the input: neuron ``position * block + feature``. A dense layer is
the simplest case, one position whose window is the whole image. A neuron uses a *row* of weights,
one for each bit of a window. With *shared* weights the neurons of a feature use the same row.

With *pooling* a neuron looks at several windows: its own and those around it, each moved by whole
pixels, and moved back inside if it would leave the image. They are numbered by their *offset*, row
by row from the top left one.

Every kind of first layer is one class here with the interface of :class:`FirstLayer`; golden, the
hardware and the host ask it, and compare no names of kinds. Input bit ``pixel * planes + plane``
belongs to ``pixel``; pixels are numbered row by row.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from popflip.golden.support.integers import ceil_div

__all__ = ["DenseInput", "FirstLayer", "Windows"]


@dataclass(frozen=True, kw_only=True)
class FirstLayer(ABC):
    """What every kind of first layer answers.

    Parameters
    ----------
    image : (int, int)
        Height and width in pixels.
    planes : int
        Input bits per pixel.
    block : int
        Neurons at each position, which share its windows.

    Attributes
    ----------
    pool : (int, int)
        Windows that a neuron looks at, down and across.
    shared : bool
        Whether all positions use the same rows, one for each of ``block``.
    kind : str
        What parameters and reports call it.
    windowed : bool
        Whether windows stand on a grid, so that the hardware moves one across the image and stores
        samples as rows of it. Else it reads words of all input bits.
    can_fetch_serially, can_overlap, can_shift : bool
        Whether there is hardware that fetches a window's rows one per cycle
        (``machine.serial_windows``), drives the next sample beside the present one
        (``machine.overlap``), and moves images in standalone training (``learning.shift``).
    """

    image: tuple[int, int]
    planes: int
    block: int
    pool: tuple[int, int] = (1, 1)
    shared: bool = False

    kind: ClassVar[str]
    windowed: ClassVar[bool]
    can_fetch_serially: ClassVar[bool]
    can_overlap: ClassVar[bool]
    can_shift: ClassVar[bool]

    @property
    def n_in(self) -> int:
        """Input bits; or 8-bit pixels."""
        return self.image[0] * self.image[1] * self.planes

    @property
    @abstractmethod
    def kernel(self) -> tuple[int, int]:
        """Height and width of a window in pixels."""

    @property
    @abstractmethod
    def stride(self) -> tuple[int, int]:
        """Pixels from a window to the one below it, and to the one at its right."""

    @property
    @abstractmethod
    def grid(self) -> tuple[int, int]:
        """Rows and columns of positions."""

    @property
    @abstractmethod
    def load_rows(self) -> int:
        """Image rows of a position's windows, some of which may lie outside of the image."""

    @property
    @abstractmethod
    def step_rows(self) -> int:
        """Image rows that must be fetched for the next row of positions."""

    @abstractmethod
    def sample_shape(self, row_lanes: int) -> tuple[int, int]:
        """Return the words of a stored sample, and their bits.

        Parameters
        ----------
        row_lanes : int
            Bits of a neuron's row that the machine takes per cycle.
        """

    @property
    def positions(self) -> int:
        """Positions, row by row."""
        return self.grid[0] * self.grid[1]

    @property
    def neurons(self) -> int:
        """Neurons of layer 1."""
        return self.positions * self.block

    @property
    def fan_in(self) -> int:
        """Input bits that a neuron sees, and weights of a row."""
        return self.kernel[0] * self.kernel[1] * self.planes

    @property
    def rows(self) -> int:
        """Rows of weights: one per neuron, or one per feature if they are shared."""
        return self.block if self.shared else self.neurons

    @property
    def offsets(self) -> int:
        """Windows that a neuron looks at."""
        return self.pool[0] * self.pool[1]

    @property
    def own_offset(self) -> int:
        """Offset of a position's own window, which is not moved."""
        down, across = self.most_back
        return down * self.pool[1] + across

    @property
    def pooled(self) -> bool:
        """Whether a neuron looks at more than one window."""
        return self.offsets > 1

    @cached_property
    def moves_inside(self) -> tuple[list[range], list[range]]:
        """Offsets that leave a window inside the image.

        A window that is moved back inside is one that a smaller move leads to: the others are all
        that a neuron sees.

        Returns
        -------
        list of range
            Offsets down, of each row of positions.
        list of range
            Offsets across, of each column.
        """
        down, across = (
            [
                range(max(0, back - place), min(moves, side - size - place + back + 1))
                for place in np.arange(places) * step
            ]
            for side, size, step, places, moves, back in zip(
                self.image,
                self.kernel,
                self.stride,
                self.grid,
                self.pool,
                self.most_back,
                strict=True,
            )
        )
        return down, across

    @property
    def most_back(self) -> tuple[int, int]:
        """Pixels that a window is moved by up, and to the left, at most."""
        return (self.pool[0] - 1) // 2, (self.pool[1] - 1) // 2

    def position_of(self, neuron):
        """Position of ``neuron``, an int or an array of them."""
        return neuron // self.block

    def row_of(self, neuron):
        """Row of weights that ``neuron`` uses, an int or an array of them."""
        return neuron % self.block if self.shared else neuron

    def turns(self, neurons: np.ndarray) -> list[np.ndarray]:
        """Split ascending neurons into turns, in order, so that none uses a row twice."""
        if not self.shared:
            return [neurons]
        _, begins = np.unique(self.position_of(neurons), return_index=True)
        return np.split(neurons, begins[1:])

    @cached_property
    def corners(self) -> np.ndarray:
        """Rows and columns of the top left pixels of all windows.

        Returns
        -------
        ndarray of int64, shape (offsets, positions, 2), read-only
        """
        places = np.stack(np.divmod(np.arange(self.positions), self.grid[1]), -1) * self.stride
        moves = np.stack(np.divmod(np.arange(self.offsets), self.pool[1]), -1)
        moves -= (np.array(self.pool) - 1) // 2
        last = np.array(self.image) - self.kernel
        return _fixed(np.clip(places + moves[:, None], 0, last))

    @cached_property
    def pooled_windows(self) -> np.ndarray:
        """Input bits that each position sees at each offset, ascending.

        Returns
        -------
        ndarray of int64, shape (offsets, positions, fan_in), read-only
            In the order of a row's weights.
        """
        # Pixels of a window are pixels of the image, its planes their neighbours.
        height, width = self.kernel
        columns, planes = np.arange(width)[:, None], np.arange(self.planes)
        pixels = np.arange(height)[:, None, None] * self.image[1] + columns
        inside = (pixels * self.planes + planes).reshape(-1)
        firsts = (self.corners @ [self.image[1], 1]) * self.planes
        return _fixed(firsts[..., None] + inside)

    @cached_property
    def windows(self) -> np.ndarray:
        """Input bits of each position's own window: (positions, fan_in)."""
        return self.pooled_windows[self.own_offset]

    def input_bits(self, neuron, offset=None) -> np.ndarray:
        """Input bits that a neuron sees in one of its windows: its own if no offset is given.

        Parameters
        ----------
        neuron : int or ndarray of int
        offset : int or ndarray of int, optional
            They broadcast.

        Returns
        -------
        ndarray of int64, shape (..., fan_in)
        """
        offset = self.own_offset if offset is None else offset
        return self.pooled_windows[offset, self.position_of(neuron)]


def _fixed(array: np.ndarray) -> np.ndarray:
    """Return an array that nobody writes to."""
    array.flags.writeable = False
    return array


@dataclass(frozen=True, kw_only=True)
class DenseInput(FirstLayer):
    """Every neuron sees every input bit."""

    kind = "dense"
    windowed = False
    can_fetch_serially = False
    can_overlap = False
    can_shift = False

    @property
    def kernel(self) -> tuple[int, int]:
        return self.image

    @property
    def stride(self) -> tuple[int, int]:
        """The image's: there is but one window."""
        return self.image

    @property
    def grid(self) -> tuple[int, int]:
        return 1, 1

    @property
    def load_rows(self) -> int:
        """None: the stored words are what the machine takes."""
        return 0

    @property
    def step_rows(self) -> int:
        """None."""
        return 0

    def sample_shape(self, row_lanes: int) -> tuple[int, int]:
        """Return the words of a row, one per cycle, and their bits."""
        return ceil_div(self.n_in, row_lanes), row_lanes


@dataclass(frozen=True, kw_only=True)
class Windows(FirstLayer):
    """Neurons see windows that stand on a grid.

    Parameters
    ----------
    size : (int, int)
        Height and width of a window in pixels, at most those of the image.
    step : (int, int)
        Pixels from a window to the one below it, and to the one at its right.
    """

    kind = "local"
    windowed = True
    can_fetch_serially = True
    can_overlap = True
    can_shift = True

    size: tuple[int, int]
    step: tuple[int, int]

    @property
    def kernel(self) -> tuple[int, int]:
        return self.size

    @property
    def stride(self) -> tuple[int, int]:
        return self.step

    @property
    def grid(self) -> tuple[int, int]:
        (height, width), (high, wide), (down, right) = self.image, self.size, self.step
        return (height - high) // down + 1, (width - wide) // right + 1

    @property
    def load_rows(self) -> int:
        """As many as a window is high, and one more for each that it may be moved by."""
        return self.size[0] + self.pool[0] - 1

    @property
    def step_rows(self) -> int:
        """As many as the grid's step down."""
        return self.step[0]

    def sample_shape(self, row_lanes: int) -> tuple[int, int]:
        """Return the rows of the image, and the bits of one."""
        height, width = self.image
        return height, width * self.planes
