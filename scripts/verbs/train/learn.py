"""``popflip learn``: a network that goes on learning, from samples as they come."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.datasets.reading.raw import Wanted
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import (
    file_errors,
    prepare_file,
    refuse_same,
    write_atomically,
)
from popflip.golden.training.checkpoint import read_checkpoint, read_encoder
from popflip.golden.training.state import initial_state
from popflip.scripts.console import say
from popflip.scripts.options import (
    Baud,
    Board,
    Config,
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
    choose_params,
    named_network,
    results_folder,
)
from popflip.scripts.training.streaming.job import (
    LearnJob,
    LearnReport,
    Network,
    blank_meta,
    run_learning,
)
from popflip.scripts.training.streaming.lines import FileLines, Lines, PipeLines
from popflip.scripts.training.streaming.parsing import JsonLines, Source, TableLines
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB", "network_of", "source_of_lines"]

#: How lines may be written, by the ending of a file's name; JSON if it has another one.
FORMATS = {".csv": "csv", ".tsv": "tsv"}


def learn(
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Network to go on with: checkpoint.npz of a training. A new one, which "
            "--preset or --config names, if left out.",
            metavar="FILE",
        ),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    source: Annotated[
        str,
        typer.Option("--from", help="File of samples; - is standard input.", metavar="FILE"),
    ] = "-",
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more at the end of the file: it grows.")
    ] = False,
    lines: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="What lines hold: json, csv or tsv. By the file's name if left out, else json.",
            metavar="NAME",
        ),
    ] = None,
    label: Label = None,
    first: Annotated[
        int, typer.Option(help="Number of the line to begin with; those before are left out.")
    ] = 1,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    seed: Seed = 1,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Write predictions there, as JSON lines. To standard output if left out, without "
            "--json.",
            metavar="FILE",
        ),
    ] = None,
    save_every: Annotated[
        float, typer.Option(help="Seconds between two checkpoints.", metavar="S")
    ] = 30.0,
    idle: Annotated[
        float, typer.Option(help="End after so many seconds without a new line.", metavar="S")
    ] = 3600.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="End at the first bad line, instead of skipping it.")
    ] = False,
    new_classes: Annotated[
        bool,
        typer.Option(help="Let labels that are not known become classes, while outputs are free."),
    ] = True,
    clear_latents: Annotated[
        bool,
        typer.Option(
            "--clear-latents",
            help="Begin with latents of zero: what was learned yields sooner to what comes.",
        ),
    ] = False,
    verify: Annotated[
        bool | None,
        typer.Option(
            help="Have the golden model learn the same samples beside, and compare every bit. On "
            "by default if the virtual board learns."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/learn-NAME if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Go on learning on a board: samples and labels as they come in, predictions out.

    A line is a sample: {"x": [0, 12, 255], "label": "cat"}, or a row of a CSV table. x is encoded
    as the training data of the checkpoint were. A sample with a label is predicted, then learned;
    one without is predicted. A label that is new takes an output that no class has yet. Each line
    gives one line of JSON: its number, and the prediction or what is wrong with it.

    Checkpoints are written by time. Ctrl-C ends it when all lines that were read are learned and
    saved.
    """
    target = Target(board, baud, engine, threads, port, config)
    network = network_of(checkpoint, preset, config, board, seed)
    if clear_latents:
        network = replace(network, state=network.state.without_latents())
    params = network.params
    _check(params, target)
    out = out or Path("runs") / f"learn-{params.name}"
    job = LearnJob(
        network=network, checkpoint=out / "checkpoint.npz", target=target, first=first,
        save_every=save_every, idle=idle, strict=strict, new_classes=new_classes,
        verify=target.virtual if verify is None else verify,
    )  # fmt: skip
    with results_folder(out):
        # Before the file of predictions is begun anew, which may be the same one.
        samples = source_of_lines(source, follow, lines, label, network)
        with closing(samples):
            refuse_same(predictions, None if source == "-" else Path(source), "predictions")
            with _written(predictions, as_json) as emit:
                report = run_learning(job, samples, emit)
        write_atomically(out / "report.json", json.dumps(report, indent=1).encode())
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


def _check(params: Params, target: Target) -> None:
    """Refuse what cannot learn, before any sample is read."""
    check_trains(params, target)
    if target.virtual:
        from popflip.boards.tools import require

        require("verilator")


