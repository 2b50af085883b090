"""The part of the page that looks inside: weights, latents, and one sample sweep by sweep."""

import html
from collections.abc import Callable

import numpy as np
from nicegui import ui

from popflip.golden.support.errors import PopflipError
from popflip.golden.trace import Trace
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.explained import (
    MOVES,
    PHASES,
    SweepView,
    contrast_of,
    facts,
    moves_table,
    neuron_text,
    sweep_views,
    trace_of,
)
from popflip.scripts.live.page.charts import bars, draw, pair_bars
from popflip.scripts.live.page.client import Client, button, caption
from popflip.scripts.live.pictures import (
    COLD,
    CONTRAST,
    FLIPPED,
    NEURONS,
    NONE,
    WARM,
    latent_picture,
    moved_picture,
    sample_picture,
    weight_picture,
)
from popflip.scripts.live.witness import Snapshot
from popflip.scripts.plots.weights import DARK, LIGHT

__all__ = ["Explained", "add_network"]

_INSIDE = (
    "Each tile holds the weights of one hidden neuron: a picture of what it looks for, at its "
    "place in the image if it sees only a window of it."
)

_LATENTS = (
    "A latent is the counter behind a weight. Learning counts it up or down; when it has gone far "
    "enough against its weight, the weight flips."
)

_EXPLAINED = (
    "How Equilibrium Propagation learns one sample: the network settles freely, then once nudged "
    "towards the label and once away from it, and weights change only where the two differ. Golden "
    "computes all of this with the network as it is now, and changes nothing."
)


def _legend(entries: dict[str, tuple[int, int, int]]) -> None:
    """Say what colours mean."""
    with ui.element("div").classes("legend"):
        for text, colour in entries.items():
            key = f'<span class="key" style="background: rgb{colour}"></span>'
            ui.html(f"<span>{key}{text}</span>", sanitize=False)


def _image(name: str) -> ui.html:
    with ui.element("div").classes("pixels"):
        return ui.html("", sanitize=False).props(f"data-testid={name}")


def _put(place: ui.html, source: str, text: str) -> None:
    place.set_content(f'<img src="{source}" alt="{text}">')


def add_network(client: Client, exhibit: Shown) -> None:
    """Add the weights and latents of a network, which change as it learns."""
    title = html.escape(exhibit.title)
    with ui.element("section").classes("card") as section:
        section.props["aria-label"] = f"Inside {exhibit.title}"
        ui.html(f"<h3>Inside {title}</h3>", sanitize=True)
        told = caption("")
        kinds = {"weights": "Weights", "latents": "Latents"}
        choice = ui.radio(kinds, value="weights").props("inline data-testid=inside")
        place = _image("network")
        note = ui.label().classes("quiet").props("data-testid=flipped")
        with ui.element("div") as weight_key:
            flips = {
                "just flipped to \N{MINUS SIGN}1": FLIPPED[0],
                "just flipped to +1": FLIPPED[1],
            }
            _legend({"+1": LIGHT, "\N{MINUS SIGN}1": DARK} | flips)
        with ui.element("div") as latent_key:
            _legend({"far below zero": COLD, "zero": NONE, "far above zero": WARM})
    shown: list = [None]

    def show() -> None:
        snapshot = exhibit.snapshot
        if snapshot is None or shown[0] == (snapshot, choice.value):
            return
        shown[0] = (snapshot, choice.value)
        weights = choice.value == "weights"
        drawn: Callable = weight_picture if weights else latent_picture
        text = f"{kinds.get(choice.value, '')} of the first layer"
        _put(place, drawn(exhibit.params, snapshot), text)
        weight_key.set_visibility(weights)
        latent_key.set_visibility(not weights)
        told.set_text(_INSIDE if weights else _LATENTS)
        flipped = sum(int(array.sum()) for array in snapshot.flipped)
        at = exhibit.history.since(snapshot.at)
        note.set_text(f"After sample {at:,}; {flipped:,} weights flipped since the last picture.")

    client.parts.append(show)


