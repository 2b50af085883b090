"""The paper's systems, trained as the command does it, and the table of what came of them."""

import json
import shlex
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import check_data
from popflip.golden.paper.images import Images, load_images
from popflip.golden.paper.integer import integer_params
from popflip.golden.paper.systems import ROWS, Row
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.checkpoint import CheckpointError
from popflip.scripts import plots, training
from popflip.scripts.console import Display, say
from popflip.scripts.session import Target

__all__ = [
    "RESULTS",
    "Order",
    "list_rows",
    "reproduce",
    "results",
    "resume_command",
]

#: Where results are, a folder for each row and seed.
RESULTS = Path("runs/reproduce")

#: Seconds between two checkpoints within an epoch, at least; they take at most a twentieth.
SAVE_S = 120.0
SAVE_SHARE = 20


@dataclass(frozen=True)
class Order:
    """Which row to train, on what, how far, and where the results go.

    Attributes
    ----------
    row : Row
    source : str or None
        Folder of images; None for MNIST.
    out : Path
        Folder of the results.
    epochs : int
        In all.
    seed : int
    samples, test_samples : int or None
        Images per epoch and of each test; all if None.
    threads : int or None
        All there are if None.
    device : str
        As PyTorch names it.
    resume : bool
        Go on from the checkpoint in ``out``.
    """

    row: Row
    source: str | None
    out: Path
    epochs: int
    seed: int = 1
    samples: int | None = None
    test_samples: int | None = None
    threads: int | None = None
    device: str = "cpu"
    resume: bool = False

    def command(self, resume: bool = False) -> str:
        """Command that this order comes of, or that goes on with it."""
        words = ["popflip", "reproduce", self.row.name, "--epochs", str(self.epochs)]
        if self.seed != 1:
            words += ["--seed", str(self.seed)]
        for option in ("samples", "test_samples", "threads"):
            value = getattr(self, option)
            if value is not None:
                words += ["--" + option.replace("_", "-"), str(value)]
        if self.source:
            words += ["--data", self.source]
        if self.device != "cpu":
            words += ["--device", self.device]
        if self.out != RESULTS / f"{self.row.name}-seed{self.seed}":
            words += ["--out", str(self.out)]
        return shlex.join([*words, *(["--resume"] if resume else [])])


def resume_command(order: Order) -> str:
    """Command that goes on with a training that was interrupted."""
    return order.command(resume=True)


def reproduce(order: Order) -> dict:
    """Train a row, and return the report that ``--json`` prints.

    Its ``finished`` is False if the training was interrupted; all that was done is saved then.
    """
    _check_folder(order)
    report = _by_engine(order) if order.row.integer else _by_torch(order)
    report["files"] = {
        path.name: str(path)
        for name in ("checkpoint.npz", "log.csv", "log.json", "row.json", "curves.png")
        if (path := order.out / name).exists()
    }
    write_atomically(order.out / "report.json", json.dumps(report, indent=1).encode())
    return report


def _check_folder(order: Order):
    """See that what is in the folder of results is not of another row."""
    path = order.out / "row.json"
    if not path.exists():
        return
    name = _read_json(path).get("row")
    if name != order.row.name:
        raise CheckpointError(
            f"{order.out} holds results of row {name}, not {order.row.name}: name another folder "
            f"with --out"
        )


def _describe(order: Order, data_name: str, samples: int, test_samples: int):
    """Say beside the logs what they are of; the table reads it."""
    what = {
        "row": order.row.name,
        "seed": order.seed,
        "data": data_name,
        "samples": samples,
        "test_samples": test_samples,
        "command": order.command(),
    }
    write_atomically(order.out / "row.json", json.dumps(what, indent=1).encode())


def _report(order: Order, history: list[dict], finished: bool, **more) -> dict:
    last = history[-1] if history else {}
    return {
        "verb": "reproduce",
        "row": order.row.name,
        "network": order.row.network,
        "method": order.row.method_name,
        "claim": order.row.claim,
        "finished": finished,
        "test_error": last.get("test_error"),
        "train_error": last.get("train_error"),
        "seed": order.seed,
        "out": str(order.out),
        "command": order.command(),
        "go_on": resume_command(order),
        **more,
        "history": history,
    }


# With PyTorch -------------------------------------------------------------------------------


