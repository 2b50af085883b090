import json
import re

import pytest

from popflip.boards.build.built import build_beside, builds_in, find_build, write_build
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO, toml_of
from popflip.golden.support.errors import InputError
from popflip.rtl.identity import identity

ICEBREAKER = BOARDS["icebreaker"]
PARAMS = ICEBREAKER.params(MICRO)
TOML = toml_of(PARAMS)


@pytest.fixture
def built(tmp_path):
    """The folder of a build, in the folder of builds."""
    folder = tmp_path / "build" / "icebreaker"
    write_build(folder, ICEBREAKER, PARAMS, 24.375, "icebreaker-micro.bin")
    (folder / "params.toml").write_text(TOML)
    (folder / "icebreaker-micro.bin").write_bytes(b"bits")
    return folder


def test_what_was_built_is_found_by_board_folder_and_file(built, monkeypatch):
    monkeypatch.chdir(built.parents[1])
    found = find_build("icebreaker")
    assert (found.board, found.preset, found.core_mhz) == ("icebreaker", "micro", 24.375)
    assert found.baud == 1_015_625
    assert found.identity == identity(PARAMS).hex()
    assert found.bitstream == "icebreaker-micro.bin"
    assert found.params.machine.uart_divisor == 24
    for path in (built, *(built / name for name in ("params.toml", "icebreaker-micro.bin"))):
        again = find_build(path)
        assert (again.folder, again.baud) == (built, found.baud)
    assert [one.board for one in builds_in()] == ["icebreaker"]
    assert find_build("icebreaker", built.parent).folder == built


def test_another_clock_is_another_rate(tmp_path):
    write_build(tmp_path, ICEBREAKER, ICEBREAKER.params(MICRO, 18), 18)
    assert find_build(tmp_path).baud == 1_000_000


def test_other_parameters_in_the_folder_are_no_part_of_the_build(built):
    (built / "mine.toml").write_text(TOML + "\n")
    (built / "copy.toml").write_text(TOML)
    assert build_beside(built / "mine.toml") is None
    assert build_beside(built / "copy.toml").baud == 1_015_625
    assert build_beside(built / "params.toml").baud == 1_015_625


def test_what_was_not_built_is_refused_with_what_makes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (
        (
            "icebreaker",
            "build/icebreaker holds no build: popflip build --board icebreaker makes one",
        ),
        (tmp_path, f"{tmp_path} holds no build: popflip build --out {tmp_path} makes one"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            find_build(name)
    assert build_beside(tmp_path / "params.toml") is None
    assert builds_in() == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: "",
        lambda values: "[]",
        lambda values: '{"name": "somebody-elses", "version": 1}',
        lambda values: json.dumps(values | {"popflip_build": 2}),
        lambda values: json.dumps(values | {"baud": "fast"}),
        lambda values: json.dumps(values | {"baud": float("inf")}),
        lambda values: json.dumps(values | {"baud": 0}),
        lambda values: json.dumps(values | {"board": 5}),
        lambda values: "[" * 50_000,
        lambda values: json.dumps({k: v for k, v in values.items() if k != "board"}),
        lambda values: json.dumps(values | {"more": "x" * 70_000}),
        lambda values: json.dumps(values) + "\xff",
    ],
    ids=(
        "empty", "list", "of-another", "newer", "no-rate", "endless-rate", "rate-0", "no-name",
        "nested", "less", "huge", "cut",
    ),
)  # fmt: skip
def test_a_file_that_is_not_ours_is_none(built, damage):
    path = built / "build.json"
    path.write_text(damage(json.loads(path.read_text())), "latin-1")
    assert build_beside(built / "params.toml") is None
    with pytest.raises(InputError, match=r"build.json is damaged, or of another version: popflip "):
        find_build(built)