class Explained:
    """One sample: what golden computes for it with the network as it is now.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: Client):
        self._client = client
        self._shown: tuple[Shown, Trace] | None = None
        self._views: list[SweepView] = []
        self._which: ui.select | None = None  # of two networks
        self._build()
        client.themed.append(self._redraw)

    def _build(self) -> None:
        client, exhibition = self._client, self._client.exhibition
        with ui.element("section").classes("card").props('aria-label="One sample explained"'):
            ui.html("<h3>One sample explained</h3>", sanitize=True)
            caption(_EXPLAINED)
            with ui.element("div").classes("bar"):
                titles = dict(enumerate(exhibit.title for exhibit in exhibition.exhibits))
                if len(titles) > 1:
                    self._which = ui.select(titles, value=0, label="Network")
                    self._which.props("outlined dense data-testid=which").style("min-width: 10rem")
                number = ui.number(
                    "Test sample", value=0, min=0, max=exhibition.n_samples - 1, format="%d"
                )
                number.props("outlined dense data-testid=sample").style("width: 9rem")

                def explain() -> None:
                    try:
                        self.show(*exhibition.sample(int(number.value or 0)))
                    except PopflipError as error:
                        client.say(str(error), bad=True)

                button("Explain", "explain", explain)
            self._body = ui.element("div").classes("card")
            self._body.set_visibility(False)
        with self._body:
            self._build_sample()
            self._build_sweeps()
            self._build_contrast()
            self._build_moves()

    def _build_sample(self) -> None:
        ui.html("<h4>What it sees</h4>", sanitize=True)
        with ui.element("div").classes("board"):
            with ui.element("div").classes("place"):
                self._sample = _image("explained-sample")
                self._neuron = ui.number(
                    "Hidden neuron", value=0, min=0, format="%d", on_change=self._show_neuron
                )
                self._neuron.props("outlined dense data-testid=neuron").style("width: 9rem")
                self._window = caption("").props("data-testid=window")
            self._facts = ui.html("", sanitize=True).props("data-testid=facts")

    def _build_sweeps(self) -> None:
        ui.html("<h4>Sweep by sweep</h4>", sanitize=True)
        caption("Move the slider, or press the arrow keys on it.")
        self._phase = ui.label().classes("phase").props("role=status data-testid=phase")
        self._slider = ui.slider(min=0, max=1, step=1, value=0, on_change=self._show_sweep)
        self._slider.props('snap markers aria-label="sweep" data-testid=sweep')
        with ui.element("div").classes("board"):
            with ui.element("div").classes("place"):
                caption("Hidden neurons")
                self._hidden = _image("hidden")
                names = ("decided, silent", "decided, active", "undecided, silent",
                         "undecided, active")  # fmt: skip
                _legend(dict(zip(names, NEURONS, strict=True)))
            with ui.element("div").classes("place"):
                caption("Potentials of the outputs, summed by class: the highest wins")
                self._votes = ui.echart(bars([], [], False, None)).classes("chart")
                self._votes.props('role=img aria-label="potentials" data-testid=votes')

    def _build_contrast(self) -> None:
        ui.html("<h4>Contrast</h4>", sanitize=True)
        self._contrast = caption("").props("data-testid=contrast")
        with ui.element("div").classes("board"):
            with ui.element("div").classes("place"):
                caption("Hidden neurons in the two nudged states")
                self._differ = _image("differ")
                names = ("silent in both", "active in both", "active only towards the label",
                         "active only away from it")  # fmt: skip
                _legend(dict(zip(names, CONTRAST, strict=True)))
            with ui.element("div").classes("place"):
                caption("Active outputs of each class in the two nudged states")
                self._ends = ui.echart(pair_bars([], {}, False)).classes("chart")
                self._ends.props('role=img aria-label="active outputs" data-testid=ends')

    def _build_moves(self) -> None:
        ui.html("<h4>Synapses that it moves</h4>", sanitize=True)
        with ui.element("div").classes("place") as self._first:
            caption("Those of the first layer, where the pictures above have its weights")
            self._moved = _image("moved")
            _legend({
                "latent goes down": COLD, "latent goes up": WARM, "its weight flips": FLIPPED[1],
            })  # fmt: skip
        caption(
            "Layer, row and bit are the place in the weight memory. A weight flips when its latent "
            "has gone far enough against it. The table shows the first of each layer."
        )
        self._table = ui.html("", sanitize=True).props("data-testid=moves")

    def show(self, image: np.ndarray, label: int) -> None:
        """Explain an image."""
        exhibition = self._client.exhibition
        which = 0 if self._which is None else int(self._which.value or 0)
        exhibit = exhibition.exhibits[which]
        snapshot: Snapshot | None = exhibit.snapshot
        if snapshot is None:
            self._client.say("there is no network to look at yet", bad=True)
            return
        params = exhibit.params
        traced = trace_of(params, snapshot, image, label)
        self._shown, self._views = (exhibit, traced), sweep_views(params, traced)
        self._neuron.max = len(traced.drive) - 1
        self._neuron.set_value(int(np.argmax(traced.differ[0])))
        self._show_neuron()
        told = facts(params, traced, exhibition.classes)
        rows = "".join(f"<dt>{html.escape(a)}</dt><dd>{html.escape(b)}</dd>" for a, b in told)
        self._facts.set_content(f'<dl class="facts">{rows}</dl>')
        self._first.set_visibility(len(traced.moves[0]) > 0)
        _put(self._moved, moved_picture(params, traced), "latents that move")
        self._table.set_content(_table(moves_table(traced)))
        self._slider.props["max"] = len(self._views) - 1
        self._slider.update()
        self._slider.set_value(0)
        self._show_sweep()
        self._show_contrast()
        self._body.set_visibility(True)

    def _redraw(self) -> None:
        if self._shown is not None:
            self._show_sweep()
            self._show_contrast()

    def _show_contrast(self) -> None:
        assert self._shown is not None
        exhibit, traced = self._shown
        contrast = contrast_of(exhibit.params, traced)
        self._contrast.set_text(contrast.text)
        _put(self._differ, contrast.hidden, "hidden neurons in both nudged states")
        ends = {"nudged towards": contrast.towards, "nudged away": contrast.away}
        draw(self._ends, pair_bars(self._client.exhibition.classes, ends, self._client.dark))

    def _show_neuron(self) -> None:
        value = self._neuron.value
        if self._shown is None or not isinstance(value, int | float):
            return
        exhibit, traced = self._shown
        if not 0 <= value < len(traced.drive):
            return
        _put(self._sample, sample_picture(exhibit.params, traced, int(value)),
             "what the network sees")  # fmt: skip
        self._window.set_text(f"In colour: the window of {neuron_text(traced, int(value))}.")

    def _show_sweep(self) -> None:
        value = self._slider.value
        if not isinstance(value, int | float) or not 0 <= value < len(self._views):
            return
        view, exhibition = self._views[int(value)], self._client.exhibition
        self._phase.set_text(
            f"{PHASES[view.phase]}, sweep {view.sweep} of {view.sweeps}: {view.active:,} active, "
            f"{view.toggled:,} changed, energy {view.energy:,}"
            + (", settled" if view.settled else "")
        )
        _put(self._hidden, view.hidden, "hidden neurons")
        highest = int(np.argmax(view.votes))
        draw(self._votes, bars(exhibition.classes, view.votes, self._client.dark, highest))


def _table(rows: list[dict]) -> str:
    if not rows:
        return "<p>It moves none: the nudge changes nothing.</p>"
    cells = "".join(f'<th scope="col">{text}</th>' for text in MOVES)
    body = "".join(
        "<tr>" + "".join(f"<td>{value}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>'
