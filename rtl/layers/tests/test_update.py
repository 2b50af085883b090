import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from popflip.golden.description.packing import latents_to_bytes
from popflip.golden.plasticity import accumulate, contrast, flip
from popflip.rtl.layers.synapses import SynapseMemory
from popflip.rtl.layers.tests.test_synapses import (
    check_collisions,
    synapses,
    weight_words,
    words_of,
)
from popflip.rtl.layers.update import UpdateEngine
from popflip.rtl.simulation import simulate

SHAPES = {
    "divides-nothing": synapses(12, 13, 5, 3, 4, 2, 3),
    "last-group-short": synapses(14, 13, 5, 3, 7, 3, 4),
    "last-steps-empty": synapses(6, 6, 5, 1, 6, 2, 3),
    "serial": synapses(5, 7, 4, 2, 5, 1, 4),
    "word-per-row": synapses(9, 11, 11, 1, 9, 4, 8),
    "row-per-cycle": synapses(9, 11, 11, 1, 9, 11, 4),
    "row-per-cycle-banks": synapses(12, 6, 6, 3, 4, 6, 2),
    "smallest": synapses(1, 1, 1, 1, 1, 1, 2),
}


class Bench(wiring.Component):
    """A layer's memories with the engine alone on their ports."""

    def __init__(self, shape, code):
        self.shape = shape
        self.memory = SynapseMemory(shape)
        self.engine = UpdateEngine(shape, code)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self.memory
        m.submodules.engine = self.engine
        weights = self.engine.learner.weights
        wiring.connect(m, weights.read, self.memory.weight_read)
        wiring.connect(m, weights.write, self.memory.weight_write)
        wiring.connect(m, self.engine.latent_read, self.memory.latent_read)
        wiring.connect(m, self.engine.latent_write, self.memory.latent_write)
        return m


