"""Cycle counts, by hand where that can be done; the RTL's tests compare them with simulation.

Constants that the sums below use: a drive engine's first item leaves 5 cycles and a tree's latency
after its word is addressed; the head of a queue is 2 cycles behind its push; an application is
over 5 cycles after its last word; a visit's change is pushed 7 and a tree's latency after its
word; outputs take 4 cycles beside their chunks, a readout 3 beside its classes, a row's flips 6.
"""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles, most_cycles
from popflip.golden.description.params import Params
from popflip.golden.description.random_params import random_params
from popflip.golden.model import Model


def build(network, gains, learning=None, machine=None, **dynamics):
    layers = len(gains)
    return Params.build({
        "network": {"image": [1, 2], "classes": 2, **network},
        "dynamics": {"gains": gains, **dynamics},
        "learning": {"tau": [1] * layers, "nudged_sweeps": 1, **(learning or {})},
        "machine": {
            "row_lanes": 2, "relax_lanes": 2, "latent_lanes": [2] * layers, **(machine or {}),
        },
    })  # fmt: skip


def model(params, *rows):
    """Model with these weights, each -1 or +1, as stored."""
    return Model(params, [np.array(layer) > 0 for layer in rows])


def relax(model, x, label=None):
    labels = None if label is None else np.array([label])
    return model.relax(np.array([x], bool), labels, keep_history=True)


# Words that fit the lanes: one chunk, one step. 2 pixels, 2 hidden neurons, 2 outputs.
TINY = {"hidden": [2]}


# By hand -----------------------------------------------------------------------------------------


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


#: Neuron 1 follows output 0, which neuron 0 turns on: both are undecided.
FOLLOWING = ([[1, 1], [1, -1]], [[1, -1], [1, -1]])


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


#: 3 x 3 pixels, 2 x 2 windows, one neuron each: with 2 lanes its row takes 2 words.
WINDOWS = {"first": "local", "window": 2, "stride": 1, "features": 1, "image": [3, 3]}


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


# Flushes -----------------------------------------------------------------------------------------


def test_flush_tests_every_row_once_the_host_has_written():
    # Weight layer 0: 5 rows of 3 chunks of 2 steps. Layer 1: 5 rows of 2 chunks of 1 step.
    params = build(
        {"hidden": [5], "image": [2, 5], "copies": 2}, [1, 1], {"batch": 9},
        {"row_lanes": 4, "relax_lanes": 2, "latent_lanes": [3, 2]},
    )  # fmt: skip
    clock = CycleModel(params)
    assert clock.touched
    # The first state finds that no sample is left.
    assert clock.flush() == StageCycles(update=1 + 1 + 5 * 3 * 2 + 6 + 2)
    assert not clock.touched
    # Then rows without a mark take one cycle each, and none has one.
    assert clock.flush() == StageCycles(update=1 + 1 + 5 + 6 + 2)
    clock.touched = True
    assert clock.flush().update == 1 + 1 + 30 + 6 + 2


def test_flush_tests_the_rows_that_the_batch_marked():
    params = build(
        {"hidden": [40], "image": [2, 5], "classes": 3}, [60, 70],
        {"batch": 100, "nudged_sweeps": 3},
        {"row_lanes": 4, "relax_lanes": 3, "latent_lanes": [3, 1]},
    )  # fmt: skip
    m = Model.initial(params, 2)
    rng = np.random.default_rng(1)
    clock = CycleModel(params)
    clock.flush()
    seen = set()
    for batch in range(20):
        x, labels = rng.random((2, 10)) < 0.6, rng.integers(0, 3, 2)
        r = m.relax(x, labels, keep_history=True)
        for i in range(2):
            clock.sample(r, i)
        assert clock.pending == 2
        differs = r.plus[0] != r.minus[0]
        above = (r.plus[1] != r.minus[1]).any(-1, keepdims=True)
        marked = (differs.any(0), (differs | (above & (r.plus[0] | r.minus[0]))).any(0))
        scans = [
            40 - marks.sum() + marks.sum() * shape.chunks * shape.steps
            for marks, shape in zip(marked, map(params.synapses, range(2)), strict=True)
        ]
        assert clock.flush().update == 1 + 1 + max(scans) + 6 + 2, f"batch {batch}"
        assert clock.pending == 0
        seen.add(scans[0] > scans[1])
    assert seen == {False, True}, "one layer is never the longer"


def test_flush_comes_with_the_last_sample_of_a_batch():
    learning = {"nudging": "positive", "beta": 4, "nudged_sweeps": 2, "batch": 3}
    params = build(TINY, [100, 260], learning, free_sweeps=4)
    r = relax(model(params, *FOLLOWING), [1, 1], label=1)
    clock = CycleModel(params)
    updates = [clock.sample(r, 0).update for _ in range(6)]
    # Each row is one chunk of one step: marked or not, it takes 1 cycle.
    assert updates == [15, 15, 15 + 11] * 2
    # The machine's batch may be another than the parameters'.
    clock = CycleModel(params, batch=2)
    assert [clock.sample(r, 0).update for _ in range(4)] == [15, 26] * 2
    # Online, rows flip as they learn: only the first sample is followed by a scan.
    clock = CycleModel(params, batch=1)
    assert [clock.sample(r, 0).update for _ in range(3)] == [26, 15, 15]


# What the machine skips ---------------------------------------------------------------------------


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


@pytest.mark.parametrize("seed", range(40))
def test_what_is_skipped_never_matters(seed):
    # The clock raises if a skipped neuron changes: on any network it must not.
    rng = np.random.default_rng(seed)
    params = random_params(rng)
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


# Lanes and bounds ---------------------------------------------------------------------------------


def network(machine, **dynamics):
    return build(
        {"first": "local", "window": 3, "stride": 1, "features": 4, "image": [7, 7], "classes": 5},
        [50, 90], {"nudged_sweeps": 3, "batch": 4}, machine, **dynamics,
    )  # fmt: skip


WIDE = {"row_lanes": 9, "neuron_lanes": 4, "relax_lanes": 5, "latent_lanes": [9, 5]}


def totals(params, relaxation):
    clock, total = CycleModel(params), StageCycles()
    for i in range(len(relaxation.drive)):
        total = total.plus(clock.sample(relaxation, i))
    return total, clock.restarts


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
