"""Soak: a whole epoch on the virtual board, and one that is stopped and resumed again and again."""

import time
from pathlib import Path

import numpy as np

from popflip.boards.host.machine import BoardMachine, virtual_board
from popflip.boards.tools import require
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder
from popflip.golden.training.machine import CHUNK, GoldenMachine
from popflip.golden.training.state import NetworkState, differences
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display
from popflip.scripts.session import VIRTUAL, check_trains

__all__ = ["run_soak"]


def run_soak(
    params: Params,
    dataset: Dataset,
    source: str,
    out: Path,
    *,
    seed: int,
    samples: int | None,
    stops: int,
    stop_samples: int | None,
) -> dict:
    """Learn an epoch on the virtual board, then a part of it with stops; compare with software.

    The software is the fast engine, whose bits are the golden model's.

    Parameters
    ----------
    params : Params
    dataset : Dataset
    source : str
        The data set's name or folder.
    out : Path
        Folder of the checkpoints that the stopped training goes on from.
    seed : int
        Also decides where it is stopped.
    samples : int, optional
        Of the epoch; all if left out.
    stops : int
        How often the second training is stopped, each time with the loss of its board.
    stop_samples : int, optional
        What the second training learns; a tenth of the first if left out, but enough to stop.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    check_trains(params, VIRTUAL)
    require("verilator")
    plan = Trainer(params, dataset, GoldenMachine(params), seed=seed, samples=samples)
    if stop_samples is None:
        stop_samples = min(plan.samples, max(plan.samples // 10, (stops + 1) * CHUNK))
    if not stops * CHUNK < stop_samples <= plan.samples:
        raise InputError(
            f"stop_samples must be {stops * CHUNK + 1} to {plan.samples}, more than a chunk of "
            f"{CHUNK} for each stop, not {stop_samples}"
        )
    prepare_folder(out)
    soak = _Soak(params, dataset, seed, plan.samples, out)
    with Display() as display:
        soak.display = display
        wanted, wanted_parts = soak.expect(plan.samples), soak.expect(stop_samples)
        whole = soak.whole()
        parts = soak.in_parts(stops, stop_samples)
    for run, (state, totals) in ((whole, wanted), (parts, wanted_parts)):
        run["differences"] = differences(run.pop("state"), state)
        for name in ("correct", "changed", "flips"):
            got, right = getattr(run["report"], name), getattr(totals, name)
            if got != right:
                run["differences"].append(f"{name}: {got}, not {right}")
        del run["report"]
    found = [f"whole: {line}" for line in whole["differences"]]
    found += [f"in parts: {line}" for line in parts["differences"]]
    return {
        "verb": "soak",
        "preset": params.name,
        "data": source,
        "seed": seed,
        "samples": plan.samples,
        "stop_samples": stop_samples,
        "stops": parts.pop("stops"),
        "verified": not found,
        "differences": found,
        "compared_bits": params.memory_bits,
        "whole": whole,
        "in_parts": parts,
    }


class _Soak:
    """Trainings of one network with one seed, on several machines."""

    display: Display

    def __init__(self, params: Params, dataset: Dataset, seed: int, samples: int, out: Path):
        self._params, self._seed = params, seed
        self._dataset, self._samples, self._out = dataset, samples, out

    def _trainer(self, machine) -> Trainer:
        return Trainer(self._params, self._dataset, machine, seed=self._seed, samples=self._samples)

    def _go(self, trainer: Trainer, title: str, end: int, stop: int, note: str = "") -> Report:
        """Train up to a sample, or until a stop takes effect; return the totals so far."""
        totals = Report()

        def on_progress(progress):
            nonlocal totals
            totals = progress.report
            self.display.show(title, progress.done, end, note)
            trainer.stop_requested = progress.done >= stop

        # The end of the epoch ends a batch too.
        trainer.replay(*((1, 0) if end == self._samples else (0, end)), on_progress)
        return totals

    def expect(self, samples: int) -> tuple[NetworkState, Report]:
        """What the software comes to."""
        trainer = self._trainer(FastMachine(self._params))
        totals = self._go(trainer, "software", samples, samples + 1)
        return trainer.machine.read_state(), totals

    def whole(self) -> dict:
        """The epoch on one board, without a break."""
        started = time.perf_counter()
        with virtual_board(self._params) as board:
            machine = BoardMachine(self._params, board)
            report = self._go(self._trainer(machine), "board", self._samples, self._samples + 1)
            return {
                "state": machine.read_state(),
                "report": report,
                "cycles": board.cycles,
                "cycles_per_sample": report.cycles["total"] / report.samples,
                "seconds": round(time.perf_counter() - started, 1),
            }

    def in_parts(self, stops: int, samples: int) -> dict:
        """A part of the epoch, on a new board after each stop, which goes on from a checkpoint."""
        started, cycles = time.perf_counter(), 0
        path = self._out / "checkpoint.npz"
        rng = np.random.default_rng([self._seed, stops])
        chunks = np.arange(1, (samples - 1) // CHUNK + 1)
        at = [CHUNK * n for n in np.sort(rng.choice(chunks, stops, replace=False)).tolist()]
        for number, stop in enumerate([*at, samples + 1]):
            with virtual_board(self._params) as board:
                machine = BoardMachine(self._params, board)
                trainer = self._trainer(machine)
                if number:
                    trainer.resume(path)
                note = f"stopped {number} of {stops} times"
                report = self._go(trainer, "board, in parts", samples, stop, note)
                if number < stops:
                    trainer.save(path)
                else:
                    state = machine.read_state()
                cycles += board.cycles
        return {
            "state": state,
            "report": report,
            "stops": at,
            "cycles": cycles,
            "seconds": round(time.perf_counter() - started, 1),
        }
