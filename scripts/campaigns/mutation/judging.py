"""Whether the tests see a fault in the hardware, for many faults.

Small networks reach all parts of the RTL between them. Each one's machine becomes a netlist with
faults (:mod:`.fault_injection`) behind the pins of a virtual board, which plays the scenarios of
the tests (:mod:`popflip.scripts.campaigns.scenarios`) with one fault after the other switched on. A
fault is killed by the first scenario that does not go as golden says, or that takes far longer than
without a fault. Cycles are counted, not seconds, so that the outcome is the same everywhere.

A worker is a process of its own, which a fault may take down with it.
"""

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np

from popflip.boards.host.frames import decode_frame
from popflip.boards.virtual.board import VirtualBoard
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import STATUS_ANSWER, Status
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.scripts.campaigns.mutation.fault_injection import FAULT, faulty_netlist
from popflip.scripts.campaigns.networks import NETWORKS
from popflip.scripts.campaigns.scenarios import (
    Scenario,
    asks_at_once,
    asks_bounds,
    asks_long,
    counts,
    infers,
    refuses,
    stops,
    stops_each,
    stops_last,
    trains,
    trains_again,
    trains_from_store,
    trains_long,
    trains_much,
    trains_standalone,
    trains_varied,
)

__all__ = [
    "Stage",
    "Verdict",
    "board_of",
    "converse",
    "judge_faults",
    "play_scenario",
    "scenarios_of",
]


#: Cycles without a byte after which a machine counts as dead: more than any request takes, or an
#: epoch of a standalone machine.
_SILENCE = 300_000

#: A scenario may take so many times the cycles that it takes without a fault.
_PATIENCE = 3

#: Seconds of processor time after which a worker is ended: a model that does not come back. (Not of
#: the wall's clock: on a busy machine that would kill faults which nothing else does.)
_SECONDS = 300


