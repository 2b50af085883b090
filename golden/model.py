"""The golden model: what the machine must compute, bit for bit.

Plain NumPy on integers and booleans. Layer ``l`` holds activation bits ``a[l]``; weight layer
``l`` joins it to layer ``l + 1``. Weights are stored as the machine stores them
(:class:`popflip.golden.description.layout.Synapses`): layer 0 by its upper neurons, of shape
``(n_1, fan_in)``, every later layer by its lower neurons, of shape ``(n_l, n_(l+1))``.

A neuron of layer 1 looks at one window or, if they are pooled, at several; it takes the greatest
dot product, and learns from the window that had it. Both are fixed while a sample is relaxed, for
its input is clamped. With shared weights several neurons use the same row of weight layer 0; their
contrasts are added to it one after the other (:meth:`Model.train`).

Samples of a batch see the same weights, so the model relaxes them side by side; the leading axis
of every activation is the sample.
"""

from dataclasses import dataclass, field

import numpy as np

from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.golden.plasticity import accumulate, contrast, flip
from popflip.golden.support.errors import InputError

__all__ = ["Model", "Relaxation", "Report", "State"]


@dataclass
class State:
    """Activations and potentials between two half-sweeps.

    Attributes
    ----------
    a : list of ndarray of bool, shape (batch, n_l)
        Activation bits of layers 1 to the output, in that order (``a[0]`` is layer 1).
    v : ndarray of int32, shape (batch, n_out)
        Potentials of the outputs, 0 to V.
    s : list of ndarray of int32
        Potentials of every layer; ``leaky`` dynamics only.
    """

    a: list
    v: np.ndarray
    s: list = field(default_factory=list)


@dataclass
class Relaxation:
    """What came of a batch, before anything was learned.

    Attributes
    ----------
    drive : ndarray of int32, shape (batch, n_1)
        Potential of layer 1 from the input alone, minus the threshold.
    offset : ndarray of int, shape (batch, n_1)
        Which of its windows each neuron of layer 1 sees: all 0 if they are not pooled.
    free : State
        End of the free phase.
    plus, minus : list of ndarray of bool, shape (batch, n_l)
        Activation bits of layers 1 to the output in the two nudged states, whose difference is the
        contrast; empty for inference. With one nudged phase the free state stands for the other.
    prediction : ndarray of int64, shape (batch,)
        Class with the greatest summed potential in the free state, the lowest on a tie.
    history : list of list of State
        States after each half-sweep, phase by phase (``[0]`` of each is where it starts); filled
        on request, for the cycle model.
    """

    drive: np.ndarray
    offset: np.ndarray
    free: State
    plus: list
    minus: list
    prediction: np.ndarray
    history: list


@dataclass
class Report:
    """Totals over the samples of one or several batches.

    Attributes
    ----------
    samples, correct : int
        Samples, and how many of them were predicted rightly.
    changed : int
        Neurons of layer 1 whose activation differed between the nudged states, over all samples.
    flips : list of int
        Weights flipped, by weight layer.
    cycles : dict of int
        Clock cycles by stage and in ``total``; empty where nobody counts them.
    """

    samples: int = 0
    correct: int = 0
    changed: int = 0
    flips: list = field(default_factory=list)
    cycles: dict = field(default_factory=dict)

    @property
    def error(self) -> float:
        """Percent of the samples that were predicted wrongly; 100 if there are none."""
        return 100 * (1 - self.correct / max(1, self.samples))

    def __iadd__(self, other):
        self.samples += other.samples
        self.correct += other.correct
        self.changed += other.changed
        flips = self.flips or [0] * len(other.flips)
        self.flips = [a + b for a, b in zip(flips, other.flips, strict=True)]
        for stage, count in other.cycles.items():
            self.cycles[stage] = self.cycles.get(stage, 0) + count
        return self


