"""Recorded results as tables: what README and the page of results quote.

Each function makes one block from the store of :mod:`popflip.scripts.results`; :data:`BLOCKS` names
them. :mod:`popflip.scripts.documentation.blocks` puts them into the pages.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial

from popflip.golden.datasets.named.registry import DEFAULT
from popflip.scripts.documentation.markdown import code, number, table
from popflip.scripts.results import PUBLISHED, Accuracy, Entry, latest, read
from popflip.scripts.verbs.explore.reproduce.table import recorded_results

__all__ = ["BLOCKS"]


def _origin(entries: Iterable[Entry]) -> str:
    """Say which commits and dates a table's entries are from, and how to measure them again."""
    entries = list(entries)
    commits = sorted({entry.commit[:7] for entry in entries})
    days = sorted({entry.date.isoformat() for entry in entries})
    machines = sorted({entry.machine for entry in entries})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    word = "commit" if len(commits) == 1 else "commits"
    return f"Recorded {span} at {word} {', '.join(map(code, commits))}, on {'; '.join(machines)}.\n"


def _notes(entries: Iterable[Entry]) -> str:
    """List what each entry's reader has to know."""
    return "".join(f"- {code(entry.name)}: {entry.note}\n" for entry in entries if entry.note)


def _error(value: Accuracy | None) -> str:
    return f"{value.error:.2f} ± {value.spread:.2f} %" if value else ""


def _best_accuracy(network: str) -> Accuracy | None:
    """Return what a network comes to on MNIST after the most epochs on record."""
    found = [
        entry.values
        for entry in latest("accuracy").values()
        if entry.values.network == network and entry.values.data == DEFAULT
    ]
    return max(found, key=lambda values: values.epochs, default=None)


# README -----------------------------------------------------------------------------------------

#: Boards that README shows, one for each class of size.
_SHOWN = ("icebreaker", "hx8k-b-evn", "tang-nano-20k", "ulx3s-25f", "ulx3s-85f")


def _most_accurate(board: str):
    """Return the build for a board, of those recorded, whose network errs least."""
    # Those of other networks than the board's own are called "BOARD PRESET".
    builds = [e.values for name, e in latest("boards").items() if name.split()[0] == board]

    def error(build) -> float:
        found = _best_accuracy(build.network)
        return found.error if found else math.inf

    return min(builds, key=error)


def summary() -> str:
    """Show a few boards: what the most accurate network for each learns, and how fast."""
    rows = []
    for name in _SHOWN:
        build = _most_accurate(name)
        error = _best_accuracy(build.network)
        rows.append([
            name,
            build.device,
            code(build.network),
            number(error.synapses if error else None),
            _error(error),
            f"{build.clock_mhz:g} of {build.fmax_mhz:.1f} MHz",
            number(build.samples_per_s),
            number(build.inferences_per_s),
        ])
    return table(
        (
            "board", "FPGA", "network", "synapses", "MNIST test error", "clock",
            "training samples/s", "inferences/s",
        ),
        rows, right=(3, 4, 5, 6, 7),
    )  # fmt: skip


def demo() -> str:
    """Say what ``make demo`` comes to."""
    entry = latest("training")["local-small"]
    values = entry.values
    low, high = values.samples_per_s
    return (
        f"After one epoch of MNIST the test error is {values.test_error:.2f} %, and "
        f"{values.bits_equal:,} bits of weights\nand latents equal the golden model's. The virtual "
        f"board trains {low:,.0f} to {high:,.0f} samples/s on one\ncore of a PC.\n"
    )


def engine_summary() -> str:
    """Say how fast the fast engine is."""
    entry = latest("bench")["engine"]
    row = entry.values.rows[0]
    low, high = row["samples_per_s"], row.get("samples_per_s_most", row["samples_per_s"])
    rate = f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
    return f"The fast engine trains {row['net']}, at {rate} samples/s\n({entry.machine}).\n"


# The page of results ----------------------------------------------------------------------------


def training() -> str:
    """Trainings whose bits and cycles were compared."""
    entries = list(latest("training").values())
    rows = [
        [
            code(entry.name),
            "-".join(map(str, entry.values.sizes)),
            number(entry.values.synapses),
            entry.values.epochs,
            f"{entry.values.test_error:.2f} %",
            number(entry.values.cycles_per_sample, 1).removesuffix(".0"),
            number(entry.values.cycles_per_inference, 1).removesuffix(".0"),
            code(entry.command),
        ]
        for entry in entries
    ]
    head = table(
        (
            "network", "sizes", "synapses", "epochs", "test error", "cycles per training sample",
            "cycles per inference", "command",
        ),
        rows, right=range(2, 7),
    )  # fmt: skip
    return f"{head}\n{_origin(entries)}\n{_notes(entries)}"


