"""Training as the command does it: checkpoints, logs, pictures, and the proof beside it."""

import json
import shlex
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from popflip.boards.tools import require
from popflip.boards.virtual.board import VirtualBoard
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.log import EpochLog
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences
from popflip.golden.training.trainer import Trainer
from popflip.scripts import plots
from popflip.scripts.console import Display, say
from popflip.scripts.curve import Curve
from popflip.scripts.replay import Replay, Task
from popflip.scripts.session import VIRTUAL, Target, check_trains, open_machine, per_second

__all__ = [
    "Order",
    "compared_bits",
    "counted",
    "interruptible",
    "prepare_folder",
    "rehearse",
    "resume_command",
    "train",
]

#: Signals that ask for an end: Ctrl-C, a polite kill, a closed terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds between two checkpoints within an epoch, at least; they take at most a twentieth.
SAVE_S = 30.0
SAVE_SHARE = 20


@dataclass(frozen=True)
class Order:
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


@contextmanager
def interruptible(trainer):
    """Have Ctrl-C, or a request to terminate, end the loop in order; a second Ctrl-C aborts.

    Parameters
    ----------
    trainer : Trainer
        Or any loop that heeds ``stop_requested``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number, frame):
        if trainer.stop_requested:
            raise KeyboardInterrupt
        trainer.stop_requested = True
        # By another thread: the signal may have come in the midst of a line that this one writes.
        words = "stopping after the samples in hand; Ctrl-C again aborts at once"
        threading.Thread(target=say, args=[words]).start()

    before = {
        n: signal.signal(n, on_signal) for n in ENDING if signal.getsignal(n) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def compared_bits(params: Params) -> int:
    """Bits that a comparison of two networks compares: weights and latents."""
    return params.n_synapses * (1 + params.learning.latent_bits)


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


def prepare_folder(folder: Path) -> None:
    """Make a folder for results, and see that it can be written.

    Raises
    ------
    OSError
        If not; before any work is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / ".probe", b"")
    (folder / ".probe").unlink()


class _Run:
    """One call of :func:`train`."""

    def __init__(self, order: Order, trainer: Trainer, curve: Curve, display: Display, replay):
        self.order, self.trainer, self.curve, self.display = order, trainer, curve, display
        self.replay = replay
        self.warnings: list[str] = []
        self._saved, self._save_took = time.monotonic(), 0.0

    @property
    def checkpoint(self) -> Path:
        return self.order.out / "checkpoint.npz"

    def on_progress(self, progress):
        # The test of an epoch goes by the same way; it trains nothing.
        note = f"{progress.report.samples / max(progress.seconds, 1e-9):,.0f}/s"
        report = progress.report
        if progress.phase == "train":
            self.curve.add(progress)
            report = self.curve.recent()
        if report.cycles.get("total"):
            note += f"  {report.cycles['total'] / report.samples:,.0f} cycles each"
        note += f"  error {report.error:.1f} %"
        if progress.phase == "train":
            note += f"  {sum(report.flips) / report.samples:.1f} flips each"
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
        self.trainer.save(self.checkpoint)
        self.curve.save(self.order.out / "curve.csv")
        self.trainer.write_logs(self.order.out)
        self._saved = time.monotonic()
        self._save_took = self._saved - started


def rehearse(order: Order) -> Trainer:
    """Return what a training would begin with; what cannot work fails here, before any work."""
    params, path = order.params, order.out / "checkpoint.npz"
    plan = Trainer(
        params, order.dataset, GoldenMachine(params),
        seed=order.seed, samples=order.samples, test_samples=order.test_samples,
    )  # fmt: skip
    if order.resume:
        plan.resume(path)
        if plan.epoch >= order.epochs:
            raise InputError(
                f"epochs must be at least {plan.epoch + 1}, not {order.epochs}: {path} has "
                f"{plan.epoch} behind it"
            )
    check_trains(params, order.target)
    if order.target.virtual:
        require("verilator")
    prepare_folder(order.out)
    return plan


def train(order: Order) -> dict:
    """Train, and return the report that ``--json`` prints.

    Its ``finished`` is False if the training was interrupted; all that was done is saved then.
    """
    params, out = order.params, order.out
    path, saved, meta = out / "checkpoint.npz", None, None
    plan = rehearse(order)
    if order.resume:
        meta, _ = Trainer.read_checkpoint(path)
        saved = path.read_bytes()
    left = (order.epochs - plan.epoch) * plan.samples - plan.position
    began, started = {"epochs": plan.epoch, "position": plan.position}, time.perf_counter()
    with ExitStack() as stack:
        replay = None
        if order.verify and left > 0:
            # Begun first, so that it runs while the board's model is being compiled.
            task = Task.of(plan, order.source, (order.epochs, 0), saved)
            replay = stack.enter_context(Replay(task, left))
        machine = stack.enter_context(open_machine(params, order.target))
        trainer = Trainer(
            params, order.dataset, machine,
            seed=plan.seed, samples=plan.samples, test_samples=plan.test_samples,
        )  # fmt: skip
        curve = Curve(params.depth)
        if meta is not None:
            trainer.resume(path)
            curve.load(out / "curve.csv", trainer.epoch + 1, trainer.position)
            curve.begin(Report(**meta["so_far"]), trainer.epoch + 1)
        run = _Run(order, trainer, curve, stack.enter_context(Display()), replay)
        with interruptible(trainer):
            finished = trainer.run(order.epochs, run.on_progress, run.on_epoch)
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
    report = {
        "verb": "train",
        "preset": params.name,
        "finished": finished,
        "test_error": trainer.history[-1].test_error if trainer.history else None,
        "train_error": trainer.history[-1].train_error if trainer.history else None,
        "verified": verified,
        "differences": found,
        "warnings": run.warnings,
        "compared_bits": compared_bits(params) if verified is not None else 0,
        **_speed(trainer.history),
        **order.target.report,
        "data": order.source,
        "seed": order.seed,
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
    }
    report["files"] = _write_results(out, params, curve, trainer.history, state)
    write_atomically(out / "report.json", json.dumps(report, indent=1).encode())
    return report


def _speed(history: list[EpochLog]) -> dict:
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
        figure = plots.learning_curves(params, curve.points, history)
        plots.save(figure, files["curves_png"])
    plots.save(plots.hidden_weights(params, state.weights[0]), files["weights_png"])
    return {name: str(path) for name, path in files.items() if path.exists()}


def resume_command(order: Order) -> str:
    """Command that goes on with a training that was interrupted."""
    words = ["popflip", "train", "--resume", "--out", str(order.out), "--epochs", str(order.epochs)]
    if order.source != "mnist":
        words += ["--data", order.source]
    words += order.target.options
    if order.verify != (order.target.engine is None):
        words += ["--verify" if order.verify else "--no-verify"]
    return shlex.join(words)
