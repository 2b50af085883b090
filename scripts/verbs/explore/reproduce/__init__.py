"""``popflip reproduce``: the paper's systems, by its equations and with its parameters."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.support.errors import InputError
from popflip.scripts.console import say
from popflip.scripts.options import Json, Seed
from popflip.scripts.tables import add_errors, duration, new_table, pairs, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB"]


def reproduce(
    row: Annotated[
        str | None, typer.Argument(help="System of the paper; --list shows them.", metavar="ROW")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs in all, those before a resumption included; the paper's if left out.",
            min=1,
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Use only the first N training images; all if left out.")
    ] = None,
    test_samples: Annotated[
        int | None, typer.Option(help="Use only the first N test images; all if left out.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder with four IDX files, or with the binary version of CIFAR-10, which its "
            "rows need. MNIST if left out.",
            metavar="FOLDER",
        ),
    ] = None,
    seed: Seed = 1,
    threads: Annotated[
        int | None, typer.Option(help="Threads; all of the computer's if left out.", metavar="N")
    ] = None,
    device: Annotated[
        str, typer.Option(help="What PyTorch computes on, such as cuda.", metavar="NAME")
    ] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results, runs/reproduce/ROW-seedN if left out; for --table, the "
            "folder above those.",
            metavar="DIR",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder of results.")
    ] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Print every row with its results.")
    ] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Print the rows.")] = False,
    as_json: Json = False,
) -> None:
    """Train a system of the paper, by the paper's equations and with its parameters.

    Ctrl-C saves a checkpoint and ends; --resume goes on, to the same bits on the same computer with
    as many threads. Rows need PyTorch, but for full-fc1-integer. --json prints a list for --table
    and --list.
    """
    from popflip.golden.paper.systems import find_row
    from popflip.scripts.verbs.explore.reproduce.runs import RESULTS, ReproductionJob, reproduce_row
    from popflip.scripts.verbs.explore.reproduce.table import list_rows, results

    if (row is not None) + table + as_list != 1:
        raise InputError("name one of a row, --table and --list")
    if row is None:
        rows = results(out or RESULTS) if table else list_rows()
        if as_json:
            print_json(rows)
        else:
            (show_results if table else show_rows)(rows)
        return
    found = find_row(row)
    job = ReproductionJob(
        found, data, out or RESULTS / f"{row}-seed{seed}",
        epochs=found.epochs if epochs is None else epochs, seed=seed, samples=samples,
        test_samples=test_samples, threads=threads, device=device, resume=resume,
    )  # fmt: skip
    report = reproduce_row(job)
    print_json(report) if as_json else show_reproduction(report)
    if not report["finished"]:
        say(
            f"popflip: interrupted in epoch {report['epochs'] + 1} after {report['position']:,} of "
            f"{report['samples']:,} samples; go on with: {report['go_on']}"
        )
        raise typer.Exit(2)


VERB = Verb(
    reproduce,
    examples=(
        "popflip reproduce --list",
        "popflip reproduce full-fc1-integer",
        "popflip reproduce fc1-binary --epochs 10 --threads 1",
        "popflip reproduce fc1-binary --epochs 50 --resume",
        "popflip reproduce cifar-binary --data ~/cifar-10-batches-bin",
        "popflip reproduce --table",
    ),
)


def show_rows(rows: list[dict]) -> None:
    """Print the systems of the paper's tables."""
    table = new_table("Systems of the paper")
    for name in ("row", "network"):
        table.add_column(name, no_wrap=True)
    table.add_column("what is binary, and how it learns")
    table.add_column("epochs", justify="right")
    for r in rows:
        table.add_row(r["row"], r["network"], r["method"], str(r["epochs"]))
    put(table)


def show_reproduction(report: dict) -> None:
    """Print the report of a row's training."""
    table = pairs(f"{report['row']}: {report['network']}, {report['method']}")
    add_errors(table, report)
    if report["claim"]:
        table.add_row("the paper says", report["claim"])
    table.add_row("all files", report["out"])
    put(table)


def show_results(rows: list[dict]) -> None:
    """Print every row of the paper with its results."""
    table = new_table("The paper's systems, and ours")
    for name in ("row", "the paper says"):
        table.add_column(name, no_wrap=True)
    for name in ("test error", "difference to its reference", "epochs", "time"):
        table.add_column(name, justify="right")
    table.add_column("from")
    for r in rows:
        cells = ["", "", f"{r['epochs']} of {r['paper_epochs']}", "", "not run"]
        if r["epochs"]:
            cells[0] = f"{r['test_error']:.2f} %"
            cells[3] = duration(r["seconds"])
            cells[4] = f"recorded {r['commit']}, {r['date']}" if r["commit"] else r["out"]
            if r["difference"] is not None:
                cells[1] = f"{r['difference']:+.2f} after {r['difference_epoch']} epochs"
        table.add_row(r["row"], r["claim"], *cells)
    put(table)
    table = pairs("Commands of what was run")
    for r in rows:
        if r["epochs"] and not r["commit"]:
            images = f"{r['samples']:,} images of {r['data']}, {r['test_samples']:,} to test"
            table.add_row(r["command"], images)
        elif r["epochs"]:
            table.add_row(r["command"], f"recorded, {r['data']}")
    put(table)
