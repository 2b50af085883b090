"""Cycles of machines that drive the next sample beside the present one."""

import numpy as np
import pytest

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.overlap import ListScan
from popflip.golden.cycles.tests.by_hand import WIDE, network
from popflip.golden.model import Model

LANES = WIDE | {"neuron_lanes": 4}


@pytest.fixture(scope="module")
def params():
    return network(LANES | {"overlap": True})


def test_the_drive_of_the_next_sample_is_hidden(params):
    rng = np.random.default_rng(2)
    m = Model.initial(params, 3)
    relaxation = m.relax(rng.random((6, 49)) < 0.5, keep_history=True)
    clock, alone = CycleModel(params), CycleModel(params)
    rest = 0  # cycles of the sample before, from the end of its drive on
    for i in range(6):
        by_itself = alone.sample(relaxation, i, last=True)
        found = clock.sample(relaxation, i, last=i == 5)
        assert found[1:] == by_itself[1:], "only the drive differs"
        hidden = 1 + max(1, by_itself.drive - 2 - rest)
        assert found.drive == (hidden if i else by_itself.drive)
        rest = found.total - found.drive
    assert clock.restarts == 0


def scan(params, undecided, decided, needed, differs):
    """Scan the lists of 100 neurons in four banks; each argument names some of them."""
    masks = [np.isin(np.arange(100), list(which)) for which in (undecided, decided)]
    jobs = [np.isin(np.arange(100), list(which)) for which in (needed, differs)]
    return ListScan(params, np.arange(100) % 4, *masks, *jobs).run()


def test_neurons_that_need_nothing_cost_a_cycle_each(params):
    empty = scan(params, [], [], [], [])
    # One list of each bank is read, an entry per cycle; banks are read side by side.
    assert scan(params, [0, 1, 2, 3], [], [], []) == scan(params, [0], [], [], [])
    one, two, five = (scan(params, range(0, 4 * n, 4), [], [], []) for n in (1, 2, 5))
    assert empty < one
    assert (two - one, five - two) == (1, 3)
    assert scan(params, range(0, 8, 4), range(8, 20, 4), [], []) > five


def test_a_neuron_that_differs_waits_for_its_window(params):
    # Rows of 5 positions with 4 neurons each: neurons 0 and 80 see the first and the last.
    near, far = scan(params, [0], [], [0], [0]), scan(params, [80], [], [80], [80])
    assert far > near
    # A row that only engine 1 takes needs no window.
    assert scan(params, [], [80], [80], []) == scan(params, [], [0], [0], [])
