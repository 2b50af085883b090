"""Samples that are kept for the test."""

import numpy as np
import pytest

from popflip.golden.datasets.splits import draw_split, shuffled_order
from popflip.golden.datasets.tests.small import raises


@pytest.mark.parametrize("percent", [1, 20, 50, 90])
def test_each_class_gives_its_share(percent):
    labels = np.repeat([0, 1, 2], [100, 40, 10])
    train, test = draw_split(labels, percent, 1)
    assert sorted([*train, *test]) == list(range(150))
    for label, count in enumerate((100, 40, 10)):
        expected = min(max(1, round(count * percent / 100)), count - 1)
        assert (labels[test] == label).sum() == expected


def test_small_classes_are_in_both_parts_or_in_training():
    train, test = draw_split(np.array(["a", "a", "b"]), 20, 1)
    assert set(test) < {0, 1}
    assert len(test) == 1
    assert 2 in train
    with raises("each class has a single sample: none is left for a test"):
        draw_split(np.array([0, 1, 2]), 20, 1)


def test_the_seed_decides_and_the_order_is_random():
    labels = np.repeat([0, 1], 50)
    a, b, other = (draw_split(labels, 20, seed) for seed in (1, 1, 2))
    assert (a[0] == b[0]).all()
    assert (a[1] == b[1]).all()
    assert set(a[1]) != set(other[1])
    # Not one class behind the other: the first half has some of both.
    assert 10 < labels[a[0]][:40].sum() < 30
    order = shuffled_order(100, 3)
    assert sorted(order) == list(range(100))
    assert (order == shuffled_order(100, 3)).all()
    assert (order != np.arange(100)).any()
