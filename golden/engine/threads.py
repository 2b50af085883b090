"""How many threads the engine may use, and calls on so many."""

import threading
from collections.abc import Callable

import numpy as np
from numba.core import config

from popflip.golden.support.errors import InputError

__all__ = ["call_in_chunks", "check_threads", "most_threads"]


def most_threads() -> int:
    """Threads that this process may use."""
    return int(config.NUMBA_NUM_THREADS)


def check_threads(threads: int | None) -> None:
    """Raise ValueError if there are fewer threads than are asked for."""
    most = most_threads()
    if threads is not None and not 1 <= threads <= most:
        raise InputError(f"threads must be 1 to {most}, as many as there are, not {threads}")


def call_in_chunks(function: Callable, threads: int, *arguments):
    """Call a compiled function on so many threads; return what it returns for chunk 0.

    Parameters
    ----------
    function : callable
        Takes the arguments, then a counter for :func:`popflip.golden.engine.meeting.meet`, its
        chunk and how many chunks there are. Compiled for these arguments, so that it cannot fail
        on one thread while others wait for it.
    threads : int
    *arguments
    """
    meeting = np.zeros(1, np.int64)
    others = [
        threading.Thread(target=function, args=(*arguments, meeting, chunk, threads))
        for chunk in range(1, threads)
    ]
    for thread in others:
        thread.start()
    try:
        return function(*arguments, meeting, 0, threads)
    finally:
        for thread in others:
            thread.join()
