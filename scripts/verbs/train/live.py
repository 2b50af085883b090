"""``popflip live``: a page that shows a network learning, on a board."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from popflip.boards.tools import require
from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.checkpoint import read_checkpoint
from popflip.golden.training.state import NetworkState
from popflip.scripts.console import say
from popflip.scripts.live.exhibit import TEST_SAMPLES, Exhibit, Shown
from popflip.scripts.live.exhibition import Exhibition
from popflip.scripts.live.export import export_page
from popflip.scripts.live.recording import Playback, Recorder, playbacks
from popflip.scripts.options import (
    Baud,
    Board,
    Config,
    Data,
    Engine,
    Json,
    Label,
    Port,
    Preset,
    Seed,
    Threads,
)
from popflip.scripts.session import (
    Target,
    check_trains,
    choose_data,
    choose_params,
    named_network,
    same_network,
    with_label,
)
from popflip.scripts.training.runs.reports import RunReport, State
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "LiveJob", "open_exhibition"]

#: Seconds between two looks at how far a run is, where no page shows it.
LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class LiveJob:
    """What is to be shown.

    Attributes
    ----------
    params : Params
    target : Target
    dataset : Dataset
    source : str
        How another process finds it.
    seed : int
    samples : int, optional
        Training images of an epoch.
    state : NetworkState, optional
        What the network begins with.
    beside : Params, optional
        Of a second network.
    record : Path, optional
    """

    params: Params
    target: Target
    dataset: Dataset
    source: str
    seed: int = 1
    samples: int | None = None
    state: NetworkState | None = None
    beside: Params | None = None
    record: Path | None = None


def live(
    preset: Preset = None,
    config: Config = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Begin with the network of a checkpoint.", metavar="FILE"),
    ] = None,
    data: Data = None,
    label: Label = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Training images of an epoch; all if left out.", min=1),
    ] = None,
    seed: Seed = 1,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    beside: Annotated[
        str | None,
        typer.Option(
            help="A second network on the same samples, on a virtual board: a preset, or a TOML "
            "file.",
            metavar="NAME",
        ),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Write what happens to a file.", metavar="FILE")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Show what such a file holds, without a board.", metavar="FILE"),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Serve no page: learn --learn samples (or play all of --replay), and write a "
            "page to share.",
            metavar="FILE",
        ),
    ] = None,
    learn: Annotated[
        int, typer.Option(help="Samples that are learned for --export.", min=1)
    ] = 2000,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen at. One that others can reach needs the token that is printed."
        ),
    ] = "127.0.0.1",
    http_port: Annotated[
        int, typer.Option(help="Port of the page; 0 is any that is free.", min=0, max=65535)
    ] = 8200,
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Watch a network learn: a page with curves and weights, to draw on, to teach and to disturb.

    The virtual board learns, or a board at a serial port (popflip serve keeps one). Golden learns
    the same samples beside it, and a lamp says whether every bit is equal. The page is for this
    computer alone, and needs no network. Ctrl-C ends it.
    """
    if replay is not None:
        given = {
            "--preset": preset, "--config": config, "--checkpoint": checkpoint, "--data": data,
            "--label": label, "--samples": samples, "--board": board, "--port": port,
            "--baud": baud, "--engine": engine, "--threads": threads, "--beside": beside,
            "--record": record,
        }  # fmt: skip
        for option, value in given.items():
            if value is not None:
                raise InputError(f"--replay plays a file: {option} goes without it")
    with ExitStack() as stack:
        serve = None if export else stack.enter_context(_page(host, http_port, browser, as_json))
        if replay is not None:
            exhibition = stack.enter_context(Exhibition(playbacks(replay), None))
        else:
            target = Target(board, baud, engine, threads, port, config)
            job = _job(preset, config, checkpoint, data, label, target, beside)
            job = LiveJob(**job.__dict__ | {"samples": samples, "seed": seed, "record": record})
            exhibition = stack.enter_context(open_exhibition(job))
        if serve is not None:
            serve(exhibition)
        elif export is not None:
            _learn(exhibition, learn)
            sample = exhibition.sample(0) if exhibition.n_samples else None
            write_atomically(export, export_page(exhibition.exhibits, exhibition.classes, sample))
            told = {"verb": "live", "file": str(export)}
            print_json(told) if as_json else say(f"{export} is written")


VERB = Verb(
    live,
    examples=(
        "popflip live",
        "popflip live --board /dev/ttyUSB0 --preset ice40up5k",
        "popflip live --preset local-small --beside local-small-sign.toml",
        "popflip live --export page.html --learn 5000",
    ),
)


