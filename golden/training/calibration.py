"""Gains and thresholds that suit the data: chosen before a network learns, from what it receives.

What a neuron of layer 1 receives hangs on how many input bits are lit, and on how they hang
together. Gains that fit MNIST leave a network silent or saturated on other data, and such a network
never learns. So some training samples are driven through the first, random weights:

- **Hidden layers**: so many of their neurons are to be active that each sample has its own few
  (:data:`ACTIVE`). With the ``heaviside`` code ``threshold`` is the level that this share of what
  they receive exceeds, and the first gain puts it near V / 2. With the ``sign`` code the threshold
  is 0 and half of them are active: the gain then sets how far they are from it.
- **Outputs**: their sums, over neurons that are active at random, have a root mean square of about
  V / 4: potentials are then graded, and neither silent nor at an end.
- **Feedback**: the class's copies together move a hidden neuron by a fixed share of the spread of
  what it receives: enough that a nudge moves some, not so much that the outputs decide.

Dynamics ``leaky`` always have their threshold at V / 2, so the gain alone is chosen: the whole
number that comes nearest.
"""

from dataclasses import dataclass

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.description.sections.dynamics import MOST_GAIN
from popflip.golden.model import Model
from popflip.golden.support.errors import InputError

__all__ = [
    "ACTIVE",
    "SAMPLES",
    "Calibration",
    "Vitals",
    "calibrate",
    "complaints",
    "level_of",
    "vital_signs",
]

#: Share of a hidden layer that is to be active at the start, with the ``heaviside`` code.
ACTIVE = 0.065

#: What it may be without a complaint.
LEAST_ACTIVE, MOST_ACTIVE = 0.05, 0.08

#: Root mean square of the outputs' sums, in units of V, by the code.
OUTPUT_SUM = {"heaviside": 0.25, "sign": 0.125}

#: Spread of what hidden neurons receive with the ``sign`` code, in units of V.
SIGN_SPREAD = 0.6

#: What all copies of a class together move a hidden neuron by, in units of the spread of what it
#: receives, by the code.
FEEDBACK = {"heaviside": 0.6, "sign": 0.2}

#: The same of a hidden layer above, all of whose active neurons feed back at any time.
HIDDEN_FEEDBACK = 0.25

#: Samples that are looked at, at most.
SAMPLES = 256

#: How far the outputs' sums may be off before they are corrected, as a share.
_OFF = 0.2


@dataclass(frozen=True)
class Vitals:
    """How active a network is on some samples.

    Attributes
    ----------
    active : tuple of float
        Share of each hidden layer that is active at the end of the free phase.
    outputs_active : float
        Share of the outputs that is.
    output_sum : float
        Root mean square of what the outputs receive, in units of V.
    moved : tuple of float
        Share of each hidden layer that differs between the nudged states.
    """

    active: tuple[float, ...]
    outputs_active: float
    output_sum: float
    moved: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """What was chosen, and what came of it.

    Attributes
    ----------
    params : Params
        The network with other ``dynamics``.
    before, after : Vitals
    """

    params: Params
    before: Vitals
    after: Vitals


def vital_signs(model: Model, x: np.ndarray, labels: np.ndarray) -> Vitals:
    """Relax some samples, and say how active the network is.

    Parameters
    ----------
    model : Model
    x, labels : ndarray
        Samples as :meth:`popflip.golden.model.Model.relax` takes them.
    """
    params = model.params
    relaxed = model.relax(x, labels)
    sums = params.dynamics.gains[-1] * _dots(model, params.depth - 1, relaxed.free.a[-2])
    return Vitals(
        active=tuple(float(a.mean()) for a in relaxed.free.a[:-1]),
        outputs_active=float(relaxed.free.a[-1].mean()),
        output_sum=_rms(sums) / params.dynamics.v_max,
        moved=tuple(
            float((p != m).mean())
            for p, m in zip(relaxed.plus[:-1], relaxed.minus[:-1], strict=True)
        ),
    )


def calibrate(params: Params, x: np.ndarray, labels: np.ndarray, seed: int = 1) -> Calibration:
    """Choose gains, feedback gains and threshold from what some training samples drive.

    Nothing is drawn but the first weights: the same arguments lead to the same choice.

    Parameters
    ----------
    params : Params
        Of any network; of its ``dynamics`` the code, the kind, ``potential_bits`` and the counts of
        sweeps stay as they are.
    x, labels : ndarray
        Training samples, of which the first :data:`SAMPLES` count.
    seed : int
        Of the first weights.

    Raises
    ------
    InputError
        If the samples light nothing that a neuron could tell apart.
    """
    x, labels = x[:SAMPLES], labels[:SAMPLES]
    before = vital_signs(Model.initial(params, seed), x, labels)
    chosen = params.replace(dynamics=_choose(params, x, seed))
    after = vital_signs(Model.initial(chosen, seed), x, labels)
    # Feedback among hidden layers makes more neurons active than the input alone does.
    wanted = OUTPUT_SUM[params.dynamics.code]
    if after.output_sum and abs(after.output_sum / wanted - 1) > _OFF:
        *gains, last = chosen.dynamics.gains
        gains.append(_gain(last * wanted / after.output_sum))
        chosen = chosen.replace(dynamics={"gains": gains})
        after = vital_signs(Model.initial(chosen, seed), x, labels)
    return Calibration(chosen, before, after)


