"""The other end of a run that is watched: the process that listens to a board that trains alone."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from popflip.boards.host import monitor
from popflip.boards.host.link import Link
from popflip.boards.host.machine import BoardMachine, stop_standalone, virtual_board
from popflip.boards.host.monitor import Epoch, Sighting
from popflip.boards.host.transport import Transport
from popflip.boards.virtual.board import VirtualBoard
from popflip.golden.description.params import Params
from popflip.golden.description.registers import StandaloneState
from popflip.golden.model import Report
from popflip.scripts.session import Target, open_serial
from popflip.scripts.training.runs.reports import RunReport, State, Tested
from popflip.scripts.training.runs.worker import REPORT_S, Tell, talk

__all__ = ["WatchTask", "main"]

#: What a run does while its board is in such a state.
STATES = {StandaloneState.TRAINING: State.LEARNING, StandaloneState.TESTING: State.TESTING}


@dataclass(frozen=True, kw_only=True)
class WatchTask:
    """What is to be watched.

    Attributes
    ----------
    tree : dict
        The parameters, as :meth:`Params.build` takes them.
    target : Target
    image : bytes
        Content of the virtual board's flash.
    start : bool
        Have a board at a serial port begin anew.
    samples : int
        Of an epoch; 0 if nobody knows.
    """

    tree: dict
    target: Target
    image: bytes
    start: bool
    samples: int


class _Closed(Exception):
    """Nobody listens any more."""


class _Watcher:
    """Looks at a board until it has come to its end, and says what it sees."""

    def __init__(
        self, task: WatchTask, params: Params, board: Transport, connection: Connection, tell: Tell
    ):
        self._task, self._params, self._board = task, params, board
        self._connection, self._tell = connection, tell
        self._state = State.OPENING
        self._sighting: Sighting | None = None
        self._trained: dict[int, Report] = {}  # by epoch; the newest that the board said of each
        self._tested: Tested | None = None
        self._seconds, self._looked, self._told = 0.0, time.monotonic(), 0.0

    def follow(self, link: Link) -> None:
        """Watch the board; when it has come to its end, answer until nobody asks any more."""
        for epoch in monitor.watch(self._params, link, self._see):
            self._end_epoch(epoch)
        self._state = State.PAUSED
        self._report()
        while True:
            self._answer()

    def _see(self, sighting: Sighting) -> None:
        now = time.monotonic()
        if self._state is State.LEARNING:
            self._seconds += now - self._looked
        self._looked, self._sighting = now, sighting
        # Whether all of it was told is not known before the watch ends: until then, as before.
        self._state = STATES.get(sighting.state, self._state)
        if self._state is State.LEARNING:
            self._trained[sighting.epoch] = sighting.report
        if now - self._told >= REPORT_S:
            self._report()
        while self._connection.poll():
            self._answer()

    def _end_epoch(self, epoch: Epoch) -> None:
        self._trained[epoch.number - 1] = epoch.trained.report
        tested = epoch.tested.report
        self._tested = Tested(self._total().samples, tested.samples, tested.correct)
        self._tell("epoch", epoch)
        self._report()

    def _answer(self) -> None:
        request = self._connection.recv()
        if request is None:
            raise _Closed
        number, name, _ = request
        assert name == "state", name
        if self._state is State.PAUSED:
            state = BoardMachine(self._params, self._board).read_state()
            self._tell("answer", number, state)
        else:
            self._tell("refused", number, "the board trains: its network can be read at the end")

    def _total(self) -> Report:
        total = Report()
        for part in self._trained.values():
            total += part
        return total

    def _report(self) -> None:
        sighting, board = self._sighting, self._board
        learning = sighting is not None and sighting.state == StandaloneState.TRAINING
        self._told = time.monotonic()
        self._tell(
            "report",
            RunReport(
                state=self._state,
                total=self._total(),
                epoch=sighting.epoch if sighting else 0,
                position=sighting.report.samples if sighting and learning else 0,
                samples=self._task.samples,
                seconds=self._seconds,
                tested=self._tested,
                sighting=sighting,
                flash_errors=board.flash_errors if isinstance(board, VirtualBoard) else 0,
            ),
        )


@contextmanager
def _open(task: WatchTask, params: Params) -> Iterator[tuple[Transport, Link]]:
    """Connect to the board for the length of a ``with`` block."""
    if task.target.virtual:
        with virtual_board(params, task.image) as board:
            yield board, Link(board, params)
        return
    with open_serial(task.target) as transport:
        link = Link(transport, params)
        link.resync()
        if task.start:
            stop_standalone(link, params, transport)
            index = params.registers["standalone"].index
            link.write("registers", index, bytes([1, 0, 0, 0]))
        yield transport, link


def main(task: WatchTask, connection: Connection) -> None:
    """Watch until nobody listens any more; what the second process runs.

    Parameters
    ----------
    task : WatchTask
    connection : Connection
        As of :func:`popflip.scripts.training.runs.worker.talk`, and besides ``("epoch", Epoch)``
        before the report in which it counts. All that can be asked for is ``state``.
    """

    def watch(tell: Tell) -> None:
        params = Params.build(task.tree)
        try:
            with _open(task, params) as (board, link):
                _Watcher(task, params, board, connection, tell).follow(link)
        except _Closed:
            pass

    talk(connection, watch)
