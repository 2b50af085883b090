"""Curves of bounded size."""

import pytest

from popflip.golden.model import Report
from popflip.scripts.live.history import MOST, WINDOW, History
from popflip.scripts.training.runs import reports
from popflip.scripts.training.runs.reports import RunReport


def report(samples, correct, seconds=1.0, tested=None, flips=(0, 0), cycles=0):
    stages = {"drive": cycles, "total": cycles} if cycles else {}
    return RunReport(
        total=Report(samples, correct, 2 * samples, list(flips), stages), seconds=seconds,
        tested=tested,
    )  # fmt: skip


def test_figures_are_those_of_the_window():
    history = History(2)
    history.add(report(1000, 500, 1.0, flips=(1000, 0), cycles=5000))
    history.add(report(2000, 1400, 3.0, flips=(1500, 100), cycles=25_000))
    first, second = history.curves().points
    assert (first.at, first.error, first.flips, first.samples_per_s) == (
        1000,
        50.0,
        (1.0, 0.0),
        1000,
    )
    assert second.error == pytest.approx(10.0)
    assert second.flips == (0.5, 0.1)
    assert second.cycles["drive"] == 20
    assert (second.changed, second.samples_per_s) == (2.0, 500)


def test_the_window_looks_back_over_many_reports():
    history = History(1)
    for n in range(1, 2 * WINDOW + 1):
        history.add(report(n, max(0, n - WINDOW), n / 100, flips=(0,)))
    points = history.curves().points
    assert points[-1].at == 2 * WINDOW
    assert points[-1].error < 5  # what was wrong before is out of the window
    assert points[len(points) // 4].error == 100


def test_it_does_not_grow():
    history = History(1)
    for n in range(1, 20_000):
        tested = reports.Tested(n, 10, 5)
        history.add(report(3 * n, n, n / 10, tested=tested, flips=(n,)))
        history.mark("x")
    curves = history.curves()
    assert len(curves.points) <= MOST + 1
    assert len(curves.tests) <= MOST + 1
    assert len(curves.events) <= 30
    assert curves.points[0].at < curves.points[-1].at == 3 * 19_999
    assert curves.tests[-1].at == 19_999


def test_a_new_network_begins_at_zero():
    history = History(1)
    history.add(report(100, 50, flips=(7,), tested=reports.Tested(90, 10, 5)))
    history.mark("x")
    history.clear()
    assert (history.at, history.since(100), history.since(90)) == (0, 0, -10)
    curves = history.curves()
    assert (curves.points, curves.tests, curves.events) == ([], [], [])
    history.add(report(110, 60, flips=(9,), tested=reports.Tested(90, 10, 5)))  # a test from before
    assert history.at == 10
    assert history.curves().points[-1].error == 0
    assert history.curves().tests == []
    assert history.total().flips == [2]


def test_another_run_of_the_same_network_goes_on():
    history = History(1)
    history.add(report(100, 50, flips=(7,)))
    history.carry()
    history.add(report(20, 20, flips=(1,), tested=reports.Tested(20, 10, 5)))
    assert (history.at, history.since(20)) == (120, 120)
    assert history.total().flips == [8]
    assert history.curves().tests[-1].at == 120
    assert history.curves().points[-1].at == 120


def test_old_reports_change_nothing():
    history = History(1)
    history.add(report(100, 50, flips=(7,)))
    history.add(report(50, 50, flips=(7,)))
    assert history.at == 100
