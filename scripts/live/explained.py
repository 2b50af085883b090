"""One sample in words and numbers: what golden's trace of it says, for a page."""

from dataclasses import dataclass

import numpy as np

from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Model, State
from popflip.golden.trace import Phase, Trace, trace
from popflip.scripts.live.pictures import contrast_picture, neuron_picture
from popflip.scripts.live.witness import Snapshot

__all__ = [
    "MOVES",
    "PHASES",
    "Contrast",
    "SweepView",
    "contrast_of",
    "facts",
    "moves_table",
    "neuron_text",
    "sweep_views",
    "trace_of",
]

#: What phases are called.
PHASES = {
    "free": "free phase",
    "plus": "nudged towards the label",
    "minus": "nudged away from the label",
}

#: What stands above the columns of :func:`moves_table`.
MOVES = ("layer", "row", "bit", "weight", "contrast", "latent before", "after", "weight flips")


@dataclass(frozen=True)
class SweepView:
    """A phase after one of its sweeps.

    Attributes
    ----------
    phase : str
    sweep, sweeps : int
        0 is where it starts.
    votes : list of int
        Summed potential of each class.
    hidden : str
        A picture of layer 1.
    active, toggled : int
        Neurons of layer 1 that are active, and that are not as in the sweep before.
    energy : int
    settled : bool
        Whether nothing changes any more.
    """

    phase: str
    sweep: int
    sweeps: int
    votes: list[int]
    hidden: str
    active: int
    toggled: int
    energy: int
    settled: bool


def trace_of(params: Params, snapshot: Snapshot, image: np.ndarray, label: int) -> Trace:
    """Explain an image, as a network would learn it now."""
    state = snapshot.state
    model = Model(params, state.weights, state.latents, sign_seed=state.sign_state)
    model.tau = params.learning.tau_in_epoch(snapshot.place[0])
    return trace(model, input_of(params.network, image), label)


def sweep_views(params: Params, traced: Trace) -> list[SweepView]:
    """Return all sweeps of all phases, in their order."""
    return [view for phase in traced.phases for view in _views(params, traced, phase)]


def _views(params: Params, traced: Trace, phase: Phase) -> list[SweepView]:
    halves = 1 if params.dynamics.leaky else 2
    views, network = [], params.network
    for number, state in enumerate(phase.states[::halves]):
        before = phase.states[max(0, (number - 1) * halves)]
        views.append(
            SweepView(
                phase.name, number, (len(phase.states) - 1) // halves,
                state.v.reshape(network.classes, network.copies).sum(-1).tolist(),
                neuron_picture(params, state.a[0], traced.undecided),
                int(state.a[0].sum()), int((state.a[0] != before.a[0]).sum()),
                phase.energies[number * halves], number * halves >= phase.settled,
            )
        )  # fmt: skip
    return views


@dataclass(frozen=True)
class Contrast:
    """What differs between the two nudged states; learning sees nothing else.

    Attributes
    ----------
    hidden : str
        A picture of layer 1.
    towards, away : list of int
        Active outputs of each class in the two states.
    text : str
    """

    hidden: str
    towards: list[int]
    away: list[int]
    text: str


def _nudged(traced: Trace) -> tuple[State, State]:
    """Return the states that learning compares; the free one where there is only one nudge."""
    last = {phase.name: phase.states[-1] for phase in traced.phases}
    return last.get("plus", last["free"]), last.get("minus", last["free"])


def contrast_of(params: Params, traced: Trace) -> Contrast:
    """Return what differs between the two nudged states."""
    plus, minus = _nudged(traced)
    network = params.network
    towards, away = (
        state.a[-1].reshape(network.classes, network.copies).sum(-1).tolist()
        for state in (plus, minus)
    )
    hidden, outputs = int(traced.differ[0].sum()), int(traced.differ[-1].sum())
    does = "are active together" if params.dynamics.code == "heaviside" else "agree"
    text = (
        f"{hidden:,} of {len(traced.drive):,} hidden neurons and {outputs:,} of "
        f"{network.classes * network.copies:,} outputs differ. The latent of a weight counts up "
        f"where its two neurons {does} only when nudged towards the label, and down where only "
        "when nudged away from it. All other weights stay as they are."
    )
    return Contrast(contrast_picture(params, plus.a[0], minus.a[0]), towards, away, text)


def neuron_text(traced: Trace, neuron: int) -> str:
    """Return what becomes of a neuron of layer 1."""
    told = [f"hidden neuron {neuron}: drive {traced.drive[neuron]:,}"]
    told.append("undecided" if traced.undecided[neuron] else "decided by the input alone")
    told += [
        f"{'active' if phase.states[-1].a[0][neuron] else 'silent'} in the end of the free phase"
        if phase.name == "free"
        else f"{'active' if phase.states[-1].a[0][neuron] else 'silent'} {PHASES[phase.name]}"
        for phase in traced.phases
    ]
    return ", ".join(told)


def facts(params: Params, traced: Trace, classes: list[str]) -> list[tuple[str, str]]:
    """Return what there is to say of a sample, as names and values."""
    n, lit = len(traced.drive), int(np.count_nonzero(traced.x))
    undecided = int(traced.undecided.sum())
    told = [
        ("label", classes[traced.label]),
        ("prediction", classes[traced.prediction]),
        ("input", f"{lit:,} of {len(traced.x):,} bits are 1"),
        (
            "drive",
            f"{traced.drive.min():,} to {traced.drive.max():,}: what the input says to each hidden "
            "neuron, minus its threshold",
        ),
        (
            "undecided neurons",
            f"{undecided:,} of {n:,}: the outputs can still change these, and the hardware visits "
            "no others",
        ),
    ]
    for number, differ in enumerate(traced.differ, 1):
        name = "outputs" if number == params.depth else f"neurons of layer {number}"
        told.append((f"{name} that differ", f"{int(differ.sum()):,} between the nudged states"))
    for layer, moves in enumerate(traced.moves):
        up = int((moves.after > moves.before).sum())
        told.append((
            f"weight layer {layer}",
            f"{len(moves):,} latents move: {up:,} up, {len(moves) - up:,} down; "
            f"{int(moves.flips.sum()):,} weights flip",
        ))
    return told


def moves_table(traced: Trace, most: int = 12) -> list[dict]:
    """Return synapses that a sample moves, those whose weights flip first."""
    rows = []
    for layer, moves in enumerate(traced.moves):
        order = np.argsort(~moves.flips, kind="stable")[:most]
        for at in order.tolist():
            rows.append({
                "layer": layer,
                "row": int(moves.rows[at]),
                "bit": int(moves.bits[at]),
                "weight": "+1" if moves.weights[at] else "\N{MINUS SIGN}1",
                "contrast": f"{int(moves.after[at]) - int(moves.before[at]):+d}".replace(
                    "-", "\N{MINUS SIGN}"
                ),
                "before": int(moves.before[at]),
                "after": int(moves.after[at]),
                "flips": "flips" if moves.flips[at] else "",
            })
    return rows
