"""Runs: a network that learns in a process of its own."""

import os
import signal
import time

import numpy as np
import pytest

from popflip.boards.host.transport import TransportError
from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.learner import Learner
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences, initial_state
from popflip.golden.training.trainer import Trainer
from popflip.scripts.session import Failure, Target
from popflip.scripts.training.runs import worker
from popflip.scripts.training.runs.process import MOST_REQUESTS
from popflip.scripts.training.runs.reports import State
from popflip.scripts.training.runs.run import Run

GOLDEN = Target(engine="golden")

#: Seconds that a run has for anything in these tests: it ends if something hangs.
LONG = 120.0


def paused(report):
    """Whether a run waits for what it is asked."""
    return report.state is State.PAUSED


@pytest.fixture(scope="module")
def params(folder):
    return Params.load(folder / "tiny.toml")


@pytest.fixture(scope="module")
def run(folder, params):
    """One run for the tests that leave it paused; each writes its own network first."""
    with Run(params, target=GOLDEN, source=str(folder), samples=200, test_samples=80) as run:
        run.wait(paused, LONG)
        yield run


@pytest.fixture
def fresh(run, params):
    """The run with a new network, at the beginning of the data set."""
    run.result(run.pause(), LONG)
    run.result(run.disturb(None), LONG)
    run.result(run.write_state(initial_state(params, 1), (0, 0)), LONG)
    return run


def trainer_of(folder, params):
    """What learns the same without a run."""
    return Trainer(params, load(folder), GoldenMachine(params), samples=200, test_samples=80)


def test_a_run_learns_what_a_trainer_learns(fresh, folder, params):
    wanted = trainer_of(folder, params)
    wanted.replay(1, 50)
    before = fresh.report.total.samples
    fresh.result(fresh.start(250), LONG)
    report = fresh.wait(paused, LONG)
    assert (report.epoch, report.position, report.samples) == (1, 50, 200)
    assert report.total.samples - before == 250
    assert report.seconds > 0
    assert differences(fresh.result(fresh.state(), LONG), wanted.machine.read_state()) == []


def test_steps_and_epochs(fresh, folder, params):
    fresh.result(fresh.step(), LONG)
    assert fresh.wait(lambda r: paused(r) and r.position == 1, LONG).epoch == 0
    fresh.result(fresh.epoch(), LONG)
    assert fresh.wait(lambda r: paused(r) and r.epoch == 1, LONG).position == 0
    wanted = trainer_of(folder, params)
    wanted.replay(1)
    assert differences(fresh.result(fresh.state(), LONG), wanted.machine.read_state()) == []


def test_it_learns_until_it_is_paused_and_answers_meanwhile(fresh, folder):
    image = load(folder).test_images[:1]
    fresh.result(fresh.start(), LONG)
    fresh.wait(lambda r: r.state is State.LEARNING and r.epoch >= 1, LONG)
    assert 0 <= fresh.result(fresh.predict(image), LONG)[0] < 3
    fresh.result(fresh.pause(), LONG)
    there = fresh.wait(paused, LONG).total.samples
    fresh.result(fresh.predict(image), LONG)
    assert fresh.report.total.samples == there


def test_it_learns_no_faster_than_it_is_told(fresh):
    fresh.result(fresh.speed(50), LONG)
    started, before = time.monotonic(), fresh.report.total.samples
    fresh.result(fresh.start(30), LONG)
    while not (paused(fresh.report) and fresh.report.total.samples == before + 30):
        fresh.result(fresh.disturb(None), LONG)  # questions do not hasten it
        assert time.monotonic() - started < LONG
    assert time.monotonic() - started > 0.3
    fresh.result(fresh.speed(None), LONG)


def test_samples_that_are_given_are_those_of_a_learner(fresh, folder, params):
    data = load(folder)
    wanted = Learner(params, GoldenMachine(params), initial_state(params, 1))
    images, labels = data.train_images[:60], data.train_labels[:60]
    futures = [fresh.learn(images[i : i + 25], labels[i : i + 25]) for i in (0, 25, 50)]
    predictions = np.concatenate([fresh.result(future, LONG) for future in futures])
    np.testing.assert_array_equal(predictions, wanted.learn(images, labels))
    (taught,) = fresh.result(fresh.teach(images[7], 2), LONG)
    assert taught == wanted.learn(images[7:8], np.array([2]))[0]
    state = fresh.result(fresh.state(), LONG)
    assert differences(state, wanted.state()) == []
    np.testing.assert_array_equal(fresh.result(fresh.predict(images), LONG), wanted.predict(images))


