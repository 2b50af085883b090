"""The paper's leaky dynamics beside the sweeps, in networks of one size: errors and cycles."""

import statistics
from typing import Any

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display
from popflip.scripts.cycle_counts import counted_cycles
from popflip.scripts.tables import new_table, put

__all__ = ["PAIRS", "bench_dynamics", "show_dynamics"]

#: Presets with leaky dynamics, and what makes each a network of equal size that sweeps. Of the
#: first, 24 settings were tried for 3 epochs by `popflip sweep`, of the second six: the best of
#: gains, beta, flip thresholds and nudged sweeps on the last 10,000 training images. The bound on
#: active outputs decides no result, but which hidden neurons the sweeps can leave out.
PAIRS: dict[str, dict[str, dict[str, Any]]] = {
    "ecp5-85f-leaky": {
        "dynamics": {"kind": "sweeps", "gains": [20, 10], "free_sweeps": 4, "active_bound": 12},
        "learning": {"nudged_sweeps": 3, "beta": 7, "tau": [20, 12]},
    },
    "ecp5-25f-leaky": {
        "dynamics": {"kind": "sweeps", "gains": [20, 20], "free_sweeps": 4, "active_bound": 4},
        "learning": {"nudged_sweeps": 3, "beta": 7, "tau": [20, 12]},
    },
}

#: The test error behind the last epoch counts, mean over the seeds.
EPOCHS = 20
SEEDS = (1, 2, 3, 4, 5)


def bench_dynamics(dataset: Dataset) -> list[dict]:
    """Train each pair of networks, and count the cycles of a training sample.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    list of dict
        A row for each network: ``net``, ``dynamics``, ``hidden``, ``outputs``, ``synapses``,
        ``error`` and ``spread`` over the seeds (percent), ``epochs``, ``seeds``, and ``cycles`` and
        ``stages``, mean cycles of a training sample after the first epoch.
    """
    rows = []
    with Display() as display:
        for name, changes in PAIRS.items():
            leaky = Params.load(name)
            for params in (leaky, leaky.replace(**changes)):
                kind = params.dynamics.kind
                facts = counted_cycles(params, dataset)
                errors: list[float] = []
                for seed in SEEDS:
                    display.show(f"{name}, {kind}", len(errors), len(SEEDS))
                    errors.append(_learn(params, dataset, seed))
                rows.append({
                    "net": name,
                    "dynamics": kind,
                    "hidden": params.network.hidden[0],
                    "outputs": params.n_out,
                    "synapses": params.n_synapses,
                    "error": round(statistics.mean(errors), 2),
                    "spread": round(statistics.stdev(errors), 2),
                    "epochs": EPOCHS,
                    "seeds": len(SEEDS),
                    "cycles": facts["train"],
                    "stages": facts["stages"],
                })
    return rows


def _learn(params: Params, dataset: Dataset, seed: int) -> float:
    """Return the test error behind the last epoch."""
    trainer = Trainer(params, dataset, FastMachine(params), seed=seed)
    trainer.run(EPOCHS)
    return trainer.history[-1].test_error


def show_dynamics(rows: list[dict]) -> None:
    """Print the pairs."""
    epochs = rows[0]["epochs"]
    table = new_table(f"Test error after {epochs} epochs, and cycles per training sample")
    table.add_column("network", no_wrap=True)
    table.add_column("dynamics")
    stages = list(rows[0]["stages"])
    for name in ("synapses", "test error %", "spread", *stages, "in all"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["net"], row["dynamics"], f"{row['synapses']:,}", f"{row['error']:.2f}",
            f"{row['spread']:.2f}", *(f"{row['stages'][s]:,.1f}" for s in stages),
            f"{row['cycles']:,.1f}",
        )  # fmt: skip
    table.caption = f"{rows[0]['seeds']} seeds."
    put(table)