VERB = Verb(
    learn,
    examples=(
        "popflip learn --checkpoint runs/mine/checkpoint.npz --from samples.jsonl",
        "popflip learn --checkpoint runs/mine/checkpoint.npz --board /dev/ttyUSB0 < samples.jsonl",
        "popflip learn --checkpoint runs/mine/checkpoint.npz --from log.csv --follow --idle 600",
    ),
)


def network_of(
    checkpoint: Path | None,
    preset: str | None,
    config: Path | None,
    board: str | None = None,
    seed: int = 1,
) -> Network:
    """Return the network of a checkpoint; without one a new network.

    Parameters
    ----------
    checkpoint : Path, optional
    preset, config, board
        Another machine for it, or what the new network is, as everywhere.
    seed : int
        Of a new network.
    """
    if checkpoint is None:
        params = named_network(preset, config, board=board)
        return Network(params, initial_state(params, seed), blank_meta(params, seed))
    from popflip.scripts.transfer import Settings, check_words

    meta, state = read_checkpoint(checkpoint)
    saved = Params.build(meta["params"])
    named = choose_params(preset, config, board)
    tau = Settings.of(meta).tau
    if named is not None:
        check_words(checkpoint, saved, named)
        if named.learning != saved.learning:
            tau = named.learning.tau
    return Network(
        named or saved, state, meta, tau, read_encoder(checkpoint),
        meta.get("classes") or [str(number) for number in range(saved.network.classes)],
    )  # fmt: skip


def source_of_lines(
    source: str, follow: bool, form: str | None, label: str | None, network: Network
) -> Source:
    """Open what samples come from.

    Parameters
    ----------
    source : str
        A file; ``-`` is standard input.
    follow : bool
        Whether the file grows.
    form : str, optional
        How lines are written: json, csv or tsv.
    label : str, optional
        Column of the labels.
    network : Network
    """
    known = {"json", *FORMATS.values()}
    if form is not None and form not in known:
        raise InputError(f"format must be json, csv or tsv, not {form!r}")
    if source == "-" and follow:
        raise InputError("--follow goes with a file: standard input is waited for anyway")
    path = None if source == "-" else Path(os.path.expanduser(source))
    form = form or FORMATS.get(path.suffix.lower() if path else "", "json")
    data = network.params.data
    lines: Lines = PipeLines(sys.stdin.fileno()) if path is None else FileLines(path, follow)
    if form == "json":
        return JsonLines(lines)
    wanted = Wanted(label or data.label, data.ignore, unlabelled=True)
    return TableLines(lines, wanted, network.encoder, "\t" if form == "tsv" else None)


@contextmanager
def _written(path: Path | None, as_json: bool) -> Iterator[Callable[[list[dict]], None]]:
    """Open what predictions are written to, if they are; hand out what writes them."""
    if path is not None:
        prepare_file(path, "predictions")
    with ExitStack() as opened:
        file = None if as_json else sys.stdout
        if path is not None:
            with file_errors(path):
                file = opened.enter_context(open(path, "w", encoding="utf-8"))

        def emit(rows: list[dict]) -> None:
            if file is not None:
                text = "".join(f"{json.dumps(row)}\n" for row in rows)
                with file_errors(path or "standard output"):
                    file.write(text)
                    file.flush()

        yield emit


def show(report: LearnReport) -> None:
    """Print the report of a learning: on standard error, beside the predictions."""
    text = f"{report['lines']:,} lines, {report['predicted']:,} predicted, "
    text += f"{report['learned']:,} learned"
    if report["error"] is not None:
        text += f", error {report['error']:.2f} % ({report['recent_error']:.2f} % at the end)"
    if report["bad"]:
        text += f", {report['bad']:,} bad"
    say(f"popflip: {text}; ended by: {report['ended_by']}")
    if report["added_classes"]:
        say(f"popflip: new classes: {', '.join(report['added_classes'])}")
    if report["verified"]:
        say(
            f"popflip: verified: {report['compared_bits']:,} bits of weights and latents, and all "
            "predictions, equal the golden model's"
        )
    saved = "saved" if report["learned"] else "nothing learned, saved"
    go_on = f"popflip learn --checkpoint {report['checkpoint']}, and --first"
    say(f"popflip: {saved}; go on with: {go_on} {report['last_line'] + 1} in that file")
