"""What the charts of the page are told to draw."""

import pytest

from popflip.scripts.live.history import Curves, Event, Point
from popflip.scripts.live.page.charts import (
    changed_chart,
    cycle_chart,
    error_chart,
    flip_chart,
    pair_bars,
)


def curves(events=(), cycles=None):
    points = [Point(100 * n, 50.0, (1.0, 2.0), 3.0, cycles or {}, 9.0) for n in range(1, 11)]
    return Curves(points, [], list(events))


@pytest.mark.parametrize("chart", [error_chart, flip_chart, changed_chart, cycle_chart])
def test_a_chart_without_a_line_says_why(chart):
    nothing = chart([Curves([], [], [])], dark=False)
    assert nothing["title"]["text"] == "nothing learned yet"
    assert not nothing["xAxis"]["show"]
    drawn = chart([curves(cycles={"drive": 5.0})], dark=False)
    assert drawn["title"]["text"] == ""  # there, or the text of before would stay
    assert drawn["xAxis"]["show"]


def test_software_counts_no_cycles():
    assert cycle_chart([curves()], dark=True)["title"]["text"] == "software counts no clock cycles"


def marks(events):
    line = error_chart([curves(events)], dark=False)["series"][0]["markLine"]
    return [(mark["xAxis"], mark["name"]) for mark in line["data"]]


def test_what_was_done_is_a_line_each_unless_names_would_overlap():
    assert marks([]) == []  # there, or those from before a reset would stay
    assert marks([Event(100, "noise"), Event(500, "taught 7"), Event(510, "undone")]) == [
        (100, "noise"), (500, "taught 7, undone"),
    ]  # fmt: skip
    assert len(marks([Event(100 * n, "x") for n in range(10)])) == 6


def test_two_networks_share_their_names_and_differ_in_their_lines():
    series = flip_chart([curves(), curves()], dark=False)["series"]
    assert [one["name"] for one in series] == ["layer 0", "layer 1"] * 2
    assert [one["lineStyle"]["type"] for one in series] == ["solid"] * 2 + ["dashed"] * 2


def test_bars_in_pairs():
    options = pair_bars(["a", "b"], {"towards": [1, 2], "away": [3, 0]}, dark=False)
    assert options["xAxis"]["data"] == ["a", "b"]
    assert [(one["name"], one["data"]) for one in options["series"]] == [
        ("towards", [1, 2]), ("away", [3, 0]),
    ]  # fmt: skip
    assert len({one["itemStyle"]["color"] for one in options["series"]}) == 2
