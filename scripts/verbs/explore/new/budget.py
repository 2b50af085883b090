"""What a network may take: a board, or a number of memory bits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from popflip.boards.board import Board
from popflip.boards.build.estimate import Estimate, estimate
from popflip.boards.build.inventory import inventory
from popflip.golden.description.params import Params

__all__ = ["Budget", "Fitted"]

#: Share of a board's memory that weights and latents are given at first; words leave gaps.
_SHARE = 0.95

#: Sizes that are tried with the same lanes: smaller ones until one fits, then between.
_TRIES = 7

#: Widest row that one update engine takes whole.
_WHOLE_ROW = 256

#: Lanes, from those that cost few cycles to those that cost little logic.
_LANES = (
    {"row": 128, "later": 40, "output": 10, "latent": 8, "slots": 8},
    {"row": 64, "later": 16, "output": 4, "latent": 4, "slots": 4},
    {"row": 32, "later": 8, "output": 1, "latent": 2, "slots": 2},
)


@dataclass(frozen=True)
class Fitted:
    """A network that is within the budget.

    Attributes
    ----------
    size : int
        Neurons at a position.
    machine : dict
        Section ``machine``.
    estimate : Estimate, optional
        What it takes of the board.
    """

    size: int
    machine: dict
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Budget:
    """What a network may take; one of the two is None.

    Parameters
    ----------
    board : Board, optional
    memory : int, optional
        Bits of weights and latents.
    """

    board: Board | None = None
    memory: int | None = None
    _lanes: dict[bool, int] = field(default_factory=dict, compare=False)

    def __str__(self):
        return self.board.title if self.board else f"{self.memory:,} bits of memory"

    @property
    def bits(self) -> int:
        """Bits of weights and latents that there may be."""
        if self.board is None:
            assert self.memory is not None
            return self.memory
        device = self.board.device
        single = device.family.single_port
        words, bits = single if device.spram and single else (0, 0)
        return int(_SHARE * (device.block_bits + device.spram * words * bits))

    @property
    def mhz(self) -> float:
        """Clock that rates are given for."""
        return self.board.core_mhz if self.board else 50.0

    def fit(self, make: Callable[[int, dict], Params | None], most: int) -> Fitted | None:
        """Return the largest network of a kind that is within the budget, about.

        Parameters
        ----------
        make : callable
            Makes a network of a size and of a section ``machine``; None if there is none.
        most : int
            Greatest size.
        """
        size = self._by_memory(lambda size: make(size, {}), most)
        if size is None:
            return None
        if self.board is None:
            return Fitted(size, {})
        plain = make(size, {})
        pooled = plain is not None and plain.first_layer.pooled
        # What a network before needed, one of its kind will need too.
        for number in range(self._lanes.get(pooled, 0), len(_LANES)):
            # The least one first: what lacks logic for that need not be tried at other sizes.
            least, _ = self._at(make, 1, _LANES[number])
            found = least and self._on_board(make, size, _LANES[number])
            if found is not None:
                self._lanes[pooled] = number
                return found
        return None

    def holds(self, params: Params, fitted: Fitted) -> Fitted | None:
        """Return what a network takes, once its gains are known; None if that is too much.

        Parameters
        ----------
        params : Params
        fitted : Fitted
            What was found before they were.
        """
        if self.board is None:
            return fitted
        found = estimate(self.board.device, inventory(self.board.params(params)))
        return replace(fitted, estimate=found) if found.fits else None

    def _by_memory(self, make: Callable[[int], Params | None], most: int) -> int | None:
        """The greatest size whose weights and latents there is room for."""
        within = 0
        low, high = 1, most
        while low <= high:
            middle = (low + high + 1) // 2
            params = make(middle)
            if params is not None and params.memory_bits <= self.bits:
                within, low = middle, middle + 1
            else:
                high = middle - 1
        return within or None

    def _on_board(self, make, size: int, lanes: dict) -> Fitted | None:
        """The greatest size up to one that fits the board, about; None if some lanes never do."""
        best, above = None, None
        for _ in range(_TRIES):
            found, memory = self._at(make, size, lanes)
            if found is not None:
                best = found
                if above is None:
                    return best
            elif best is None and (memory <= 1 or size == 1):
                return None  # it lacks logic: other lanes
            else:
                above = size
            if best is None:
                size = max(1, int(size * min(0.9, 0.95 / memory)))
            elif above - best.size <= max(1, best.size // 16):
                return best
            else:
                size = (best.size + above) // 2
        return best

    def _at(self, make, size: int, lanes: dict) -> tuple[Fitted | None, float]:
        """A network of a size that fits, else the least share of the board's memory it takes.

        That share is 0 if there is no such hardware.
        """
        assert self.board is not None
        plain = make(size, {})
        taken = []
        for machine in self._machines(plain, lanes) if plain is not None else ():
            params = make(size, machine)
            if params is None:
                continue
            try:
                found = estimate(self.board.device, inventory(self.board.params(params)))
            except ValueError:  # there is no such hardware
                continue
            if found.fits:
                return Fitted(size, machine, found), 0.0
            taken.append(max(found.shares.get("block", 0.0), found.shares.get("spram", 0.0)))
        return None, min(taken, default=0.0)

    def _machines(self, params: Params, lanes: dict) -> Iterator[dict]:
        """Sections ``machine`` with some lanes, for a network's rows."""
        assert self.board is not None
        first, widest = params.first_layer, params.network.widest_later
        if self.board.device.spram and params.fan_in <= _WHOLE_ROW and widest <= params.fan_in:
            latents = lanes["latent"] // 2
            yield {
                "row_lanes": params.fan_in,
                "serial_windows": first.can_fetch_serially,
                "relax_lanes": widest,
                "output_lanes": 1,
                "latent_lanes": [latents] * params.depth,
                "weight_slice": 2 * latents,
                "shared_update": True,
                "sample_slots": 2,
            }
        row, later = (
            -(-bits // -(-bits // lanes[name]))
            for name, bits in (("row", params.fan_in), ("later", widest))
        )
        yield {
            "row_lanes": row,
            "relax_lanes": later,
            "output_lanes": min(lanes["output"], params.network.n_out),
            "latent_lanes": [
                min(lanes["latent"], row),
                *[min(lanes["latent"], later)] * (params.depth - 1),
            ],
            "sample_slots": lanes["slots"],
        }
