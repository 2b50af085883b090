"""``popflip adapt``: what becomes of a trained network that meets a change and learns on."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.scripts.console import say
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
    Threads,
)
from popflip.scripts.session import Target, check_trains, choose_data, named_network, with_label
from popflip.scripts.tables import grid, pairs, put, target_of
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB"]


def adapt(
    preset: Preset = None,
    config: Config = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            help="rotate-90, rotate-180, invert, noise, dead-pixels, dead-columns, permute, "
            "swap-labels, rename or unseen; can be given several times. All but dead-columns and "
            "swap-labels that the data can meet if left out.",
            metavar="NAME",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Networks of each change.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs before the change.", min=1)] = 3,
    samples: Annotated[
        int | None, typer.Option(help="Use only the first N training images; all if left out.")
    ] = None,
    test_samples: Annotated[
        int | None, typer.Option(help="Use only the first N test images; all if left out.")
    ] = None,
    at: Annotated[
        list[int] | None,
        typer.Option(
            help="Test after so many samples; can be given several times. 1000, 5000 and 20000 if "
            "left out.",
            metavar="N",
        ),
    ] = None,
    replay: Annotated[
        int, typer.Option(help="Old samples that follow each new one, where they do.", min=1)
    ] = 1,
    data: Data = None,
    label: Label = None,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    out: Annotated[
        Path,
        typer.Option(help="Folder of what is done; called again, it goes on there.", metavar="DIR"),
    ] = Path("runs/adapt"),
    picture: Annotated[
        Path | None,
        typer.Option(help="Picture of the curves. curves.png in the folder.", metavar="PNG"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a trained network meet a change, have it learn on, and measure what that is worth.

    Each change is met four ways: the network learns on from what comes; the same with old samples
    in between; the same with its latents cleared at the change; and a new network learns only what
    comes. Tested are what comes, and what was learned before the change as far as it still holds.
    The fast engine computes it, unless a board is named: the bits are the same.
    """
    from popflip.scripts.campaigns.adaptation.curves import (
        AdaptJob,
        possible_changes,
        run_adaptation,
    )

    if board is None and port is None and engine is None:
        engine = "fast"
    target = Target(board, baud, engine, threads, port, config)
    params = with_label(named_network(preset, config, board=board), label)
    check_trains(params, target)
    dataset, source = choose_data(data, params=params)
    changes, left_out = (tuple(change), []) if change else possible_changes(dataset)
    job = AdaptJob(
        params=params, dataset=dataset, source=source, changes=changes,
        seeds=seeds, epochs=epochs, samples=samples, test_samples=test_samples,
        at=tuple(at or (1000, 5000, 20000)), replay=replay, target=target, out=out,
        picture=picture or out / "curves.png",
    )  # fmt: skip
    for why in left_out:
        say(f"popflip: left out: {why}")
    report = run_adaptation(job)
    print_json(report) if as_json else show(report)


VERB = Verb(
    adapt,
    examples=(
        "popflip adapt",
        "popflip adapt --change rotate-90 --change unseen --seeds 1",
        "popflip adapt --board virtual --change invert --samples 2000 --at 500 --seeds 1",
    ),
)


def show(report) -> None:
    """Print the errors of each change."""
    columns = ["change", "way", "before", *(f"{n:,}" for n in (0, *report["at"])), "old task"]
    rows = []
    by_curve: dict[tuple, list[dict]] = {}
    for row in report["rows"]:
        by_curve.setdefault((row["change"], row["way"]), []).append(row)
    for (kind, way), points in by_curve.items():
        before = points[0].get("before")
        rows.append((
            kind, way, "" if before is None else f"{before:.2f}",
            *(f"{point['error']:.2f}" for point in points), f"{points[-1]['old_error']:.2f}",
        ))  # fmt: skip
    title = f"{report['preset']} on {target_of(report)}: error in % after so many new samples"
    put(grid(title, columns, rows))
    table = pairs("In all")
    table.add_row("trained before", f"{report['epochs']} epochs, {report['seeds']} seeds")
    table.add_row("picture", report["picture"])
    put(table)
