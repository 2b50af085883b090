"""Reports as a person reads them."""

import math

from rich import box
from rich.table import Table
from rich.text import Text

from popflip.scripts.console import out, say
from popflip.scripts.session import CLOCKS_MHZ

__all__ = [
    "duration",
    "show_comparison",
    "show_cosim",
    "show_data",
    "show_files",
    "show_growth",
    "show_inference",
    "show_network",
    "show_proofs",
    "show_reproduction",
    "show_results",
    "show_rows",
    "show_saved",
    "show_training",
    "show_verification",
    "show_watch",
    "tell_story",
]


def put(table: Table) -> None:
    """Print a table below its title, which may be wider."""
    console = out()
    console.print(table.title, style="bold", soft_wrap=True)
    table.title = None
    console.print(table)


def pairs(title: str) -> Table:
    """Return an empty table of names and what they stand for."""
    table = Table(title=title, box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def clocks(rows: dict[str, float | None]) -> Table:
    """Return a table of cycle counts and what they mean at several clock rates."""
    table = Table(
        title="Cycles, counted by the hardware itself; per second = clock / cycles",
        box=box.SIMPLE, pad_edge=False,
    )  # fmt: skip
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


def _target(report: dict) -> str:
    """What the network was computed on."""
    return f"the {report['engine']} engine" if report["engine"] else f"board {report['board']}"


def _add_errors(table, report: dict) -> None:
    """Say what was learned from, and with which errors."""
    table.add_row(
        "trained", f"{report['epochs']} x {report['samples']:,} images of {report['data']}"
    )
    if report["test_error"] is not None:
        table.add_row(
            "test error", f"{report['test_error']:.2f} % of {report['test_samples']:,} images"
        )
        table.add_row("training error", f"{report['train_error']:.2f} %, while learning")


def show_training(report: dict) -> None:
    """Print the report of a training."""
    table = pairs(f"{report['preset']}, seed {report['seed']}, on {_target(report)}")
    _add_errors(table, report)
    if report["samples_per_s"]:
        speed = f"{report['samples_per_s']:,.0f} training samples/s on this computer"
        if report["simulated_cycles_per_s"]:
            speed += (
                f"; the board itself {report['simulated_cycles_per_s'] / 1e6:.2f} million cycles/s"
            )
        table.add_row("speed", speed)
    bits = f"{report['compared_bits']:,} bits of weights and latents"
    texts = {
        True: f"yes: {bits} equal the golden model's",
        False: "NO: the board and the golden model differ",
        None: "not checked",
    }
    table.add_row("verified", texts[report["verified"]])
    for name, what in (("curves_png", "learning curves"), ("weights_png", "learned weights")):
        if name in report["files"]:
            table.add_row(what, report["files"][name])
    table.add_row("all files", report["out"])
    put(table)
    if report["cycles_per_sample"]:
        rows = {
            "training sample": report["cycles_per_sample"],
            **{f"  {stage}": n for stage, n in report["stage_cycles"].items()},
            "inference": report["cycles_per_inference"],
        }
        put(clocks(rows))


def show_inference(report: dict) -> None:
    """Print the report of an inference."""
    table = pairs(f"{report['preset']} from {report['checkpoint']}, on {_target(report)}")
    table.add_row(
        "predicted rightly",
        f"{report['correct']:,} of {report['samples']:,} images: {report['accuracy']:.2f} %",
    )
    table.add_row("speed", f"{report['samples_per_s']:,.0f} images/s on this computer")
    if report["predictions"]:
        table.add_row("predictions", report["predictions"])
    put(table)
    counts = Table(
        title="Images by class (rows) and prediction (columns)", box=box.SIMPLE, pad_edge=False,
    )  # fmt: skip
    counts.add_column("", style="bold")
    for name in range(len(report["confusion"])):
        counts.add_column(str(name), justify="right")
    for name, row in enumerate(report["confusion"]):
        cells = [Text(str(n), "bold") if i == name else str(n or "") for i, n in enumerate(row)]
        counts.add_row(str(name), *cells)
    put(counts)
    if report["cycles_per_inference"]:
        put(clocks({"inference": report["cycles_per_inference"]}))


def show_verification(report: dict) -> None:
    """Print the report of a verification."""
    what = report["checkpoint"] or _target(report)
    table = pairs(f"{report['preset']}, seed {report['seed']}: {what} against the golden model")
    table.add_row("samples", f"{report['samples']:,} of {report['data']}")
    table.add_row("weights and latents", f"{report['compared_bits']:,} bits")
    if report["board"] or report["engine"]:
        table.add_row("predictions", f"{report['compared_predictions']:,} images")
        if report["compared_cycles"]:
            text = f"of each of the first {report['compared_cycles']:,} samples, by stage"
            table.add_row("cycles", text)
    _say_equal(table, report)
    put(table)


def show_comparison(report: dict) -> None:
    """Print the report of a network that was loaded into a board, or compared with it."""
    table = pairs(f"{report['preset']}: {_target(report)} against {report['checkpoint']}")
    table.add_row("weights and latents", f"{report['compared_bits']:,} bits")
    if report["verb"] == "load":
        text = f"batch {report['batch']}, tau {', '.join(map(str, report['tau']))}"
        table.add_row("settings", text)
    _say_equal(table, report)
    put(table)


def show_saved(report: dict) -> None:
    """Print the report of a network that was saved from a board."""
    origin = report["origin"]
    table = pairs(f"{report['preset']}: {_target(report)} saved as {report['checkpoint']}")
    table.add_row("weights and latents", f"{report['bits']:,} bits")
    text = f"batch {origin['batch']}, tau {', '.join(map(str, origin['tau']))}"
    table.add_row("settings", text)
    table.add_row("design", origin["design"])
    put(table)


def _say_equal(table, report):
    if report["verified"]:
        table.add_row("verdict", Text("equal, every one", "bold"))
    else:
        table.add_row("verdict", Text("NOT equal", "bold red"))
        for line in report["differences"]:
            table.add_row("", line)


def show_sweep(report: dict, most: int = 10) -> None:
    """Print the best trials of a sweep."""
    what = f"{report['complete']} trials of {report['epochs']} epochs"
    if report["failed"] or report["refused"]:
        what += f"; {report['failed']} failed, {report['refused']} were no networks"
    table = Table(title=f"{report['preset']}: {what}", box=box.SIMPLE, pad_edge=False)
    rows = report["rows"][:most]
    for name in rows[0] if rows else ():
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()]
        table.add_row(*cells)
    table.caption = f"all of it in {report['out']}"
    put(table)


