"""A network that goes on learning."""

import numpy as np
import pytest

from popflip.golden.engine.machine import FastMachine
from popflip.golden.training.learner import Learner
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import check_state, differences, initial_state
from popflip.golden.training.tests.glyphs import DATA, build

IMAGES, LABELS = DATA.train_images[:100], DATA.train_labels[:100]


def learner(params, machine=GoldenMachine, tau=None):
    """A new network that learns."""
    return Learner(params, machine(params), initial_state(params, 2), tau)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("machine", [GoldenMachine, FastMachine])
def test_bits_depend_on_the_samples_and_not_on_how_many_come_at_a_time(batch, machine):
    params = build(batch=batch)
    whole, parts = learner(params), learner(params, machine)
    wanted = whole.learn(IMAGES, LABELS)
    found = [parts.learn(IMAGES[i : i + 9], LABELS[i : i + 9]) for i in range(0, 100, 9)]
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    assert parts.pending == whole.pending == 100 % batch
    assert differences(parts.state(), whole.state()) == []
    assert parts.total == whole.total
    assert parts.total.samples == 100
    assert parts.total.correct == (wanted == LABELS).sum()


def test_predictions_are_those_before_a_sample_is_learned():
    params = build(batch=1)
    each = learner(params)
    for i in range(40):
        before = each.predict(IMAGES[i : i + 1])
        assert each.learn(IMAGES[i : i + 1], LABELS[i : i + 1]) == before


def test_counters_alone_do_the_same():
    params = build()
    counted, predicted = learner(params), learner(params)
    assert counted.train(IMAGES, LABELS).samples == 100
    predicted.learn(IMAGES, LABELS)
    assert counted.total == predicted.total
    assert differences(counted.state(), predicted.state()) == []


def test_a_state_ends_the_batch_in_hand_and_counts_its_flips():
    params = build(batch=64)
    each = learner(params, tau=(1, 1))
    each.learn(IMAGES[:50], LABELS[:50])
    assert each.total.flips == [0, 0]
    state = each.state()
    assert each.pending == 0
    assert all(each.total.flips)
    assert differences(each.state(), state) == [], "nothing is left to end"


def test_flip_thresholds_stay_when_a_network_is_written():
    params = build(batch=1)
    each = learner(params, tau=(127, 127))
    each.write_state(initial_state(params, 5))
    each.learn(IMAGES, LABELS)
    assert each.total.flips == [0, 0]
    each.set_tau((1, 1))
    each.learn(IMAGES, LABELS)
    assert all(each.total.flips)


def test_upsets_turn_bits_over_and_leave_what_a_checkpoint_may_hold():
    params = build()
    each = learner(params)
    each.learn(IMAGES, LABELS)
    before = each.state()
    each.upset(5000, seed=3)
    after = each.state()
    assert len(differences(before, after)) == 4
    check_state(params, after)
    again = learner(params)
    again.write_state(before)
    again.upset(5000, seed=3)
    assert differences(again.state(), after) == []


def test_the_error_is_the_share_of_wrong_predictions():
    params = build(batch=1)
    each = learner(params)
    wrong = (each.predict(IMAGES) != LABELS).sum()
    assert each.error(IMAGES, LABELS) == pytest.approx(wrong)
    for _ in range(5):
        each.learn(DATA.train_images, DATA.train_labels)
    assert each.error(IMAGES, LABELS) < wrong / 2
