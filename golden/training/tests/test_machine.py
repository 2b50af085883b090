"""The golden model as a machine."""

import numpy as np
import pytest

from popflip.golden.datasets.encoding import encode
from popflip.golden.model import Report
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import differences
from popflip.golden.training.tests.glyphs import DATA, build, trainer


def test_read_state_is_a_copy():
    t = trainer(build())
    before = t.machine.read_state()
    kept = [array.copy() for array in before.weights + before.latents]
    t.run(1)
    for old, now in zip(kept, before.weights + before.latents, strict=True):
        np.testing.assert_array_equal(old, now)
    # Nor does writing to it reach the machine.
    taken, again = t.machine.read_state(), t.machine.read_state()
    for array in taken.weights + taken.latents:
        array[:] = 1
    assert differences(t.machine.read_state(), again) == []
    assert len(differences(taken, again)) == 4


@pytest.mark.parametrize("parts", [(50,), (7, 43), (20, 0, 30)])
def test_samples_may_come_in_parts(parts):
    params = build()
    x, labels = encode(DATA.train_images, params.network.thresholds), DATA.train_labels
    whole, machine = GoldenMachine(params), GoldenMachine(params)
    for each in (whole, machine):
        each.load(x, labels)
    first, total = 0, Report(flips=[0, 0])
    for count in parts:
        total += machine.train(first, count, flush=False)
        first += count
    total += machine.train(first, 0, flush=True)
    assert total == whole.train(0, 50, flush=True)
    assert not differences(machine.read_state(), whole.read_state())
    report, predictions = machine.infer(3, 100)
    assert report.samples == len(predictions) == 100
    assert report.correct == (predictions == labels[3:103]).sum()


def test_flip_thresholds_are_those_set():
    params = build()
    machine = GoldenMachine(params)
    machine.load(encode(DATA.train_images, params.network.thresholds), DATA.train_labels)
    machine.set_tau((127, 127))
    assert machine.train(0, 50, True).flips == [0, 0]
    machine.set_tau((1, 1))
    assert all(machine.train(50, 50, True).flips)