def accuracy() -> str:
    """Test errors of the presets."""
    entries = list(latest("accuracy").values())
    columns = list(dict.fromkeys((e.values.data, e.values.epochs) for e in entries))
    networks = {entry.values.network: entry.values for entry in entries}
    found = {(e.values.network, e.values.data, e.values.epochs): e for e in entries}
    rows = []
    for name, values in networks.items():
        cells = [
            _error(found[key].values) if (key := (name, *column)) in found else "not run"
            for column in columns
        ]
        seeds = {len(found[key].seeds) for key in found if key[0] == name}
        rows.append([
            code(name),
            "-".join(map(str, values.sizes)),
            f"{values.latent_bits} bits",
            number(values.synapses),
            f"{values.synapses * (1 + values.latent_bits) / 1e6:.2f} Mbit",
            *cells,
            *seeds,
        ])
    head = table(
        (
            "preset", "sizes", "latents", "synapses", "weights and latents",
            *(f"{data}, {epochs} epoch{'s' * (epochs > 1)}" for data, epochs in columns), "seeds",
        ),
        rows, right=range(2, 6 + len(columns)),
    )  # fmt: skip
    return f"{head}\n{_origin(entries)}"


def boards() -> str:
    """Bitstreams of all boards, and published figures beside them."""
    entries = list(latest("boards").values())
    rows: list[list] = []
    for entry in entries:
        build = entry.values
        rows.append([
            entry.name.split()[0], build.device, code(build.network), f"{build.latent_bits} bits",
            f"{build.lut:,} of {build.luts:,}",
            f"{build.bram} of {build.brams}" + (f" + {build.spram} SPRAM" if build.spram else ""),
            f"{build.fmax_mhz:.1f}", f"{build.clock_mhz:g}", number(build.cycles_per_sample),
            number(build.samples_per_s), number(build.inferences_per_s),
            _error(_best_accuracy(build.network)), code(entry.commit),
        ])  # fmt: skip
    rows += [
        [
            f"*{one.name}*", "", f"{one.network} ({one.source})", "", "", "", "",
            f"{one.clock_mhz:g}" if one.clock_mhz else "", "", number(one.samples_per_s), "",
            f"{one.test_error:g} %", "",
        ]
        for one in PUBLISHED
    ]  # fmt: skip
    head = table(
        (
            "board", "device", "network", "latents", "LUT", "block RAM", "Fmax, MHz", "clock, MHz",
            "cycles per sample", "training samples/s", "inferences/s", "MNIST test error", "commit",
        ),
        rows, right=range(3, 12),
    )  # fmt: skip
    return f"{head}\n{_origin(entries)}"


def _span(row: dict, name: str, digits: int) -> str:
    low, high = row[name], row[f"{name}_most"]
    text = number(low, digits)
    return text if low == high else f"{text} to {number(high, digits)}"


def measured(entry: Entry) -> str:
    """Show what a bench or a campaign measured, whatever that is."""
    parts = [code(entry.command) + "\n"]
    figures = entry.values.figures
    if figures:
        rows = [[_heading(key), _figure(value)] for key, value in figures.items()]
        parts.append(table(("figure", "value"), rows, right=(1,)))
    if entry.values.rows:
        keys = list(dict.fromkeys(key for row in entry.values.rows for key in row))
        right = [
            i
            for i, key in enumerate(keys)
            if all(isinstance(row.get(key, 0), int | float) for row in entry.values.rows)
        ]
        rows = [[_figure(row.get(key)) for key in keys] for row in entry.values.rows]
        parts.append(table([_heading(key) for key in keys], rows, right))
    seeds = f" Seeds: {', '.join(map(str, entry.seeds))}." if entry.seeds else ""
    note = f" {entry.note}" if entry.note else ""
    parts.append(f"{_origin([entry]).rstrip()}{seeds}{note}\n")
    return "\n".join(parts)


def _heading(key: str) -> str:
    return _UNITS.get(key, key.replace("_", " "))


#: How some figures are called in full.
_UNITS = {
    "samples_per_s": "training samples/s",
    "samples_per_s_most": "training samples/s, most",
    "ms_per_batch": "ms per batch",
    "ms_per_batch_most": "ms per batch, most",
    "net": "network",
    "curve": "varied",
    "lut": "LUTs",
    "more_lut": "more than the core",
    "front_end": "front end",
    "block": "block RAMs",
    "fmax_mhz": "Fmax, MHz",
    "bound": "words of the drive",
    "blank": "blank, %",
    "taken": "taken of the device",
    "train_cycles": "learning a sample",
    **{f"{lines}_{divider}": f"{lines}/{divider}"
       for lines in ("quad", "dual", "single") for divider in (1, 2)},
}  # fmt: skip


