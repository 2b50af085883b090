"""What networks have learned, and what they meet then."""

import numpy as np
import pytest

from popflip.golden.datasets.dataset import Dataset
from popflip.golden.support.errors import InputError
from popflip.golden.training.tests.glyphs import DATA
from popflip.scripts.campaigns.adaptation.problems import (
    CHANGES,
    DEFAULT_CHANGES,
    OF_CLASSES,
    problem_of,
)


@pytest.mark.parametrize("kind", CHANGES)
def test_each_change_changes_what_is_tested(kind):
    problem = problem_of(DATA, kind, 1)
    assert 0 < len(problem.train) <= len(DATA.train_labels)
    assert len(problem.test)
    assert len(problem.kept)
    old, new = problem.old, problem.test
    images, labels = old.test_images, old.test_labels
    if new.images.shape == images.shape:
        assert (new.images != images).any() or (new.labels != labels).any()
    again = problem_of(DATA, kind, 1)
    np.testing.assert_array_equal(problem.train.images, again.train.images)
    np.testing.assert_array_equal(problem.test.images, again.test.images)


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind not in OF_CLASSES])
def test_a_change_of_images_leaves_what_was_learned(kind):
    problem = problem_of(DATA, kind, 1)
    assert problem.old is DATA
    if kind != "swap-labels":
        np.testing.assert_array_equal(problem.kept.images, DATA.test_images)
        np.testing.assert_array_equal(problem.rehearsed.labels, DATA.train_labels)
        np.testing.assert_array_equal(problem.train.labels, DATA.train_labels)


def test_swapped_names_hold_no_longer():
    problem = problem_of(DATA, "swap-labels", 1)
    assert set(problem.kept.labels) == set(problem.rehearsed.labels) == {2, 3}
    assert (problem.train.labels == 0).sum() == (DATA.train_labels == 1).sum()


def test_a_class_gets_the_name_of_an_output_that_was_free():
    problem = problem_of(DATA, "rename", 1)
    assert set(problem.old.train_labels) == {0, 1, 2}
    assert set(problem.train.labels) == set(problem.test.labels) == {0, 1, 3}
    assert set(problem.kept.labels) == set(problem.rehearsed.labels) == {0, 1}
    np.testing.assert_array_equal(problem.test.images, problem.old.test_images)


def test_classes_that_were_unseen_come_besides():
    problem = problem_of(DATA, "unseen", 1)
    assert set(problem.old.train_labels) == set(problem.old.test_labels) == {0, 1}
    assert set(problem.train.labels) == set(problem.test.labels) == {0, 1, 2, 3}
    assert set(problem.kept.labels) == set(problem.rehearsed.labels) == {0, 1}


def test_noise_of_tests_is_not_that_of_training():
    same = Dataset("same", *(DATA.train_images[:9], DATA.train_labels[:9]) * 2)
    problem = problem_of(same, "noise", 1)
    assert (problem.train.images != problem.test.images).any()


def test_what_cannot_be_changed_so_is_refused():
    with pytest.raises(InputError, match=r"^change must be one of .*, not 'melt'$"):
        problem_of(DATA, "melt", 1)
    few = Dataset("few", *(DATA.train_images[:9], DATA.train_labels[:9] % 2) * 2)
    for kind, least in (("rename", 4), ("unseen", 3)):
        with pytest.raises(InputError, match=f"^change '{kind}' needs at least {least} classes"):
            problem_of(few, kind, 1)


@pytest.mark.parametrize("kind", ["rename", "unseen", "swap-labels"])
def test_too_few_samples_are_refused(kind):
    """The parts are of the classes that a change concerns alone, and one of each for n_classes."""
    last = DATA.train_labels >= 2 if kind != "swap-labels" else DATA.train_labels < 2
    part = DATA.train_images[last], DATA.train_labels[last]
    few = Dataset("few", *part * 2, classes=("a", "b", "c", "d"))
    with pytest.raises(InputError, match="needs samples of the classes that it leaves alone"):
        problem_of(few, kind, 1)


def test_the_changes_that_are_measured_are_known():
    assert set(DEFAULT_CHANGES) <= set(CHANGES)
