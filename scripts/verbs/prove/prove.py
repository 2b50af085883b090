"""``popflip prove``: properties of the components, and the faults that each must find."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.scripts.options import Json
from popflip.scripts.tables import new_table, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "show"]


def prove(
    names: Annotated[
        list[str] | None, typer.Argument(help="Proofs to run; all but the slow ones if left out.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run the slow proofs too.")] = False,
    faults: Annotated[
        bool,
        typer.Option(help="Also seed the fault of each claim, and see that the proof finds it."),
    ] = True,
    list_only: Annotated[
        bool, typer.Option("--list", help="List the proofs, and run nothing.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(help="Folder for the waveforms of counterexamples.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove properties of the components, and that each fails on a fault seeded for it.

    Status 1 if a proof fails or a fault is not found. docs/proof.md says what is proven.
    """
    from popflip.scripts.campaigns.proofs import chosen, list_proofs, prove_all

    proofs = chosen(names or [], everything)
    rows = list_proofs(proofs) if list_only else prove_all(proofs, faults=faults, traces=trace)
    report = {"proofs": rows, "passed": all(row["good"] for row in rows)}
    print_json(report) if as_json else show(rows)
    if not report["passed"]:
        raise typer.Exit(1)


VERB = Verb(
    prove,
    examples=(
        "popflip prove",
        "popflip prove link cobs-encoder",
        "popflip prove --all --json",
    ),
)


def show(rows: list[dict]) -> None:
    """Print what was proven, or is to be."""
    table = new_table("Proofs")
    for name in ("property", "module", "engine"):
        table.add_column(name, no_wrap=True)
    for name in ("depth", "s"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    table.add_column("its fault")
    for row in rows:
        table.add_row(
            f"{row['proof']}: {row['claim']}", row["module"], row["engine"], str(row["depth"]),
            "" if row["seconds"] is None else f"{row['seconds']:.1f}", row["verdict"] or "",
            row["fault_verdict"] or "",
        )  # fmt: skip
    put(table)
