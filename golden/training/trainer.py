"""The training loop: epochs, test error, checkpoints and logs, on any machine.

A *machine* is what computes: :class:`GoldenMachine` here, a board or the virtual board in
:mod:`popflip.boards.host.machine`. The loop is the same, and so are the bits::

    params = Params.load("local-small")
    machine = GoldenMachine(params)
    trainer = Trainer(params, data.load("mnist"), machine, seed=1)
    trainer.run(epochs=1)
    print(trainer.history[-1].test_error)
"""

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.shifts import draw_shifts, shift_images
from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params, ParamsError, ceil_div
from popflip.golden.model import Model, Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.golden.training.loop import (
    CheckpointError,
    Log,
    Progress,
    TrainingLoop,
    opened_checkpoint,
)

__all__ = [
    "EpochLog",
    "GoldenMachine",
    "Machine",
    "NetworkState",
    "Origin",
    "Trainer",
    "check_data",
    "differences",
    "initial_state",
]

#: Samples that a machine is given at a time, about, if it has no better number.
CHUNK = 256

#: Of checkpoints; another number is another layout.
FORMAT = 1


@dataclass
class NetworkState:
    """Everything that a network has learned, and the state of its random choices.

    Attributes
    ----------
    weights : list of ndarray of bool, shape (rows, row_bits)
    latents : list of ndarray of int16, shape (rows, row_bits)
    sign_state : int
        State of the generator that draws signs of nudging.
    """

    weights: list
    latents: list
    sign_state: int


@dataclass(frozen=True)
class Origin:
    """Where a training's first network came from, if it was not drawn from the seed: a board.

    Attributes
    ----------
    board : str
        Its serial port.
    design : str
        Its bitstream id, in hexadecimal digits.
    protocol : int
        Version of the host link's protocol.
    batch : int
        Samples between flips.
    tau : list of int
        Flip thresholds.
    reset_on_flip : bool
    pending : int
        Samples of a batch that had not flipped yet; the next batch begins anew.
    """

    board: str
    design: str
    protocol: int
    batch: int
    tau: list[int]
    reset_on_flip: bool
    pending: int


class Machine(Protocol):
    """Something that trains a network. Samples are numbered within those last loaded.

    Attributes
    ----------
    chunk : int
        Samples that it is given at a time, about; what Ctrl-C waits for.
    """

    chunk: int

    def write_state(self, state: NetworkState) -> None:
        """Take over a network."""

    def read_state(self) -> NetworkState:
        """Return the network; at the end of a batch only."""

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of: bool (n, n_in) and classes (n,)."""

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples; ``flush`` ends the last batch even if it is not full."""

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples; also return the predictions."""


def initial_state(params: Params, seed: int) -> NetworkState:
    """State that training with ``seed`` begins with: random weights, latents zero."""
    model = Model.initial(params, seed)
    return NetworkState(model.weights, model.latents, model.signs.state)


class GoldenMachine:
    """The golden model as a machine.

    Parameters
    ----------
    params : Params
    """

    chunk = CHUNK

    def __init__(self, params: Params):
        self.params = params
        self.write_state(initial_state(params, 1))

    def write_state(self, state: NetworkState) -> None:
        """Take over a network."""
        self._model = Model(self.params, state.weights, state.latents, state.sign_state)

    def read_state(self) -> NetworkState:
        """Return the network."""
        model = self._model
        return NetworkState(
            [array.copy() for array in model.weights],
            [array.copy() for array in model.latents],
            model.signs.state,
        )

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        self._model.tau = tau

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of."""
        self._x, self._labels = x, labels

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples."""
        model, total, end = self._model, Report(flips=[0] * self.params.depth), first + count
        while first < end:
            n = min(end - first, model.batch - model.pending)
            report, _ = model.train(self._x[first : first + n], self._labels[first : first + n])
            total += report
            first += n
        if flush and model.pending:
            total += Report(flips=model.flush())
        return total

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples."""
        parts = [
            self._model.relax(self._x[i : min(i + 64, first + count)]).prediction
            for i in range(first, first + count, 64)
        ]
        predictions = np.concatenate(parts)
        correct = int((predictions == self._labels[first : first + count]).sum())
        return Report(count, correct, 0, [0] * self.params.depth), predictions


