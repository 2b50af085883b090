"""Interrupts: flags and safe points in this process, ends in another."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from popflip.golden.support import interrupts

pytestmark = pytest.mark.usefixtures("default_signals")


@pytest.fixture
def installed(default_signals):
    interrupts.install()
    yield
    interrupts.install()  # nobody wants an end any more


def test_a_safe_point_ends_the_work(installed, capfd):
    with interrupts.safe_points():
        interrupts.check()
        signal.raise_signal(signal.SIGTERM)  # raises nothing
        assert interrupts.requested()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert capfd.readouterr().err == (
        "stopping after the work in hand; Ctrl-C again ends at once\n"
    )


def test_a_block_may_end_in_its_own_way(installed):
    stopped = []
    with interrupts.safe_points(), interrupts.noted(lambda: stopped.append(1)):
        signal.raise_signal(signal.SIGINT)
        assert stopped == [1]
        interrupts.check()
    with interrupts.noted(lambda: stopped.append(2)):  # asked before
        assert stopped == [1, 2]
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()


def test_a_process_is_started_without_its_getting_any(installed):
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with interrupts.shielded():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def alive(process):
    """Whether a process still runs; what is dead may wait for somebody to ask."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


ENDS = """
import subprocess, sys, time
from popflip.golden.support import interrupts
interrupts.install()
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
{block}
    print(child.pid, flush=True)
    while True:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("number", interrupts.ENDING, ids=lambda n: n.name)
@pytest.mark.parametrize(
    ("block", "signals"), [("if True:", 1), ("with interrupts.safe_points():", 2)]
)
def test_nobody_who_looks_means_an_end_at_once(number, block, signals):
    process = subprocess.Popen(
        [sys.executable, "-c", ENDS.format(block=block)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    child = int(process.stdout.readline())
    for n in range(signals):
        process.send_signal(number)
        if n + 1 < signals:
            assert process.stderr.readline().startswith("stopping")
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (2, f"{interrupts.LAST_WORDS}\n")
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