class Trial:
    """The engine beside golden: the same rows go to both.

    :meth:`tick` steps the clock, plays the engine's surroundings and logs, by the number of the
    cycle, what the engine does.
    """

    def __init__(self, shape, code, seed):
        self.shape, self.code, self.tau, self.reset = shape, code, 1, False
        self.rng = np.random.default_rng(seed)
        self.dut = Bench(shape, code)
        self.engine = self.dut.engine
        self.latent_max = (1 << (shape.latent_bits - 1)) - 1
        size = shape.rows, shape.row_bits
        self.weights = self.bits(size)
        self.latents = self.rng.integers(-self.latent_max, self.latent_max + 1, size, np.int16)
        self.marked = np.zeros(shape.rows, bool)
        self.flips = 0  # golden's
        self.words = 0  # weight words that golden changed
        self.counted = 0  # the engine's flips
        self.cycle = 0
        self.issues, self.latent_writes, self.weight_writes = [], [], []
        self.busy, self.counts = [], []
        self.waiting = []  # jobs not accepted yet
        self.accepted = []  # the cycles in which jobs were
        self.current = None
        self.patience = 0  # 1: jobs come seldom

    def bits(self, size):
        return self.rng.integers(0, 2, size, dtype=bool)

    @property
    def row_cycles(self):
        return self.shape.row_cycles

    # Golden -------------------------------------------------------------------------------------

    def update(self, rows, immediate):
        """Queue a row each with random nudged states, and do in golden what the engine shall do."""
        for row in rows:
            states = self.bits(2)
            others = self.bits((2, self.shape.row_bits))
            self.waiting.append((int(row), states, others))
            c = contrast(self.code, states[0], others[0], states[1], others[1])
            self.latents[row] = accumulate(self.latents[row], c, self.latent_max)
            self.marked[row] |= not immediate
            if immediate:
                self.flip(row)

    def flip(self, rows):
        before = self.weights.copy()
        self.weights[rows], self.latents[rows], flips = flip(
            self.weights[rows], self.latents[rows], self.tau, self.reset
        )
        self.flips += flips
        starts = np.arange(0, self.shape.row_bits, self.shape.word_bits)
        self.words += np.logical_or.reduceat(before ^ self.weights, starts, axis=1).sum()

    # The machine --------------------------------------------------------------------------------

    def load(self, ctx):
        """Put golden's weights and latents into the memories, and apply the settings."""
        memory, width = self.dut.memory, self.shape.word_bits
        for address, word in enumerate(weight_words(self.shape, self.weights)):
            for bank, bank_memory in enumerate(memory.weights):
                ctx.set(bank_memory.data[address], word >> bank * width & (1 << width) - 1)
        for address, word in enumerate(words_of(latents_to_bytes(self.shape, self.latents))):
            ctx.set(memory.latents[0].data[address], word)
        ctx.set(self.engine.learner.tau, self.tau)
        ctx.set(self.engine.reset_on_flip, self.reset)

    async def configure(self, ctx):
        """Draw new settings; tell the engine if tau fell."""
        old, self.tau = self.tau, int(self.rng.integers(1, min(self.latent_max, 3) + 1))
        self.reset = bool(self.rng.integers(2))
        ctx.set(self.engine.learner.tau, self.tau)
        ctx.set(self.engine.reset_on_flip, self.reset)
        if self.tau < old:
            ctx.set(self.engine.touch, 1)
            await self.tick(ctx)
            ctx.set(self.engine.touch, 0)
            assert ctx.get(self.engine.control.stale)

    def compare(self, ctx, when):
        """Compare every word of the memories, padding included, and what was flipped."""
        memory, shape = self.dut.memory, self.shape
        expected = weight_words(shape, self.weights)
        for address, word in enumerate(expected):
            got = sum(
                ctx.get(bank_memory.data[address]) << bank * shape.word_bits
                for bank, bank_memory in enumerate(memory.weights)
            )
            assert got == word, f"{when}: weight address {address}: {got:#x}, not {word:#x}"
        for address, word in enumerate(words_of(latents_to_bytes(shape, self.latents))):
            got = ctx.get(memory.latents[0].data[address])
            assert got == word, f"{when}: latent address {address}: {got:#x}, not {word:#x}"
        assert self.counted == self.flips, f"{when}: flips"
        assert len(self.weight_writes) == self.words, f"{when}: weight words written"

    async def tick(self, ctx):
        """Offer a job if one waits, step the clock, answer with the partners' bits."""
        e, shape = self.engine, self.shape
        offered = bool(self.waiting) and self.rng.random() >= 0.7 * self.patience
        row, states, _ = self.waiting[0] if offered else (0, self.bits(2), None)
        ctx.set(e.learner.job.valid, offered)
        ctx.set(
            e.learner.job.payload,
            {
                "row": row,
                "row_group": shape.slot(row),
                "bank": shape.bank(row),
                "plus": int(states[0]),
                "minus": int(states[1]),
            },
        )
        check_collisions(ctx, self.dut.memory)
        if not ctx.get(e.latent_read.en):
            ctx.set(e.idle_address, int(self.rng.integers(shape.latent_depth)))
        idle = ctx.get(e.idle_address)
        (
            _,
            _,
            ready,
            chunk,
            issue,
            latent_write,
            weight_write,
            busy,
            flips,
        ) = await ctx.tick().sample(
            e.learner.job.ready,
            e.learner.partners.chunk,
            e.latent_read.en,
            e.latent_write.en,
            e.learner.weights.write.en,
            e.control.busy,
            e.learner.flips,
        )
        self.counted += flips
        for happened, log in (
            (issue, self.issues),
            (latent_write, self.latent_writes),
            (weight_write, self.weight_writes),
            (busy, self.busy),
            (flips, self.counts),
        ):
            if happened:
                log.append(self.cycle)
        if not busy and not (offered and ready) and not ctx.get(e.latent_read.en):
            assert ctx.get(e.latent_read.address) == idle, "an idle engine takes it over"
        # Beyond the end of the row, and where nobody looks, anything may come.
        for port, state in ((e.learner.partners.plus, 0), (e.learner.partners.minus, 1)):
            word = self.bits(shape.word_bits)
            if issue and self.current is not None:
                part = self.current[state][chunk * shape.word_bits :][: shape.word_bits]
                word[: len(part)] = part
            ctx.set(port, sum(int(bit) << i for i, bit in enumerate(word)))
        if offered and ready:
            self.current = self.waiting.pop(0)[2]
            self.accepted.append(self.cycle)
        self.cycle += 1

    async def settle(self, ctx):
        """Step until all jobs are accepted and all is written."""
        await self.tick(ctx)
        while self.waiting or ctx.get(self.engine.control.busy):
            await self.tick(ctx)

    async def flush(self, ctx, touch=False):
        """Flush the engine and golden; check how long it takes. Return the rows tested."""
        e = self.engine
        everything = ctx.get(e.control.stale) or touch
        rows = np.ones_like(self.marked) if everything else self.marked.copy()
        self.flip(rows)
        self.marked[:] = False
        start = self.cycle
        ctx.set(e.control.flush, 1)
        ctx.set(e.touch, touch)
        await self.tick(ctx)
        ctx.set(e.control.flush, 0)
        ctx.set(e.touch, 0)
        assert not ctx.get(e.control.stale), "stale after a flush"
        self.current = None
        await self.settle(ctx)
        tested = int(rows.sum())
        of_groups = np.bincount(self.shape.slot(np.arange(len(rows))), rows).astype(int)
        n = int(np.maximum(1, of_groups * self.row_cycles).sum())
        mine = [cycle - start for cycle in self.busy if cycle >= start]
        assert mine == list(range(1, n + 1 + e.latency + 1)), f"flush of {tested} rows"
        return tested

    def run(self, bench, deadline=20_000):
        """Run a bench that takes the simulator's context."""

        async def loaded(ctx):
            self.load(ctx)
            await bench(ctx)

        simulate(self.dut, loaded, deadline=deadline)


