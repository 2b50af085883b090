"""Options that several verbs have."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.datasets.named.registry import DEFAULT

__all__ = [
    "Baud",
    "Board",
    "Checkpoint",
    "Config",
    "Data",
    "Engine",
    "Freq",
    "Json",
    "Label",
    "NamedBoard",
    "Port",
    "Preset",
    "Seed",
    "Threads",
    "Tools",
    "TrainingSeed",
    "Workers",
]

Preset = Annotated[
    str | None,
    typer.Option(
        help="Named network; popflip info lists them. local-small if left out.", metavar="NAME"
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="Network in a TOML file, instead of a preset.", metavar="FILE")
]
Board = Annotated[
    str | None,
    typer.Option(
        help="virtual (default: the generated Verilog, compiled), a serial port such as "
        "/dev/ttyUSB0, or the name of a board, whose serial port --port gives.",
        metavar="BOARD",
    ),
]
Port = Annotated[
    str | None,
    typer.Option(help="Serial port of the board that --board names.", metavar="PORT"),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Use software instead of a board. golden: the reference model; fast: the same bits, "
        "sooner.",
        metavar="NAME",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Threads of the fast engine; all of the computer's if left out.", metavar="N"
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes on this computer, of one thread each; one per processor if left out.",
        metavar="N",
    ),
]
Baud = Annotated[
    int | None,
    typer.Option(
        help="Bits per second of the serial port. If left out: the rate of the board's build, if "
        "--board or --config leads to one; else 115200.",
        min=1,
        metavar="N",
    ),
]
Seed = Annotated[
    int, typer.Option(help="Seed of the initial weights and of the order of the samples.")
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, and nothing else, on standard output."),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="A data set's name (popflip data --list), or a file or folder: IDX, .npz, .npy, CSV, "
        f"Parquet, pictures by class. {DEFAULT} if left out.",
        metavar="DATA",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        help="Column of the labels, if the data are a table. What the network's file says "
        "(data.label) if left out.",
        metavar="NAME",
    ),
]


Checkpoint = Annotated[
    Path, typer.Option(help="Checkpoint of a training: its checkpoint.npz.", metavar="FILE")
]
NamedBoard = Annotated[
    str,
    typer.Option("--board", help="Name of a board; popflip boards lists them.", metavar="BOARD"),
]
Freq = Annotated[
    float | None,
    typer.Option(help="Clock of the machine in MHz, if not the board's own.", min=1, metavar="MHZ"),
]
Tools = Annotated[
    str | None,
    typer.Option(
        help="Tools to use: yowasp or native. If left out: YoWASP's packages if all are installed, "
        "else native ones.",
        metavar="SOURCE",
    ),
]


TrainingSeed = Annotated[
    int | None,
    typer.Option(
        help="Seed of the initial weights and of the order of samples. 1 if left out.", metavar="N"
    ),
]
