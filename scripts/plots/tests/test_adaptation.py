"""Curves of networks that met a change."""

import pytest

from popflip.scripts.plots.adaptation import adaptation_curves
from popflip.scripts.plots.tests.pictures import as_image, check_nothing_is_cut


def rows(kinds, steps):
    return [
        {
            "change": f"change-{kind}", "way": way, "samples": samples, "error": 90.0 / (1 + i),
            "error_spread": 1.5, "old_error": 5.0 + i, "old_error_spread": 0.1,
        }
        for kind in range(kinds)
        for way in ("on", "replay", "cleared", "scratch")
        for i, samples in enumerate(steps)
    ]  # fmt: skip


@pytest.mark.parametrize(("kinds", "steps"), [(1, [0, 50]), (5, [0, 500]), (8, [0, 1000, 20000])])
def test_the_curves_are_whole(kinds, steps):
    figure = adaptation_curves("local-small", rows(kinds, steps))
    check_nothing_is_cut(figure)
    as_image(figure)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in shown] == [f"change-{i}" for i in range(kinds)]
    assert [label.get_text() for label in shown[0].get_xticklabels()] == [
        f"{n // 1000}k" if n >= 1000 else str(n) for n in steps
    ]
