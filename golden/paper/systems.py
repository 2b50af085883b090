"""Every system that the paper trains, with its hyper-parameters: one :class:`Row` each.

Laydevant, Ernoult, Querlioz and Grollier, *Training Dynamical Binary Neural Networks with
Equilibrium Propagation*, CVPRW 2021. Where a tuple has an entry per weight layer, the first is that
of the layer next to the input.

Nothing here needs PyTorch.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from popflip.golden.support.errors import InputError

__all__ = ["ROWS", "Conv", "Dense", "Row", "find_row"]


#: The second rule of convolutions and of back-propagation, since 2026-11-30. What was made with the
#: first one does not name it. Fully connected rows with EP have the same rule throughout.
_CONVOLUTION = (
    "was made with the first rule of convolutions (bias after pooling, feedback to where the step "
    "before had pooled), which was not the paper's: train it anew"
)
_BPTT = "was made with gradients through K steps instead of the paper's K + 1: train it anew"


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A layer of neurons that see all of the layer below.

    Parameters
    ----------
    neurons : int
    """

    neurons: int


@dataclass(frozen=True, kw_only=True)
class Conv:
    """A convolution (stride 1) followed by max-pooling.

    Parameters
    ----------
    channels : int
        Of the output.
    kernel, padding : int
        Side of the kernel, and zeros around the input.
    pool : int
        Side of the windows that the greatest is taken of; they do not overlap.
    """

    channels: int
    kernel: int = 5
    padding: int = 2
    pool: int = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """A system: network, dynamics, learning rule and how long it learns.

    Parameters
    ----------
    name : str
        By which the command knows it.
    data : {"mnist", "cifar10"}
    layers : tuple of Dense or Conv
        From the first hidden layer to the output.
    copies : int
        Output neurons of each class; output ``j`` stands for class ``j // copies``.
    dynamics : {"hard-sigmoid", "leaky"}
        Full-precision activations, or binary ones of neurons that leak.
    start : float
        State of every neuron before the first step.
    free_steps, nudged_steps : int
        T and K.
    beta : float
        Strength of the nudge.
    nudging : {"random-sign", "positive", "centered"}
        One nudged phase with a sign of beta that is drawn for each batch, or with plus; or, which
        no system of the paper does, one of either sign, both from the free state.
    frozen_nudge : bool
        Whether the nudge is that of the free phase's end throughout.
    method : {"ep", "bptt"}
        Where gradients come from: Equilibrium Propagation, or back-propagation through the last
        K + 1 of the T steps, K with convolutions. The latter knows no learned scaling factors.
    weights : {"binary", "real"}
    weight_lr : tuple of float
        Learning rates of real weights.
    gamma, tau : tuple of float
        Of binary weights: rate of the average of gradients, and the flip threshold of it.
    flips_at_tau : bool
        Whether an average that is equal to tau flips.
    noisy_average : bool
        Whether the averages start from 2 gamma N(0, 1) rather than 0.
    alpha_factors : tuple of float
        What scaling factors are multiplied by before they are used; 1 in the paper.
    alpha_lr : tuple of float
        Learning rates of the scaling factors; 0 where they are fixed.
    bias_lr : tuple of float
    zero_biases : bool
        Whether biases start from 0 rather than from a uniform draw.
    batch, epochs : int
    reference : str
        Row that the paper compares it with; empty if none.
    claim : str
        What the paper says of it, in our words.
    integer : bool
        Whether the fast engine computes it, in integers: :mod:`popflip.golden.paper.integer`.
    size : {"full", "small"}
        The paper's, or one that two cores finish in hours.
    changed : str
        What of the paper's recipe a small row changes, and why.
    """

    name: str
    data: Literal["mnist", "cifar10"] = "mnist"
    layers: tuple[Dense | Conv, ...]
    copies: int = 1
    dynamics: Literal["hard-sigmoid", "leaky"] = "hard-sigmoid"
    start: float = 0.0
    free_steps: int
    nudged_steps: int = 10
    beta: float
    nudging: Literal["random-sign", "positive", "centered"] = "random-sign"
    frozen_nudge: bool = False
    method: Literal["ep", "bptt"] = "ep"
    weights: Literal["binary", "real"] = "binary"
    weight_lr: tuple[float, ...] = ()
    gamma: tuple[float, ...]
    tau: tuple[float, ...]
    flips_at_tau: bool = False
    noisy_average: bool = False
    alpha_factors: tuple[float, ...] = ()
    alpha_lr: tuple[float, ...] = ()
    bias_lr: tuple[float, ...]
    zero_biases: bool = False
    batch: int = 64
    epochs: int
    reference: str = ""
    claim: str = ""
    integer: bool = False
    size: Literal["full", "small"] = "full"
    changed: str = ""

    def __post_init__(self):
        depth = len(self.layers)
        per_layer = {"gamma": self.gamma, "tau": self.tau, "bias_lr": self.bias_lr}
        if self.weights == "real":
            per_layer["weight_lr"] = self.weight_lr
        for name in ("alpha_factors", "alpha_lr"):
            if values := getattr(self, name):
                per_layer[name] = values
        for name, values in per_layer.items():
            if len(values) != depth:
                raise InputError(f"{name} must have {depth} entries, not {len(values)}")
        if self.method == "bptt" and self.alpha_lr:
            raise InputError("alpha_lr must be empty for method bptt")

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, height and width of the input."""
        return (1, 28, 28) if self.data == "mnist" else (3, 32, 32)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one sample's state in each layer, from the input to the output."""
        shapes: list[tuple[int, ...]] = [self.image]
        for layer in self.layers:
            if isinstance(layer, Conv):
                _, *sides = shapes[-1]
                grown = 2 * layer.padding - layer.kernel + 1
                shapes.append((layer.channels, *((n + grown) // layer.pool for n in sides)))
            else:
                shapes.append((layer.neurons,))
        return tuple(shapes)

    @property
    def network(self) -> str:
        """Sizes of the layers, as the paper writes them."""
        first, *rest = (
            (self.image[0],) if self.convolutional else (math.prod(self.image),),
            *(shape[:1] for shape in self.shapes[1:]),
        )
        sizes = "-".join(str(size) for (size,) in (first, *rest))
        return f"conv {sizes}" if self.convolutional else sizes

    @property
    def convolutional(self) -> bool:
        """Whether there is a convolution in it."""
        return any(isinstance(layer, Conv) for layer in self.layers)

    @property
    def method_name(self) -> str:
        """What is binary in it, and how it learns."""
        if self.weights == "real":
            return "real weights, EP"
        what = "weights and activations" if self.dynamics == "leaky" else "weights"
        scaling = "learned" if self.alpha_lr else "fixed"
        how = "EP in integers" if self.integer else self.method.upper()
        if self.nudging == "centered":
            how += ", nudged both ways"
        if self.frozen_nudge and not self.convolutional:
            how += ", nudge held"
        if self.alpha_factors:
            raised = "doubled" if set(self.alpha_factors) == {1, 2} else "raised"
            scaling = f"{raised} and learned" if self.alpha_lr else raised
        return f"binary {what}, {scaling} scaling, {how}"

    def describe(self) -> dict:
        """All that decides what comes of it, as plain values."""
        names = ("name", "claim", "reference", "integer", "size", "changed")
        return {name: value for name, value in asdict(self).items() if name not in names}

    def recipe(self) -> dict:
        """What results must agree in to be of this row, as JSON knows it.

        Number of the rule, and all parameters but how long it learns.
        """
        # Lists for tuples.
        parameters = json.loads(json.dumps(self.describe()))
        del parameters["epochs"]
        return {"row": self.name, "rule": self._rule()[0], "parameters": parameters}

    def _rule(self) -> tuple[int, str]:
        """Number of the rule, and what is wrong with what an earlier one made."""
        if self.convolutional:
            return 2, _CONVOLUTION
        return (2, _BPTT) if self.method == "bptt" else (1, "")

    def fault(self, told: dict) -> str:
        """What keeps results from being of this row as it is now; empty if nothing.

        Parameters
        ----------
        told : dict
            The :meth:`recipe` that they were made by.
        """
        mine, (rule, reason) = self.recipe(), self._rule()
        if told.get("row") != self.name:
            return f"is of row {told.get('row')}, not {self.name}"
        if told.get("rule", 1) != rule and reason:
            return reason
        # Earlier checkpoints name these two, which decide nothing.
        ignored = {"alpha_decay", "epochs"}
        theirs = told.get("parameters")
        theirs = theirs if isinstance(theirs, dict) else {}
        if {name: v for name, v in theirs.items() if name not in ignored} != mine["parameters"]:
            return f"was made with other parameters of {self.name}"
        return ""


def _downward(*values: float) -> tuple[float, ...]:
    """Order values that are listed from the output to the input, as the paper's tables do."""
    return values[::-1]


# Binary weights, full-precision activations -------------------------------------------------

_FC1 = Row(
    name="fc1", layers=(Dense(neurons=4096), Dense(neurons=10)),
    free_steps=50, beta=0.3, gamma=_downward(1e-5, 1e-4), tau=(5e-7,) * 2,
    bias_lr=_downward(0.025, 0.05), epochs=50,
)  # fmt: skip

_FC2 = Row(
    name="fc2", layers=(Dense(neurons=4096), Dense(neurons=4096), Dense(neurons=10)),
    free_steps=250, beta=0.3, gamma=_downward(5e-6, 2e-5, 2e-5), tau=(5e-7,) * 3,
    bias_lr=_downward(0.025, 0.05, 0.1), epochs=50,
)  # fmt: skip

_CONV = Row(
    name="conv", layers=(Conv(channels=32), Conv(channels=64), Dense(neurons=10)), start=0.5,
    free_steps=150, beta=0.3, gamma=(5e-8,) * 3, tau=(1e-8,) * 3, flips_at_tau=True,
    bias_lr=_downward(0.025, 0.05, 0.1), epochs=50,
)  # fmt: skip

_CIFAR = Row(
    name="cifar", data="cifar10",
    layers=(*(Conv(channels=n) for n in (64, 128, 256, 256)), Dense(neurons=10)), start=0.5,
    free_steps=150, beta=0.3, gamma=(2e-7,) * 5, tau=(1e-8,) * 5, flips_at_tau=True,
    bias_lr=_downward(0.025, 0.05, 0.1, 0.2, 0.4), epochs=500,
)  # fmt: skip

# Binary weights and activations -------------------------------------------------------------

_FULL_FC1 = Row(
    name="full-fc1", layers=(Dense(neurons=8192), Dense(neurons=100)), copies=10,
    dynamics="leaky", start=1.0, free_steps=20, beta=2.0, gamma=(2e-6,) * 2,
    tau=_downward(2.5e-7, 2e-7), bias_lr=(1e-7,) * 2, epochs=100,
)  # fmt: skip

_FULL_FC2 = Row(
    name="full-fc2", layers=(Dense(neurons=8192), Dense(neurons=8192), Dense(neurons=6000)),
    copies=600, dynamics="leaky", start=1.0, free_steps=30, beta=2.0, nudging="positive",
    gamma=(1e-6,) * 3, tau=_downward(2e-8, 1e-8, 5e-8), bias_lr=(1e-6,) * 3, epochs=100,
)  # fmt: skip

_FULL_CONV = Row(
    name="full-conv",
    layers=(*(Conv(channels=n, padding=1, pool=3) for n in (256, 512)), Dense(neurons=700)),
    copies=70, dynamics="leaky", start=1.0, free_steps=100, nudged_steps=50, beta=1.0,
    frozen_nudge=True, gamma=(5e-8,) * 3, tau=_downward(8e-8, 8e-8, 2e-7), flips_at_tau=True,
    noisy_average=True, bias_lr=_downward(2e-6, 5e-6, 1e-5), zero_biases=True, epochs=50,
)  # fmt: skip


# The same at sizes that two cores finish in hours ---------------------------------------------


def _smaller(base: Row, name: str, layers: tuple[Dense | Conv, ...], why="", **changes) -> Row:
    """A row of other layers; what else is changed of the paper's recipe, it says.

    ``why`` is the reason for other settings of learning.
    """
    row = replace(base, name=name, size="small", layers=layers, **changes)
    notes = [f"{row.network} for {base.network}"]
    if row.free_steps != base.free_steps:
        notes.append(f"T {row.free_steps} for {base.free_steps}: to save time")
    if row.nudged_steps != base.nudged_steps:
        notes.append(f"K {row.nudged_steps} for {base.nudged_steps}: to save time")
    settings = []
    if row.alpha_factors:
        settings.append(f"scaling factors times {_listed(row.alpha_factors)}")
    for parameter, called in (("tau", "tau"), ("bias_lr", "rates of biases")):
        mine, theirs = getattr(row, parameter), getattr(base, parameter)
        if mine != theirs:
            factors = [round(new / old, 2) for new, old in zip(mine, theirs, strict=True)]
            settings.append(f"{called} times {_listed(factors)}")
    if settings:
        notes.append(f"{', '.join(settings)}: {why}")
    if row.epochs != base.epochs:
        notes.append(f"{row.epochs} epochs for {base.epochs}: to end within hours")
    return replace(row, changed="; ".join(notes))


def _listed(numbers: Sequence[float]) -> str:
    """Numbers of each layer, from the input to the output; one if all are equal."""
    *first, last = (f"{number:g}" for number in numbers)
    return last if set(first) == {last} else f"{', '.join(first)} and {last}"


def _dense(*neurons: int) -> tuple[Dense, ...]:
    return tuple(Dense(neurons=n) for n in neurons)


def _conv(*channels: int, output: int = 10, **sizes: int) -> tuple[Dense | Conv, ...]:
    convolutions = (Conv(channels=n, **sizes) for n in channels)
    return (*convolutions, Dense(neurons=output))


#: With real activations; each begins a group of three.
_SMALL = (
    _smaller(_FC1, "fc1-small", _dense(512, 10), epochs=20),
    _smaller(_FC2, "fc2-small", _dense(512, 512, 10), free_steps=50, epochs=20),
    _smaller(_CONV, "conv-small", _conv(8, 16), free_steps=100, epochs=5),
    _smaller(_CONV, "conv-medium", _conv(16, 32), free_steps=100, epochs=5),
    _smaller(
        _CIFAR, "cifar-small", _conv(8, 16, 32, 32),
        "some seeds learn nothing, or lose it again, otherwise",
        free_steps=100, tau=(2e-8,) * 5, bias_lr=tuple(rate / 4 for rate in _CIFAR.bias_lr),
        epochs=20,
    ),
)  # fmt: skip

#: With binary activations, and the rows that they are compared with.
_SMALL_FULL = (
    (_smaller(_FULL_FC1, "full-fc1-small", _dense(1024, 100), epochs=20), "fc1-small"),
    (
        _smaller(
            _FULL_FC2, "full-fc2-small", _dense(1024, 1024, 500),
            "its second hidden layer is silent otherwise", copies=50,
            alpha_factors=(4, 1, 2), tau=(4e-7, 2e-7, 1e-6), epochs=10,
        ),
        "fc2-small",
    ),
    (
        _smaller(
            _FULL_CONV, "full-conv-small", _conv(32, 64, output=200, padding=1, pool=3),
            copies=20, free_steps=75, nudged_steps=30, epochs=5,
        ),
        "conv-small",
    ),
)  # fmt: skip

# Rows ---------------------------------------------------------------------------------------

#: Of each network, by the first words of its rows: what its scaling factors learn at.
_ALPHA_LR = {
    "fc1": (1e-4,) * 2,
    "fc2": (1e-2,) * 3,
    "conv": (1e-3,) * 3,
    "cifar": _downward(1e-4, *(1e-2,) * 4),
    "full-fc1": (1e-6,) * 2,
    "full-fc2": (1e-8,) * 3,
    "full-conv": _downward(1e-5, 1e-3, 1e-3),
}

#: Where the paper's rates of real weights were not within our reach, its rates of biases stand in,
#: times a factor: docs/paper.md says which were tried, on which images.
_FLOAT_FACTORS = {
    "fc1": 8, "fc1-small": 8, "fc2-small": 4, "conv-small": 4, "conv-medium": 4, "cifar-small": 4,
}  # fmt: skip

_CLAIMS = {
    "cifar": "1.9 points above",
    "full-fc1": "within 1 point of",
    "full-fc2": "within 1 point of",
}


def _kind(row: Row) -> str:
    """Name of the paper's network that a row is, whatever its size."""
    return row.name.removesuffix("-small").removesuffix("-medium")


def _claimed(row: Row, reference: str) -> Row:
    claim = f"{_CLAIMS.get(_kind(row), 'as good as')} {reference}"
    return replace(row, reference=reference, claim=claim)


def _with_real_activations(row: Row):
    """Yield a network with real weights, and binary ones of fixed and of learned scaling."""
    reference = f"{row.name}-float"
    rates = tuple(_FLOAT_FACTORS.get(row.name, 1) * rate for rate in row.bias_lr)
    yield replace(row, name=reference, weights="real", weight_lr=rates)
    claimed = _claimed(row, reference)
    yield replace(claimed, name=f"{row.name}-binary")
    yield replace(claimed, name=f"{row.name}-learned", alpha_lr=_ALPHA_LR[_kind(row)])


def _with_binary_activations(row: Row, network: str):
    """Yield a fully binary network of fixed and of learned scaling, and its variants.

    Those of the one with a single hidden layer are not in the paper: a nudge that is held, and
    twice the scaling factor of the input.
    """
    row = _claimed(row, f"{network}-float")
    yield row
    yield replace(row, name=f"{row.name}-learned", alpha_lr=_ALPHA_LR[_kind(row)])
    if len(row.layers) == 2:
        yield _ours(row, "held", frozen_nudge=True)
        yield _ours(row, "doubled", alpha_factors=(2, 1))


def _ours(row: Row, how: str, **changes) -> Row:
    """A variant that is not in the paper."""
    return replace(row, name=f"{row.name}-{how}", claim=f"its recipe: {row.claim}", **changes)


def _variants():
    """Yield every row: the paper's at its own sizes, then the small ones."""
    for row in (_FC1, _FC2, _CONV, _CIFAR):
        yield from _with_real_activations(row)
        yield replace(row, name=f"{row.name}-bptt", method="bptt")
    for row, network in ((_FULL_FC1, "fc1"), (_FULL_FC2, "fc2"), (_FULL_CONV, "conv")):
        yield from _with_binary_activations(row, network)
        if row is _FULL_FC1:
            integer = replace(_claimed(row, "fc1-float"), name="full-fc1-integer", integer=True)
            yield integer
            yield _ours(integer, "centered", nudging="centered")
            yield _ours(integer, "held", frozen_nudge=True)
            yield _ours(integer, "doubled", alpha_factors=(2, 1))
    for row in _SMALL:
        yield from _with_real_activations(row)
    for row, network in _SMALL_FULL:
        yield from _with_binary_activations(row, network)


#: All rows by their names.
ROWS = {row.name: row for row in _variants()}


def find_row(name: str) -> Row:
    """Return a row by its name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in ROWS:
        raise InputError(f"row must be one of {', '.join(ROWS)}, not {name!r}")
    return ROWS[name]
