"""Upsets: what bits that turn over during training cost, and that the core ends all the same."""

import statistics
import time
from pathlib import Path

import numpy as np

from popflip.boards.host.machine import BoardMachine, virtual_board
from popflip.golden.cycles.stages import most_cycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.engine.threads import check_threads
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import CHUNK
from popflip.golden.training.trainer import Trainer
from popflip.golden.training.upsets import upset
from popflip.scripts.console import Display
from popflip.scripts.plots.style import save_figure
from popflip.scripts.plots.upsets import upset_errors

__all__ = ["RATES", "run_upsets"]

#: Upsets per bit and epoch.
RATES = (0.0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)


def run_upsets(
    params: Params,
    dataset: Dataset,
    source: str,
    picture: Path,
    *,
    rates: tuple[float, ...],
    seeds: int,
    samples: int | None,
    epochs: int,
    board_samples: int,
    threads: int | None = None,
) -> dict:
    """Train with upsets at several rates, draw the errors, and have a board learn with upsets.

    Software trains, the fast engine; after each 256 samples so many bits of weights and latents
    turn over as the rate makes likely. The virtual board learns sample by sample, and a bit turns
    over behind each of them: no sample may take more cycles than :func:`most_cycles` says.

    Parameters
    ----------
    params : Params
    dataset : Dataset
    source : str
        The data set's name or folder.
    picture : Path
        PNG.
    rates : tuple of float
        Upsets per bit and epoch, at least 0.
    seeds : int
        Trainings of each rate.
    samples : int, optional
        Of an epoch; all if left out.
    epochs : int
    board_samples : int
        That the board learns; 0 for no board.
    threads : int, optional
        Of the fast engine.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    check_threads(threads)
    for rate in rates:
        if not 0 <= rate <= 100:
            raise InputError(f"rates must be 0 to 100 upsets per bit and epoch, not {rate}")
    started = time.perf_counter()
    rows = []
    with Display() as display:
        for number, rate in enumerate(rates):
            errors = []
            for seed in range(1, seeds + 1):
                trainer = Trainer(
                    params, dataset, FastMachine(params, threads), seed=seed, samples=samples
                )
                errors.append(_train(trainer, rate, epochs))
                done = number * seeds + seed
                display.show("trainings", done, len(rates) * seeds, f"{rate:g} per bit and epoch")
            rows.append({
                "rate": rate,
                "upsets_per_epoch": rate * params.memory_bits,
                "error": statistics.mean(errors),
                "spread": statistics.stdev(errors) if seeds > 1 else 0.0,
                "errors": errors,
            })  # fmt: skip
        board = None
        if board_samples:
            board = _on_board(params, dataset, board_samples, display)
    save_figure(upset_errors(params.name, rows), picture)
    slow = board is not None and board["most_cycles"] > board["bound"]
    return {
        "verb": "upsets",
        "preset": params.name,
        "data": source,
        "seeds": seeds,
        "epochs": epochs,
        "samples": trainer.samples,
        "bits": params.memory_bits,
        "rows": rows,
        "board": board,
        "verified": not slow,
        "differences": ["a sample took more cycles than its bound"] if slow else [],
        "picture": str(picture),
        "seconds": round(time.perf_counter() - started, 1),
    }


def _train(trainer: Trainer, rate: float, epochs: int) -> float:
    """Train with upsets; return the test error."""
    params, machine, samples = trainer.params, trainer.machine, trainer.samples
    rng = np.random.default_rng([trainer.seed, 77])
    for epoch in range(epochs):
        machine.load(*trainer.epoch_samples(epoch))
        tau = params.learning.tau_in_epoch(epoch)
        machine.set_tau(tau)
        for first in range(0, samples, CHUNK):
            count = min(CHUNK, samples - first)
            machine.train(first, count, flush=True)
            hits = int(rng.poisson(rate * params.memory_bits * count / samples))
            if hits:
                machine.write_state(upset(params, machine.read_state(), hits, rng))
                machine.set_tau(tau)
    tested = trainer.test()
    assert tested is not None
    return round(tested.error, 4)


def _on_board(params: Params, dataset: Dataset, samples: int, display: Display) -> dict:
    """Learn with an upset behind each sample, written over the link."""
    rng = np.random.default_rng(1)
    bound, most = most_cycles(params), 0
    with virtual_board(params) as board:
        machine = BoardMachine(params, board)
        trainer = Trainer(params, dataset, machine, seed=1, samples=samples)
        machine.load(*trainer.epoch_samples(0))
        link = machine.link
        regions = [r for r in params.regions if r.name.startswith(("weights", "latents"))]
        for first in range(samples):
            report = machine.train(first, 1, flush=False)
            most = max(most, report.cycles["total"])
            region = regions[int(rng.integers(len(regions)))]
            address, bit = int(rng.integers(region.depth)), int(rng.integers(region.width))
            word = link.read(region, address, 1).copy()
            word[0, bit // 8] ^= 1 << bit % 8
            link.write(region, address, word)
            display.show("board", first + 1, samples, f"{most:,} cycles at most, of {bound:,}")
    return {"samples": samples, "upsets": samples, "most_cycles": most, "bound": bound}
