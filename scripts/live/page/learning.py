"""The part of the page that leads a run, and shows how it learns."""

import asyncio
import html
import io
import tempfile
from pathlib import Path

from nicegui import events, ui

from popflip.golden.description.params import Params
from popflip.golden.support.errors import PopflipError
from popflip.golden.training.checkpoint import CheckpointError, read_checkpoint
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.history import WINDOW
from popflip.scripts.live.lamp import lamp
from popflip.scripts.live.page.charts import (
    changed_chart,
    cycle_chart,
    draw,
    error_chart,
    flip_chart,
)
from popflip.scripts.live.page.client import Client, button, caption
from popflip.scripts.live.saved import checkpoint_of
from popflip.scripts.session import same_network
from popflip.scripts.training.runs.reports import State

__all__ = ["add_charts", "add_controls", "add_figures"]

#: Samples per second that one may choose; 0 is as fast as it goes.
SPEEDS = {0: "full speed", 100: "100 /s", 20: "20 /s", 5: "5 /s", 1: "1 /s"}

#: How many times as fast a recording may be played.
PLAYED = {1.0: "as it went", 10.0: "10 times as fast", 100.0: "100 times as fast", 0.2: "slowly"}

#: What stands where there is no figure yet.
NOTHING = "\N{EN DASH}"

#: Names of charts, what draws them, and what they show.
CHARTS = (
    (
        "Error, %",
        error_chart,
        f"Of the last {WINDOW} samples, how many it got wrong before it learned them; and tests "
        "now and then.",
    ),
    (
        "Flips per sample",
        flip_chart,
        "Weights that flip between \N{MINUS SIGN}1 and +1. Layer 0 joins the input to the hidden "
        "neurons, the last layer leads to the outputs.",
    ),
    (
        "Clock cycles per sample, by stage",
        cycle_chart,
        "Drive: the input meets the weights. Free: the network settles. Nudged: it settles again, "
        "pushed towards the right answer and away from it. Update: latents and weights are "
        "written.",
    ),
    (
        "Changed neurons per sample",
        changed_chart,
        "Hidden neurons that the two nudges leave in different states. Only the weights of "
        "neurons that differ can change.",
    ),
)

#: Bytes of a checkpoint that is sent to the page, at most.
MOST_UPLOAD = 1 << 28


def add_controls(client: Client) -> None:
    """Add the buttons."""
    exhibition = client.exhibition
    every, recorded = exhibition.all, exhibition.recorded
    with ui.element("div").classes("bar").props('role=group aria-label="Learning"'):
        start = button("Start", "start", client.handler(lambda: every(lambda e: e.start())))
        pause = button("Pause", "pause", client.handler(lambda: every(lambda e: e.pause())))
        button("One step", "step", client.handler(lambda: every(lambda e: e.start(1))))
        if not recorded:
            button("One epoch", "epoch", client.handler(lambda: every(lambda e: e.epoch())))
            button("Test", "test", client.handler(lambda: every(lambda e: e.test())))
        button("Reset", "reset", client.handler(exhibition.reset, "begun anew"))
        _add_speed(client)
        reopen = button("Reconnect", "reopen", lambda: _reopen(client))
    caption(
        "A step is one line of the recording. Keys: p starts and pauses, s is one step."
        if recorded
        else "A step is one sample, an epoch all training samples once. A test asks for the test "
        "samples, which it never learns. Keys: p starts and pauses, s is one step, e an epoch, t a "
        "test."
    )

    if not recorded:
        caption(
            "The lamp: golden, the model in software that specifies every bit, learns the same "
            "samples in a process of its own. Counts of errors, changed neurons and flips are "
            "compared all along, all weights and latents now and then."
        )

    def show() -> None:
        running = any(exhibit.running for exhibit in exhibition.exhibits)
        start.set_visibility(not running)
        pause.set_visibility(running)
        reopen.set_visibility(
            not recorded and any(exhibit.report.over for exhibit in exhibition.exhibits)
        )

    client.parts.append(show)
    show()
    _add_keys(client)


