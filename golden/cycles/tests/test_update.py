"""Cycles of updates, counted by hand; the RTL's tests compare them with simulation."""

import numpy as np
import pytest

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.cycles.tests.by_hand import FOLLOWING, TINY, WINDOWS, build, model, relax


def test_silent_sample_learned():
    m = model(build(TINY, [100, 5], {"beta": 2}), np.ones((2, 2)), np.ones((2, 2)))
    r = relax(m, [0, 0], label=0)
    assert (r.plus[1].tolist(), r.minus[1].tolist()) == ([[True, False]], [[False, False]])
    clock = CycleModel(m.params)
    # As before in each phase but that the readout runs beside. Before the second nudged phase
    # output 0 toggled: the hidden layer is stale, and a visit without undecided neurons takes 1.
    nudged = (1 + 6 + 1) + (1 + 1 + 6 + 1)
    # One state starts the scan, which has no rows, 1; the last state, 1. The first time the host
    # has written the weights: 1, each of 2 rows in 1 cycle, 6 of latency, 2 states.
    first = (1 + 1) + (1 + 2 + 6 + 2) + 1
    assert clock.sample(r, 0) == StageCycles(10, 1 + 6 + 1, nudged, first)
    assert clock.sample(r, 0) == StageCycles(10, 1 + 6 + 1, nudged, 2 + 1)


def test_neurons_that_learn():
    learning = {"nudging": "positive", "beta": 4, "nudged_sweeps": 2}
    params = build(TINY, [100, 260], learning, free_sweeps=4)
    r = relax(model(params, *FOLLOWING), [1, 1], label=1)
    assert (r.plus[0].tolist(), r.minus[0].tolist()) == ([[False, False]], [[True, True]])
    # The nudge turns output 0 off and 1 on, which turns both neurons off: pushed one after the
    # other, applied one after the other.
    nudged = (1 + 6) + (1 + (2 + 7 + 1 + 2 + 5) + 6) + 1
    # Both rows are accepted, in cycles 2 and 3 of the scan; that of neuron 1 is pushed towards
    # weight layer 0 then, is at the head 2 later, takes 1 and is over after 6 + 1.
    learn = 1 + (3 + 2 + 1 + 6 + 1)
    flush = 1 + 2 + 6 + 2
    assert CycleModel(params).sample(r, 0) == StageCycles(16, 39, nudged, learn + flush + 1)


def test_update_of_a_window_waits_for_its_line():
    learning = {"nudging": "positive", "beta": 1, "nudged_sweeps": 2}
    params = build(WINDOWS, [1000, 260], learning)
    rows = np.full((4, 4), -1)
    rows[2] = [1, 1, -1, -1]
    m = model(params, rows, [[1, -1]] * 4)
    r = relax(m, [1] * 9, label=0)
    # Only the third neuron, the first of the second line of windows, is undecided. The nudge
    # turns output 0 on, and that turns the neuron on.
    assert r.drive.tolist() == [[-4128, -4128, -128, -4128]]
    assert r.plus[0].tolist() == [[False, False, True, False]]
    assert not r.minus[0].any()
    nudged = (1 + 6) + (1 + (1 + 7 + 1 + 2 + 5) + 6) + 1
    # Its row is accepted in cycle 2 and pushed towards weight layer 0, and is at the head 2 later.
    # The scan has its first window by then; one to the second, and one to the third: its line has
    # come meanwhile.
    learn = 1 + (2 + 2 + 1 + 1 + 2 + 6 + 1)
    flush = 1 + 4 * 2 + 6 + 2
    clock = CycleModel(params)
    assert clock.sample(r, 0) == StageCycles(18, 8, nudged, learn + flush + 1)
    assert clock.sample(r, 0) == StageCycles(18, 8, nudged, learn + 1)


@pytest.mark.parametrize(
    ("learning_rows", "reached"),
    [
        # At the queue's head in cycle 4; the first window is there since 3. In cycle 4 it is left:
        # the second is complete in 5 all the same, and the third 2 after that. With 2 more cycles
        # the fourth has to be fetched by itself: from 6 on, when its predecessor is skipped.
        ([0], 4), ([1], 5), ([2], 7), ([3], 9),
        # The first is left in 5, when the second has been complete for some time, and that in 6;
        # the third is then not, and is skipped in 7.
        ([0, 3], 10),
    ],
)  # fmt: skip
def test_update_skips_serial_windows(learning_rows, reached):
    learning = {"nudging": "positive", "beta": 1, "nudged_sweeps": 2}
    machine = {"row_lanes": 4, "serial_windows": True}
    params = build(WINDOWS, [1000, 260], learning, machine)
    rows = np.full((4, 4), -1)
    rows[learning_rows] = [1, 1, -1, -1]
    r = relax(model(params, rows, [[1, -1]] * 4), [1] * 9, label=0)
    nudged = (1 + 6) + (1 + (len(learning_rows) + 7 + 1 + 2 + 5) + 6) + 1
    # A row takes 2 steps, and is over after 6 + 1.
    learn = 1 + (reached + 2 + 6 + 1)
    clock = CycleModel(params)
    clock.touched = False
    # The item of the last window takes a cycle more than nothing.
    drive = 17 + (3 in learning_rows)
    assert clock.sample(r, 0) == StageCycles(drive, 8, nudged, learn + 1)
