"""What all training loops share, on a loop that trains nothing."""

import pytest

from popflip.golden.model import Report
from popflip.golden.training.log import Log
from popflip.golden.training.loop import TrainingLoop


class Idle(TrainingLoop[Log]):
    """A loop whose tests end in these errors, in turn; None stops it."""

    def __init__(self, *correct, **options):
        super().__init__(
            2, 100, 10, **{"seed": 1, "samples": None, "test_samples": None, **options}
        )
        self.correct = list(correct)

    def _train(self, epochs, on_progress):
        self._so_far += Report(self.samples, 50, 1, [3, 4])
        return not self.stop_requested

    def test(self, on_progress=None, epochs=None):
        correct = self.correct.pop(0)
        return None if correct is None else Report(self.test_samples, correct, 0, [0, 0])

    def _log(self, trained, tested):
        return Log(**self._figures(trained, tested))

    def _examine(self, tested):
        return [f"{tested.correct} right"] if tested.correct < 5 else []


def test_epochs_are_logged_one_by_one():
    loop, seen = Idle(9, 3, 8), []
    assert loop.run(3, on_epoch=lambda log: seen.append((log.epoch, list(loop.warnings))))
    assert [log.test_error for log in loop.history] == [10.0, 70.0, 20.0]
    assert [log.flips for log in loop.history] == [[3, 4]] * 3, "counts begin anew"
    # Warnings are those of the epoch that has just ended.
    assert seen == [(1, []), (2, ["3 right"]), (3, [])]
    assert loop.run(3), "nothing is left to do"


def test_a_stop_ends_the_run_before_the_epoch_is_logged():
    loop = Idle(9, None, 9)
    assert not loop.run(3)
    assert (loop.epoch, len(loop.history)) == (1, 1)
    loop.stop_requested = True
    assert not loop.run(3)
    assert loop.correct == [9], "not even tested"


def test_samples_are_those_of_the_data_set_if_left_out():
    assert (Idle().samples, Idle().test_samples) == (100, 10)
    assert (Idle(samples=7).samples, Idle(test_samples=3).test_samples) == (7, 3)
    with pytest.raises(ValueError, match=r"^samples must be 1 to 100, not 101$"):
        Idle(samples=101)