def _add_speed(client: Client) -> None:
    """Add the choice of how fast it goes."""
    exhibition = client.exhibition
    speeds = PLAYED if exhibition.recorded else SPEEDS
    usual = next(iter(speeds))

    async def set_speed(event: events.ValueChangeEventArguments) -> None:
        chosen = float(event.value if event.value in speeds else usual)

        def ask(exhibit: Shown):
            return exhibit.faster(chosen) if exhibit.recorded else exhibit.speed(chosen or None)

        await client.ask(lambda: exhibition.all(ask))

    ui.select(speeds, value=usual, label="Speed", on_change=set_speed).props(
        "outlined dense data-testid=speed"
    ).style("min-width: 9rem")


def _add_keys(client: Client) -> None:
    exhibition = client.exhibition

    async def on_key(event: events.KeyEventArguments) -> None:
        modifiers = event.modifiers
        if modifiers.ctrl or modifiers.alt or modifiers.meta:
            return  # those are the browser's
        if not event.action.keydown or event.action.repeat:
            return
        running = any(exhibit.running for exhibit in exhibition.exhibits)
        asked = {
            "p": lambda exhibit: exhibit.pause() if running else exhibit.start(),
            "s": lambda exhibit: exhibit.start(1),
            "e": lambda exhibit: exhibit.epoch(),
            "t": lambda exhibit: exhibit.test(),
        }.get(event.key.name)
        if asked is not None:
            await client.ask(lambda: exhibition.all(asked))

    # Not where somebody types; but on a button, which is where one is who has just pressed it.
    ui.keyboard(on_key=on_key, ignore=["input", "select", "textarea"])


async def _reopen(client: Client) -> None:
    for exhibit in client.exhibition.exhibits:
        try:
            if exhibit.report.over:
                await asyncio.to_thread(exhibit.reopen)  # the process of before may take a while
        except PopflipError as error:
            client.say(str(error), bad=True)


