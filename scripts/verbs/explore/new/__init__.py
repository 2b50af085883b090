"""``popflip new``: a network for one's own data that fits a board."""

import shlex
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.scripts.console import say
from popflip.scripts.options import Data, Json, Label, Seed
from popflip.scripts.session import named_network, with_label
from popflip.scripts.tables import grid, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "NewReport", "ProposalReport"]


class ProposalReport(TypedDict):
    """A network that was tried."""

    what: str
    sizes: list[int]
    copies: int
    tau: list[int]
    error: float
    final_error: float | None
    folds: int
    synapses: int
    memory_bits: int
    blocks: int | None
    luts: int | None
    samples_per_s: float | None


class NewReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    data: str
    kind: str
    budget: str
    seed: int
    epochs: int
    finished: bool
    best: ProposalReport
    rows: list[ProposalReport]
    mhz: float
    available: dict[str, int] | None
    warnings: list[str]
    file: str


def new(
    data: Data = None,
    label: Label = None,
    board: Annotated[
        str | None,
        typer.Option(
            help="Board that the network has to fit; popflip boards lists them.", metavar="BOARD"
        ),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            help="Bits that weights and latents may take, instead of a board.",
            metavar="BITS",
            min=1,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write the network.", metavar="FILE")
    ] = Path("net.toml"),
    config: Annotated[
        Path | None,
        typer.Option(help="File whose section data says how the data are read.", metavar="FILE"),
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="Time for all trainings; what was found until then counts.")
    ] = 5.0,
    seed: Seed = 1,
    as_json: Json = False,
) -> None:
    """Find a network for a data set that fits a board, and write it as a commented TOML file.

    Several networks that fit are calibrated to the data and trained briefly by the fast engine.
    Samples that are kept from the training part judge; the test part is not touched. After each
    round the worse half is left out. Of large data sets the last three are trained longer before
    the choice: the finalists. Ctrl-C ends the search, and keeps the best so far.
    """
    from popflip.scripts.verbs.explore.new.search import Wish, find_network

    if (board is None) == (memory is None):
        raise InputError("name one of --board and --memory")
    if minutes <= 0:
        raise InputError(f"minutes must be above 0, not {minutes:g}")
    if output.suffix != ".toml":
        raise InputError(f"output must be a .toml file, not {str(output)!r}")
    reading = with_label(named_network(None, config), label)
    wish = Wish(data, reading, board, memory, seed, minutes, output.stem)
    text, report = find_network(wish)
    write_atomically(output, text.encode())
    report["file"] = str(output)
    print_json(report) if as_json else show(report)
    if not report["finished"]:
        say(f"popflip: ended before all were compared; the best so far is in {output}")
        raise typer.Exit(2)


VERB = Verb(
    new,
    examples=(
        "popflip new --data flowers.csv --label species --board icebreaker -o flowers.toml",
        "popflip new --data digits --memory 500000 --minutes 2",
    ),
)


def show(report: NewReport, most: int = 12) -> None:
    """Print the networks that were tried."""
    available = report["available"]
    columns = ["network", "neurons", "copies", "tau", "error %", "folds", "final %", "synapses"]
    columns += ["block RAMs", "LUTs"] if available else ["memory bits"]
    columns += [f"samples/s at {report['mhz']:g} MHz"]
    rows = []
    for each in report["rows"][:most]:
        cells: list = [
            each["what"], "-".join(map(str, each["sizes"])), each["copies"],
            ", ".join(map(str, each["tau"])), f"{each['error']:.2f}", each["folds"],
            "" if each["final_error"] is None else f"{each['final_error']:.2f}", each["synapses"],
        ]  # fmt: skip
        cells += [each["blocks"], each["luts"]] if available else [each["memory_bits"]]
        rate = each["samples_per_s"]
        rows.append([*cells, "" if rate is None else f"{rate:,.0f}"])
    title = f"{report['data']} on {report['budget']}: networks, best first; error on kept samples"
    put(grid(title, columns, rows))
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    words = ["popflip", "train", "--config", report["file"], "--data", report["data"]]
    words += ["--engine", "fast", "--epochs", str(report["epochs"])]
    say(f"popflip: wrote {report['file']}; train it: {shlex.join(words)}")
