"""Tables that reports are made of, as a person reads them."""

import math
from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from popflip.scripts.console import out
from popflip.scripts.results import latest
from popflip.scripts.session import CLOCKS_MHZ

__all__ = [
    "add_errors",
    "add_verdict",
    "clocks",
    "duration",
    "grid",
    "in_words",
    "new_table",
    "pairs",
    "put",
    "show_recorded",
    "target_of",
]


def put(table: Table) -> None:
    """Print a table below its title, which may be wider."""
    console = out()
    console.print(table.title, style="bold", soft_wrap=True, markup=False)
    table.title = None
    console.print(table)


def new_table(title: str) -> Table:
    """Return a table without columns yet."""
    return Table(title=title, box=box.SIMPLE, pad_edge=False)


def pairs(title: str) -> Table:
    """Return an empty table of names and what they stand for."""
    table = Table(title=title, box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def grid(title: str, columns, rows) -> Table:
    """Return a table of rows; its first column is aligned left, the others right."""
    table = new_table(title)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        # As a text: what a user calls a class may look like markup.
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else Text(cell) for cell in row))
    return table


def clocks(rows: dict[str, float | None]) -> Table:
    """Return a table of cycle counts and what they mean at several clock rates."""
    table = new_table("Cycles, counted by the hardware itself; per second = clock / cycles")
    table.add_column("one of these")
    table.add_column("cycles", justify="right")
    for mhz in CLOCKS_MHZ:
        table.add_column(f"at {mhz} MHz", justify="right")
    for name, cycles in rows.items():
        if cycles:
            whole = not name.startswith(" ")
            rates = [f"{mhz * 1e6 / cycles:,.0f} /s" if whole else "" for mhz in CLOCKS_MHZ]
            table.add_row(name, f"{cycles:,.1f}", *rates)
    return table


def target_of(report: Mapping) -> str:
    """Say what the network of a report was computed on."""
    return f"the {report['engine']} engine" if report["engine"] else f"board {report['board']}"


def add_errors(table: Table, report: Mapping) -> None:
    """Add what was learned from, and with which errors."""
    table.add_row(
        "trained", f"{report['epochs']} x {report['samples']:,} images of {report['data']}"
    )
    if report["test_error"] is not None:
        table.add_row(
            "test error", f"{report['test_error']:.2f} % of {report['test_samples']:,} images"
        )
        table.add_row("training error", f"{report['train_error']:.2f} %, while learning")


def add_verdict(
    table: Table, report: Mapping, good: str = "equal, every one", bad: str = "NOT equal"
) -> None:
    """Add whether a report is verified, and the differences if it is not."""
    if report["verified"]:
        table.add_row("verdict", Text(good, "bold"))
    else:
        table.add_row("verdict", Text(bad, "bold red"))
        for line in report["differences"]:
            table.add_row("", line)


def in_words(counts: Mapping[str, int]) -> str:
    """Say how many there are of each of several things."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    minutes = seconds / 60
    if minutes < 1:
        return f"{math.ceil(seconds)} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def show_recorded(kind: str, name: str) -> None:
    """Print the rows of an entry in the store of results; nothing if there is none.

    Parameters
    ----------
    kind : {"bench", "campaigns"}
    name : str
    """
    entry = latest(kind).get(name)
    if entry is None:
        return
    rows = entry.values.rows
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = new_table(f"Recorded: {entry.command}")
    for key in keys:
        right = all(isinstance(row.get(key, 0), int | float) for row in rows)
        table.add_column(key.replace("_", " "), justify="right" if right else "left")
    for row in rows:
        table.add_row(*(_figure(row.get(key)) for key in keys))
    table.caption = f"{entry.commit}, {entry.date}, {entry.machine}. {entry.note}"
    put(table)


def _figure(value) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)
