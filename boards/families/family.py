"""What a family of FPGAs is: everything that the rest of ``boards`` asks about one."""

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from amaranth.hdl import Module, Signal

from popflip.golden.support.errors import InputError
from popflip.golden.support.integers import ceil_div

if TYPE_CHECKING:
    from popflip.boards.board import Board

__all__ = [
    "BLOCK_18K", "YOSYS", "Device", "Family", "Pll", "Program", "Shape", "Weights", "closest_pll",
]  # fmt: skip

#: A block RAM as a memory of so many words of so many bits.
Shape = tuple[int, int]

#: What a block RAM of 18 kbit can be, with one read and one write port, in most families.
BLOCK_18K: tuple[Shape, ...] = (
    (512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1),
)  # fmt: skip

#: How far a PLL's output may be from what was asked for, in percent.
PLL_TOLERANCE = 0.5


@dataclass(frozen=True)
class Program:
    """An external program that takes a design one step further.

    Parameters
    ----------
    name : str
        As it is natively called.
    package : str
        The PyPI package that brings it; ``yowasp-`` and its name if left out.
    portable : bool
        Whether that package is Python, and so the program is the same wherever it comes from.
    """

    name: str
    package: str = ""
    portable: bool = False

    def __post_init__(self):
        if not self.package:
            object.__setattr__(self, "package", f"yowasp-{self.name}")


#: Synthesis, the same for every family.
YOSYS = Program("yosys")


@dataclass(frozen=True)
class Pll:
    """Settings of a PLL.

    Parameters
    ----------
    mhz : float
        The clock that they make.
    values : mapping of str to int
        Parameters of the primitive, by name.
    """

    mhz: float
    values: Mapping[str, int]

    @property
    def parameters(self) -> dict[str, int]:
        """:attr:`values` as arguments of Amaranth's ``Instance``."""
        return {f"p_{name}": value for name, value in self.values.items()}


def closest_pll(candidates: Iterable[Pll], clock_mhz: float, core_mhz: float, what: str) -> Pll:
    """Return the settings whose clock is nearest to the wanted one, the first of equal ones.

    Parameters
    ----------
    candidates : iterable of Pll
    clock_mhz, core_mhz : float
        The PLL's input, and the wanted output.
    what : str
        The family, for the message.

    Raises
    ------
    InputError
        If the nearest is more than :data:`PLL_TOLERANCE` percent off.
    """
    best = min(candidates, key=lambda pll: abs(pll.mhz - core_mhz), default=None)
    if best is None or abs(best.mhz / core_mhz - 1) * 100 > PLL_TOLERANCE:
        near = "" if best is None else f", {best.mhz:.4g} MHz is the nearest"
        raise InputError(
            f"core_mhz must be what the PLL of {what} can make of {clock_mhz:g} MHz, "
            f"not {core_mhz:g}{near}"
        )
    return best


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Look-up tables per bit of what an inventory counts, fitted to routed designs.

    Parameters
    ----------
    base, arithmetic, compared, logic, shifted, multiplexed : float
        See :class:`popflip.boards.build.inventory.Inventory`; ``base`` is what any design takes.
    ffs : float
        Logic cells that hold nothing but a flip-flop, where a cell is a table with a flip-flop.
    """

    base: float
    arithmetic: float
    compared: float
    logic: float
    shifted: float
    multiplexed: float
    ffs: float = 0.0

    def scaled(self, factor: float) -> "Weights":
        """Return weights for tables that do less or more than these."""
        return Weights(**{name: value * factor for name, value in asdict(self).items()})


class Family(ABC):
    """A family of FPGAs: its tools, clocks, memories, and what to beware of.

    A family is one file of this package, which defines a subclass, one object of it, and the
    devices. A subclass sets the attributes below that differ from the defaults, and overrides the
    methods. If no open tools make bitstreams (:attr:`programs` is empty), the family needs its
    names, :attr:`shapes`, :attr:`weights` and its PLL only, and ``popflip build`` writes a
    project for the maker's tools.

    Attributes
    ----------
    name : str
        In tables and logs, a single word.
    title : str
        In messages, as its maker writes it.
    programs : tuple of Program
        Behind yosys: the placer (nextpnr), and the packer that writes the bitstream.
    synth : str
        Yosys's pass for the family, without options.
    mapping : str
        Of yosys's scripts for ABC9, the one that maps to look-up tables; yosys's own choice if
        empty.
    techmap : str
        Verilog that replaces cells before yosys maps to the device's last ones; none if empty.
    pass_writes_netlist : bool
        Whether :attr:`synth` itself writes the netlist (``-json``), instead of ``write_json``.
    constraints : str
        Suffix of the file of pins that Amaranth's platform writes.
    place_options : tuple of str
        The placer's options for its files, and what else every device of the family needs.
    suffix : str
        Of the bitstream.
    cells : mapping of str to tuple of str
        Kinds of cells in nextpnr's report, by what they are to us: ``lut``, ``ff``, ``block``,
        ``spram``, ``dsp``. Several share the sites of the first.
    memories : tuple of str
        Yosys's cells that are block RAMs.
    cell_models : str
        Yosys commands that read simulation models of the cells, without those that
        ``cocotb_tests`` brings (``cocotb_tests/NAME_cells.v``); empty if netlists of the family
        are not simulated.
    shapes : tuple of (int, int)
        Words and bits per word of a block RAM with one read and one write port.
    single_port : (int, int) or None
        Words and bits per word of a single-port RAM, where devices have some.
    distributed : int
        A memory is made of look-up tables if it takes up to so many pieces of 16 words of 4 bits
        for each block RAM that it would take; 0 if tables hold no data.
    shallow_in_tables : bool
        Whether memories that the design marks as shallow go into tables.
    block_cost : int
        A memory of fewer bits becomes tables or flip-flops: to yosys a block RAM is worth so many.
    weights : Weights
        Of the estimate of look-up tables.
    plls : tuple of str
        The kinds of PLL that a recipe may choose from, the usual one first; empty if there is no
        choice.
    pin_registers : bool
        Whether the tools put flip-flops, also of double data rate, into pins. If not, a flash is
        clocked at half of the machine's clock at most.
    data_options : tuple of str
        What openFPGALoader must be told besides to write data behind a bitstream.
    """

    name: str
    title: str
    programs: tuple[Program, ...] = ()
    synth: str = ""
    mapping: str = ""
    techmap: str = ""
    pass_writes_netlist: bool = False
    constraints: str = ""
    place_options: tuple[str, ...] = ()
    suffix: str = ""
    cells: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    memories: tuple[str, ...] = ()
    cell_models: str = ""
    shapes: tuple[Shape, ...]
    single_port: Shape | None = None
    distributed: int = 0
    shallow_in_tables: bool = False
    block_cost: int = 0
    weights: Weights
    plls: tuple[str, ...] = ()
    pin_registers: bool = True
    data_options: tuple[str, ...] = ()

    def __repr__(self):
        return self.name

    @property
    def makes_bitstreams(self) -> bool:
        """Whether there are open tools for it, from synthesis to the bitstream."""
        return bool(self.programs)

    @property
    def tools(self) -> tuple[Program, ...]:
        """Programs in the order of their use."""
        return (YOSYS, *self.programs) if self.programs else ()

    def place(self, board: "Board", seed: int, core_mhz: float) -> list[str]:
        """Return the placer's arguments: ``top.json`` to ``top.routed``, with ``report.json``."""
        return [
            *board.device.options,
            *board.placer,
            *("--json", "top.json", "--report", "report.json", "--log", "place.log", "--quiet"),
            *("--seed", str(seed), "--freq", f"{core_mhz:g}", "--timing-allow-fail"),
            *self.place_options,
        ]

    def pack(self, board: "Board") -> list[str]:
        """Return the packer's arguments: ``top.routed`` to ``top`` with :attr:`suffix`."""
        raise NotImplementedError(f"{self.name} names no packer")

    def fix_constraints(self, text: str) -> str:
        """Correct the file of pins, where the placer reads it otherwise than Amaranth writes it."""
        return text

    def pll(self, clock_mhz: float, core_mhz: float) -> Pll:
        """Return the PLL's settings that come nearest to a clock.

        Raises
        ------
        InputError
            If none is near, or the family has no PLL here.
        """
        raise InputError(
            f"core_mhz must be the {clock_mhz:g} MHz of the board's clock for {self.title}, whose "
            f"PLL is not supported, not {core_mhz:g}"
        )

    def clock(
        self, m: Module, board: "Board", pin, core_mhz: float, clk: Signal, locked: Signal
    ) -> None:
        """Add the PLL to a module.

        Parameters
        ----------
        m : Module
        board : Board
            Whose ``pll`` is one of :attr:`plls`, or empty.
        pin : object
            The port of the board's clock, without a buffer.
        core_mhz : float
            The clock that is wanted.
        clk, locked : Signal
            What the PLL drives: its output, and whether it is steady.
        """
        self.pll(board.clock_mhz, core_mhz)
        raise NotImplementedError(f"{self.name} sets a PLL that it does not add")

    def flash_clock(self, m: Module, level) -> None:
        """Drive the flash's clock where it is no pin of the design's, but the configuration's own.

        Parameters
        ----------
        m : Module
        level : value
        """
        raise InputError(
            f"the platform's flash must name its pin clk: a design in {self.title} does not reach "
            "the configuration's clock"
        )


