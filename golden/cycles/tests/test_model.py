"""Cycles of flushes, counted by hand."""

import numpy as np

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.cycles.tests.by_hand import FOLLOWING, TINY, build, model, relax
from popflip.golden.model import Model


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
