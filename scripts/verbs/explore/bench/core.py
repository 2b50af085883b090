"""What machines spend the cycles of a sample on, by formulas and by the board's own counters."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from popflip.boards.host.machine import BoardMachine, virtual_board
from popflip.golden.cycles.latencies import looks_at
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.scripts.console import Display
from popflip.scripts.cycle_counts import after_learning, counted_cycles, cycles_of
from popflip.scripts.plots.benchmarks import stage_cycles
from popflip.scripts.plots.style import save_figure
from popflip.scripts.tables import new_table, put

__all__ = ["bench_core", "blank_looks", "show_core"]

#: Images in which blank looks are counted.
_LOOKED_AT = 2000


def bench_core(
    data: Callable[[Params], Dataset], presets: list[str], samples: int, picture: Path | None
) -> list[dict]:
    """Tell what networks' machines spend their cycles on, after the first epoch.

    Parameters
    ----------
    data : callable
        From a network to the data set as it reads it.
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
        What ``--json`` prints: for each network ``net``; ``bound``, the words that the drive reads,
        of which the memory gives one per cycle, so that with these lanes no order of things takes
        less for a sample (pooled neurons read theirs at each look, shared ones at each position);
        ``blank``, percent of those looks at windows without a lit pixel, of the first training
        images; ``cycles``, ``stages`` and ``infer``, mean cycles per sample;
        ``counted``, samples; ``simulated``, None or ``samples``
        with the ``stages`` that the board's own counters tell and whether they are ``equal`` to the
        formulas'.
    """
    rows: list[dict] = []
    with Display() as display:
        for name in presets:
            display.show("networks", len(rows), len(presets), name)
            params = Params.load(name)
            dataset = data(params)
            check_data(params, dataset)
            facts = counted_cycles(params, dataset)
            simulated = None
            if samples:
                display.show("networks", len(rows), len(presets), f"{name}: simulated")
                simulated = _simulated(params, dataset, samples)
            rows.append({
                "net": params.name,
                "synapses": params.n_synapses,
                "bound": int(looks_at(params).sum()) * params.look_words,
                "blank": blank_looks(params, dataset),
                "cycles": facts["train"],
                "stages": facts["stages"],
                "infer": facts["infer"],
                "counted": facts["counted"],
                "simulated": simulated,
            })
        display.show("networks", len(rows), len(presets))
    if picture is not None:
        save_figure(stage_cycles(rows), picture)
    return rows


def blank_looks(params: Params, dataset: Dataset) -> float:
    """Percent of all looks whose windows have no lit pixel."""
    first = params.first_layer
    x = input_of(params.network, dataset.train_images[:_LOOKED_AT])
    lit = np.stack([x[:, windows].any(-1) for windows in first.pooled_windows])
    looks = lit.reshape(params.looks, params.machine.pool_lanes, *lit.shape[1:]).any(1)
    made = np.ones((params.looks, first.positions), bool)
    if params.machine.serial_windows:  # which passes over windows outside of the image
        inside = [
            [[move in moves for moves in way] for move in range(moves)]
            for way, moves in zip(first.moves_inside, first.pool, strict=True)
        ]
        made = np.einsum("ip,jq->ijpq", *map(np.array, inside)).reshape(made.shape)
    dark = (~looks & made[:, None]).sum() / (made.sum() * len(x))
    return round(100 * float(dark), 1)


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


def show_core(rows: list[dict], picture) -> None:
    """Print what machines spend their cycles on."""
    table = new_table("Cycles per training sample")
    table.add_column("network", no_wrap=True)
    stages = list(rows[0]["stages"])
    for name in ("synapses", *stages, "in all", "words of the drive", "blank", "inference"):
        table.add_column(name, justify="right")
    table.add_column("counters of the virtual board")
    for row in rows:
        simulated = row["simulated"]
        counters = "not asked"
        if simulated:
            counters = "equal" if simulated["equal"] else f"NOT equal: {simulated['stages']}"
            counters += f", {simulated['samples']:,} samples"
        table.add_row(
            row["net"], f"{row['synapses']:,}", *(f"{row['stages'][s]:,.1f}" for s in stages),
            f"{row['cycles']:,.1f}", f"{row['bound']:,} ({row['bound'] / row['cycles']:.0%})",
            f"{row['blank']:.1f} %", f"{row['infer']:,.1f}", counters,
        )  # fmt: skip
    table.caption = (
        "words of the drive: it reads one per cycle at most. blank: looks at windows without a lit "
        f"pixel. Drawn in {picture}"
    )
    put(table)