def random_rows(trial):
    """A random set of rows, in random order: some, none or all."""
    share = trial.rng.choice([0, 0.3, 0.7, 1])
    return trial.rng.permutation(np.flatnonzero(trial.rng.random(trial.shape.rows) < share))


@pytest.mark.parametrize("code", ["heaviside", "sign"])
@pytest.mark.parametrize("name", SHAPES)
class TestAgainstGolden:
    """Passes over random rows, full-rate and starved, each with settings of its own."""

    def test_immediate(self, name, code):
        """Rows are tested as they pass; only what was due before needs a flush."""
        trial = Trial(SHAPES[name], code, seed=1)

        async def bench(ctx):
            await trial.flush(ctx, touch=True)
            ctx.set(trial.engine.immediate, 1)
            for number in range(6):
                await trial.configure(ctx)
                if ctx.get(trial.engine.control.stale):
                    await trial.flush(ctx)
                trial.patience = number % 2
                trial.update(random_rows(trial), immediate=True)
                await trial.settle(ctx)
                trial.compare(ctx, f"pass {number}")

        trial.run(bench)

    def test_batches(self, name, code):
        """Rows are marked, some of them several times, and tested by a flush."""
        trial = Trial(SHAPES[name], code, seed=2)

        async def bench(ctx):
            await trial.flush(ctx, touch=True)
            for number in range(6):
                await trial.configure(ctx)
                trial.patience = number % 2
                for _ in range(number % 4):
                    trial.update(random_rows(trial), immediate=False)
                    await trial.settle(ctx)
                trial.compare(ctx, f"batch {number}, before its flush")
                await trial.flush(ctx)
                trial.compare(ctx, f"batch {number}")

        trial.run(bench)


@pytest.mark.parametrize("code", ["heaviside", "sign"])
@pytest.mark.parametrize("name", SHAPES)
def test_rows_that_are_named_again_at_once(name, code):
    """Contrasts of one row, one behind the other: none of them is lost."""
    shape = SHAPES[name]._replace(repeats=True)
    trial = Trial(shape, code, seed=4)

    async def bench(ctx):
        await trial.flush(ctx, touch=True)
        for number in range(6):
            await trial.configure(ctx)
            trial.patience = number % 2
            few = trial.rng.integers(0, shape.rows, 1 + number % 3)
            trial.update(trial.rng.choice(few, 25), immediate=False)
            first = trial.cycle
            await trial.settle(ctx)
            accepted = [cycle for cycle in trial.accepted if cycle >= first]
            gaps = np.diff(accepted)
            assert gaps.min() >= shape.row_cycles
            assert number % 2 or (gaps == shape.row_cycles).all()
            trial.compare(ctx, f"batch {number}, before its flush")
            await trial.flush(ctx)
            trial.compare(ctx, f"batch {number}")

    trial.run(bench)


