"""What the user sees while something runs: on standard error, so that results stay alone."""

import logging
import math
import sys
import time
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from popflip.golden.support import interrupts

__all__ = ["Display", "console", "listen", "out", "say"]

#: Seconds between two lines about the same thing where there is no terminal.
LINE_S = 5.0


class _Console(Console):
    def on_broken_pipe(self):
        # rich's own answer is to exit with status 1, which is for what is not as golden says.
        raise BrokenPipeError


def console() -> Console:
    """Return a console on standard error as it is now."""
    return _Console(stderr=True, highlight=False, markup=False, emoji=False)


def out() -> Console:
    """Return a console on standard output as it is now."""
    console = _Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, 110)
    return console


def say(text: str = "") -> None:
    """Write a line to standard error, beside a live bar if there is one."""
    where = _live[-1].console if _live else console()
    where.print(text, soft_wrap=True)


class _Lines(logging.Handler):
    """Log records as lines of :func:`say`."""

    def emit(self, record):
        say(record.getMessage())


def listen() -> None:
    """Show what popflip's own modules log, such as that a model is being compiled."""
    logger = logging.getLogger("popflip")
    if not any(isinstance(handler, _Lines) for handler in logger.handlers):
        logger.addHandler(_Lines())
        logger.setLevel(logging.INFO)
        logger.propagate = False


class Display:
    """Progress of one or several things: live bars on a terminal, else a line now and then.

    Use it as a context manager. Each :meth:`show` is a safe point: there the work ends if somebody
    has asked for it (:func:`popflip.golden.support.interrupts.check`).
    """

    def __init__(self):
        self.console = console()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28 if self.console.width >= 110 else 8),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._spoken: dict[str, float] = {}
        self._stack = ExitStack()

    def __enter__(self):
        self._stack.enter_context(interrupts.safe_points())
        self._bars.start()
        _live.append(self)
        return self

    def __exit__(self, *exc_info):
        _live.remove(self)
        self._bars.stop()
        self._stack.close()

    def show(self, title: str, done: int, total: int, note: str = "") -> None:
        """Say how far something is.

        Parameters
        ----------
        title : str
            Of the thing; a new one starts a new bar.
        done, total : int
        note : str
            What else there is to say about it.
        """
        interrupts.check()
        if self.console.is_terminal:
            if title not in self._tasks:
                self._tasks[title] = self._bars.add_task(title, total=total, note=note)
            self._bars.update(self._tasks[title], completed=done, total=total, note=note)
            return
        now = time.monotonic()
        last = self._spoken.get(title, -math.inf)
        if last != math.inf and (now - last >= LINE_S or done >= total):
            # Never again once it is over, whoever goes on looking.
            self._spoken[title] = now if done < total else math.inf
            say(f"{title}: {done:,} of {total:,}  {note}".rstrip())


_live: list[Display] = []
