"""``popflip verify``: the golden model against a board, or against a checkpoint."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NotRequired

import numpy as np
import typer

from popflip.boards.driver.header import FRONT_ENDS
from popflip.boards.driver.image import NetworkImage
from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report
from popflip.golden.support.errors import InputError
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences
from popflip.golden.training.trainer import Trainer
from popflip.rtl.designs import check_design
from popflip.scripts.console import Display
from popflip.scripts.options import (
    Baud,
    Board,
    Config,
    Data,
    Engine,
    Json,
    Port,
    Preset,
    Threads,
    TrainingSeed,
)
from popflip.scripts.session import (
    DEFAULT_PRESET,
    VIRTUAL,
    Target,
    TargetReport,
    check_trains,
    choose_data,
    choose_params,
    named_network,
    open_machine,
)
from popflip.scripts.tables import add_verdict, pairs, put, target_of
from popflip.scripts.training.exported import (
    exported_samples,
    fitting_data,
    golden_image,
    new_image,
    read_image,
)
from popflip.scripts.training.replay import Replay, Task
from popflip.scripts.transfer import compare_board, show_comparison
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB", "VerificationReport", "verify_board", "verify_checkpoint", "verify_image"]


class VerificationReport(TargetReport):
    """What ``--json`` prints."""

    verb: str
    preset: str
    checkpoint: str | None
    data: str
    seed: int
    samples: int
    verified: bool
    differences: list[str]
    compared_bits: int
    seconds: float
    # Of an image.
    image: NotRequired[str]
    start: NotRequired[str]
    batch: NotRequired[int]
    tau: NotRequired[list[int]]
    # Of a checkpoint; of an image the epochs, too.
    epochs: NotRequired[int]
    position: NotRequired[int]
    # Of a board.
    compared_predictions: NotRequired[int]
    compared_cycles: NotRequired[int]
    cycles_per_sample: NotRequired[float | None]


def verify(
    preset: Preset = None,
    config: Config = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Verify this checkpoint instead of a board; with --board, compare the two.",
            metavar="FILE",
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="Verify what popflip_save of the C driver wrote instead, after popflip_train.",
            metavar="FILE",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Image that the program began with; that of export --seed if left out.",
            metavar="FILE",
        ),
    ] = None,
    bus: Annotated[
        str | None,
        typer.Option(
            help=f"Front end of the images' design: {', '.join(FRONT_ENDS)}. uart if left out.",
            metavar="BUS",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="How often the program learned all samples. 1 if left out.", min=1),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Training images to learn, 1000 if left out; with --image as many as were "
            "exported.",
            min=1,
        ),
    ] = None,
    data: Data = None,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    seed: TrainingSeed = None,
    as_json: Json = False,
) -> None:
    """Compare a board, a checkpoint or an image with the golden model, bit for bit.

    A board learns some samples from scratch, and the golden model the same ones; then weights,
    latents, counters and predictions are read back and must be equal, and so must the cycles of
    each of the first 200 samples. For a checkpoint the golden model learns from scratch all that
    the checkpoint's network has learned. With --checkpoint and --board nothing is learned: what the
    board holds must be what the file holds. With --image the golden model learns the samples that
    export --samples has written, in that order, and ends each epoch with flush.
    """
    from popflip.golden.description.params import Params
    from popflip.golden.training.trainer import Trainer

    if image is not None:
        elsewhere = {"checkpoint": checkpoint, "board": board, "port": port, "baud": baud,
                     "engine": engine, "threads": threads}  # fmt: skip
        _leave_out(elsewhere, "has no place beside --image, which golden alone verifies")
        learned = _of_image(preset, config, image, start, bus, epochs, samples, data, seed)
        print_json(learned) if as_json else show(learned)
        fail_unless_verified(learned)
        return
    _leave_out({"start": start, "bus": bus, "epochs": epochs}, "goes with --image")
    target = Target(board, baud, engine, threads, port, config)
    if checkpoint is not None and (board is not None or port is not None):
        learning = {"samples": samples, "seed": seed, "data": data}
        why = "has no place beside --checkpoint and --board: nothing is learned to compare them"
        _leave_out(learning, why)
        meta, state = Trainer.read_checkpoint(checkpoint)
        held = choose_params(preset, config, board) or Params.build(meta["params"])
        compared = compare_board(checkpoint, meta, state, held, target)
        print_json(compared) if as_json else show_comparison(compared)
        fail_unless_verified(compared)
        return
    if checkpoint is not None:
        says = {"preset": preset, "config": config, "samples": samples, "seed": seed}
        _leave_out(says, "has no place beside --checkpoint, which says it")
        board_only = {"baud": baud, "engine": engine, "threads": threads}
        _leave_out(
            board_only, "has no place beside --checkpoint, which is compared without a board"
        )
        meta, state = Trainer.read_checkpoint(checkpoint)
        dataset, source = choose_data(data, checkpoint, meta)
        report = verify_checkpoint(checkpoint, meta, state, dataset, source)
    else:
        params = choose_params(preset, config, board) or choose_params(DEFAULT_PRESET, None)
        assert params is not None
        dataset, source = choose_data(data, params=params)
        report = verify_board(
            params, dataset, source, target=target,
            samples=min(1000, len(dataset.train_labels)) if samples is None else samples,
            seed=1 if seed is None else seed,
        )  # fmt: skip
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


VERB = Verb(
    verify,
    examples=(
        "popflip verify --samples 500",
        "popflip verify --preset dense-wide --board /dev/ttyUSB0",
        "popflip verify --checkpoint runs/demo/checkpoint.npz",
        "popflip verify --image learned.bin --seed 0 --samples 200 --preset ice40hx8k --bus axi",
        "popflip verify --checkpoint moved.npz --board /dev/ttyUSB0",
    ),
)


#: Samples whose cycles are compared one by one.
CYCLE_SAMPLES = 200

#: Samples of a run whose cycles are compared, where each overlaps with the next.
OVERLAPPING = 10

#: Test images whose predictions are compared.
PREDICTIONS = 256

#: Samples between two signs of life.
CHUNK = 256


def _leave_out(options: Mapping[str, object], why: str) -> None:
    """Raise InputError if one of some options is named."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name} {why}")


