"""``popflip export``: a network, or samples, for a program in C."""

import re
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.boards.driver.header import FRONT_ENDS
from popflip.boards.driver.image import NetworkImage, c_array
from popflip.golden.description.names import is_legal
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder, write_atomically
from popflip.golden.training.trainer import Trainer
from popflip.rtl.designs import check_design
from popflip.rtl.identity import identity
from popflip.scripts.options import Config, Data, Json, Preset
from popflip.scripts.session import choose_params, named_network
from popflip.scripts.tables import pairs, put
from popflip.scripts.training.exported import exported_samples, fitting_data, new_image
from popflip.scripts.transfer import Settings, check_machine, check_words, held_by
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "ExportReport"]

#: Files that hold bytes as an array in C.
_C_SUFFIXES = (".h", ".c", ".inc")


class ExportReport(TypedDict):
    """What ``--json`` prints; samples are of no design."""

    verb: str
    preset: str
    bus: str
    design: str | None
    file: str
    array: str | None
    bytes: int
    samples: int | None


def export(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="File. An array in C if its name ends in .h, .c or .inc, else bytes.",
            metavar="FILE",
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A network to export: its checkpoint.npz.", metavar="FILE")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="A network to export instead: what a training with this seed begins with.",
            min=0,
            metavar="N",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Samples to export instead, packed as the machine takes them: the first N, in the "
            "data's own order.",
            min=1,
            metavar="N",
        ),
    ] = None,
    data: Data = None,
    part: Annotated[str, typer.Option(help="Samples of which part: train, test.")] = "train",
    preset: Preset = None,
    config: Config = None,
    bus: Annotated[
        str, typer.Option(help=f"Front end of the design: {', '.join(FRONT_ENDS)}.", metavar="BUS")
    ] = "uart",
    as_json: Json = False,
) -> None:
    """Export a network, or samples, for the C driver.

    A network becomes an image that popflip_load takes, for one design: that of --preset or
    --config, else of the checkpoint's parameters, behind --bus. Samples are what popflip_train and
    popflip_infer take, one behind the other. verify --image checks what a program has learned from
    them.
    """
    if [checkpoint, seed, samples].count(None) != 2:
        raise InputError("name one of --checkpoint, --seed and --samples")
    if bus not in FRONT_ENDS:
        raise InputError(f"bus must be one of {', '.join(FRONT_ENDS)}, not {bus!r}")
    if checkpoint is not None:
        params, content = _network(checkpoint, choose_params(preset, config), bus)
    else:
        params = named_network(preset, config)
        check_design(params, bus)
    if seed is not None:
        content = new_image(params, seed).pack(params, identity(params, bus))
    if samples is not None:
        if part not in ("train", "test"):
            raise InputError(f"part must be train or test, not {part!r}")
        dataset, _ = fitting_data(data, params)
        x, labels = exported_samples(params, dataset, part, samples)
        content = pack_samples(params, x, labels).tobytes()
        about = f"{params.name}, {samples} samples of {params.sample_bytes} bytes"
    else:
        about = f"{params.name}, image of a network for design {identity(params, bus).hex()}"
    array = _identifier(out.stem) if out.suffix in _C_SUFFIXES else None
    prepare_folder(out.parent)
    write_atomically(out, c_array(array, content, about).encode() if array else content)
    report: ExportReport = {
        "verb": "export",
        "preset": params.name,
        "bus": bus,
        "design": None if samples else identity(params, bus).hex(),
        "file": str(out),
        "array": array,
        "bytes": len(content),
        "samples": samples,
    }
    print_json(report) if as_json else show(report)


VERB = Verb(
    export,
    examples=(
        "popflip export --checkpoint runs/demo/checkpoint.npz --bus wishbone -o network.h",
        "popflip export --seed 1 --preset ice40hx8k --bus axi -o network.bin",
        "popflip export --samples 100 --preset ice40hx8k -o samples.h",
    ),
)


def _network(path: Path, wanted: Params | None, bus: str) -> tuple[Params, bytes]:
    """Return the parameters of a design, and the image of a checkpoint for it."""
    meta, state = Trainer.read_checkpoint(path)
    saved = Params.build(meta["params"])
    params, settings = wanted or saved, Settings.of(meta)
    check_words(path, saved, params)
    check_machine(path, settings, params)
    held = held_by(params, state)
    image = NetworkImage(held, settings.batch, settings.reset_on_flip, settings.tau)
    return params, image.pack(params, identity(params, bus))


def _identifier(stem: str) -> str:
    """Return a name in C for what a file is called."""
    name = "_".join(re.findall(r"[A-Za-z0-9]+", stem))
    return name if is_legal(name) else f"data_{name}"


def show(report: ExportReport) -> None:
    """Print what was exported."""
    what = "network" if report["samples"] is None else f"{report['samples']:,} samples"
    table = pairs(f"{report['preset']}: {what} for a program in C")
    table.add_row("file", report["file"])
    if report["array"]:
        table.add_row("array", report["array"])
    table.add_row("bytes", f"{report['bytes']:,}")
    if report["design"]:
        table.add_row("design", f"{report['design']} ({report['bus']})")
    put(table)
