"""``popflip sweep``: many trainings with different parameters, side by side."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.golden.support.files import prepare_folder
from popflip.scripts.options import Config, Data, Json, Label, Preset, Workers
from popflip.scripts.session import choose_data, named_network, with_label
from popflip.scripts.tables import new_table, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "SweepReport"]


class SweepReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    preset: str
    data: str
    epochs: int
    seeds: int
    judge: str
    validation: int
    samples: int | None
    varied: list[str]
    parameters: dict
    complete: int
    failed: int
    refused: int
    best: dict | None
    rows: list[dict]
    files: dict[str, str]
    out: str


def sweep(
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="A parameter and its values: SECTION.NAME=A,B,C or =LOW..HIGH or =LOW..HIGH:log. "
            "An entry of an array is SECTION.NAME.0. Can be given several times.",
            metavar="AXIS",
        ),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    trials: Annotated[
        int, typer.Option(help="Trials in all, those before a resumption included.")
    ] = 20,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs of each training. If left out so many that it sees 10,000 samples, at "
            "most 60."
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Trainings of each trial, whose mean error counts.")
    ] = 1,
    samples: Annotated[int | None, typer.Option(help="Training images per epoch.")] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            help="Keep the last N training images to judge trials by. 0: the test set judges. A "
            "sixth if left out, at most 10,000.",
            min=0,
        ),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Try every combination of choices, once.")
    ] = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Choose the gains and the threshold of each network by what it receives from the "
            "data, as popflip calibrate does.",
        ),
    ] = False,
    data: Data = None,
    label: Label = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampler.")] = 1,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Dask scheduler whose workers run the trials.", metavar="ADDRESS"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/sweep-PRESET if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Search parameters: train many networks with the fast engine, side by side.

    The last training images judge; the test set is not touched, unless --validation is 0: to
    report what was chosen. Called again with the same options it goes on where it ended. Results
    are one table and one picture. Without --vary one network is trained, as often as there are
    seeds.
    """
    from popflip.scripts.verbs.explore.sweep.axis import Axis
    from popflip.scripts.verbs.explore.sweep.study import (
        Sweep,
        default_epochs,
        default_validation,
        run_sweep,
    )

    params = with_label(named_network(preset, config), label)
    axes = tuple(Axis.parse(text) for text in vary or ())
    out = out or Path("runs") / f"sweep-{params.name}"
    dataset, source = choose_data(data, params=params)
    prepare_folder(out)
    if validation is None:
        validation = default_validation(dataset)
    if epochs is None:
        epochs = default_epochs(
            len(dataset.train_labels) - validation if samples is None else samples
        )
    plan = Sweep(
        params, axes, source, out, trials=trials, epochs=epochs, seeds=seeds, samples=samples,
        validation=validation, grid=grid, seed=seed, workers=workers, scheduler=scheduler,
        calibrate=calibrate,
    )  # fmt: skip
    report = run_sweep(plan)
    print_json(report) if as_json else show(report)


VERB = Verb(
    sweep,
    examples=(
        "popflip sweep --vary learning.beta=1..6 --vary learning.tau.0=6..40:log --trials 50",
        "popflip sweep --vary learning.latent_bits=5,6,7,8 --grid --seeds 3 --epochs 5",
        "popflip sweep --vary network.pool=1,2,3 --calibrate --grid --epochs 4 --seeds 3",
        "popflip sweep --preset ecp5-85f --epochs 60 --seeds 5 --validation 0",
        "popflip sweep --vary dynamics.gains=[20,8],[26,9] --scheduler tcp://10.0.0.1:8786",
    ),
)


def show(report: SweepReport, most: int = 10) -> None:
    """Print the best trials of a sweep."""
    what = f"{report['complete']} trials of {report['epochs']} epoch{'s' * (report['epochs'] != 1)}"
    if report["failed"] or report["refused"]:
        what += f"; {report['failed']} failed, {report['refused']} were no networks"
    table = new_table(f"{report['preset']}: {what}")
    rows = report["rows"][:most]
    for name in rows[0] if rows else ():
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()]
        table.add_row(*cells)
    table.caption = f"all of it in {report['out']}"
    put(table)
