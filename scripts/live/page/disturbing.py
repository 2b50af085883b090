"""The part of the page that disturbs: other samples, other labels, memories with bits turned."""

from nicegui import ui

from popflip.golden.datasets.changes import KINDS, Change
from popflip.golden.support.errors import InputError
from popflip.scripts.live.page.client import Client, button

__all__ = ["add_disturbing"]


def _whole(value: object, name: str) -> int:
    """Return what somebody has typed as a number."""
    if not isinstance(value, int | float) or value != value or abs(value) > 1e9:
        raise InputError(f"{name} must be a whole number")
    return int(value)


def add_disturbing(client: Client) -> None:
    """Add what disturbs a network."""
    exhibition = client.exhibition
    with ui.element("section").classes("card").props('aria-label="Disturb"'):
        ui.html("<h3>Disturb</h3>", sanitize=True)
        with ui.element("div").classes("bar"):
            kind = ui.select(list(KINDS), value="invert", label="Change of the samples")
            kind.props("outlined dense data-testid=change").style("min-width: 11rem")
            percent = ui.number("Percent", min=0, max=100, format="%d", placeholder="usual")
            percent.props("outlined dense data-testid=percent").style("width: 7rem")
            names = dict(enumerate(exhibition.classes))
            first = ui.select(names, value=0, label="Swap")
            second = ui.select(names, value=1, label="with")
            for choice, name in ((first, "swap"), (second, "with")):
                choice.props(f"outlined dense data-testid={name}").style("min-width: 5rem")
                choice.bind_visibility_from(kind, "value", lambda v: v == "swap-labels")
        note = ui.label(KINDS["invert"]).classes("quiet")
        kind.on_value_change(lambda: note.set_text(KINDS.get(kind.value, "")))

        def change() -> Change:
            share = None if percent.value is None else _whole(percent.value, "percent")
            return Change(
                str(kind.value), percent=share,
                classes=(_whole(first.value, "class"), _whole(second.value, "class")),
            )  # fmt: skip

        with ui.element("div").classes("bar"):
            button("Disturb", "disturb", client.handler(lambda: exhibition.disturb(change())))
            button("As it was", "calm", client.handler(lambda: exhibition.disturb(None)))
        with ui.element("div").classes("bar"):
            count = ui.number("Bits", value=200, min=1, max=1 << 20, format="%d")
            count.props("outlined dense data-testid=bits").style("width: 8rem")
            button(
                "Turn bits of the memories over", "upset",
                client.handler(lambda: exhibition.upset(_whole(count.value, "bits"))),
            )  # fmt: skip
