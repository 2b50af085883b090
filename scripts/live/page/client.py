"""One browser that looks at the page: what it is told, and how it asks."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from nicegui import ui

from popflip.golden.support.errors import PopflipError
from popflip.scripts.live.exhibition import Exhibition

__all__ = ["Client", "button", "caption"]

#: Seconds that a browser may take for an update, until it gets no more of them.
PATIENCE_S = 60.0

#: Seconds between two updates, at least.
UPDATE_S = 0.5


class Client:
    """What the parts of the page of one browser have in common.

    A part that shows something adds a function to ``parts``; all of them are called for an update.
    The next update waits until the browser has taken in the one before: who is slow gets fewer.

    Parameters
    ----------
    exhibition : Exhibition
    """

    def __init__(self, exhibition: Exhibition):
        self.exhibition = exhibition
        self.dark = False
        self.parts: list[Callable[[], None]] = []
        self.themed: list[Callable[[], None]] = []  # what draws for another ground
        self.updates = 0
        self._gone = False
        ui.context.client.on_delete(self._leave)

    def _leave(self) -> None:
        self._gone = True

    def turn(self, dark: bool) -> None:
        """Draw for a dark ground, or a light one."""
        self.dark = dark
        for redraw in self.themed:
            redraw()

    async def update(self) -> None:
        """Show what is new, and wait until the browser has it."""
        for part in self.parts:
            part()
        self.updates += 1
        try:
            await ui.run_javascript("1", timeout=PATIENCE_S)
        except TimeoutError:
            pass

    async def ask(self, do: Callable[[], list[Future]], done: str | None = None) -> list[Any]:
        """Ask the exhibition for something, and tell what came of it.

        Parameters
        ----------
        do : callable
            Asks; returns futures.
        done : str, optional
            What to say when all is done.

        Returns
        -------
        list
            The answers; empty if there are none, or the browser has left meanwhile.
        """
        try:
            futures = do()
            answers = await asyncio.gather(*map(asyncio.wrap_future, futures))
        except PopflipError as error:
            self.say(str(error), bad=True)
        except RuntimeError as error:  # of a run whose process has failed
            self.say(str(error).splitlines()[-1], bad=True)
        else:
            if self._gone:
                return []
            if done:
                self.say(done)
            return answers
        return []

    def say(self, text: str, bad: bool = False) -> None:
        """Tell the user something, unless the browser has left."""
        if self._gone:
            return
        ui.notify(
            text, timeout=6000 if bad else 2500, position="bottom", textColor="white",
            color="red-10" if bad else "blue-10",
        )  # fmt: skip

    def handler(self, do: Callable[[], list[Future]], done: str | None = None):
        """Return a handler that asks the exhibition for something."""

        async def handle() -> None:
            await self.ask(do, done)

        return handle


def caption(text: str) -> ui.label:
    """Add a sentence that says what one sees."""
    return ui.label(text).classes("quiet")


def button(text: str, name: str, handle: Callable[..., Awaitable[None] | None], **props: str):
    """Make a button that tests find by its name."""
    made = ui.button(text, on_click=lambda: handle()).props(f"no-caps data-testid={name}")
    for key, value in props.items():
        made.props(f'{key}="{value}"')
    return made
