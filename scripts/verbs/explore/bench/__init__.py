"""``popflip bench``: how fast the engine is, and what machines and front ends take."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder
from popflip.scripts.options import Data, Json, Seed, Threads
from popflip.scripts.results import latest
from popflip.scripts.session import choose_data
from popflip.scripts.tables import show_recorded
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB"]

#: What can be measured.
WHAT = ("engine", "core", "standalone", "growth", "own-data", "buses")


def bench(
    what: Annotated[
        str, typer.Argument(help=" or ".join([", ".join(WHAT[:-1]), WHAT[-1]]), metavar="WHAT")
    ],
    samples: Annotated[
        int | None,
        typer.Option(
            help="engine: training images to time, 20,000 if left out. core, standalone: images to "
            "simulate on each machine, 256 and 512 if left out; 0 for none. own-data: samples that "
            "the virtual board learns with each data set's first network, compared bit for bit, "
            "256 if left out; 0 for none."
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="core: a network, can be given several times; the boards' if left out.",
            metavar="NAME",
        ),
    ] = None,
    board: Annotated[str, typer.Option(help="growth: the board.", metavar="BOARD")] = "ulx3s-45f",
    data: Data = None,
    threads: Threads = None,
    seed: Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture; runs/bench-WHAT.png if left out.", metavar="PNG"),
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Print the recorded results, and measure nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Time the fast engine, count the machines' cycles, or measure how they grow.

    engine: three networks, and how its speed scales with hidden neurons, threads and batch. Each
    figure is the median of three runs, after 4,096 samples to warm up. core: cycles per training
    sample by what they are spent on, after the first epoch, and whether the counters of the virtual
    board say the same. standalone: cycles of reading a sample from the flash and of learning it,
    and what the core of the virtual board waits. growth: bitstreams of 15 sizes, which takes about
    an hour. own-data: networks that popflip new finds for three small data sets, from five seeds,
    beside scikit-learn's; --data names one of them, or fashion-mnist or mnist, which take long: one
    search, trained from five seeds. buses: what each front end takes of an ECP5 and
    an iCE40, and the clock it allows, by synthesis and placement of a small machine; minutes. What
    is on record is printed below. --json prints a list.
    """
    if what not in WHAT:
        raise InputError(
            f"what to bench must be {', '.join(WHAT[:-1])} or {WHAT[-1]}, not {what!r}"
        )
    if recorded:
        rows = [dict(row) for row in latest("bench")[what].values.rows]
        print_json(rows) if as_json else show_recorded("bench", what)
        return
    if what == "buses":
        from popflip.scripts.verbs.explore.bench.buses import bench_buses, show_buses

        rows = bench_buses()
        if as_json:
            print_json(rows)
            return
        show_buses(rows)
        show_recorded("bench", what)
        return
    if samples is None:
        samples = {"engine": 20000, "core": 256, "standalone": 512, "own-data": 256}.get(what, 0)
    out = out or Path("runs") / f"bench-{what}.png"
    prepare_folder(out.parent)
    if what == "own-data":
        from popflip.scripts.verbs.explore.bench.own_data import bench_own_data, show_own_data

        if samples < 0:
            raise InputError(f"samples must be at least 0, not {samples}")
        found = bench_own_data(data, out.parent, samples)
        if as_json:
            print_json(found)
            return
        show_own_data(found)
        show_recorded("bench", what if data is None else f"{what} {data}")
        return
    dataset, _ = choose_data(data)
    most = len(dataset.train_labels)
    if not 0 <= samples <= most:
        raise InputError(f"samples must be 0 to {most}, not {samples}")
    show: Callable[[list[dict]], None]
    if what == "engine":
        from popflip.scripts.verbs.explore.bench.engine import bench_engine, show_engine

        rows = bench_engine(dataset, samples, seed, out, threads)
        show = partial(show_engine, picture=out)
    elif what == "standalone":
        from popflip.scripts.verbs.explore.bench.standalone import (
            bench_standalone,
            show_standalone,
        )

        rows = bench_standalone(dataset, samples)
        show = show_standalone
    elif what == "core":
        from popflip.boards.registry import BOARDS
        from popflip.scripts.verbs.explore.bench.core import bench_core, show_core

        chosen = preset or list(dict.fromkeys(one.preset for one in BOARDS.values()))
        rows = bench_core(dataset, chosen, samples, out)
        show = partial(show_core, picture=out)
    else:
        from popflip.boards.registry import find_board
        from popflip.scripts.verbs.explore.bench.growth import bench_growth, show_growth

        rows = bench_growth(find_board(board), dataset, out)
        show = partial(show_growth, picture=out)
    if as_json:
        print_json(rows)
        return
    show(rows)
    show_recorded("bench", what)


VERB = Verb(
    bench,
    examples=(
        "popflip bench engine",
        "popflip bench engine --recorded",
        "popflip bench core --preset ecp5-85f --samples 0 --json",
        "popflip bench standalone --samples 0",
        "popflip bench growth --board ulx3s-45f",
        "popflip bench buses",
        "popflip bench own-data --data digits",
        "popflip bench own-data --data mnist --samples 0",
    ),
)