@dataclass
class EpochLog(Log):
    """What one epoch came to; errors in percent."""

    changed_per_sample: float
    tau: list[int]
    cycles_per_sample: float | None = None
    cycles_per_inference: float | None = None
    stage_cycles: dict = field(default_factory=dict)

    def columns(self) -> dict[str, object]:
        """Return a row of ``log.csv``: a list has a column per layer, cycles one per stage."""
        row = super().columns()
        del row["stage_cycles"]
        return row | {f"cycles_{stage}": count for stage, count in self.stage_cycles.items()}


class _Description(BaseModel):
    """What a checkpoint says of itself: see :meth:`Trainer.save`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: int
    params: dict
    seed: Annotated[int, Field(ge=0)]
    samples: Annotated[int, Field(ge=1)]
    test_samples: Annotated[int, Field(ge=1)]
    data: str
    data_digest: str
    epoch: Annotated[int, Field(ge=0)]
    position: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    so_far: Report
    history: list[EpochLog]
    sign_state: Annotated[int, Field(ge=1, lt=1 << 32)]
    origin: Origin | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "_Description":
        if self.position > self.samples or len(self.history) != self.epoch:
            raise InputError("no training comes to this")
        return self


def _check_state(params: Params, state: NetworkState) -> None:
    """Raise ValueError if arrays are not those of a network."""
    for layer, (weights, latents) in enumerate(zip(state.weights, state.latents, strict=True)):
        shape = params.synapses(layer)
        for array, kind in ((weights, np.bool_), (latents, np.int16)):
            if array.shape != (shape.rows, shape.row_bits) or array.dtype != kind:
                raise InputError(f"layer {layer} has {array.dtype} of shape {array.shape}")
        if np.abs(latents.astype(np.int32)).max() > params.learning.latent_max:
            raise InputError(f"latents of layer {layer} are too large")


class Trainer(TrainingLoop[EpochLog]):
    """Train a network on a data set, epoch by epoch.

    Parameters
    ----------
    params : Params
    data : Dataset
    machine : Machine
    seed : int
        Decides the initial weights, the order of the samples in each epoch and their shifts.
    samples : int, optional
        Training images per epoch: the first so many of the data set; all if left out.
    test_samples : int, optional
        Test images, likewise.

    Attributes
    ----------
    epoch, position : int
        Complete epochs, and samples done of the next one.
    history : list of EpochLog
    origin : Origin, optional
        Where the first network came from, if not from the seed.
    stop_requested : bool
        Set it from anywhere (a signal handler) to end :meth:`run` after the chunk in hand.
    """

    def __init__(
        self,
        params: Params,
        data: Dataset,
        machine: Machine,
        *,
        seed: int = 1,
        samples: int | None = None,
        test_samples: int | None = None,
    ):
        check_data(params, data)
        super().__init__(
            params.depth, len(data.train_labels), len(data.test_labels),
            seed=seed, samples=samples, test_samples=test_samples,
        )  # fmt: skip
        self.params, self.data, self.machine = params, data, machine
        self.origin: Origin | None = None
        machine.write_state(self.first_state())

    # Data -----------------------------------------------------------------------------------

    def first_state(self) -> NetworkState:
        """State that the training begins with."""
        return initial_state(self.params, self.seed)

    def epoch_samples(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input bits and labels of the training samples of an epoch, in their order."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.samples)
        images = self.data.train_images[order]
        if self.params.learning.shift:
            state = int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0])
            dx, dy = draw_shifts(Lfsr(state or 1), self.samples, self.params.learning.shift)
            images = shift_images(images, dx, dy)
        return input_of(self.params.network, images), self.data.train_labels[order]

    def test_set(self) -> tuple[np.ndarray, np.ndarray]:
        """Input bits and labels of the test samples."""
        images = self.data.test_images[: self.test_samples]
        labels = self.data.test_labels[: self.test_samples]
        return input_of(self.params.network, images), labels

    # The loop -------------------------------------------------------------------------------

    def replay(
        self,
        epoch: int,
        position: int = 0,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> bool:
        """Train, but do not test, until ``epoch`` epochs and ``position`` samples are done.

        What the network comes to is what :meth:`run` brings it to. The history stays as it is.

        Returns
        -------
        bool
            False if it was stopped before.
        """
        while (self.epoch, self.position) < (epoch, position):
            goal = position if self.epoch == epoch else self.samples
            if not self._train(epoch, on_progress, goal):
                return False
            if self.epoch < epoch:
                self._begin_epoch(self.epoch + 1)
        return True

    def _train(self, epochs, on_progress, goal: int | None = None) -> bool:
        goal = self.samples if goal is None else goal
        if self.position < goal:
            self.machine.load(*self.epoch_samples(self.epoch))
        self.machine.set_tau(self.params.learning.tau_in_epoch(self.epoch))
        # Chunks end with batches, so that what lies between two chunks is a whole state.
        batch = self.params.learning.batch
        chunk = ceil_div(self.machine.chunk, batch) * batch
        while self.position < goal:
            if self.stop_requested:
                return False
            started = time.perf_counter()
            count = min(chunk, goal - self.position)
            last = self.position + count == self.samples
            report = self.machine.train(self.position, count, flush=last)
            if self._so_far.samples and bool(report.cycles) != bool(self._so_far.cycles):
                # Resumed on a machine that counts after one that does not, or before: no average.
                report.cycles, self._so_far.cycles = {}, {}
            self._so_far += report
            self.position += count
            self._seconds += time.perf_counter() - started
            if on_progress:
                on_progress(
                    Progress(
                        self.epoch + 1, epochs, "train", self.position, self.samples,
                        self._seconds, self._so_far,
                    )
                )  # fmt: skip
        return True

    def test(self, on_progress=None, epochs: int | None = None) -> Report | None:
        """Predict the test set; None if stopped before its end."""
        self.machine.load(*self.test_set())
        total, started = self._nothing(), time.perf_counter()
        chunk = self.machine.chunk
        for first in range(0, self.test_samples, chunk):
            if self.stop_requested:
                return None
            report, _ = self.machine.infer(first, min(chunk, self.test_samples - first))
            total += report
            if on_progress:
                on_progress(
                    Progress(
                        self.epoch + 1, epochs or self.epoch + 1, "test", total.samples,
                        self.test_samples, time.perf_counter() - started, total,
                    )
                )  # fmt: skip
        return total

    def _log(self, trained: Report, tested: Report) -> EpochLog:
        log = EpochLog(
            **self._figures(trained, tested),
            changed_per_sample=trained.changed / trained.samples,
            tau=list(self.params.learning.tau_in_epoch(self.epoch)),
        )
        if trained.cycles:
            per_sample = {k: v / trained.samples for k, v in trained.cycles.items()}
            log.cycles_per_sample = per_sample.pop("total")
            log.stage_cycles = per_sample
        if tested.cycles:
            log.cycles_per_inference = tested.cycles["total"] / tested.samples
        return log

    # Checkpoints ----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Save everything that a resumption needs; the file appears whole or not at all."""
        state = self.machine.read_state()
        meta = {
            "format": FORMAT,
            "params": self.params.model_dump(mode="json"),
            **self._meta(),
            "data": self.data.name,
            "data_digest": self.data.digest,
            "sign_state": state.sign_state,
        }
        if self.origin is not None:
            meta["origin"] = asdict(self.origin)
        arrays: dict = {"meta": np.array(json.dumps(meta))}
        for layer, (weights, latents) in enumerate(zip(state.weights, state.latents, strict=True)):
            arrays[f"weights{layer}"], arrays[f"latents{layer}"] = weights, latents
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_atomically(path, buffer.getvalue())

    @staticmethod
    def read_checkpoint(path: str | Path) -> tuple[dict, NetworkState]:
        """Read a checkpoint, and see that it can be one.

        Returns
        -------
        meta : dict
            What :class:`Trainer` was made with and how far it came; ``params`` is a dict that
            :meth:`Params.build` takes.
        state : NetworkState

        Raises
        ------
        CheckpointError
            If the file does not exist, or is not a whole checkpoint.
        OSError
            If it cannot be read.
        """
        with opened_checkpoint(path, FORMAT, "a checkpoint of popflip") as (arrays, meta):
            _Description.model_validate_json(json.dumps(meta))
            try:
                params = Params.build(meta["params"])
            except ParamsError as error:
                raise CheckpointError(
                    f"{path} holds parameters that are not valid: {error}"
                ) from None
            state = NetworkState(
                [arrays[f"weights{layer}"] for layer in range(params.depth)],
                [arrays[f"latents{layer}"] for layer in range(params.depth)],
                meta["sign_state"],
            )
            _check_state(params, state)
        return meta, state

    def resume(self, path: str | Path) -> None:
        """Go on from a checkpoint, bit for bit as if there had been no break.

        Raises
        ------
        CheckpointError
            If it is of another network, seed or data set.
        """
        meta, state = self.read_checkpoint(path)
        # As read: parameters that an older checkpoint does not know have their defaults.
        saved = Params.build(meta["params"]).model_dump(mode="json")
        mine = self.params.model_dump(mode="json")
        for tree in (saved, mine):
            # Lanes change no bit, and names mean nothing.
            tree.pop("machine", None)
            tree.pop("standalone", None)
            tree.pop("name", None)
        if saved != mine:
            parts = [part for part in mine if saved.get(part) != mine[part]]
            raise CheckpointError(f"{path} is of another network: its {', '.join(parts)} differ")
        self._check_meta(path, meta)
        if meta["data_digest"] != self.data.digest:
            other = "other data of that name" if meta["data"] == self.data.name else self.data.name
            raise CheckpointError(f"{path} was trained on {meta['data']}, not {other}")
        self.machine.write_state(state)
        self.epoch, self.position = meta["epoch"], meta["position"]
        self._seconds, self._so_far = meta["seconds"], Report(**meta["so_far"])
        self.history = [EpochLog(**log) for log in meta["history"]]
        self.origin = Origin(**meta["origin"]) if meta.get("origin") else None


def differences(a: NetworkState, b: NetworkState) -> list[str]:
    """Say in what two networks differ; an empty list if every bit agrees."""
    found = []
    for name in ("weights", "latents"):
        for layer, (x, y) in enumerate(zip(getattr(a, name), getattr(b, name), strict=True)):
            unequal = int((x != y).sum())
            if unequal:
                found.append(f"{unequal} of {x.size} {name} of layer {layer} differ")
    if a.sign_state != b.sign_state:
        found.append("the generators of nudge signs differ")
    return found


def check_data(params: Params, data: Dataset) -> None:
    """Raise ValueError if a data set does not fit a network."""
    shape = data.train_images.shape[1:]
    if shape != params.network.image:
        raise InputError(
            f"network.image must be {shape[0]} x {shape[1]} for {data.name}, "
            f"not {params.network.image[0]} x {params.network.image[1]}"
        )
    most = int(max(data.train_labels.max(), data.test_labels.max()))
    if most >= params.network.classes:
        raise InputError(
            f"network.classes must be at least {most + 1} for {data.name}, "
            f"not {params.network.classes}"
        )