def complaints(params: Params, vitals: Vitals) -> list[str]:
    """Say where a calibrated network is not what it should be; an empty list if it is.

    Parameters
    ----------
    params : Params
    vitals : Vitals
        Of it.
    """
    found = []
    if params.dynamics.code == "heaviside":
        for layer, active in enumerate(vitals.active, 1):
            if not LEAST_ACTIVE <= active <= MOST_ACTIVE:
                found.append(
                    f"{100 * active:.1f} % of hidden layer {layer} are active, not "
                    f"{100 * LEAST_ACTIVE:.0f} to {100 * MOST_ACTIVE:.0f} %: what its neurons "
                    "receive takes no value between"
                )
    if not any(vitals.moved):
        found.append(
            "no nudge moves a hidden neuron: try a greater learning.beta, or more "
            "learning.nudged_sweeps"
        )
    return found


def _choose(params: Params, x: np.ndarray, seed: int) -> dict:
    """Return what is calibrated of section ``dynamics``."""
    d, sign = params.dynamics, params.dynamics.code == "sign"
    model = Model.initial(params, seed)
    received = _received(params, x, seed)
    spread = float(received.std())
    if spread == 0:
        raise InputError(
            "what the hidden neurons receive is the same for all samples: no input bit differs; "
            "try other network.thresholds"
        )
    threshold = None
    if sign:
        gains = [_gain(SIGN_SPREAD * d.v_max / spread)]
        active = received >= 0
    elif d.leaky:
        gains = [_leaky_gain(received, d.output_threshold)]
        active = gains[0] * received >= d.output_threshold
    else:
        level = level_of(received)
        gains = [_gain(d.v_max / 2 / level if level > 0 else d.v_max / 2 / spread)]
        threshold = _threshold(gains[0], level, _below(received, level), d.v_max // 2)
        active = received >= level
    hidden = d.v_max // 2 if threshold is None else threshold
    feedback = []
    for layer in range(1, params.depth):
        below = _dots(model, layer, active)
        if layer == params.depth - 1:
            rms = _rms(below)
            gains.append(_gain(OUTPUT_SUM[d.code] * d.v_max / rms if rms else MOST_GAIN))
        elif sign:
            gains.append(_gain(SIGN_SPREAD * d.v_max / max(1.0, float(below.std()))))
        else:
            level = level_of(below)
            gains.append(_gain(hidden / level) if hidden > 0 and level > 0 else gains[-1])
        if layer == params.depth - 1:
            share = FEEDBACK[d.code] / params.network.copies
        else:
            neurons = params.sizes[layer + 1]
            share = HIDDEN_FEEDBACK / max(1.0, np.sqrt(neurons if sign else ACTIVE * neurons))
        feedback.append(_gain(share * gains[layer - 1] * spread))
        active = gains[layer] * below >= (0 if sign else hidden)
        spread = float(below.std())
    return {
        "gains": gains,
        "feedback_gains": feedback,
        "threshold": threshold,
    }


def _received(params: Params, x: np.ndarray, seed: int) -> np.ndarray:
    """What neurons of layer 1 receive from the input, in units of the gain."""
    unit = 256  # 8-bit pixels count in so small parts of a bit
    plain = params.replace(dynamics={
        "gains": [unit, *params.dynamics.gains[1:]], "threshold": None, "kind": "sweeps",
    })  # fmt: skip
    drive = Model.initial(plain, seed).drive(x).astype(np.int64)
    return (drive + plain.dynamics.hidden_threshold) / unit


def _dots(model: Model, layer: int, bits: np.ndarray) -> np.ndarray:
    """Dot products of the neurons above weight layer ``layer`` with those below it."""
    signs = np.where(model.weights[layer], 1, -1)
    return np.matmul(model.value(bits), signs)


def level_of(received: np.ndarray) -> float:
    """The level that the share :data:`ACTIVE` of values reaches, as nearly as they allow."""
    values, counts = np.unique(received, return_counts=True)
    reached = counts[::-1].cumsum()[::-1] / counts.sum()
    # The least value is reached by all: such a layer would tell nothing.
    best = 1 + int(np.abs(reached[1:] - ACTIVE).argmin()) if len(values) > 1 else 0
    return float(values[best])


def _below(received: np.ndarray, level: float) -> float:
    """The next value below a level."""
    lower = received[received < level]
    return float(lower.max()) if lower.size else level


def _threshold(gain: int, level: float, below: float, usual: int) -> int | None:
    """Threshold halfway between a level and the next value below it; None for the usual one."""
    least, most = gain * below, gain * level
    if least < usual <= most:
        return None
    return int(np.ceil((least + most) / 2))


def _leaky_gain(received: np.ndarray, threshold: int) -> int:
    """The gain at which the share of active neurons comes nearest to :data:`ACTIVE`."""
    level = max(level_of(received), float(np.quantile(np.abs(received), 0.9)) / 2)
    near = _gain(threshold / level)
    tried = range(max(1, near - 2), min(MOST_GAIN, near + 2) + 1)
    return min(tried, key=lambda g: abs(float((g * received >= threshold).mean()) - ACTIVE))


def _gain(value: float) -> int:
    return int(min(max(1, round(value)), MOST_GAIN))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))
