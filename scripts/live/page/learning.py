"""The part of the page that leads a run, and shows how it learns."""

import io
import tempfile
from pathlib import Path

from nicegui import events, ui

from popflip.golden.description.params import Params
from popflip.golden.support.errors import PopflipError
from popflip.golden.training.checkpoint import CheckpointError, read_checkpoint
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.page.charts import changed_chart, cycle_chart, error_chart, flip_chart
from popflip.scripts.live.page.client import Client, button
from popflip.scripts.live.saved import checkpoint_of
from popflip.scripts.session import CLOCKS_MHZ, same_network
from popflip.scripts.training.runs.reports import State

__all__ = ["add_charts", "add_controls", "add_figures"]

#: Samples per second that one may choose; 0 is as fast as it goes.
SPEEDS = {0: "full speed", 100: "100 /s", 20: "20 /s", 5: "5 /s", 1: "1 /s"}

#: Bytes of a checkpoint that is sent to the page, at most.
MOST_UPLOAD = 1 << 28


def add_controls(client: Client) -> None:
    """Add the buttons."""
    exhibition = client.exhibition
    with ui.element("div").classes("bar").props('role=group aria-label="Learning"'):
        start = button(
            "Start",
            "start",
            client.handler(lambda: exhibition.all(lambda exhibit: exhibit.start())),
        )
        pause = button(
            "Pause",
            "pause",
            client.handler(lambda: exhibition.all(lambda exhibit: exhibit.pause())),
        )
        button(
            "Step", "step", client.handler(lambda: exhibition.all(lambda exhibit: exhibit.start(1)))
        )
        button(
            "Epoch",
            "epoch",
            client.handler(lambda: exhibition.all(lambda exhibit: exhibit.epoch())),
        )
        if not exhibition.recorded:
            button(
                "Test",
                "test",
                client.handler(lambda: exhibition.all(lambda exhibit: exhibit.test())),
            )
        button("Reset", "reset", client.handler(exhibition.reset, "begun anew"))

        async def set_speed(event: events.ValueChangeEventArguments) -> None:
            chosen = float(event.value) if event.value in SPEEDS else 0.0
            await client.ask(lambda: exhibition.all(lambda exhibit: exhibit.speed(chosen or None)))

        ui.select(SPEEDS, value=0, label="Speed", on_change=set_speed).props(
            "outlined dense data-testid=speed"
        ).style("min-width: 9rem")
        if not exhibition.recorded:
            _add_checkpoints(client)
        reopen = button("Reconnect", "reopen", lambda: _reopen(client))

    def show() -> None:
        states = [exhibit.report.state for exhibit in exhibition.exhibits]
        start.set_visibility(State.LEARNING not in states)
        pause.set_visibility(State.LEARNING in states)
        reopen.set_visibility(any(exhibit.report.over for exhibit in exhibition.exhibits))

    client.parts.append(show)
    show()

    async def on_key(event: events.KeyEventArguments) -> None:
        if not event.action.keydown or event.action.repeat or event.modifiers.ctrl:
            return
        learning = exhibition.exhibits[0].report.state is State.LEARNING
        asked = {
            "p": lambda exhibit: exhibit.pause() if learning else exhibit.start(),
            "s": lambda exhibit: exhibit.start(1),
            "e": lambda exhibit: exhibit.epoch(),
            "t": lambda exhibit: exhibit.test(),
        }.get(event.key.name)
        if asked is not None:
            await client.ask(lambda: exhibition.all(asked))

    ui.keyboard(on_key=on_key)


async def _reopen(client: Client) -> None:
    for exhibit in client.exhibition.exhibits:
        try:
            if exhibit.report.over:
                exhibit.reopen()
        except PopflipError as error:
            client.say(str(error), bad=True)


