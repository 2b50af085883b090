"""What a design is made of, counted in the RTLIL that Amaranth writes: a second or two, no tools.

Memories and flip-flops are exact; operators are counted in bits, for a model of what logic they
take.
"""

import gc
import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase

from amaranth.back import rtlil
from amaranth.hdl import Value

from popflip.boards.build.memory_rules import SINGLE_PORT, UNSHARED, UNSHARED_LEAKY
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTITY_BYTES
from popflip.rtl.interface import check_hardware
from popflip.rtl.top import Top

__all__ = ["Inventory", "MemoryBlock", "inventory", "read_inventory"]

_ARITHMETIC = ("add", "sub", "neg")
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_LOGIC = ("and", "or", "xor", "not", "reduce_or", "reduce_and", "reduce_xor", "reduce_bool")
_SHIFTS = ("shr", "sshr", "shl", "shift", "shiftx")

#: Of any machine: names that are not there match nothing.
_UNSHARED = (*UNSHARED, *UNSHARED_LEAKY)


@dataclass(frozen=True, kw_only=True)
class MemoryBlock:
    """A memory of a design.

    Parameters
    ----------
    name : str
        With the modules that it lies in, joined by dots.
    depth, width : int
        Words, and bits per word.
    shared : bool
        Whether it may read and write one address in the same cycle, which takes logic beside it.
    single_port : bool
        Whether single-port RAM can hold it.
    shallow : bool
        Whether it is better in tables than in a block RAM.
    """

    name: str
    depth: int
    width: int
    shared: bool
    single_port: bool = False
    shallow: bool = False

    @property
    def bits(self) -> int:
        """Bits in all."""
        return self.depth * self.width


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """Counts of a design.

    Parameters
    ----------
    memories : tuple of MemoryBlock
    ffs : int
        Bits of registers.
    arithmetic, compared, logic, shifted, multiplexed : int
        Bits of sums, of compared operands, of bitwise operators, of shifts by a variable, and of
        assignments under a condition.
    """

    memories: tuple[MemoryBlock, ...]
    ffs: int
    arithmetic: int
    compared: int
    logic: int
    shifted: int
    multiplexed: int


def inventory(params: Params) -> Inventory:
    """Count what the machine of some parameters is made of.

    Raises
    ------
    ValueError
        From :func:`popflip.rtl.interface.check_hardware`.
    """
    check_hardware(params)
    # The counts do not depend on the identity, which would take another elaboration.
    top = Top(params, bytes(IDENTITY_BYTES))
    ports = {
        "__".join(map(str, path)): (Value.cast(value), None)
        for path, _, value in top.signature.flatten(top)
    }
    enabled = gc.isenabled()
    gc.disable()  # It would take half of the time.
    try:
        text = rtlil.convert(top, name="machine", ports=ports, emit_src=False)
    finally:
        if enabled:
            gc.enable()
    return read_inventory(text)


def read_inventory(text: str) -> Inventory:
    """Count what RTLIL describes.

    Parameters
    ----------
    text : str
        As Amaranth writes it: one module for each component, used once.
    """
    memories = []
    bits: Counter[str] = Counter()
    widths: dict[str, str] = {}
    module, cell, depth = "", "", 0
    before: list[str] = []  # words of the line above
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "module":
            module = words[1].removeprefix("\\")
        elif words[0] == "memory":
            entry = dict(zip(words[1:-1:2], words[2:-1:2], strict=True))
            _, _, place = module.partition(".")
            memories.append(
                MemoryBlock(
                    name=f"{place}.{words[-1][1:]}".removeprefix("."),
                    depth=int(entry["size"]),
                    width=int(entry["width"]),
                    shared=not any(fnmatchcase(place, pattern) for pattern in _UNSHARED),
                    single_port=fnmatchcase(place, SINGLE_PORT),
                    shallow=before == ["attribute", "\\shallow", "1"],
                )
            )
        elif words[0] == "cell":
            cell, widths = words[1], {}
        elif words[0] == "parameter" and cell:
            widths[words[-2].removeprefix("\\")] = words[-1]
        elif words[0] == "switch":
            depth += 1
        elif words[0] == "end":
            if cell:
                _count(bits, cell.removeprefix("$"), widths)
                cell = ""
            elif depth:
                depth -= 1
        elif words[0] == "assign" and depth:
            bits["multiplexed"] += _width(words[-2:])
        before = words
    return Inventory(
        memories=tuple(memories),
        ffs=bits["ffs"],
        arithmetic=bits["arithmetic"],
        compared=bits["compared"],
        logic=bits["logic"],
        shifted=bits["shifted"],
        multiplexed=bits["multiplexed"],
    )


def _number(text: str) -> int:
    size, _, digits = text.partition("'")
    return int(digits, 2) if digits else int(size)


def _width(value: list[str]) -> int:
    """Bits of what is assigned: a constant, or a slice of a signal."""
    last = value[-1]
    if "'" in last:
        return int(last.partition("'")[0])
    found = re.fullmatch(r"\[(\d+)(?::(\d+))?\]", last)
    return int(found[1]) - int(found[2] or found[1]) + 1 if found else 1


def _count(bits: Counter, kind: str, widths: dict[str, str]) -> None:
    def width(name):
        return _number(widths.get(name, "1"))

    if kind == "dff":
        bits["ffs"] += width("WIDTH")
    elif kind == "mux":
        bits["multiplexed"] += width("WIDTH")
    elif kind in _ARITHMETIC:
        bits["arithmetic"] += width("Y_WIDTH")
    elif kind in _COMPARISONS:
        bits["compared"] += max(width("A_WIDTH"), width("B_WIDTH"))
    elif kind in _LOGIC:
        bits["logic"] += width("A_WIDTH")
    elif kind in _SHIFTS:
        bits["shifted"] += width("A_WIDTH")
