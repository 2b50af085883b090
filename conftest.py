"""What the tests of every room may count on."""

import importlib.util
import shutil
import signal

import pytest

#: Whether the tests of the paper's own systems can run.
HAS_TORCH = importlib.util.find_spec("torch") is not None

#: Whether the test of the system that LiteX makes can.
HAS_LITEX = importlib.util.find_spec("litex") is not None

#: What leads the live page in tests; None where there is none, and they are left out.
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def has_gpu():
    """Whether PyTorch knows a GPU; it takes seconds to import."""
    if not HAS_TORCH:
        return False
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(config, items):
    """Leave out what needs PyTorch, LiteX, a browser or a GPU, where there is none."""
    lacking = set() if HAS_TORCH else {"torch"}
    if not HAS_LITEX:
        lacking.add("litex")
    if BROWSER is None:
        lacking.add("browser")
    if any(item.get_closest_marker("gpu") for item in items) and not has_gpu():
        lacking.add("gpu")
    left_out = [item for item in items if any(map(item.get_closest_marker, lacking))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter):
    """Say so in one line, instead of a skip for each."""
    if not HAS_TORCH:
        terminalreporter.write_line(
            "Left out: tests of the paper's own systems, which need PyTorch: "
            "pip install 'popflip[paper]'"
        )
    elif not has_gpu():
        terminalreporter.write_line("Left out: tests that need a GPU")
    if not HAS_LITEX:
        terminalreporter.write_line(
            "Left out: the test of a RISC-V system, which needs LiteX: pip install 'popflip[litex]'"
        )
    if BROWSER is None:
        terminalreporter.write_line(
            "Left out: tests of the live page in a browser, which need Chromium: apt-get install "
            "chromium"
        )


@pytest.fixture(scope="session")
def browser_path():
    """The path of a browser; a test that asks for it has the mark of the same name."""
    return BROWSER


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
