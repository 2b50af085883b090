"""Cycles of the leaky dynamics, by hand.

A pass takes its words, a tree's latency and 7; outputs take 4 beside their chunks; the drive its
words, a tree's latency and 6.
"""

import numpy as np
import pytest

from popflip.golden.cycles.leaky import LeakyRun, step_cycles
from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.cycles.tests.by_hand import TINY, build, model, relax

LEAKY = {"kind": "leaky"}


@pytest.mark.parametrize(
    ("network", "machine", "cycles"),
    [
        # Two neurons, one after the other: 2 words, tree 1, 7; then 1 + 4.
        (TINY, {}, 2 + 1 + 7 + 1 + 4),
        # Side by side: one word.
        (TINY, {"neuron_lanes": 2}, 1 + 1 + 7 + 1 + 4),
        # Rows of two words, outputs one by one.
        (TINY, {"relax_lanes": 1, "latent_lanes": [2, 1]}, 4 + 1 + 7 + 2 + 4),
        # Two layers, whose passes follow each other: 3 groups of 2 neurons, and 2.
        ({"hidden": [5, 3]}, {"neuron_lanes": 2}, (6 + 1 + 7) + (2 + 1 + 7) + 1 + 4),
    ],
    ids=["one-lane", "two-lanes", "chunks", "two-layers"],
)
def test_a_step(network, machine, cycles):
    gains = [100] * (len(network["hidden"]) + 1)
    machine = {"latent_lanes": [2] * len(gains)} | machine
    assert step_cycles(build(network, gains, machine=machine, **LEAKY)) == cycles


@pytest.mark.parametrize(("most", "steps"), [(20, 10), (10, 10), (9, 9), (1, 1)])
def test_a_phase_ends_with_a_step_that_moves_nothing(most, steps):
    # All neurons fall from V, 256, by halves: 133, 71 (for the first two steps the others are
    # active), 35, 17, 8, 4, 2, 1, 0; the tenth step leaves 0.
    params = build(TINY, [100, 5], free_sweeps=most, **LEAKY)
    m = model(params, np.ones((2, 2)), np.ones((2, 2)))
    r = relax(m, [0, 0])
    cycles = CycleModel(params).sample(r, 0)
    # Two states, then 2 words, tree 1 and 6. A phase begins and ends with a cycle; the readout of
    # two classes takes 2 + 3.
    drive = 2 + 2 + 1 + 6
    assert cycles == StageCycles(drive=drive, free=1 + steps * 15 + 1 + (2 + 3))


def test_nudged_phases_begin_anew():
    params = build(TINY, [100, 5], {"nudged_sweeps": 3}, free_sweeps=12, **LEAKY)
    m = model(params, np.ones((2, 2)), np.ones((2, 2)))
    r = relax(m, [0, 0], label=0)
    # At rest at 0, an output is nudged upwards in all three steps; downwards nothing can move.
    assert CycleModel(params).sample(r, 0).nudged == (1 + 3 * 15 + 1) + (1 + 15 + 1)


@pytest.mark.parametrize(
    ("above", "at", "length"),
    [
        # Groups (0, 1), (2, 3), (4): neurons 0, 1 and 4 are active in a nudged state, 4 differs.
        (True, [0, 1, 3], 4),
        (False, [2], 3),
    ],
)
def test_a_group_takes_a_cycle_for_each_contrast(above, at, length):
    params = build({"hidden": [5]}, [100, 5], machine={"neuron_lanes": 2}, **LEAKY)
    m = model(params, np.ones((5, 2)), np.ones((5, 2)))
    run = LeakyRun(params, relax(m, [1, 1], label=0), 0)
    run.plus = [np.array([1, 1, 0, 0, 1], bool), np.ones(2, bool)]
    run.minus = [np.array([1, 1, 0, 0, 0], bool), np.ones(2, bool)]
    scan = run._scan(1, above)
    assert scan.rows.tolist() == ([0, 1, 4] if above else [4])
    assert scan.at.tolist() == at
    assert scan.length == length
    assert scan.differs.tolist() == ([False, False, True] if above else [True])
    # Behind the last group nothing is left.
    assert scan.end(10) == 11


def test_a_scan_without_contrasts_takes_a_cycle_for_each_group():
    params = build({"hidden": [5]}, [100, 5], machine={"neuron_lanes": 2}, **LEAKY)
    m = model(params, np.ones((5, 2)), np.ones((5, 2)))
    run = LeakyRun(params, relax(m, [1, 1], label=0), 0)
    run.plus = run.minus = [np.zeros(5, bool), np.ones(2, bool)]
    scan = run._scan(1, False)
    assert (len(scan.rows), scan.length) == (0, 3)
    # The state that begins the scan, its first cycle, the groups, the last one's end.
    run.plus.append(np.ones(2, bool))
    assert run.learn(None) == 1 + 2 + 3
