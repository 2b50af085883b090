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
        str | None,
        typer.Argument(
            help="System of the paper, or a pattern such as 'fc2-small-*'; --list shows them.",
            metavar="ROW",
        ),
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
            "rows need, or synthetic for made images of its shape. MNIST if left out.",
            metavar="FOLDER",
        ),
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            help="Hold back the last N training images, and test them instead: to choose settings.",
            metavar="N",
        ),
    ] = None,
    seed: Seed = 1,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Train from seeds 1 to N, one after another; what is done already is not done "
            "again, and what was begun goes on.",
            min=1,
            metavar="N",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads; all of the computer's if left out.", metavar="N")
    ] = None,
    device: Annotated[
        str, typer.Option(help="What PyTorch computes on, such as cuda.", metavar="NAME")
    ] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results, runs/reproduce/ROW-seedN if left out; for --table, "
            "--seeds and patterns, the folder above those.",
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
    as many threads. Rows need PyTorch, but for full-fc1-integer and its variants. --json prints a
    list for --table, --list, --seeds and patterns.
    """
    from popflip.scripts.verbs.explore.reproduce.campaign import train_all
    from popflip.scripts.verbs.explore.reproduce.runs import RESULTS, reproduce_row

    if (row is not None) + table + as_list != 1:
        raise InputError("name one of a row, --table and --list")
    if seeds is not None and seed != 1:
        raise InputError(f"seed must be left out with --seeds, not {seed}")
    options = {
        "data": data, "samples": samples, "test_samples": test_samples, "validation": validation,
        "threads": threads,
    }  # fmt: skip
    if row is None:
        asked = {"epochs": epochs, "seeds": seeds, "resume": resume or None, **options}
        _refuse_all("table" if table else "list", asked)
        _show(table, out or RESULTS, as_json)
        return
    jobs, several = _jobs(
        row, seeds, seed, out, epochs, options | {"device": device, "resume": resume}
    )
    reports = list(train_all(jobs)) if several else [reproduce_row(jobs[0])]
    if as_json:
        print_json(reports if several else reports[0])
    else:
        show_campaign(reports) if several else show_reproduction(reports[0])
    _end(reports[-1], several)


def _show(table: bool, out: Path, as_json: bool) -> None:
    """Print the rows, or what came of them."""
    from popflip.scripts.verbs.explore.reproduce.table import list_rows, results

    rows = results(out) if table else list_rows()
    if as_json:
        print_json(rows)
    else:
        (show_results if table else show_rows)(rows)


def _jobs(row, seeds, seed, out, epochs, options) -> tuple[list, bool]:
    """What is to be trained, and whether it is several trainings."""
    from popflip.golden.paper.systems import find_row
    from popflip.scripts.verbs.explore.reproduce.campaign import is_pattern, rows_like
    from popflip.scripts.verbs.explore.reproduce.runs import RESULTS, ReproductionJob

    several = seeds is not None or is_pattern(row)
    above = out or RESULTS
    jobs = [
        ReproductionJob(
            row=found, seed=one, epochs=epochs or found.epochs,
            out=above / f"{found.name}-seed{one}" if several or not out else out, **options,
        )
        for one in (range(1, seeds + 1) if seeds else [seed])
        for found in (rows_like(row) if is_pattern(row) else [find_row(row)])
    ]  # fmt: skip
    return jobs, several


def _refuse_all(what: str, options: dict) -> None:
    """Refuse options of a training where nothing is trained."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"{name} must be left out with --{what}")


def _end(last: dict, several: bool) -> None:
    """End with status 2 if the last training was interrupted, and say how it goes on."""
    if last["finished"]:
        return
    say(
        f"popflip: interrupted in epoch {last['epochs'] + 1} after {last['position']:,} of "
        f"{last['samples']:,} samples; go on with: "
        f"{'the same command' if several else last['go_on']}"
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
        "popflip reproduce 'fc2-small-*' --seeds 3",
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
    table = pairs("What small rows change of the paper's recipe")
    for r in rows:
        if r["changed"]:
            table.add_row(r["row"], r["changed"])
    put(table)


def show_reproduction(report: dict) -> None:
    """Print the report of a row's training."""
    table = pairs(f"{report['row']}: {report['network']}, {report['method']}")
    add_errors(table, report)
    if report["claim"]:
        table.add_row("the paper says", report["claim"])
    if report["changed"]:
        table.add_row("changed", report["changed"])
    table.add_row("all files", report["out"])
    put(table)


def show_campaign(reports: list[dict]) -> None:
    """Print what came of several trainings."""
    table = new_table("What was trained")
    table.add_column("row", no_wrap=True)
    for name in ("seed", "epochs", "test error"):
        table.add_column(name, justify="right")
    table.add_column("results in", overflow="fold")
    for r in reports:
        error = "" if r["test_error"] is None else f"{r['test_error']:.2f} %"
        table.add_row(r["row"], str(r["seed"]), str(r["epochs"]), error, r["out"])
    put(table)


def show_results(rows: list[dict]) -> None:
    """Print every row of the paper with its results."""
    for size, title in (
        ("full", "At the paper's sizes"),
        ("small", "At sizes that two cores finish in hours"),
    ):
        table = new_table(title)
        table.add_column("row", no_wrap=True)
        table.add_column("the paper says")
        for name in ("test error", "difference", "after epochs", "seeds", "epochs"):
            table.add_column(name, justify="right", no_wrap=name == "test error")
        for r in rows:
            if r["size"] == size:
                table.add_row(r["row"], r["claim"], *_figures(r))
        put(table)
    table = pairs("What was run: means over the seeds, and their standard deviation")
    for r in rows:
        if r["epochs"]:
            images = r["data"] if r["commit"] else f"{r['samples']:,} images of {r['data']}"
            images += "" if r["commit"] else f", {r['test_samples']:,} to test"
            origin = f"recorded {r['commit']}, {r['date']}" if r["commit"] else r["out"]
            note = f"{duration(r['seconds'])} for each seed, {images}; {origin}"
            table.add_row(r["command"], note)
    put(table)
    gone = [r for r in rows if not r["epochs"] and r["void"]]
    if gone:
        table = pairs("No longer valid")
        for r in gone:
            table.add_row(r["row"], r["void"])
        put(table)


def _figures(r: dict) -> list[str]:
    """Cells of a row's results."""
    done = f"{r['epochs']} of {r['paper_epochs']}"
    if not r["epochs"]:
        return ["void" if r["void"] else "not run", "", "", "", done]
    difference = epoch = ""
    if r["difference"] is not None:
        difference = f"{r['difference']:+.2f}{_spread(r['difference_spread'])}"
        epoch = str(r["difference_epoch"])
    error = f"{r['test_error']:.2f}{_spread(r['spread'])} %"
    return [error, difference, epoch, ", ".join(map(str, r["seeds"])), done]


def _spread(value: float | None) -> str:
    return "" if value is None else f" ± {value:.2f}"
