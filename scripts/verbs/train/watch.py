"""``popflip watch``: a board in standalone training."""

import csv
import io
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from popflip.boards.host.monitor import Epoch, Sighting
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.flash_image import (
    FLASH_BYTES,
    TURN_CYCLES,
    flash_cycles,
    read_image,
    write_image,
)
from popflip.golden.description.params import Params
from popflip.golden.description.registers import StandaloneState
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import read_file, write_atomically
from popflip.golden.training import health
from popflip.golden.training.log import EpochLog, Log
from popflip.golden.training.standalone import StandaloneTrainer, image_of
from popflip.golden.training.state import NetworkState, differences
from popflip.golden.training.trainer import Trainer
from popflip.rtl.interface import check_hardware
from popflip.scripts.console import Display, say
from popflip.scripts.options import Baud, Board, Config, Data, Engine, Json, Port, Preset, Threads
from popflip.scripts.session import (
    VIRTUAL,
    Failure,
    Target,
    TargetReport,
    choose_data,
    named_network,
    open_machine,
    results_folder,
)
from popflip.scripts.tables import grid, pairs, put, target_of
from popflip.scripts.training.runs.reports import State
from popflip.scripts.training.runs.watched import WatchedRun
from popflip.scripts.verb import Verb, fail_unless_learned, fail_unless_verified, print_json

__all__ = ["VERB", "WatchJob", "WatchReport", "watch_board"]

#: What a board does, in words of the progress.
PHASES = {StandaloneState.TRAINING: "train", StandaloneState.TESTING: "test"}

#: Seconds between two looks at whether somebody has asked for an end, if the board says nothing.
LOOK_S = 0.2


@dataclass(frozen=True)
class WatchJob:
    """What to watch, and where the results go.

    Attributes
    ----------
    params : Params
        Without a flash, the virtual board gets one with four data lines, and trains one epoch.
    out : Path
    target : Target
    epochs, samples, test_samples : int or None
        Of the virtual board or an engine; those of the parameters, and as many as fit, if None.
    data : str or None
        The data set.
    image : Path or None
        Content of the virtual board's flash, instead of what ``data`` gives.
    start : bool
        Have a real board begin anew.
    verify : bool
        Have the fast engine train the same beside the virtual board.
    """

    params: Params
    out: Path
    target: Target = VIRTUAL
    epochs: int | None = None
    samples: int | None = None
    test_samples: int | None = None
    data: str | None = None
    image: Path | None = None
    start: bool = False
    verify: bool = True


class WatchReport(TargetReport):
    """What ``--json`` prints."""

    verb: str
    preset: str
    test_error: float | None
    learns: bool | None
    verified: bool | None
    differences: list[str]
    compared_bits: int
    flash: dict
    flash_cycles_per_sample: float
    seconds: float
    out: str
    history: list[dict]
    files: dict[str, str]


