"""Training as the command does it: checkpoints, logs, pictures, and the proof beside it."""

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from popflip.boards.tools import require
from popflip.boards.virtual.board import VirtualBoard
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import prepare_folder, read_file, read_json, write_atomically
from popflip.golden.training.checkpoint import MOST_META, CheckpointError
from popflip.golden.training.log import EpochLog
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display, say
from popflip.scripts.plots.learning import learning_curves
from popflip.scripts.plots.style import save_figure
from popflip.scripts.plots.weights import hidden_weights
from popflip.scripts.session import (
    VIRTUAL,
    Target,
    TargetReport,
    check_trains,
    open_machine,
    per_second,
    results_folder,
)
from popflip.scripts.training.curve import Curve
from popflip.scripts.training.replay import Replay, Task

__all__ = [
    "TrainingJob",
    "TrainingReport",
    "begun_with",
    "counted",
    "interruptible",
    "rehearse",
    "run_training",
]

#: Seconds between two checkpoints within an epoch, at least; they take at most a twentieth.
SAVE_S = 30.0
SAVE_SHARE = 20


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """What to train, on what, how far, and where the results go.

    Attributes
    ----------
    params : Params
    dataset : Dataset
    source : str
        The data set's name or folder.
    out : Path
        Folder of the results.
    epochs : int
        In all.
    seed : int
    samples, test_samples : int or None
        Images per epoch and of each test; all if None.
    target : Target
    resume : bool
        Go on from the checkpoint in ``out``.
    verify : bool
    """

    params: Params
    dataset: Dataset
    source: str
    out: Path
    epochs: int = 1
    seed: int = 1
    samples: int | None = None
    test_samples: int | None = None
    target: Target = VIRTUAL
    resume: bool = False
    verify: bool = True

    @property
    def checkpoint(self) -> Path:
        """Where the training is saved."""
        return self.out / "checkpoint.npz"

    def resume_command(self) -> str:
        """Command that goes on with this training once it was interrupted."""
        words = ["popflip", "train", "--resume", "--out", str(self.out)]
        words += ["--epochs", str(self.epochs)]
        words += self.target.options
        if self.verify != (self.target.engine is None):
            words += ["--verify" if self.verify else "--no-verify"]
        return shlex.join(words)


class Speed(TypedDict):
    """How long a sample takes, in seconds of this machine and in cycles of the hardware's clock."""

    samples_per_s: float | None
    cycles_per_sample: float | None
    cycles_per_inference: float | None
    stage_cycles: dict[str, float]
    training_samples_per_s_at_mhz: dict[str, float] | None
    inferences_per_s_at_mhz: dict[str, float] | None


class TrainingReport(TargetReport, Speed):
    """What ``--json`` prints."""

    verb: str
    preset: str
    finished: bool
    test_error: float | None
    train_error: float | None
    learns: bool | None
    verified: bool | None
    differences: list[str]
    compared_bits: int
    data: str
    seed: int
    epochs: int
    position: int
    began_at: dict[str, int]
    samples: int
    test_samples: int
    seconds: float
    replay_seconds: float | None
    simulated_cycles_per_s: int | None
    out: str
    digest: str
    history: list[dict]
    warnings: list[str]
    files: dict[str, str]


@contextmanager
def interruptible(trainer) -> Iterator[None]:
    """Have Ctrl-C, or a request to terminate, end a loop in an orderly way.

    Parameters
    ----------
    trainer : Trainer
        Or any loop that looks at its ``stop_requested``.
    """

    def stop():
        trainer.stop_requested = True

    with interrupts.noted(stop):
        yield


def begun_with(out: Path) -> Target | None:
    """Return what the training in a folder was computed on last; None if nobody has noted it.

    Raises
    ------
    CheckpointError
        If the note is damaged.
    """
    path = out / "job.json"
    if not path.exists():  # of an earlier popflip, or of popflip save
        return None
    try:
        told = read_json(path, "the note of a training")
        return Target(**told | {"config": told["config"] and Path(told["config"])})
    except (TypeError, ValueError, KeyError, RecursionError):
        raise CheckpointError(f"{path} is damaged; remove it to go on without it") from None


