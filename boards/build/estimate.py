"""Whether a network fits a board, before any synthesis."""

from collections.abc import Callable
from dataclasses import dataclass

from popflip.boards.board import Board
from popflip.boards.build.inventory import Inventory, MemoryBlock, inventory
from popflip.boards.families.family import Device
from popflip.golden.description.params import Params

__all__ = ["Estimate", "estimate", "in_tables", "largest", "resized"]


#: Logic beside each bit of a memory that may read and write one address at once.
_SHARED_LUTS, _SHARED_FFS = 2.0, 2.2

#: Tables of 16 words of 4 bits, with the multiplexer behind them.
_PIECE_LUTS = 6


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


def in_tables(device: Device, memory: MemoryBlock) -> bool:
    """Whether a memory is made of look-up tables or flip-flops rather than of block RAMs."""
    family = device.family
    shallow = memory.shallow and family.shallow_in_tables
    few = memory.bits < family.block_cost
    return shallow or few or device.is_small(memory.depth, memory.width)


def estimate(device: Device, found: Inventory) -> Estimate:
    """Estimate what a design takes of a device.

    Parameters
    ----------
    device : Device
    found : Inventory
        Of the design.
    """
    w = device.family.weights
    single = [m for m in found.memories if m.single_port and device.spram]
    others = [m for m in found.memories if m not in single]
    small = [m for m in others if in_tables(device, m)]
    blocks = [m for m in others if m not in small]
    shared = sum(m.width for m in blocks if m.shared)
    luts = (
        w.base
        + w.arithmetic * found.arithmetic
        + w.compared * found.compared
        + w.logic * found.logic
        + w.shifted * found.shifted
        + w.multiplexed * found.multiplexed
        + w.ffs * found.ffs
        + _SHARED_LUTS * shared
        + sum(_PIECE_LUTS * device.pieces_for(m.depth, m.width) for m in small)
    )
    used = {
        "lut": round(luts),
        "ff": round(found.ffs + _SHARED_FFS * shared),
        "block": sum(device.blocks_for(m.depth, m.width) for m in blocks),
        "spram": sum(device.single_ports_for(m.depth, m.width) for m in single),
    }
    available = {
        "lut": device.luts,
        "ff": device.ffs,
        "block": device.blocks,
        "spram": device.spram,
    }
    available = {kind: n for kind, n in available.items() if n}
    return Estimate(
        memory_bits=sum(m.bits for m in found.memories),
        used={kind: used[kind] for kind in available},
        available=available,
    )


def resized(params: Params, size: int) -> Params:
    """Return the same network with another number of first-layer neurons.

    Parameters
    ----------
    params : Params
    size : int
        Neurons at each position (``params.first_layer.block``): of a dense layer, all of them.

    Returns
    -------
    Params
        With lanes as they are, as far as there are so many neurons.
    """
    lanes = {"neuron_lanes": min(params.machine.neuron_lanes, size)}
    if params.first_layer.windowed:
        return params.replace(network={"features": size}, machine=lanes)
    hidden = [size, *params.network.hidden[1:]]
    return params.replace(network={"hidden": hidden}, machine=lanes)


def largest(
    board: Board, params: Params, progress: Callable[[int, bool], None] = lambda size, fits: None
) -> tuple[Params, Estimate] | None:
    """Find the largest network of its kind that fits a board.

    Parameters
    ----------
    board : Board
    params : Params
        One of them; the others are :func:`resized`.
    progress : callable, optional
        Is told of each network that was tried: its size, and whether it fits.

    Returns
    -------
    (Params, Estimate) or None
        None if not even a single neuron fits.
    """

    def tried(size):
        net = board.params(resized(params, size))
        try:
            found = estimate(board.device, inventory(net))
        except ValueError:  # beyond what the hardware can address
            progress(size, False)
            return net, None
        progress(size, found.fits)
        return net, found if found.fits else None

    net, found = tried(1)
    if found is None:
        return None
    best, size, above = (net, found), 1, None
    while above is None or above - size > 1:
        middle = 2 * size if above is None else (size + above) // 2
        net, found = tried(middle)
        if found is None:
            above = middle
        else:
            best, size = (net, found), middle
    return best
