"""One sample explained: what the golden model computes for it, number by number.

:func:`trace` relaxes a sample, keeps every half-sweep of every phase, and says which synapses it
moves. The model that it is asked of stays as it is.
"""

from dataclasses import dataclass

import numpy as np

from popflip.golden.model import Model, Relaxation, State
from popflip.golden.plasticity import flip
from popflip.golden.support.errors import InputError

__all__ = ["Moves", "Phase", "Trace", "trace"]


@dataclass(frozen=True, eq=False)
class Phase:
    """One phase of a sample.

    Attributes
    ----------
    name : {"free", "plus", "minus"}
    states : list of State
        Where the phase starts, then the state after each half-sweep (of a step, with ``leaky``
        dynamics). Arrays have no axis of samples.
    energies : list of int
        Energy of each of these states; see :meth:`Model.energy`.
    """

    name: str
    states: list[State]
    energies: list[int]

    @property
    def settled(self) -> int:
        """Number of the first state that equals all later ones."""
        last = len(self.states) - 1
        while last and _same(self.states[last - 1], self.states[last]):
            last -= 1
        return last


@dataclass(frozen=True, eq=False)
class Moves:
    """Synapses of one weight layer whose latents a sample changes.

    Attributes
    ----------
    rows, bits : ndarray of int, shape (n,)
        Where they are.
    before, after : ndarray of int16, shape (n,)
        Their latents.
    weights : ndarray of bool, shape (n,)
        Their weights before, True for +1.
    flips : ndarray of bool, shape (n,)
        Which of the weights flip, if the batch ends with this sample.
    """

    rows: np.ndarray
    bits: np.ndarray
    before: np.ndarray
    after: np.ndarray
    weights: np.ndarray
    flips: np.ndarray

    def __len__(self):
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Trace:
    """What becomes of one sample.

    Attributes
    ----------
    x : ndarray of bool or uint8, shape (n_in,)
    label : int
    drive : ndarray of int32, shape (n_1,)
        Potential of layer 1 from the input alone, minus its threshold.
    offset : ndarray of int, shape (n_1,)
        Which of its windows each neuron of layer 1 sees.
    undecided : ndarray of bool, shape (n_1,)
        Neurons of layer 1 that the feedback could still change.
    bound : int
        Active neurons of layer 2 that this reckons with.
    phases : list of Phase
        The free phase, then the nudged ones.
    votes : ndarray of int, shape (classes,)
        Summed potential of each class in the free state.
    prediction : int
    differ : list of ndarray of bool, shape (n_l,)
        For layer 1 to the output: neurons that differ between the nudged states.
    moves : list of Moves
        For each weight layer.
    """

    x: np.ndarray
    label: int
    drive: np.ndarray
    offset: np.ndarray
    undecided: np.ndarray
    bound: int
    phases: list[Phase]
    votes: np.ndarray
    prediction: int
    differ: list[np.ndarray]
    moves: list[Moves]


def trace(model: Model, x: np.ndarray, label: int) -> Trace:
    """Explain what learning one sample does; the model stays as it is.

    Parameters
    ----------
    model : Model
    x : ndarray of bool or uint8, shape (n_in,)
        What the network sees.
    label : int

    Returns
    -------
    Trace

    Examples
    --------
    >>> model = Model.initial(Params.load("local-small"), seed=1)
    >>> x = np.random.default_rng(1).random(784) < 0.2
    >>> traced = trace(model, x, 4)
    >>> [phase.name for phase in traced.phases]
    ['free', 'plus', 'minus']
    >>> [len(moves) for moves in traced.moves]  # synapses that it moves, by weight layer
    [2200, 2000]
    >>> int(traced.votes.argmax()) == traced.prediction
    True
    """
    p = model.params
    if np.shape(x) != (p.n_in,):
        raise InputError(f"x must be of shape ({p.n_in},), not {np.shape(x)}")
    if not 0 <= label < p.network.classes:
        raise InputError(f"label must be 0 to {p.network.classes - 1}, not {label}")
    copy = Model(p, model.weights, model.latents, sign_seed=model.signs.state)
    copy.tau = model.tau
    copy.batch = 2  # so that the latents can be seen before the flips
    report, r = copy.train(np.asarray(x)[None], np.array([label]), keep_history=True)
    phases = [
        Phase(name, [_first(state) for state in states], _energies(copy, states, x))
        for name, states in zip(_names(p, r), r.history, strict=True)
    ]
    bound = _bound(model, phases)
    reach = p.feedback_gain(1) * bound
    undecided = (r.drive[0] >= -reach) & (r.drive[0] < reach)
    if p.dynamics.leaky:  # every neuron keeps a potential, and all of them are visited
        undecided = np.ones_like(undecided)
    votes = r.free.v[0].reshape(p.network.classes, p.network.copies).sum(-1)
    assert report.samples == 1
    return Trace(
        np.asarray(x), int(label), r.drive[0], r.offset[0], undecided, bound, phases, votes,
        int(r.prediction[0]),
        [plus[0] != minus[0] for plus, minus in zip(r.plus, r.minus, strict=True)],
        [_moves(model, copy, layer) for layer in range(p.depth)],
    )  # fmt: skip


def _names(params, relaxation: Relaxation) -> list[str]:
    if params.learning.nudging == "centered":
        return ["free", "plus", "minus"]
    return ["free", "plus" if relaxation.minus is relaxation.free.a else "minus"]


def _first(state: State) -> State:
    """Return the state of a batch's only sample."""
    return State([a[0] for a in state.a], state.v[0], [s[0] for s in state.s])


def _energies(model: Model, states, x) -> list[int]:
    return [int(model.energy(state.a, np.asarray(x)[None])[0]) for state in states]


def _same(a: State, b: State) -> bool:
    mine, theirs = [*a.a, a.v, *a.s], [*b.a, b.v, *b.s]
    return all(np.array_equal(m, t) for m, t in zip(mine, theirs, strict=True))


def _bound(model: Model, phases: list[Phase]) -> int:
    """Active neurons of layer 2 that the machine's last attempt at the sample reckons with."""
    bounds = model.params.active_bounds
    if len(bounds) == 1:
        return bounds[0]
    # The state that a phase ends with is seen by the next one, or by none.
    most = max(int(state.a[1].sum()) for phase in phases for state in phase.states[:-1:2])
    return next(bound for bound in bounds if bound >= most)


def _moves(model: Model, learned: Model, layer: int) -> Moves:
    before, after = model.latents[layer], learned.latents[layer]
    flipped, _, _ = flip(
        model.weights[layer], after, learned.tau[layer], model.params.learning.reset_on_flip
    )
    rows, bits = np.nonzero(before != after)
    at = rows, bits
    return Moves(
        rows, bits, before[at], after[at], model.weights[layer][at],
        (flipped != model.weights[layer])[at],
    )  # fmt: skip
