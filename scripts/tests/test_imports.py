"""The rooms import each other in one direction only: golden <- rtl <- boards, two rooms on top."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: What each room, its tests included, may import besides itself.
MAY_IMPORT = {
    "golden": set(),
    "rtl": {"golden"},
    "boards": {"golden", "rtl"},
    "cocotb_tests": {"golden", "rtl", "boards"},
    "scripts": {"golden", "rtl", "boards", "cocotb_tests"},
}

#: What the hardware may know of golden: how things are described and laid out, not the model that
#: it is compared with. Everything in golden may use these two.
DESCRIPTION = {"description", "support"}

#: What each part of golden, without its tests, may import besides itself.
MODEL = {*DESCRIPTION, "plasticity", "model"}
WITHIN_GOLDEN = {
    "support": set(),
    "description": {"support"},
    "plasticity": DESCRIPTION,
    "model": {*DESCRIPTION, "plasticity"},
    "trace": MODEL,
    "cycles": MODEL,
    "datasets": DESCRIPTION,
    "training": {*MODEL, "datasets"},
    "engine": {*MODEL, "training"},
    "paper": {*MODEL, "datasets", "training"},
}


def imported(tree, module):
    """Yield (line, dotted name) of all that a parsed ``module`` imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            # A relative import counts from the module's parents.
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def complaints(source, path):
    """List what the imports of ``source``, the text of ``path`` below the root, do wrong."""
    path = Path(path)
    room = path.parts[0]
    module = ".".join(["popflip", *path.with_suffix("").parts])
    of_tests = "tests" in path.parts or path.name == "simulation.py"
    found = []
    for line, name in imported(ast.parse(source), module):
        head, *rest = name.split(".")
        if head in MAY_IMPORT:
            found.append(f"{path}:{line}: import {name} as popflip.{name}")
        elif head == "popflip" and rest and rest[0] in MAY_IMPORT:
            described = rest[0] == "golden" and rest[1:2] and rest[1] in DESCRIPTION
            if rest[0] != room and rest[0] not in MAY_IMPORT[room]:
                found.append(f"{path}:{line}: {room} must not import {rest[0]}")
            elif (room, rest[0]) == ("rtl", "golden") and not (described or of_tests):
                found.append(f"{path}:{line}: rtl must not import {name}")
            elif (room, rest[0]) == ("golden", "golden") and not of_tests:
                part = path.with_suffix("").parts[1]
                if rest[1:] and rest[1] not in {part, *WITHIN_GOLDEN[part]}:
                    found.append(f"{path}:{line}: golden/{part} must not import {name}")
    return found


def hidden_complaints(source, path):
    """List imports of what is not offered: of tests, and of private parts of a verb.

    No module that is shipped imports one of the tests. A verb uses of another verb what its
    ``__all__`` offers, and nothing that begins with an underscore.
    """
    path = Path(path)
    if (
        "tests" in path.parts
        or path.name.startswith(("test_", "tb_"))
        or path.name == "conftest.py"
    ):
        return []
    module = ".".join(["popflip", *path.with_suffix("").parts]).removesuffix(".__init__")
    found = []
    for line, name in imported(ast.parse(source), module):
        _, *parts = name.split(".")
        if name.startswith("popflip.") and any(
            part in ("tests", "conftest") or part.startswith("test_") for part in parts
        ):
            found.append(f"{path}:{line}: must not import {name}, which is of the tests")
        private = [part for part in parts if part.startswith("_") and not part.endswith("__")]
        if name.startswith("popflip.scripts.verbs.") and private:
            found.append(f"{path}:{line}: must not import {name}, which is another verb's own")
    return found


def sources():
    """Every Python file of the rooms."""
    return sorted(path for room in MAY_IMPORT for path in (ROOT / room).rglob("*.py"))


def test_each_room_is_found():
    assert {path.relative_to(ROOT).parts[0] for path in sources()} == set(MAY_IMPORT)


def test_the_package_holds_links_to_the_rooms_and_nothing_else():
    entries = {path.name for path in (ROOT / "popflip").iterdir()} - {"__pycache__"}
    assert entries == {"__init__.py", "__main__.py", *MAY_IMPORT}
    for room in MAY_IMPORT:
        assert (ROOT / "popflip" / room).readlink() == Path("..") / room


def test_each_part_of_golden_has_its_arrows():
    parts = {path.stem for path in (ROOT / "golden").iterdir() if not path.name.startswith("_")}
    assert parts - {"presets", "tests"} == set(WITHIN_GOLDEN)


