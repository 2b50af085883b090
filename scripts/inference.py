"""Inference as the command does it: a checkpoint's network on a test set."""

import csv
import io
import time
from pathlib import Path

import numpy as np

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.machine import Machine
from popflip.golden.training.state import NetworkState
from popflip.scripts.console import Display
from popflip.scripts.session import VIRTUAL, Target, open_machine, per_second
from popflip.scripts.training import prepare_folder

__all__ = ["confusion", "infer", "predict"]


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


def infer(
    params: Params,
    state: NetworkState,
    dataset: Dataset,
    *,
    checkpoint: Path,
    source: str,
    samples: int | None = None,
    target: Target = VIRTUAL,
    table: Path | None = None,
) -> dict:
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
