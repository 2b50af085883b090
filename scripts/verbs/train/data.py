"""``popflip data``: fetch and check a data set, and pack it for the flash of a board."""

from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

import numpy as np
import typer

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import encode
from popflip.golden.description.flash_image import write_image
from popflip.golden.description.params import Params
from popflip.golden.support.cache import cache_folder
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.standalone import image_of
from popflip.scripts.console import say
from popflip.scripts.options import Config, Data, Json, Preset
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.tables import grid, pairs, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "DataReport", "ImageReport", "write_flash_image"]


class PartReport(TypedDict):
    """One part of a data set: training or test images."""

    images: int
    labels: list[int]
    lit_percent: float


class ImageReport(TypedDict):
    """The file for the flash of a board."""

    file: str
    preset: str
    bytes: int
    sample_bytes: int
    train: int
    test: int
    base: int


class DataReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    data: str
    folder: str
    checked: str
    image: list[int]
    classes: int
    train: PartReport
    test: PartReport
    image_file: NotRequired[ImageReport]


def data(
    data: Data = None,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="Write the data set for a board's flash, packed for a network.", metavar="FILE"
        ),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Training images in the file; as many as fit if left out.", min=1),
    ] = None,
    test_samples: Annotated[
        int | None, typer.Option(help="Test images in the file; as many as fit if left out.", min=1)
    ] = None,
    flash_bytes: Annotated[
        int, typer.Option(help="Size of the whole flash, with the bitstream's part.", min=1)
    ] = 1 << 24,
    as_json: Json = False,
) -> None:
    """Fetch MNIST, unless it is there, and check it; or check a folder of IDX files.

    With --image it is also packed for the flash of a board in standalone training: pixels become
    bits, so that the file is for networks of one kind.
    """
    if folder is not None:
        if data is not None:
            raise InputError("name one of --data and --folder, its old name, not both")
        say("popflip: --folder is now --data; the old name will go with the next version")
        # A folder is meant even if it is called mnist.
        data = "./mnist" if str(folder) == "mnist" else str(folder)
    dataset, source = choose_data(data)
    report = describe(dataset, source)
    if image is not None:
        params = named_network(preset, config)
        report["image_file"] = write_flash_image(
            params, dataset, image, samples, test_samples, flash_bytes
        )
    print_json(report) if as_json else show(report)


VERB = Verb(
    data,
    examples=(
        "popflip data",
        "popflip data --data ~/fashion-mnist --json",
        "popflip data --image mnist.img --preset ice40up5k",
    ),
)


def describe(dataset: Dataset, source: str) -> DataReport:
    """Return all that ``popflip data`` says of a data set."""
    parts = {
        "train": (dataset.train_images, dataset.train_labels),
        "test": (dataset.test_images, dataset.test_labels),
    }
    classes = int(max(labels.max() for _, labels in parts.values())) + 1
    described: dict[str, PartReport] = {}
    for name, (images, labels) in parts.items():
        described[name] = {
            "images": len(images),
            "labels": np.bincount(labels, minlength=classes).tolist(),
            "lit_percent": round(100 * float(encode(images, (127,)).mean()), 3),
        }
    return {
        "verb": "data",
        "data": dataset.name,
        "folder": str(cache_folder() / "datasets" / "mnist") if source == "mnist" else source,
        "checked": "SHA-256 of the published files" if source == "mnist" else "headers and sizes",
        "image": list(dataset.train_images.shape[1:]),
        "classes": classes,
        "train": described["train"],
        "test": described["test"],
    }


def write_flash_image(
    params: Params,
    dataset: Dataset,
    path: Path,
    samples: int | None = None,
    test_samples: int | None = None,
    flash_bytes: int = 1 << 24,
) -> ImageReport:
    """Write a data set for the flash of a board; return what ``--json`` says of the file."""
    image = image_of(params, dataset, samples, test_samples, flash_bytes)
    content = write_image(params, *image)
    write_atomically(path, content)
    return {
        "file": str(path),
        "preset": params.name,
        "bytes": len(content),
        "sample_bytes": params.sample_bytes,
        "train": len(image.train),
        "test": len(image.test),
        "base": params.standalone.flash_base,
    }


def show(report: DataReport) -> None:
    """Print what a data set holds."""
    table = pairs(report["data"])
    table.add_row("folder", report["folder"])
    table.add_row("checked", report["checked"])
    table.add_row("images", "{} x {} pixels".format(*report["image"]))
    for name, part in (("train", report["train"]), ("test", report["test"])):
        text = f"{part['images']:,} images, {part['lit_percent']:.1f} % of pixels above 127"
        table.add_row(name, text)
    put(table)
    columns = ("class", "train", "test")
    rows = zip(
        range(report["classes"]), report["train"]["labels"], report["test"]["labels"], strict=True
    )
    put(grid("Images of each class", columns, rows))
    if image := report.get("image_file"):
        table = pairs(f"{image['file']}: {image['bytes']:,} bytes for a flash")
        table.add_row("network", f"{image['preset']}, {image['sample_bytes']} bytes per sample")
        left_out = report["train"]["images"] - image["train"]
        note = f"; {left_out:,} do not fit, or were not wanted" if left_out else ""
        table.add_row("train", f"{image['train']:,} images{note}")
        table.add_row("test", f"{image['test']:,} images")
        table.add_row("goes to", f"byte {image['base']:,} of the flash (standalone.flash_base)")
        put(table)