def test_a_network_that_was_read_can_be_gone_back_to(fresh, folder):
    image = load(folder).train_images[0]
    before = fresh.result(fresh.state(), LONG)
    for _ in range(30):
        fresh.result(fresh.teach(image, 1), LONG)
    assert differences(fresh.result(fresh.state(), LONG), before) != []
    fresh.result(fresh.write_state(before), LONG)
    assert differences(fresh.result(fresh.state(), LONG), before) == []


def test_a_test_is_that_of_a_trainer(fresh, folder, params):
    fresh.result(fresh.start(150), LONG)
    fresh.wait(paused, LONG)
    fresh.result(fresh.test(), LONG)
    tested = fresh.wait(lambda r: paused(r) and r.tested is not None, LONG).tested
    wanted = trainer_of(folder, params)
    wanted.replay(0, 150)
    assert (tested.samples, tested.correct) == (80, wanted.test().correct)
    assert tested.error == pytest.approx(wanted.test().error)


def test_a_disturbance_changes_the_samples_of_the_data_set(fresh, folder, params):
    change = Change("noise", seed=3, percent=20)
    fresh.result(fresh.disturb(change), LONG)
    assert fresh.report.change == "noise"
    fresh.result(fresh.start(40), LONG)
    fresh.wait(lambda r: paused(r) and r.position == 40, LONG)
    plain = trainer_of(folder, params)
    plain.replay(0, 40)
    assert differences(fresh.result(fresh.state(), LONG), plain.machine.read_state()) != []
    fresh.result(fresh.test(20), LONG)
    tested = fresh.wait(lambda r: paused(r) and r.tested.samples == 20, LONG).tested
    data = load(folder)
    predicted = fresh.result(fresh.predict(change.images(data.test_images[:20])), LONG)
    assert tested.correct == (predicted == data.test_labels[:20]).sum()


def test_upsets_turn_bits_over(fresh):
    before, upsets = fresh.result(fresh.state(), LONG), fresh.report.upsets
    fresh.result(fresh.upset(500, seed=2), LONG)
    assert len(differences(fresh.result(fresh.state(), LONG), before)) == 4
    assert fresh.report.upsets == upsets + 500