def scenarios_of(params: Params) -> dict[str, Callable[[], Scenario]]:
    """Return what makes the scenarios that a machine plays, the quickest and most telling first."""
    slots = params.machine.sample_slots
    scenarios = {
        "train": lambda: trains(params),
        "refuse": lambda: refuses(params),
        "store": lambda: trains_from_store(params),
        "infer": lambda: infers(params),
        "stop": lambda: stops(params),
        "stop last": lambda: stops_last(params),
        # No bit of the first slot's number is what it is in the short scenario.
        "slots": lambda: trains(params, 13, slots, first=slots // 4 - 1),
        "long": lambda: trains_long(params),
        "again": lambda: trains_again(params),
        "stop each": lambda: stops_each(params),
    }
    last = {
        "at once": lambda: asks_at_once(params),
        "bounds": lambda: asks_bounds(params),
        "pieces": lambda: asks_long(params),
        "count": lambda: counts(params),
    }
    if params.standalone.lines:
        # The others find an empty flash: the machine waits for a host.
        most = 1 << params.standalone.order_bits
        return {
            "standalone": lambda: trains_standalone(params),
            **scenarios,
            "slots again": lambda: trains(params, 12, slots),
            # With that of the first scenario, each bit of both numbers is 0 once, and 1.
            "standalone most": lambda: trains_standalone(params, samples=most, tests=10),
            "standalone few": lambda: trains_standalone(params, samples=3, tests=most),
            **last,
        }
    return scenarios | {
        "varied": lambda: trains_varied(params),
        "much": lambda: trains_much(params),
        **last,
    }


class _Dead(AssertionError):
    """A machine said nothing, or took too long."""


def converse(
    board: VirtualBoard,
    steps: list,
    divisor: int,
    most_cycles: int = 1 << 62,
    watch: bool = False,
) -> list:
    """Play the steps of a stimulus over the pins of a virtual board.

    Parameters
    ----------
    board : VirtualBoard
    steps : list
        Of the bench ``tb_top``, without ``"params"`` and ``"flash"``; and ``"samples"``, which
        hands packed samples to the store, and the number of their first.
    divisor : int
        Clock cycles per bit.
    most_cycles : int
        That it may take.
    watch : bool
        Whether to look at the pin ``error`` whenever all answers have come: it tells whether the
        last one was an error.

    Returns
    -------
    list
        What the bench would return.
    """
    received, results = bytearray(), []
    last: int = Status.OK

    def look():
        assert not watch or board.error == (last not in (Status.OK, Status.REPORT)), "pin error"

    def hear():
        while 0 not in received:
            chunk = board.read(_SILENCE / board.clock_hz)
            if not chunk:
                raise _Dead(f"no answer in {_SILENCE:,} cycles")
            if board.cycles > most_cycles:
                raise _Dead(f"not done in {most_cycles:,} cycles")
            received.extend(chunk)
        nonlocal last
        answer, _, rest = received.partition(b"\0")
        received[:] = rest
        last = decode_frame(bytes(answer)).kind
        return bytes(answer)

    for what, *arguments in steps:
        if what in ("send", "ask", "wait") and arguments[0]:
            look()
        if what == "samples":
            packed, first = arguments
            # What is before the first takes no memory: nobody writes there.
            store = np.zeros((first + len(packed), packed.shape[1]), np.uint8)
            store[first:] = packed
            board.store(store)
        elif what == "send":
            board.write(arguments[0])
        elif what == "hear":
            results.append(hear())
        elif what == "ask":
            board.write(arguments[0])
            results.append(hear())
        elif what == "silence":
            board.idle((board.queued * 10 + arguments[0]) * divisor / board.clock_hz)
            received.extend(board.read(0))
            results.append(bytes(received))
            received.clear()
        elif what == "wait":
            asked, busy = 0, True
            while busy:
                board.write(arguments[0])
                busy = STATUS_ANSWER.unpack(decode_frame(hear()).payload)[0]
                asked += 1
            results.append(asked)
        else:
            raise InputError(f"step must be one that a board can play, not {what!r}")
    look()
    return results


def board_of(params: Params, verilog: str, flash: bytes = b"") -> VirtualBoard:
    """Build a virtual board of some Verilog of a machine, with the content of its flash."""
    standalone = params.standalone
    return VirtualBoard(
        verilog,
        divisor=params.machine.uart_divisor,
        sample_bytes=params.sample_bytes,
        flash_delay=standalone.flash_delay if standalone.lines else None,
        error_pin=True,
        flash=flash,
    )


def play_scenario(
    scenario: Scenario, make_board: Callable[[bytes], VirtualBoard], most_cycles: int = 1 << 62
) -> int:
    """Play a scenario on a virtual board; return the cycles that it took.

    Parameters
    ----------
    scenario : Scenario
    make_board : callable
        Makes the board, with the content of its flash.
    most_cycles : int
        That it may take.

    Raises
    ------
    Exception
        Of any kind, if something goes otherwise than golden says.
    """
    params = scenario.stimulus.params
    [_, *steps] = scenario.stimulus.steps
    content = b""
    if steps[0][0] == "flash":
        [(_, content), *steps] = steps
    with make_board(content) as board:
        # With nothing in its flash a standalone machine shows an error, whatever it answers.
        watch = bool(content) or not params.standalone.lines
        results = converse(board, steps, params.machine.uart_divisor, most_cycles, watch)
        scenario.judge(scenario.stimulus.payloads(results))
        assert board.framing_errors == 0
        assert board.flash_errors == 0
        return board.cycles


@dataclass(frozen=True)
class Verdict:
    """What became of a fault.

    Parameters
    ----------
    killed : bool
    scenario : str
        That killed it; empty if none did.
    how : str
        What was wrong, in a line.
    equal : bool, optional
        Whether it was proved that the fault changes nothing
        (:func:`.fault_injection.is_no_fault`); None if that was not tried.
    """

    killed: bool
    scenario: str = ""
    how: str = ""
    equal: bool | None = None


class Stage:
    """The machine of one network with its faults, and the scenarios that are played on it.

    Parameters
    ----------
    name : str
        In :data:`NETWORKS`.
    count, seed : int
        As for :func:`.fault_injection.faulty_netlist`.
    """

    def __init__(self, name: str, count: int, seed: int):
        self.params = NETWORKS[name]
        self.netlist = faulty_netlist(self.params, count, seed)
        self._cycles: dict[str, int] = {}

    @cached_property
    def _scenarios(self) -> dict[str, Scenario]:
        return {scenario: make() for scenario, make in scenarios_of(self.params).items()}

    def compile(self) -> None:
        """Compile the machine, unless it was before."""
        self._board(b"").close()

    def _board(self, flash: bytes) -> VirtualBoard:
        return board_of(self.params, self.netlist.verilog, flash)

    def play(self, scenario: str, number: int, most_cycles: int = 1 << 62) -> int:
        """Play a scenario with a fault, 0 for none; return the cycles that it took.

        Raises
        ------
        Exception
            Of any kind, if something goes otherwise than golden says.
        """
        os.environ[FAULT] = str(number)
        return play_scenario(self._scenarios[scenario], self._board, most_cycles)

    def judge(self, number: int) -> Verdict:
        """Play one scenario after the other with a fault, until one kills it."""
        for scenario in self._scenarios:
            if scenario not in self._cycles:
                self._cycles[scenario] = self.play(scenario, 0)
        for scenario, cycles in self._cycles.items():
            try:
                self.play(scenario, number, _PATIENCE * cycles + _SILENCE)
            except Exception as error:  # whatever goes wrong with a fault was seen
                text = str(error).strip() or type(error).__name__
                return Verdict(True, scenario, text.splitlines()[0][:200])
        return Verdict(False)


def _work(pipe, name, count, seed):
    stage = Stage(name, count, seed)
    for number in iter(pipe.recv, None):
        _allow(_SECONDS)
        pipe.send(stage.judge(number))


def _allow(seconds: int) -> None:
    """Have the system end this process when it has worked for some seconds more."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds, most))


class _Worker:
    """A process that judges faults of one network at a time."""

    def __init__(self):
        self._process: BaseProcess | None = None
        self._stage: tuple | None = None
        self._pipe: Connection | None = None

    @property
    def pipe(self) -> Connection:
        """To the process that is at work."""
        assert self._pipe is not None
        return self._pipe

    def begin(self, name, count, seed, number):
        """Have a fault judged; :attr:`pipe` brings the verdict."""
        if self._stage != (name, count, seed) or not (self._process and self._process.is_alive()):
            self.end()
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = process = context.Process(
                target=_work, args=(theirs, name, count, seed), daemon=True
            )
            with interrupts.shielded():
                process.start()
            theirs.close()
            self._stage = (name, count, seed)
        self.pipe.send(number)

    def verdict(self) -> Verdict:
        """Return the verdict that has come, or what the end of the process means."""
        try:
            return self.pipe.recv()
        except EOFError:
            process = self._process
            assert process is not None
            process.join()
            status = process.exitcode
            self.end()
            if status == 1:  # Python says so, and why on standard error: not the fault's doing.
                raise RuntimeError("a process that judges faults failed; see above") from None
            if status == -signal.SIGXCPU:
                return Verdict(True, "", f"the simulation did not end in {_SECONDS} s")
            return Verdict(True, "", f"the simulation aborted (status {status})")

    def end(self):
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self.pipe.close()
        self._process = self._stage = None


def judge_faults(
    faults: Iterable[tuple[str, int]], count: int, seed: int, jobs: int
) -> Iterator[tuple[str, int, Verdict]]:
    """Judge faults in processes of their own.

    Parameters
    ----------
    faults : iterable of (str, int)
        Network and number of each; those of a network follow each other.
    count, seed : int
        As for :class:`Stage`.
    jobs : int
        Processes.

    Yields
    ------
    str, int, Verdict
        As they come.
    """
    waiting = list(faults)[::-1]
    idle = [_Worker() for _ in range(jobs)]
    busy: dict[_Worker, tuple[str, int]] = {}
    try:
        while waiting or busy:
            while waiting and idle:
                worker, fault = idle.pop(), waiting.pop()
                worker.begin(fault[0], count, seed, fault[1])
                busy[worker] = fault
            ready = connection.wait([worker.pipe for worker in busy])
            for worker, fault in list(busy.items()):
                if worker.pipe not in ready:
                    continue
                verdict = worker.verdict()
                idle.append(worker)
                del busy[worker]
                yield *fault, verdict
    finally:
        for worker in [*idle, *busy]:
            worker.end()
