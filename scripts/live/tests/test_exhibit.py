"""Networks on show, and golden beside them."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.loading import load
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import FileError
from popflip.golden.training.state import differences, initial_state
from popflip.scripts.live.exhibit import Exhibit, Shown
from popflip.scripts.live.exhibition import Exhibition, class_names
from popflip.scripts.live.explained import (
    contrast_of,
    facts,
    moves_table,
    neuron_text,
    sweep_views,
    trace_of,
)
from popflip.scripts.live.export import export_page
from popflip.scripts.live.history import History
from popflip.scripts.live.lamp import lamp
from popflip.scripts.live.recording import Recorder, playbacks
from popflip.scripts.live.witness import Proof
from popflip.scripts.session import Failure, Target
from popflip.scripts.training.runs.reports import RunReport, State

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


def learned(exhibit, samples):
    """Have an exhibit learn so many samples, golden too."""
    before = exhibit.report.total.samples
    exhibit.start(samples).result(LONG)
    until(lambda: exhibit.report.total.samples == before + samples
          and exhibit.proof.samples == before + samples)  # fmt: skip


@pytest.fixture(scope="module", params=["tiny", "batches"])
def exhibition(request, folder):
    params = Params.load(folder / f"{request.param}.toml")
    data = load(folder)
    exhibit = Exhibit(params, target=GOLDEN, source=str(folder), samples=300)
    with Exhibition([exhibit], data) as exhibition:
        yield exhibition


@pytest.fixture
def exhibit(exhibition):
    (exhibit,) = exhibition.exhibits
    done(exhibition.reset())
    yield exhibit
    exhibit.compare().result(LONG)
    assert exhibit.proof.equal, exhibit.proof
    assert exhibit.proof.message == ""


def test_golden_comes_to_the_same_bits_whatever_is_done(exhibition, exhibit):
    image, label = exhibition.sample(3)
    exhibit.start().result(LONG)
    until(lambda: exhibit.history.at > 50)
    done(exhibition.teach(image, label, 3))
    done(exhibition.disturb(Change("noise", percent=30)))
    done(exhibition.upset(20))
    judged = exhibit.predict(image).result(LONG)
    assert judged.votes.argmax() == judged.prediction
    done(exhibition.undo())
    done(exhibition.disturb(None))
    until(lambda: exhibit.report.epoch >= 2)
    exhibit.pause().result(LONG)
    exhibit.compare().result(LONG)
    assert exhibit.proof.bits_at == exhibit.report.total.samples
    state = exhibit.state().result(LONG)
    until(lambda: differences(exhibit.snapshot.state, state) == [])
    texts = [event.text for event in exhibit.history.curves().events]
    classes = exhibition.classes
    assert texts == [
        f"taught {classes[label]}, 3 times", "noise", "20 bits flipped", "undone", "back to normal",
    ]  # fmt: skip


def test_undo_goes_back_to_the_bits_before(exhibition, exhibit):
    learned(exhibit, 40)
    before = exhibit.run.look().result(LONG)
    image, label = exhibition.sample(0)
    done(exhibition.teach(image, (label + 1) % 3, 20))
    assert differences(exhibit.run.look().result(LONG), before) != []
    done(exhibition.undo())
    assert differences(exhibit.run.look().result(LONG), before) == []
    assert exhibition.can_undo == 0
    with pytest.raises(InputError, match=r"^there is nothing to undo$"):
        exhibition.undo()


def test_reset_begins_anew(exhibition, exhibit):
    learned(exhibit, 30)
    done(exhibition.reset())
    assert exhibit.history.at == 0
    assert (exhibit.report.epoch, exhibit.report.position) == (0, 0)
    assert differences(exhibit.state().result(LONG), initial_state(exhibition.params, 1)) == []


def test_a_sample_is_explained_with_the_network_that_is_shown(exhibition, exhibit):
    learned(exhibit, 60)
    until(lambda: exhibit.snapshot.at == exhibit.report.total.samples)
    image, label = exhibition.sample(1)
    traced = trace_of(exhibit.params, exhibit.snapshot, image, label)
    assert traced.prediction == exhibit.predict(image).result(LONG).prediction
    views = sweep_views(exhibit.params, traced)
    sweeps = exhibit.params.dynamics.free_sweeps + 2 * exhibit.params.learning.nudged_sweeps
    assert len(views) == sweeps + 3
    assert [view.phase for view in views[:1]] == ["free"]
    assert (
        dict(facts(exhibit.params, traced, exhibition.classes))["label"]
        == exhibition.classes[label]
    )
    assert len(moves_table(traced)) <= 24
    for row in moves_table(traced):
        assert int(row["contrast"].replace("\N{MINUS SIGN}", "-")) == row["after"] - row["before"]
    contrast, network = contrast_of(exhibit.params, traced), exhibit.params.network
    hidden, outputs = (int(differ.sum()) for differ in (traced.differ[0], traced.differ[-1]))
    assert contrast.text.startswith(
        f"{hidden} of {len(traced.drive)} hidden neurons and {outputs} of "
        f"{network.classes * network.copies} outputs differ."
    )
    plus, minus = (traced.phases[n].states[-1].a[-1] for n in (1, 2))
    assert sum(contrast.towards) == plus.sum()
    assert sum(contrast.away) == minus.sum()
    text = neuron_text(traced, 2)
    assert text.startswith(f"hidden neuron 2: drive {traced.drive[2]:,}, ")
    assert ("undecided" in text) == traced.undecided[2]


def test_the_page_to_share_needs_nothing_else(exhibition, exhibit):
    learned(exhibit, 60)
    text = export_page([exhibit], exhibition.classes, exhibition.sample(0)).decode()
    assert "One sample, sweep by sweep" in text
    assert "<script" not in text
    for word in ("http://", "https://"):
        outside = [part[:30] for part in text.split(word)[1:] if not part.startswith("www.w3.org")]
        assert all(part.startswith("purl.org") or "creativecommons" in part for part in outside)


def test_one_who_no_longer_wants_an_answer_stops_nothing(exhibition, exhibit):
    image, label = exhibition.sample(0)
    asked = [*exhibition.predict(image), *exhibition.teach(image, label), exhibit.compare()]
    assert not any(future.cancel() for future in asked)
    done(asked)
    learned(exhibit, 10)


def test_golden_that_has_ended_says_so_to_those_who_ask(folder):
    params = Params.load(folder / "tiny.toml")
    with Exhibition([Exhibit(params, target=GOLDEN, source=str(folder))], None) as exhibition:
        (exhibit,) = exhibition.exhibits
        learned(exhibit, 10)
        exhibit.witness._run._process.kill()
        until(lambda: exhibit.witness._run.report.over)
        with pytest.raises(Failure, match=r"^golden has ended: the run's process ended with "):
            exhibit.compare().result(LONG)
        assert exhibit.proof.message
        with pytest.raises(Failure, match=r"^golden has ended: "):
            exhibit.compare().result(LONG)


def test_what_cannot_be(exhibition, exhibit):
    image, _ = exhibition.sample(0)
    for ask, text in (
        (lambda: exhibition.sample(-1), "sample must be 0 to 99, not -1"),
        (lambda: exhibition.teach(image, 9), "label must be 0 to 2, not 9"),
        (lambda: exhibition.teach(image, 1, 1000), "times must be 1 to 100, not 1000"),
        (lambda: exhibition.teach(image[:3], 1), r"image must be uint8 of \(8, 8\)"),
        (lambda: exhibition.disturb(Change("swap-labels", classes=(0, 7))),
         r"classes must be 0 to 2, not \(0, 7\)"),
        (lambda: exhibit.reopen(), "the board is there: there is nothing to open anew"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"^{text}$"):
            ask()


def test_the_lamp_goes_out_with_the_first_bit_that_is_not_equal(folder):
    params = Params.load(folder / "tiny.toml")
    with Exhibition([Exhibit(params, target=GOLDEN, source=str(folder))], None) as exhibition:
        (exhibit,) = exhibition.exhibits
        learned(exhibit, 40)
        exhibit.compare().result(LONG)
        assert exhibit.proof.equal
        exhibit.run.upset(3, 5).result(LONG)  # behind golden's back
        exhibit.compare().result(LONG)
        assert not exhibit.proof.equal
        assert "of layer" in exhibit.proof.differences[0]


def test_a_board_that_vanishes_can_be_opened_anew(folder):
    params = Params.load(folder / "tiny.toml")
    with Exhibition([Exhibit(params, target=GOLDEN, source=str(folder))], None) as exhibition:
        (exhibit,) = exhibition.exhibits
        learned(exhibit, 50)
        # It goes on from the last snapshot, which follows what was learned within a moment.
        until(lambda: exhibit.snapshot.place == (0, 50))
        exhibit.run._process.kill()
        until(lambda: exhibit.report.state is State.FAILED)
        with pytest.raises(Exception, match="ended with status"):
            exhibit.start()
        exhibit.target = Target(board="/dev/ttyAWAY")  # one is too early
        exhibit.reopen()
        until(lambda: exhibit.report.state is State.FAILED)
        assert exhibit.report.message.startswith("no serial port /dev/ttyAWAY")
        exhibition.check_opened()  # which would end the page
        exhibit.target = GOLDEN
        exhibit.reopen()
        until(lambda: exhibit.report.state is State.PAUSED)
        assert (exhibit.report.epoch, exhibit.report.position) == (0, 50)
        learned(exhibit, 30)
        assert exhibit.history.at == 80
        exhibit.compare().result(LONG)
        assert exhibit.proof.equal


def test_two_networks_learn_the_same_samples(folder):
    tiny, wider = (Params.load(folder / f"{name}.toml") for name in ("tiny", "wider"))
    exhibits = [Exhibit(p, target=GOLDEN, source=str(folder), samples=100) for p in (tiny, wider)]
    with Exhibition(exhibits, load(folder)) as exhibition:
        done(exhibition.all(lambda exhibit: exhibit.epoch()))
        for exhibit in exhibits:
            until(lambda exhibit=exhibit: exhibit.proof.samples == 100)
            assert exhibit.proof.equal
        judged = done(exhibition.all(lambda exhibit: exhibit.predict(exhibition.sample(0)[0])))
        assert len(judged) == 2


def test_both_networks_are_on_record(folder, tmp_path):
    tiny, wider = (Params.load(folder / f"{name}.toml") for name in ("tiny", "wider"))
    recorder = Recorder(tmp_path / "run.jsonl")
    exhibits = [
        Exhibit(params, target=GOLDEN, source=str(folder), listen=recorder.listener(number))
        for number, params in enumerate((tiny, wider))
    ]
    with Exhibition(exhibits, None):
        for number, exhibit in enumerate(exhibits):
            learned(exhibit, 30 + number)
    recorder.close()
    with Exhibition(playbacks(tmp_path / "run.jsonl"), None) as exhibition:
        assert [played.params for played in exhibition.exhibits] == [tiny, wider]
        first, second = exhibition.exhibits
        assert not first.running
        done(exhibition.all(lambda played: played.start(1)))
        until(lambda: not first.running and not second.running)
        assert not first.done
        done(exhibition.all(lambda played: played.faster(1e9)))
        done(exhibition.all(lambda played: played.start()))
        until(lambda: first.done and second.done)
        assert [played.report.total.samples for played in (first, second)] == [30, 31]
        assert not first.running
        with pytest.raises(InputError, match=r"^times must be more than 0, not 0$"):
            first.faster(0)
        with pytest.raises(InputError, match="a recorded run has no board"):
            first.speed(3)


def test_a_recording_that_cannot_be_written_ends_nothing_else(folder, caplog):
    def full(exhibit, report):
        raise FileError("run.jsonl: No space left on device")

    params = Params.load(folder / "tiny.toml")
    exhibit = Exhibit(params, target=GOLDEN, source=str(folder), listen=full)
    with Exhibition([exhibit], None):
        learned(exhibit, 20)
    assert caplog.messages == ["run.jsonl: No space left on device; nothing more is recorded"]
    with pytest.raises(InputError, match="only a recording can be played faster"):
        exhibit.faster(2)


def test_what_a_lamp_says(folder):
    exhibit = SimpleNamespace(history=History(1))
    for proof, kind, text in (
        (Proof(), "none", "golden is getting ready"),
        (Proof(ready=True), "none", "golden has learned nothing yet"),
        (Proof(ready=True, samples=1200), "good", "\u2714 equal to golden to sample 1,200"),
        (Proof(ready=True, samples=1200, bits_at=700), "good",
         "\u2714 equal to golden to sample 1,200, all bits compared at 700"),
        (Proof(ready=True, samples=9, differences=("flips: 3, not 4",)), "bad",
         "\u2716 differs from golden: flips: 3, not 4"),
        (Proof(differences=("x",), message="golden has ended"), "bad",
         "\u2716 differs from golden: x"),
        (Proof(message="golden has ended"), "none", "golden has ended"),
    ):  # fmt: skip
        exhibit.proof = proof
        assert lamp(exhibit) == (kind, text)


def test_only_a_board_at_a_port_is_waited_for():
    """A page is shown at once, also while a virtual board is compiled."""

    class Opening(Shown):
        params = Params.load("local-small")
        report = RunReport()

    exhibit = Opening()
    exhibition = Exhibition([exhibit], None)
    assert exhibition.answering
    exhibit.at_port = True
    assert not exhibition.answering
    exhibit.report = RunReport(state=State.PAUSED)
    assert exhibition.answering


def test_what_learns_is_named(folder):
    params = Params.load(folder / "tiny.toml")
    with Exhibition([Exhibit(params, target=GOLDEN, source=str(folder))], None) as exhibition:
        (exhibit,) = exhibition.exhibits
        assert (exhibit.machine, exhibit.clock_mhz, exhibit.at_port) == (
            "in the golden engine", 50, False,
        )  # fmt: skip


def test_networks_of_other_images_do_not_stand_beside_each_other(folder):
    class Stub:
        def __init__(self, params):
            self.params = params

    tiny = Params.load(folder / "tiny.toml")
    with pytest.raises(InputError, match="images and classes of one kind"):
        Exhibition([Stub(tiny), Stub(Params.load("local-small"))], None)
    assert class_names(None, 3) == ["0", "1", "2"]


def test_a_recording_plays_what_was(folder, tmp_path):
    params = Params.load(folder / "tiny.toml")
    recorder = Recorder(tmp_path / "run.jsonl")
    exhibit = Exhibit(params, target=GOLDEN, source=str(folder), listen=recorder.listener(0))
    with Exhibition([exhibit], None):
        learned(exhibit, 200)
        until(lambda: exhibit.snapshot.at == 200)
        exhibit.test(50).result(LONG)
        until(lambda: exhibit.report.tested is not None)
        until(lambda: '"tested":{' in (tmp_path / "run.jsonl").read_text())
        wanted, state = exhibit.history.total(), exhibit.snapshot.state
    recorder.close()
    with Exhibition(playbacks(tmp_path / "run.jsonl"), None) as exhibition:
        (played,) = exhibition.exhibits
        assert played.recorded
        assert played.params == params
        done([played.faster(1e9), played.start()])
        until(lambda: played.done and played.report.total.samples == 200)
        assert played.history.total() == wanted
        assert differences(played.snapshot.state, state) == []
        done(exhibition.reset())
        assert played.history.at == 0
        done([played.start(1)])
        for ask in (
            lambda: exhibition.teach(np.zeros((8, 8), np.uint8), 0),
            lambda: exhibition.upset(3),
        ):
            with pytest.raises(InputError, match="a recorded run has no board"):
                ask()


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "{}", '{"format": 1}', '{"format": 1, "title": "x", "params": {"a": 1}}'],
)
def test_what_is_no_recording(text, tmp_path):
    (tmp_path / "run").write_text(text)
    with pytest.raises(InputError, match=r"is not a recorded run of popflip, or is damaged$"):
        playbacks(tmp_path / "run")


def test_a_recording_of_another_format(tmp_path):
    (tmp_path / "run").write_text('{"format": 2}')
    with pytest.raises(InputError, match="is a recording of format 2; this popflip reads format 1"):
        playbacks(tmp_path / "run")