@dataclass(frozen=True, kw_only=True)
class Device:
    """An FPGA: what it holds, and how the tools call it. Figures as the tools count them.

    Parameters
    ----------
    part : str
        As on its package.
    family : Family
    options : tuple of str
        What the placer is told of the device; empty for projects.
    luts, ffs : int
        Look-up tables (of 4 inputs, of Artix-7: 6) and flip-flops.
    blocks : int
        Block RAMs.
    spram : int
        Single-port RAMs (:attr:`Family.single_port`).
    dsps : int
        Multipliers.
    """

    part: str
    family: Family
    options: tuple[str, ...] = ()
    luts: int
    ffs: int
    blocks: int
    spram: int = 0
    dsps: int = 0

    @property
    def block_bits(self) -> int:
        """Bits of all block RAMs, in their widest shape."""
        return self.blocks * max(depth * width for depth, width in self.family.shapes)

    def pieces_for(self, depth: int, width: int) -> int:
        """Pieces of 16 words of 4 bits that a memory is made of, if it is made of tables."""
        return ceil_div(depth, 16) * ceil_div(width, 4)

    def is_small(self, depth: int, width: int) -> bool:
        """Whether a memory is made of tables rather than of block RAMs."""
        blocks = max(1, self.blocks_for(depth, width))
        return self.pieces_for(depth, width) <= blocks * self.family.distributed

    def blocks_for(self, depth: int, width: int) -> int:
        """Block RAMs of a memory: columns of one shape, and what is left of a word in another."""
        if width < 1:
            return 0
        return min(
            ceil_div(depth, d) * max(1, width // w)
            + self.blocks_for(depth, width % w if width > w else 0)
            for d, w in self.family.shapes
        )

    def single_ports_for(self, depth: int, width: int) -> int:
        """Single-port RAMs of a memory."""
        assert self.family.single_port, f"{self.family.name} has no single-port RAM"
        words, bits = self.family.single_port
        return ceil_div(depth, words) * ceil_div(width, bits)
