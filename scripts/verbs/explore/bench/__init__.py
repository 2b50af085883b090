"""``popflip bench``: how fast the engine is, and what machines and front ends take."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder
from popflip.scripts.options import Data, Json, Seed, Threads
from popflip.scripts.results import latest
from popflip.scripts.session import choose_data
from popflip.scripts.tables import show_recorded
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB"]


def bench(
    what: Annotated[
        str,
        typer.Argument(
            help="engine, core, standalone, growth, dynamics, own-data, buses or live",
            metavar="WHAT",
        ),
    ],
    samples: Annotated[
        int | None,
        typer.Option(
            help="engine: training images to time, 20,000 if left out. core, standalone: images to "
            "simulate on each machine, 256 and 512 if left out; 0 for none. own-data: samples that "
            "the virtual board learns with each data set's first network, compared bit for bit, "
            "256 if left out; 0 for none. live: images that each of the two learns, 20,000 if left "
            "out."
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="core: a network, can be given several times; the boards' if left out. live: one.",
            metavar="NAME",
        ),
    ] = None,
    board: Annotated[str, typer.Option(help="growth: the board.", metavar="BOARD")] = "ulx3s-45f",
    data: Data = None,
    engine: Annotated[
        str | None,
        typer.Option(help="live: fast or golden, instead of the virtual board.", metavar="ENGINE"),
    ] = None,
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
    an hour. dynamics: presets with leaky dynamics beside networks of their size that sweep, test
    errors and cycles, about half an hour. own-data: networks that popflip new finds for three small
    data sets, from five seeds, beside scikit-learn's; --data names one of them, or fashion-mnist or
    mnist, which take long: one search, trained from five seeds. buses: what each front end takes of
    an ECP5 and an iCE40, and the clock it allows, by synthesis and placement of a small machine;
    minutes. live: how much slower the virtual board learns through the page of popflip live than
    with popflip train, by turns, and how soon the page answers meanwhile; minutes. What is on
    record is printed below. --json prints a list.
    """
    if what not in SUBJECTS:
        raise InputError(f"what to bench must be {_NAMES}, not {what!r}")
    if recorded:
        rows = [dict(row) for row in latest("bench")[what].values.rows]
        print_json(rows) if as_json else show_recorded("bench", what)
        return
    picture = out or Path("runs") / f"bench-{what}.png"
    prepare_folder(picture.parent)
    asked = _Asked(samples, preset or [], board, data, engine, threads, seed, picture)
    rows, show = SUBJECTS[what](asked)
    if as_json:
        print_json(rows)
        return
    show(rows)
    show_recorded("bench", f"{what} {data}" if what == "own-data" and data else what)


@dataclass(frozen=True)
class _Asked:
    """The options, each of which concerns some subjects."""

    samples: int | None
    presets: list[str]
    board: str
    data: str | None
    engine: str | None
    threads: int | None
    seed: int
    picture: Path

    def dataset(self, params: Params | None = None) -> Dataset:
        """Return the data set, as a network reads it if one is named."""
        return choose_data(self.data, params=params)[0]

    def samples_of(self, dataset: Dataset, default: int) -> int:
        """Return how many samples of a data set to take."""
        most = len(dataset.train_labels)
        samples = default if self.samples is None else self.samples
        if not 0 <= samples <= most:
            raise InputError(f"samples must be 0 to {most}, not {samples}")
        return samples


#: Rows, and what prints them.
_Measured = tuple[list[dict], Callable[[list[dict]], None]]


def _engine(asked: _Asked) -> _Measured:
    from popflip.scripts.verbs.explore.bench.engine import bench_engine, show_engine

    dataset = asked.dataset()
    samples = asked.samples_of(dataset, 20_000)
    rows = bench_engine(dataset, samples, asked.seed, asked.picture, asked.threads)
    return rows, partial(show_engine, picture=asked.picture)


def _core(asked: _Asked) -> _Measured:
    from popflip.boards.registry import BOARDS
    from popflip.scripts.verbs.explore.bench.core import bench_core, show_core

    samples = asked.samples_of(asked.dataset(), 256)
    chosen = asked.presets or list(dict.fromkeys(one.preset for one in BOARDS.values()))
    rows = bench_core(asked.dataset, chosen, samples, asked.picture)
    return rows, partial(show_core, picture=asked.picture)


def _standalone(asked: _Asked) -> _Measured:
    from popflip.scripts.verbs.explore.bench.standalone import bench_standalone, show_standalone

    dataset = asked.dataset()
    return bench_standalone(dataset, asked.samples_of(dataset, 512)), show_standalone


def _growth(asked: _Asked) -> _Measured:
    from popflip.boards.registry import find_board
    from popflip.scripts.verbs.explore.bench.growth import bench_growth, show_growth

    rows = bench_growth(find_board(asked.board), asked.dataset(), asked.picture)
    return rows, partial(show_growth, picture=asked.picture)


def _own_data(asked: _Asked) -> _Measured:
    from popflip.scripts.verbs.explore.bench.own_data import bench_own_data, show_own_data

    samples = 256 if asked.samples is None else asked.samples
    if samples < 0:
        raise InputError(f"samples must be at least 0, not {samples}")
    return bench_own_data(asked.data, asked.picture.parent, samples), show_own_data


def _buses(asked: _Asked) -> _Measured:
    from popflip.scripts.verbs.explore.bench.buses import bench_buses, show_buses

    return bench_buses(), show_buses


def _live(asked: _Asked) -> _Measured:
    from popflip.scripts.verbs.explore.bench.live import bench_live, show_live

    words = [word for name in asked.presets for word in ("--preset", name)]
    words += ["--engine", asked.engine] if asked.engine else []
    row = bench_live(words, asked.data, 20_000 if asked.samples is None else asked.samples)
    return [row], lambda rows: show_live(rows[0])


def _dynamics(asked: _Asked) -> _Measured:
    from popflip.scripts.verbs.explore.bench.dynamics import bench_dynamics, show_dynamics

    return bench_dynamics(asked.dataset()), show_dynamics


#: What can be measured. Each imports what it needs, as some need compilers.
SUBJECTS: dict[str, Callable[[_Asked], _Measured]] = {
    "engine": _engine,
    "core": _core,
    "standalone": _standalone,
    "growth": _growth,
    "dynamics": _dynamics,
    "own-data": _own_data,
    "buses": _buses,
    "live": _live,
}
_NAMES = ", ".join([*SUBJECTS][:-1]) + " or " + [*SUBJECTS][-1]


VERB = Verb(
    bench,
    examples=(
        "popflip bench engine",
        "popflip bench engine --recorded",
        "popflip bench core --preset ecp5-85f --samples 0 --json",
        "popflip bench standalone --samples 0",
        "popflip bench growth --board ulx3s-45f",
        "popflip bench dynamics",
        "popflip bench buses",
        "popflip bench own-data --data digits",
        "popflip bench own-data --data mnist --samples 0",
        "popflip bench live",
    ),
)