def _add_checkpoints(client: Client) -> None:
    exhibition = client.exhibition

    async def save() -> None:
        exhibit = exhibition.exhibits[0]
        answers = await client.ask(lambda: [exhibit.state()])
        if answers:
            content = checkpoint_of(exhibit, exhibition.data, answers[0])
            ui.download.content(content, "checkpoint.npz")

    async def load(event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        try:
            state = _read(content, exhibition.exhibits[0].params)
        except PopflipError as error:
            client.say(str(error), bad=True)
            return
        await client.ask(lambda: exhibition.load(state), "checkpoint loaded")

    button("Save checkpoint", "save", save)
    with ui.dialog() as dialog, ui.element("div").classes("card"):
        ui.label("A checkpoint of this network, such as runs/mine/checkpoint.npz")
        ui.upload(
            on_upload=load, auto_upload=True, max_file_size=MOST_UPLOAD, label="Checkpoint"
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
    with ui.element("section").classes("card").props(f'aria-label="{exhibit.title}"'):
        with ui.element("div").classes("bar"):
            ui.html(f"<h2>{exhibit.title}</h2>", sanitize=True)
            state = ui.label().classes("quiet").props("role=status data-testid=state")
            lamp = ui.label().classes("lamp none").props("role=status data-testid=lamp")
            if not exhibit.recorded:
                button("Compare all bits", "compare", client.handler(lambda: [exhibit.compare()])
                       ).props("dense")  # fmt: skip
        with ui.element("div").classes("figures"):
            values = {
                name: _figure(name, text)
                for name, text in (
                    ("error", "error while learning"), ("tested", "test error"),
                    ("samples", "samples learned"), ("rate", "samples/s here"),
                    ("clock", f"samples/s at {CLOCKS_MHZ[1]} MHz"), ("cycles", "cycles per sample"),
                )
            }  # fmt: skip

    def show() -> None:
        curves = exhibit.history.curves()
        last = curves.points[-1] if curves.points else None
        state.set_text(_state_text(exhibit))
        _show_lamp(exhibit, lamp)
        cycles = sum(v for k, v in last.cycles.items() if k != "total") if last else 0
        values["samples"].set_text(f"{exhibit.history.at:,}")
        values["error"].set_text(f"{last.error:.1f} %" if last else "...")
        values["tested"].set_text(f"{curves.tests[-1].error:.1f} %" if curves.tests else "...")
        values["rate"].set_text(f"{last.samples_per_s:,.0f}" if last else "...")
        values["cycles"].set_text(f"{cycles:,.0f}" if cycles else "...")
        clock = CLOCKS_MHZ[1] * 1e6
        values["clock"].set_text(f"{clock / cycles:,.0f}" if cycles else "...")

    client.parts.append(show)
    show()


def _figure(name: str, text: str) -> ui.label:
    with ui.element("div"):
        value = ui.label("...").classes("big").props(f"data-testid={name}")
        ui.label(text).classes("quiet")
    return value


def _state_text(exhibit: Shown) -> str:
    report = exhibit.report
    if report.state is State.FAILED:
        return f"the board is away: {report.message.splitlines()[-1]}"
    text = report.state.value
    if report.state is State.OPENING:
        text = "opening the board; a virtual one may have to be compiled first"
    if report.samples:
        text += f", epoch {report.epoch + 1}, sample {report.position:,} of {report.samples:,}"
    return text + (f", disturbed: {report.change}" if report.change else "")


def _show_lamp(exhibit: Shown, lamp: ui.label) -> None:
    proof, since = exhibit.proof, exhibit.history.since
    if proof.message:
        kind, text = "none", proof.message
    elif not proof.equal:
        kind, text = "bad", f"\N{HEAVY MULTIPLICATION X} not golden's: {proof.differences[0]}"
    elif since(proof.samples) <= 0:
        kind, text = "none", "golden has learned nothing yet"
    else:
        text = f"\N{HEAVY CHECK MARK} as golden to sample {since(proof.samples):,}"
        if proof.bits_at is not None and since(proof.bits_at) >= 0:
            text += f", every bit at {since(proof.bits_at):,}"
        kind = "good"
    lamp.classes(remove="good bad none", add=kind)
    lamp.set_text(text)


def add_charts(client: Client) -> None:
    """Add the curves."""
    exhibition = client.exhibition
    titles = [exhibit.title for exhibit in exhibition.exhibits]
    makers = {
        "Error": error_chart, "Flips": flip_chart, "Cycles by stage": cycle_chart,
        "Changed neurons": changed_chart,
    }  # fmt: skip
    charts = {}
    with ui.element("div").classes("board"):
        for name, maker in makers.items():
            with ui.element("section").classes("card").props(f'aria-label="{name}"'):
                ui.html(f"<h3>{name}</h3>", sanitize=True)
                chart = ui.echart(maker(titles, [], False)).classes("chart")
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
            chart.options.clear()
            chart.options.update(maker(titles, curves, client.dark))
            chart.update()

    client.parts.append(show)
