"""``popflip verilog``: the generated Verilog, and what an engineer needs beside it."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.golden.description.bus import BUSES
from popflip.golden.description.names import checked_name, default_name
from popflip.golden.support.files import prepare_folder
from popflip.scripts.options import Config, Json, Preset
from popflip.scripts.session import named_network
from popflip.scripts.tables import pairs, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "VerilogReport"]


class VerilogReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    preset: str
    digest: str
    bus: str
    name: str
    files: list[str]


def verilog(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.", metavar="DIR")],
    preset: Preset = None,
    config: Config = None,
    bus: Annotated[
        str, typer.Option(help=f"Front end: {', '.join(BUSES)}.", metavar="BUS")
    ] = "uart",
    name: Annotated[
        str | None,
        typer.Option(
            help="What its modules are called, for two designs in one. Default: popflip_ and the "
            "network's name.",
            metavar="NAME",
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option("--html", help="Describe a bus's registers in a page, too: folder html."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the Verilog of a network's machine, and all that a design around it needs.

    One Verilog file, a manifest, instantiation templates in Verilog and VHDL, lint waivers, and the
    driver in C. Of a bus's registers descriptions in SystemRDL, CMSIS-SVD and C.
    """
    from popflip.rtl.designs import check_design
    from popflip.scripts.verbs.hardware.verilog.package import write_package

    params = named_network(preset, config)
    check_design(params, bus)
    name = default_name(params) if name is None else checked_name(name)
    prepare_folder(out)
    files = [str(path) for path in write_package(params, out, bus, name, html=html)]
    report: VerilogReport = {
        "verb": "verilog",
        "preset": params.name,
        "digest": params.digest,
        "bus": bus,
        "name": name,
        "files": files,
    }
    print_json(report) if as_json else show(report)


VERB = Verb(
    verilog,
    examples=(
        "popflip verilog -o build/verilog",
        "popflip verilog --config mine.toml -o out --json",
        "popflip verilog --bus axi --name digits -o digits",
    ),
)


def show(report: VerilogReport) -> None:
    """Print which files were written."""
    table = pairs(f"Verilog of {report['preset']}")
    for path in report["files"]:
        table.add_row(path)
    put(table)
