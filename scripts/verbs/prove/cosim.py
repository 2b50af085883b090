"""``popflip cosim``: the generated machine in simulators, against the golden model."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
import typer

from popflip import __version__
from popflip.golden.datasets.dataset import check_data
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.named.registry import DEFAULT, NAMED
from popflip.golden.description.bus import BUSES
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.support.files import prepare_folder
from popflip.scripts.console import say
from popflip.scripts.junit import Outcome, write_junit
from popflip.scripts.options import Config, Data, Json, Preset, Seed
from popflip.scripts.session import VIRTUAL, check_trains, choose_data, named_network
from popflip.scripts.tables import pairs, put
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB", "CosimReport", "run_cosim"]


class CosimReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    preset: str
    bus: str
    data: str
    seed: int
    samples: int
    batch: int
    verified: bool
    differences: list[str]
    flips: list[int]
    cycles: int
    cycles_per_sample: float
    simulators: dict[str, dict]


def cosim(
    preset: Preset = None,
    config: Config = None,
    simulator: Annotated[
        str, typer.Option(help="icarus, verilator or both.", metavar="NAME")
    ] = "verilator",
    bus: Annotated[
        str, typer.Option(help=f"Front end: {', '.join(BUSES)}.", metavar="BUS")
    ] = "none",
    samples: Annotated[int, typer.Option(help="Samples to learn.", min=1)] = 20,
    batch: Annotated[
        int | None, typer.Option(help="Samples between flips, instead of the network's.", min=1)
    ] = None,
    data: Data = None,
    seed: Seed = 1,
    junit: Annotated[
        Path | None,
        typer.Option(help="Also write a report in JUnit's XML, for CI.", metavar="FILE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train the generated machine in simulators and compare it with the golden model.

    Every weight, latent, prediction, counter and cycle must be equal. By default it is the core
    alone; with --bus models of that bus that are not ours stand before it. Without --data a preset
    of MNIST's shape learns MNIST; any other network, and one that --config names, random samples.
    """
    params = named_network(preset, config)
    net = params.network
    default = NAMED[DEFAULT]
    fits = tuple(net.image) == default.image and net.classes >= default.classes
    named = data is not None or (fits and config is None)
    get_data = partial(choose_data, data, params=params) if named else None
    report = run_cosim(params, simulator, get_data, samples, seed, batch, bus=bus, junit=junit)
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


VERB = Verb(
    cosim,
    examples=(
        "popflip cosim",
        "popflip cosim --simulator both --samples 50 --json",
        "popflip cosim --preset dense-wide --simulator verilator",
        "popflip cosim --config mine.toml --bus axi --junit report.xml",
    ),
)


#: Seconds that a simulator has: its start, and each sample under the slower one.
START_S, SAMPLE_S = 120.0, 10.0


def run_cosim(
    params: Params,
    simulator: str,
    get_data: Callable | None,
    samples: int,
    seed: int,
    batch: int | None,
    *,
    bus: str = "none",
    junit: Path | None = None,
) -> CosimReport:
    """Train the generated machine in simulators; return the report that ``--json`` prints.

    Parameters
    ----------
    params : Params
    simulator : {"icarus", "verilator", "both"}
    get_data : callable, optional
        Returns a data set and its name; not called if programs are missing. None for random
        samples.
    samples : int
        The first so many training images, or so many random ones.
    seed : int
    batch : int, optional
        Samples between flips; the parameters' own if left out.
    bus : str
        The machine's front end.
    junit : Path, optional
        Write a report there, too: a case for each simulator.
    """
    from popflip.cocotb_tests.cosim import check_benches, cosim
    from popflip.cocotb_tests.simulators import SIMULATORS, require_simulators

    names = list(SIMULATORS) if simulator == "both" else [simulator]
    if simulator not in (*SIMULATORS, "both"):
        raise InputError(f"simulator must be {', '.join(SIMULATORS)} or both, not {simulator!r}")
    if seed < 0:
        raise InputError(f"seed must be at least 0, not {seed}")
    if batch is not None:
        params.replace(learning={"batch": batch})  # To see that the registers hold it.
    check_trains(params, VIRTUAL)
    check_benches(params, bus)
    require_simulators(*names)
    if junit is not None:
        prepare_folder(junit.parent)
    if get_data is None:
        source, (x, labels) = "random samples", _random_samples(params, samples, seed)
    else:
        dataset, source = get_data()
        check_data(params, dataset)
        if samples > len(dataset.train_labels):
            raise InputError(f"samples must be 1 to {len(dataset.train_labels)}, not {samples}")
        x = encode(dataset.train_images[:samples], params.network.thresholds)
        labels = dataset.train_labels[:samples]
    results: dict[str, dict] = {}
    outcomes: list[Outcome] = []
    last: dict = {}
    about = {"preset": params.name, "bus": bus, "seed": seed, "samples": samples, "data": source}

    def note(outcome: Outcome) -> None:
        """Write what is known so far: something may yet end all."""
        outcomes.append(outcome)
        if junit is not None:
            write_junit(junit, "popflip cosim", outcomes, {"popflip": __version__} | about)

    for name in names:
        say(f"{name}: building the machine and training it on {samples:,} samples")
        started = time.perf_counter()
        case = f"{params.name}, bus {bus}, {name}"
        try:
            last = cosim(
                params, name, x, labels, bus=bus, seed=seed, batch=batch,
                seconds=START_S + SAMPLE_S * samples,
            )  # fmt: skip
        except PopflipError as error:
            note(Outcome(case, time.perf_counter() - started, error=str(error)))
            raise
        results[name] = {
            "agree": last["agree"],
            "differences": last["differences"],
            "seconds": round(time.perf_counter() - started, 2),
        }
        failure = "\n".join(last["differences"])
        note(Outcome(case, results[name]["seconds"], failure=failure))
    found = [f"{name}: {line}" for name, one in results.items() for line in one["differences"]]
    return {
        "verb": "cosim",
        "preset": params.name,
        "bus": bus,
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


def _random_samples(params: Params, count: int, seed: int):
    """Draw input bits and labels, some samples nearly empty and some nearly full."""
    rng = np.random.default_rng(seed)
    x = rng.random((count, params.n_in)) < rng.random((count, 1))
    return x, rng.integers(0, params.network.classes, count)


def show(report: CosimReport) -> None:
    """Print the report of a co-simulation."""
    table = pairs(f"{report['preset']}, seed {report['seed']}: the machine in a simulator")
    table.add_row("front end", report["bus"])
    table.add_row("samples", f"{report['samples']:,} of {report['data']}, batch {report['batch']}")
    table.add_row("flips", ", ".join(f"{n:,}" for n in report["flips"]) + " by weight layer")
    table.add_row("cycles", f"{report['cycles']:,}, {report['cycles_per_sample']:,.1f} per sample")
    for name, one in report["simulators"].items():
        verdict = "equal to the golden model" if one["agree"] else "NOT equal"
        table.add_row(name, f"{verdict}, {one['seconds']:.1f} s with its build")
        for line in one["differences"]:
            table.add_row("", line)
    put(table)
