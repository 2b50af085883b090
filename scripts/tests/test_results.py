"""The store of recorded results."""

import datetime
import json
import re

import pytest
from pydantic import ValidationError

from popflip.golden.support.errors import InputError
from popflip.scripts.documentation.commands import parse_verb
from popflip.scripts.results import (
    KINDS,
    Accuracy,
    Entry,
    Measured,
    append,
    latest,
    read,
    store_folder,
)


def entry(name="one", values=None, **more):
    fields = {
        "name": name,
        "command": "popflip bench engine",
        "commit": "0123abc",
        "date": datetime.date(2026, 11, 29),
        "machine": "a test",
        "values": values or Measured(figures={"rate": 1}),
    }
    return Entry[Measured](**fields | more)


def test_every_file_is_of_a_kind_and_holds_entries():
    assert {path.stem for path in store_folder().glob("*.json")} == set(KINDS)
    for kind in KINDS:
        assert read(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_written_as_append_writes_them(kind, tmp_path):
    for one in read(kind):
        append(kind, one, tmp_path)
    name = f"{kind}.json"
    assert (tmp_path / name).read_bytes() == (store_folder() / name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_commands_are_ones_that_there_are(kind):
    for one in latest(kind).values():
        if one.command.startswith("popflip "):
            parse_verb(one.command.split())


def test_what_is_appended_is_read_back(tmp_path):
    append("bench", entry(seeds=(1, 2), tools={"numba": "1"}, note="slow"), tmp_path)
    (found,) = read("bench", tmp_path)
    assert found == entry(seeds=(1, 2), tools={"numba": "1"}, note="slow")


def test_the_last_entry_of_a_name_counts(tmp_path):
    for name, rate in (("one", 1), ("two", 2), ("one", 3)):
        append("bench", entry(name, Measured(figures={"rate": rate})), tmp_path)
    found = latest("bench", tmp_path)
    assert {name: one.values.figures["rate"] for name, one in found.items()} == {"one": 3, "two": 2}
    assert len(read("bench", tmp_path)) == 3


def test_a_store_without_a_file_is_empty(tmp_path):
    assert read("boards", tmp_path) == []


def test_there_are_only_these_kinds(tmp_path):
    with pytest.raises(
        InputError, match=re.escape("kind must be one of accuracy, adaptation, bench")
    ):
        read("boars", tmp_path)


def test_values_of_another_kind_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"^values must be Accuracy for kind accuracy, not Measured$"
    ):
        append("accuracy", entry(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    [b"[", b"{}x", b'[{"name": "one"}]', b"[3]", b"7", b"\xff"],
)
def test_a_damaged_file_is_named(damage, tmp_path):
    path = tmp_path / "bench.json"
    path.write_bytes(damage)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))} is damaged: "):
        read("bench", tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"commit": "later"},
        {"command": "rm -rf /"},
        {"name": ""},
        {"date": "today"},
        {"values": {"figures": {"a": []}}},
        {"more": 1},
    ],
)
def test_entries_are_validated(wrong):
    tree = json.loads(entry().model_dump_json()) | wrong
    with pytest.raises(ValidationError):
        Entry[Measured].model_validate(tree)


def test_values_are_validated():
    with pytest.raises(ValidationError):
        Accuracy(network="x", data="mnist", error="much")
