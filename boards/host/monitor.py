"""Listening to a board in standalone training."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from popflip.boards.host.link import Link, LinkError
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.params import Params
from popflip.golden.description.registers import StandaloneState
from popflip.golden.model import Report

__all__ = ["Epoch", "Sighting", "decode", "watch"]


@dataclass(frozen=True)
class Sighting:
    """What register ``standalone`` and the counters say at some moment.

    Attributes
    ----------
    state : StandaloneState
    epoch : int
        Complete epochs.
    report : Report
        Of the training, or of the test, that is on or has just ended.
    wait_cycles : int
        Clock cycles that the core has waited for samples in it.
    tau : tuple of int
        Flip thresholds.
    """

    state: StandaloneState
    epoch: int
    report: Report
    wait_cycles: int
    tau: tuple[int, ...]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes
    ----------
    number : int
        1 is the first.
    trained, tested : Sighting
    """

    number: int
    trained: Sighting
    tested: Sighting


def decode(params: Params, payload: bytes) -> Sighting:
    """Read the payload of a report, which is the whole region ``registers``.

    Raises
    ------
    LinkError
        If it cannot be one of this design.
    """
    registers = params.registers
    n_bytes = params.regions["registers"].n_bytes
    if len(payload) != n_bytes:
        raise LinkError(
            f"a report must have {n_bytes} bytes, not {len(payload)}: does the board run this "
            "design?"
        )
    values = registers.decode(np.frombuffer(payload, "<u4").tolist())
    told = registers["standalone"].decode(values["standalone"])
    layers = range(params.depth)
    cycles = {stage: values[f"cycles_{stage}"] for stage in StageCycles._fields}
    return Sighting(
        StandaloneState(told["state"]),
        told["epochs"],
        Report(
            values["samples"],
            values["correct"],
            values["changed"],
            [values[registers.flips(layer).name] for layer in layers],
            cycles | {"total": sum(cycles.values())},
        ),
        values["cycles_wait"],
        tuple(values[registers.tau(layer).name] for layer in layers),
    )


def watch(
    params: Params,
    link: Link,
    on_sighting: Callable[[Sighting], None] | None = None,
    pause: float = 0.01,
) -> Iterator[Epoch]:
    """Watch standalone training until it has come to its end.

    Epochs whose training ended before are not told.

    Parameters
    ----------
    params : Params
        Of the design that the board runs.
    link : Link
    on_sighting : callable, optional
        Called each time that the board was looked at.
    pause : float
        Seconds of the board's time between looks.

    Yields
    ------
    Epoch
        As soon as it has been tested.

    Raises
    ------
    LinkError
        If there is no answer, or the board does not train.
    """
    trained = None
    while True:
        now = decode(params, link.read("registers").tobytes())
        if on_sighting:
            on_sighting(now)
        while link.reports:
            seen = decode(params, link.reports.popleft())
            if seen.state == StandaloneState.TRAINING:
                trained = seen
            elif trained is not None and trained.epoch == seen.epoch:
                yield Epoch(seen.epoch + 1, trained, seen)
        if now.state == StandaloneState.NO_IMAGE:
            raise LinkError(
                "the board finds no data set for this network in its flash: write one with "
                "popflip data --image"
            )
        if now.state == StandaloneState.IDLE:
            raise LinkError("the board is idle; popflip watch --start begins standalone training")
        if now.state == StandaloneState.DONE and not link.reports:
            return
        link.listen(pause)