def test_those_who_are_slow_get_fewer_reports_and_the_newest(fresh):
    with fresh.subscribe(kept=3) as slow:
        for _ in range(20):
            fresh.result(fresh.pause(), LONG)
        fresh.result(fresh.step(), LONG)
        last = fresh.wait(lambda r: paused(r) and r.position == 1, LONG)
        found = [slow.get(), slow.get(), slow.get()]
        assert found[-1] == last
        assert slow.get() is None
        assert slow.missed >= 18
    fresh.result(fresh.step(), LONG)
    assert slow.get() is None, "it listens no longer"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.start(0), "samples must be at least 1, not 0"),
        (lambda run: run.test(0), "samples must be at least 1, not 0"),
        (lambda run: run.speed(0), "samples_per_s must be more than 0, not 0"),
        (lambda run: run.upset(-1), r"count must be 0 to 2\*\*24, not -1"),
        (lambda run: run.subscribe(0), "kept must be at least 1, not 0"),
        (
            lambda run: run.predict(np.zeros((1, 8, 9), np.uint8)),
            r"images must be uint8 of shape \(n, 8, 8\), not uint8 of shape \(1, 8, 9\)",
        ),
        (
            lambda run: run.predict(np.zeros((0, 8, 8), np.uint8)),
            "images must be at least 1, not 0",
        ),
        (
            lambda run: run.learn(np.zeros((1, 8, 8), np.uint8), np.array([3])),
            "labels must be 0 to 2, not 3 to 3",
        ),
        (
            lambda run: run.learn(np.zeros((1, 8, 8), np.uint8), np.array([0.5])),
            r"labels must be 1 whole numbers, not float64 of shape \(1,\)",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(run, ask, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        ask(run)


def test_a_network_that_does_not_fit_is_refused(fresh, params):
    state = initial_state(params, 1)
    wrong = NetworkState([w[:-1] for w in state.weights], state.latents, state.sign_state)
    with pytest.raises(InputError, match=r"^layer 0 has bool of shape"):
        fresh.write_state(wrong)
    assert differences(fresh.result(fresh.state(), LONG), state) == []


def test_without_a_data_set_it_learns_only_what_it_is_given(params):
    with Run(params, target=GOLDEN, pace=1) as run:
        for ask in (run.start, run.test, lambda: run.disturb(None)):
            with pytest.raises(InputError, match=r"^the run has no data set to learn from"):
                run.result(ask(), LONG)
        assert run.report.samples == 0
        assert len(run.result(run.predict(np.zeros((2, 8, 8), np.uint8)), LONG)) == 2
    assert run.report.state is State.ENDED
    with pytest.raises(Failure, match=r"^the run has ended$"):
        run.pause()
    run.close()  # again does nothing


def test_what_goes_wrong_at_the_beginning_is_said(params):
    with Run(params, target=GOLDEN, source="no-such-data") as run:
        with pytest.raises(Failure, match=r"^there is no data set or folder 'no-such-data'"):
            run.wait(paused, LONG)
        assert run.report.state is State.FAILED
        assert run.report.message.startswith("there is no data set")
        with pytest.raises(Failure, match=r"^there is no data set"):
            run.pause()
        with run.subscribe() as reports:
            assert [report.state for report in reports] == [State.FAILED]


def test_a_process_that_dies_is_noticed(params):
    with Run(params, target=GOLDEN) as run:
        run.wait(paused, LONG)
        os.kill(run._process.pid, signal.SIGSTOP)
        future = run.state()
        os.kill(run._process.pid, signal.SIGKILL)
        with pytest.raises(Failure, match=r"^the run's process ended with status -9$"):
            run.result(future, LONG)
        assert run.wait(lambda r: r.over, LONG).state is State.FAILED


def test_what_was_asked_for_cannot_be_cancelled_and_the_run_goes_on(params):
    with Run(params, target=GOLDEN) as run:
        run.wait(paused, LONG)
        os.kill(run._process.pid, signal.SIGSTOP)
        futures = [run.pause(), run.state()]
        assert not any(future.cancel() for future in futures)
        os.kill(run._process.pid, signal.SIGCONT)
        for future in [*futures, run.pause()]:
            run.result(future, LONG)


def test_requests_are_bounded_and_waits_end(params):
    with Run(params, target=GOLDEN) as run:
        run.wait(paused, LONG)
        os.kill(run._process.pid, signal.SIGSTOP)
        futures = [run.pause() for _ in range(MOST_REQUESTS)]
        with pytest.raises(Failure, match=f"^the run is busy: {MOST_REQUESTS} requests wait"):
            run.pause()
        with pytest.raises(Failure, match=r"^the run did not answer within 0\.1 s$"):
            run.result(futures[0], 0.1)
        with pytest.raises(Failure, match=r"^the run did not come to it within 0\.1 s$"):
            run.wait(lambda r: r.state is State.LEARNING, 0.1)
        os.kill(run._process.pid, signal.SIGCONT)
        for future in futures:
            run.result(future, LONG)


class Wire:
    """A connection in this process, to a worker that is called here."""

    def __init__(self, requests):
        self.requests, self.said = list(requests), []

    def poll(self, timeout):
        return True

    def recv(self):
        return self.requests.pop(0)

    def send(self, message):
        self.said.append(message)


@pytest.fixture
def task(params):
    """Return what a worker without a data set is to do."""
    return worker.Task(
        tree=params.model_dump(mode="json"), target=GOLDEN, state=initial_state(params, 1),
        tau=None, source=None, seed=1, samples=None, test_samples=None, at=(0, 0), pace=0.1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "text", "expected"),
    [
        (TransportError("it is unplugged"), "it is unplugged", True),
        (KeyError("x"), "KeyError", False),
    ],
)
def test_a_board_that_vanishes_ends_the_process_and_a_fault_shows_its_trace(
    task, monkeypatch, error, text, expected
):
    def fail(self, images):
        raise error

    monkeypatch.setattr(Learner, "predict", fail)
    wire = Wire([(1, "predict", (np.zeros((1, 8, 8), np.uint8),)), None])
    worker.main(task, wire)
    kind, said, for_user = wire.said[-1]
    assert (kind, for_user) == ("failed", expected)
    assert text in said
    assert ("Traceback" in said) is not expected


def test_a_process_whose_holder_has_gone_ends(task):
    class Gone(Wire):
        def recv(self):
            raise EOFError

    wire = Gone([])
    worker.main(task, wire)
    assert [kind for kind, *_ in wire.said] == ["report"]
