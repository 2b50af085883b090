"""Networks on show, and golden beside them."""

import time

import numpy as np
import pytest

from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import differences, initial_state
from popflip.scripts.live.bench import Bench, class_names
from popflip.scripts.live.explained import facts, moves_table, sweep_views, trace_of
from popflip.scripts.live.export import export_page
from popflip.scripts.live.lane import Lane
from popflip.scripts.live.recording import Playback, Recorder
from popflip.scripts.session import Target
from popflip.scripts.training.runs.reports import State

GOLDEN = Target(engine="golden")

LONG = 120.0


def until(what, timeout=LONG):
    """Wait until something is so."""
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def done(futures):
    return [future.result(LONG) for future in futures]


def learned(lane, samples):
    """Have a lane learn so many samples, golden too."""
    before = lane.report.total.samples
    lane.start(samples).result(LONG)
    until(lambda: lane.report.total.samples == before + samples
          and lane.proof.samples == before + samples)  # fmt: skip


@pytest.fixture(scope="module", params=["tiny", "batches"])
def bench(request, folder):
    params = Params.load(folder / f"{request.param}.toml")
    data = load(folder)
    lane = Lane(params, target=GOLDEN, source=str(folder), samples=300)
    with Bench([lane], data) as bench:
        yield bench


@pytest.fixture
def lane(bench):
    (lane,) = bench.lanes
    done(bench.reset())
    yield lane
    lane.compare().result(LONG)
    assert lane.proof.equal, lane.proof
    assert lane.proof.message == ""


def test_golden_comes_to_the_same_bits_whatever_is_done(bench, lane):
    image, label = bench.sample(3)
    lane.start().result(LONG)
    until(lambda: lane.history.at > 50)
    done(bench.teach(image, label, 3))
    done(bench.disturb(Change("noise", percent=30)))
    done(bench.upset(20))
    judged = lane.predict(image).result(LONG)
    assert judged.votes.argmax() == judged.prediction
    done(bench.undo())
    done(bench.disturb(None))
    until(lambda: lane.report.epoch >= 2)
    lane.pause().result(LONG)
    lane.compare().result(LONG)
    assert lane.proof.bits_at == lane.report.total.samples
    state = lane.state().result(LONG)
    until(lambda: differences(lane.snapshot.state, state) == [])
    texts = [event.text for event in lane.history.curves().events]
    classes = bench.classes
    assert texts == [
        f"taught {classes[label]}, 3 times", "noise", "20 bits turned over", "undone", "as it was",
    ]  # fmt: skip


def test_undo_goes_back_to_the_bits_before(bench, lane):
    learned(lane, 40)
    before = lane.run.look().result(LONG)
    image, label = bench.sample(0)
    done(bench.teach(image, (label + 1) % 3, 20))
    assert differences(lane.run.look().result(LONG), before) != []
    done(bench.undo())
    assert differences(lane.run.look().result(LONG), before) == []
    assert bench.can_undo == 0
    with pytest.raises(InputError, match=r"^there is nothing to undo$"):
        bench.undo()


def test_reset_begins_anew(bench, lane):
    learned(lane, 30)
    done(bench.reset())
    assert lane.history.at == 0
    assert (lane.report.epoch, lane.report.position) == (0, 0)
    assert differences(lane.state().result(LONG), initial_state(bench.params, 1)) == []


def test_a_sample_is_explained_with_the_network_that_is_shown(bench, lane):
    learned(lane, 60)
    until(lambda: lane.snapshot.at == lane.report.total.samples)
    image, label = bench.sample(1)
    traced = trace_of(lane.params, lane.snapshot, image, label)
    assert traced.prediction == lane.predict(image).result(LONG).prediction
    views = sweep_views(lane.params, traced)
    sweeps = lane.params.dynamics.free_sweeps + 2 * lane.params.learning.nudged_sweeps
    assert len(views) == sweeps + 3
    assert [view.phase for view in views[:1]] == ["free"]
    assert dict(facts(lane.params, traced, bench.classes))["label"] == bench.classes[label]
    assert len(moves_table(traced)) <= 24


def test_the_page_to_share_needs_nothing_else(bench, lane):
    learned(lane, 60)
    text = export_page(lane, bench.classes, bench.sample(0)).decode()
    assert "One sample, sweep by sweep" in text
    assert "<script" not in text
    for word in ("http://", "https://"):
        outside = [part[:30] for part in text.split(word)[1:] if not part.startswith("www.w3.org")]
        assert all(part.startswith("purl.org") or "creativecommons" in part for part in outside)


