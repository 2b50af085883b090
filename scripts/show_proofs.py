"""Reports of attacks, faults, differential tests, soaks and upsets, as a person reads them."""

from rich import box
from rich.table import Table
from rich.text import Text

from popflip.scripts.show import duration, pairs, put

__all__ = [
    "show_attacks",
    "show_coverage",
    "show_differential",
    "show_mutation",
    "show_soak",
    "show_upsets",
]


def _verdict(table, report: dict, good: str) -> None:
    if report["verified"]:
        table.add_row("verdict", Text(good, "bold"))
    else:
        table.add_row("verdict", Text("NOT as it should be", "bold red"))
        for line in report["differences"]:
            table.add_row("", line)


def _counts(counts: dict) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def show_attacks(report: dict) -> None:
    """Print the report of an attack."""
    table = pairs(f"The host link under attack, seed {report['seed']}")
    for end, one in report["ends"].items():
        text = f"{one['frames']:,} frames in {one['groups']:,} groups, {one['seconds']:,.1f} s"
        table.add_row(f"{end}'s end", text)
        table.add_row("  what was sent", _counts(one["kinds"]))
        table.add_row("  what came of it", _counts(one["answers"]))
    _verdict(table, report, "nothing hung, nothing changed that must not")
    put(table)


def show_coverage(report: dict) -> None:
    """Print what benches reach of the Verilog."""
    table = Table(
        title=f"Reached of the Verilog: {', '.join(report['benches'])}",
        box=box.SIMPLE, pad_edge=False,
    )  # fmt: skip
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


def show_differential(report: dict) -> None:
    """Print the report of a differential test."""
    seed = "one case again" if report["seed"] is None else f"seed {report['seed']}"
    table = pairs(f"Golden model, fast engine and core, {seed}")
    table.add_row("cases", f"{report['cases']:,}, in {report['seconds']:,.1f} s")
    table.add_row("  of these", _counts(report["kinds"]))
    if report["verilog_cases"]:
        simulators = " and ".join(report["simulators"])
        table.add_row("as Verilog", f"{report['verilog_cases']:,}, under {simulators}")
    _verdict(table, report, "equal, every bit and cycle")
    put(table)


def show_mutation(report: dict) -> None:
    """Print the report of a campaign of faults."""
    title = (
        f"{report['killed']} of {report['faults']} faults killed ({report['share']:.1%}), "
        f"{report['share_of_others']:.1%} without {report['explained']} that are explained; "
        f"{report['equal']} of {report['mutants']} drawn change nothing, which was proved; "
        f"seed {report['seed']}, {duration(report['seconds'])}"
    )
    for what, rows in (("source", report["files"]), ("network", report["networks"])):
        table = Table(title=title, box=box.SIMPLE, pad_edge=False)
        table.add_column(what)
        for column in ("faults", "killed", ""):
            table.add_column(column, justify="right")
        for name, row in rows.items():
            share = f"{row['killed'] / row['faults']:.0%}"
            table.add_row(name, str(row["faults"]), str(row["killed"]), share)
        put(table)
        title = "The same by network"
    if report["survivors"]:
        table = Table(title="Survivors", box=box.SIMPLE, pad_edge=False)
        for column in ("network", "part", "fault", "source", "why"):
            table.add_column(column, overflow="fold")
        for fault in report["survivors"]:
            table.add_row(
                f"{fault['network']} {fault['number']}", fault["module"], fault["what"],
                fault["source"] or fault["file"], fault["why"],
            )  # fmt: skip
        put(table)


def show_soak(report: dict) -> None:
    """Print the report of a soak."""
    table = pairs(
        f"{report['preset']}, seed {report['seed']}: a long training on the virtual board"
    )
    whole, parts = report["whole"], report["in_parts"]
    table.add_row("without a break", f"{report['samples']:,} images of {report['data']}")
    table.add_row("  cycles", f"{whole['cycles']:,}, in {whole['seconds']:,.0f} s")
    table.add_row("  per sample", f"{whole['cycles_per_sample']:,.1f} cycles")
    table.add_row("in parts", f"{report['stop_samples']:,} images, {len(report['stops'])} stops")
    table.add_row("  cycles", f"{parts['cycles']:,}, in {parts['seconds']:,.0f} s")
    table.add_row("compared", f"{report['compared_bits']:,} bits of weights and latents, counters")
    _verdict(table, report, "equal to the software, every one")
    put(table)


def show_upsets(report: dict) -> None:
    """Print the report of trainings with upsets."""
    table = pairs(f"{report['preset']}: {report['bits']:,} bits that may turn over")
    trained = f"{report['epochs']} x {report['samples']:,} images of {report['data']}"
    table.add_row("trained", f"{trained}, {report['seeds']} seeds")
    for row in report["rows"]:
        error = f"{row['error']:.2f} ± {row['spread']:.2f} % test error"
        table.add_row(
            f"  {row['rate']:g} per bit", f"{error}, {row['upsets_per_epoch']:,.0f} upsets"
        )
    if report["board"]:
        board = report["board"]
        text = f"{board['samples']:,} samples, {board['upsets']:,} upsets, at most "
        text += f"{board['most_cycles']:,} cycles, bound {board['bound']:,}"
        table.add_row("virtual board", text)
    table.add_row("picture", report["picture"])
    _verdict(table, report, "every sample ended within its bound")
    put(table)