def _figure(value) -> str:
    """Write a figure as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:g}"
        if isinstance(value, float)
        else value
    )


def adaptation() -> str:
    """What networks that met a change came to."""
    parts = []
    for entry in latest("adaptation").values():
        curves: dict[tuple, list[dict]] = {}
        for row in entry.values.rows:
            curves.setdefault((row["change"], row["way"]), []).append(row)
        steps = [row["samples"] for row in next(iter(curves.values()))]
        rows = []
        for (kind, way), points in curves.items():
            before = points[0].get("before")
            last = points[-1]
            rows.append([
                code(kind) if way == "on" else "",
                _WAYS[way],
                "" if before is None else f"{before:.2f}",
                *(f"{p['error']:.2f}{_plus_minus(p['error_spread'])}" for p in points),
                f"{last['old_error']:.2f}{_plus_minus(last['old_error_spread'])}",
            ])  # fmt: skip
        head = (
            "change", "the network", "before", "at the change",
            *(f"after {n:,}" for n in steps[1:]), "old task at the end",
        )  # fmt: skip
        parts.append(f"{code(entry.command)}\n\n{table(head, rows, right=range(2, len(head)))}\n"
                     f"{_origin([entry])}{_notes([entry])}")  # fmt: skip
    return "\n".join(parts)


#: How the table calls the ways of :mod:`popflip.scripts.campaigns.adaptation.curves`.
_WAYS = {
    "on": "learns on",
    "replay": "with old samples",
    "cleared": "latents cleared",
    "scratch": "new, from scratch",
}


def paper() -> str:
    """The results of the paper's systems, and which stand no longer."""
    entries = [entry for entry in read("paper") if not entry.void]
    rows, void = [], []
    for row in recorded_results():
        if row["void"]:
            void.append(f"- {code(row['row'])}: {row['void']}\n")
            continue
        rows.append([
            code(row["row"]),
            row["size"],
            row["claim"],
            f"{row['test_error']:.2f}{_plus_minus(row['spread'])} %",
            "" if row["difference"] is None
            else f"{row['difference']:+.2f}{_plus_minus(row['difference_spread'])}",
            "" if row["difference"] is None else row["difference_epoch"],
            len(row["seeds"]),
            f"{row['epochs']} of {row['paper_epochs']}",
            f"{row['seconds'] / 60:.0f} min",
            code(row["command"]),
        ])  # fmt: skip
    head = (
        "row", "size", "the paper says", "test error", "difference", "after epochs", "seeds",
        "epochs", "time for each", "command",
    )  # fmt: skip
    gone = f"\nNo longer valid, and to be run again:\n\n{''.join(void)}" if void else ""
    return f"{table(head, rows, right=range(3, 9))}\n{_origin(entries)}{gone}"


def own_data() -> str:
    """Show networks that popflip new found, beside others: the last row of each data set."""
    entries = [e for name, e in latest("bench").items() if name.split()[0] == "own-data"]
    last = {row["data"]: (entry, row) for entry in entries for row in entry.values.rows}
    if not last:
        return "Nothing is on record yet: `popflip record 'bench own-data'`.\n"
    rows = []
    for entry, row in last.values():
        hand, bits = row["by_hand"], row["bits_equal"]
        rows.append([
            row["data"],
            row["budget"],
            f"{row['error']:.2f} ± {row['spread']:.2f} %",
            f"{row['logistic']:.2f} %",
            f"{row['mlp']:.2f} %",
            "" if hand is None else f"{hand:.2f} %",
            number(row["synapses"]),
            f"{number(bits)} after {row['samples']} samples" if bits else "",
            number(row["search_processor_seconds"]),
            code(entry.command),
        ])  # fmt: skip
    head = (
        "data", "budget", "popflip new", "logistic regression", "MLP of 100", "preset by hand",
        "synapses", "bits equal on the virtual board", "processor seconds of a search",
        "command",
    )  # fmt: skip
    used = {entry.name: entry for entry, _ in last.values()}.values()
    return f"{table(head, rows, right=range(2, 9))}\n{_origin(used)}{_notes(used)}"


def _plus_minus(spread: float | None) -> str:
    return "" if spread is None else f" ± {spread:.2f}"


def _measured() -> dict[str, Callable[[], str]]:
    """Name a block for each bench and campaign on record, but for what has one of its own."""
    found: dict[str, Callable[[], str]] = {}
    for word, kind in (("bench", "bench"), ("campaign", "campaigns")):
        for name, entry in latest(kind).items():
            if name.startswith("own-data "):
                continue
            found[f"{word}: {name}"] = partial(measured, entry)
    return found


#: From the name of a block to what writes it.
BLOCKS: dict[str, Callable[[], str]] = {
    "summary": summary,
    "demo": demo,
    "engine summary": engine_summary,
    "training": training,
    "accuracy": accuracy,
    "boards": boards,
    "adaptation": adaptation,
    "own data": own_data,
    "paper": paper,
    **_measured(),
}
