"""``popflip build``; tools are stand-ins."""

import json

import pytest
from matplotlib.image import imread

from popflip.boards.build import bitstream
from popflip.boards.build.bitstream import Build, TimingError
from popflip.golden.description.params import Params

pytestmark = pytest.mark.usefixtures("default_signals")


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

    monkeypatch.setattr(bitstream, "build", build)


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

    monkeypatch.setattr(bitstream, "build", build)
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
