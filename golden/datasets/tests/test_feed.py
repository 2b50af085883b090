"""The order in which samples of a data set are learned."""

import numpy as np

from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.feed import Feed
from popflip.golden.training.tests.glyphs import DATA, build, trainer


def test_a_feed_hands_out_what_a_trainer_learns():
    params = build(shift=1)
    plan, feed = trainer(params, seed=3, samples=100), Feed(params, DATA, 3, samples=100)
    for epoch in range(2):
        parts = []
        while feed.epoch == epoch:
            parts.append(feed.take(33))
        assert [len(labels) for _, labels in parts] == [33, 33, 33, 1]
        images, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
        x, wanted = plan.epoch_samples(epoch)
        np.testing.assert_array_equal(input_of(params.network, images), x)
        np.testing.assert_array_equal(labels, wanted)
    assert (feed.epoch, feed.position) == (2, 0)


def test_a_feed_may_be_set_to_where_a_training_is():
    params = build()
    feed, other = Feed(params, DATA, samples=50), Feed(params, DATA, samples=50)
    for _ in range(3):
        feed.take(20)
    other.epoch, other.position = feed.epoch, feed.position
    assert (other.epoch, other.position) == (1, 0)
    for a, b in zip(feed.take(20), other.take(20), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_feed_has_all_samples_if_nobody_says_how_many():
    assert Feed(build(), DATA).samples == len(DATA.train_labels)
