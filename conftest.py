"""What the tests of every room may count on."""

import importlib.util
import signal

import pytest

#: Whether the tests of the paper's own systems can run.
HAS_TORCH = importlib.util.find_spec("torch") is not None


def pytest_collection_modifyitems(config, items):
    """Leave out what needs PyTorch where there is none."""
    if HAS_TORCH:
        return
    left_out = [item for item in items if item.get_closest_marker("torch")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("torch")]


def pytest_terminal_summary(terminalreporter):
    """Say so in one line, instead of a skip for each."""
    if not HAS_TORCH:
        terminalreporter.write_line(
            "Left out: tests of the paper's own systems, which need PyTorch: "
            "pip install 'popflip[paper]'"
        )


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