def _of_image(preset, config, image, start, bus, epochs, samples, data, seed):
    """Choose what an image is compared with, and compare."""
    bus = "uart" if bus is None else bus
    if bus not in FRONT_ENDS:
        raise InputError(f"bus must be one of {', '.join(FRONT_ENDS)}, not {bus!r}")
    if samples is None:
        raise InputError("--image needs --samples: how many the program has learned")
    if start is not None and seed is not None:
        raise InputError("name one of --start and --seed, not both")
    params = named_network(preset, config)
    check_trains(params, VIRTUAL)
    check_design(params, bus)
    learned = read_image(image, params, bus)
    seed = 1 if seed is None else seed
    begun = new_image(params, seed) if start is None else read_image(start, params, bus)
    dataset, source = fitting_data(data, params)
    x, labels = exported_samples(params, dataset, "train", samples)
    report = verify_image(params, begun, learned, x, labels, 1 if epochs is None else epochs)
    begins = str(start or f"seed {seed}")
    return {**report, "image": str(image), "start": begins, "data": source, "seed": seed}


def verify_image(
    params: Params,
    start: NetworkImage,
    learned: NetworkImage,
    x: np.ndarray,
    labels: np.ndarray,
    epochs: int,
) -> dict:
    """Have the golden model learn what a program has learned, and compare every bit.

    It learns with the batch and the flip thresholds of the image that was learned: a program may
    have set them.

    Parameters
    ----------
    params : Params
    start, learned : NetworkImage
    x, labels : ndarray
        Samples, in the order in which the program learned them.
    epochs : int

    Returns
    -------
    dict
        The report that ``--json`` prints, but for the names of files and data.
    """
    started = time.perf_counter()
    golden = golden_image(params, replace(learned, state=start.state), x, labels, epochs)
    found = differences(learned.state, golden.state)
    return {
        "verb": "verify", "preset": params.name, "checkpoint": None, "board": None, "engine": None,
        "samples": len(x), "epochs": epochs, "verified": not found, "differences": found,
        "compared_bits": params.memory_bits, "batch": learned.batch, "tau": list(learned.tau),
        "seconds": round(time.perf_counter() - started, 2),
    }  # fmt: skip


