"""``popflip calibrate``: gains and thresholds that suit the data."""

from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.golden.datasets.dataset import Dataset, check_data
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.description.reference import to_toml
from popflip.golden.support.files import write_atomically
from popflip.golden.training import calibration
from popflip.golden.training.calibration import Vitals
from popflip.scripts.console import say
from popflip.scripts.options import Data, Json, Label, Seed
from popflip.scripts.session import choose_data, with_label
from popflip.scripts.tables import grid, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "CalibrationReport", "calibrate_network", "percent"]


class State(TypedDict):
    """A network before or after calibration."""

    gains: list[int]
    feedback_gains: list[int]
    threshold: int
    active_percent: list[float]
    outputs_active_percent: float
    output_sum: float
    moved_percent: list[float]


class CalibrationReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    preset: str
    data: str
    samples: int
    seed: int
    before: State
    after: State
    warnings: list[str]
    file: str | None


def calibrate(
    network: Annotated[
        str, typer.Argument(help="Network: a TOML file, or a preset's name.", metavar="FILE")
    ],
    data: Data = None,
    label: Label = None,
    seed: Seed = 1,
    write: Annotated[
        Path | None,
        typer.Option(help="Where to write the network with what was chosen.", metavar="FILE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose gains and the threshold of a network by what it receives from the data.

    Some training samples are driven through its first, random weights. With the heaviside code 5 to
    8 percent of the hidden neurons are active then, with the sign code half of them; and the
    outputs' sums are graded. Nothing is trained, and nothing else of the network changes.
    """
    params = with_label(Params.load(network), label)
    dataset, source = choose_data(data, params=params)
    chosen, report = calibrate_network(params, dataset, seed)
    report["data"] = source
    if write is not None:
        write_atomically(write, to_toml(chosen).encode())
        report["file"] = str(write)
    print_json(report) if as_json else show(report)


VERB = Verb(
    calibrate,
    examples=(
        "popflip calibrate mine.toml --data flowers.csv --label species",
        "popflip calibrate mine.toml --data digits --write calibrated.toml",
    ),
)


def calibrate_network(
    params: Params, dataset: Dataset, seed: int
) -> tuple[Params, CalibrationReport]:
    """Calibrate a network for a data set; also return what ``--json`` says of it."""
    check_data(params, dataset)
    x = input_of(params.network, dataset.train_images[: calibration.SAMPLES])
    found = calibration.calibrate(params, x, dataset.train_labels[: len(x)], seed)
    report: CalibrationReport = {
        "verb": "calibrate",
        "preset": params.name,
        "data": dataset.name,
        "samples": len(x),
        "seed": seed,
        "before": _state(params, found.before),
        "after": _state(found.params, found.after),
        "warnings": calibration.complaints(found.params, found.after),
        "file": None,
    }
    return found.params, report


def _state(params: Params, vitals: Vitals) -> State:
    return {
        "gains": list(params.dynamics.gains),
        "feedback_gains": [params.feedback_gain(layer) for layer in range(1, params.depth)],
        "threshold": params.dynamics.hidden_threshold,
        "active_percent": [percent(share) for share in vitals.active],
        "outputs_active_percent": percent(vitals.outputs_active),
        "output_sum": round(vitals.output_sum, 3),
        "moved_percent": [percent(share) for share in vitals.moved],
    }


def percent(share: float) -> float:
    """A share in percent, as reports have it."""
    return round(100 * share, 2)


def show(report: CalibrationReport) -> None:
    """Print a network before and after calibration."""
    before, after = report["before"], report["after"]

    def row(title, text):
        return title, text(before), text(after)

    rows = [
        row("dynamics.gains", lambda s: str(s["gains"])),
        row("dynamics.feedback_gains", lambda s: str(s["feedback_gains"])),
        row("dynamics.threshold", lambda s: str(s["threshold"])),
    ]
    for layer in range(len(after["active_percent"])):
        name = f"hidden layer {layer + 1}"
        rows += [
            row(f"{name}: active", lambda s, l=layer: f"{s['active_percent'][l]:.1f} %"),
            row(f"{name}: moved by a nudge", lambda s, l=layer: f"{s['moved_percent'][l]:.1f} %"),
        ]
    rows += [
        row("outputs: active", lambda s: f"{s['outputs_active_percent']:.1f} %"),
        row("outputs: sums", lambda s: f"{s['output_sum']:.2f} V"),
    ]
    title = f"{report['preset']}, first weights, on {report['samples']:,} samples"
    put(grid(f"{title} of {report['data']}", ("", "before", "after"), rows))
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    if report["file"]:
        say(f"popflip: wrote {report['file']}")
