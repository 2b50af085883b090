"""``popflip serve``: a virtual board that stays at a serial port of this machine."""

import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.boards.host.machine import virtual_board
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.support.files import file_errors
from popflip.scripts.console import say
from popflip.scripts.options import Config, Json, Preset
from popflip.scripts.session import Failure, named_network
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "ServedReport", "keep_board"]


#: Seconds between two looks at whether somebody wants an end.
LOOK_S = 0.1


class ServedReport(TypedDict):
    """What ``--json`` prints, once programs may open the port."""

    verb: str
    preset: str
    port: str
    digest: str


def serve(
    preset: Preset = None,
    config: Config = None,
    link: Annotated[
        Path | None,
        typer.Option(help="Make a symbolic link of this name to the port.", metavar="PATH"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep a virtual board at a serial port until Ctrl-C.

    Other commands take the port as --board, one after the other, and find the board as the one
    before has left it.
    """
    from popflip.rtl.interface import check_hardware

    params = named_network(preset, config)
    check_hardware(params)

    def ready(report: ServedReport) -> None:
        if as_json:
            print_json(report)
        else:
            say(f"{report['preset']} is at {report['port']}; Ctrl-C ends it")

    keep_board(params, link, ready)


VERB = Verb(
    serve,
    examples=(
        "popflip serve",
        "popflip serve --preset dense-wide --link /tmp/popflip",
    ),
)


def keep_board(params: Params, link: Path | None, ready: Callable[[ServedReport], None]) -> None:
    """Keep a virtual board at a serial port until Ctrl-C or a request to end.

    Parameters
    ----------
    params : Params
    link : Path, optional
        A name for the port that stays the same: a symbolic link, removed in the end.
    ready : callable
        Gets the report that ``--json`` prints, once programs may open the port.
    """
    if link is not None and not link.is_symlink() and link.exists():  # before a build of minutes
        raise Failure(f"link must be a name that is free, and {link} is taken")
    with (
        interrupts.noted(lambda: None),
        virtual_board(params) as board,
        pseudo_terminal(board) as port,
        _named(link, port),
    ):
        ready({
            "verb": "serve",
            "preset": params.name,
            "port": str(link or port),
            "digest": params.digest,
        })
        while not interrupts.requested():
            time.sleep(LOOK_S)


@contextmanager
def _named(link: Path | None, port: str):
    """Have a link point to the port for the length of a ``with`` block."""
    if link is None:
        yield
        return
    with file_errors(link):
        if link.is_symlink():
            link.unlink()  # of one that was killed, or of another that is cut off by this
        os.symlink(port, link)
    try:
        yield
    finally:
        if link.is_symlink() and os.readlink(link) == port:
            link.unlink()
