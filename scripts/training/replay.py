"""The golden model on the same samples, in a second process, while the board trains."""

import multiprocessing
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from popflip.golden.datasets import loading
from popflip.golden.description.params import Params
from popflip.golden.support import interrupts
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState
from popflip.golden.training.trainer import Trainer
from popflip.scripts.session import Failure

__all__ = ["Replay", "Task", "work"]

#: Seconds between two messages about how far the replay is.
TELL_S = 0.25


@dataclass(frozen=True)
class Task:
    """What to train, and how far; everything that the bits depend on.

    Attributes
    ----------
    tree : dict
        The parameters, as :meth:`Params.build` takes them.
    source : str
        The data set, as :func:`popflip.golden.datasets.loading.load` takes it.
    seed : int
    samples, test_samples : int
    goal : (int, int)
        Complete epochs, and samples of the next one.
    checkpoint : bytes, optional
        To begin with, instead of from scratch.
    """

    tree: dict
    source: str
    seed: int
    samples: int
    test_samples: int
    goal: tuple[int, int]
    checkpoint: bytes | None = None

    @classmethod
    def of(cls, trainer: Trainer, source: str, goal, checkpoint: bytes | None = None) -> "Task":
        """Describe what ``trainer`` is about to do."""
        return cls(
            trainer.params.model_dump(mode="json"), source, trainer.seed, trainer.samples,
            trainer.test_samples, goal, checkpoint,
        )  # fmt: skip


def work(task: Task, tell) -> None:
    """Do a task; what the second process runs.

    Parameters
    ----------
    task : Task
    tell : callable
        Gets ``("at", samples)`` now and then and ``("done", state, counts)`` at the end, where
        ``counts`` are the totals of each whole epoch by its number, from 1.
    """
    params = Params.build(task.tree)
    trainer = Trainer(
        params, loading.load(task.source, params=params), GoldenMachine(params),
        seed=task.seed, samples=task.samples, test_samples=task.test_samples,
    )  # fmt: skip
    if task.checkpoint is not None:
        with TemporaryDirectory(prefix="popflip-") as scratch:
            path = Path(scratch, "checkpoint.npz")
            path.write_bytes(task.checkpoint)
            trainer.resume(path)
    begin = trainer.epoch * trainer.samples + trainer.position
    counts, told = {}, 0.0

    def on_progress(progress):
        nonlocal told
        if progress.done == progress.total:
            counts[progress.epoch] = asdict(progress.report)
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            tell(("at", trainer.epoch * trainer.samples + progress.done - begin))

    trainer.replay(*task.goal, on_progress)
    tell(("done", trainer.machine.read_state(), counts))


def _main(task, connection) -> None:
    try:
        work(task, connection.send)
    except BrokenPipeError:
        pass  # The first process is gone; nobody waits.
    except Exception as error:
        connection.send(("failed", f"{type(error).__name__}: {error}"))


class Replay:
    """The second process; it starts at once. Use it as a context manager.

    Parameters
    ----------
    task : Task

    Attributes
    ----------
    total, done : int
        Samples to replay, and those replayed as of the last :meth:`poll`.
    seconds : float
        That the replay took, once it is over.
    """

    def __init__(self, task: Task, total: int):
        self.total, self.done, self.seconds = total, 0, 0.0
        self._started = time.perf_counter()
        self._answer: tuple[NetworkState, dict] | None = None
        self._failure: str | None = None
        # Spawned, not forked: it shares nothing with the board's threads and memory.
        context = multiprocessing.get_context("spawn")
        self._receive, send = context.Pipe(duplex=False)
        self._process = context.Process(target=_main, args=(task, send), name="golden", daemon=True)
        # Ctrl-C is for the first process, which ends this one if need be.
        with interrupts.shielded():
            self._process.start()
        send.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.kill()
        self._process.join()
        self._receive.close()

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self._answer is not None or self._failure is not None

    def poll(self, wait: float = 0.0) -> None:
        """Take in what the second process has said, waiting ``wait`` seconds for the first word."""
        try:
            while not self.over and self._receive.poll(wait):
                self._take(*self._receive.recv())
                wait = 0.0
        except EOFError:
            self._process.join()
            self._failure = f"its process ended with status {self._process.exitcode}"

    def _take(self, kind, *what):
        if kind == "at":
            (self.done,) = what
        elif kind == "failed":
            (self._failure,) = what
        else:
            self._answer = what
            self.done = self.total
            self.seconds = time.perf_counter() - self._started

    def result(self) -> tuple[NetworkState, dict]:
        """Return the network and the counts of each epoch, as soon as the replay is over.

        Raises
        ------
        Failure
            If it failed.
        """
        while not self.over:
            self.poll(1.0)
        if self._answer is None:
            raise Failure(f"the golden replay failed: {self._failure}")
        return self._answer
