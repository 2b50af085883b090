"""Ctrl-C and requests to terminate, without an exception out of a signal handler.

An exception from a signal handler can appear at any line, also inside a lock of some library. So
the command's handler only notes the first request, and long loops end at their next safe point
(:func:`check`). A second request ends the process from within the handler, and so does the first
one where nobody looks for it. Files are written whole or not at all, so that nothing is lost.

Libraries that are used without the command keep Python's own handling: :func:`install` is for the
command alone.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "check",
    "install",
    "kill_children",
    "noted",
    "requested",
    "retire",
    "safe_points",
    "shielded",
]

#: Signals that ask for an end: Ctrl-C, a polite kill, a closed terminal.
ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

#: What a verb says that was ended; the status is 2.
LAST_WORDS = "popflip: interrupted; what was saved before is whole"

_NOTED = "stopping after the work in hand; Ctrl-C again ends at once"
_SHOW_CURSOR = "\x1b[?25h"


class _State:
    """What the handler and the loops share.

    Attributes
    ----------
    requested : bool
        Whether somebody has asked for an end.
    sections : list
        One entry for each section at work that has safe points, of any thread.
    stops : list of callable
        Of the sections that end in their own way, the innermost last.
    """

    def __init__(self):
        self.requested = False
        self.sections: list[object] = []
        self.stops: list[Callable[[], None]] = []


_state = _State()


def install() -> None:
    """Have signals that ask for an end handled here, but for those that are ignored (nohup)."""
    _state.__init__()  # type: ignore[misc]
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _on_signal)


def retire() -> None:
    """Ignore further requests: the status is known, and the process about to exit."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def requested() -> bool:
    """Whether somebody has asked for an end."""
    return _state.requested


def check() -> None:
    """End here if somebody has asked for it; for safe points.

    Raises
    ------
    KeyboardInterrupt
        If so, unless a section around this one ends in its own way.
    """
    if _state.requested and not _state.stops:
        raise KeyboardInterrupt


@contextmanager
def safe_points() -> Iterator[None]:
    """Mark a block that calls :func:`check` every few moments."""
    section = object()
    _state.sections.append(section)  # in one step, whatever other threads do
    try:
        yield
    finally:
        _state.sections.remove(section)


@contextmanager
def noted(stop: Callable[[], None]) -> Iterator[None]:
    """Mark a block that ends in its own way.

    Parameters
    ----------
    stop : callable
        Is called by the signal handler: it may set a variable, and nothing else.
    """
    _state.stops.append(stop)
    try:
        with safe_points():
            if _state.requested:  # before this block
                stop()
            yield
    finally:
        _state.stops.remove(stop)


@contextmanager
def shielded() -> Iterator[None]:
    """Block the signals while a process is started: it never gets them, and we a little later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_signal(number: int, frame: object) -> None:
    if _state.requested or not _state.sections:
        _end()
    _state.requested = True
    for stop in _state.stops:
        stop()
    _write(_NOTED)


def _write(line: str) -> None:
    # Not through Python's streams: the signal may have come in the middle of a line of theirs.
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        pass  # nobody reads it


def _end() -> None:
    """End the process now, and all that it has started."""
    _write(f"{_SHOW_CURSOR if os.isatty(2) else ''}{LAST_WORDS}")
    kill_children(os.getpid())
    os._exit(2)


def kill_children(process: int) -> None:
    """Kill all that a process has started, such as compilers, and what they have; Linux only."""
    for child in _descendants(process):
        try:
            os.kill(child, signal.SIGKILL)
        except OSError:
            pass  # it has ended meanwhile


def _descendants(process: int) -> list[int]:
    """Processes that a process has started, and those that they have; Linux only."""
    found: list[int] = []
    if sys.platform != "linux":
        return found
    waiting = [process]
    while waiting:
        for path in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                children = [int(word) for word in path.read_text().split()]
            except OSError:
                continue
            found += children
            waiting += children
    return found
