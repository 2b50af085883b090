"""The part of the page that looks inside: weights, latents, and one sample sweep by sweep."""

from collections.abc import Callable

import numpy as np
from nicegui import ui

from popflip.golden.support.errors import PopflipError
from popflip.golden.trace import Trace
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.explained import (
    PHASES,
    SweepView,
    facts,
    moves_table,
    sweep_views,
    trace_of,
)
from popflip.scripts.live.page.charts import bars
from popflip.scripts.live.page.client import Client, button
from popflip.scripts.live.pictures import (
    FLIPPED,
    NEURONS,
    latent_picture,
    moved_picture,
    sample_picture,
    weight_picture,
)
from popflip.scripts.live.witness import Snapshot
from popflip.scripts.plots.weights import DARK, LIGHT

__all__ = ["Explained", "add_network"]


def _legend(entries: dict[str, tuple[int, int, int]]) -> None:
    """Say what colours mean."""
    with ui.element("div").classes("legend"):
        for text, colour in entries.items():
            key = f'<span class="key" style="background: rgb{colour}"></span>'
            ui.html(f"<span>{key}{text}</span>", sanitize=False)


def _image(name: str, text: str) -> ui.html:
    with ui.element("div").classes("pixels"):
        return ui.html("", sanitize=False).props(f"data-testid={name}").classes(text and "")


def _put(place: ui.html, source: str, text: str) -> None:
    place.set_content(f'<img src="{source}" alt="{text}">')


def add_network(client: Client, exhibit: Shown) -> None:
    """Add the weights and latents of a network, which change as it learns."""
    with ui.element("section").classes("card").props(f'aria-label="Inside {exhibit.title}"'):
        ui.html(f"<h3>Inside {exhibit.title}</h3>", sanitize=True)
        kinds = {"weights": "Weights", "latents": "Latents"}
        choice = ui.radio(kinds, value="weights").props("inline data-testid=inside")
        place = _image("network", "network")
        note = ui.label().classes("quiet").props("data-testid=flipped")
        with ui.element("div") as weight_key:
            flips = {"just flipped to \N{MINUS SIGN}1": FLIPPED[0], "to +1": FLIPPED[1]}
            _legend({"+1": LIGHT, "\N{MINUS SIGN}1": DARK} | flips)
    shown: list = [None]

    def show() -> None:
        snapshot = exhibit.snapshot
        if snapshot is None or shown[0] == (snapshot, choice.value):
            return
        shown[0] = (snapshot, choice.value)
        drawn: Callable = weight_picture if choice.value == "weights" else latent_picture
        text = f"{kinds.get(choice.value, '')} of the first layer"
        _put(place, drawn(exhibit.params, snapshot), text)
        weight_key.set_visibility(choice.value == "weights")
        flipped = sum(int(array.sum()) for array in snapshot.flipped)
        at = exhibit.history.since(snapshot.at)
        note.set_text(f"behind sample {at:,}; {flipped:,} weights are not as at the last look")

    client.parts.append(show)


class Explained:
    """One sample: what golden computes for it with the network as it is now.

    Parameters
    ----------
    client : Client
    exhibit : Shown
    """

    def __init__(self, client: Client, exhibit: Shown):
        self._client, self._lane = client, exhibit
        self._views: list[SweepView] = []
        self._traced: Trace | None = None
        self._build()

    def _build(self) -> None:
        client, exhibition = self._client, self._client.exhibition
        with ui.element("section").classes("card").props('aria-label="One sample explained"'):
            ui.html("<h3>One sample explained</h3>", sanitize=True)
            if exhibition.n_samples:
                with ui.element("div").classes("bar"):
                    number = ui.number(
                        "Test sample", value=0, min=0, max=exhibition.n_samples - 1, format="%d"
                    )
                    number.props("outlined dense data-testid=sample")

                    def explain() -> None:
                        try:
                            self.show(*exhibition.sample(int(number.value or 0)))
                        except PopflipError as error:
                            client.say(str(error), bad=True)

                    button("Explain", "explain", explain)
            self._body = ui.element("div").classes("card")
            self._body.set_visibility(False)
        with self._body:
            with ui.element("div").classes("board"):
                with ui.element("div"):
                    self._sample = _image("explained-sample", "sample")
                    self._window = ui.label().classes("quiet")
                self._facts = ui.html("", sanitize=True).props("data-testid=facts")
            self._phase = ui.label().classes("big").props("role=status data-testid=phase")
            self._slider = ui.slider(min=0, max=1, step=1, value=0, on_change=self._show_sweep)
            self._slider.props('label snap markers aria-label="sweep" data-testid=sweep')
            with ui.element("div").classes("board"):
                with ui.element("div"):
                    self._hidden = _image("hidden", "neurons")
                    names = ("decided, silent", "decided, active", "undecided, silent",
                             "undecided, active")  # fmt: skip
                    _legend(dict(zip(names, NEURONS, strict=True)))
                self._votes = ui.echart(bars([], [], False, None)).classes("chart")
                self._votes.props('role=img aria-label="potentials" data-testid=votes')
            ui.html("<h3>Synapses that it moves</h3>", sanitize=True)
            self._moved = _image("moved", "moved")
            ui.label("Blue: the latent goes down. Orange: up. Purple: its weight flips.").classes(
                "quiet"
            )
            self._table = ui.html("", sanitize=True).props("data-testid=moves")

    def show(self, image: np.ndarray, label: int) -> None:
        """Explain an image."""
        exhibit, classes = self._lane, self._client.exhibition.classes
        snapshot: Snapshot | None = exhibit.snapshot
        if snapshot is None:
            self._client.say("there is no network to look at yet", bad=True)
            return
        params = exhibit.params
        traced = trace_of(params, snapshot, image, label)
        self._traced, self._views = traced, sweep_views(params, traced)
        neuron = int(np.argmax(traced.differ[0]))
        _put(self._sample, sample_picture(params, traced.x, neuron), "what the network sees")
        self._window.set_text(
            f"In colour: the window of hidden neuron {neuron}, drive {traced.drive[neuron]:,}"
        )
        rows = "".join(f"<dt>{a}</dt><dd>{b}</dd>" for a, b in facts(params, traced, classes))
        self._facts.set_content(f'<dl class="facts">{rows}</dl>')
        _put(self._moved, moved_picture(params, traced), "latents that move")
        self._table.set_content(_table(moves_table(traced)))
        self._slider.props["max"] = len(self._views) - 1
        self._slider.update()
        self._slider.set_value(0)
        self._show_sweep()
        self._body.set_visibility(True)

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
        options = bars(
            exhibition.classes, view.votes, self._client.dark, int(np.argmax(view.votes))
        )
        self._votes.options.clear()
        self._votes.options.update(options)
        self._votes.update()


def _table(rows: list[dict]) -> str:
    if not rows:
        return "<p>It moves none: the nudge changes nothing.</p>"
    head = ("layer", "row", "bit", "weight", "latent before", "after", "weight flips")
    cells = "".join(f'<th scope="col">{text}</th>' for text in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{value}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>'