def _add_checkpoints(client: Client, exhibit: Shown) -> None:
    """Add what saves and loads the network."""
    exhibition = client.exhibition

    async def save() -> None:
        answers = await client.ask(lambda: [exhibit.state()])
        if answers:
            content = checkpoint_of(exhibit, exhibition.data, answers[0])
            ui.download.content(content, "checkpoint.npz")

    async def load(event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        try:
            state = _read(content, exhibit.params)
        except PopflipError as error:
            client.say(str(error), bad=True)
            return
        await client.ask(lambda: exhibition.load(exhibit, state), "checkpoint loaded")

    def reject() -> None:
        most = MOST_UPLOAD >> 20
        client.say(f"a checkpoint is a file .npz of at most {most} MiB", bad=True)

    button("Save checkpoint", "save", save)
    with ui.dialog() as dialog, ui.element("div").classes("card"):
        ui.label("A checkpoint of this network, such as runs/mine/checkpoint.npz")
        ui.upload(
            on_upload=load,
            on_rejected=reject,
            auto_upload=True,
            max_file_size=MOST_UPLOAD,
            label="Checkpoint",
        ).props('data-testid=upload accept=".npz"')
        button("Close", "close-upload", dialog.close)
    button("Load checkpoint", "load", dialog.open)


def _read(content: bytes, params: Params):
    """Read a checkpoint that was sent; its name is nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.npz"
        path.write_bytes(io.BytesIO(content).getvalue())
        try:
            meta, state = read_checkpoint(path)
            same_network(path, Params.build(meta["params"]), params)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(path), "the file")) from None
    return state


def add_figures(client: Client, exhibit: Shown) -> None:
    """Add the figures that one reads from the back of a room, and the lamp."""
    with ui.element("section").classes("card") as section:
        section.props["aria-label"] = exhibit.title
        with ui.element("div").classes("bar"):
            ui.html(f"<h2>{html.escape(exhibit.title)}</h2>", sanitize=True)
            caption(exhibit.machine)
            state = ui.label().classes("quiet").props("role=status data-testid=state")
        with ui.element("div").classes("figures"):
            values = {
                name: _figure(name, text)
                for name, text in (
                    ("error", "error while learning"), ("tested", "test error"),
                    ("samples", "samples learned"), ("rate", "samples/s here"),
                    ("clock", f"samples/s at {exhibit.clock_mhz:g} MHz"),
                    ("cycles", "clock cycles per sample"),
                )
            }  # fmt: skip
        with ui.element("div").classes("bar"):
            lamp_text = ui.label().classes("lamp none").props("role=status data-testid=lamp")
            if not exhibit.recorded:
                button("Compare all bits", "compare", client.handler(lambda: [exhibit.compare()]))
                _add_checkpoints(client, exhibit)

    def show() -> None:
        curves = exhibit.history.curves()
        last = curves.points[-1] if curves.points else None
        state.set_text(_state_text(exhibit))
        kind, text = lamp(exhibit)
        lamp_text.classes(remove="good bad none", add=kind)
        lamp_text.set_text(text)
        cycles = sum(v for k, v in last.cycles.items() if k != "total") if last else 0
        values["samples"].set_text(f"{exhibit.history.at:,}")
        values["error"].set_text(f"{last.error:.1f} %" if last else NOTHING)
        values["tested"].set_text(f"{curves.tests[-1].error:.1f} %" if curves.tests else NOTHING)
        values["rate"].set_text(f"{last.samples_per_s:,.0f}" if last else NOTHING)
        values["cycles"].set_text(f"{cycles:,.0f}" if cycles else NOTHING)
        clock = exhibit.clock_mhz * 1e6
        values["clock"].set_text(f"{clock / cycles:,.0f}" if cycles else NOTHING)

    client.parts.append(show)
    show()


def _figure(name: str, text: str) -> ui.label:
    with ui.element("div"):
        value = ui.label(NOTHING).classes("big").props(f"data-testid={name}")
        ui.label(text).classes("quiet")
    return value


def _state_text(exhibit: Shown) -> str:
    report = exhibit.report
    if exhibit.recorded:
        text = "playing: " if exhibit.running else "stopped: "
    elif report.state is State.FAILED:
        return f"the board is away: {report.message.splitlines()[-1]}"
    else:
        text = ""
    if report.state is State.OPENING:
        text += "opening the board; a virtual one may have to be compiled first"
    else:
        text += report.state.value
    if report.samples:
        text += f", epoch {report.epoch + 1}, sample {report.position:,} of {report.samples:,}"
    return text + (f", disturbed: {report.change}" if report.change else "")


def add_charts(client: Client) -> None:
    """Add the curves."""
    exhibition = client.exhibition
    charts = {}
    if len(exhibition.exhibits) > 1:
        first, second = (exhibit.title for exhibit in exhibition.exhibits)
        caption(
            f"In the charts a solid line is {first}, a dashed one {second}. Both learn the same "
            "samples in the same order, each as fast as it can."
        )
    with ui.element("div").classes("board"):
        for name, maker, text in CHARTS:
            with ui.element("section").classes("card").props(f'aria-label="{name}"'):
                ui.html(f"<h3>{name}</h3>", sanitize=True)
                caption(text)
                chart = ui.echart(maker([], False)).classes("chart")
                chart.props(
                    f'role=img aria-label="chart: {name}" data-testid=chart-{maker.__name__}'
                )
                charts[maker] = chart
    drawn: list = [None]

    def show() -> None:
        curves = [exhibit.history.curves() for exhibit in exhibition.exhibits]
        key = (client.dark, [(exhibit.history.at, len(c.tests), len(c.events)) for exhibit, c in
                             zip(exhibition.exhibits, curves, strict=True)])  # fmt: skip
        if key == drawn[0]:
            return
        drawn[0] = key
        for maker, chart in charts.items():
            draw(chart, maker(curves, client.dark))

    client.parts.append(show)
