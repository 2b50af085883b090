"""``popflip save``: from a board, or an image of the C driver's, into a checkpoint."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from popflip.boards.driver.header import FRONT_ENDS
from popflip.boards.host.machine import BoardMachine
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import VERSION
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.support.files import prepare_folder
from popflip.golden.training.checkpoint import Origin, save_network
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.trainer import Trainer
from popflip.rtl.identity import identity
from popflip.scripts.console import say
from popflip.scripts.options import Baud, Config, Data, Json, Port, Preset, Seed
from popflip.scripts.session import (
    Target,
    TargetReport,
    choose_data,
    named_network,
    open_machine,
)
from popflip.scripts.tables import pairs, put, target_of
from popflip.scripts.training.exported import fitting_data, read_image
from popflip.scripts.training.streaming.job import blank_meta
from popflip.scripts.transfer import Settings
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "SavedReport", "save_board"]


class SavedReport(TargetReport):
    """What ``--json`` prints."""

    verb: str
    preset: str
    checkpoint: str
    bits: int
    origin: dict
    digest: str


def save(
    board: Annotated[
        str | None,
        typer.Option(
            help="Serial port, such as /dev/ttyUSB0; or the name of a board, which is at --port.",
            metavar="BOARD",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="What popflip_save of the C driver wrote, instead.", metavar="FILE"),
    ] = None,
    bus: Annotated[
        str,
        typer.Option(
            help=f"Front end of the image's design: {', '.join(FRONT_ENDS)}.", metavar="BUS"
        ),
    ] = "uart",
    preset: Preset = None,
    config: Config = None,
    port: Port = None,
    baud: Baud = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The checkpoint. runs/saved-PRESET/checkpoint.npz if left out.",
            metavar="FILE",
        ),
    ] = None,
    data: Data = None,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Save what a board has learned, in a checkpoint.

    With --image, what a program has saved by the C driver. Weights, latents, flip thresholds, batch
    and the generator of nudge signs are read from the board, or from the image. infer takes the
    file, load writes it to another board, and train --resume --out FOLDER goes on from a
    checkpoint.npz in that folder: with the data and the seed that are named here, from its first
    epoch on. An image whose network does not fit the default data is saved without a word of data.
    """
    if (board is None) == (image is None):
        raise InputError("name one of --board and --image")
    if bus not in FRONT_ENDS:
        raise InputError(f"bus must be one of {', '.join(FRONT_ENDS)}, not {bus!r}")
    params = named_network(preset, config, board=board)
    out = out or Path("runs") / f"saved-{params.name}" / "checkpoint.npz"
    if image is not None:
        dataset = _data_of_image(data, params)
        report = save_image(params, dataset, image, bus, out, seed=seed)
        what = f"image {image}"
    else:
        dataset, _ = choose_data(data, params=params)
        target = Target(board, baud, port=port, config=config)
        report = save_board(params, dataset, target, out, seed=seed)
        what = target_of(report)
    print_json(report) if as_json else show(report, what)


VERB = Verb(
    save,
    examples=(
        "popflip save --board /dev/ttyUSB0 --out moved/checkpoint.npz",
        "popflip save --preset dense-wide --board /dev/ttyUSB0 --baud 1000000",
        "popflip save --image learned.bin --bus wishbone --preset ice40hx8k",
    ),
)


def _data_of_image(data: str | None, params: Params) -> Dataset | None:
    """Load the data that were named, else the default ones if they are there and fit."""
    if data is not None:
        return choose_data(data, params=params)[0]
    try:
        return fitting_data(None, params)[0]
    except PopflipError:
        return None


def save_board(
    params: Params, dataset: Dataset, target: Target, out: Path, *, seed: int = 1
) -> SavedReport:
    """Save what a board has learned, and return the report that ``--json`` prints.

    Parameters
    ----------
    params : Params
        Of the design that the board runs.
    dataset : Dataset
        What a training that goes on from the file learns from.
    target : Target
        A serial port.
    out : Path
    seed : int
        Of the order of samples of a training that goes on.
    """
    if target.virtual:
        raise InputError(
            "board must be a serial port, not virtual: the virtual board ends with its command "
            "(popflip train has saved it in checkpoint.npz); popflip serve keeps one at a port"
        )
    plan = Trainer(params, dataset, GoldenMachine(params), seed=seed)
    prepare_folder(out.parent)
    with open_machine(params, target) as machine:
        assert isinstance(machine, BoardMachine)
        plan.machine.write_state(machine.read_state())
        settings = Settings.on(machine)
    if settings.pending:
        say(
            f"saved in the middle of a batch, {settings.pending} of {settings.batch} samples: the "
            "next batch begins anew"
        )
    plan.origin = _origin(settings, str(target.report["board"]), identity(params))
    plan.save(out)
    return _report(params, plan.origin, out, target.report)


def save_image(
    params: Params, dataset: Dataset | None, path: Path, bus: str, out: Path, *, seed: int = 1
) -> SavedReport:
    """Save what a program has read from a machine by the C driver, and return the report.

    Parameters
    ----------
    params, out, seed
        As for :func:`save_board`.
    dataset : Dataset, optional
        Likewise; without one no training goes on from the file, though a stream of samples does.
    path : Path
        Of the image.
    bus : str
        Front end of its design.
    """
    image = read_image(path, params, bus)
    settings = Settings(image.batch, image.tau, image.reset_on_flip)
    origin = _origin(settings, str(path), identity(params, bus))
    prepare_folder(out.parent)
    if dataset is None:
        meta = blank_meta(params, seed) | {"origin": asdict(origin)}
        save_network(out, params, image.state, None, meta)
    else:
        plan = Trainer(params, dataset, GoldenMachine(params), seed=seed)
        plan.machine.write_state(image.state)
        plan.origin = origin
        plan.save(out)
    return _report(params, origin, out, {"board": str(path), "engine": None})


def _origin(settings: Settings, place: str, own: bytes) -> Origin:
    """Say where a network has come from."""
    return Origin(
        board=place, design=own.hex(), protocol=VERSION, batch=settings.batch,
        tau=list(settings.tau), reset_on_flip=settings.reset_on_flip, pending=settings.pending,
    )  # fmt: skip


def _report(params: Params, origin: Origin, out: Path, report: TargetReport) -> SavedReport:
    return {
        "verb": "save",
        "preset": params.name,
        "checkpoint": str(out),
        **report,
        "bits": params.memory_bits,
        "origin": asdict(origin),
        "digest": params.digest,
    }


def show(report: SavedReport, what: str) -> None:
    """Print the report of a network that was saved, and what from."""
    origin = report["origin"]
    table = pairs(f"{report['preset']}: {what} saved as {report['checkpoint']}")
    table.add_row("weights and latents", f"{report['bits']:,} bits")
    text = f"batch {origin['batch']}, tau {', '.join(map(str, origin['tau']))}"
    table.add_row("settings", text)
    table.add_row("design", origin["design"])
    put(table)
