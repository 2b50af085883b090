"""The scenarios that faults are sought with, on machines without a fault."""

import pytest

from popflip.boards.host.machine import cached_verilog
from popflip.boards.tests.networks import SMALL_LOCAL
from popflip.scripts.campaigns.mutation.judging import (
    NETWORKS,
    board_of,
    converse,
    play_scenario,
    scenarios_of,
)


def play(params):
    verilog = cached_verilog(params)
    for make in scenarios_of(params).values():
        play_scenario(make(), lambda flash: board_of(params, verilog, flash))


def test_a_virtual_board_plays_every_scene():
    play(SMALL_LOCAL)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NETWORKS)
def test_machines_without_a_fault_play_every_scene(name):
    play(NETWORKS[name])


def test_a_step_that_no_board_plays_is_refused():
    with pytest.raises(ValueError, match=r"^step must be one that a board can play, not 'sing'$"):
        converse(None, [("sing",)], 4)
