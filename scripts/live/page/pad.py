"""The part of the page to draw on, or to browse samples: predictions at once, and teaching."""

import asyncio
import math
from functools import partial

import numpy as np
from nicegui import events, ui

from popflip.golden.support.errors import PopflipError
from popflip.scripts.live.drawing import Drawing, centred
from popflip.scripts.live.page.charts import bars, draw
from popflip.scripts.live.page.client import Client, button, caption
from popflip.scripts.live.page.inside import Explained
from popflip.scripts.live.pictures import address

__all__ = ["Pad"]

_DRAW = (
    "Draw in the black square with the mouse or a finger; the board says at once what it takes it "
    "for. The bars are the potentials of its outputs, summed by class. Is it wrong? Say what it "
    "is, and teach it."
)

_BROWSE = (
    "Show a test sample; the board says what it takes it for. The bars are the potentials of its "
    "outputs, summed by class. Is it wrong? Teach it."
)

#: Sides of images below which nobody can draw.
LEAST = 8


class Pad:
    """A pad to draw on, what the networks take the drawing for, and teaching.

    Parameters
    ----------
    client : Client
    explained : Explained
        What shows how the drawing would be learned.
    """

    def __init__(self, client: Client, explained: Explained):
        self._client, self._explained = client, explained
        self._drawing = Drawing(client.exhibition.params.network.image)
        self._given: np.ndarray | None = None  # a sample, which is taken as it is
        self._drawable = min(client.exhibition.params.network.image) >= LEAST
        self._down = False
        self._stale, self._asking = False, False
        with ui.element("section").classes("card").props('aria-label="Draw"'):
            ui.html(f"<h3>{'Draw' if self._drawable else 'Samples'}</h3>", sanitize=True)
            caption(_DRAW if self._drawable else _BROWSE)
            with ui.element("div").classes("halves"):
                with ui.element("div").classes("place"):
                    self._build_pad()
                self._build_answers()
            self._build_teaching()
        client.themed.append(self._redraw)

    def _build_pad(self) -> None:
        moves = ["pointerdown", "pointermove", "pointerup", "pointerleave"]
        kinds = moves if self._drawable else []
        self._image = ui.interactive_image(
            address(self._drawing.image, 1), on_mouse=self._on_pointer, events=kinds
        )
        self._image.classes("pad").props('data-testid=pad role=img aria-label="the image"')
        exhibition = self._client.exhibition
        with ui.element("div").classes("bar"):
            if self._drawable:
                button("Clear", "clear", self._clear)
                self._centre = ui.switch("Centre", value=True, on_change=self._ask_soon)
                self._centre.props("data-testid=centre")
            if exhibition.n_samples:
                self._number = (
                    ui
                    .number(
                        "Test sample", value=0, min=0, max=exhibition.n_samples - 1, format="%d"
                    )
                    .props("outlined dense data-testid=browse")
                    .style("width: 9rem")
                )
                button("Show", "show-sample", self._show_sample)

    @property
    def _nothing(self) -> str:
        return "nothing drawn" if self._drawable else "no sample"

    def _build_answers(self) -> None:
        self._answers, self._charts = [], []
        self._bars: dict[ui.echart, tuple[list, int | None]] = {}
        for exhibit in self._client.exhibition.exhibits:
            name = "" if len(self._client.exhibition.exhibits) == 1 else f"{exhibit.title}: "
            with ui.element("div").classes("place"):
                text = ui.label(f"{name}{self._nothing}").classes("big")
                chart = ui.echart({})
            self._show_bars(chart, [], None)
            self._answers.append(text.props("role=status data-testid=prediction"))
            chart.classes("chart")
            self._charts.append(chart.props('role=img aria-label="potentials of the classes"'))

    def _build_teaching(self) -> None:
        client, exhibition = self._client, self._client.exhibition
        with ui.element("div").classes("bar"):
            choice = ui.select(dict(enumerate(exhibition.classes)), value=0, label="It is")
            choice.props("outlined dense data-testid=label").style("min-width: 7rem")
            times = ui.number("Times", value=10, min=1, max=100, format="%d")
            times.props("outlined dense data-testid=times").style("width: 6rem")

            async def teach() -> None:
                if self._is_empty():
                    return
                answers = await client.ask(
                    lambda: exhibition.teach(
                        self._sample, int(choice.value), int(times.value or 0)
                    ),
                    "taught",
                )
                if answers:
                    self._ask_soon()

            async def undo() -> None:
                await client.ask(exhibition.undo, "undone")
                self._ask_soon()

            def explain() -> None:
                if self._is_empty():
                    return
                try:
                    self._explained.show(self._sample, int(choice.value))
                except PopflipError as error:
                    client.say(str(error), bad=True)

            button("Teach", "teach", teach)
            button("Undo", "undo", undo)
            button("Explain it", "explain-drawing", explain)
        self._label = choice

    def _is_empty(self) -> bool:
        """Whether there is nothing to teach or to explain; says so if there is not."""
        if self._there:
            return False
        self._client.say("draw something first" if self._drawable else "show a sample first", True)
        return True

    @property
    def _there(self) -> bool:
        """Whether something is drawn or shown; a sample may be all black."""
        return self._given is not None or bool(self._drawing.image.any())

    @property
    def _sample(self) -> np.ndarray:
        """The image as the networks get it."""
        if self._given is not None:
            return self._given
        if self._drawable and self._centre.value:
            return centred(self._drawing.image)
        return self._drawing.image.copy()

    # Drawing --------------------------------------------------------------------------------

    def _on_pointer(self, event: events.MouseEventArguments) -> None:
        x, y = event.image_x, event.image_y
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in (x, y)):
            return
        if event.type == "pointerdown":
            if self._given is not None:
                self._clear()
            self._down = True
            self._drawing.begin(x, y)
        elif event.type == "pointermove" and self._down and event.buttons:
            self._drawing.go_on(x, y)
        elif event.type in ("pointerup", "pointerleave"):
            self._down = False
            return
        else:
            return
        self._draw()

    def _draw(self) -> None:
        self._image.set_source(address(self._drawing.image))
        self._ask_soon()

    def _clear(self) -> None:
        self._given = None
        self._drawing.clear()
        self._image.set_source(address(self._drawing.image))
        for text, chart in zip(self._answers, self._charts, strict=True):
            text.set_text(self._nothing)
            self._show_bars(chart, [], None)

    def _show_sample(self) -> None:
        try:
            image, label = self._client.exhibition.sample(int(self._number.value or 0))
        except PopflipError as error:
            self._client.say(str(error), bad=True)
            return
        self._drawing.put(image)
        self._given = image.copy()
        self._label.set_value(label)
        self._draw()

    # Asking ---------------------------------------------------------------------------------

    def _ask_soon(self) -> None:
        """Ask for a prediction, and once more if the drawing changes meanwhile."""
        self._stale = True
        if not self._asking and not self._client.exhibition.recorded:
            self._asking = True
            ui.timer(0, self._ask, once=True)

    async def _ask(self) -> None:
        exhibition = self._client.exhibition
        try:
            while self._stale:
                self._stale = False
                if self._there:
                    answers = await self._client.ask(partial(exhibition.predict, self._sample))
                    self._show(answers)
                await asyncio.sleep(0.1)
        finally:
            self._asking = False

    def _show(self, answers: list) -> None:
        exhibition = self._client.exhibition
        for exhibit, text, chart, judged in zip(
            exhibition.exhibits, self._answers, self._charts, answers, strict=False
        ):
            name = "" if len(exhibition.exhibits) == 1 else f"{exhibit.title}: "
            text.set_text(f"{name}{exhibition.classes[judged.prediction]}")
            self._show_bars(chart, judged.votes.tolist(), judged.prediction)

    def _redraw(self) -> None:
        for chart, (votes, chosen) in self._bars.items():
            draw(chart, bars(self._client.exhibition.classes, votes, self._client.dark, chosen))

    def _show_bars(self, chart: ui.echart, votes: list, chosen: int | None) -> None:
        self._bars[chart] = votes, chosen
        draw(chart, bars(self._client.exhibition.classes, votes, self._client.dark, chosen))