def test_the_rooms_import_in_one_direction():
    found = [
        complaint
        for path in sources()
        for complaint in complaints(path.read_text(encoding="utf-8"), path.relative_to(ROOT))
    ]
    assert not found, "\n" + "\n".join(found)


def test_nothing_that_is_shipped_imports_tests_or_private_parts_of_a_verb():
    found = [
        complaint
        for path in sources()
        for complaint in hidden_complaints(path.read_text("utf-8"), path.relative_to(ROOT))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("scripts/verbs/prove/x.py", "from popflip.golden.tests import strategies"),
        ("scripts/verbs/prove/x.py", "from popflip.cocotb_tests.test_core import x"),
        ("scripts/cli.py", "import popflip.scripts.tests.conftest"),
        ("scripts/verbs/train/x.py", "from popflip.scripts.verbs.train.data import _pack"),
        ("scripts/campaigns/x.py", "from popflip.scripts.verbs.train import _data"),
    ],
)
def test_an_import_of_something_hidden_is_found(path, source):
    (found,) = hidden_complaints(source, path)
    assert found.startswith(f"{path}:1: must not import popflip.")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("scripts/verbs/train/x.py", "from popflip.scripts.verbs.train.data import ImageReport"),
        ("scripts/verbs/tests/test_x.py", "from popflip.scripts.verbs.train.data import _pack"),
        ("cocotb_tests/test_x.py", "from popflip.boards.tests.networks import MICRO"),
    ],
)
def test_an_import_of_what_is_offered_passes(path, source):
    assert hidden_complaints(source, path) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("golden/model.py", "import popflip.rtl.core.core", "golden must not import rtl"),
        ("golden/model.py", "from popflip.rtl import core", "golden must not import rtl"),
        ("golden/model.py", "from popflip import golden, rtl", "golden must not import rtl"),
        ("golden/tests/test_x.py", "def f():\n  import popflip.boards", "must not import boards"),
        ("golden/model.py", "from ..rtl import core", "golden must not import rtl"),
        ("golden/model.py", "from .. import rtl", "golden must not import rtl"),
        (
            "rtl/core/core.py",
            "from popflip.boards.virtual.board import X",
            "rtl must not import boards",
        ),
        ("rtl/core/core.py", "from popflip.golden.model import X", "import popflip.golden.model.X"),
        ("rtl/core/core.py", "from popflip.golden import model", "import popflip.golden.model"),
        ("rtl/core/core.py", "import popflip.golden", "import popflip.golden"),
        ("rtl/tests/test_core.py", "import popflip.scripts.cli", "rtl must not import scripts"),
        (
            "boards/host/link.py",
            "import popflip.cocotb_tests",
            "boards must not import cocotb_tests",
        ),
        (
            "golden/description/params.py",
            "import popflip.golden.model",
            "golden/description must not import popflip.golden.model",
        ),
        (
            "golden/support/files.py",
            "from popflip.golden.description import params",
            "golden/support must not import popflip.golden.description.params",
        ),
        (
            "golden/engine/machine.py",
            "from popflip.golden.datasets.loading import load",
            "golden/engine must not import popflip.golden.datasets.loading.load",
        ),
        (
            "golden/training/trainer.py",
            "import popflip.golden.engine.machine",
            "golden/training must not import popflip.golden.engine.machine",
        ),
        (
            "golden/model.py",
            "from popflip.golden import training",
            "golden/model must not import popflip.golden.training",
        ),
        ("cocotb_tests/tb.py", "import popflip.scripts", "cocotb_tests must not import scripts"),
        (
            "scripts/cli.py",
            "import golden.params",
            "import golden.params as popflip.golden.params",
        ),
        ("scripts/cli.py", "from rtl import core", "import rtl.core as popflip.rtl.core"),
    ],
)
def test_an_import_against_the_direction_is_found(path, source, complaint):
    (found,) = complaints(source, path)
    assert found.startswith(f"{path}:")
    assert found.endswith(complaint)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "golden/model.py",
            "import numpy, popflip.golden.description.params\nfrom .plasticity import flip",
        ),
        ("golden/engine/machine.py", "from popflip.golden.training.state import NetworkState"),
        ("golden/training/tests/test_health.py", "import popflip.golden.engine.machine"),
        (
            "rtl/core/core.py",
            "import popflip\nfrom popflip.golden.description.params import Params",
        ),
        ("rtl/tests/test_core.py", "from popflip.golden.model import Model"),
        ("boards/virtual/board.py", "from popflip.rtl.top import Top\nimport popflip.golden.model"),
        ("scripts/cli.py", "from popflip.cocotb_tests import bench\nimport rtlib, golden_age"),
    ],
)
def test_an_import_along_the_direction_passes(path, source):
    assert complaints(source, path) == []
