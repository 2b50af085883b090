"""Whether a network fits a board, before any synthesis."""

from dataclasses import dataclass

from popflip.boards.board import Device
from popflip.boards.inventory import Inventory

__all__ = ["Estimate", "Weights", "estimate", "largest", "resized"]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tables per bit of what an inventory counts, from least squares over routed designs.

    Parameters
    ----------
    base, arithmetic, compared, logic, shifted, multiplexed, ffs : float
        The last: of iCE40, whose logic cell is a table with a flip-flop, cells that hold a
        flip-flop alone.
    spread : int
        Words of the deepest memory that is made of tables (where they can hold data), if its
        words are narrow.
    """

    base: float
    arithmetic: float
    compared: float
    logic: float
    shifted: float
    multiplexed: float
    ffs: float = 0.0


#: By flow. Artix-7 has not been measured: its tables have six inputs, so that those of ECP5, with
#: four, are an upper bound.
WEIGHTS: dict[str, Weights] = {}

#: Logic beside each bit of a memory that may read and write one address at once.
_SHARED_LUTS, _SHARED_FFS = 2.0, 2.2


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a design takes of a device.

    Parameters
    ----------
    memory_bits : int
    used, available : dict of str to int
        By ``lut``, ``ff``, ``block`` and ``spram``; those that the device has.
    """

    memory_bits: int
    used: dict[str, int]
    available: dict[str, int]

    @property
    def shares(self) -> dict[str, float]:
        """Parts of what is available, 1 for all of it."""
        return {kind: self.used[kind] / n for kind, n in self.available.items()}

    @property
    def limiting(self) -> str:
        """The resource of which the greatest part is taken."""
        return max(self.shares, key=lambda kind: self.shares[kind])

    @property
    def fits(self) -> bool:
        """Whether there is enough of everything."""
        return max(self.shares.values()) <= 1


def estimate(device: Device, found: Inventory) -> Estimate:
    """Estimate what a design takes of a device.

    Parameters
    ----------
    device : Device
    found : Inventory
        Of the design.
    """
    w = WEIGHTS[device.flow]
    blocks = [memory for memory in found.memories if not _of_tables(device, memory)]
    tables = [memory for memory in found.memories if _of_tables(device, memory)]
    shared = sum(memory.width for memory in blocks if memory.shared)
    luts = (
        w.base
        + w.arithmetic * found.arithmetic
        + w.compared * found.compared
        + w.logic * found.logic
        + w.shifted * found.shifted
        + w.multiplexed * found.multiplexed
        + w.ffs * found.ffs
        + _SHARED_LUTS * shared
        + sum(_table_luts(memory) for memory in tables)
    )
    used = {
        "lut": round(luts),
        "ff": round(found.ffs + _SHARED_FFS * shared),
        "block": sum(device.blocks_for(memory.depth, memory.width) for memory in blocks),
        "spram": found.primitives.get("SB_SPRAM256KA", 0),
    }
    available = {
        "lut": device.luts,
        "ff": device.ffs,
        "block": device.blocks,
        "spram": device.spram,
    }
    if used["spram"] > 0 and not device.spram:
        raise ValueError(
            f"the network's machine wants single-port memories, {device.part} has none"
        )
    available = {kind: n for kind, n in available.items() if n}
    bits = sum(memory.bits for memory in found.memories) + used["spram"] * 16384 * 16
    return Estimate(
        memory_bits=bits, used={kind: used[kind] for kind in available}, available=available
    )
