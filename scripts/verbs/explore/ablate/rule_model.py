"""The golden model with a learning rule that can be changed, fast enough to train on MNIST.

Activations and products are float32, in which all of these integers are exact, so that NumPy
multiplies with BLAS. The contrasts of a batch are summed before they are added to the latents, so
these saturate once for a batch and not after each sample. With the machine's own rule, and latents
that do not saturate, it is the golden model bit for bit.
"""

from dataclasses import dataclass

import numpy as np

from popflip.golden.description.params import Params
from popflip.golden.model import Model, Report
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState

__all__ = ["Rule", "RuleMachine", "RuleModel"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is changed of the machine's learning rule: nothing if all is left out.

    Parameters
    ----------
    strengths : tuple of int
        Nudge strengths, each with a pair of nudged states whose contrasts are all added; that of
        the network if empty.
    negative : bool
        Whether the free state stands for the plus state: the nudge is away from the target alone.
    rival : bool
        Whether only the outputs of the target and of the strongest other class are nudged.
    random_feedback : bool
        Whether hidden neurons receive the outputs through random signs that do not learn.
    threshold_step : int
        What a hidden neuron's threshold falls by for each batch, times its contrast; 0 if
        thresholds do not learn.
    copy_gains : tuple of int
        What each of the outputs of a class multiplies its gain and its feedback by; 1 if empty.
    output_latent_bits : int, optional
        Width of the output layer's latents; that of the others if None.
    output_tau : int
        What the output layer's flip threshold is multiplied by.
    """

    strengths: tuple[int, ...] = ()
    negative: bool = False
    rival: bool = False
    random_feedback: bool = False
    threshold_step: int = 0
    copy_gains: tuple[int, ...] = ()
    output_latent_bits: int | None = None
    output_tau: int = 1


class RuleModel(Model):
    """A network of one hidden layer that learns by a rule.

    Parameters
    ----------
    params : Params
        With the ``heaviside`` code, sweeps, centered nudging, binary pixels and one hidden layer,
        whose windows are neither pooled nor shared.
    rule : Rule
    weights, latents, sign_seed
        As of the golden model.

    Raises
    ------
    ValueError
        If the network is another one.
    """

    def __init__(self, params: Params, rule: Rule, weights, latents=None, sign_seed: int = 1):
        first, dynamics = params.first_layer, params.dynamics
        plain = (
            params.depth == 2 and dynamics.code == "heaviside" and dynamics.kind == "sweeps"
            and params.learning.nudging == "centered" and not params.learning.hold_nudge
            and params.network.pixel_bits == 1
            and not (first.pooled or first.shared)
        )  # fmt: skip
        if not plain:
            raise InputError(
                "params must have one hidden layer of own windows, heaviside code, binary pixels, "
                "sweeps and centered nudging that is not held"
            )
        if rule.copy_gains and len(rule.copy_gains) != params.network.copies:
            raise InputError(
                f"copy_gains must have {params.network.copies} numbers, one for each copy, "
                f"not {len(rule.copy_gains)}"
            )
        super().__init__(params, weights, latents, sign_seed)
        self.rule = rule
        gains = rule.copy_gains or (1,) * params.network.copies
        self._copy_gains = np.tile(np.array(gains, np.float32), params.network.classes)
        self._thresholds = np.zeros(params.sizes[1], np.int32)
        # One draw for all seeds of the weights would let a lucky one decide.
        rng = np.random.default_rng([sign_seed, 1])
        self._feedback = rng.choice(np.array([-1, 1], np.float32), self._signed[1].shape)
        self._signed = [w.astype(np.float32) for w in self._signed]
        widths = (params.learning.latent_max_of(0), params.learning.latent_max_of(1))
        if rule.output_latent_bits is not None:
            widths = widths[0], (1 << (rule.output_latent_bits - 1)) - 1
        self._latent_max = widths

    def value(self, bits):
        """Activations as float32: 0 and 1."""
        return bits.astype(np.float32)

    def look(self, x):
        """Drive of all neurons, and offset 0."""
        first = self.params.first_layer
        rows = self._signed[0].reshape(first.positions, first.block, first.fan_in)
        dot = np.matmul(self._seen(x), rows.swapaxes(1, 2)).swapaxes(0, 1).reshape(len(x), -1)
        p = self.params.dynamics
        total = (p.gains[0] * dot).astype(np.int32) - p.hidden_threshold - self._thresholds
        return total, np.zeros(dot.shape, np.int64)

    def _seen(self, x):
        """What each position sees: shape (positions, batch, fan_in)."""
        return self.value(x)[:, self.params.first_layer.windows].swapaxes(0, 1)

    def _hidden(self, layer, a, drive):
        gain = self.params.feedback_gain(1)
        weights = self._feedback if self.rule.random_feedback else self._signed[1]
        return drive + gain * np.matmul(self._copy_gains * self.value(a[1]), weights.T)

    def _below(self, layer, a, drive):
        dot = np.matmul(self.value(a[0]), self._signed[1])
        return (self.params.dynamics.gains[1] * self._copy_gains * dot).astype(np.int32)

    def _pairs(self, free, drive, labels):
        """Activations in the nudged states, a pair for each strength."""
        p, rule = self.params, self.rule
        shape = (len(labels), p.network.classes, p.network.copies)
        target = np.arange(p.network.classes) == labels[:, None]
        goal = np.where(target, np.int32(p.dynamics.v_max), np.int32(0))
        pulled = np.ones_like(target)
        if rule.rival:
            votes = np.where(target, -1, free.v.reshape(shape).sum(-1))
            pulled = target | (np.arange(p.network.classes) == votes.argmax(-1)[:, None])
        goal, pulled = (np.repeat(array, p.network.copies, 1) for array in (goal, pulled))

        def nudged(beta):
            def nudge(v):
                return beta * (goal - v) * pulled

            return self._phase(free, drive, p.learning.nudged_sweeps, nudge, None).a

        for beta in rule.strengths or (p.learning.beta,):
            yield free.a if rule.negative else nudged(beta), nudged(-beta)

    def train(self, x, labels, keep_history=False):
        """Learn from samples that fit in the current batch; no history is kept."""
        labels = np.asarray(labels)
        r = self.relax(x)
        seen, changed = self._seen(x).swapaxes(1, 2), 0
        sums = [np.zeros(w.shape, np.float32) for w in self._signed]
        moved = np.zeros(self.params.sizes[1], np.int32)
        for plus, minus in self._pairs(r.free, r.drive, labels):
            (plus, plus_out), (minus, minus_out) = (map(self.value, a) for a in (plus, minus))
            differ = plus - minus
            blocks = differ.reshape(len(x), -1, self.params.first_layer.block).transpose(1, 0, 2)
            sums[0] += np.matmul(seen, blocks).swapaxes(1, 2).reshape(sums[0].shape)
            sums[1] += plus.T @ plus_out - minus.T @ minus_out
            moved += differ.sum(0).astype(np.int32)
            changed += int(np.count_nonzero(differ))
        for l, (total, most) in enumerate(zip(sums, self._latent_max, strict=True)):
            self.latents[l] = np.clip(self.latents[l] + total, -most, most).astype(np.int16)
        self._thresholds -= self.rule.threshold_step * moved
        self.pending += len(x)
        report = Report(len(x), int((r.prediction == labels).sum()), changed, [0] * len(self.tau))
        if self.pending == self.batch:
            report.flips = self.flush()
        return report, r

    def flush(self) -> list[int]:
        """End the batch: flip what is due; return the flips of each weight layer."""
        flips = super().flush()
        self._signed = [w.astype(np.float32, copy=False) for w in self._signed]
        return flips


class RuleMachine(GoldenMachine):
    """A :class:`RuleModel` as a machine.

    Parameters
    ----------
    params : Params
    rule : Rule
    """

    def __init__(self, params: Params, rule: Rule):
        self.rule = rule
        super().__init__(params)

    def write_state(self, state: NetworkState) -> None:
        """Take over weights and latents; thresholds begin anew."""
        self._model = RuleModel(
            self.params, self.rule, state.weights, state.latents, state.sign_state
        )

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        super().set_tau((tau[0], tau[1] * self.rule.output_tau))
