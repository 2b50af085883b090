"""How many threads the engine may use, and calls with so many."""

import threading

from numba import get_num_threads, set_num_threads
from numba.core import config

from popflip.golden.support.errors import InputError

__all__ = ["call_with_threads", "check_threads", "most_threads"]

# Numba's threads serve one caller at a time.
_one_caller = threading.Lock()


def most_threads() -> int:
    """Threads that this process may use."""
    return int(config.NUMBA_NUM_THREADS)


def check_threads(threads: int | None) -> None:
    """Raise ValueError if there are fewer threads than are asked for."""
    most = most_threads()
    if threads is not None and not 1 <= threads <= most:
        raise InputError(f"threads must be 1 to {most}, as many as there are, not {threads}")


def call_with_threads(function, threads: int, *arguments):
    """Call a compiled function whose last argument is how many threads it has."""
    if threads == 1:
        return function(*arguments, threads)
    with _one_caller:
        before = get_num_threads()
        set_num_threads(threads)
        try:
            return function(*arguments, threads)
        finally:
            set_num_threads(before)
