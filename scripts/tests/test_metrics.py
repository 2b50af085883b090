"""Figures of the code's arrangement."""

import re

import pytest

from popflip.golden.support.errors import InputError
from popflip.scripts.metrics import measure, read_commit, read_tree

SOURCES = {
    "golden/description/params.py": 'KIND = "local"\nSAME = KIND == "dense"\n',
    "golden/model.py": "def short():\n    pass\n\n\nclass A:\n    def long(self):\n        a = 1\n"
    "        b = 2\n        return a + b\n",
    "golden/cycles.py": 'def f(first):\n    return first == "local" or first in ("x", "local")\n',
    "rtl/core.py": 'async def g(first):\n    return "dense" != first\n',
    "boards/recipes/orangecrab.py": 'ORANGECRAB_25F = "orangecrab-25f"\n',
    "boards/registry.py": "from popflip.boards.recipes import orangecrab\n",
    "boards/families/nexus.py": "NEXUS = 1\n",
    "boards/recipes/crosslink.py": "from x import NEXUS\n",
    "scripts/cli.py": "# doctor\ndef run_doctor():\n    pass\n",
    "scripts/show.py": 'VERBS = ["doctor", "the doctor is in"]\n',
    "scripts/other.py": '"""Of doctor."""\n',
    "cocotb_tests/bus.py": "",
}


def figures(sources):
    return {(one.group, one.name): one for one in measure(sources)}


def test_longest_method():
    found = figures(SOURCES)["lines in the longest method", "golden"]
    assert (found.value, found.where) == (4, "golden/model.py: A.long")
    assert figures(SOURCES)["lines in the longest method", "rtl"].value == 2
    assert figures(SOURCES)["lines in the longest method", "cocotb_tests"].value == 0


def test_fullest_folder():
    found = figures(SOURCES)["files in the fullest folder", "golden"]
    assert (found.value, found.where) == (2, "golden")
    assert figures(SOURCES)["files in the fullest folder", "boards"].where == "boards/recipes"


def test_comparisons_with_layer_kinds_outside_the_description():
    found = figures(SOURCES)["comparisons with layer kinds", "all"]
    assert (found.value, found.where) == (2, "golden/cycles.py, rtl/core.py")


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("verb", "scripts/cli.py, scripts/show.py"),
        ("board", "boards/recipes/orangecrab.py, boards/registry.py"),
        ("family", "boards/families/nexus.py"),
        (
            "kind of first layer",
            "golden/description/params.py, golden/cycles.py, rtl/core.py",
        ),
    ],
)
def test_modules_that_a_new_one_touches(kind, where):
    found = figures(SOURCES)["modules that a new one touches", kind]
    assert (found.value, found.where) == (len(where.split(", ")), where)


def test_the_tree_has_what_is_measured():
    found = figures(read_tree())
    assert all(one.value > 0 for key, one in found.items() if "comparisons" not in key[0])


def test_a_commit_that_is_not_there_is_named():
    with pytest.raises(InputError, match=re.escape("cannot read commit nowhere: ")):
        read_commit("nowhere")
