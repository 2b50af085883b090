"""``popflip mutate``: faults in the hardware, and whether the tests kill each."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.scripts.options import Json
from popflip.scripts.tables import duration, new_table, put
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB"]


def mutate(
    mutants: Annotated[int, typer.Option(help="Faults to draw.", min=1)] = 280,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="Only in this small network; can be given several times.", metavar="NAME"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the faults that are drawn.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(help="Processes; one per processor if left out.", min=1, metavar="N"),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the journal and of the report.", metavar="DIR")
    ] = Path("runs/mutation"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the journal in the folder ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put faults into the hardware, one at a time, and see whether the tests kill each.

    Small networks, which reach all parts of the hardware between them, are turned into netlists;
    yosys draws the faults. Each machine with a fault plays the tests' scenarios over the pins of
    the virtual board. Status 1: fewer than 95 % were killed. Ctrl-C loses nothing.
    """
    from popflip.scripts.campaigns.mutation.campaign import run_mutation
    from popflip.scripts.campaigns.networks import NETWORKS

    report = run_mutation(mutants, seed, jobs, out, resume, network or tuple(NETWORKS))
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


VERB = Verb(
    mutate,
    examples=(
        "popflip mutate",
        "popflip mutate --mutants 420 --seed 2",
        "popflip mutate --resume",
    ),
)


def show(report: dict) -> None:
    """Print the report of a campaign of faults."""
    title = (
        f"{report['killed']} of {report['faults']} faults killed ({report['share']:.1%}), "
        f"{report['share_of_others']:.1%} without {report['explained']} that are explained; "
        f"{report['equal']} of {report['mutants']} drawn change nothing, which was proved; "
        f"seed {report['seed']}, {duration(report['seconds'])}"
    )
    for what, rows in (("source", report["files"]), ("network", report["networks"])):
        table = new_table(title)
        table.add_column(what)
        for column in ("faults", "killed", ""):
            table.add_column(column, justify="right")
        for name, row in rows.items():
            share = f"{row['killed'] / row['faults']:.0%}"
            table.add_row(name, str(row["faults"]), str(row["killed"]), share)
        put(table)
        title = "The same by network"
    if report["survivors"]:
        table = new_table("Survivors")
        for column in ("network", "part", "fault", "source", "why"):
            table.add_column(column, overflow="fold")
        for fault in report["survivors"]:
            table.add_row(
                f"{fault['network']} {fault['number']}", fault["module"], fault["what"],
                fault["source"] or fault["file"], fault["why"],
            )  # fmt: skip
        put(table)
