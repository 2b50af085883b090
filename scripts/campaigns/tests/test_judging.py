"""The scenarios that faults are sought with, on machines without a fault."""

import multiprocessing
import signal

import pytest

from popflip.boards.host.frames import encode_frame
from popflip.boards.host.machine import cached_verilog
from popflip.boards.tests.networks import SMALL_LOCAL
from popflip.golden.description.protocol import Status
from popflip.scripts.campaigns.mutation.judging import (
    NETWORKS,
    _allow,
    board_of,
    converse,
    play_scenario,
    scenarios_of,
)


def play(params):
    verilog = cached_verilog(params)
    for make in scenarios_of(params).values():
        play_scenario(make(), lambda flash: board_of(params, verilog, flash))


@pytest.mark.slow
def test_a_virtual_board_plays_every_scene():
    play(SMALL_LOCAL)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NETWORKS)
def test_machines_without_a_fault_play_every_scene(name):
    play(NETWORKS[name])


class Answerer:
    """A board that answers each request with the next of some statuses, and shows an error."""

    clock_hz, cycles = 1, 0

    def __init__(self, statuses, error):
        self._statuses, self.error = list(statuses), error

    def write(self, data):
        pass

    def read(self, timeout):
        return encode_frame(1, self._statuses.pop(0))


@pytest.mark.parametrize("status", [Status.OK, Status.REPORT, Status.BUSY])
@pytest.mark.parametrize("error", [True, False])
def test_the_pin_tells_of_an_error(status, error):
    board = Answerer([status], error)

    def play():
        converse(board, [("hear",)], 4, watch=True)

    if error == (status == Status.BUSY):
        play()
    else:
        with pytest.raises(AssertionError, match=r"^pin error"):
            play()


def spin():
    _allow(1)
    while True:
        pass


def test_a_process_that_does_not_come_back_is_ended():
    process = multiprocessing.get_context("spawn").Process(target=spin)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGXCPU


def test_a_step_that_no_board_plays_is_refused():
    with pytest.raises(ValueError, match=r"^step must be one that a board can play, not 'sing'$"):
        converse(None, [("sing",)], 4)
