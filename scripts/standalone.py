"""Boards that train by themselves, as the command watches them."""

import csv
import io
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from popflip.boards.host.link import Link
from popflip.boards.host.machine import BoardMachine, stop_standalone, virtual_board
from popflip.boards.host.monitor import Epoch, Sighting, watch
from popflip.boards.host.transport import Transport
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.flash_image import (
    TURN_CYCLES,
    flash_cycles,
    read_image,
    write_image,
)
from popflip.golden.description.params import Params
from popflip.golden.description.registers import StandaloneState, register_map
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.log import EpochLog
from popflip.golden.training.standalone import StandaloneTrainer, image_of
from popflip.golden.training.state import differences
from popflip.golden.training.trainer import Trainer
from popflip.rtl.interface import check_hardware
from popflip.scripts import plots
from popflip.scripts.console import Display, say
from popflip.scripts.session import (
    VIRTUAL,
    Failure,
    Target,
    choose_data,
    open_machine,
    open_serial,
)
from popflip.scripts.training import compared_bits, prepare_folder

__all__ = ["Vigil", "watch_board", "write_flash_image"]


@dataclass(frozen=True)
class Vigil:
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


def write_flash_image(
    params: Params,
    dataset: Dataset,
    path: Path,
    samples: int | None = None,
    test_samples: int | None = None,
    flash_bytes: int = 1 << 24,
) -> dict:
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


def watch_board(vigil: Vigil) -> dict:
    """Watch, and return the report that ``--json`` prints."""
    params = vigil.params
    if vigil.target.board in (None, "virtual"):
        standalone: dict = {} if params.standalone.lines else {"flash": "quad", "epochs": 1}
        if vigil.epochs is not None:
            standalone |= {"epochs": vigil.epochs}
        params = params.replace(standalone=standalone)
    elif not params.standalone.lines:
        raise InputError(
            "standalone.flash must be single, dual or quad for a board that trains alone, not "
            f"{params.standalone.flash}: name the network that the board was built with, by "
            "--config and the params.toml beside its bitstream"
        )
    vigil = replace(vigil, params=params)
    check_hardware(params)
    prepare_folder(vigil.out)
    started = time.perf_counter()
    if vigil.target.engine:
        history, found = _in_software(vigil), None
    elif vigil.target.virtual:
        history, found = _on_virtual_board(vigil)
    else:
        history, found = _at_serial_port(vigil), None
    report = {
        "verb": "watch",
        "preset": params.name,
        **vigil.target.report,
        "test_error": history[-1]["test_error"] if history else None,
        "verified": None if found is None else not found,
        "differences": found or [],
        "compared_bits": 0 if found is None else compared_bits(params),
        "flash": params.standalone.model_dump(mode="json"),
        "flash_cycles_per_sample": flash_cycles(params) + TURN_CYCLES,
        "seconds": round(time.perf_counter() - started, 2),
        "out": str(vigil.out),
        "history": history,
    }
    report["files"] = _write_results(vigil, history)
    write_atomically(vigil.out / "report.json", json.dumps(report, indent=1).encode())
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


def _software_log(log: EpochLog) -> dict:
    """An epoch of the software engines, which count no cycles, in the same form."""
    known = asdict(log)
    for name in ("seconds", "samples_per_s"):
        known.pop(name)
    return known | {"wait_per_sample": None}


def _in_software(vigil: Vigil) -> list[dict]:
    dataset, _ = choose_data(vigil.data)
    with open_machine(vigil.params, vigil.target) as machine, Display() as display:
        trainer = StandaloneTrainer(
            vigil.params, dataset, machine,
            samples=vigil.samples, test_samples=vigil.test_samples,
        )  # fmt: skip

        def on_progress(progress):
            title = f"{progress.phase} {progress.epoch}/{progress.epochs}"
            error = f"error {progress.report.error:.1f} %"
            display.show(title, progress.done, progress.total, error)

        def on_epoch(log):
            _say_epoch(_software_log(log))

        trainer.run(vigil.params.standalone.epochs, on_progress, on_epoch)
    return [_software_log(log) for log in trainer.history]


def _say_epoch(log: dict) -> None:
    text = f"epoch {log['epoch']}: test error {log['test_error']:.2f} %, training error "
    text += f"{log['train_error']:.2f} %, {sum(log['flips']):,} flips"
    if log["cycles_per_sample"]:
        text += f", {log['cycles_per_sample']:,.1f} cycles per training sample and "
        text += f"{log['wait_per_sample']:,.1f} of waiting"
    say(text)


def _follow(vigil: Vigil, transport: Transport, link: Link, counts: dict | None) -> list[dict]:
    """Show what a board does until it has come to its end."""
    params, history = vigil.params, []
    phases = {StandaloneState.TRAINING: "train", StandaloneState.TESTING: "test"}
    with Display() as display:

        def on_sighting(now: Sighting):
            phase = phases.get(now.state)
            if phase is None or not now.report.samples:
                return
            # How many there are only the image says, which a host at a serial port does not see.
            total = counts[phase] if counts else now.report.samples
            title = f"{phase} {now.epoch + 1}/{params.standalone.epochs}"
            cycles = now.report.cycles["total"] / now.report.samples
            # The counters move on while they are read: of the first samples more may be right than
            # there were.
            error = max(0.0, now.report.error)
            note = f"error {error:.1f} %  {cycles:,.0f} cycles each"
            display.show(title, now.report.samples, total, note)

        for epoch in watch(params, link, on_sighting):
            log = _log(params, epoch)
            _say_epoch(log)
            history.append(log)
    return history


def _on_virtual_board(vigil: Vigil) -> tuple[list[dict], list[str] | None]:
    params = vigil.params
    if vigil.image is not None:
        image = read_image(params, vigil.image.read_bytes())
        dataset = None
    else:
        dataset, _ = choose_data(vigil.data)
        image = image_of(params, dataset, vigil.samples, vigil.test_samples)
    counts = {"train": len(image.train), "test": len(image.test)}
    for name, n in counts.items():
        if dataset is not None and n < len(getattr(dataset, f"{name}_labels")):
            say(f"the first {n:,} {name}ing images are in the flash".replace("testing", "test"))
    with virtual_board(params, write_image(params, *image)) as board:
        history = _follow(vigil, board, Link(board, params), counts)
        if board.flash_errors:
            raise Failure(f"the flash did not understand {board.flash_errors} commands")
        if not vigil.verify or dataset is None:
            return history, None
        state = BoardMachine(params, board).read_state()
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
    return history, found


def _at_serial_port(vigil: Vigil) -> list[dict]:
    params, target = vigil.params, vigil.target
    with open_serial(target) as transport:
        link = Link(transport, params)
        link.resync()
        if vigil.start:
            stop_standalone(link, params, transport)
            index = next(r.index for r in register_map(params) if r.name == "standalone")
            link.write("registers", index, bytes([1, 0, 0, 0]))
        return _follow(vigil, transport, link, None)


def _write_results(vigil: Vigil, history: list[dict]) -> dict[str, str]:
    if not history:
        return {}
    files = {"log_csv": vigil.out / "log.csv", "curves_png": vigil.out / "curves.png"}
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
    plots.save(plots.epoch_errors(vigil.params.name, history), files["curves_png"])
    return {name: str(path) for name, path in files.items()}
