"""The reference of all keys, and the files that are written from it."""

import tomllib

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.description.random_params import random_params
from popflip.golden.description.reference import Row, rows, to_toml
from popflip.golden.description.sections.machine import DERIVED_LANES

ROWS = {(row.section, row.key): row for row in rows()}


def test_every_key_is_there_in_order_and_explained():
    # What says nothing may be left out, so all of it says something.
    params = Params.load("local-small").replace(
        network={"pool": 2, "sharing": "full"},
        learning={"hold_nudge": True, "first_latent_bits": 9},
        machine={"pool_lanes": 2, "mask_words": True},
        data={"label": "kind"},
    )
    tree = params.model_dump()
    expected = [("", "name")]
    for section, keys in tree.items():
        if section != "name":
            expected += [(section, key) for key in keys]
    assert list(ROWS) == expected
    for place, row in ROWS.items():
        assert len(row.meaning) > 10, place
        assert row.meaning[-1] == ".", place
        assert row.type, place
        assert "::" not in row.meaning, place
        assert "``" not in row.meaning, place


@pytest.mark.parametrize(
    ("section", "key", "kind", "limits", "default"),
    [
        ("network", "image", "(int, int)", "2 entries, each 1 to 1,024", "`[28, 28]`"),
        ("network", "thresholds", "tuple of int", "1 to 8 entries, each 0 to 254", "`[127]`"),
        ("network", "first", '{"dense", "local"}', '`"dense"`, `"local"`', '`"dense"`'),
        ("network", "pixel_bits", "{1, 8}", "`1`, `8`", "`1`"),
        ("network", "stride", "int or (int, int)", "0 to 1,024", "`0`"),
        ("network", "pool", "int or (int, int)", "1 to 16", "`1`"),
        (
            *("dynamics", "gains", "tuple of int", "2 or more entries, each 1 to 4,096"),
            "must be given",
        ),
        (*("dynamics", "threshold", "int, optional", "-1,048,576 to 1,048,576", "left out"),),
        ("learning", "tau_growth", "float", "0 to 100", "`0.0`"),
        ("learning", "reset_on_flip", "bool", "`true`, `false`", "`false`"),
        ("machine", "row_lanes", "int, optional", "1 to 1,048,576", "from the network"),
        (
            *("standalone", "flash_base", "int", "0 to 16,777,215, a multiple of 8,192"),
            "`1048576`",
        ),
        ("standalone", "seed", "int", "0 to 4,294,967,295", "`1`"),
    ],
)
def test_rows_by_hand(section, key, kind, limits, default):
    row = ROWS[section, key]
    assert (row.type, row.range, row.default) == (kind, limits, default)


def test_the_meaning_is_the_docstring_in_markdown():
    assert ROWS["learning", "beta"] == Row(
        "learning",
        "beta",
        "int",
        "1 to 256",
        "`2`",
        "Strength of nudging: `nudge = beta * (target * V - v)` is added to an output's potential.",
    )
    assert "(`records`)" in ROWS["standalone", "record_bytes"].meaning, "a role is what it names"


def test_what_follows_from_the_network_is_said_to():
    derived = {key for (_, key), row in ROWS.items() if row.default == "from the network"}
    assert derived == set(DERIVED_LANES)
    assert all("If left out" in ROWS["machine", key].meaning for key in derived)


@pytest.mark.parametrize("preset", preset_names())
def test_presets_come_back_from_their_file(preset, tmp_path):
    params = Params.load(preset)
    text = to_toml(params)
    assert max(map(len, text.splitlines())) <= 100
    (tmp_path / "other.toml").write_text(text, "utf-8")
    again = Params.load(tmp_path / "other.toml")
    assert again == params
    assert again.digest == params.digest
    assert to_toml(again) == text


def test_any_parameters_come_back():
    rng = np.random.default_rng(4)
    for _ in range(20):
        params = random_params(rng).replace(name='"quoted" \\ ü')
        assert Params.build(tomllib.loads(to_toml(params))) == params


def test_a_file_explains_each_key_and_shows_those_that_are_left_out():
    text = to_toml(Params.load("local-small"))
    assert text.startswith("# name: What reports and files call it")
    assert '\nname = "local-small"\n' in text
    assert "\n# batch: Samples between flips.\n# 1 to 65,535; default: 1\nbatch = 1\n" in text
    assert "\n# 2 or more entries, each 1 to 4,096; must be given\ngains = [26, 9]\n" in text
    assert "\n[network]\n# Which neurons there are, and how they are joined.\n\n# image" in text
    assert "\n# threshold =\n" in text
    assert len(tomllib.loads(text)) == 7
