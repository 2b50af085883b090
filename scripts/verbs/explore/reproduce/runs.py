"""The paper's systems, trained as the command does it."""

import json
import shlex
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import check_data
from popflip.golden.datasets.named.registry import DEFAULT
from popflip.golden.paper.images import Images, load_images
from popflip.golden.paper.integer import integer_params
from popflip.golden.paper.systems import Row
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.checkpoint import CheckpointError
from popflip.scripts.console import Display, say
from popflip.scripts.plots.paper import reproduction
from popflip.scripts.plots.style import save_figure
from popflip.scripts.session import Target, results_folder
from popflip.scripts.training.job import TrainingJob, interruptible, rehearse, run_training
from popflip.scripts.verbs.explore.reproduce.table import read_result

__all__ = ["RESULTS", "ReproductionJob", "reproduce_row"]

#: Where results are, a folder for each row and seed.
RESULTS = Path("runs/reproduce")


#: Seconds between two checkpoints within an epoch, at least; they take at most a twentieth.
SAVE_S = 120.0


SAVE_SHARE = 20


@dataclass(frozen=True)
class ReproductionJob:
    """Which row to train, on what, how far, and where the results go.

    Attributes
    ----------
    row : Row
    out : Path
        Folder of the results.
    epochs : int
        In all.
    data : str or None
        Folder of images; None for MNIST.
    seed : int
    samples, test_samples : int or None
        Images per epoch and of each test; all if None.
    validation : int or None
        Training images that are held back, and tested in place of the test images.
    threads : int or None
        All there are if None.
    device : str
        As PyTorch names it.
    resume : bool
        Go on from the checkpoint in ``out``.
    several : bool
        It is one of several trainings: what is done already is not done again.
    """

    row: Row
    out: Path
    epochs: int
    data: str | None = None
    seed: int = 1
    samples: int | None = None
    test_samples: int | None = None
    validation: int | None = None
    threads: int | None = None
    device: str = "cpu"
    resume: bool = False
    several: bool = False

    def choice(self) -> dict:
        """What decides the results, besides the row and how far it is trained."""
        names = ("data", "seed", "samples", "test_samples", "validation")
        return {name: getattr(self, name) for name in names}

    def resumed(self) -> "ReproductionJob":
        """Return this job, one of several, going on from the checkpoint in its folder if any."""
        return replace(self, resume=(self.out / "checkpoint.npz").exists(), several=True)

    def command(self, resume: bool = False) -> str:
        """Command that this job comes of, or that goes on with it."""
        words = ["popflip", "reproduce", self.row.name, "--epochs", str(self.epochs)]
        if self.seed != 1:
            words += ["--seed", str(self.seed)]
        for option in ("samples", "test_samples", "validation", "threads"):
            value = getattr(self, option)
            if value is not None:
                words += ["--" + option.replace("_", "-"), str(value)]
        if self.data:
            words += ["--data", self.data]
        if self.device != "cpu":
            words += ["--device", self.device]
        if self.out != RESULTS / f"{self.row.name}-seed{self.seed}":
            words += ["--out", str(self.out)]
        return shlex.join([*words, *(["--resume"] if resume else [])])


def reproduce_row(job: ReproductionJob) -> dict:
    """Train a row, and return the report that ``--json`` prints.

    Its ``finished`` is False if the training was interrupted; all that was done is saved then.
    """
    _check_folder(job)
    report = _by_engine(job) if job.row.integer else _by_torch(job)
    report["files"] = {
        path.name: str(path)
        for name in ("checkpoint.npz", "log.csv", "log.json", "row.json", "curves.png")
        if (path := job.out / name).exists()
    }
    write_atomically(job.out / "report.json", json.dumps(report, indent=1).encode())
    return report


def _check_folder(job: ReproductionJob):
    """See that what is in the folder of results is not of another row."""
    path = job.out / "row.json"
    if not path.exists():
        return
    name = read_result(path).get("row")
    if name != job.row.name:
        raise CheckpointError(
            f"{job.out} holds results of row {name}, not {job.row.name}: name another folder "
            f"with --out"
        )


def _describe(job: ReproductionJob, data_name: str, samples: int, test_samples: int):
    """Say beside the logs what they are of; the table reads it."""
    what = {
        **job.row.recipe(),
        "choice": job.choice(),
        "seed": job.seed,
        "data": data_name,
        "samples": samples,
        "test_samples": test_samples,
        "command": job.command(),
    }
    write_atomically(job.out / "row.json", json.dumps(what, indent=1).encode())


def _report(job: ReproductionJob, history: list[dict], finished: bool, **more) -> dict:
    last = history[-1] if history else {}
    return {
        "verb": "reproduce",
        "row": job.row.name,
        "network": job.row.network,
        "method": job.row.method_name,
        "claim": job.row.claim,
        "changed": job.row.changed,
        "finished": finished,
        "test_error": last.get("test_error"),
        "train_error": last.get("train_error"),
        "seed": job.seed,
        "out": str(job.out),
        "choice": job.choice(),
        "command": job.command(),
        "go_on": job.command(resume=True),
        **more,
        "history": history,
    }


