"""Cycles by stage."""

from popflip.golden.cycles.stages import StageCycles


def test_stages_add_up():
    a, b = StageCycles(1, 2, 3, 4), StageCycles(update=5, free=6)
    assert a.total == 10
    assert a.plus(b) == StageCycles(1, 8, 3, 9)
    assert a.plus(b).total == 21
