"""Runs that are watched: a board that trains alone, on the virtual board."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest

from popflip.boards.host.machine import virtual_board
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.golden.datasets.loading import load
from popflip.golden.description.flash_image import write_image
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.standalone import StandaloneTrainer, image_of
from popflip.golden.training.state import differences, initial_state
from popflip.scripts.session import VIRTUAL, Failure, Target
from popflip.scripts.training.runs import process, watcher
from popflip.scripts.training.runs.reports import State
from popflip.scripts.training.runs.watched import WatchedRun

TRAIN, TEST = 200, 50

#: Seconds that a run has for anything in these tests: it ends if something hangs.
LONG = 120.0


def ended(report):
    """Whether the board has come to its end."""
    return report.state is State.PAUSED


@pytest.fixture(scope="module")
def params(folder):
    standalone = '\n[standalone]\nflash = "quad"\norder_bits = 8\nepochs = 2\n'
    path = folder / "standalone.toml"
    path.write_text((folder / "batches.toml").read_text() + standalone)
    return Params.load(path)


@pytest.fixture(scope="module")
def flash(params, folder):
    return write_image(params, *image_of(params, load(folder), TRAIN, TEST))


class Listener(threading.Thread):
    """One who takes each report at once, and notes how many epochs there were by then."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_watched, self.reports, self.epochs = run, [], []
        self.subscription = run.subscribe(kept=1000)
        self.start()

    def run(self):
        for report in self.subscription:
            self.reports.append(report)
            self.epochs.append(len(self.run_watched.epochs()))
            if ended(report):
                return


@pytest.fixture(scope="module")
def seen(params, flash):
    """A run that has come to its end, one who listened all the time, and one who took nothing."""
    with WatchedRun(params, image=flash, samples=TRAIN) as run:
        quick, slow = Listener(run), run.subscribe(kept=1)
        run.wait(ended, LONG)
        quick.join(LONG)
        yield run, quick, slow


@pytest.fixture(scope="module")
def golden(params, folder):
    trainer = StandaloneTrainer(
        params, load(folder), GoldenMachine(params), samples=TRAIN, test_samples=TEST
    )
    trainer.run(2)
    return trainer


@pytest.mark.slow
def test_a_board_is_watched_to_its_end_and_has_learned_what_golden_learns(seen, golden):
    run, _, _ = seen
    assert [epoch.number for epoch in run.epochs()] == [1, 2]
    for epoch, log in zip(run.epochs(), golden.history, strict=True):
        assert epoch.trained.report.flips == log.flips
        assert round(epoch.trained.report.error, 4) == log.train_error
        assert round(epoch.tested.report.error, 4) == log.test_error
    assert differences(run.result(run.state(), LONG), golden.machine.read_state()) == []
    report = run.report
    assert (report.epoch, report.samples, report.flash_errors) == (2, TRAIN, 0)
    assert report.total.samples == 2 * TRAIN
    trained = [epoch.trained.report for epoch in run.epochs()]
    assert report.total.flips == [
        sum(each) for each in zip(*(r.flips for r in trained), strict=True)
    ]
    assert report.total.cycles["total"] == sum(r.cycles["total"] for r in trained)
    assert (report.tested.at, report.tested.samples) == (2 * TRAIN, TEST)
    assert round(report.tested.error, 4) == golden.history[-1].test_error


@pytest.mark.slow
def test_two_listen_and_no_epoch_is_lost_to_either(seen):
    run, quick, slow = seen
    assert quick.reports[0].state is State.OPENING
    assert quick.reports[-1] == run.report
    totals = [report.total.samples for report in quick.reports]
    assert totals == sorted(totals)
    for report, epochs in zip(quick.reports, quick.epochs, strict=True):
        assert report.tested is None or epochs >= report.tested.at // TRAIN
    assert slow.get() == run.report, "only the newest was kept"
    assert 0 < slow.missed < len(quick.reports)
    assert [epoch.number for epoch in run.epochs(1)] == [2], "but all epochs are there"
    with run.subscribe() as late:
        assert late.get() == run.report


#: What asks a run to do something that only a host can lead a board to.
LEADS = [
    lambda run: run.start(),
    lambda run: run.step(),
    lambda run: run.epoch(),
    lambda run: run.pause(),
    lambda run: run.speed(10),
    lambda run: run.test(),
    lambda run: run.learn(np.zeros((1, 8, 8), np.uint8), np.array([1])),
    lambda run: run.teach(np.zeros((8, 8), np.uint8), 1),
    lambda run: run.predict(np.zeros((1, 8, 8), np.uint8)),
    lambda run: run.disturb(None),
    lambda run: run.upset(3),
    lambda run: run.look(),
    lambda run: run.write_state(initial_state(run.params, 1)),
]


def test_nobody_leads_it(params, flash):
    with WatchedRun(params, image=flash) as run:
        for ask in LEADS:
            with pytest.raises(InputError, match=r"^a board that trains alone is only watched: "):
                ask(run)