def watch(
    preset: Preset = None,
    config: Config = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Epochs of the virtual board or an engine, instead of the network's.", min=1
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Training images in its flash; as many as fit if left out.", min=1),
    ] = None,
    test_samples: Annotated[
        int | None,
        typer.Option(help="Test images in its flash; as many as fit if left out.", min=1),
    ] = None,
    data: Data = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="Content of the virtual board's flash: a file that popflip data --image wrote."
        ),
    ] = None,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    start: Annotated[
        bool, typer.Option("--start", help="Restart the board's training, then watch it.")
    ] = False,
    verify: Annotated[
        bool, typer.Option(help="Train the same with the fast engine, and compare.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/watch-PRESET if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch standalone training, from the data set in its own flash; no host takes part.

    The virtual board is made with that data set in its flash, and what it has learned is compared
    with the software engine, bit for bit. A board at a serial port is only listened to.
    """
    target = Target(board, baud, engine, threads, port, config)
    params = named_network(preset, config, board=board)
    job = WatchJob(
        params, out or Path("runs") / f"watch-{params.name}",
        target=target, epochs=epochs, samples=samples,
        test_samples=test_samples, data=data, image=image, start=start, verify=verify,
    )  # fmt: skip
    report = watch_board(job)
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)
    fail_unless_learned(report)


VERB = Verb(
    watch,
    examples=(
        "popflip watch",
        "popflip watch --preset ice40up5k --epochs 2 --samples 5000",
        "popflip watch --preset ecp5-85f --engine fast --epochs 20",
        "popflip watch --preset ice40up5k --board /dev/ttyUSB0 --start",
    ),
)


def watch_board(job: WatchJob) -> WatchReport:
    """Watch, and return the report that ``--json`` prints."""
    params = job.params
    if job.target.virtual or job.target.engine:
        standalone: dict = {} if params.standalone.lines else {"flash": "quad", "epochs": 1}
        if job.epochs is not None:
            standalone |= {"epochs": job.epochs}
        params = params.replace(standalone=standalone)
    elif not params.standalone.lines:
        raise InputError(
            "standalone.flash must be single, dual or quad for standalone training, not "
            f"{params.standalone.flash}: name the network that the board was built with, by "
            "--config and the params.toml beside its bitstream"
        )
    job = replace(job, params=params)
    check_hardware(params)
    with results_folder(job.out):
        return _watch(job)


def _watch(job: WatchJob) -> WatchReport:
    params = job.params
    started = time.perf_counter()
    if job.target.engine:
        (history, learns), found = _in_software(job), None
    elif job.target.virtual:
        history, learns, found = _on_virtual_board(job)
    else:
        (history, learns), found = _at_serial_port(job), None
    report: WatchReport = {
        "verb": "watch",
        "preset": params.name,
        **job.target.report,
        "test_error": history[-1]["test_error"] if history else None,
        "learns": learns,
        "verified": None if found is None else not found,
        "differences": found or [],
        "compared_bits": 0 if found is None else params.memory_bits,
        "flash": params.standalone.model_dump(mode="json"),
        "flash_cycles_per_sample": flash_cycles(params) + TURN_CYCLES,
        "seconds": round(time.perf_counter() - started, 2),
        "out": str(job.out),
        "history": history,
        "files": _write_results(job, history),
    }
    write_atomically(job.out / "report.json", json.dumps(report, indent=1).encode())
    return report


def _log(params: Params, epoch: Epoch) -> dict:
    """What one epoch came to, as reports and files have it."""
    trained, tested = epoch.trained.report, epoch.tested.report
    stages = {k: v / trained.samples for k, v in trained.cycles.items()}
    return {
        "epoch": epoch.number,
        "samples": trained.samples,
        "train_error": round(trained.error, 4),
        "test_error": round(tested.error, 4),
        "changed_per_sample": trained.changed / trained.samples,
        "flips": list(trained.flips),
        "tau": list(epoch.trained.tau),
        "cycles_per_sample": stages.pop("total"),
        "wait_per_sample": epoch.trained.wait_cycles / trained.samples,
        "cycles_per_inference": tested.cycles["total"] / tested.samples,
        "stage_cycles": stages,
    }


def _counted_log(log: dict) -> Log:
    """What tells whether a board's network learns; a board times nothing."""
    return Log(
        log["epoch"], log["samples"], log["train_error"], log["test_error"], log["flips"], 0.0, 0.0
    )


def _software_log(log: EpochLog) -> dict:
    """An epoch of the software engines, which count no cycles, in the same form."""
    known = asdict(log)
    for name in ("seconds", "samples_per_s"):
        known.pop(name)
    return known | {"wait_per_sample": None}


def _in_software(job: WatchJob) -> tuple[list[dict], bool | None]:
    dataset, _ = choose_data(job.data, params=job.params)
    with open_machine(job.params, job.target) as machine, Display() as display:
        trainer = StandaloneTrainer(
            job.params, dataset, machine,
            samples=job.samples, test_samples=job.test_samples,
        )  # fmt: skip

        def on_progress(progress):
            title = f"{progress.phase} {progress.epoch}/{progress.epochs}"
            error = f"error {progress.report.error:.1f} %"
            display.show(title, progress.done, progress.total, error)

        def on_epoch(log):
            _say_epoch(_software_log(log))
            for warning in trainer.warnings:
                say(f"warning: {warning}")

        trainer.run(job.params.standalone.epochs, on_progress, on_epoch)
    return [_software_log(log) for log in trainer.history], not trainer.ailing


def _say_epoch(log: dict) -> None:
    text = f"epoch {log['epoch']}: test error {log['test_error']:.2f} %, training error "
    text += f"{log['train_error']:.2f} %, {sum(log['flips']):,} flips"
    if log["cycles_per_sample"]:
        text += f", {log['cycles_per_sample']:,.1f} cycles per training sample and "
        text += f"{log['wait_per_sample']:,.1f} of waiting"
    say(text)


class _Listener:
    """What the user sees of a board, and what is kept of it.

    Parameters
    ----------
    params : Params
    display : Display
    counts : dict, optional
        Samples of a training and of a test; only the image says them, which a host at a serial port
        does not see.
    test_labels : ndarray, optional
    """

    def __init__(
        self,
        params: Params,
        display: Display,
        counts: dict | None = None,
        test_labels: np.ndarray | None = None,
    ):
        self._params, self._display = params, display
        self._counts, self._test_labels = counts, test_labels
        self._found: list[str] = []
        self.history: list[dict] = []

    @property
    def learns(self) -> bool | None:
        """Whether the network learns; None if no epoch has ended."""
        return not self._found if self.history else None

    def see(self, now: Sighting) -> None:
        """Show how far the board is."""
        phase = PHASES.get(now.state)
        if phase is None or not now.report.samples:
            return
        total = self._counts[phase] if self._counts else now.report.samples
        title = f"{phase} {now.epoch + 1}/{self._params.standalone.epochs}"
        cycles = now.report.cycles["total"] / now.report.samples
        # The counters move on while they are read: of the first samples more may be right than
        # there were.
        error = max(0.0, now.report.error)
        note = f"error {error:.1f} %  {cycles:,.0f} cycles each"
        self._display.show(title, now.report.samples, total, note)

    def keep(self, epoch: Epoch) -> None:
        """Say and keep what an epoch came to; warn of a network that does not learn."""
        log = _log(self._params, epoch)
        _say_epoch(log)
        self.history.append(log)
        logs = [_counted_log(each) for each in self.history]
        known = self._found
        self._found = health.symptoms(self._params, logs, epoch.tested.report, self._test_labels)
        if self._found and not known:
            say(f"warning: {health.complaint(self._found)}")


def _follow(
    run: WatchedRun, counts: dict | None = None, test_labels: np.ndarray | None = None
) -> tuple[list[dict], bool | None]:
    """Show what a board does until it has come to its end; also return whether it learns."""
    with run.subscribe() as reports, Display() as display:
        listener = _Listener(run.params, display, counts, test_labels)
        ended = False
        while not ended:
            interrupts.check()
            report = reports.get(LOOK_S)
            if report is None:
                continue
            ended = report.over or report.state is State.PAUSED
            if report.sighting is not None:
                listener.see(report.sighting)
            for epoch in run.epochs(len(listener.history)):
                listener.keep(epoch)
    run.wait(lambda report: report.state is State.PAUSED, 0)  # raises what has gone wrong
    return listener.history, listener.learns


def _on_virtual_board(job: WatchJob) -> tuple[list[dict], bool | None, list[str] | None]:
    params = job.params
    if job.image is not None:
        image = read_image(params, read_file(job.image, FLASH_BYTES, "a flash image"))
        dataset = None
    else:
        dataset, _ = choose_data(job.data, params=job.params)
        image = image_of(params, dataset, job.samples, job.test_samples)
    counts = {"train": len(image.train), "test": len(image.test)}
    if dataset is not None:
        if counts["train"] < len(dataset.train_labels):
            say(f"the first {counts['train']:,} training images are in the flash")
        if counts["test"] < len(dataset.test_labels):
            say(f"the first {counts['test']:,} test images are in the flash")
    flash = write_image(params, *image)
    with WatchedRun(params, image=flash, samples=counts["train"]) as run:
        labels = image.test[:, -1]  # the last byte of a sample
        history, learns = _follow(run, counts, labels)
        if run.report.flash_errors:
            raise Failure(f"the flash did not understand {run.report.flash_errors} commands")
        if not job.verify or dataset is None:
            return history, learns, None
        state = run.result(run.state())
    return history, learns, _compare(job, dataset, counts, history, state)


def _compare(
    job: WatchJob, dataset: Dataset, counts: dict, history: list[dict], state: NetworkState
) -> list[str]:
    """Train the same with the fast engine, and return what is not as the board has it."""
    params = job.params
    with open_machine(params, Target(engine="fast")) as machine:
        trainer: Trainer = StandaloneTrainer(
            params, dataset, machine, samples=counts["train"], test_samples=counts["test"]
        )
        say("the fast engine trains the same")
        trainer.run(params.standalone.epochs)
        found = differences(state, machine.read_state())
    for log, wanted in zip(history, trainer.history, strict=True):
        found += [
            f"{name} of epoch {wanted.epoch}: {log[name]}, not {value}"
            for name, value in _software_log(wanted).items()
            if value is not None and name != "stage_cycles" and log[name] != value
        ]
    return found


def _at_serial_port(job: WatchJob) -> tuple[list[dict], bool | None]:
    with WatchedRun(job.params, target=job.target, start=job.start) as run:
        return _follow(run)


def _write_results(job: WatchJob, history: list[dict]) -> dict[str, str]:
    from popflip.scripts.plots.learning import epoch_errors
    from popflip.scripts.plots.style import save_figure

    if not history:
        return {}
    files = {"log_csv": job.out / "log.csv", "curves_png": job.out / "curves.png"}
    text = io.StringIO()
    rows = []
    for log in history:
        row = dict(log)
        row |= {f"flips{i}": n for i, n in enumerate(row.pop("flips"))}
        row |= {f"tau{i}": n for i, n in enumerate(row.pop("tau"))}
        row |= {f"cycles_{k}": v for k, v in row.pop("stage_cycles").items()}
        rows.append(row)
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(files["log_csv"], text.getvalue().encode())
    save_figure(epoch_errors(job.params.name, history), files["curves_png"])
    return {name: str(path) for name, path in files.items()}


def show(report: WatchReport) -> None:
    """Print the results of a board's standalone training."""
    columns = (
        "epoch",
        "test error %",
        "training error %",
        "flips",
        "cycles per sample",
        "of waiting",
    )
    rows = [
        (
            log["epoch"], f"{log['test_error']:.2f}", f"{log['train_error']:.2f}",
            sum(log["flips"]), _decimal(log["cycles_per_sample"]), _decimal(log["wait_per_sample"]),
        )
        for log in report["history"]
    ]  # fmt: skip
    put(grid(f"{report['preset']} standalone, on {target_of(report)}", columns, rows))
    table = pairs("In all")
    if report["verified"] is not None:
        bits = f"{report['compared_bits']:,} bits of weights and latents, and all counters"
        table.add_row("verified", f"{bits}, are the software engine's" if report["verified"] else
                      "; ".join(report["differences"]))  # fmt: skip
    for name in ("log_csv", "curves_png"):
        if name in report["files"]:
            table.add_row(name.replace("_", "."), report["files"][name])
    put(table)


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
