"""The page: its parts from top to bottom, for each browser that looks."""

import asyncio

from nicegui import ui

from popflip.scripts.live.exhibition import Exhibition
from popflip.scripts.live.export import export_page
from popflip.scripts.live.page.client import UPDATE_S, Client, button, caption
from popflip.scripts.live.page.disturbing import add_disturbing
from popflip.scripts.live.page.inside import Explained, add_network
from popflip.scripts.live.page.learning import add_charts, add_controls, add_figures
from popflip.scripts.live.page.pad import Pad
from popflip.scripts.live.page.style import PRIMARY, STYLE

__all__ = ["add_page"]

_LEAD = (
    "A network of 1-bit weights and 1-bit neurons learns while you watch. Draw for it, teach it, "
    "disturb it, look inside."
)


def add_page(exhibition: Exhibition) -> None:
    """Have the server show an exhibition."""

    @ui.page("/")
    def index() -> None:
        _build(Client(exhibition))


def _build(client: Client) -> None:
    exhibition = client.exhibition
    ui.add_css(STYLE)
    ui.colors(primary=PRIMARY)
    dark = ui.dark_mode(None)
    with ui.element("header").classes("bar"):
        ui.html("<h1>popflip live</h1>", sanitize=True)
        caption(_LEAD)

        def turn() -> None:
            client.turn(not client.dark)
            dark.set_value(client.dark)

        button("Dark or light", "dark", turn).props("dense")
        button("Export", "export", lambda: _export(client)).props("dense")
    with ui.element("div").classes("parts"):
        with ui.element("div").classes("card"):
            add_controls(client)
        with ui.element("div").classes("board"):
            for exhibit in exhibition.exhibits:
                add_figures(client, exhibit)
        if not exhibition.recorded:
            add_disturbing(client)
        add_charts(client)
        together = len(exhibition.exhibits) == 1  # there is room for the pad beside one network
        if not exhibition.recorded and not together:
            pad_place = ui.element("div").classes("place")
        with ui.element("div").classes("board"):
            if not exhibition.recorded and together:
                pad_place = ui.element("div").classes("place")
            for exhibit in exhibition.exhibits:
                add_network(client, exhibit)
        if not exhibition.recorded:  # a recording has no samples
            explained = Explained(client)
            with pad_place:
                Pad(client, explained)

    async def begin() -> None:
        await ui.context.client.connected(timeout=60)
        # The element gives its picture no text of its own.
        ui.run_javascript("document.querySelector('.pad img')?.setAttribute('alt', 'the image')")
        query = "matchMedia('(prefers-color-scheme: dark)').matches"
        client.turn(bool(await ui.run_javascript(query, timeout=60)))
        ui.timer(UPDATE_S, client.update)

    ui.timer(0, begin, once=True)


async def _export(client: Client) -> None:
    exhibition = client.exhibition
    sample = exhibition.sample(0) if exhibition.n_samples else None
    content = await asyncio.to_thread(export_page, exhibition.exhibits, exhibition.classes, sample)
    ui.download.content(content, "popflip.html")
