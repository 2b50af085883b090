"""What tests of training share: a data set that is learned in a second, and a trainer of it."""

from dataclasses import replace

import numpy as np

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.model import Report
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences
from popflip.golden.training.trainer import Trainer

N, N_TEST = 700, 300


def digits(noise=0.2, seed=1):
    """Four glyphs of 8 x 8 pixels in noise: each pixel is on the wrong side with this chance."""
    rng = np.random.default_rng(seed)
    glyphs = rng.random((4, 8, 8)) < 0.4

    def draw(n):
        labels = rng.integers(0, 4, n).astype(np.uint8)
        on = glyphs[labels] ^ (rng.random((n, 8, 8)) < noise)
        grey = rng.integers(0, 128, on.shape) + 128 * on
        return grey.astype(np.uint8), labels

    return Dataset("glyphs", *draw(N), *draw(N_TEST))


DATA = digits()


DENSE = {"hidden": [24]}


LOCAL = {"first": "local", "window": 4, "stride": 2, "features": 3}


def build(network=DENSE, **learning):
    """Parameters of a tiny network."""
    return Params.build({
        "name": "tiny",
        "network": {"image": [8, 8], "classes": 4, "copies": 4, **network},
        "dynamics": {"gains": [80, 30]},
        # A batch that divides neither the epoch nor 256.
        "learning": {"tau": [6, 4], "batch": 7, **learning},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })


def trainer(params, seed=1, data=DATA, machine=GoldenMachine, **options):
    """Make a trainer."""
    return Trainer(params, data, machine(params), seed=seed, **options)


def timeless(history):
    """Return a history without what depends on the clock."""
    return [replace(log, seconds=0.0, samples_per_s=0.0) for log in history]


def same(a, b):
    """Assert that two trainers stand at the same point, bit for bit."""
    assert differences(a.machine.read_state(), b.machine.read_state()) == []
    assert (a.epoch, a.position) == (b.epoch, b.position)
    assert timeless(a.history) == timeless(b.history)


def stop_at(trainer, phase, done, epoch=1):
    """Make a handler of progress that stops when so many samples are done."""

    def on_progress(progress):
        if (progress.epoch, progress.phase) == (epoch, phase) and progress.done >= done:
            trainer.stop_requested = True

    return on_progress


def resumed(params, path, **options):
    """Make a trainer that goes on from a checkpoint."""
    other = trainer(params, **options)
    other.resume(path)
    return other


class CountingMachine(GoldenMachine):
    """A machine that counts its cycles, as boards do."""

    def write_state(self, state):
        super().write_state(state)
        self._clock = CycleModel(self.params)

    def train(self, first, count, flush):
        total, cycles = Report(flips=[0] * self.params.depth), StageCycles()
        for i in range(first, first + count):
            chunk = slice(i, i + 1)
            report, r = self._model.train(self._x[chunk], self._labels[chunk], keep_history=True)
            total += report
            cycles = cycles.plus(self._clock.sample(r, 0))
        if flush and self._model.pending:
            total += Report(flips=self._model.flush())
            cycles = cycles.plus(self._clock.flush())
        total.cycles = {**cycles._asdict(), "total": cycles.total}
        return total

    def infer(self, first, count):
        report, predictions = super().infer(first, count)
        r = self._model.relax(self._x[first : first + count], keep_history=True)
        total = sum(self._clock.sample(r, i).total for i in range(count))
        report.cycles = {"total": total}
        return report, predictions


def no_space(path):
    """Return the message of a full disk, which names the file and not its scratch copy."""
    return f"{path}: No space left on device"