def show_bench(rows: list[dict], picture) -> None:
    """Print how fast the engine was."""
    table = Table(title="The fast engine", box=box.SIMPLE, pad_edge=False)
    table.add_column("network")
    for name in ("batch", "threads", "samples/s", "ms a batch", "bytes a synapse"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["net"], str(row["batch"]), str(row["threads"]), f"{row['samples_per_s']:,.0f}",
            f"{row['ms_per_batch']:.3f}", f"{row['bytes_per_synapse']:.2f}",
        )  # fmt: skip
    table.caption = f"drawn in {picture}"
    put(table)


def show_core(rows: list[dict], picture) -> None:
    """Print what machines spend their cycles on."""
    table = Table(title="Cycles per training sample", box=box.SIMPLE, pad_edge=False)
    table.add_column("network", no_wrap=True)
    stages = list(rows[0]["stages"])
    for name in ("synapses", *stages, "in all", "weight words", "inference"):
        table.add_column(name, justify="right")
    table.add_column("counters of the virtual board")
    for row in rows:
        simulated = row["simulated"]
        told = "not asked"
        if simulated:
            told = "equal" if simulated["equal"] else f"NOT equal: {simulated['stages']}"
            told += f", {simulated['samples']:,} samples"
        table.add_row(
            row["net"], f"{row['synapses']:,}", *(f"{row['stages'][s]:,.1f}" for s in stages),
            f"{row['cycles']:,.1f}", f"{row['bound']:,} ({row['bound'] / row['cycles']:.0%})",
            f"{row['infer']:,.1f}", told,
        )  # fmt: skip
    table.caption = f"weight words: of the first layer, one per cycle at most. Drawn in {picture}"
    put(table)


def show_growth(rows: list[dict], picture) -> None:
    """Print what machines of several sizes take."""
    table = Table(
        title="What a machine takes (estimates after place and route)",
        box=box.SIMPLE,
        pad_edge=False,
    )
    table.add_column("varied", no_wrap=True)
    for name in ("", "synapses", "cycles", "LUTs", "flip-flops", "block RAMs", "Fmax, MHz"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["curve"], f"{row['value']:,}", f"{row['synapses']:,}", f"{row['cycles']:,.1f}",
            f"{row['lut']:,}", f"{row['ff']:,}", f"{row['block']:,}", f"{row['fmax_mhz']:.1f}",
        )  # fmt: skip
    table.caption = f"drawn in {picture}"
    put(table)