def test_what_cannot_be(bench, lane):
    image, _ = bench.sample(0)
    for ask, text in (
        (lambda: bench.sample(-1), "sample must be 0 to 99, not -1"),
        (lambda: bench.teach(image, 9), "label must be 0 to 2, not 9"),
        (lambda: bench.teach(image, 1, 1000), "times must be 1 to 100, not 1000"),
        (lambda: bench.teach(image[:3], 1), r"image must be uint8 of \(8, 8\)"),
        (lambda: bench.disturb(Change("swap-labels", classes=(0, 7))),
         r"classes must be 0 to 2, not \(0, 7\)"),
        (lambda: lane.reopen(), "the board is there: there is nothing to open anew"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"^{text}$"):
            ask()


def test_the_lamp_goes_out_with_the_first_bit_that_is_not_equal(folder):
    params = Params.load(folder / "tiny.toml")
    with Bench([Lane(params, target=GOLDEN, source=str(folder))], None) as bench:
        (lane,) = bench.lanes
        learned(lane, 40)
        lane.compare().result(LONG)
        assert lane.proof.equal
        lane.run.upset(3, 5).result(LONG)  # behind golden's back
        lane.compare().result(LONG)
        assert not lane.proof.equal
        assert "of layer" in lane.proof.differences[0]


def test_a_board_that_vanishes_can_be_opened_anew(folder):
    params = Params.load(folder / "tiny.toml")
    with Bench([Lane(params, target=GOLDEN, source=str(folder))], None) as bench:
        (lane,) = bench.lanes
        learned(lane, 50)
        lane.run._process.kill()
        until(lambda: lane.report.state is State.FAILED)
        with pytest.raises(Exception, match="ended with status"):
            lane.start()
        lane.reopen()
        until(lambda: lane.report.state is State.PAUSED)
        assert (lane.report.epoch, lane.report.position) == (0, 50)
        learned(lane, 30)
        assert lane.history.at == 80
        lane.compare().result(LONG)
        assert lane.proof.equal


def test_two_networks_learn_the_same_samples(folder):
    tiny, wider = (Params.load(folder / f"{name}.toml") for name in ("tiny", "wider"))
    lanes = [Lane(p, target=GOLDEN, source=str(folder), samples=100) for p in (tiny, wider)]
    with Bench(lanes, load(folder)) as bench:
        done(bench.all(lambda lane: lane.epoch()))
        for lane in lanes:
            until(lambda lane=lane: lane.proof.samples == 100)
            assert lane.proof.equal
        judged = done(bench.all(lambda lane: lane.predict(bench.sample(0)[0])))
        assert len(judged) == 2


def test_networks_of_other_images_do_not_stand_beside_each_other(folder):
    class Stub:
        def __init__(self, params):
            self.params = params

    tiny = Params.load(folder / "tiny.toml")
    with pytest.raises(InputError, match="images and classes of one kind"):
        Bench([Stub(tiny), Stub(Params.load("local-small"))], None)
    assert class_names(None, 3) == ["0", "1", "2"]


def test_a_recording_plays_what_was(folder, tmp_path):
    params = Params.load(folder / "tiny.toml")
    recorder = Recorder(tmp_path / "run.jsonl")
    lane = Lane(params, target=GOLDEN, source=str(folder), listen=recorder.listen)
    with Bench([lane], None):
        learned(lane, 200)
        until(lambda: lane.snapshot.at == 200)
        lane.test(50).result(LONG)
        until(lambda: lane.report.tested is not None)
        until(lambda: '"tested":{' in (tmp_path / "run.jsonl").read_text())
        wanted, state = lane.history.total(), lane.snapshot.state
    recorder.close()
    with Bench([Playback(tmp_path / "run.jsonl")], None) as bench:
        (played,) = bench.lanes
        assert played.recorded
        assert played.params == params
        done([played.speed(1e9), played.start()])
        until(lambda: played.done and played.report.total.samples == 200)
        assert played.history.total() == wanted
        assert differences(played.snapshot.state, state) == []
        done(bench.reset())
        assert played.history.at == 0
        done([played.start(1)])
        for ask in (lambda: bench.teach(np.zeros((8, 8), np.uint8), 0), lambda: bench.upset(3)):
            with pytest.raises(InputError, match="a recorded run has no board"):
                ask()


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"format": 1}', '{"format": 1, "title": "x", "params": {"a": 1}}'],
)
def test_what_is_no_recording(text, tmp_path):
    (tmp_path / "run").write_text(text)
    with pytest.raises(InputError, match=r"is not a recorded run of popflip, or is damaged$"):
        Playback(tmp_path / "run")


def test_a_recording_of_another_format(tmp_path):
    (tmp_path / "run").write_text('{"format": 2}')
    with pytest.raises(InputError, match="is a recording of format 2; this popflip reads format 1"):
        Playback(tmp_path / "run")
