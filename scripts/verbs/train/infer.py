"""``popflip infer``: images, predicted by a trained network."""

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.text import Text

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import DataError, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.labels import names_of_outputs
from popflip.golden.datasets.preparation import prepare_to_predict
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_file, refuse_same, write_atomically
from popflip.golden.training.checkpoint import read_encoder
from popflip.golden.training.machine import Machine
from popflip.golden.training.state import NetworkState
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display
from popflip.scripts.options import (
    Baud,
    Board,
    Checkpoint,
    Config,
    Data,
    Engine,
    Json,
    Port,
    Preset,
    Threads,
)
from popflip.scripts.session import (
    VIRTUAL,
    Target,
    TargetReport,
    choose_data,
    choose_params,
    open_machine,
    per_second,
    same_network,
)
from popflip.scripts.tables import clocks, grid, new_table, pairs, put, target_of
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "InferenceReport", "confusion", "predict"]


#: Predictions that a report, and a person, are shown at most.
FIRST, SHOWN = 100, 20


class InferenceReport(TargetReport):
    """What ``--json`` prints."""

    verb: str
    preset: str
    checkpoint: str
    data: str
    samples: int
    correct: int | None
    accuracy: float | None
    test_error: float | None
    samples_per_s: float
    cycles_per_inference: float | None
    inferences_per_s_at_mhz: dict[str, float] | None
    classes: list[str]
    predicted: dict[str, int]
    first: list[str]
    confusion: list[list[int]] | None
    predictions: str | None


def infer(
    checkpoint: Checkpoint,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[int | None, typer.Option(help="Images; all if left out.")] = None,
    data: Data = None,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write all predictions as CSV.", metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict images with a trained network, on a board.

    The network is that of the checkpoint, which also holds how values become input bits and what
    the classes are called. Without --data the test set of its training is predicted. --data names
    other samples: the test part if they have one, else all of them. They need no labels.
    --preset or --config names another machine for the network, such as one without the training
    logic.
    """
    refuse_same(predictions, None if data is None else Path(data), "predictions")
    target = Target(board, baud, engine, threads, port, config)
    params = choose_params(preset, config, board)
    meta, state = Trainer.read_checkpoint(checkpoint)
    saved = Params.build(meta["params"])
    if params is None:
        params = saved
    else:
        same_network(checkpoint, saved, params)
    found = samples_to_predict(data, checkpoint, meta, saved)
    report = infer_samples(
        params, state, found, checkpoint=checkpoint, samples=samples, target=target,
        table=predictions,
    )  # fmt: skip
    print_json(report) if as_json else show(report)


VERB = Verb(
    infer,
    examples=(
        "popflip infer --checkpoint runs/demo/checkpoint.npz",
        "popflip infer --checkpoint runs/demo/checkpoint.npz --samples 1000 --json",
        "popflip infer --checkpoint runs/demo/checkpoint.npz --predictions all.csv",
        "popflip infer --checkpoint runs/mine/checkpoint.npz --data new.csv --engine fast",
    ),
)


@dataclass(frozen=True, eq=False)
class ToPredict:
    """Samples to predict.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, height, width)
    labels : ndarray of uint8, shape (n,), optional
        None if nobody knows them.
    classes : list of str
        What the network's classes are called.
    source : str
        Where the samples are from.
    names : tuple of str
        What the samples are called, if they are.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: list[str]
    source: str
    names: tuple[str, ...] = ()


def samples_to_predict(data: str | None, checkpoint: Path, meta: dict, saved: Params) -> ToPredict:
    """Read what a checkpoint's network is to predict.

    Parameters
    ----------
    data : str, optional
        A data set's name, file or folder; the test set of the training if left out.
    checkpoint : Path
    meta : dict
        What the checkpoint says of itself.
    saved : Params
        Its parameters.

    Raises
    ------
    DataError
        If the samples cannot be read, or are not like those of the training.
    """
    known, outputs = meta.get("classes", []), saved.network.classes
    if data is None or loading.place_of(data) == meta.get("data_source"):
        try:
            dataset, source = choose_data(data, checkpoint, meta, saved)
        except DataError:
            if data is None:
                raise
            dataset = None  # the place holds other samples now, which may do to predict
        if dataset is not None and dataset.digest == meta["data_digest"]:
            check_data(saved, dataset)
            # Of a checkpoint that has learned samples of other sources too, there may be more.
            classes = names_of_outputs(known or dataset.classes, outputs)
            return ToPredict(dataset.test_images, dataset.test_labels, classes, source)
    assert data is not None
    if not data:
        raise DataError("data must be the name of a data set, a file or a folder, not ''")
    raw, _ = loading.read_raw(data, params=saved, unlabelled=True)
    part = raw.train if raw.test is None else raw.test
    classes = names_of_outputs(known, outputs)
    images, labels = prepare_to_predict(part, read_encoder(checkpoint), known or classes, saved)
    return ToPredict(images, labels, classes, data, part.names)


