"""The fast engine: the golden model's bits, on packed words and all cores.

What :class:`popflip.golden.model.Model` computes as a textbook would, computed as little as
possible: 64 neurons or synapses to a word, products by the processor's population count, the input
product once per sample, afterwards only what has changed. Results are equal bit for bit; nothing
else is promised, so the golden model remains the one to read.

Numba compiles it when it is first called and keeps the result, so that nobody needs a compiler;
LLVM, which it brings, knows every processor's population count and vectors
(:mod:`popflip.golden.engine.lanes`), and releases the interpreter's lock meanwhile.

In memory a synapse takes 1 bit of weight and 1 byte of latent, or 2 with latents of more than 8
bits. Bits of the first layer are kept a second time, with the words of several neurons side by
side; the leaky dynamics keeps those of all other layers a second time, by column. A row is padded
to 64 synapses.

Where work is saved, exactly:

- A window is cut out of the image once, however many positions look at it; shared rows meet it once
  too. What several offsets of a position have in common is looked at once.
- A neuron of layer 1 whose drive is further from its threshold than the feedback can reach, with as
  many neurons of layer 2 active as there are, is not visited in a sweep.
- A sweep or a step that changed nothing ends its phase: so would all that follow.
- The sum that a neuron receives from below is kept, and corrected by those neurons that change.
- 8-bit pixels of 32 samples are summed up at once: what four neighbours amount to, for each way to
  weight them, is tabulated once, and every neuron looks it up.
- Latents change in rows where the two nudged states differ, and only such rows are searched for
  flips.
"""

import logging
import threading

import numpy as np

from popflip.golden.description.lfsr import Lfsr
from popflip.golden.description.params import Params
from popflip.golden.engine import batches
from popflip.golden.engine.compilation import compiling
from popflip.golden.engine.lanes import ABREAST, LANES
from popflip.golden.engine.layout import MINUS, PLUS, layout_of, packed_bits, packed_bytes
from popflip.golden.engine.threads import call_in_chunks, check_threads, most_threads
from popflip.golden.engine.update import count_ones, learn
from popflip.golden.engine.workspace import Synapses, aligned_zeros, workspace_of
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.integers import ceil_div
from popflip.golden.training.state import NetworkState, initial_state

__all__ = ["FastMachine"]

log = logging.getLogger(__name__)


