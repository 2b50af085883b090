"""What the tests of every room may count on."""

import signal

import pytest


@pytest.fixture
def default_signals():
    """Signals that end a process do so here, and in what is started from here.

    A shell has what it starts in the background ignore Ctrl-C, and nohup a hang-up; every process
    inherits that.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
