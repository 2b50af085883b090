"""``popflip coverage``: what of the generated Verilog the benches reach."""

from popflip.scripts.options import Json
from popflip.scripts.tables import new_table, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB"]


def coverage(as_json: Json = False) -> None:
    """Count the lines and bits of the generated Verilog that the benches reach, in Verilator.

    Small networks, which reach all parts of the hardware between them, learn random samples; every
    bit must be as golden says.
    """
    from popflip.scripts.campaigns.coverage import run_coverage

    report = run_coverage()
    print_json(report) if as_json else show(report)


VERB = Verb(
    coverage,
    examples=(
        "popflip coverage",
        "popflip coverage --json",
    ),
)


def show(report: dict) -> None:
    """Print what benches reach of the Verilog."""
    table = new_table(f"Reached of the Verilog: {', '.join(report['benches'])}")
    table.add_column("part")
    for column in ("lines", "of", "", "bits", "of", ""):
        table.add_column(column, justify="right")
    for name, kinds in [*report["parts"].items(), ("all", report["total"])]:
        cells = []
        for reached, total in (kinds["line"], kinds["toggle"]):
            share = f"{reached / total:.1%}" if total else ""
            cells += [f"{reached:,}", f"{total:,}", share]
        table.add_row(name, *cells)
    put(table)
