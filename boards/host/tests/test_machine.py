"""Boards as machines that train: sessions that follow each other, and the build that only infers.

What a whole training comes to is compared by the tests of the command.
"""

import numpy as np
import pytest

from popflip.boards.host.link import Link
from popflip.boards.host.machine import BoardMachine, virtual_machine
from popflip.boards.tests.networks import SMALL_LOCAL
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences, initial_state

PARAMS = SMALL_LOCAL

rng = np.random.default_rng(5)
X, LABELS = rng.random((40, PARAMS.n_in)) < 0.4, rng.integers(0, 3, 40)


@pytest.fixture(scope="module")
def board():
    machine = virtual_machine(PARAMS)
    yield machine
    machine.transport.close()


def learns(machine: BoardMachine, seed: int) -> NetworkState:
    """Train from scratch on all samples, and see that golden does the same."""
    golden = GoldenMachine(PARAMS)
    reports = []
    for each in (machine, golden):
        each.write_state(initial_state(PARAMS, seed))
        each.set_tau(PARAMS.learning.tau)
        each.load(X, LABELS)
        reports.append(each.train(0, len(X), flush=True))
    assert reports[0].flips == reports[1].flips
    assert sum(reports[0].flips) > 0
    state = machine.read_state()
    assert differences(state, golden.read_state()) == []
    return state


def test_a_batch_left_half_done_does_not_reach_the_next_session(board):
    fresh = learns(board, 1)
    for done in (1, 3):
        board.load(X, LABELS)
        board.train(0, done, flush=False)
        assert board.registers()["pending"] == done
        next_session = BoardMachine(PARAMS, board.transport)
        assert differences(learns(next_session, 1), fresh) == []


def test_an_interrupted_wait_ends_the_run(board, monkeypatch):
    board.load(X, LABELS)

    def interrupt(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(board.transport, "idle", interrupt)
        with pytest.raises(KeyboardInterrupt):
            board.train(0, len(X), flush=True)
    link = Link(board.transport, PARAMS)
    while link.status().busy:
        board.transport.idle(1e-5)
    assert board.registers()["samples"] < len(X)
    learns(board, 2)


def test_samples_over_the_link_are_those_of_the_store(board, monkeypatch):
    stored = learns(board, 3)
    monkeypatch.setattr(board, "_store", None)
    assert differences(learns(board, 3), stored) == []


def test_a_machine_that_only_infers():
    params = PARAMS.replace(machine={"training": False})
    machine = virtual_machine(params)
    try:
        golden = GoldenMachine(params)
        state = initial_state(params, 4)
        for each in (machine, golden):
            each.write_state(state)
            each.load(X, LABELS)
        report, predictions = machine.infer(0, len(X))
        wanted, golden_predictions = golden.infer(0, len(X))
        np.testing.assert_array_equal(predictions, golden_predictions)
        assert (report.samples, report.correct) == (wanted.samples, wanted.correct)
        assert differences(machine.read_state(), state) == []
        with pytest.raises(ValueError, match=r"^machine\.training must be true"):
            machine.train(0, 1, flush=True)
    finally:
        machine.transport.close()


@pytest.mark.parametrize(("first", "count"), [(-1, 2), (39, 2), (40, 1)])
def test_samples_that_are_not_loaded_are_refused(board, first, count):
    board.load(X, LABELS)
    with pytest.raises(ValueError, match=rf"^samples must lie in 0 to 39, .* {count} from {first}"):
        board.train(first, count, flush=True)
