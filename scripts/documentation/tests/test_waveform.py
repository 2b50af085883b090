"""The waveform of the documentation is what simulation gives, and what the formulas predict."""

import json
from itertools import pairwise

import numpy as np
import pytest

from popflip.golden.model import Model
from popflip.scripts.documentation.waveform import (
    SEED,
    TINY,
    predicted_cycles,
    samples,
    simulate_sample,
    stage_table,
    wavejson,
)


@pytest.fixture(scope="module")
def trace():
    return simulate_sample()


def test_stages_take_the_cycles_that_the_formulas_predict(trace):
    wanted = predicted_cycles()
    counted = {stage: trace.stages.count(stage) for stage in set(trace.stages)}
    # The cycle in which a sample is found counts as driving, the one behind its update as update.
    assert counted["drive"] + 1 == wanted.drive
    assert counted["free"] == wanted.free
    assert counted["nudged +"] + counted["nudged -"] == wanted.nudged
    assert counted["update"] + 1 == wanted.update


def test_weights_are_those_of_the_golden_model(trace):
    model = Model.initial(TINY, SEED)
    x, labels = samples()
    model.train(x[:1], labels[:1])
    for wanted, found in zip(model.weights, trace.before, strict=True):
        np.testing.assert_array_equal(found, wanted)
    model.train(x[1:], labels[1:])
    for wanted, found in zip(model.weights, trace.after, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_something_flips_in_each_layer_and_is_drawn(trace):
    for layer in range(TINY.depth):
        assert (trace.before[layer] != trace.after[layer]).any()
        assert any(row is not None for row in trace.lanes[f"weight_write {layer}"])


def test_the_drawing_has_a_symbol_for_every_cycle(trace):
    def lanes(signals):
        for one in signals:
            if isinstance(one, dict):
                yield one
            else:
                yield from lanes(one[1:])

    drawn = list(lanes(json.loads(json.dumps(wavejson(trace)))["signal"]))
    assert len(drawn) > 8
    for lane in drawn:
        assert len(lane["wave"]) == len(trace.stages)
        if "data" in lane:
            assert sum(symbol in "=345" for symbol in lane["wave"]) == len(lane["data"])


def test_the_table_covers_every_cycle(trace):
    rows = [line.split("|")[1].strip() for line in stage_table(trace).splitlines()[2:]]
    spans = [tuple(map(int, row.split(" to "))) for row in rows]
    assert spans[0][0] == 0
    assert spans[-1][1] == len(trace.stages) - 1
    assert all(one[1] + 1 == other[0] for one, other in pairwise(spans))