def verify_checkpoint(
    path: Path, meta: dict, state: NetworkState, dataset: Dataset, source: str
) -> VerificationReport:
    """Train the golden model from scratch as far as a checkpoint is, and compare the two.

    Parameters
    ----------
    path : Path
        Of the checkpoint.
    meta : dict
    state : NetworkState
        What it holds.
    dataset : Dataset
    source : str
        The data set's name or folder.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    params = Params.build(meta["params"])
    if meta.get("origin"):
        raise CheckpointError(
            f"{path} was saved from a board, and what that was trained on is not known: name the "
            "board with --board to compare the two"
        )
    plan = Trainer(
        params, dataset, GoldenMachine(params), seed=meta["seed"],
        samples=meta["samples"], test_samples=meta["test_samples"],
    )  # fmt: skip
    plan.resume(path)  # Only to see that it fits the data.
    goal = (meta["epoch"], meta["position"])
    total = meta["epoch"] * meta["samples"] + meta["position"]
    started = time.perf_counter()
    with Replay(Task.of(plan, source, goal), total) as replay, Display() as display:
        while not replay.over:
            replay.poll(0.5)
            display.show("golden", replay.done, total, "from the first sample on")
        golden, _ = replay.result()
    found = differences(state, golden)
    return {
        "verb": "verify",
        "preset": params.name,
        "checkpoint": str(path),
        "board": None,
        "engine": None,
        "data": source,
        "seed": meta["seed"],
        "epochs": meta["epoch"],
        "position": meta["position"],
        "samples": total,
        "verified": not found,
        "differences": found,
        "compared_bits": params.memory_bits,
        "seconds": round(time.perf_counter() - started, 2),
    }


def verify_board(
    params: Params,
    dataset: Dataset,
    source: str,
    *,
    samples: int,
    seed: int = 1,
    target: Target = VIRTUAL,
) -> VerificationReport:
    """Have a board and the golden model learn the same samples, and compare all that can be read.

    Compared are the cycles of each of the first samples by stage, then the counters, weights,
    latents and generator of signs after all samples, then predictions of test images.

    Parameters
    ----------
    params : Params
    dataset : Dataset
    source : str
        The data set's name or folder.
    samples : int
        Training images, the first so many, in the order of the first epoch.
    seed : int
    target : Target

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    check_trains(params, target)
    plan = Trainer(params, dataset, GoldenMachine(params), seed=seed, samples=samples)
    x, labels = plan.epoch_samples(0)
    watched = min(CYCLE_SAMPLES, samples)
    # A run for each sample, or for a few of them where one overlaps with the next.
    run = OVERLAPPING if params.machine.overlap else 1
    started = time.perf_counter()
    with Replay(Task.of(plan, source, (1, 0)), samples) as replay:
        with open_machine(params, target) as machine, Display() as display:
            # Gives the machine the network to begin with.
            Trainer(params, dataset, machine, seed=seed, samples=samples)
            machine.set_tau(params.learning.tau_in_epoch(0))
            machine.load(x, labels)
            total, seen = Report(flips=[0] * params.depth), []
            first = 0
            while first < samples:
                count = min(run if first < watched else CHUNK, samples - first)
                report = machine.train(first, count, flush=first + count == samples)
                total += report
                if first < watched:
                    seen.append(report)
                first += count
                display.show(target.engine or "board", first, samples, "trains")
                replay.poll()
            state = machine.read_state()
            tests = min(PREDICTIONS, len(dataset.test_labels))
            tested = input_of(params.network, dataset.test_images[:tests])
            machine.load(tested, dataset.test_labels[:tests])
            _, predictions = machine.infer(0, tests)
            while not replay.over:
                replay.poll(0.5)
                display.show("golden", replay.done, samples, "the same samples")
        golden, counts = replay.result()
    found = differences(state, golden) + _counters(total, counts[1])
    wanted = Model(params, golden.weights).relax(tested).prediction
    wrong = np.flatnonzero(predictions != wanted)
    if len(wrong):
        found.append(f"{len(wrong)} of {tests} predictions differ, the first of image {wrong[0]}")
    cycles = None
    if seen[0].cycles:
        cycles = _cycles(params, plan, x, labels, seen, samples)
        found += cycles["differences"]
    return {
        "verb": "verify",
        "preset": params.name,
        "checkpoint": None,
        "board": target.report["board"],
        "engine": target.report["engine"],
        "data": source,
        "seed": seed,
        "samples": samples,
        "verified": not found,
        "differences": found,
        "compared_bits": params.memory_bits,
        "compared_predictions": tests,
        "compared_cycles": watched if cycles else 0,
        "cycles_per_sample": total.cycles["total"] / samples if total.cycles else None,
        "seconds": round(time.perf_counter() - started, 2),
    }