def show_rows(rows: list[dict]) -> None:
    """Print the systems of the paper's tables."""
    table = Table(title="Systems of the paper", box=box.SIMPLE, pad_edge=False)
    for name in ("row", "network"):
        table.add_column(name, no_wrap=True)
    table.add_column("what is binary, and how it learns")
    table.add_column("epochs", justify="right")
    for r in rows:
        table.add_row(r["row"], r["network"], r["method"], str(r["epochs"]))
    put(table)


def show_reproduction(report: dict) -> None:
    """Print the report of a row's training."""
    table = pairs(f"{report['row']}: {report['network']}, {report['method']}")
    _add_errors(table, report)
    if report["claim"]:
        table.add_row("the paper says", report["claim"])
    table.add_row("all files", report["out"])
    put(table)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    minutes = seconds / 60
    if minutes < 1:
        return f"{math.ceil(seconds)} s"
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def show_results(rows: list[dict]) -> None:
    """Print every row of the paper with what came of it."""
    table = Table(title="The paper's systems, and ours", box=box.SIMPLE, pad_edge=False)
    for name in ("row", "the paper says"):
        table.add_column(name, no_wrap=True)
    for name in ("test error", "difference to its reference", "epochs", "time"):
        table.add_column(name, justify="right")
    for r in rows:
        cells = ["", "", f"{r['epochs']} of {r['paper_epochs']}", "not run"]
        if r["epochs"]:
            cells[0] = f"{r['test_error']:.2f} %"
            cells[3] = duration(r["seconds"])
            if r["difference"] is not None:
                cells[1] = f"{r['difference']:+.2f} after {r['difference_epoch']} epochs"
        table.add_row(r["row"], r["claim"], *cells)
    put(table)
    table = pairs("Commands of what was run")
    for r in rows:
        if r["epochs"]:
            images = f"{r['samples']:,} images of {r['data']}, {r['test_samples']:,} to test"
            table.add_row(r["command"], images)
    put(table)


def show_proofs(rows: list[dict]) -> None:
    """Print what was proven, or is to be."""
    table = Table(title="Proofs", box=box.SIMPLE, pad_edge=False)
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


def show_files(report: dict) -> None:
    """Print which files were written."""
    table = pairs(f"Verilog of {report['preset']}")
    for path in report["files"]:
        table.add_row(path)
    put(table)


def show_cosim(report: dict) -> None:
    """Print the report of a co-simulation."""
    table = pairs(f"{report['preset']}, seed {report['seed']}: the generated core in a simulator")
    table.add_row("samples", f"{report['samples']:,} of {report['data']}, batch {report['batch']}")
    table.add_row("flips", ", ".join(f"{n:,}" for n in report["flips"]) + " by weight layer")
    table.add_row("cycles", f"{report['cycles']:,}, {report['cycles_per_sample']:,.1f} per sample")
    for name, one in report["simulators"].items():
        verdict = "equal to the golden model" if one["agree"] else "NOT equal"
        table.add_row(name, f"{verdict}, {one['seconds']:.1f} s with its build")
        for line in one["differences"]:
            table.add_row("", line)
    put(table)