def predict(machine: Machine, x, labels, title: str = "infer") -> tuple[Report, np.ndarray]:
    """Have a machine predict samples, and show how far it is.

    Parameters
    ----------
    machine : Machine
    x : ndarray of bool, shape (n, n_in)
    labels : ndarray of int, shape (n,), optional
        None if nobody knows them: what the report says of correct ones means nothing then.
    title : str

    Returns
    -------
    Report
    ndarray of int, shape (n,)
    """
    n = len(x)
    machine.load(x, np.zeros(n, np.uint8) if labels is None else labels)
    total, parts = Report(), []
    started = time.perf_counter()
    with Display() as display:
        for first in range(0, n, machine.chunk):
            report, predictions = machine.infer(first, min(machine.chunk, n - first))
            total += report
            parts.append(predictions)
            rate = total.samples / max(time.perf_counter() - started, 1e-9)
            note = f"{rate:,.0f}/s"
            if labels is not None:
                note += f"  error {total.error:.2f} %"
            display.show(title, total.samples, n, note)
    return total, np.concatenate(parts)


def confusion(labels, predictions, classes: int) -> np.ndarray:
    """Count samples by their class (rows) and what was predicted (columns)."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.asarray(labels, int), np.asarray(predictions, int)), 1)
    return table


def infer_samples(
    params: Params,
    state: NetworkState,
    found: ToPredict,
    *,
    checkpoint: Path,
    samples: int | None = None,
    target: Target = VIRTUAL,
    table: Path | None = None,
) -> InferenceReport:
    """Predict samples, and return the report that ``--json`` prints.

    Parameters
    ----------
    params : Params
    state : NetworkState
        The network; its latents do not matter.
    found : ToPredict
    checkpoint : Path
        Where the network is from.
    samples : int, optional
        The first so many images; all if left out.
    target : Target
    table : Path, optional
        Write the predictions there, as CSV.
    """
    most = len(found.images)
    if samples is not None and not 1 <= samples <= most:
        raise InputError(f"samples must be 1 to {most}, not {samples}")
    if table is not None:
        # Before the work, not behind it.
        prepare_file(table, "predictions")
    labels = None if found.labels is None else found.labels[:samples]
    x = input_of(params.network, found.images[:samples])
    # Zeros are sent faster than what was learned, and inference does not look at them.
    with open_machine(params, target) as machine:
        machine.write_state(state.without_latents())
        started = time.perf_counter()
        total, predictions = predict(machine, x, labels)
        seconds = time.perf_counter() - started
    if table is not None:
        _write_table(table, found, labels, predictions)
    cycles = total.cycles["total"] / total.samples if total.cycles else None
    counts = np.bincount(predictions, minlength=len(found.classes))
    correct = None if labels is None else int((predictions == labels).sum())
    share = None if correct is None else correct / len(x)
    return {
        "verb": "infer",
        "preset": params.name,
        "checkpoint": str(checkpoint),
        "data": found.source,
        **target.report,
        "samples": len(x),
        "correct": correct,
        "accuracy": None if share is None else round(100 * share, 4),
        "test_error": None if share is None else round(100 * (1 - share), 4),
        "samples_per_s": round(len(x) / seconds, 1),
        "cycles_per_inference": cycles,
        "inferences_per_s_at_mhz": per_second(cycles),
        "classes": found.classes,
        "predicted": {name: int(n) for name, n in zip(found.classes, counts, strict=True)},
        "first": [found.classes[number] for number in predictions[:FIRST]],
        "confusion": None
        if labels is None
        else confusion(labels, predictions, params.network.classes).tolist(),
        "predictions": None if table is None else str(table),
    }


def _write_table(path: Path, found: ToPredict, labels, predictions) -> None:
    """Write what was predicted, by the names of the classes."""
    columns: dict[str, list] = {"image": list(range(len(predictions)))}
    if found.names:
        columns["file"] = list(found.names[: len(predictions)])
    if labels is not None:
        columns["label"] = [found.classes[number] for number in labels]
    columns["prediction"] = [found.classes[number] for number in predictions]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomically(path, text.getvalue().encode())


def show(report: InferenceReport) -> None:
    """Print the report of an inference."""
    table = pairs(f"{report['preset']} from {report['checkpoint']}, on {target_of(report)}")
    if report["correct"] is not None:
        table.add_row(
            "predicted rightly",
            f"{report['correct']:,} of {report['samples']:,} images: {report['accuracy']:.2f} %",
        )
    table.add_row("speed", f"{report['samples_per_s']:,.0f} images/s on this computer")
    if report["predictions"]:
        table.add_row("predictions", report["predictions"])
    put(table)
    if report["confusion"] is None:
        _show_predictions(report)
    else:
        _show_confusion(report["classes"], report["confusion"])
    if report["cycles_per_inference"]:
        put(clocks({"inference": report["cycles_per_inference"]}))


def _show_predictions(report: InferenceReport) -> None:
    """Print what was predicted of samples whose classes nobody knows."""
    put(grid("Images predicted of each class", ("class", "images"), report["predicted"].items()))
    shown = report["first"][:SHOWN]
    more = ", ..." if report["samples"] > len(shown) else ""
    put(pairs(f"Predictions in order: {', '.join(shown)}{more}"))


def _show_confusion(classes: list[str], confused: list[list[int]]) -> None:
    counts = new_table("Images by class (rows) and prediction (columns)")
    counts.add_column("", style="bold")
    for name in classes:
        counts.add_column(Text(name), justify="right")
    for number, (name, row) in enumerate(zip(classes, confused, strict=True)):
        cells = [Text(str(n), "bold") if i == number else str(n or "") for i, n in enumerate(row)]
        counts.add_row(Text(name), *cells)
    put(counts)
