"""The verbs of boards: what they print, how they end; tools and cables are stand-ins."""

import json

import pytest
from matplotlib.image import imread

from popflip.boards.build.bitstream import Build, TimingError
from popflip.boards.registry import BOARDS
from popflip.golden.cycles.model import CycleModel
from popflip.golden.datasets.loading import load
from popflip.golden.description.flash_image import read_image
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.standalone import image_of
from popflip.golden.training.state import initial_state
from popflip.golden.training.trainer import Trainer
from popflip.scripts import building, flashing
from popflip.scripts.boards import PEERS, board_rows, table_markdown
from popflip.scripts.building import cached_report, to_toml
from popflip.scripts.rates import counted_cycles

pytestmark = pytest.mark.usefixtures("default_signals")

VERBS = ["fit", "build", "flash", "doctor", "boards"]


@pytest.fixture
def popflip(command, tmp_path, monkeypatch):
    """Run the command in a folder of its own with an empty cache: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    return command


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Builds that come out at once, as if from tools."""

    def build(board, params, *, core_mhz=None, seeds=None, tools=None, progress):
        for stage in ("elaboration", "synthesis", "placement", "bitstream"):
            progress(stage, 1, 1)
        folder = tmp_path / "made"
        folder.mkdir(exist_ok=True)
        (folder / "top.bin").write_bytes(b"bits" * 30)
        facts = {
            "board": board.name, "device": board.device.part, "preset": params.name,
            "digest": params.digest, "identity": "00", "tools": ["yosys 1 (native)"],
            "core_mhz": core_mhz, "fmax_mhz": 31.5, "clock": "clk", "seed": 2,
            "seeds": {"1": 20.0, "2": 31.5}, "cells": {},
            "used": {"lut": 1000, "block": 12}, "available": {"lut": 5280, "block": 30},
        }  # fmt: skip
        return Build(folder=folder, bitstream=folder / "top.bin", facts=facts)

    monkeypatch.setattr(building, "build", build)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_examples(popflip, verb):
    status, out, err = popflip(verb, "--help")
    assert (status, err) == (0, "")
    assert f"popflip {verb}" in out.split("Examples:")[1]


@pytest.mark.parametrize("verb", ["fit", "build", "flash"])
def test_a_board_that_is_not_there(popflip, verb):
    status, out, err = popflip(verb, "--board", "de10")
    assert (status, out) == (2, "")
    assert err.startswith("popflip: board must be one of icebreaker, upduino-v3, ")


def test_fit_says_yes_with_the_largest_that_does(popflip, folder):
    narrow = (folder / "tiny.toml").read_text()
    for wide, lanes in (("row_lanes = 64", "row_lanes = 16"), ("[32, 3]", "[8, 3]")):
        narrow = narrow.replace(wide, lanes)
    (folder / "narrow.toml").write_text(narrow)
    words = ("fit", "--board", "icebreaker", "--config", folder / "narrow.toml", "--no-cycles")
    status, out, _ = popflip(*words, "--json")
    assert status == 0
    report = json.loads(out)
    assert report["fits"]
    assert report["largest"]["fits"]
    assert report["largest"]["size"] > 12
    assert report["used"]["block"] <= report["available"]["block"]
    blocks = {memory["memory"]: memory for memory in report["memories"]}
    assert blocks["core.memory0.latents0"]["bits"] == 8 * 8
    status, out, _ = popflip(*words, "--no-search")
    assert "narrow fits 1BitSquared iCEBreaker" in out


def test_fit_says_no_with_what_is_lacking(popflip):
    status, out, err = popflip(
        "fit", "--board", "hx8k-b-evn", "--preset", "local-small", "--no-cycles", "--no-search"
    )
    assert status == 1
    assert "local-small does NOT fit" in out
    assert err.splitlines()[-1].startswith(
        "popflip: local-small does not fit Lattice iCE40-HX8K Breakout Board: too few LUTs"
    )


