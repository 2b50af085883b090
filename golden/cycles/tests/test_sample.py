"""Cycles of drives and relaxations, by hand where that can be done."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles, most_cycles
from popflip.golden.cycles.tests.by_hand import (
    FOLLOWING,
    TINY,
    WIDE,
    WINDOWS,
    build,
    model,
    network,
    relax,
    totals,
)
from popflip.golden.description.random_params import random_params
from popflip.golden.model import Model


def test_silent_sample():
    # Threshold 128, and no drive: both neurons are further from it than 2 outputs can move them.
    m = model(build(TINY, [100, 5]), np.ones((2, 2)), np.ones((2, 2)))
    r = relax(m, [0, 0])
    cycles = CycleModel(m.params).sample(r, 0)
    # Two states, the sample's and the start pulse's. Window 0 + 1, tree 1, 5: the first group ends
    # in cycle 7, the second in cycle 8.
    drive = 1 + 1 + 8
    # Odd half: nothing is stale, 1. Even half: 1, and the outputs take their one chunk and 4;
    # nothing moved, so the phase ends with 1. Readout of 2 classes: 2 + 3.
    free = 1 + (1 + 1 + 4) + 1 + (2 + 3)
    assert cycles == StageCycles(drive=drive, free=free)
    assert cycles.total == 23


def test_active_neuron_that_is_decided():
    params = build(TINY, [100, 5], free_sweeps=2)
    m = model(params, [[1, 1], [-1, -1]], np.ones((2, 2)))
    r = relax(m, [1, 1])
    assert r.drive.tolist() == [[72, -328]]
    assert r.free.v.tolist() == [[3, 3]]
    # Its item leaves in cycle 7 and is at the queue's head 2 later; applied 5 after that.
    drive = 1 + 1 + (7 + 2 + 5)
    # The potentials move in both sweeps, the hidden layer is never stale.
    free = 2 * (1 + 6) + 1 + (2 + 3)
    assert CycleModel(params).sample(r, 0) == StageCycles(drive=drive, free=free)


def test_neuron_that_feedback_turns_on():
    params = build(TINY, [100, 260], free_sweeps=4)
    r = relax(model(params, *FOLLOWING), [1, 1])
    assert r.drive.tolist() == [[72, -128]]
    assert r.free.a[0].tolist() == [[True, True]]
    # Output 0: 130, then 325, clipped, then it rests: the fourth sweep does not happen.
    # The visit of the second reads 2 words; the change of the second is pushed 7 + 1 later, is at
    # the queue's head 2 after that, and is applied in 5.
    visit = 2 + 7 + 1 + 2 + 5
    free = (1 + 6) + (1 + visit + 6) + (1 + 6) + 1 + (2 + 3)
    assert CycleModel(params).sample(r, 0) == StageCycles(drive=16, free=free)
    assert free == 44


def test_sample_that_exceeds_the_active_bound_starts_again():
    params = build(TINY, [100, 260], free_sweeps=4, active_bound=1)
    m = model(params, FOLLOWING[0], np.ones((2, 2)))
    r = relax(m, [1, 1])
    clock = CycleModel(params)
    # The first sweep turns both outputs on; the second begins with giving up, in 1.
    first = StageCycles(drive=1 + 15, free=(1 + 6) + 1)
    again = StageCycles(drive=15, free=44)
    assert clock.sample(r, 0) == first.plus(again)
    assert clock.restarts == 1
    clock.sample(r, 0)
    assert clock.restarts == 2
    # Without the bound it gets through at once; a sample that stays below it does, too.
    whole = CycleModel(build(TINY, [100, 260], free_sweeps=4))
    assert whole.sample(r, 0) == StageCycles(drive=16, free=44)
    below = relax(model(params, *FOLLOWING), [1, 1])
    assert clock.sample(below, 0) == StageCycles(drive=16, free=44)
    assert (clock.restarts, whole.restarts) == (2, 0)


def test_groups_wait_for_the_items_of_the_one_before():
    # 4 neurons, 2 side by side, all undecided and silent: 4 items, and nothing to apply.
    params = build({"hidden": [4]}, [100, 260], machine={"neuron_lanes": 2})
    r = relax(model(params, np.ones((4, 2)), np.ones((4, 2))), [1, 0])
    assert r.drive.tolist() == [[-28] * 4]
    # The first group's items leave in cycles 7 and 8, the second's in 9 and 10.
    assert CycleModel(params).sample(r, 0).drive == 1 + 1 + 11


def test_local_windows_wait_for_their_lines():
    params = build(WINDOWS, [100, 5])
    r = relax(model(params, np.ones((4, 4)), np.ones((4, 2))), [0] * 9)
    # 2 lines and 1 before the first window, whose second word is 1 later; tree 1, latency 5. Then
    # 2 words for each window; the third line comes meanwhile.
    assert CycleModel(params).sample(r, 0).drive == 1 + 1 + (2 + 1 + 1 + 1 + 5) + 2 + 2 + 2


def test_few_looks_do_not_hide_the_next_lines():
    params = build(WINDOWS | {"image": [5, 2], "stride": 3}, [100, 5])
    r = relax(model(params, np.ones((2, 4)), np.ones((2, 2))), [0] * 10)
    # One window in each of two lines: of the 3 cycles that its lines take 2 are hidden.
    assert CycleModel(params).sample(r, 0).drive == 1 + 1 + (2 + 1 + 1 + 1 + 5) + 2 + 1


@pytest.mark.parametrize(("features", "wait"), [(1, 2), (2, 2), (3, 3)])
def test_serial_windows_take_a_cycle_for_each_line(features, wait):
    # One word for each neuron: as long as there are fewer than 2 the next window is waited for.
    params = build(
        WINDOWS | {"features": features}, [100, 5],
        machine={"row_lanes": 4, "serial_windows": True},
    )  # fmt: skip
    r = relax(model(params, np.ones((4 * features, 4)), np.ones((4 * features, 2))), [0] * 9)
    # 2 lines and 1 before the first window; tree 1, latency 5.
    drive = 1 + 1 + (2 + 1 + 1 + 5) + 3 * wait + features - 1
    assert CycleModel(params).sample(r, 0).drive == drive


def tampered(relaxation, layer, neuron, since):
    """Return a relaxation where a neuron turns in the free phase, from a half-sweep on."""
    states = list(relaxation.history[0])
    for half in range(since, len(states)):
        a = [bits.copy() for bits in states[half].a]
        a[layer - 1][:, neuron] ^= True
        states[half] = replace(states[half], a=a)
    return replace(relaxation, history=[states, *relaxation.history[1:]])


def raises(params, relaxation, message):
    with pytest.raises(AssertionError, match=f"^{re.escape(message)}$"):
        CycleModel(params).sample(relaxation, 0)


def test_a_change_of_a_neuron_that_is_not_visited_is_an_error():
    # Neuron 1 is undecided and visited in the second sweep; neuron 2 is never.
    params = build({"hidden": [3]}, [1000, 260], free_sweeps=4)
    m = model(params, [[1, 1], [1, -1], [-1, -1]], [[1, -1], [1, -1], [1, 1]])
    r = relax(m, [1, 1])
    assert r.drive.tolist() == [[1872, -128, -2128]]
    CycleModel(params).sample(r, 0)
    raises(params, tampered(r, 1, 2, 3), "a neuron that the skip left out has changed")
    raises(params, tampered(r, 1, 0, 3), "a neuron that the skip left out has changed")
    # In the first sweep nothing is visited.
    raises(params, tampered(r, 1, 1, 1), "layer 1 changed though none of its neighbours did")


def test_a_change_of_a_layer_whose_neighbours_rest_is_an_error():
    # Layer 2 follows layer 1 in the first sweep; then only the outputs' potentials still move.
    params = build({"hidden": [2, 2]}, [1000, 200, 20], free_sweeps=4)
    m = model(params, [[1, 1], [1, 1]], np.ones((2, 2)), np.ones((2, 2)))
    r = relax(m, [1, 1])
    assert r.history[0][2].a[1].all()
    assert not r.free.a[2].any()
    CycleModel(params).sample(r, 0)
    raises(params, tampered(r, 2, 1, 4), "layer 2 changed though none of its neighbours did")


@pytest.mark.parametrize("seed", range(60))
def test_what_is_skipped_never_matters(seed):
    # The clock raises if a skipped neuron changes: on any network it must not.
    rng = np.random.default_rng(seed)
    params = random_params(rng, windows=seed >= 40)
    m, clock = Model.initial(params, seed), CycleModel(params)
    m.batch = 1 << 20
    for turn in range(3):
        x = rng.random((8, params.n_in)) < rng.uniform(0.2, 0.8)
        labels = rng.integers(0, params.network.classes, 8)
        _, trained = m.train(x, labels, keep_history=True)
        tested = m.relax(x, keep_history=True)
        for i in range(8):
            restarts = [clock.restarts]
            learned = clock.sample(trained, i)
            restarts.append(clock.restarts)
            inferred = clock.sample(tested, i)
            restarts.append(clock.restarts)
            where = f"{params.name}, turn {turn}, sample {i}"
            assert min(learned) > 0, where
            assert (inferred.nudged, inferred.update) == (0, 0), where
            assert learned.total <= most_cycles(params), where
            if restarts[1] - restarts[0] == restarts[2] - restarts[1]:
                # Nothing began again in a nudged phase: drive and free phase are the same, and
                # inference waits for the readout besides.
                assert inferred.drive == learned.drive, where
                assert inferred.free == learned.free + params.network.classes + 3, where
        m.flush()


@pytest.fixture(scope="module")
def relaxation():
    """Samples of which some turn several outputs on."""
    rng = np.random.default_rng(6)
    m = Model.initial(network(WIDE), 5)
    x, labels = rng.random((24, 49)) < 0.6, rng.integers(0, 5, 24)
    for i in range(0, 24, 4):
        m.train(x[i : i + 4], labels[i : i + 4])
    return m.relax(x, labels, keep_history=True)


@pytest.mark.parametrize(
    ("narrower", "stages"),
    [
        ({"row_lanes": 4}, {"drive", "update"}),
        ({"neuron_lanes": 2}, {"drive"}),
        ({"relax_lanes": 2, "latent_lanes": [9, 2]}, {"drive", "free", "nudged", "update"}),
        ({"latent_lanes": [3, 5]}, {"update"}),
        ({"latent_lanes": [9, 1]}, {"update"}),
    ],
    ids=["row", "neuron", "relax", "latent-0", "latent-1"],
)
def test_narrower_lanes_cost_cycles_where_they_work(relaxation, narrower, stages):
    # Trees of up to 12 bits have one register: only the lanes differ.
    machine = WIDE | narrower
    if "row_lanes" in narrower:
        machine["latent_lanes"] = [4, 5]
    wide, _ = totals(network(WIDE), relaxation)
    narrow, _ = totals(network(machine), relaxation)
    more = {stage for stage in wide._fields if getattr(narrow, stage) > getattr(wide, stage)}
    assert more == stages
    for stage in set(wide._fields) - stages:
        assert getattr(narrow, stage) == getattr(wide, stage), stage


def test_tighter_bound_saves_cycles_until_samples_exceed_it(relaxation):
    bounds = (5, 4, 3, 2, 1)
    counts, restarts = zip(
        *(totals(network(WIDE, active_bound=bound), relaxation) for bound in bounds), strict=True
    )
    assert counts[0] == totals(network(WIDE), relaxation)[0]
    assert relaxation.free.a[-1].sum(-1).max() == 3
    assert restarts[:3] == (0, 0, 0)
    assert 0 < restarts[3] < restarts[4] < 2 * 24
    for looser, tighter in itertools.pairwise(counts[:3]):
        for stage in ("drive", "free", "nudged"):
            assert getattr(tighter, stage) < getattr(looser, stage), stage
    # Beginning again costs more than the bound saves.
    assert counts[4].total > counts[3].total > counts[2].total


def test_phase_that_rests_costs_nothing_more():
    x, labels = np.random.default_rng(6).random((24, 49)) < 0.6, np.arange(24) % 5
    counts = []
    for sweeps in (30, 60):
        params = network(WIDE, free_sweeps=sweeps)
        m = Model.initial(params, 5)
        r = m.relax(x, labels, keep_history=True)
        # It rests: the last two sweeps are alike.
        assert (r.history[0][-1].v == r.history[0][-3].v).all()
        counts.append(totals(params, r)[0])
    assert counts[0] == counts[1]
