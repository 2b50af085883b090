"""Learning curves."""

import numpy as np
import pytest

from popflip.golden.training.log import EpochLog
from popflip.scripts.plots.learning import learning_curves
from popflip.scripts.plots.tests.pictures import as_image, check_nothing_is_cut, dense
from popflip.scripts.training.curve import Point


def points(n, cycles=1000, epochs=1):
    rng = np.random.default_rng(3)
    return [
        Point(
            1 + i * epochs // n, 256 * (i + 1), 256, int(rng.integers(180, 256)), 2000 - i,
            256 * cycles, (400 + i, 900 - i),
        )
        for i in range(n)
    ]  # fmt: skip


def log(epoch, samples):
    return EpochLog(
        epoch=epoch, samples=samples, train_error=9.0, test_error=7.25, flips=[1, 2], seconds=1.0,
        samples_per_s=100.0, changed_per_sample=8.0, tau=[3, 3],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n", "history", "cycles"),
    [
        (1, [], 1000),
        (4, [log(1, 1024)], 0),
        (235, [log(1, 60000)], 1183),
        (1000, [log(i + 1, 25600) for i in range(10)], 1183),
    ],
    ids=["one point", "golden", "one epoch", "ten epochs"],
)
def test_the_learning_curves_are_whole(n, history, cycles):
    epochs = max(1, len(history))
    figure = learning_curves(dense(12), points(n, cycles, epochs), history)
    check_nothing_is_cut(figure)
    picture = as_image(figure)
    assert picture.width >= 1000
    assert picture.height >= 600


def test_the_curves_show_the_numbers_of_the_points():
    figure = learning_curves(dense(12), points(100), [log(1, 25600)])
    error, flips, changed, cycles = figure.axes
    chunks = points(100)
    seen = np.arange(1, 101) * 256
    (training, test) = error.lines
    assert training.get_xdata().tolist() == seen.tolist()
    wrong = [100 * (1 - p.correct / 256) for p in chunks]
    assert np.allclose(training.get_ydata(), wrong)
    assert test.get_xydata().tolist() == [[25600, 7.25]]
    for layer, line in enumerate(flips.lines):
        assert np.allclose(line.get_ydata(), [p.flips[layer] / 256 for p in chunks])
    assert np.allclose(changed.lines[0].get_ydata(), [p.changed / 256 for p in chunks])
    assert np.allclose(cycles.lines[0].get_ydata(), 1000)


def test_many_points_are_added_up_to_fewer():
    figure = learning_curves(dense(12), points(1000), [])
    line = figure.axes[0].lines[0]
    assert len(line.get_xdata()) == 143  # 7 chunks each
    assert line.get_xdata()[-1] == 256_000
    first = points(1000)[:7]
    assert line.get_ydata()[0] == pytest.approx(100 * (1 - sum(p.correct for p in first) / 1792))