def show_network(report: dict) -> None:
    """Print what follows from parameters."""
    table = pairs(f"{report['preset']}: {'-'.join(map(str, report['sizes']))} neurons")
    table.add_row("synapses", f"{report['synapses']:,}, latents of {report['latent_bits']} bits")
    if report["first"] == "local":
        down, across = report["window_grid"]
        window = report["parameters"]["network"]["window"]
        table.add_row("first layer", f"local, {down} x {across} windows of {window} x {window}")
    else:
        table.add_row("first layer", "dense")
    table.add_row("sample", f"{report['input_bits']:,} bits, {report['sample_bytes']} bytes stored")
    bits = ", ".join(f"{kind} {n:,}" for kind, n in report["memory_bits"].items())
    table.add_row("memory bits", bits)
    ways = (f"{w['flash']}/{w['divider']} {w['cycles_per_sample']:,}" for w in report["flash"])
    table.add_row("flash cycles", ", ".join(ways) + " per sample (lines/divider)")
    table.add_row("digest", f"{report['digest'][:16]}..., of the parameters")
    if report["identity"]:
        table.add_row("identity", f"{report['identity']}, of the design that they give")
    put(table)
    columns = ("layer", "joins", "synapses", "rows", "bits/row", "lanes", "words", "latent words")
    put(
        _grid(
            "Weight layers",
            columns,
            [
                (
                    s["layer"], "{:,} to {:,}".format(*s["joins"]), s["synapses"], s["rows"],
                    s["row_bits"], f"{s['banks']} x {s['word_bits']}", s["weight_words"],
                    s["latent_words"],
                )
                for s in report["layers"]
            ],
        )
    )  # fmt: skip
    regions = ("region", "index", "words", "bits", "bytes")
    put(_grid("Memory map", regions, [[r[c] for c in regions] for r in report["memory_map"]]))
    registers = _grid("Registers", ("index", "register", "", "meaning"), [])
    for r in report["registers"]:
        access = "read, write" if r["writable"] else "read"
        registers.add_row(str(r["index"]), r["register"], access, r["meaning"])
    for column in registers.columns[1:]:
        column.justify = "left"
    put(registers)
    rows = [(p["preset"], "-".join(map(str, p["sizes"])), p["synapses"]) for p in report["presets"]]
    put(_grid("Presets", ("name", "neurons", "synapses"), rows))


def _grid(title, columns, rows) -> Table:
    table = Table(title=title, box=box.SIMPLE, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
    return table


def show_data(report: dict) -> None:
    """Print what a data set holds."""
    table = pairs(report["data"])
    table.add_row("folder", report["folder"])
    table.add_row("checked", report["checked"])
    table.add_row("images", "{} x {} pixels".format(*report["image"]))
    for part in ("train", "test"):
        facts = report[part]
        text = f"{facts['images']:,} images, {facts['lit_percent']:.1f} % of pixels above 127"
        table.add_row(part, text)
    put(table)
    columns = ("class", "train", "test")
    rows = zip(
        range(report["classes"]), report["train"]["labels"], report["test"]["labels"], strict=True
    )
    put(_grid("Images of each class", columns, rows))
    if image := report.get("image_file"):
        table = pairs(f"{image['file']}: {image['bytes']:,} bytes for a flash")
        table.add_row("network", f"{image['preset']}, {image['sample_bytes']} bytes per sample")
        left_out = report["train"]["images"] - image["train"]
        note = f"; {left_out:,} do not fit, or were not wanted" if left_out else ""
        table.add_row("train", f"{image['train']:,} images{note}")
        table.add_row("test", f"{image['test']:,} images")
        table.add_row("goes to", f"byte {image['base']:,} of the flash (standalone.flash_base)")
        put(table)


def show_watch(report: dict) -> None:
    """Print what a board came to by itself."""
    columns = ("epoch", "test error %", "training error %", "flips", "cycles each", "waited each")
    rows = [
        (
            log["epoch"], f"{log['test_error']:.2f}", f"{log['train_error']:.2f}",
            sum(log["flips"]), _cycles(log["cycles_per_sample"]), _cycles(log["wait_per_sample"]),
        )
        for log in report["history"]
    ]  # fmt: skip
    put(_grid(f"{report['preset']} alone, on {_target(report)}", columns, rows))
    table = pairs("In all")
    if report["verified"] is not None:
        bits = f"{report['compared_bits']:,} bits of weights and latents, and all counters"
        table.add_row("verified", f"{bits}, are the software engine's" if report["verified"] else
                      "; ".join(report["differences"]))  # fmt: skip
    for name in ("log_csv", "curves_png"):
        if name in report["files"]:
            table.add_row(name.replace("_", "."), report["files"][name])
    put(table)


def _cycles(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def tell_story(order) -> None:
    """Say what the demonstration is about to do."""
    p = order.params
    images = order.samples or len(order.dataset.train_labels)
    tests = len(order.dataset.test_labels)
    window = f"{p.network.window}x{p.network.window}"
    lines = [
        f"popflip learns MNIST: {images:,} images, once each, then {tests:,} others as a test.",
        f"network: {p.sizes[1]:,} hidden neurons that each see a {window} window of the image,",
        f"    {p.n_out} outputs, {p.n_synapses:,} binary synapses",
        "board: virtual, the Verilog of the whole machine, compiled (half a minute or more, once),",
        "    then driven with the bytes that a real board gets through its UART",
        "proof: the golden model, plain NumPy in a second process, learns the same images",
        "    meanwhile; in the end every weight and every latent accumulator must be equal",
        "",
    ]
    for line in lines:
        say(line)