def test_only_a_board_with_a_flash_trains_alone(params, folder):
    with pytest.raises(InputError, match=r"^standalone\.flash must be single, dual or quad"):
        WatchedRun(Params.load(folder / "batches.toml"))
    with pytest.raises(InputError, match=r"^target must be a board, which trains alone, not the"):
        WatchedRun(params, target=Target(engine="golden"))


# Ends that come early ---------------------------------------------------------------------------


class Wire:
    """A connection in this process, to a watcher that is called here.

    Parameters
    ----------
    asked : callable
        Is called whenever the watcher looks for requests, with how often it has; returns those that
        have come in.
    """

    def __init__(self, asked):
        self._asked, self._looks, self._requests, self.said = asked, 0, [], []

    def poll(self):
        self._looks += 1
        self._requests += self._asked(self._looks)
        return bool(self._requests)

    def recv(self):
        if not self._requests:
            assert self.poll(), "it would wait for ever"
        return self._requests.pop(0)

    def send(self, message):
        self.said.append(message)

    @property
    def states(self):
        return [what[0].state for kind, *what in self.said if kind == "report"]


@pytest.fixture
def task(params, flash):
    return watcher.WatchTask(
        tree=params.model_dump(mode="json"), target=VIRTUAL, image=flash, start=False, samples=TRAIN
    )


def test_a_network_is_not_read_while_the_board_trains(task, golden):
    def ask(looks):
        if looks == 1:
            return [(1, "state", ())]
        return [(2, "state", ()), None] if State.PAUSED in wire.states else []

    wire = Wire(ask)
    watcher.main(task, wire)
    refusal = ("refused", 1, "the board trains: its network can be read at the end")
    assert refusal in wire.said
    kind, number, state = wire.said[-1]
    assert (kind, number) == ("answer", 2)
    assert differences(state, golden.machine.read_state()) == []


def test_a_watch_that_is_closed_in_the_midst_ends_there(task):
    wire = Wire(lambda looks: [None] if looks == 3 else [])
    watcher.main(task, wire)
    assert {kind for kind, *_ in wire.said} <= {"report", "epoch", "log"}
    assert wire.states
    assert State.PAUSED not in wire.states


def test_a_board_that_vanishes_in_the_midst_ends_the_watch(task, params, flash, monkeypatch):
    def vanish(looks):
        if looks == 2:
            board.close()
        return []

    board = virtual_board(params, flash)
    monkeypatch.setattr(watcher, "virtual_board", lambda *_: board)
    wire = Wire(vanish)
    watcher.main(task, wire)
    assert wire.said[-1] == ("failed", "the virtual board is closed", True)
    assert wire.states
    assert State.PAUSED not in wire.states


def test_a_serial_port_that_vanishes_is_said(params, flash):
    with virtual_board(params, flash) as board:
        with pseudo_terminal(board) as port:
            run = WatchedRun(params, target=Target(board=port), start=True)
            run.wait(ended, LONG)
            assert [epoch.number for epoch in run.epochs()] == [1, 2]
        with run, pytest.raises(Failure, match=r"^serial port .* has vanished: "):
            run.result(run.state(), LONG)
        assert run.report.state is State.FAILED
        assert len(run.epochs()) == 2


def test_a_process_that_dies_is_noticed(params, flash):
    with WatchedRun(params, image=flash) as run:
        os.kill(run._process.pid, signal.SIGSTOP)
        os.kill(run._process.pid, signal.SIGKILL)
        with pytest.raises(Failure, match=r"^the run's process ended with status -9$"):
            run.wait(ended, LONG)
        assert run.report.state is State.FAILED


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux",
    reason="interrupts.kill_children finds compilers in /proc, which only Linux has; elsewhere a "
    "compiler in hand ends by itself, some seconds later",
)
def test_compilers_end_with_a_run_that_is_closed(params, flash, monkeypatch, tmp_path):
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))  # where no model of the board is yet
    monkeypatch.setattr(process, "CLOSE_S", 0.0)
    end = time.monotonic() + LONG
    with WatchedRun(params, image=flash) as run:
        while not (held := stop_one(psutil.Process(run._process.pid))):
            assert time.monotonic() < end
            time.sleep(0.01)
    try:
        while is_alive(held):
            assert time.monotonic() < end, "it is still there"
            time.sleep(0.01)
    finally:
        if is_alive(held):
            held.kill()


def stop_one(parent):
    """Have a process of a parent's stand still, which then ends only if it is killed; return it."""
    for held in parent.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            held.suspend()
            if is_alive(held):
                return held
    return None


def is_alive(held):
    """Whether a process is there that has not ended; who adopts it may not have noticed."""
    try:
        return held.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_was_closed_asks_nothing_more(params, flash):
    with WatchedRun(params, image=flash) as run:
        pass
    assert run.report.state is State.ENDED
    assert run.epochs() == []
    with pytest.raises(Failure, match=r"^the run has ended$"):
        run.state()
