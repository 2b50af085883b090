"""``popflip infer``: the test images, predicted by a trained network."""

import csv
import io
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.text import Text

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder, write_atomically
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
from popflip.scripts.tables import clocks, new_table, pairs, put, target_of
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "InferenceReport", "confusion", "predict"]


class InferenceReport(TargetReport):
    """What ``--json`` prints."""

    verb: str
    preset: str
    checkpoint: str
    data: str
    samples: int
    correct: int
    accuracy: float
    test_error: float
    samples_per_s: float
    cycles_per_inference: float | None
    inferences_per_s_at_mhz: dict[str, float] | None
    confusion: list[list[int]]
    predictions: str | None


def infer(
    checkpoint: Checkpoint,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[int | None, typer.Option(help="Test images; all if left out.")] = None,
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
    """Predict the test images with a trained network, on a board.

    The network is that of the checkpoint. --preset or --config names another machine for it, such
    as one without the training logic.
    """
    from popflip.golden.description.params import Params

    target = Target(board, baud, engine, threads, port, config)
    params = choose_params(preset, config, board)
    meta, state = Trainer.read_checkpoint(checkpoint)
    saved = Params.build(meta["params"])
    if params is None:
        params = saved
    else:
        same_network(checkpoint, saved, params)
    dataset, source = choose_data(data, checkpoint, meta)
    report = infer_test_set(
        params, state, dataset, checkpoint=checkpoint, source=source, samples=samples,
        target=target, table=predictions,
    )  # fmt: skip
    print_json(report) if as_json else show(report)


VERB = Verb(
    infer,
    examples=(
        "popflip infer --checkpoint runs/demo/checkpoint.npz",
        "popflip infer --checkpoint runs/demo/checkpoint.npz --samples 1000 --json",
        "popflip infer --checkpoint runs/demo/checkpoint.npz --predictions all.csv",
    ),
)


def predict(machine: Machine, x, labels, title: str = "infer") -> tuple[Report, np.ndarray]:
    """Have a machine predict samples, and show how far it is.

    Parameters
    ----------
    machine : Machine
    x : ndarray of bool, shape (n, n_in)
    labels : ndarray of int, shape (n,)
    title : str

    Returns
    -------
    Report
    ndarray of int, shape (n,)
    """
    machine.load(x, labels)
    total, parts = Report(), []
    started = time.perf_counter()
    with Display() as display:
        for first in range(0, len(labels), machine.chunk):
            report, predictions = machine.infer(first, min(machine.chunk, len(labels) - first))
            total += report
            parts.append(predictions)
            rate = total.samples / max(time.perf_counter() - started, 1e-9)
            note = f"{rate:,.0f}/s  error {total.error:.2f} %"
            display.show(title, total.samples, len(labels), note)
    return total, np.concatenate(parts)


def confusion(labels, predictions, classes: int) -> np.ndarray:
    """Count samples by their class (rows) and what was predicted (columns)."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.asarray(labels, int), np.asarray(predictions, int)), 1)
    return table


def infer_test_set(
    params: Params,
    state: NetworkState,
    dataset: Dataset,
    *,
    checkpoint: Path,
    source: str,
    samples: int | None = None,
    target: Target = VIRTUAL,
    table: Path | None = None,
) -> InferenceReport:
    """Predict a test set, and return the report that ``--json`` prints.

    Parameters
    ----------
    params : Params
    state : NetworkState
        The network; its latents do not matter.
    dataset : Dataset
    checkpoint : Path
        Where the network is from.
    source : str
        The data set's name or folder.
    samples : int, optional
        The first so many test images; all if left out.
    target : Target
    table : Path, optional
        Write the predictions there, as CSV.
    """
    check_data(params, dataset)
    most = len(dataset.test_labels)
    if samples is not None and not 1 <= samples <= most:
        raise InputError(f"samples must be 1 to {most}, not {samples}")
    if table is not None:
        # Before the work, not behind it.
        if table.is_dir():
            raise InputError(f"predictions must be a file, not the folder {table}")
        prepare_folder(table.parent)
    labels = dataset.test_labels[:samples]
    x = input_of(params.network, dataset.test_images[:samples])
    # Zeros are sent faster than what was learned, and inference does not look at them.
    blank = NetworkState(state.weights, [np.zeros_like(m) for m in state.latents], state.sign_state)
    with open_machine(params, target) as machine:
        machine.write_state(blank)
        started = time.perf_counter()
        total, predictions = predict(machine, x, labels)
        seconds = time.perf_counter() - started
    if table is not None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["image", "label", "prediction"])
        writer.writerows(
            zip(range(len(labels)), labels.tolist(), predictions.tolist(), strict=True)
        )
        write_atomically(table, text.getvalue().encode())
    cycles = total.cycles["total"] / total.samples if total.cycles else None
    correct = int((predictions == labels).sum())
    return {
        "verb": "infer",
        "preset": params.name,
        "checkpoint": str(checkpoint),
        "data": source,
        **target.report,
        "samples": len(labels),
        "correct": correct,
        "accuracy": round(100 * correct / len(labels), 4),
        "test_error": round(100 * (1 - correct / len(labels)), 4),
        "samples_per_s": round(len(labels) / seconds, 1),
        "cycles_per_inference": cycles,
        "inferences_per_s_at_mhz": per_second(cycles),
        "confusion": confusion(labels, predictions, params.network.classes).tolist(),
        "predictions": None if table is None else str(table),
    }


def show(report: InferenceReport) -> None:
    """Print the report of an inference."""
    table = pairs(f"{report['preset']} from {report['checkpoint']}, on {target_of(report)}")
    table.add_row(
        "predicted rightly",
        f"{report['correct']:,} of {report['samples']:,} images: {report['accuracy']:.2f} %",
    )
    table.add_row("speed", f"{report['samples_per_s']:,.0f} images/s on this computer")
    if report["predictions"]:
        table.add_row("predictions", report["predictions"])
    put(table)
    counts = new_table("Images by class (rows) and prediction (columns)")
    counts.add_column("", style="bold")
    for name in range(len(report["confusion"])):
        counts.add_column(str(name), justify="right")
    for name, row in enumerate(report["confusion"]):
        cells = [Text(str(n), "bold") if i == name else str(n or "") for i, n in enumerate(row)]
        counts.add_row(str(name), *cells)
    put(counts)
    if report["cycles_per_inference"]:
        put(clocks({"inference": report["cycles_per_inference"]}))
