"""Whether a network learns at all, and what to change if it does not.

A network whose gains or thresholds are far off trains without an error and learns nothing: no
neuron is ever active, or all are, or no latent ever reaches its flip threshold. Two steps find it:

1. :func:`symptoms` looks at counts that every machine has: flips and correct predictions.
2. :func:`cause` has the golden model relax a few samples and says which layer is at fault. It costs
   a moment, so it is asked only where there are symptoms.

After few samples symptoms alone say nothing: then a layer has to be silent or saturated besides.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.model import Model, Relaxation, Report
from popflip.golden.training.calibration import level_of
from popflip.golden.training.log import Log
from popflip.golden.training.state import NetworkState

__all__ = ["SAMPLES", "Cause", "cause", "complaint", "symptoms"]

#: Training samples before which nobody expects that a network has learned.
SAMPLES = 1000

#: Times its flip threshold that a layer must have had samples before its flips are missed.
TAU_SAMPLES = 10

#: A hidden layer with a smaller share of active neurons is silent, with a greater one saturated.
SILENT, SATURATED = 0.002, 0.5

#: What chooses gains and the threshold.
_CALIBRATE = "popflip calibrate chooses what suits the data"


@dataclass(frozen=True)
class Cause:
    """Why a network does not learn.

    Attributes
    ----------
    text : str
        Which layer is at fault, and what to change.
    certain : bool
        Whether such a network cannot learn, however long it is trained.
    """

    text: str
    certain: bool


def complaint(found: list[str], why: str = f"gains that do not suit the data: {_CALIBRATE}") -> str:
    """Say in a line that a network does not learn.

    Parameters
    ----------
    found : list of str
        Its :func:`symptoms`.
    why : str
        Their cause, as far as it is known.
    """
    return f"the network does not learn as it should: {'; '.join(found)}. Likely cause: {why}"


def symptoms(
    params: Params,
    history: Iterable[Log],
    tested: Report,
    test_labels: np.ndarray | None,
    least: int = SAMPLES,
) -> list[str]:
    """Say what shows that a network does not learn; an empty list if it does.

    Parameters
    ----------
    params : Params
    history : iterable of Log
        All epochs so far.
    tested : Report
        The test after the last of them.
    test_labels : ndarray of int, optional
        Classes of the samples of the test; all are as frequent if nobody knows them.
    least : int
        Training samples before which nothing is said.
    """
    history = list(history)
    samples = sum(log.samples for log in history)
    if samples < least:
        return []
    found = []
    flips = np.sum([log.flips for log in history], axis=0)
    tau = params.learning.tau_in_epoch(len(history) - 1)
    still = [l for l in range(params.depth) if not flips[l] and samples >= TAU_SAMPLES * tau[l]]
    if still:
        layers = "layer " + " and ".join(map(str, still))
        if len(still) == params.depth:
            layers = "any layer"
        found.append(f"no weight of {layers} has flipped in {samples:,} samples")
    # The class that is most frequent could be guessed each time.
    guessed = 1 / params.network.classes
    if test_labels is not None:
        guessed = np.bincount(test_labels).max() / len(test_labels)
    trained = history[-1]
    learning = not _is_guessed(
        guessed, (1 - trained.train_error / 100) * trained.samples, trained.samples
    )
    # A network that has seen few samples may know those and no others yet.
    if _is_guessed(guessed, tested.correct, tested.samples) and not (
        samples < SAMPLES and learning
    ):
        found.append(f"predictions are no better than a guess (test error {tested.error:.1f} %)")
    return found


def _is_guessed(share: float, correct: float, samples: int) -> bool:
    """Whether guesses explain so many right predictions, with two standard deviations of luck."""
    return correct <= share * samples + 2 * math.sqrt(share * (1 - share) * samples)


def cause(params: Params, state: NetworkState, x: np.ndarray, labels: np.ndarray) -> Cause:
    """Say which layer is at fault, and which parameters to change.

    Parameters
    ----------
    params : Params
    state : NetworkState
        What the network has come to.
    x, labels : ndarray
        Some training samples, as :meth:`popflip.golden.model.Model.relax` takes them.
    """
    relaxed = Model(params, state.weights, state.latents).relax(x, labels)
    activity = _activity(params, relaxed)
    if activity:
        return Cause(f"{activity}; {_CALIBRATE}", True)
    beta, d = params.learning.beta, params.dynamics
    if all((p == m).all() for p, m in zip(relaxed.plus, relaxed.minus, strict=True)):
        return Cause(f"no nudge moves an output: raise learning.beta, now {beta}", True)
    if (relaxed.plus[0] == relaxed.minus[0]).all():
        feedback = [params.feedback_gain(layer) for layer in range(1, params.depth)]
        return Cause(
            f"no nudge moves a hidden neuron: raise dynamics.feedback_gains, now {feedback}, or "
            f"learning.beta, now {beta}, or lower dynamics.gains[0], now {d.gains[0]}; "
            f"{_CALIBRATE}",
            True,
        )
    reached = [int(np.abs(latents).max()) for latents in state.latents]
    far = [l for l, tau in enumerate(params.learning.tau) if reached[l] < tau]
    if far:
        text = "latents do not reach the flip thresholds: lower " + " and ".join(
            f"learning.tau[{l}] (now {params.learning.tau[l]}, latents reach {reached[l]})"
            for l in far
        )
        return Cause(text, False)
    return Cause(
        f"try other dynamics.gains, dynamics.threshold or learning.beta; {_CALIBRATE}", False
    )


def _activity(params: Params, relaxed: Relaxation) -> str:
    """Say which layer is silent or saturated; nothing if none is."""
    by_drive = _first_layer(params, relaxed.drive)
    if by_drive:
        return by_drive
    d, depth = params.dynamics, params.depth
    for layer in range(2, depth):
        active = float(relaxed.free.a[layer - 1].mean())
        if _extreme(params, active):
            which, way = ("silent", "raise") if active < 0.5 else ("saturated", "lower")
            return (
                f"hidden layer {layer} is {which} ({_percent(active)} of its neurons are active): "
                f"{way} dynamics.gains[{layer - 1}], now {d.gains[layer - 1]}"
            )
    active, potential = float(relaxed.free.a[-1].mean()), int(relaxed.free.v.max())
    last = f"dynamics.gains[{depth - 1}], now {d.gains[-1]}"
    if active > SATURATED:
        also = f", or dynamics.v0, now {d.v0}" if d.v0 else ""
        share = _percent(active)
        return f"the outputs are saturated ({share} of them are active): lower {last}{also}"
    if potential < d.v_max // 8:
        return (
            f"the outputs are silent (their potentials reach {potential}, and are active from "
            f"{d.output_threshold} on): raise {last}"
        )
    return ""


def _first_layer(params: Params, drive: np.ndarray) -> str:
    """Say what is wrong with layer 1 if its drive alone leaves it silent or saturated."""
    active = float((drive >= 0).mean())
    if not _extreme(params, active):
        return ""
    which = "silent" if active < 0.5 else "saturated"
    text = f"hidden layer 1 is {which} ({_percent(active)} of its neurons are active): "
    d = params.dynamics
    # What its neurons receive, and what of it only the share that should be active exceeds.
    received = drive.astype(np.int64) + d.hidden_threshold
    level = int(np.median(received) if d.code == "sign" else level_of(received))
    if which == "silent":
        way, other = "lower", "raise"
    else:
        way, other = "raise", "lower"
    text += f"{way} dynamics.threshold from {d.hidden_threshold} to about {level}"
    if d.hidden_threshold > 0 and level > 0:
        gain = max(1, round(d.gains[0] * d.hidden_threshold / level))
        if gain != d.gains[0]:
            text += f", or {other} dynamics.gains[0] from {d.gains[0]} to about {gain}"
    return text


def _extreme(params: Params, active: float) -> bool:
    """Whether too few or too many neurons of a hidden layer are active."""
    if params.dynamics.code == "sign":
        return not SILENT <= active <= 1 - SILENT
    return not SILENT <= active <= SATURATED


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