def test_build_writes_a_bitstream_with_its_reports(popflip, built, folder, tmp_path):
    words = ("--config", folder / "tiny.toml", "--data", folder, "--out", "out")
    status, out, err = popflip("build", "--board", "icebreaker", *words, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert (tmp_path / report["bitstream"]).read_bytes() == b"bits" * 30
    params = Params.load(tmp_path / "out" / "params.toml")
    assert params.machine.uart_divisor == 24
    assert report["baud"] == 1_015_625  # 24 cycles of the 24.375 MHz
    rate = 24.375e6 / report["cycles"]["train"]
    assert report["samples_per_s"] == pytest.approx(rate, abs=0.1)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| block RAMs | 12 | 30 | 40% |" in text
    assert "31.5 MHz (post-place-and-route estimate" in text
    assert imread(tmp_path / "out" / "report.png").shape[1] > 500
    assert "synthesis: 1 of 1" in err
    status, out, _ = popflip("build", "--board", "icebreaker", *words)
    assert "31.5 MHz (post-place-and-route estimate)" in out


def test_build_refuses_what_misses_its_timing(popflip, folder, monkeypatch):
    def build(*args, **options):
        raise TimingError("B misses its timing: 20.0 MHz of 24.0 MHz with seed 1: try --seeds 8")

    monkeypatch.setattr(building, "build", build)
    status, out, err = popflip(
        "build", "--board", "icebreaker", "--config", folder / "tiny.toml", "--data", folder
    )
    assert (status, out) == (2, "")
    assert err == "popflip: B misses its timing: 20.0 MHz of 24.0 MHz with seed 1: try --seeds 8\n"


def test_a_vendors_board_gets_a_project(popflip, folder, tmp_path):
    status, out, _ = popflip(
        "build", "--board", "arty-a7-35t", "--config", folder / "tiny.toml", "--data", folder,
        "--json",
    )  # fmt: skip
    assert status == 0
    report = json.loads(out)
    assert report["bitstream"] is None
    assert "has not been run on it" in report["note"]
    assert (tmp_path / "build" / "arty-a7-35t" / "top.tcl").is_file()


def test_flash_without_a_bitstream(popflip):
    status, _, err = popflip("flash", "--board", "icebreaker")
    assert status == 2
    assert err == (
        "popflip: build/icebreaker holds no bitstream: popflip build --board icebreaker makes one\n"
    )


def test_flash_refuses_data_where_the_design_cannot_read_them(popflip, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    status, _, err = popflip(
        "flash", "--board", "upduino-v3", "--bitstream", "a.bin", "--with-data", "a.bin"
    )
    assert status == 2
    assert err.endswith("UPduino v3 has no flash that a design can read data from\n")


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """A build of ulx3s-12f, and what would have been written to it: (file, offset) of each step."""
    steps = []

    def load(board, file, *, persistent, offset=None, cable=None, say):
        steps.append((str(file), offset))

    def enable_quad(board, cable):
        steps.append(("quad", None))
        return "no cable"

    monkeypatch.setattr(flashing, "load", load)
    monkeypatch.setattr(flashing, "enable_quad", enable_quad)
    (tmp_path / "build" / "ulx3s-12f").mkdir(parents=True)
    (tmp_path / "build" / "ulx3s-12f" / "a.bit").write_bytes(b"bits")
    return steps


def left_beside(folder, tmp_path, **standalone):
    """Write parameters of tiny beside the bitstream, as popflip build does."""
    params = Params.load(folder / "tiny.toml").replace(standalone=standalone)
    params = BOARDS["ulx3s-12f"].params(params)
    (tmp_path / "build" / "ulx3s-12f" / "params.toml").write_text(to_toml(params))
    return params


def test_flash_packs_the_data_for_the_network_of_the_build(popflip, loaded, folder, tmp_path):
    params = left_beside(folder, tmp_path)
    dataset = load(folder)
    words = ("flash", "--board", "ulx3s-12f", "--with-data", folder)
    status, out, err = popflip(*words, "--samples", "70", "--test-samples", "9", "--json")
    assert status == 0, err
    made, bitstream = "build/ulx3s-12f/data.img", "build/ulx3s-12f/a.bit"
    assert loaded == [(made, 2 << 20), ("quad", None), (bitstream, None)]
    assert json.loads(out) == {
        "verb": "flash", "board": "ulx3s-12f", "bitstream": bitstream, "persistent": False,
        "data": made, "data_offset": 2 << 20, "train": 70, "test": 9,
    }  # fmt: skip
    image = read_image(params, (tmp_path / made).read_bytes())
    wanted = image_of(params, dataset, 70, 9)
    assert (image.train.tobytes(), image.test.tobytes()) == tuple(x.tobytes() for x in wanted)
    assert f"70 of {len(dataset.train_labels):,} training and 9 of" in err
    assert 'flash = "dual" in section [standalone]' in err

    # What was made goes again as it is; on two lines no bit needs to be set.
    left_beside(folder, tmp_path, flash="dual")
    loaded.clear()
    assert popflip(*words[:-1], made)[0] == 0
    assert loaded == [(made, 2 << 20), (bitstream, None)]


@pytest.mark.parametrize(
    ("options", "standalone", "complaint"),
    [
        (
            ("--samples", "2000000"), {},
            "samples must be 1 to 3000, which fit beside 100 test images into 16,777,216 bytes of "
            "flash from 2,097,152 on, not 2000000",
        ),
        (("--test-samples", "2000000"), {}, "2,000,000 test images of 9 bytes leave no room for"),
        (
            (), {"flash": "none"},
            "the machine of params reads no flash on Radiona ULX3S 12F: standalone.flash is none: "
            "build one that trains alone",
        ),
        (
            (), None,
            "no params.toml lies beside build/ulx3s-12f/a.bit: name the network that it was built "
            "of, by --preset or --config",
        ),
    ],
    ids=["too-many", "no-room", "switched-off", "unknown"],
)  # fmt: skip
def test_flash_refuses_data_that_cannot_be(
    popflip, loaded, folder, tmp_path, options, standalone, complaint
):
    if standalone is not None:
        left_beside(folder, tmp_path, **standalone)
    status, _, err = popflip("flash", "--board", "ulx3s-12f", "--with-data", folder, *options)
    assert (status, loaded) == (2, [])
    assert err.startswith(f"popflip: {complaint}")
    assert err.count("\n") == 1


def test_flash_refuses_an_image_of_another_network(popflip, loaded, folder, tmp_path):
    left_beside(folder, tmp_path)
    popflip("data", "--folder", folder, "--image", "a.img", "--config", folder / "tiny.toml")
    other = (folder / "tiny.toml").read_text().replace("[network]", "[network]\nthresholds = [9]")
    (tmp_path / "other.toml").write_text(other)
    words = ("flash", "--board", "ulx3s-12f", "--with-data", "a.img")
    status, _, err = popflip(*words, "--config", "other.toml")
    assert (status, loaded) == (2, [])
    assert err.startswith("popflip: the image was made for other samples than other takes")
    assert popflip(*words)[0] == 0
    assert [file for file, _ in loaded] == ["a.img", "quad", "build/ulx3s-12f/a.bit"]


def test_doctor_names_a_mend_for_all_that_is_missing(popflip, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, _ = popflip("doctor", "--json")
    assert status == 0
    report = json.loads(out)
    assert report["missing"]
    for finding in report["findings"]:
        assert finding["ok"] == (not finding["mend"]), finding
    assert {"perl", "make"} <= set(report["missing"])
    status, out, _ = popflip("doctor")
    assert "apt-get install perl" in " ".join(out.split())


def test_boards_tells_what_was_built_and_no_more(popflip, built, tmp_path, folder):
    status, out, _ = popflip("boards", "--json", "--page", "table.md")
    assert status == 0
    rows = json.loads(out)
    assert [row["board"] for row in rows] == list(BOARDS)
    assert all(row["fmax_mhz"] is None and row["test_error"] is None for row in rows)
    assert {row["state"] for row in rows} == {"not built", "a project for its maker's tools"}
    text = (tmp_path / "table.md").read_text()
    assert text.count("\n") == 2 + len(rows) + len(PEERS)

    board = BOARDS["icebreaker"]
    params = Params.load(board.preset)
    path = cached_report(board, board.params(params))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({
        "used": {"lut": 5000, "block": 28, "spram": 4}, "fmax_mhz": 26.1, "core_mhz": 24,
        "cycles": {"train": 2000.0, "infer": 700.0}, "samples_per_s": 12000.0,
        "inferences_per_s": 34285.7,
    }))  # fmt: skip
    sweep = tmp_path / "runs" / "sweep"
    sweep.mkdir(parents=True)
    told = {
        "verb": "sweep", "validation": 0, "varied": [], "data": "mnist", "samples": None,
        "seeds": 3, "rows": [{"error": 4.25, "spread": 0.11}],
        "parameters": params.replace(machine={"uart_divisor": 9}).model_dump(mode="json"),
    }  # fmt: skip
    (sweep / "report.json").write_text(json.dumps(told))
    row = board_rows(tmp_path / "runs")[0]
    assert (row["state"], row["lut"], row["bram"], row["spram"]) == ("built", 5000, 28, 4)
    assert (row["fmax_mhz"], row["samples_per_s"]) == (26.1, 12000.0)
    assert (row["test_error"], row["test_error_spread"], row["test_error_seeds"]) == (4.25, 0.11, 3)
    assert "28 of 30 + 4 SPRAM | 26.1 | 24 | 2,000 | 12,000 | 34,286 | 4.25 ± 0.11%" in (
        table_markdown([row])
    )
    # On a part of the test set, or of another network, it is not this one's error.
    for change in ({"validation": 100}, {"varied": ["x"]}, {"samples": 10}):
        (sweep / "report.json").write_text(json.dumps(told | change))
        assert board_rows(tmp_path / "runs")[0]["test_error"] is None


def test_parameters_survive_as_toml(folder, tmp_path):
    for source in (folder / "tiny.toml", "local-medium-sign", "ecp5-85f"):
        params = Params.load(source)
        path = tmp_path / "again.toml"
        path.write_text(to_toml(params))
        assert Params.load(path) == params.replace(name="again")


def test_cycles_are_those_of_the_model(folder, tmp_path, monkeypatch):
    """The fast engine learns an epoch, golden and the formulas count the next samples."""
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    dataset, params = load(folder), Params.load(folder / "tiny.toml")
    found = counted_cycles(params, dataset)
    assert found["counted"] == 512
    assert found["train"] == pytest.approx(sum(found["stages"].values()), abs=0.02)

    plan = Trainer(params, dataset, GoldenMachine(params), seed=1)
    model, clock, total = Model(params, initial_state(params, 1).weights), CycleModel(params), 0
    model.tau = params.learning.tau_in_epoch(0)
    x, labels = plan.epoch_samples(0)
    for i in range(len(labels)):
        model.train(x[i : i + 1], labels[i : i + 1])
    model.tau = params.learning.tau_in_epoch(1)
    clock.touched = False
    x, labels = plan.epoch_samples(1)
    for i in range(512):
        _, relaxation = model.train(x[i : i + 1], labels[i : i + 1], keep_history=True)
        total += clock.sample(relaxation, 0).total
    assert found["train"] == pytest.approx(total / 512, abs=0.01)
    assert counted_cycles(params, dataset) == found
