"""How fast the fast engine is, on this computer."""

import statistics
import time
from pathlib import Path

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.engine.threads import check_threads, most_threads
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import initial_state
from popflip.scripts.console import Display
from popflip.scripts.plots.benchmarks import engine_speed
from popflip.scripts.plots.style import save_figure
from popflip.scripts.tables import new_table, put

__all__ = ["bench_engine", "paper_network", "show_engine"]

#: Samples that a network has learned before it is timed: early on much more changes.
WARM_UP = 4096

#: Of which the median is told.
REPEATS = 3

#: What is varied, one at a time, from 784-512-100 in batches of 64 on all threads.
HIDDEN = (128, 512, 2048, 8192)
BATCHES = (1, 4, 16, 64, 256)


def paper_network() -> Params:
    """The paper's fully binary network, 784-8192-100, in its own dynamics.

    Its step of 1/2, scaling factors 0.0179 and 0.0055 and flip thresholds 12.8 and 16 counts, with
    potentials of 12 bits.
    """
    return Params.build({
        "name": "784-8192-100 leaky",
        "network": {"hidden": [8192], "copies": 10},
        "dynamics": {
            "kind": "leaky", "free_sweeps": 20, "potential_bits": 12, "gains": [73, 23],
        },
        "learning": {
            "nudging": "random-sign", "nudged_sweeps": 10, "beta": 2, "batch": 64, "tau": [13, 16],
        },
        "machine": {"row_lanes": 784, "relax_lanes": 100, "latent_lanes": [98, 100]},
    })  # fmt: skip


def _plan(most: int) -> list[tuple[str, Params, int]]:
    """What is timed on at most so many threads: its curve, the network, the threads."""
    dense = Params.load("dense-wide").replace(name="784-512-100", learning={"batch": 64})
    large = Params.load("local-large-wide").replace(learning={"batch": 64})
    paper = paper_network()
    grey = paper.replace(
        name=f"{paper.name}, 8-bit pixels",
        network={"pixel_bits": 8},
        learning={"latent_bits": 16, "tau": [13 * 256, 16]},
    )
    plan = [("", net, most) for net in (dense, large, paper, grey)]
    for hidden in HIDDEN:
        gain = max(1, round(6 * (512 / hidden) ** 0.5))
        net = dense.replace(
            name=f"784-{hidden}-100", network={"hidden": [hidden]}, dynamics={"gains": [9, gain]}
        )
        plan.append(("hidden", net, most))
    plan += [("threads", dense, threads) for threads in range(1, most + 1)]
    plan += [("batch", dense.replace(learning={"batch": batch}), most) for batch in BATCHES]
    return plan


def bench_engine(
    dataset: Dataset,
    samples: int,
    seed: int,
    out: Path | None = None,
    threads: int | None = None,
) -> list[dict]:
    """Time training in several sizes, and return what ``--json`` prints.

    Parameters
    ----------
    dataset : Dataset
        Of 28 x 28 pixels.
    samples : int
        Training images to time, at least 64.
    seed : int
    out : Path, optional
        Draw the curves there, as PNG.
    threads : int, optional
        At most; all there are if left out.

    Raises
    ------
    ValueError
        If there are fewer threads or samples than asked for, or the data are of another shape.
    """
    check_threads(threads)
    most = len(dataset.train_labels)
    if not 64 <= samples <= most:
        raise InputError(f"samples must be 64 to {most}, not {samples}")
    plan = _plan(threads or most_threads())
    for _, params, _ in plan:
        check_data(params, dataset)
    rows: list[dict] = []
    with Display() as display:
        for curve, params, threads in plan:
            display.show("engine", len(rows), len(plan), params.name)
            machine = FastMachine(params, threads)
            machine.write_state(initial_state(params, seed))
            x = input_of(params.network, dataset.train_images)
            machine.load(x, dataset.train_labels)
            machine.train(0, min(WARM_UP, most), True)
            took = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                machine.train(0, samples, True)
                took.append(time.perf_counter() - started)
            seconds = statistics.median(took) / samples
            rows.append({
                "net": params.name,
                "curve": curve,
                "hidden": params.sizes[1],
                "synapses": params.n_synapses,
                "kind": params.dynamics.kind,
                "batch": params.learning.batch,
                "threads": machine.training_threads,
                "samples": samples,
                "seed": seed,
                "samples_per_s": round(1 / seconds, 1),
                "ms_per_batch": round(1e3 * seconds * params.learning.batch, 4),
                "bytes_per_synapse": round(machine.n_bytes / params.n_synapses, 3),
            })
        display.show("engine", len(plan), len(plan))
    if out is not None:
        save_figure(engine_speed(rows), out)
    return rows


def show_engine(rows: list[dict], picture) -> None:
    """Print how fast the engine was."""
    table = new_table("The fast engine")
    table.add_column("network")
    for name in ("batch", "threads", "samples/s", "ms a batch", "bytes a synapse"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["net"], str(row["batch"]), str(row["threads"]), f"{row['samples_per_s']:,.0f}",
            f"{row['ms_per_batch']:.3f}", f"{row['bytes_per_synapse']:.2f}",
        )  # fmt: skip
    table.caption = f"drawn in {picture}"
    put(table)