@pytest.mark.parametrize("name", SHAPES)
def test_cycles(name):
    """Rows without a gap, issue by issue and write by write, as the docstring has it."""
    shape = SHAPES[name]
    trial = Trial(shape, "sign", seed=3)
    n = shape.chunks * shape.steps

    async def bench(ctx):
        ctx.set(trial.engine.immediate, 1)
        # Every synapse is one count short of its flip, and every contrast brings it there.
        trial.weights[:] = False
        trial.latents[:] = 0
        trial.tau = 1
        trial.load(ctx)
        ones, zeros = np.ones(shape.row_bits, bool), np.zeros(shape.row_bits, bool)
        for row in range(shape.rows):
            trial.waiting.append((row, (True, True), (ones, zeros)))
        await trial.settle(ctx)
        trial.weights[:] = True
        trial.latents[:] = 1
        trial.flips = trial.weights.size
        trial.words = shape.rows * shape.chunks
        trial.compare(ctx, "at the end")

    trial.run(bench)
    [a, *_] = trial.accepted
    latency = trial.engine.latency
    issues = range(a + 1, a + 1 + shape.rows * n)
    assert trial.accepted == list(range(a, a + shape.rows * n, n))
    assert trial.issues == list(issues)
    assert trial.latent_writes == [t + latency - 2 for t in issues]
    last_of_chunk = issues[shape.steps - 1 :: shape.steps]
    assert trial.weight_writes == [t + latency - 1 for t in last_of_chunk]
    assert trial.busy == list(range(a + 1, a + shape.rows * n + latency + 1))
    assert trial.counts[-1] <= issues[-1] + latency


def test_saturates():
    """Both rails, from next to them and beyond, without a flip."""
    shape = SHAPES["divides-nothing"]
    trial = Trial(shape, "sign", seed=4)
    states, others = (True, False), np.zeros(shape.row_bits, bool)
    others[::2] = True

    async def bench(ctx):
        trial.weights[:] = others  # Latents move away from the flip.
        trial.latents[:] = 0
        trial.load(ctx)
        for _ in range(trial.latent_max + 2):
            for row in range(shape.rows):
                trial.waiting.append((row, states, (others, others)))
            await trial.settle(ctx)
        trial.latents[:] = np.where(others, trial.latent_max, -trial.latent_max)
        trial.marked[:] = True
        await trial.flush(ctx)
        trial.compare(ctx, "at the rails")

    trial.run(bench)


def test_flush_and_job_exclude_each_other():
    """A flush in the cycle of a job goes first; a flush while the engine is busy does nothing."""
    trial = Trial(SHAPES["word-per-row"], "heaviside", seed=5)
    e = trial.engine

    async def bench(ctx):
        await trial.flush(ctx, touch=True)
        trial.update([3, 5], immediate=False)
        start = trial.cycle
        ctx.set(e.control.flush, 1)
        await trial.tick(ctx)
        ctx.set(e.control.flush, 0)
        await trial.tick(ctx)
        assert not trial.accepted, "accepted beside a flush"
        await trial.settle(ctx)
        # No row was marked when the flush began.
        assert trial.accepted[0] == start + trial.shape.rows + 2
        trial.update([7], immediate=False)
        await trial.tick(ctx)
        ctx.set(e.control.flush, 1)
        await trial.tick(ctx)
        ctx.set(e.control.flush, 0)
        await trial.settle(ctx)
        trial.compare(ctx, "after a flush that must not have happened")
        assert await trial.flush(ctx) == 3
        trial.compare(ctx, "at the end")

    trial.run(bench)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((1, 2), "sign"), TypeError, "shape must be a Synapses, not (1, 2)"),
        (
            (SHAPES["serial"], "ternary"),
            ValueError,
            "code must be 'heaviside' or 'sign', not 'ternary'",
        ),
    ],
)
def test_rejected(arguments, error, message):
    with pytest.raises(error) as caught:
        UpdateEngine(*arguments)
    assert str(caught.value) == message
