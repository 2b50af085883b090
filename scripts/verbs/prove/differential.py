"""``popflip differential``: random machines, computed in every way there is."""

from typing import Annotated

import typer

from popflip.scripts.console import say
from popflip.scripts.options import Json
from popflip.scripts.tables import add_verdict, in_words, pairs, put
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB"]


def differential(
    cases: Annotated[int, typer.Option(help="Random networks and machines to try.", min=1)] = 500,
    verilog: Annotated[
        int, typer.Option(help="How many of the cases also run as Verilog.", min=0)
    ] = 50,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 1,
    replay: Annotated[
        str | None,
        typer.Option(
            help="Run one case in every way, given as a failure printed it.", metavar="CASE"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute random machines in every way there is, and compare all bits and cycles.

    The golden model, the fast engine and the core in Amaranth's simulator compute all of them, the
    generated Verilog under Icarus and Verilator some, each behind a front end that is drawn, too.
    Of a failure the smallest like it is looked for, and printed as the command that repeats it.
    """
    from popflip.scripts.campaigns.differential.campaign import replay_case, run_differential

    report = run_differential(cases, verilog, seed) if replay is None else replay_case(replay)
    print_json(report) if as_json else show(report)
    if report["replay"]:
        say(report["replay"])
    fail_unless_verified(report)


VERB = Verb(
    differential,
    examples=(
        "popflip differential",
        "popflip differential --cases 20 --verilog 2 --seed 7 --json",
    ),
)


def show(report: dict) -> None:
    """Print the report of a differential test."""
    seed = "one case again" if report["seed"] is None else f"seed {report['seed']}"
    table = pairs(f"Golden model, fast engine and core, {seed}")
    table.add_row("cases", f"{report['cases']:,}, in {report['seconds']:,.1f} s")
    table.add_row("  of these", in_words(report["kinds"]))
    if report["verilog_cases"]:
        simulators = " and ".join(report["simulators"])
        table.add_row("as Verilog", f"{report['verilog_cases']:,}, under {simulators}")
        table.add_row("  front ends", in_words(report["front_ends"]))
    add_verdict(table, report, "equal, every bit and cycle", "NOT as it should be")
    put(table)
