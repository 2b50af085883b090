"""Options of the charts, for ECharts."""

from collections.abc import Mapping, Sequence

from nicegui import ui

from popflip.scripts.live.history import STAGES, Curves, Event
from popflip.scripts.live.page.style import PALETTE, ink

__all__ = [
    "bars",
    "changed_chart",
    "cycle_chart",
    "draw",
    "error_chart",
    "flip_chart",
    "pair_bars",
]

#: Points that a chart shows at most.
SHOWN = 200

#: Names of events that have room beside each other.
EVENTS = 30

_DASHES = ("solid", "dashed")


def _thin(points: list) -> list:
    step = -(-len(points) // SHOWN) or 1
    return points[::-1][::step][::-1]


def _base(dark: bool, most: float | None = None) -> dict:
    color = ink(dark)
    line = {"lineStyle": {"color": color, "opacity": 0.25}}
    label = {"color": color, "fontSize": 13}
    return {
        "animation": False,
        "color": list(PALETTE),
        "textStyle": {"color": color},
        "grid": {"left": 8, "right": 20, "top": 34, "bottom": 24, "containLabel": True},
        "legend": {"textStyle": {"color": color, "fontSize": 13}, "top": 0, "type": "scroll"},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "value", "min": 0, "max": "dataMax", "splitLine": {"show": False},
                  # The last label is any number, and may stand in that of the one before.
                  "axisLabel": label | {"showMaxLabel": False, "hideOverlap": True},
                  "name": "samples learned", "nameLocation": "middle", "nameGap": 26,
                  "nameTextStyle": {"color": color, "fontSize": 13}},
        "yAxis": {"type": "value", "min": 0, "max": most, "axisLabel": label, "splitLine": line},
        "series": [],
    }  # fmt: skip


def _line(name: str, data: list, exhibit: int, color: int, **more) -> dict:
    style = {"type": _DASHES[exhibit], "width": 2}
    return {
        "type": "line", "name": name, "data": data, "showSymbol": False, "lineStyle": style,
        "itemStyle": {"color": PALETTE[color % len(PALETTE)]}, **more,
    }  # fmt: skip


def _say_if_empty(options: dict, dark: bool, why: str = "nothing learned yet") -> dict:
    """Have a chart without a line say why; what a chart has had once, it keeps until it is told."""
    empty = not any(series["data"] for series in options["series"])
    options["title"] = {
        "text": why if empty else "", "left": "center", "top": "middle",
        "textStyle": {"color": ink(dark), "fontSize": 16, "fontWeight": "normal"},
    }  # fmt: skip
    options["xAxis"]["show"] = options["yAxis"]["show"] = not empty
    return options


def error_chart(curves: Sequence[Curves], dark: bool) -> dict:
    """Draw the errors; vertical lines are what was done."""
    options = _base(dark, 100)
    for exhibit, curve in enumerate(curves):
        data = [[p.at, round(p.error, 2)] for p in _thin(curve.points)]
        series = _line("while learning", data, exhibit, 0)
        if exhibit == 0:  # also without events, so that those before a reset go away
            # Along the line, so that several events have room beside each other.
            label = {
                "formatter": "{b}", "color": ink(dark), "fontSize": 13,
                "position": "insideEndTop",
            }  # fmt: skip
            last = curve.points[-1].at if curve.points else 0
            series["markLine"] = {
                "symbol": "none", "label": label, "silent": True,
                "lineStyle": {"color": ink(dark), "type": "dotted"},
                "data": [
                    {"xAxis": event.at, "name": event.text}
                    for event in _apart(curve.events, last / EVENTS)
                ],
            }  # fmt: skip
        tests = [[t.at, round(t.error, 2)] for t in _thin(curve.tests)]
        test = _line("test", tests, exhibit, 1, symbol="circle", symbolSize=7)
        options["series"] += [series, test | {"showSymbol": True}]
    return _say_if_empty(options, dark)


def _apart(events: Sequence[Event], distance: float) -> list[Event]:
    """Return the newest events; those that are too near each other for two names share a line."""
    kept: list[Event] = []
    for event in events:
        if kept and event.at - kept[-1].at < distance:
            kept[-1] = Event(kept[-1].at, f"{kept[-1].text}, {event.text}")
        else:
            kept.append(event)
    return kept[-6:]


def flip_chart(curves: Sequence[Curves], dark: bool) -> dict:
    """Draw the flips per sample, by weight layer."""
    options = _base(dark)
    for exhibit, curve in enumerate(curves):
        points = _thin(curve.points)
        for layer in range(len(points[0].flips) if points else 0):
            data = [[p.at, round(p.flips[layer], 3)] for p in points]
            name = f"layer {layer}"
            options["series"].append(_line(name, data, exhibit, layer))
    return _say_if_empty(options, dark)


def changed_chart(curves: Sequence[Curves], dark: bool) -> dict:
    """Draw the neurons per sample that differed between the nudged states."""
    options = _base(dark)
    for exhibit, curve in enumerate(curves):
        data = [[p.at, round(p.changed, 3)] for p in _thin(curve.points)]
        options["series"].append(_line("changed", data, exhibit, 2))
    return _say_if_empty(options, dark)


def cycle_chart(curves: Sequence[Curves], dark: bool) -> dict:
    """Draw the cycles per sample by stage, on top of each other."""
    options = _base(dark)
    for exhibit, curve in enumerate(curves):
        for number, stage in enumerate(STAGES):
            points = [p for p in _thin(curve.points) if p.cycles]
            data = [[p.at, round(p.cycles.get(stage, 0), 1)] for p in points]
            series = _line(stage, data, exhibit, number, stack=f"exhibit {exhibit}")
            series["areaStyle"] = {"opacity": 0.55 if exhibit == 0 else 0.2}
            options["series"].append(series)
    learned = any(curve.points for curve in curves)
    why = "software counts no clock cycles" if learned else "nothing learned yet"
    return _say_if_empty(options, dark, why)


def draw(chart: ui.echart, options: dict) -> None:
    """Have a chart show something else."""
    chart.options.clear()
    chart.options.update(options)
    chart.update()


def _class_axis(options: dict, classes: Sequence[str], color: str) -> None:
    options["xAxis"] = {
        "type": "category", "data": list(classes),
        "axisLabel": {"color": color, "fontSize": 15, "interval": 0},
    }  # fmt: skip


def pair_bars(classes: Sequence[str], values: Mapping[str, Sequence[int]], dark: bool) -> dict:
    """Draw bars for each class, side by side, each kind with a name."""
    options = _base(dark)
    _class_axis(options, classes, ink(dark))
    colours = (PALETTE[1], PALETTE[4])  # as hidden neurons have them
    options["series"] = [
        {"type": "bar", "name": name, "data": list(counts), "itemStyle": {"color": colour}}
        for (name, counts), colour in zip(values.items(), colours, strict=False)
    ]
    return options


def bars(classes: Sequence[str], values: Sequence[int], dark: bool, chosen: int | None) -> dict:
    """Draw a bar for each class; one stands out."""
    options = _base(dark)
    color = ink(dark)
    _class_axis(options, classes, color)
    options["legend"] = {"show": False}
    data = [
        {"value": int(value), "itemStyle": {"color": PALETTE[1 if n == chosen else 0]}}
        for n, value in enumerate(values)
    ]
    label = {"show": True, "position": "top", "color": color}
    options["series"] = [{"type": "bar", "data": data, "label": label}]
    return options
