"""What an FPGA has, in the words of reports."""

from collections.abc import Mapping

from rich.table import Table

__all__ = ["KINDS", "add_resources"]

#: What resources are called in reports.
KINDS = {
    "lut": "LUTs", "ff": "flip-flops", "block": "block RAMs", "spram": "single-port RAMs",
    "dsp": "multipliers",
}  # fmt: skip


def add_resources(table: Table, report: Mapping) -> None:
    """Add a line for each kind of resource: how much of it is used."""
    for kind, available in report["available"].items():
        used = report["used"][kind]
        table.add_row(KINDS[kind], f"{used:,} of {available:,}, {used / available:.0%}")
