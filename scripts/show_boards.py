"""Reports of boards as a person reads them."""

from rich import box
from rich.table import Table

from popflip.scripts.building import KINDS
from popflip.scripts.console import say
from popflip.scripts.show import pairs, put

__all__ = ["show_boards", "show_build", "show_doctor", "show_fit", "show_standalone"]


def _resources(table: Table, facts: dict) -> None:
    for kind, available in facts["available"].items():
        used = facts["used"][kind]
        table.add_row(KINDS[kind], f"{used:,} of {available:,}, {used / available:.0%}")


def show_fit(report: dict) -> None:
    """Print whether a network fits a board."""
    verdict = "fits" if report["fits"] else "does NOT fit"
    table = pairs(f"{report['preset']} {verdict} {report['title']} ({report['device']})")
    table.add_row(
        "network", f"{'-'.join(map(str, report['sizes']))}, {report['synapses']:,} synapses"
    )
    table.add_row("memory", f"{report['memory_bits']:,} bits")
    _resources(table, report)
    table.add_row("limit", KINDS[report["limiting"]])
    if report["cycles"]:
        cycles = report["cycles"]
        table.add_row(
            "training",
            f"{cycles['train']:,.0f} cycles per sample, {report['samples_per_s']:,.0f} samples/s "
            f"at {report['core_mhz']:g} MHz, if that clock is reached",
        )
    table.add_row("standalone", _standalone(report["standalone"]))
    if report["largest"]:
        best = report["largest"]
        table.add_row(
            "largest",
            f"{best['size']} neurons per window or layer: "
            f"{'-'.join(map(str, best['sizes']))}, {best['synapses']:,} synapses",
        )
    else:
        table.add_row("largest", "no network of this family and with these lanes fits")
    put(table)


def _standalone(budget: dict) -> str:
    """Tell in a sentence what a machine that trains alone takes of its flash."""
    if budget["obstacle"]:
        return f"not without a host: {budget['obstacle']}"
    text = (
        f"by {budget['flash']} output at {budget['flash_mhz']:g} MHz, {budget['flash_cycles']:,} "
        f"cycles per sample of {budget['sample_bytes']} bytes"
    )
    if budget["bound"] is not None:
        text += ", which the core waits for" if budget["bound"] else ": the core does not wait"
    return f"{text}; the flash holds {budget['room']:,} samples"


def show_standalone(rows: list[dict]) -> None:
    """Print what training alone takes of each board's flash."""
    table = Table(title="Cycles per training sample", box=box.SIMPLE, pad_edge=False)
    table.add_column("board", no_wrap=True)
    table.add_column("net")
    for name in ("flash", "MHz", "bytes", "of the flash", "of the core", "simulated", "waiting"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["obstacle"]:
            table.add_row(row["board"], row["net"], "none")
            continue
        cells = ["", ""]
        if row["simulated"]:
            cells = [f"{row['simulated'][name]:,.1f}" for name in ("cycles", "wait")]
        table.add_row(
            row["board"], row["net"], f"{row['flash']}/{row['divider']}", f"{row['flash_mhz']:g}",
            str(row["sample_bytes"]), f"{row['flash_cycles']:,}", f"{row['train_cycles']:,.0f}",
            *cells,
        )  # fmt: skip
    table.caption = "of the core: after the first epoch; simulated: from the first sample on"
    put(table)


def show_build(report: dict) -> None:
    """Print what was built."""
    if report["bitstream"] is None:
        table = pairs(f"{report['preset']} for {report['board']}")
        for path in report["files"]:
            table.add_row("written", path)
        table.add_row("note", report["note"])
        put(table)
        return
    table = pairs(f"{report['preset']} on {report['title']} ({report['device']})")
    _resources(table, report)
    table.add_row(
        "clock",
        f"{report['core_mhz']:g} MHz; the routed design reaches {report['fmax_mhz']:g} MHz "
        "(post-place-and-route estimate)",
    )
    if report["cycles"]:
        table.add_row("cycles", f"{report['cycles']['train']:,.0f} per training sample")
        table.add_row(
            "rate",
            f"{report['samples_per_s']:,.0f} training samples/s, "
            f"{report['inferences_per_s']:,.0f} inferences/s",
        )
    table.add_row("host link", f"{report['baud']:,} baud")
    table.add_row("tools", ", ".join(report["tools"]))
    table.add_row("bitstream", f"{report['bitstream']}, {report['bitstream_bytes']:,} bytes")
    put(table)
    say(f"flash it with: popflip flash --board {report['board']}")


def show_doctor(report: dict) -> None:
    """Print what is there, and how to get what is not."""
    table = Table(title="What verbs may need", box=box.SIMPLE, pad_edge=False)
    for name in ("", "what", "found", "needed by", "mend"):
        table.add_column(name, overflow="fold")
    for finding in report["findings"]:
        mark = "ok" if finding["ok"] else "--"
        table.add_row(mark, finding["what"], finding["found"], finding["used_by"], finding["mend"])
    put(table)


def show_boards(rows: list[dict]) -> None:
    """Print the table of boards."""
    table = Table(title="Boards", box=box.SIMPLE, pad_edge=False)
    table.add_column("board", no_wrap=True)
    table.add_column("net")
    for name in ("LUT", "BRAM", "Fmax", "clock", "cycles", "samples/s", "error"):
        table.add_column(name, justify="right")
    for row in rows:
        lut = row["state"] if row["lut"] is None else f"{row['lut']:,}"
        cells = [
            None if row["bram"] is None else str(row["bram"]),
            row["fmax_mhz"] and f"{row['fmax_mhz']:.1f}",
            row["clock_mhz"] and f"{row['clock_mhz']:g}",
            row["cycles_per_sample"] and f"{row['cycles_per_sample']:,.0f}",
            row["samples_per_s"] and f"{row['samples_per_s']:,.0f}",
            row["test_error"] and f"{row['test_error']:.2f} %",
        ]
        table.add_row(row["board"], row["net"], lut, *(cell or "" for cell in cells))
    put(table)
