"""``popflip data``: fetch, check and look at a data set, and pack it for a board's flash."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

import numpy as np
import typer

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.inspection import inspect as inspect_raw
from popflip.golden.datasets.loading import read_raw
from popflip.golden.datasets.named.registry import DEFAULT, NAMED, cached_at
from popflip.golden.description.flash_image import write_image
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder, write_atomically
from popflip.golden.training.standalone import image_of
from popflip.scripts.console import say
from popflip.scripts.options import Config, Data, Json, Label, Preset
from popflip.scripts.plots.samples import data_picture
from popflip.scripts.plots.style import save_figure
from popflip.scripts.session import choose_data, named_network, with_label
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


class InspectionReport(TypedDict):
    """What ``--inspect`` adds."""

    samples: int
    test_part: str
    shape: list[int]
    type: str
    features: list[dict]
    classes: dict[str, tuple[int, int]]
    guessed_error: float | None
    lit_percent: float | None
    problems: list[str]
    warnings: list[str]
    picture: str | None


class DataReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    data: str
    folder: str
    checked: str
    image: list[int]
    classes: int
    names: list[str]
    warnings: list[str]
    train: PartReport
    test: PartReport
    image_file: NotRequired[ImageReport]


def data(
    data: Data = None,
    label: Label = None,
    inspect: Annotated[
        bool,
        typer.Option(
            "--inspect",
            help="Look at it: classes, ranges of the values, a picture, and what would be wrong.",
        ),
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="The picture of --inspect. runs/data-NAME.png if left out.", metavar="PNG"
        ),
    ] = None,
    list_names: Annotated[
        bool, typer.Option("--list", help="List the data sets that have a name.")
    ] = False,
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
    """Look at a data set: fetch one that has a name, or read and check one of your own.

    With --inspect all that is odd about it is said at once, for the network that --preset or
    --config names if one is named. With --image it is packed for the flash of a board in standalone
    training: pixels become bits, so that the file is for networks of one kind.
    """
    if list_names:
        rows = [
            {"name": each.name, "about": each.about, "package": each.package}
            for each in NAMED.values()
        ]
        print_json(rows) if as_json else show_names(rows)
        return
    if folder is not None:
        if data is not None:
            raise InputError("name one of --data and --folder, its old name, not both")
        say("popflip: --folder is now --data; the old name will go with the next version")
        # A folder is meant even if it is called as a data set is.
        data = f"./{folder}" if str(folder) in NAMED else str(folder)
    named = preset is not None or config is not None
    params = with_label(named_network(preset, config), label)
    if inspect:
        found = inspect_data(data, params if named else None, label, picture)
        print_json(found) if as_json else show_inspection(found, data or DEFAULT)
        if found["problems"]:
            raise InputError(f"{data or DEFAULT} cannot be learned: {found['problems'][0]}")
        return
    dataset, source = choose_data(data, params=params)
    report = describe(dataset, source)
    if image is not None:
        report["image_file"] = write_flash_image(
            params, dataset, image, samples, test_samples, flash_bytes
        )
    print_json(report) if as_json else show(report)


VERB = Verb(
    data,
    examples=(
        "popflip data --list",
        "popflip data --data ~/fashion-mnist --json",
        "popflip data --data flowers.csv --label species --inspect",
        "popflip data --data ~/letters --inspect --config mine.toml --picture letters.png",
        "popflip data --image mnist.img --preset ice40up5k",
    ),
)


def describe(dataset: Dataset, source: str) -> DataReport:
    """Return all that ``popflip data`` says of a data set."""
    parts = {
        "train": (dataset.train_images, dataset.train_labels),
        "test": (dataset.test_images, dataset.test_labels),
    }
    classes = dataset.n_classes
    described: dict[str, PartReport] = {}
    for name, (images, labels) in parts.items():
        described[name] = {
            "images": len(images),
            "labels": np.bincount(labels, minlength=classes).tolist(),
            "lit_percent": round(100 * float(encode(images, (127,)).mean()), 3),
        }
    named = NAMED.get(source)
    published = named.published if named else None
    where = source
    if named is not None:
        where = str(cached_at(published)) if published else f"the package {named.package}"
    return {
        "verb": "data",
        "data": dataset.name,
        "folder": where,
        "checked": "SHA-256 of the published files" if published else "headers and sizes",
        "image": list(dataset.train_images.shape[1:]),
        "classes": classes,
        "names": dataset.class_names(classes),
        "warnings": list(dataset.warnings),
        "train": described["train"],
        "test": described["test"],
    }


def inspect_data(
    data: str | None, params: Params | None, label: str | None, picture: Path | None
) -> InspectionReport:
    """Look at a data set, and return what ``--inspect`` says of it.

    Parameters
    ----------
    data : str, optional
        Its name, file or folder.
    params : Params, optional
        Of the network that is to learn it.
    label : str, optional
        Column of the labels.
    picture : Path, optional
        Where to draw some samples.
    """
    reading = params or with_label(named_network(None, None), label)
    raw, name = read_raw(DEFAULT if data is None else data, params=reading)
    found = inspect_raw(raw, name, reading, fits=params is not None)
    if found.dataset is not None:
        picture = picture or Path("runs") / f"data-{Path(name).stem}.png"
        prepare_folder(picture.parent)
        with warnings.catch_warnings():
            # Of letters that Matplotlib's font lacks.
            warnings.filterwarnings("ignore", "Glyph ", UserWarning)
            save_figure(data_picture(found.dataset), picture)
    return {
        "samples": found.samples,
        "test_part": "given" if found.has_test else f"{reading.data.test_percent} % drawn",
        "shape": list(found.shape),
        "type": found.type,
        "features": [asdict(each) for each in found.features],
        "classes": found.classes,
        "guessed_error": found.guessed and round(found.guessed, 2),
        "lit_percent": found.lit and round(found.lit, 2),
        "problems": list(found.problems),
        "warnings": list(found.warnings),
        "picture": None if found.dataset is None else str(picture),
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
    rows = zip(report["names"], report["train"]["labels"], report["test"]["labels"], strict=True)
    put(grid("Images of each class", columns, rows))
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    if image := report.get("image_file"):
        table = pairs(f"{image['file']}: {image['bytes']:,} bytes for a flash")
        table.add_row("network", f"{image['preset']}, {image['sample_bytes']} bytes per sample")
        left_out = report["train"]["images"] - image["train"]
        note = f"; {left_out:,} do not fit, or were not wanted" if left_out else ""
        table.add_row("train", f"{image['train']:,} images{note}")
        table.add_row("test", f"{image['test']:,} images")
        table.add_row("goes to", f"byte {image['base']:,} of the flash (standalone.flash_base)")
        put(table)


def show_names(rows: list[dict]) -> None:
    """Print the data sets that have a name."""
    cells = [(row["name"], row["about"], row["package"] or "fetched") for row in rows]
    put(grid("Data sets that have a name", ("name", "what it is", "from"), cells))


def show_inspection(report: InspectionReport, name: str, most: int = 40) -> None:
    """Print what ``--inspect`` found, of a table at most so many features."""
    table = pairs(name)
    shape = " x ".join(map(str, report["shape"]))
    table.add_row("samples", f"{report['samples']:,}; the test part is {report['test_part']}")
    table.add_row("training part", f"{shape}, {report['type']}")
    if report["guessed_error"] is not None:
        table.add_row("error of a guess", f"{report['guessed_error']:.1f} %")
    if report["lit_percent"] is not None:
        table.add_row("input bits that are 1", f"{report['lit_percent']:.1f} %")
    if report["picture"]:
        table.add_row("picture", report["picture"])
    put(table)
    rows = [
        (
            each["name"], each["kind"], _number(each["low"]), _number(each["high"]),
            each["different"], each["missing"],
        )
        for each in report["features"][:most]
    ]  # fmt: skip
    titles = ("values", "kind", "least", "greatest", "different", "missing")
    left_out = len(report["features"]) - len(rows)
    put(grid("Values" + (f"; {left_out:,} more features" if left_out else ""), titles, rows))
    counts = [(label, *both) for label, both in report["classes"].items()]
    put(grid("Samples of each class", ("class", "train", "test"), counts))
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    for problem in report["problems"][1:]:
        say(f"problem: {problem}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"