class Model:
    """A network with its weights and latents.

    Parameters
    ----------
    params : Params
    weights : list of ndarray of bool, shape (rows, row_bits)
        True for +1, one array per weight layer.
    latents : list of ndarray of int16, shape (rows, row_bits), optional
        Zero if left out.
    sign_seed : int
        State of the generator that draws a sign of nudging per batch (``random-sign``).

    Attributes
    ----------
    tau : tuple of int
        Flip thresholds in force.
    pending : int
        Samples of the current batch whose flips are still due.
    """

    def __init__(self, params: Params, weights, latents=None, sign_seed: int = 1):
        shapes = [params.synapses(layer) for layer in range(params.depth)]
        if latents is None:
            latents = [np.zeros((s.rows, s.row_bits), np.int16) for s in shapes]
        for name, arrays in (("weights", weights), ("latents", latents)):
            if [np.shape(array) for array in arrays] != [(s.rows, s.row_bits) for s in shapes]:
                raise InputError(
                    f"{name} must have shapes {[(s.rows, s.row_bits) for s in shapes]}, "
                    f"not {[np.shape(array) for array in arrays]}"
                )
        self.params = params
        self.weights = [np.array(w, bool) for w in weights]
        self.latents = [np.array(m, np.int16) for m in latents]
        self.tau = params.learning.tau
        self.batch = params.learning.batch
        self.pending = 0
        self.signs = Lfsr(sign_seed)
        self._minus_only = False
        self._signed = [_signed(w) for w in self.weights]

    @classmethod
    def initial(cls, params: Params, seed: int = 1) -> "Model":
        """Weights drawn uniformly from -1 and +1, latents zero."""
        rng = np.random.default_rng(seed)
        shapes = [params.synapses(layer) for layer in range(params.depth)]
        weights = [rng.integers(0, 2, (s.rows, s.row_bits)).astype(bool) for s in shapes]
        # A small seed would be a state that draws zeros for long: mix it first.
        state = int(np.random.SeedSequence(seed).generate_state(1)[0])
        return cls(params, weights, sign_seed=state or 1)

    # Relaxation -----------------------------------------------------------------------------

    def value(self, bits):
        """Activations as integers: {0, 1} or {-1, +1}, by the code."""
        if self.params.dynamics.code == "heaviside":
            return bits.astype(np.int32)
        return _signed(bits)

    def drive(self, x):
        """Potential of layer 1 from the clamped input, minus its threshold.

        Parameters
        ----------
        x : ndarray of bool, shape (batch, n_in)
            Of uint8 for 8-bit pixels, here and wherever samples are taken.

        Returns
        -------
        ndarray of int32, shape (batch, n_1)
        """
        return self.look(x)[0]

    def look(self, x):
        """Drive, and which of its windows each neuron of layer 1 sees.

        A neuron takes the greatest of its windows' dot products: on a tie that of the lowest
        offset.

        Parameters
        ----------
        x : ndarray of bool, shape (batch, n_in)

        Returns
        -------
        drive : ndarray of int32, shape (batch, n_1)
        offset : ndarray of int64, shape (batch, n_1)
        """
        p, first = self.params, self.params.first_layer
        pixels = p.network.pixel_bits == 8
        # Sums of pixels times a gain may need more than 32 bits.
        x = x.astype(np.int64) if pixels else self.value(x)
        weights = self._signed[0][first.row_of(np.arange(first.neurons))]
        rows = weights.reshape(first.positions, first.block, first.fan_in).swapaxes(1, 2)
        greatest = offset = np.zeros((len(x), first.neurons), np.int64)
        for number, windows in enumerate(first.pooled_windows):
            dot = np.matmul(x[:, windows].swapaxes(0, 1), rows).swapaxes(0, 1)
            dot = dot.reshape(len(x), -1)
            greater = (dot > greatest) | (number == 0)
            greatest = np.where(greater, dot, greatest)
            offset = np.where(greater, number, offset)
        total = p.dynamics.gains[0] * greatest
        if pixels:
            total = total >> 8
        return total.astype(np.int32) - p.dynamics.hidden_threshold, offset

    def start(self, batch: int) -> State:
        """State before the first step.

        Every hidden neuron is silent and every output at ``v0``; with ``leaky`` dynamics every
        neuron is active, at ``v_max``, as in the paper's code.
        """
        p = self.params
        if p.dynamics.kind == "leaky":
            s = [np.full((batch, n), p.dynamics.v_max, np.int32) for n in p.sizes[1:]]
            return State([np.ones((batch, n), bool) for n in p.sizes[1:]], s[-1], s)
        v = np.full((batch, p.n_out), p.dynamics.v0, np.int32)
        hidden = [np.zeros((batch, n), bool) for n in p.sizes[1:-1]]
        return State([*hidden, v >= p.dynamics.output_threshold], v)

    def sweep(self, state: State, drive, nudge=None):
        """One sweep: the odd layers from their neighbours, then the even layers.

        Parameters
        ----------
        state : State
        drive : ndarray of int32, shape (batch, n_1)
        nudge : callable, optional
            ``nudge(v)`` is added to the potential of the outputs; none in the free phase.

        Yields
        ------
        State
            After each of the two halves.
        """
        for parity in (1, 0):
            a, v = list(state.a), state.v
            for layer in range(1, self.params.depth + 1):
                if layer % 2 != parity:
                    continue
                if layer < self.params.depth:
                    a[layer - 1] = self._hidden(layer, state.a, drive) >= 0
                else:
                    v = self._output(state, nudge)
                    a[layer - 1] = v >= self.params.dynamics.output_threshold
            state = State(a, v)
            yield state

    def _below(self, layer, a, drive):
        """What layer ``layer`` receives from below, minus its threshold."""
        if layer == 1:
            return drive
        p = self.params.dynamics
        dot = np.matmul(self.value(a[layer - 2]), self._signed[layer - 1])
        threshold = p.hidden_threshold if layer < self.params.depth else 0
        return p.gains[layer - 1] * dot - threshold

    def _hidden(self, layer, a, drive):
        """Potential minus threshold of hidden layer ``layer``."""
        above = np.matmul(self.value(a[layer]), self._signed[layer].T)
        return self._below(layer, a, drive) + self.params.feedback_gain(layer) * above

    def _output(self, state, nudge):
        """New potentials of the outputs."""
        total = state.v + self._below(self.params.depth, state.a, None)
        if nudge is not None:
            total = total + nudge(state.v)
        return np.minimum(np.maximum(total >> 1, 0), self.params.dynamics.v_max)

    def _leaky_step(self, state: State, drive, nudge=None):
        """One synchronous step of the paper's dynamics: every layer at once."""
        p = self.params
        s = []
        for layer in range(1, p.depth + 1):
            if layer < p.depth:
                # The leaky threshold is V / 2 on the state, not a term of the sum.
                total = self._hidden(layer, state.a, drive) + p.dynamics.hidden_threshold
            else:
                total = self._below(layer, state.a, drive)
                if nudge is not None:
                    total = total + nudge(state.s[-1])
            s.append(np.clip((state.s[layer - 1] + total) >> 1, 0, p.dynamics.v_max))
        yield State([x >= p.dynamics.v_max // 2 for x in s], s[-1], s)

    def _phase(self, state, drive, sweeps, nudge, history):
        """Run ``sweeps`` sweeps from ``state``; return the last state."""
        step = self.sweep if self.params.dynamics.kind == "sweeps" else self._leaky_step
        states = [state]
        for _ in range(sweeps):
            states += step(state, drive, nudge)
            state = states[-1]
        if history is not None:
            history.append(states)
        return state

    def relax(self, x, labels=None, keep_history=False) -> Relaxation:
        """Settle a batch: the free phase and, with labels, the nudged phases.

        Parameters
        ----------
        x : ndarray of bool, shape (batch, n_in)
        labels : ndarray of int, shape (batch,), optional
            Classes; without them the batch is only predicted.
        keep_history : bool
            Keep every half-sweep's state in the result.

        Returns
        -------
        Relaxation

        Examples
        --------
        >>> model = Model.initial(Params.load("local-small"), seed=1)
        >>> x = np.random.default_rng(1).random((3, 784)) < 0.2
        >>> relaxed = model.relax(x, labels=np.array([4, 0, 7]))
        >>> relaxed.free.a[0].shape, relaxed.prediction.shape
        ((3, 490), (3,))
        >>> (relaxed.plus[-1] != relaxed.minus[-1]).any(axis=1)  # the nudge moved outputs
        array([ True,  True,  True])
        """
        p = self.params
        history: list | None = [] if keep_history else None
        drive, offset = self.look(x)
        free = self._phase(self.start(len(x)), drive, p.dynamics.free_sweeps, None, history)
        votes = free.v.reshape(len(x), p.network.classes, p.network.copies).sum(-1)
        plus, minus = [], []
        if labels is not None:
            plus, minus = self._nudged_states(free, drive, labels, history)
        return Relaxation(drive, offset, free, plus, minus, votes.argmax(-1), history or [])

    def _nudged_states(self, free, drive, labels, history):
        """Activations in the nudged states, plus and minus."""
        p = self.params
        target = np.arange(p.n_out) // p.network.copies == np.asarray(labels)[:, None]
        goal = np.where(target, np.int32(p.dynamics.v_max), np.int32(0))

        def nudged(beta):
            def nudge(v):
                return beta * (goal - (free.v if p.learning.hold_nudge else v))

            return self._phase(free, drive, p.learning.nudged_sweeps, nudge, history).a

        beta = p.learning.beta
        if p.learning.nudging == "centered":
            return nudged(beta), nudged(-beta)
        if p.learning.nudging == "positive" or not self._minus_only:
            return nudged(beta), free.a
        return free.a, nudged(-beta)

    # Learning -------------------------------------------------------------------------------

    def train(self, x, labels, keep_history=False):
        """Learn from samples that fit in the current batch.

        Contrasts are added to latents one at a time, and each addition saturates: sample after
        sample, and in a sample neuron after neuron, ascending. So if several neurons of a sample
        use the same row, since weights are shared, that of the first position comes first. Weights
        flip behind the last sample of the batch, and not before.

        Parameters
        ----------
        x : ndarray of bool, shape (n, n_in)
            ``n`` is at most ``batch - pending``.
        labels : ndarray of int, shape (n,)

        Returns
        -------
        Report, Relaxation
        """
        if len(x) > self.batch - self.pending:
            raise InputError(
                f"x must have at most {self.batch - self.pending} samples, the rest of the "
                f"batch, not {len(x)}"
            )
        if self.pending == 0 and self.params.learning.nudging == "random-sign":
            self._minus_only = bool(self.signs.draw(1))
        r = self.relax(x, labels, keep_history)
        changed = 0
        for i in range(len(x)):
            plus, minus = [a[i] for a in r.plus], [a[i] for a in r.minus]
            changed += self._learn(x[i], r.offset[i], plus, minus)
        self.pending += len(x)
        report = Report(len(x), int((r.prediction == labels).sum()), changed, [0] * len(self.tau))
        if self.pending == self.batch:
            report.flips = self.flush()
        return report, r

    def _learn(self, x, offset, plus, minus):
        """Add one sample's contrast to the latents; return the neurons of layer 1 that differ."""
        p, first = self.params, self.params.first_layer
        code, limits = p.dynamics.code, [p.learning.latent_max_of(l) for l in range(p.depth)]
        # A neuron that is the same in both states has no contrast: its input is clamped.
        differ = np.flatnonzero(plus[0] != minus[0])
        for neurons in first.turns(differ):
            rows = first.row_of(neurons)
            seen = x[first.input_bits(neurons, offset[neurons])]
            if p.network.pixel_bits == 8:
                step = plus[0][neurons].astype(np.int16) - minus[0][neurons]
                c = step[:, None] * seen
            else:
                c = contrast(code, plus[0][neurons, None], seen, minus[0][neurons, None], seen)
            self.latents[0][rows] = accumulate(self.latents[0][rows], c, limits[0])
        for layer in range(1, p.depth):
            i, j = layer - 1, layer
            # Nor has that of a neuron that is silent in both.
            lower = np.flatnonzero(plus[i] | minus[i] | (code == "sign"))
            c = contrast(code, plus[i][lower, None], plus[j], minus[i][lower, None], minus[j])
            self.latents[layer][lower] = accumulate(self.latents[layer][lower], c, limits[layer])
        return len(differ)

    def flush(self) -> list[int]:
        """End the batch: flip what is due; return the flips of each weight layer."""
        counts = []
        for layer, tau in enumerate(self.tau):
            self.weights[layer], self.latents[layer], count = flip(
                self.weights[layer],
                self.latents[layer],
                tau,
                self.params.learning.reset_on_flip,
            )
            if count:
                self._signed[layer] = _signed(self.weights[layer])
            counts.append(count)
        self.pending = 0
        return counts

    def energy(self, a, x):
        """Energy whose descent the hidden halves of a sweep are, without the outputs' own terms.

        ``E = -sum_l gain_l value(a_(l+1)) . w_l value(a_l) + threshold * sum value(a_hidden)``.

        Parameters
        ----------
        a : list of ndarray of bool, shape (batch, n_l)
        x : ndarray of bool, shape (batch, n_in)

        Returns
        -------
        ndarray of int64, shape (batch,)
        """
        total = -(self.drive(x).astype(np.int64) * self.value(a[0])).sum(-1)
        for layer in range(2, self.params.depth + 1):
            pull = self._below(layer, a, None).astype(np.int64)
            total -= (pull * self.value(a[layer - 1])).sum(-1)
        return total


def _signed(bits):
    """Bits as -1 and +1."""
    return np.where(bits, np.int32(1), np.int32(-1))
