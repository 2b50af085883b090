"""Section ``data``: of no concern to the machine."""

import re

import pytest

from popflip.golden.description.params import Params, ParamsError

PRESET = Params.load("local-small")


def test_a_section_that_says_nothing_is_left_out():
    assert "data" not in PRESET.model_dump(mode="json")
    assert "data" not in PRESET.replace(data={"scale": "auto"}).model_dump(mode="json")
    tree = PRESET.replace(data={"label": "kind"}).model_dump(mode="json")
    assert tree["data"]["label"] == "kind"
    assert Params.build(tree).data.label == "kind"


def test_no_digest_of_the_machine_hangs_on_it():
    # As it was before there was such a section.
    assert PRESET.digest.startswith("e8eefa4e879908cc")
    assert PRESET.replace(data={"label": "kind"}).digest == PRESET.digest


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"low": [0.0]}, "data: low and high must be given together"),
        (
            {"low": [0.0], "high": [1.0]},
            'data: scale must be "range" with low and high, not "auto"',
        ),
        (
            {"scale": "range", "low": [0.0, 1.0], "high": [1.0]},
            "data: low and high must have as many entries, not 2 and 1",
        ),
        (
            {"scale": "range", "low": [1.0], "high": [1.0]},
            "data: low must be less than high, not 1.0 and 1.0",
        ),
        ({"test_percent": 0}, "data.test_percent must be at least 1, not 0"),
        ({"labels": "x"}, "data.labels is not a parameter"),
    ],
)
def test_what_is_refused(section, message):
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        PRESET.replace(data=section)
