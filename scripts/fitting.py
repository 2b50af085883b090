"""Whether a network fits a board, how fast it would be, and the largest of its family that does."""

from popflip.boards.board import Board
from popflip.boards.build.estimate import Estimate, estimate, largest
from popflip.boards.build.inventory import inventory
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.scripts.budget import flash_budget, mean_record
from popflip.scripts.building import KINDS
from popflip.scripts.console import Display
from popflip.scripts.rates import counted_cycles

__all__ = ["fit_board"]


def fit_board(
    board: Board,
    params: Params,
    dataset: Dataset | None,
    *,
    core_mhz: float | None = None,
    search: bool = True,
) -> dict:
    """Estimate what a network takes of a board; nothing is synthesized.

    Parameters
    ----------
    board : Board
    params : Params
    dataset : Dataset, optional
        On whose images cycles are counted, after some training; they are left out without it.
    core_mhz : float, optional
        The machine's clock; the board's own if left out.
    search : bool
        Whether to look for the largest network of the family.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    net = board.params(params, core_mhz)
    found = inventory(net)
    guess = estimate(board.device, found)
    best = None
    with Display() as display:
        if search:
            tried = [0]

            def progress(size, fits):
                tried[0] += 1
                display.show("networks tried", tried[0], tried[0] + 1, f"{size}: {_word(fits)}")

            best = largest(board, net, progress)
        cycles = None
        if dataset is not None and params.machine.training:
            display.show("cycles", 0, 1, "the fast engine trains for a while")
            cycles = counted_cycles(params, dataset)
            display.show("cycles", 1, 1)
    return {
        "verb": "fit",
        "board": board.name,
        "title": board.title,
        "device": board.device.part,
        **_facts(params, guess),
        "limiting": guess.limiting,
        "lacking": ", ".join(KINDS[kind] for kind, share in guess.shares.items() if share > 1),
        "memories": [
            {
                "memory": memory.name,
                "words": memory.depth,
                "bits": memory.width,
                "blocks": board.device.blocks_for(memory.depth, memory.width),
            }
            for memory in found.memories
        ],
        "core_mhz": core_mhz,
        "cycles": cycles,
        "samples_per_s": round(core_mhz * 1e6 / cycles["train"], 1) if cycles else None,
        "inferences_per_s": round(core_mhz * 1e6 / cycles["infer"], 1) if cycles else None,
        "standalone": flash_budget(
            board,
            params,
            core_mhz,
            cycles["train"] if cycles else None,
            mean_record(params, dataset) if dataset is not None else None,
        ),
        "largest": _facts(best[0], best[1]) | {"size": _size(best[0])} if best else None,
    }


def _word(fits: bool) -> str:
    return "fits" if fits else "does not"


def _size(params: Params) -> int:
    net = params.network
    return net.features if net.first == "local" else net.hidden[0]


def _facts(params: Params, guess: Estimate) -> dict:
    return {
        "preset": params.name,
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "memory_bits": guess.memory_bits,
        "used": guess.used,
        "available": guess.available,
        "fits": guess.fits,
    }