def counted(history: list[EpochLog], counts: dict) -> list[str]:
    """Say where the board's counters differ from those of golden's epochs."""
    found = []
    for log in history:
        golden = counts.get(log.epoch)
        if golden is None:
            continue
        error = round(100 * (1 - golden["correct"] / golden["samples"]), 4)
        pairs = {
            "samples": (log.samples, golden["samples"]),
            "training error": (log.train_error, error),
            "changed neurons": (log.changed_per_sample, golden["changed"] / golden["samples"]),
            "flips": (list(log.flips), list(golden["flips"])),
        }
        found += [
            f"{name} of epoch {log.epoch}: {mine}, not {theirs}"
            for name, (mine, theirs) in pairs.items()
            if mine != theirs
        ]
    return found


class _Run:
    """One call of :func:`run_training`."""

    def __init__(self, job: TrainingJob, trainer: Trainer, curve: Curve, display: Display, replay):
        self.job, self.trainer, self.curve, self.display = job, trainer, curve, display
        self.replay = replay
        self._saved, self._save_took = time.monotonic(), 0.0
        self.warnings: list[str] = []

    def on_progress(self, progress):
        # The test of an epoch goes by the same way; it trains nothing.
        note = f"{progress.report.samples / max(progress.seconds, 1e-9):,.0f}/s"
        report = progress.report
        if progress.phase == "train":
            self.curve.add(progress)
            report = self.curve.recent()
        if report.cycles.get("total"):
            note += f"  {report.cycles['total'] / report.samples:,.0f} cycles per sample"
        note += f"  error {report.error:.1f} %"
        if progress.phase == "train":
            note += f"  {sum(report.flips) / report.samples:.1f} flips per sample"
        title = f"{progress.phase} {progress.epoch}/{progress.epochs}"
        self.display.show(title, progress.done, progress.total, note)
        self.show_replay()
        wait = max(SAVE_S, SAVE_SHARE * self._save_took)
        if progress.phase == "train" and time.monotonic() - self._saved > wait:
            self.save()

    def show_replay(self, wait: float = 0.0):
        if self.replay is not None:
            self.replay.poll(wait)
            self.display.show(
                "golden", self.replay.done, self.replay.total, "the same samples, beside the board"
            )

    def wait_for_replay(self):
        """Return what golden came to, as soon as it is there."""
        while not self.replay.over:
            self.show_replay(0.5)
        answer = self.replay.result()
        self.show_replay()
        return answer

    def on_epoch(self, log: EpochLog):
        text = f"epoch {log.epoch}: test error {log.test_error:.2f} %, training error "
        text += f"{log.train_error:.2f} %, {sum(log.flips):,} flips"
        if log.cycles_per_sample is not None:
            text += f", {log.cycles_per_sample:,.1f} cycles per training sample"
        say(text)
        for warning in self.trainer.warnings:
            self.warnings.append(f"epoch {log.epoch}: {warning}")
            say(f"warning: {warning}")
        self.save()

    def save(self):
        started = time.monotonic()
        self.trainer.save(self.job.checkpoint)
        self.curve.save(self.job.out / "curve.csv")
        self.trainer.write_logs(self.job.out)
        self._saved = time.monotonic()
        self._save_took = self._saved - started


def rehearse(job: TrainingJob) -> Trainer:
    """Return what a training would begin with; what cannot work fails here, before any work."""
    params, path = job.params, job.checkpoint
    plan = Trainer(
        params, job.dataset, GoldenMachine(params),
        seed=job.seed, samples=job.samples, test_samples=job.test_samples,
    )  # fmt: skip
    if job.resume:
        plan.resume(path)
        if plan.epoch >= job.epochs:
            raise InputError(
                f"epochs must be at least {plan.epoch + 1}, not {job.epochs}: {path} has "
                f"done {plan.epoch}"
            )
    check_trains(params, job.target)
    if job.target.virtual:
        require("verilator")
    prepare_folder(job.out)
    return plan


def run_training(job: TrainingJob) -> TrainingReport:
    """Train, and return the report that ``--json`` prints.

    Its ``finished`` is False if the training was interrupted; all that was done is saved then.
    """
    plan = rehearse(job)
    with results_folder(job.out):
        return _train(job, plan)