def _counters(total: Report, golden: dict) -> list[str]:
    """Say which of the board's counters differ from golden's totals."""
    mine = {
        "samples": total.samples,
        "correct": total.correct,
        "changed": total.changed,
        "flips": list(total.flips),
    }
    return [f"{name}: {n}, not {golden[name]}" for name, n in mine.items() if n != golden[name]]


def _cycles(params, plan, x, labels, seen, samples) -> dict:
    """Compare the cycles of the first runs, stage by stage, with the formulas."""
    state = plan.machine.read_state()
    model = Model(params, state.weights, state.latents, state.sign_state)
    clock, found, first = CycleModel(params), [], 0
    for report in seen:
        wanted, end = StageCycles(), first + report.samples
        for i in range(first, end):
            _, relaxation = model.train(x[i : i + 1], labels[i : i + 1], keep_history=True)
            wanted = wanted.plus(clock.sample(relaxation, 0, last=i + 1 == end))
        if end == samples and model.pending:
            wanted = wanted.plus(clock.flush())
        got = StageCycles(*(report.cycles[stage] for stage in StageCycles._fields))
        if got != wanted:
            name = f"sample {first}" if end == first + 1 else f"samples {first} to {end - 1}"
            found.append(f"cycles of {name}: {got._asdict()}, not {wanted._asdict()}")
        first = end
    more = [f"and {len(found) - 3} more runs"] if len(found) > 3 else []
    return {"differences": found[:3] + more}


def show(report: VerificationReport) -> None:
    """Print the report of a verification."""
    if "image" in report:
        begun = report["start"]
        what = f"image {report['image']}"
    else:
        begun = f"seed {report['seed']}"
        what = report["checkpoint"] or target_of(report)
    table = pairs(f"{report['preset']}, {begun}: {what} against the golden model")
    times = f"{report['epochs']} x " if "image" in report else ""
    table.add_row("samples", f"{times}{report['samples']:,} of {report['data']}")
    if "image" in report:
        tau = ", ".join(map(str, report["tau"]))
        table.add_row("settings", f"batch {report['batch']}, tau {tau}")
    table.add_row("weights and latents", f"{report['compared_bits']:,} bits")
    if report["board"] or report["engine"]:
        table.add_row("predictions", f"{report['compared_predictions']:,} images")
        if report["compared_cycles"]:
            text = f"of each of the first {report['compared_cycles']:,} samples, by stage"
            table.add_row("cycles", text)
    add_verdict(table, report)
    put(table)
