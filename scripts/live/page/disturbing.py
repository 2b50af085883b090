"""The part of the page that disturbs: other samples, other labels, memories with bits flipped."""

from nicegui import ui

from popflip.golden.datasets.changes import KINDS, STRENGTH, Change
from popflip.golden.support.errors import InputError
from popflip.scripts.live.page.client import Client, button, caption

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
        caption(
            "Change what it sees, what it is told, or what it remembers, and the error jumps. Let "
            "it learn on, and watch it recover."
        )
        with ui.element("div").classes("bar"):
            kind = ui.select(list(KINDS), value="invert", label="Change of the samples")
            kind.props("outlined dense data-testid=change").style("min-width: 12rem")
            percent = ui.number("Percent", min=0, max=100, format="%d", placeholder="usual")
            percent.props("outlined dense data-testid=percent").style("width: 7rem")
            names = dict(enumerate(exhibition.classes))
            first = ui.select(names, value=0, label="Swap")
            second = ui.select(names, value=1, label="with")
            for choice, name in ((first, "swap"), (second, "with")):
                choice.props(f"outlined dense data-testid={name}").style("min-width: 5rem")

            def change() -> Change:
                drawn = percent.value is not None and kind.value in STRENGTH
                share = _whole(percent.value, "percent") if drawn else None
                return Change(
                    str(kind.value), percent=share,
                    classes=(_whole(first.value, "class"), _whole(second.value, "class")),
                )  # fmt: skip

            button("Disturb", "disturb", client.handler(lambda: exhibition.disturb(change())))
            button("Back to normal", "calm", client.handler(lambda: exhibition.disturb(None)))
            count = ui.number("Bits", value=200, min=1, max=1 << 20, format="%d")
            count.props("outlined dense data-testid=bits").style("width: 7rem; margin-left: 1rem")
            button(
                "Flip bits of its memory", "upset",
                client.handler(lambda: exhibition.upset(_whole(count.value, "bits"))),
            )  # fmt: skip
        note = caption("")

        def tell() -> None:
            strength = STRENGTH.get(kind.value)
            percent.set_visibility(strength is not None)
            for choice in (first, second):
                choice.set_visibility(kind.value == "swap-labels")
            usual = f"; {strength} % if you leave it empty" if strength else ""
            note.set_text(f"{kind.value}: {KINDS.get(kind.value, '')}{usual}.")

        kind.on_value_change(tell)
        tell()
