"""What the hardware takes: cycles by what they are spent on, and how all of it grows with size."""

from pathlib import Path

import numpy as np

from popflip.boards.board import Board
from popflip.boards.build.bitstream import build
from popflip.boards.host.machine import BoardMachine, virtual_board
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.scripts import plots
from popflip.scripts.console import Display
from popflip.scripts.rates import after_learning, counted_cycles, cycles_of

__all__ = ["bench_core", "bench_growth"]

#: A clock that every size meets; how fast each could be is told.
GROWTH_MHZ = 25.0

#: What is varied, each from the network and machine below by itself.
BASE = {
    "network": {
        "thresholds": [128],
        "first": "local",
        "window": 10,
        "stride": 3,
        "features": 6,
    },
    "dynamics": {"gains": [26, 9], "active_bound": 4},
    "learning": {"beta": 2, "tau": [12, 8], "latent_bits": 8},
    "machine": {"row_lanes": 100, "relax_lanes": 10, "latent_lanes": [20, 10]},
}


def bench_core(
    dataset: Dataset, presets: list[str], samples: int, picture: Path | None
) -> list[dict]:
    """Tell what networks' machines spend their cycles on, after the first epoch.

    Parameters
    ----------
    dataset : Dataset
    presets : list of str
        Names or files of networks.
    samples : int
        Training images that the virtual board learns too, to compare its counters with the
        formulas; 0 for none.
    picture : Path, optional
        Draw the cycles there, as PNG.

    Returns
    -------
    list of dict
        What ``--json`` prints: for each network ``net``; ``bound``, the words of its first weight
        layer, of which the memory gives one per cycle, so that with these lanes no order of things
        takes less for a sample; ``cycles``, ``stages`` and ``infer``, mean cycles per sample;
        ``counted``, samples; ``simulated``, None or ``samples``
        with the ``stages`` that the board's own counters tell and whether they are ``equal`` to the
        formulas'.
    """
    rows: list[dict] = []
    with Display() as display:
        for name in presets:
            display.show("networks", len(rows), len(presets), name)
            params = Params.load(name)
            facts = counted_cycles(params, dataset)
            simulated = None
            if samples:
                display.show("networks", len(rows), len(presets), f"{name}: simulated")
                simulated = _simulated(params, dataset, samples)
            rows.append({
                "net": params.name,
                "synapses": params.n_synapses,
                "bound": params.synapses(0).weight_depth,
                "cycles": facts["train"],
                "stages": facts["stages"],
                "infer": facts["infer"],
                "counted": facts["counted"],
                "simulated": simulated,
            })
        display.show("networks", len(rows), len(presets))
    if picture is not None:
        plots.save(plots.stage_cycles(rows), picture)
    return rows


def _simulated(params: Params, dataset: Dataset, samples: int) -> dict:
    """Compare a board's counters with the formulas, over the first samples of the second epoch."""
    # The fastest line: the network takes less time to come, and no cycle of the core depends on it.
    params = params.replace(machine={"uart_divisor": 4})
    state, tau, x, labels = after_learning(params, dataset)
    batch = params.learning.batch
    samples = max(1, samples // batch) * batch
    wanted = cycles_of(params, state, tau, x[:samples], labels[:samples], touched=True)
    with virtual_board(params) as board:
        machine = BoardMachine(params, board)
        machine.write_state(state)
        machine.set_tau(tau)
        machine.load(np.asarray(x[:samples]), labels[:samples])
        cycles = dict.fromkeys(StageCycles._fields, 0)
        for first in range(0, samples, machine.chunk):
            count = min(machine.chunk, samples - first)
            report = machine.train(first, count, flush=False)
            for stage in cycles:
                cycles[stage] += report.cycles[stage]
    return {
        "samples": samples,
        "stages": {stage: round(n / samples, 2) for stage, n in cycles.items()},
        "equal": cycles == wanted._asdict(),
    }


def _sizes() -> list[tuple[str, int, Params]]:
    """What is varied, its value, and the network with it."""
    base = Params.build({"name": "growth", **BASE})

    def point(curve: str, value: int | None = None, **change) -> tuple[str, int, Params]:
        params = base.replace(**change)
        told = {"hidden": params.sizes[1], "inputs": params.n_in}
        return curve, told[curve] if value is None else value, params

    return [
        *(point("hidden", network={"features": n}) for n in (3, 6, 12, 24)),
        *(
            point("inputs", network={"thresholds": t}, machine={"row_lanes": 100 * len(t)})
            for t in ([128], [85, 170], [64, 128, 192])
        ),
        *(point("lanes", n, machine={"neuron_lanes": n}) for n in (1, 2, 3, 6)),
        *(
            point(
                "latent bits",
                n,
                learning={"latent_bits": n, "tau": [min(12, 1 << n - 2), min(8, 1 << n - 2)]},
            )
            for n in (4, 6, 8, 10)
        ),
    ]


def bench_growth(
    board: Board, dataset: Dataset, picture: Path | None, tools: str | None = None
) -> list[dict]:
    """Build machines of several sizes for a board, and tell how what they take grows.

    Builds come from the cache if they are there, so that a run that was interrupted goes on.

    Parameters
    ----------
    board : Board
    dataset : Dataset
    picture : Path, optional
        Draw the curves there, as PNG.
    tools : str, optional
        As for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    list of dict
        What ``--json`` prints: ``curve`` (what is varied), ``value``, ``sizes``, ``synapses``,
        ``cycles`` per training sample, ``lut``, ``ff``, ``block`` (block RAMs) and ``fmax_mhz``, an
        estimate after placing and routing.
    """
    points = _sizes()
    rows: list[dict] = []
    with Display() as display:
        for curve, value, params in points:
            note = f"{curve} {value}"

            def progress(stage, done, total, note=note):
                display.show(f"{len(rows)} of {len(points)} sizes", done, total, f"{note}: {stage}")

            facts = build(
                board, params, core_mhz=GROWTH_MHZ, tools=tools, workers=1, progress=progress
            ).facts
            rows.append({
                "curve": curve,
                "value": value,
                "board": board.name,
                "sizes": list(params.sizes),
                "synapses": params.n_synapses,
                "cycles": counted_cycles(params, dataset)["train"],
                **{kind: facts["used"][kind] for kind in ("lut", "ff", "block")},
                "fmax_mhz": facts["fmax_mhz"],
            })
    if picture is not None:
        plots.save(plots.growth(rows), picture)
    return rows