class FastMachine:
    """The fast engine as a machine that :class:`popflip.golden.training.trainer.Trainer` drives.

    Parameters
    ----------
    params : Params
    threads : int, optional
        1 to :func:`most_threads`, which it is if left out. Batches of fewer than 4 samples per
        thread are learned by one.

    Raises
    ------
    ValueError
        If there are fewer threads than asked for.

    Examples
    --------
    It computes what the golden model computes, bit for bit:

    >>> from popflip.golden.training.machine import GoldenMachine
    >>> from popflip.golden.training.state import differences
    >>> params = Params.load("local-small")
    >>> x, labels = np.random.default_rng(1).random((20, params.n_in)) < 0.2, np.arange(20) % 10
    >>> fast, golden = FastMachine(params, threads=1), GoldenMachine(params)
    >>> for machine in (fast, golden):
    ...     machine.load(x, labels)
    >>> fast.train(0, 20, flush=True) == golden.train(0, 20, flush=True)
    True
    >>> differences(fast.read_state(), golden.read_state())
    []
    """

    chunk = 4096

    def __init__(self, params: Params, threads: int | None = None):
        check_threads(threads)
        self.params, self.threads = params, threads or most_threads()
        self._layout = layout_of(params)
        self._workspace = workspace_of(params, self._layout, self.threads)
        with compiling():
            self.write_state(initial_state(params, 1))
            self._compile()

    def _compile(self):
        """Have everything compiled, or fetched if it has been: no samples do it."""
        self.load(np.zeros((1, self.params.n_in), np.uint8), np.zeros(1))
        notice = threading.Timer(2, log.info, ["compiling the fast engine: a minute or two, once"])
        notice.start()
        try:
            self._train(0, 0, False, np.zeros(1, np.int64), 1)
            self._infer(0, 0, np.empty(0, np.int64), 1)
        finally:
            notice.cancel()

    @property
    def training_threads(self) -> int:
        """Threads that learn: a small batch takes longer on several than on one."""
        return self.threads if self.params.learning.batch >= 4 * self.threads else 1

    @property
    def n_bytes(self) -> int:
        """Memory of the synapses."""
        return self._latents.nbytes + sum(array.nbytes for array in self._synapses)

    # State ----------------------------------------------------------------------------------

    def write_state(self, state: NetworkState) -> None:
        """Take over a network."""
        p, layout = self.params, self._layout
        n_words, neurons = int(layout.base[-1]), int(layout.place[-1]) * LANES
        weights = np.zeros(n_words, np.uint64)
        columns = np.zeros(int(layout.columns[-1]), np.uint64)
        narrow = max(p.learning.latent_bits_of(layer) for layer in range(p.depth)) <= 8
        self._latents = aligned_zeros(n_words * LANES, np.int8 if narrow else np.int16)
        for layer in range(p.depth):
            part = slice(layout.base[layer], layout.base[layer + 1])
            weights[part] = packed_bits(state.weights[layer]).reshape(-1)
            if layout.leaky and layer:
                part = slice(layout.columns[layer], layout.columns[layer + 1])
                columns[part] = packed_bits(state.weights[layer].T).reshape(-1)
            rows = self._rows(self._latents, layer)
            rows[:, : p.synapses(layer).row_bits] = state.latents[layer]
        counts = self._workspace.counts.dtype
        self._synapses = Synapses(
            weights,
            self._abreast(weights),
            columns,
            aligned_zeros(neurons, counts),
            aligned_zeros(neurons if layout.leaky else 0, counts),
        )
        count_ones(layout, self._synapses)
        self._dirty = np.ones(int(layout.rows[-1]), bool)
        self._signs = Lfsr(state.sign_state)
        self._pending, self._minus_only = 0, False
        self._tau = p.learning.tau

    def _abreast(self, weights):
        """Lay the words of layer 0 side by side, those of :data:`ABREAST` neurons of a position."""
        layout = self._layout
        words, block, n = int(layout.row_words[0]), layout.block, layout.abreast
        if layout.pixels:
            return np.zeros(0, np.uint64)
        rows = weights[: layout.base[1]].reshape(-1, block, words)
        abreast = aligned_zeros((len(rows), n // ABREAST, words, ABREAST), np.uint64)
        filled = np.zeros((len(rows), n, words), np.uint64)
        filled[:, :block] = rows
        abreast[:] = filled.reshape(len(rows), -1, ABREAST, words).swapaxes(2, 3)
        return abreast.reshape(-1)

    def read_state(self) -> NetworkState:
        """Return the network."""
        p = self.params
        weights, latents = [], []
        for layer in range(p.depth):
            row_bits = p.synapses(layer).row_bits
            packed = self._rows(self._synapses.weights, layer).astype("<u8").view(np.uint8)
            bits = np.unpackbits(packed, axis=-1, bitorder="little", count=row_bits)
            weights.append(bits.view(bool))
            latents.append(self._rows(self._latents, layer)[:, :row_bits].astype(np.int16))
        return NetworkState(weights, latents, self._signs.state)

    def _rows(self, flat, layer):
        """Rows of a weight layer in an array of words, or of the latents of words."""
        base, per_word = self._layout.base, len(flat) // int(self._layout.base[-1])
        part = flat[base[layer] * per_word : base[layer + 1] * per_word]
        return part.reshape(self.params.synapses(layer).rows, -1)

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        if any(new < old for new, old in zip(tau, self._tau, strict=True)):
            # Weights that were not due may be so now, wherever they are.
            self._dirty[:] = True
        self._tau = tau

    # Work -----------------------------------------------------------------------------------

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of."""
        rows = self._layout.lines
        pack = packed_bytes if self._layout.pixels else packed_bits
        self._x = pack(x.reshape(len(x) * rows, -1)).reshape(len(x), -1)
        self._labels = np.asarray(labels, np.int64)

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples."""
        return self.learn(first, count, flush)[0]

    def learn(self, first: int, count: int, flush: bool) -> tuple[Report, np.ndarray]:
        """Learn from ``count`` samples; also return what each was taken for."""
        self._check_range(first, count)
        n_batches = ceil_div(self._pending + count, self.params.learning.batch) if count else 0
        phases = self._draw_phases(n_batches)
        report, predictions = self._train(first, count, flush, phases, self.training_threads)
        if flush and not count and self._pending:
            report.flips = self._flush()
        return report, predictions

    def _train(self, first, count, flush, phases, threads):
        p, batch = self.params, self.params.learning.batch
        predictions = np.empty(count, np.int64)
        totals = np.zeros((self.threads, p.depth + 1), np.int64)
        self._pending = call_in_chunks(
            batches.train, threads,
            self._layout, self._synapses, self._latents, self._dirty, self._workspace, self._x,
            self._labels, first, count, self._pending, batch, np.array(self._tau, np.int64),
            phases, predictions, totals, flush,
        )  # fmt: skip
        correct = int((predictions == self._labels[first : first + count]).sum())
        *flips, changed = totals.sum(0).tolist()
        return Report(count, correct, changed, flips), predictions

    def _check_range(self, first, count):
        # Compiled code would read what lies behind them.
        if not 0 <= first <= first + count <= len(self._x):
            raise InputError(
                f"samples must be among the {len(self._x)} that were loaded, not {first} to "
                f"{first + count}"
            )

    def _flush(self):
        """End a batch; return the flips of each weight layer."""
        totals, tau = np.zeros((1, self.params.depth + 1), np.int64), np.array(self._tau, np.int64)
        learn(
            self._layout, self._synapses, self._latents, self._dirty, self._workspace, self._x,
            0, 0, tau, 0, 1, True, totals,
        )  # fmt: skip
        count_ones(self._layout, self._synapses)
        self._pending = 0
        return totals[0, :-1].tolist()

    def _draw_phases(self, n_batches):
        """Draw the nudged phases of each batch that is begun or continued."""
        nudging = self.params.learning.nudging
        if nudging == "random-sign":
            kept = [self._minus_only] if self._pending else []
            minus_only = kept + [bool(self._signs.draw(1)) for _ in range(n_batches - len(kept))]
            self._minus_only = minus_only[-1] if minus_only else self._minus_only
            return np.array([1 << (MINUS if m else PLUS) for m in minus_only], np.int64)
        both = 1 << PLUS | 1 << MINUS
        return np.full(n_batches, both if nudging == "centered" else 1 << PLUS, np.int64)

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples."""
        self._check_range(first, count)
        predictions = np.empty(count, np.int64)
        self._infer(first, count, predictions, self.threads)
        correct = int((predictions == self._labels[first : first + count]).sum())
        return Report(count, correct, 0, [0] * self.params.depth), predictions

    def _infer(self, first, count, predictions, threads):
        call_in_chunks(
            batches.infer, threads,
            self._layout, self._synapses, self._workspace, self._x, self._labels, first,
            count, predictions,
        )  # fmt: skip