def _train(job: TrainingJob, plan: Trainer) -> TrainingReport:
    params, out = job.params, job.out
    path, saved, meta = job.checkpoint, None, None
    config = job.target.config and str(job.target.config)
    target = json.dumps(asdict(job.target) | {"config": config}, indent=1)
    write_atomically(out / "job.json", target.encode())
    if job.resume:
        meta, _ = Trainer.read_checkpoint(path)
        saved = read_file(path, MOST_META + 4 * params.n_synapses, "a checkpoint of popflip")
    left = (job.epochs - plan.epoch) * plan.samples - plan.position
    began, started = {"epochs": plan.epoch, "position": plan.position}, time.perf_counter()
    with ExitStack() as stack:
        replay = None
        if job.verify and left > 0:
            # Begun first, so that it runs while the board's model is being compiled.
            task = Task.of(plan, job.source, (job.epochs, 0), saved)
            replay = stack.enter_context(Replay(task, left))
        machine = stack.enter_context(open_machine(params, job.target))
        trainer = Trainer(
            params, job.dataset, machine,
            seed=plan.seed, samples=plan.samples, test_samples=plan.test_samples,
        )  # fmt: skip
        curve = Curve(params.depth)
        if meta is not None:
            trainer.resume(path)
            curve.load(out / "curve.csv", trainer.epoch + 1, trainer.position)
            curve.begin(Report(**meta["so_far"]), trainer.epoch + 1)
        run = _Run(job, trainer, curve, stack.enter_context(Display()), replay)
        with interruptible(trainer):
            finished = trainer.run(job.epochs, run.on_progress, run.on_epoch)
            if not finished:
                run.save()
        board = getattr(machine, "transport", None)
        simulated = board.cycles / board.seconds if isinstance(board, VirtualBoard) else None
        # As they are in the file, so that the file is what is proved.
        state = Trainer.read_checkpoint(path)[1]
        verified, found = None, []
        if finished and replay is not None:
            golden, counts = run.wait_for_replay()
            found = differences(state, golden) + counted(trainer.history, counts)
            verified = not found
    report: TrainingReport = {
        "verb": "train",
        "preset": params.name,
        "finished": finished,
        "test_error": trainer.history[-1].test_error if trainer.history else None,
        "train_error": trainer.history[-1].train_error if trainer.history else None,
        "learns": None if not trainer.history else not trainer.ailing,
        "verified": verified,
        "differences": found,
        "compared_bits": params.memory_bits if verified is not None else 0,
        **_speed(trainer.history),
        **job.target.report,
        "data": job.source,
        "seed": job.seed,
        "epochs": trainer.epoch,
        "position": trainer.position,
        "began_at": began,
        "samples": trainer.samples,
        "test_samples": trainer.test_samples,
        "seconds": round(time.perf_counter() - started, 2),
        "replay_seconds": round(replay.seconds, 2) if replay and verified is not None else None,
        "simulated_cycles_per_s": round(simulated) if simulated else None,
        "out": str(out),
        "digest": params.digest,
        "history": [asdict(log) for log in trainer.history],
        "warnings": run.warnings,
        "files": _write_results(out, params, curve, trainer.history, state),
    }
    write_atomically(out / "report.json", json.dumps(report, indent=1).encode())
    return report


def _speed(history: list[EpochLog]) -> Speed:
    """How long a sample takes, in seconds of this machine and in cycles of the hardware's clock."""
    last = history[-1] if history else None
    cycles = last.cycles_per_sample if last else None
    inference = last.cycles_per_inference if last else None
    return {
        "samples_per_s": round(last.samples_per_s, 1) if last else None,
        "cycles_per_sample": cycles,
        "cycles_per_inference": inference,
        "stage_cycles": last.stage_cycles if last else {},
        "training_samples_per_s_at_mhz": per_second(cycles),
        "inferences_per_s_at_mhz": per_second(inference),
    }


def _write_results(out, params, curve, history, state: NetworkState) -> dict[str, str]:
    """Draw what was learned; return all files of the results."""
    files = {
        "checkpoint": out / "checkpoint.npz",
        "log_csv": out / "log.csv",
        "log_json": out / "log.json",
        "curve_csv": out / "curve.csv",
        "curves_png": out / "curves.png",
        "weights_png": out / "weights.png",
    }
    if curve.points:
        figure = learning_curves(params, curve.points, history)
        save_figure(figure, files["curves_png"])
    save_figure(hidden_weights(params, state.weights[0]), files["weights_png"])
    return {name: str(path) for name, path in files.items() if path.exists()}
