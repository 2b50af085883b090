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


def both(board, seed, tau=(1, 1)):
    """The board and golden with the same new network."""
    golden = GoldenMachine(PARAMS)
    for each in (board, golden):
        each.write_state(initial_state(PARAMS, seed))
        each.set_tau(tau)
        each.load(X, LABELS)
    return board, golden


@pytest.mark.parametrize("stored", [True, False])
def test_what_is_learned_is_predicted_first(board, monkeypatch, stored):
    if not stored:
        monkeypatch.setattr(board, "_store", None)
    machine, golden = both(board, 6)
    monkeypatch.setattr("popflip.boards.host.machine.RESULTS", 16)  # three runs
    report, predictions = machine.learn(0, len(X), flush=True)
    wanted, golden_predictions = golden.learn(0, len(X), flush=True)
    np.testing.assert_array_equal(predictions, golden_predictions)
    assert (report.samples, report.correct) == (wanted.samples, wanted.correct)
    assert (report.flips, report.changed) == (wanted.flips, wanted.changed)
    assert report.correct == (predictions == LABELS).sum()
    assert differences(machine.read_state(), golden.read_state()) == []


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("done", [0, 3, PARAMS.learning.batch])
def test_a_batch_can_be_ended_without_another_sample(board, done, reset):
    machine, golden = both(board, 7)
    machine.configure(batch=PARAMS.learning.batch, tau=(1, 1), reset_on_flip=reset)
    golden._model.params = PARAMS.replace(learning={"reset_on_flip": reset})
    ends = []
    for each in (machine, golden):
        if done:
            each.train(0, done, flush=False)
        ends.append(each.train(0, 0, flush=True).flips)
        assert each.train(0, 0, flush=False).flips == [0] * PARAMS.depth
        assert each.learn(0, 0, flush=True)[0].flips == [0] * PARAMS.depth, "nothing is left"
    assert ends[0] == ends[1]
    assert (sum(ends[0]) > 0) is (done == 3)
    assert machine.registers()["pending"] == 0
    # A new batch begins for both.
    reports = [each.train(3, 20, flush=True) for each in (machine, golden)]
    assert reports[0].flips == reports[1].flips
    assert differences(machine.read_state(), golden.read_state()) == []
    machine.configure(batch=PARAMS.learning.batch, tau=(1, 1), reset_on_flip=False)


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


@pytest.mark.slow
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
        with pytest.raises(ValueError, match=r"^machine\.training must be true"):
            machine.learn(0, 1, flush=True)
    finally:
        machine.transport.close()


@pytest.mark.parametrize(("first", "count"), [(-1, 2), (39, 2), (40, 1)])
def test_samples_that_are_not_loaded_are_refused(board, first, count):
    board.load(X, LABELS)
    with pytest.raises(ValueError, match=rf"^samples must lie in 0 to 39, .* {count} from {first}"):
        board.train(first, count, flush=True)
