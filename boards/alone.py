"""Listening to a board that trains by itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from popflip.boards.link import Link, LinkError
from popflip.golden.cycles import StageCycles
from popflip.golden.model import Report
from popflip.golden.params import Params
from popflip.golden.registers import AloneState, register_map, register_values

__all__ = ["Epoch", "Sighting", "decode", "watch"]


@dataclass(frozen=True)
class Sighting:
    """What register ``alone`` and the counters say at some moment.

    Attributes
    ----------
    state : AloneState
    epoch : int
        Complete epochs.
    report : Report
        Of the training, or of the test, that is on or has just ended.
    wait_cycles : int
        Clock cycles that the core has waited for samples in it.
    tau : tuple of int
        Flip thresholds.
    """

    state: AloneState
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
    if len(payload) != 4 * len(register_map(params)):
        raise LinkError(
            f"a report must have {4 * len(register_map(params))} bytes, not {len(payload)}: does "
            "the board run this design?"
        )
    values = register_values(params, np.frombuffer(payload, "<u4").tolist())
    layers = range(params.depth)
    cycles = {stage: values[f"cycles_{stage}"] for stage in StageCycles._fields}
    return Sighting(
        AloneState(values["alone"] & 7),
        values["alone"] >> 16,
        Report(
            values["samples"],
            values["correct"],
            values["changed"],
            [values[f"flips{layer}"] for layer in layers],
            cycles | {"total": sum(cycles.values())},
        ),
        values["cycles_wait"],
        tuple(values[f"tau{layer}"] for layer in layers),
    )


def watch(
    params: Params,
    link: Link,
    on_sighting: Callable[[Sighting], None] | None = None,
    pause: float = 0.01,
) -> Iterator[Epoch]:
    """Watch a board train by itself until it has come to its end.

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
            if seen.state == AloneState.TRAINING:
                trained = seen
            elif trained is not None and trained.epoch == seen.epoch:
                yield Epoch(seen.epoch + 1, trained, seen)
        if now.state == AloneState.NO_IMAGE:
            raise LinkError(
                "the board finds no data set for this network in its flash: write one with "
                "popflip data --image"
            )
        if now.state == AloneState.IDLE:
            raise LinkError("the board does not train by itself; popflip watch --start begins it")
        if now.state == AloneState.DONE and not link.reports:
            return
        link.listen(pause)