def _by_torch(order: Order) -> dict:
    # Found missing before any images are read.
    import torch

    from popflip.golden.paper.trainer import EpochLog, Trainer

    if order.threads is not None:
        if order.threads < 1:
            raise InputError(f"threads must be at least 1, not {order.threads}")
        torch.set_num_threads(order.threads)
    try:
        torch.zeros(1, device=order.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"device {order.device!r} is not there: {reason}") from None
    # A GPU's convolutions would round to 10 bits otherwise.
    torch.backends.cudnn.allow_tf32 = False
    images: Images = load_images(order.row, order.source)
    trainer = Trainer(
        order.row, images, seed=order.seed, samples=order.samples,
        test_samples=order.test_samples, device=order.device,
    )  # fmt: skip
    checkpoint = order.out / "checkpoint.npz"
    if order.resume:
        trainer.resume(checkpoint)
        if trainer.epoch >= order.epochs:
            raise InputError(
                f"epochs must be at least {trainer.epoch + 1}, not {order.epochs}: {checkpoint} "
                f"has {trainer.epoch} behind it"
            )
    training.prepare_folder(order.out)
    started = saved = time.monotonic()
    took = 0.0

    def save():
        nonlocal saved, took
        began = time.monotonic()
        trainer.save(checkpoint)
        trainer.write_logs(order.out)
        _describe(order, images.name, trainer.samples, trainer.test_samples)
        saved = time.monotonic()
        took = saved - began

    def on_progress(progress):
        report = progress.report
        note = f"{report.samples / max(progress.seconds, 1e-9):,.0f}/s  error {report.error:.1f} %"
        if progress.phase == "train" and order.row.weights == "binary":
            note += f"  {sum(report.flips) / report.samples:.1f} flips each"
        title = f"{progress.phase} {progress.epoch}/{progress.epochs}"
        display.show(title, progress.done, progress.total, note)
        if progress.phase == "train" and time.monotonic() - saved > max(SAVE_S, SAVE_SHARE * took):
            save()

    def on_epoch(log: EpochLog):
        text = f"epoch {log.epoch}: test error {log.test_error:.2f} %, training error "
        text += f"{log.train_error:.2f} %"
        if order.row.weights == "binary":
            text += f", flips {' + '.join(f'{n:,}' for n in log.flips)}"
        say(text)
        save()
        plots.save(plots.reproduction(order.row, _rows(trainer)), order.out / "curves.png")

    with Display() as display, training.interruptible(trainer):
        finished = trainer.run(order.epochs, on_progress, on_epoch)
    if not finished:
        save()
    return _report(
        order, _rows(trainer), finished, data=images.name, epochs=trainer.epoch,
        position=trainer.position, samples=trainer.samples, test_samples=trainer.test_samples,
        seconds=round(time.monotonic() - started, 2),
    )  # fmt: skip


def _rows(trainer) -> list[dict]:
    return [asdict(log) for log in trainer.history]


# In integers --------------------------------------------------------------------------------


def _by_engine(order: Order) -> dict:
    params = integer_params(order.row)
    if order.device != "cpu":
        raise InputError(f"device must be cpu for {order.row.name}, not {order.device!r}")
    dataset = loading.load(order.source or "mnist")
    check_data(params, dataset)
    task = training.Order(
        params, dataset, order.source or "mnist", order.out, epochs=order.epochs, seed=order.seed,
        samples=order.samples, test_samples=order.test_samples,
        target=Target(engine="fast", threads=order.threads), resume=order.resume, verify=False,
    )  # fmt: skip
    plan = training.rehearse(task)
    _describe(order, dataset.name, plan.samples, plan.test_samples)
    told = training.train(task)
    return _report(
        order, told["history"], told["finished"], data=dataset.name, epochs=told["epochs"],
        position=told["position"], samples=told["samples"], test_samples=told["test_samples"],
        seconds=told["seconds"],
    )  # fmt: skip


# The table ----------------------------------------------------------------------------------


def list_rows() -> list[dict]:
    """Every row: its name, what it is, and what the paper says of it."""
    return [
        {
            "row": row.name, "network": row.network, "method": row.method_name,
            "data": row.data, "epochs": row.epochs, "claim": row.claim,
            "parameters": row.describe(),
        }
        for row in ROWS.values()
    ]  # fmt: skip


def results(folder: Path) -> list[dict]:
    """Every row with what came of it, as ``--table --json`` prints it.

    A row that was trained with several seeds, or not on all images, has an entry for each. The
    difference to its reference is taken after the last epoch that both have completed, with the
    same seed and images.

    Parameters
    ----------
    folder : Path
        With a folder of results for each training.
    """
    found: dict[str, list[dict]] = {name: [] for name in ROWS}
    for path in sorted(folder.glob("*/row.json")):
        what = _read_json(path)
        log = path.parent / "log.json"
        history = _read_json(log) if log.exists() else []
        if what.get("row") in found and history:
            found[what["row"]].append({**what, "history": history, "out": str(path.parent)})
    table = []
    for name, row in ROWS.items():
        base = {
            "row": name, "network": row.network, "method": row.method_name,
            "paper_epochs": row.epochs, "claim": row.claim, "reference": row.reference,
        }  # fmt: skip
        if not found[name]:
            table.append({**base, "epochs": 0})
        for run in found[name]:
            history = run["history"]
            partner = _partner(run, found.get(row.reference, []))
            table.append({
                **base,
                "epochs": len(history),
                "test_error": history[-1]["test_error"],
                "train_error": history[-1]["train_error"],
                "flips": history[-1]["flips"],
                **_difference(history, partner),
                "seconds": round(sum(log["seconds"] for log in history), 1),
                **{key: run[key] for key in ("data", "samples", "test_samples", "seed")},
                "command": run["command"],
                "out": run["out"],
            })
    return table


def _partner(run: dict, candidates: list[dict]) -> list[dict]:
    """History of the reference that was trained like ``run``; empty if there is none."""
    keys = ("seed", "data", "samples", "test_samples")
    like = [c["history"] for c in candidates if all(c[key] == run[key] for key in keys)]
    return like[0] if like else []


def _difference(history: list[dict], reference: list[dict]) -> dict:
    epochs = min(len(history), len(reference))
    if not epochs:
        return {"difference": None, "difference_epoch": None}
    mine, theirs = history[epochs - 1]["test_error"], reference[epochs - 1]["test_error"]
    return {"difference": round(mine - theirs, 4), "difference_epoch": epochs}


def _read_json(path: Path):
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise CheckpointError(f"{path} is damaged; remove its folder to go on without it") from None
