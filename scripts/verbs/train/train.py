"""``popflip train``: training on a board or an engine."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.description.params import Params
from popflip.golden.training.trainer import Trainer
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
    TrainingSeed,
)
from popflip.scripts.session import (
    DEFAULT_PRESET,
    VIRTUAL,
    Target,
    choose_data,
    choose_params,
    with_label,
)
from popflip.scripts.tables import add_errors, clocks, pairs, put, target_of
from popflip.scripts.verb import Verb, fail_unless_learned, fail_unless_verified, print_json

__all__ = ["VERB", "conclude"]


def train(
    preset: Preset = None,
    config: Config = None,
    epochs: Annotated[
        int, typer.Option(help="Epochs in all, those before a resumption included.", min=1)
    ] = 1,
    samples: Annotated[
        int | None, typer.Option(help="Use only the first N training images; all if left out.")
    ] = None,
    test_samples: Annotated[
        int | None, typer.Option(help="Use only the first N test images; all if left out.")
    ] = None,
    data: Data = None,
    label: Label = None,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    seed: TrainingSeed = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/PRESET-seedN if left out.", metavar="DIR"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder of results.")
    ] = False,
    verify: Annotated[
        bool | None,
        typer.Option(
            help="Have the golden model learn the same samples beside the board, and compare every "
            "bit at the end. On by default if a board learns."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network on a board: checkpoints, logs, pictures, and proof that every bit is right.

    Ctrl-C saves a checkpoint and ends; a second one ends at once. --resume goes on with the board
    or the engine that it was begun with, unless another one is named. Without --resume a training
    begins anew, and replaces the results of an earlier one in the same folder.
    """
    from popflip.scripts.training.job import TrainingJob, run_training

    target = Target(board, baud, engine, threads, port, config)
    named = board is not None or engine is not None or port is not None
    params = choose_params(preset, config, board)
    meta, path = None, None
    if resume and out is not None:
        path = out / "checkpoint.npz"
        meta, _ = Trainer.read_checkpoint(path)
        params = params or Params.build(meta["params"])
    params = params or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    params = with_label(params, label)
    if seed is None:
        seed = meta["seed"] if meta else 1
    if out is None:
        out = Path("runs") / f"{params.name}-seed{seed}"
        if resume:
            path = out / "checkpoint.npz"
            meta, _ = Trainer.read_checkpoint(path)
    if meta:
        samples = meta["samples"] if samples is None else samples
        test_samples = meta["test_samples"] if test_samples is None else test_samples
        target = _target_to_go_on_with(out, target if named else None)
        if params.data == type(params.data)():
            params = params.replace(data=meta["params"].get("data", {}))
    dataset, source = choose_data(data, path, meta, params)
    for warning in dataset.warnings:
        say(f"warning: {warning}")
    job = TrainingJob(
        params=params, dataset=dataset, source=source, out=out, epochs=epochs, seed=seed,
        samples=samples, test_samples=test_samples, target=target, resume=resume,
        verify=target.engine is None if verify is None else verify,
    )  # fmt: skip
    conclude(job, run_training(job), as_json)


VERB = Verb(
    train,
    examples=(
        "popflip train",
        "popflip train --epochs 10 --out runs/long",
        "popflip train --resume --out runs/long --epochs 20",
        "popflip train --preset dense-wide --samples 5000 --json",
        "popflip train --data fashion-mnist --engine fast --epochs 10",
        "popflip train --config mine.toml --data flowers.csv --label species",
    ),
)


def _target_to_go_on_with(out: Path, named: Target | None) -> Target:
    """Return what a training goes on with, and say so unless it is what was named."""
    from popflip.scripts.training.job import begun_with

    begun = begun_with(out)
    target = named or begun or VIRTUAL
    if named is None:
        say(
            f"popflip: goes on with {target}, as it was begun"
            if begun
            else f"popflip: goes on with {target}"
        )
    elif begun is not None and begun.report != named.report:
        say(f"popflip: goes on with {named}; it was begun with {begun}")
    return target


def conclude(job, report, as_json: bool) -> None:
    """Print the report of a training, and end with the status that it deserves.

    Parameters
    ----------
    job : popflip.scripts.training.job.TrainingJob
    report : popflip.scripts.training.job.TrainingReport
    as_json : bool
    """
    print_json(report) if as_json else show(report)
    if not report["finished"]:
        say(
            f"popflip: interrupted in epoch {report['epochs'] + 1} after {report['position']:,} of "
            f"{report['samples']:,} samples; go on with: {job.resume_command()}"
        )
        raise typer.Exit(2)
    fail_unless_verified(report)
    fail_unless_learned(report)


def show(report) -> None:
    """Print the report of a training."""
    table = pairs(f"{report['preset']}, seed {report['seed']}, on {target_of(report)}")
    add_errors(table, report)
    if report["samples_per_s"]:
        speed = f"{report['samples_per_s']:,.0f} training samples/s on this computer"
        if report["simulated_cycles_per_s"]:
            speed += (
                f"; the board itself {report['simulated_cycles_per_s'] / 1e6:.2f} million cycles/s"
            )
        table.add_row("speed", speed)
    bits = f"{report['compared_bits']:,} bits of weights and latents"
    texts = {
        True: f"yes: {bits} equal the golden model's",
        False: "NO: the board and the golden model differ",
        None: "not checked",
    }
    table.add_row("verified", texts[report["verified"]])
    for name, what in (("curves_png", "learning curves"), ("weights_png", "learned weights")):
        if name in report["files"]:
            table.add_row(what, report["files"][name])
    table.add_row("all files", report["out"])
    put(table)
    if report["cycles_per_sample"]:
        rows = {
            "training sample": report["cycles_per_sample"],
            **{f"  {stage}": n for stage, n in report["stage_cycles"].items()},
            "inference": report["cycles_per_inference"],
        }
        put(clocks(rows))