def _by_torch(job: ReproductionJob) -> dict:
    # Found missing before any images are read.
    import torch

    from popflip.golden.paper.trainer import EpochLog, Trainer

    if job.threads is not None:
        if job.threads < 1:
            raise InputError(f"threads must be at least 1, not {job.threads}")
        torch.set_num_threads(job.threads)
    try:
        torch.zeros(1, device=job.device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"device {job.device!r} is not there: {reason}") from None
    # A GPU's convolutions would round to 10 bits otherwise.
    torch.backends.cudnn.allow_tf32 = False
    images: Images = load_images(job.row, job.data)
    if job.validation is not None:
        images = images.split(job.validation)
    trainer = Trainer(
        job.row, images, seed=job.seed, samples=job.samples,
        test_samples=job.test_samples, device=job.device,
    )  # fmt: skip
    checkpoint = job.out / "checkpoint.npz"
    if job.resume:
        trainer.resume(checkpoint)
    # If it was killed then, it may still lack its logs.
    ended = trainer.epoch >= job.epochs
    if ended and not job.several:
        raise InputError(
            f"epochs must be at least {trainer.epoch + 1}, not {job.epochs}: {checkpoint} "
            f"has done {trainer.epoch}"
        )
    started = saved = time.monotonic()
    took = 0.0

    def save():
        nonlocal saved, took
        began = time.monotonic()
        trainer.save(checkpoint)
        trainer.write_logs(job.out)
        _describe(job, images.name, trainer.samples, trainer.test_samples)
        saved = time.monotonic()
        took = saved - began

    def on_progress(progress):
        report = progress.report
        note = f"{report.samples / max(progress.seconds, 1e-9):,.0f}/s  error {report.error:.1f} %"
        if progress.phase == "train" and job.row.weights == "binary":
            note += f"  {sum(report.flips) / report.samples:.1f} flips per sample"
        title = f"{progress.phase} {progress.epoch}/{progress.epochs}"
        display.show(title, progress.done, progress.total, note)
        if progress.phase == "train" and time.monotonic() - saved > max(SAVE_S, SAVE_SHARE * took):
            save()

    def on_epoch(log: EpochLog):
        text = f"epoch {log.epoch}: test error {log.test_error:.2f} %, training error "
        text += f"{log.train_error:.2f} %"
        if job.row.weights == "binary":
            text += f", flips {' + '.join(f'{n:,}' for n in log.flips)}"
        say(text)
        save()
        save_figure(reproduction(job.row, _rows(trainer)), job.out / "curves.png")

    with results_folder(job.out), Display() as display:
        with interruptible(trainer):
            finished = trainer.run(job.epochs, on_progress, on_epoch)
        if ended or not finished:
            save()
    return _report(
        job, _rows(trainer), finished, data=images.name, epochs=trainer.epoch,
        position=trainer.position, samples=trainer.samples, test_samples=trainer.test_samples,
        seconds=round(time.monotonic() - started, 2),
    )  # fmt: skip


def _rows(trainer) -> list[dict]:
    return [asdict(log) for log in trainer.history]


def _by_engine(job: ReproductionJob) -> dict:
    params = integer_params(job.row)
    if job.device != "cpu":
        raise InputError(f"device must be cpu for {job.row.name}, not {job.device!r}")
    if job.validation is not None:
        raise InputError(f"validation must be left out for {job.row.name}, not {job.validation}")
    dataset = loading.load(job.data or DEFAULT)
    check_data(params, dataset)
    task = TrainingJob(
        params=params, dataset=dataset, source=job.data or DEFAULT, out=job.out,
        epochs=job.epochs, seed=job.seed, samples=job.samples, test_samples=job.test_samples,
        target=Target(engine="fast", threads=job.threads), resume=job.resume, verify=False,
    )  # fmt: skip
    # One of several may have been done.
    plan = rehearse(replace(task, epochs=sys.maxsize) if job.several else task)
    _describe(job, dataset.name, plan.samples, plan.test_samples)
    if plan.epoch >= job.epochs:
        return _report(
            job, _rows(plan), True, data=dataset.name, epochs=plan.epoch, position=plan.position,
            samples=plan.samples, test_samples=plan.test_samples,
            seconds=round(sum(log.seconds for log in plan.history), 2),
        )  # fmt: skip
    told = run_training(task)
    return _report(
        job, told["history"], told["finished"], data=dataset.name, epochs=told["epochs"],
        position=told["position"], samples=told["samples"], test_samples=told["test_samples"],
        seconds=told["seconds"],
    )  # fmt: skip
