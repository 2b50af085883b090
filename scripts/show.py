"""Reports as a person reads them."""

from rich import box
from rich.table import Table

from popflip.scripts.console import out, say
from popflip.scripts.session import CLOCKS_MHZ

__all__ = ["show_training", "tell_story"]


def pairs(title: str) -> Table:
    """Return an empty table of names and what they stand for."""
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, show_header=False, pad_edge=False
    )
    table.title_style = "bold"
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def clocks(rows: dict[str, float | None]) -> Table:
    """Return a table of cycle counts and what they mean at several clock rates."""
    table = Table(
        title="Cycles, counted by the hardware itself; per second = clock / cycles",
        title_justify="left", title_style="bold", box=box.SIMPLE, pad_edge=False,
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


def show_training(report: dict) -> None:
    """Print the report of a training."""
    console = out()
    table = pairs(f"{report['preset']}, seed {report['seed']}, on board {report['board']}")
    table.add_row(
        "trained", f"{report['epochs']} x {report['samples']:,} images of {report['data']}"
    )
    if report["test_error"] is not None:
        table.add_row(
            "test error", f"{report['test_error']:.2f} % of {report['test_samples']:,} images"
        )
        table.add_row("training error", f"{report['train_error']:.2f} %, while learning")
    if report["samples_per_s"]:
        speed = f"{report['samples_per_s']:,.0f} training samples/s on this computer"
        if report["simulated_cycles_per_s"]:
            speed += f", {report['simulated_cycles_per_s'] / 1e6:.2f} million cycles/s"
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
    console.print(table)
    if report["cycles_per_sample"]:
        rows = {
            "training sample": report["cycles_per_sample"],
            **{f"  {stage}": n for stage, n in report["stage_cycles"].items()},
            "inference": report["cycles_per_inference"],
        }
        console.print(clocks(rows))


def tell_story(order) -> None:
    """Say what the demonstration is about to do."""
    p = order.params
    images = order.samples or len(order.dataset.train_labels)
    tests = len(order.dataset.test_labels)
    window = f"{p.network.window}x{p.network.window}"
    lines = [
        f"popflip learns MNIST: {images:,} images, once each, then {tests:,} others as a test.",
        f"network: {p.sizes[1]:,} hidden neurons that each see a {window} window, {p.n_out} outputs,",
        f"    {p.n_synapses:,} binary synapses",
        "board: virtual: the Verilog of the whole machine, compiled (half a minute or more, once),",
        "    then driven with the bytes that a real board gets through its UART",
        "proof: the golden model, plain NumPy in a second process, learns the same images",
        "    meanwhile; in the end every weight and every latent accumulator must be equal",
        "",
    ]
    for line in lines:
        say(line)
