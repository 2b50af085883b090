"""``popflip info``: what follows from a network's parameters."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.description.reference import to_toml
from popflip.golden.description.sections.common import both_ways
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.rtl.identity import identity, known_identity
from popflip.scripts.console import say
from popflip.scripts.flash_budget import ways_to_read
from popflip.scripts.options import Config, Data, Json, Preset
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.tables import grid, pairs, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "NetworkReport"]


class NetworkReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    preset: str
    digest: str
    identity: str | None
    sizes: list[int]
    synapses: int
    first: str
    windowed: bool
    window_grid: list[int]
    window: list[int]
    input_bits: int
    sample_bytes: int
    latent_bits: int
    training: bool
    flash: list[dict]
    memory_bits: dict[str, int]
    layers: list[dict]
    memory_map: list[dict]
    registers: list[dict]
    parameters: dict
    presets: list[dict]


def info(
    preset: Preset = None,
    config: Config = None,
    write: Annotated[
        Path | None,
        typer.Option(
            help="Write the parameters to a TOML file for editing, every key explained.",
            metavar="FILE",
        ),
    ] = None,
    windows: Annotated[
        Path | None,
        typer.Option(
            help="Draw the windows of the first hidden layer, over an image of --data if given.",
            metavar="PNG",
        ),
    ] = None,
    data: Data = None,
    with_identity: Annotated[
        bool,
        typer.Option(
            "--identity",
            help="Also give the design's identity, which takes seconds to compute the first time.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what follows from a network's parameters: layers, memories, registers; list presets.

    --write makes a file of them to begin a network of one's own with, which --config takes.
    """
    params = named_network(preset, config)
    if write is not None:
        if write.suffix != ".toml":
            raise InputError(f"write must name a .toml file, not {str(write)!r}")
        write_atomically(write, to_toml(params).encode())
        say(f"popflip: {write} holds {params.name}; --config takes it")
    if windows is not None:
        # Here: everything else of this verb is there at once.
        from popflip.scripts.plots.style import save_figure
        from popflip.scripts.plots.windows import first_windows

        image = None if data is None else choose_data(data, params=params)[0].train_images[0]
        save_figure(first_windows(params, image), windows)
        say(f"popflip: the windows are drawn in {windows}")
    report = describe(params, identity(params) if with_identity else known_identity(params))
    print_json(report) if as_json else show(report)


VERB = Verb(
    info,
    examples=(
        "popflip info",
        "popflip info --preset dense-wide --json",
        "popflip info --preset local-small --write mine.toml",
        "popflip info --preset ecp5-25f --windows windows.png --data mnist",
        "popflip info --identity",
    ),
)


def describe(params: Params, identity: bytes | None) -> NetworkReport:
    """Return all that ``popflip info`` says of a network and its machine.

    Parameters
    ----------
    params : Params
    identity : bytes or None
        Of the design, if it is known.
    """
    layers = []
    for number in range(params.depth):
        s = params.synapses(number)
        layers.append({
            "layer": number,
            "joins": [params.sizes[number], params.sizes[number + 1]],
            "synapses": s.rows * s.row_bits,
            "rows": s.rows,
            "row_bits": s.row_bits,
            "word_bits": s.word_bits,
            "banks": s.banks,
            "words_per_row": s.chunks,
            "weight_words": s.weight_depth,
            "latent_words": s.latent_depth if params.machine.training else 0,
            "latent_lanes": s.latent_lanes,
        })
    regions = [
        {"region": r.name, "index": r.index, "words": r.depth, "bits": r.width, "bytes": r.n_bytes}
        for r in params.regions
    ]
    memory = {
        kind: sum(r.depth * r.width for r in params.regions if r.name.startswith(kind))
        for kind in ("weights", "latents", "samples", "results")
    }
    return {
        "verb": "info",
        "preset": params.name,
        "digest": params.digest,
        "identity": None if identity is None else identity.hex(),
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "first": params.network.first,
        "windowed": params.first_layer.windowed,
        "window_grid": list(params.grid),
        "window": list(params.first_layer.kernel),
        "input_bits": params.n_in,
        "sample_bytes": params.sample_bytes,
        "latent_bits": params.learning.latent_bits,
        "training": params.machine.training,
        "flash": ways_to_read(params),
        "memory_bits": memory,
        "layers": layers,
        "memory_map": regions,
        "registers": [
            {
                "register": r.name,
                "index": r.index,
                "writable": r.writable,
                "command": r.command,
                "meaning": r.meaning,
            }
            for r in params.registers
        ],
        "parameters": params.model_dump(mode="json"),
        "presets": [
            {"preset": p.name, "sizes": list(p.sizes), "synapses": p.n_synapses}
            for p in map(Params.load, preset_names())
        ],
    }


def show(report: NetworkReport) -> None:
    """Print what follows from parameters."""
    table = pairs(f"{report['preset']}: {'-'.join(map(str, report['sizes']))} neurons")
    latents = f"latents of {report['latent_bits']} bits"
    wider = report["parameters"]["learning"].get("first_latent_bits")
    if wider is not None:
        latents += f", those of the first weight layer of {wider}"
    table.add_row("synapses", f"{report['synapses']:,}, {latents}")
    if report["windowed"]:
        down, across = report["window_grid"]
        height, width = report["window"]
        windows = f"{down} x {across} windows of {height} x {width}"
        network = report["parameters"]["network"]
        if "pool" in network:
            high, wide = both_ways(network["pool"])
            windows += f", the best of {high} x {wide} each"
        if "sharing" in network:
            windows += ", weights shared by all"
        table.add_row("first layer", f"{report['first']}, {windows}")
    else:
        table.add_row("first layer", report["first"])
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
        grid(
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
    put(grid("Memory map", regions, [[r[c] for c in regions] for r in report["memory_map"]]))
    registers = grid("Registers", ("index", "register", "", "meaning"), [])
    for r in report["registers"]:
        access = "read, command" if r["command"] else "read, write" if r["writable"] else "read"
        registers.add_row(str(r["index"]), r["register"], access, r["meaning"])
    for column in registers.columns[1:]:
        column.justify = "left"
    put(registers)
    rows = [(p["preset"], "-".join(map(str, p["sizes"])), p["synapses"]) for p in report["presets"]]
    put(grid("Presets", ("name", "neurons", "synapses"), rows))
