"""``popflip flash``: configure a board, and write a data set behind its bitstream."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.boards.board import Board
from popflip.boards.build.programmer import FlashError, enable_quad, load
from popflip.boards.registry import find_board
from popflip.golden.datasets import loading
from popflip.golden.description.flash_image import FLASH_BYTES, read_image
from popflip.golden.description.params import Params
from popflip.golden.support.files import read_file
from popflip.scripts.console import say
from popflip.scripts.options import Config, Json, NamedBoard, Preset
from popflip.scripts.session import choose_data, choose_params
from popflip.scripts.verb import Verb, print_json
from popflip.scripts.verbs.train.data import write_flash_image

__all__ = ["VERB", "FlashData", "FlashReport", "flash_board"]


class DataReport(TypedDict, total=False):
    """What a report says of the data behind a bitstream."""

    data: str | None
    data_offset: int | None
    train: int
    test: int


class FlashReport(DataReport):
    """What ``--json`` prints."""

    verb: str
    board: str
    bitstream: str
    persistent: bool


def flash(
    board: NamedBoard,
    bitstream: Annotated[
        Path | None,
        typer.Option(
            help="Bitstream to write; the one in build/BOARD if left out.", metavar="FILE"
        ),
    ] = None,
    persistent: Annotated[
        bool,
        typer.Option(
            "--persistent/--volatile",
            help="persistent: write the board's flash; volatile: configure it until power-off.",
        ),
    ] = False,
    with_data: Annotated[
        str | None,
        typer.Option(
            help="Data for the flash, behind the bitstream: what --data takes elsewhere, which is "
            "packed for the network; or a file that popflip data --image wrote.",
            metavar="DATA",
        ),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Training images to write; as many as fit if left out.", min=1),
    ] = None,
    test_samples: Annotated[
        int | None, typer.Option(help="Test images to write; as many as fit if left out.", min=1)
    ] = None,
    cable: Annotated[
        str | None,
        typer.Option(help="openFPGALoader's name of a cable, if not the board's own."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Configure a board through its cable, with openFPGALoader.

    The network that data are packed for is the one that the build left beside the bitstream, unless
    --preset or --config names it. Nothing of this has been run with a board here, only up to the
    cable.
    """
    params = choose_params(preset, config)
    data = with_data and FlashData(
        source=with_data, params=params, samples=samples, test_samples=test_samples
    )
    report = flash_board(find_board(board), bitstream, persistent, data or None, cable)
    print_json(report) if as_json else say(f"popflip: {report['board']} is configured")


VERB = Verb(
    flash,
    examples=(
        "popflip flash --board icebreaker --persistent",
        "popflip flash --board ulx3s-85f --bitstream build/ulx3s-85f/ulx3s-85f-ecp5-85f.bit",
        "popflip flash --board ulx3s-85f --persistent --with-data mnist",
        "popflip flash --board ulx3s-85f --with-data mnist.img",
    ),
)


@dataclass(frozen=True, kw_only=True)
class FlashData:
    """What goes into the flash behind a bitstream.

    Parameters
    ----------
    source : str
        A file of no known format of data sets: an image that is ready. Else the data set.
    params : Params, optional
        The network that the bitstream was built of; what ``popflip build`` left beside it if left
        out.
    samples, test_samples : int, optional
        Images of a data set, the first so many; as many as fit if left out.
    """

    source: str
    params: Params | None = None
    samples: int | None = None
    test_samples: int | None = None


def flash_board(
    board: Board,
    bitstream: Path | None,
    persistent: bool,
    data: FlashData | None = None,
    cable: str | None = None,
) -> FlashReport:
    """Write a bitstream to a board, after the data that it is to find in the flash.

    Parameters
    ----------
    board : Board
    bitstream : Path, optional
        The one in ``build/BOARD`` if left out.
    persistent : bool
        Into the flash.
    data : FlashData, optional
        Always into the flash. An image that is made is left beside the bitstream.
    cable : str, optional
        Instead of the board's own.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    bitstream = bitstream or _built(board)
    report: FlashReport = {
        "verb": "flash",
        "board": board.name,
        "bitstream": str(bitstream),
        "persistent": persistent,
        "data": None,
        "data_offset": None,
    }
    if data is not None:
        report = {**report, **_write_data(board, bitstream, persistent, data, cable)}
    load(board, bitstream, persistent=persistent, cable=cable, say=say)
    return report


def _write_data(board, bitstream, persistent, data, cable) -> DataReport:
    """Write the data; before the bitstream, for to write the flash ends what runs in the FPGA."""
    if board.flash is None or not board.flash.resource:
        raise FlashError(f"{board.title} has no flash that a design can read data from")
    offset = board.flash.data_offset
    if not bitstream.is_file():
        raise FlashError(f"{bitstream}: no such file: popflip build --board {board.name} makes it")
    size = bitstream.stat().st_size
    if persistent and size > offset:
        raise FlashError(f"{bitstream} of {size:,} bytes reaches into the data at {offset:,}")
    params = data.params
    if params is not None:
        params = board.params(params)
    elif (left := bitstream.parent / "params.toml").is_file():
        params = Params.load(left)
    if params is not None and not params.standalone.lines:
        why = board.obstacle(params)
        raise FlashError(
            f"the machine of {params.name} reads no flash on {board.title}: {why}: build one "
            "with standalone training"
        )
    image = Path(data.source)
    counts: DataReport = {}
    if image.is_file() and not loading.is_data(image):
        if params is not None:
            read_image(params, read_file(image, FLASH_BYTES, "a flash image"))
    elif params is None:
        raise FlashError(
            f"no params.toml lies beside {bitstream}: name the network that it was built from, by "
            "--preset or --config"
        )
    else:
        dataset, _ = choose_data(data.source, params=params)
        image = bitstream.parent / "data.img"
        made = write_flash_image(
            params, dataset, image, data.samples, data.test_samples, board.flash.bytes
        )
        counts = {"train": made["train"], "test": made["test"]}
        say(
            f"{image}: {made['train']:,} of {len(dataset.train_labels):,} training and "
            f"{made['test']:,} of {len(dataset.test_labels):,} test images in "
            f"{made['bytes']:,} bytes"
        )
    load(board, image, persistent=True, offset=offset, cable=cable, say=say)
    if params is None or params.standalone.lines == 4:
        complaint = enable_quad(board, cable)
        if complaint:
            say(
                f"whether the flash gives data on four lines is not known ({complaint}): if the "
                'board finds no data set, build it with flash = "dual" in section [standalone]'
            )
    return {"data": str(image), "data_offset": offset, **counts}


def _built(board: Board) -> Path:
    """Return the bitstream that popflip build left for a board, the newest of several."""
    family = board.device.family
    if not family.makes_bitstreams:
        raise FlashError(
            f"name the file that the maker's tools wrote for {board.title}: --bitstream"
        )
    folder = Path("build") / board.name
    found = sorted(folder.glob(f"*{family.suffix}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FlashError(
            f"{folder} holds no bitstream: popflip build --board {board.name} makes one"
        )
    return found[-1]
