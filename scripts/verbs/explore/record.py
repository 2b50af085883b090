"""``popflip record``: keep what a verb reports in the store of results."""

import shlex
from typing import Annotated

import typer

from popflip.scripts.console import say
from popflip.scripts.options import Json
from popflip.scripts.recording import record as record_verb
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB"]


def record(
    command: Annotated[
        str,
        typer.Argument(
            help="What to run: a verb and its options, quoted, without popflip.", metavar="COMMAND"
        ),
    ],
    machine: Annotated[
        str | None,
        typer.Option(help="Kind of computer; as the system names it if left out.", metavar="TEXT"),
    ] = None,
    note: Annotated[
        str, typer.Option(help="Note for readers of the figures.", metavar="TEXT")
    ] = "",
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Record even if the tree has uncommitted changes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a verb, and keep what it reports: for the documentation, and for others to compare with.

    An entry has the command, the commit, the tools, the seeds, the kind of machine and the date. It
    goes into the checkout's store of results, scripts/recorded/; make docs then writes README and
    the pages anew. Recorded are build, sweep --validation 0, adapt, reproduce, train and demo on a
    board, bench, and the verbs that prove the hardware.
    """
    status, entries = record_verb(shlex.split(command), machine=machine, note=note, dirty=dirty)
    if as_json:
        print_json([{"kind": kind, **entry.model_dump(mode="json")} for kind, entry in entries])
    for kind, entry in entries:
        say(f"popflip: recorded {entry.name} among {kind}")
    if status:
        raise typer.Exit(status)


VERB = Verb(
    record,
    examples=(
        "popflip record 'build --board icebreaker'",
        "popflip record 'sweep --preset ecp5-85f --epochs 40 --seeds 3 --validation 0'",
        "popflip record 'bench engine' --machine '16 cores, idle'",
        "popflip record 'prove --all'",
    ),
)
