"""Co-simulation as the command does it: one or both simulators, one report; and what it reaches."""

import time
from collections.abc import Callable

from popflip.cocotb_tests.cosim import cosim
from popflip.cocotb_tests.coverage import BENCHES, KINDS, count_coverage
from popflip.cocotb_tests.simulators import SIMULATORS, require_simulators
from popflip.golden.datasets.dataset import check_data
from popflip.golden.datasets.encoding import encode
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.scripts.console import Display, say
from popflip.scripts.session import VIRTUAL, check_trains

__all__ = ["run_cosim", "run_coverage"]

#: Seconds that a simulator has: its start, and each sample under the slower one.
START_S, SAMPLE_S = 120.0, 10.0


def run_cosim(
    params: Params,
    simulator: str,
    get_data: Callable,
    samples: int,
    seed: int,
    batch: int | None,
) -> dict:
    """Train the generated core in simulators; return the report that ``--json`` prints.

    Parameters
    ----------
    params : Params
    simulator : {"icarus", "verilator", "both"}
    get_data : callable
        Returns a data set and its name; not called if programs are missing.
    samples : int
        The first so many training images.
    seed : int
    batch : int, optional
        Samples between flips; the parameters' own if left out.
    """
    names = list(SIMULATORS) if simulator == "both" else [simulator]
    if simulator not in (*SIMULATORS, "both"):
        raise InputError(f"simulator must be {', '.join(SIMULATORS)} or both, not {simulator!r}")
    if seed < 0:
        raise InputError(f"seed must be at least 0, not {seed}")
    if batch is not None:
        params.replace(learning={"batch": batch})  # To see that the registers hold it.
    check_trains(params, VIRTUAL)
    require_simulators(*names)
    dataset, source = get_data()
    check_data(params, dataset)
    if samples > len(dataset.train_labels):
        raise InputError(f"samples must be 1 to {len(dataset.train_labels)}, not {samples}")
    x = encode(dataset.train_images[:samples], params.network.thresholds)
    labels = dataset.train_labels[:samples]
    results, last = {}, {}
    for name in names:
        say(f"{name}: building the core and training it on {samples:,} samples")
        started = time.perf_counter()
        last = cosim(
            params, name, x, labels, seed=seed, batch=batch, seconds=START_S + SAMPLE_S * samples
        )
        results[name] = {
            "agree": last["agree"],
            "differences": last["differences"],
            "seconds": round(time.perf_counter() - started, 2),
        }
    found = [f"{name}: {line}" for name, one in results.items() for line in one["differences"]]
    return {
        "verb": "cosim",
        "preset": params.name,
        "data": source,
        "seed": seed,
        "samples": samples,
        "batch": batch or params.learning.batch,
        "verified": all(one["agree"] for one in results.values()),
        "differences": found,
        "flips": last["flips"],
        "cycles": last["cycles"],
        "cycles_per_sample": last["cycles"] / samples,
        "simulators": results,
    }


def run_coverage(benches=BENCHES) -> dict:
    """Count what the benches reach of the Verilog; return the report that ``--json`` prints.

    Parameters
    ----------
    benches : sequence of (str, str)
        Of :data:`popflip.cocotb_tests.coverage.BENCHES`.
    """
    require_simulators("verilator")
    started = time.perf_counter()
    with Display() as display:
        parts = count_coverage(
            benches, lambda done, what: display.show("benches", done, len(benches), what)
        )
        display.show("benches", len(benches), len(benches))
    total = {
        kind: [sum(part[kind][i] for part in parts.values()) for i in (0, 1)] for kind in KINDS
    }
    return {
        "verb": "coverage",
        "benches": [f"{what} of {network}" for network, what in benches],
        "parts": parts,
        "total": total,
        "seconds": round(time.perf_counter() - started, 1),
    }