def _job(
    preset: str | None,
    config: Path | None,
    checkpoint: Path | None,
    data: str | None,
    label: str | None,
    target: Target,
    beside: str | None,
) -> LiveJob:
    """Find out what is to be shown, and refuse what cannot be."""
    meta, state = None, None
    if checkpoint is not None:
        meta, state = read_checkpoint(checkpoint)
        named = choose_params(preset, config, target.board)
        params = named or Params.build(meta["params"])
        same_network(checkpoint, Params.build(meta["params"]), params)
    else:
        params = named_network(preset, config, board=target.board)
    params = with_label(params, label)
    check_trains(params, target)
    second_target = _target_beside(target)
    if target.virtual or (beside is not None and second_target.virtual):
        require("verilator")
    dataset, source = choose_data(data, checkpoint, meta, params)
    check_data(params, dataset)
    second = None
    if beside is not None:
        path = Path(beside)
        second = Params.load(path if path.suffix == ".toml" else beside)
        check_trains(second, second_target)
        check_data(second, dataset)
    return LiveJob(
        params=params, target=target, dataset=dataset, source=source, state=state, beside=second
    )


def _target_beside(target: Target) -> Target:
    """Return what computes the second network: the same engine, or a virtual board."""
    return target if target.engine else Target()


@contextmanager
def open_exhibition(job: LiveJob) -> Iterator[Exhibition]:
    """Open the runs for the length of a ``with`` block."""
    options: dict[str, Any] = {"source": job.source, "seed": job.seed, "samples": job.samples}
    with ExitStack() as stack:
        listen, listen_beside = None, None
        if job.record is not None:
            recorder = Recorder(job.record)
            stack.callback(recorder.close)
            listen, listen_beside = recorder.listener(0), recorder.listener(1)
        exhibits = []
        if job.beside is not None:
            title = job.beside.name
            if title == job.params.name:
                title += " (beside)"
            exhibits.append(
                Exhibit(
                    job.beside,
                    target=_target_beside(job.target),
                    title=title,
                    listen=listen_beside,
                    **options,
                )
            )
            stack.callback(exhibits[0].close)
        exhibits.insert(0, Exhibit(job.params, target=job.target, state=job.state, listen=listen,
                             **options))  # fmt: skip
        stack.callback(exhibits[0].close)
        yield Exhibition(exhibits, job.dataset)


def _learn(exhibition: Exhibition, samples: int) -> None:
    """Learn so many samples, or play a whole recording."""
    exhibition.all(lambda exhibit: exhibit.start(samples if not exhibition.recorded else None))
    for exhibit in exhibition.exhibits:
        if isinstance(exhibit, Playback):
            exhibit.faster(1e9)
            _wait(exhibit, partial(_played, exhibit))
        else:
            _learn_one(exhibit, samples)


def _played(playback: Playback, _: RunReport) -> bool:
    return playback.done


def _learn_one(exhibit: Shown, samples: int) -> None:
    """Wait until a network has learned so many samples; test it, and compare it with golden's."""

    def learned(report: RunReport) -> bool:
        return report.state is State.PAUSED and report.total.samples >= samples

    def tested(report: RunReport) -> bool:
        return report.tested is not None and report.tested.at == report.total.samples

    _wait(exhibit, learned)
    exhibit.test(TEST_SAMPLES)
    # The history follows reports in a thread of its own, which may not have come to this one.
    exhibit.history.add(_wait(exhibit, tested))
    exhibit.compare().result()


def _wait(exhibit: Shown, until: Callable[[RunReport], bool]) -> RunReport:
    """Return the first report seen of which something is true."""
    with interrupts.safe_points():
        while True:
            interrupts.check()
            report = exhibit.report
            if report.state is State.FAILED:
                exhibit.start()  # raises what went wrong
            if until(report):
                return report
            time.sleep(LOOK_S)


@contextmanager
def _page(
    host: str, port: int, browser: bool, as_json: bool
) -> Iterator[Callable[[Exhibition], None]]:
    """Open the page's address, and yield what serves it."""
    # Here: the extra need not be there for --export.
    from popflip.scripts.live.server import open_browser, open_socket, serve_page

    def ready(address: str) -> None:
        if browser:
            open_browser(address)
        if as_json:
            print_json({"verb": "live", "address": address})
        else:
            say(f"the page is at {address}; Ctrl-C ends it")

    with open_socket(host, port) as listener:
        yield lambda exhibition: serve_page(exhibition, listener, host, ready)
