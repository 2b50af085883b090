"""The page that says where things are names things that are there; its example works."""

import re
import sys

import numpy as np
import pytest

from popflip.golden.datasets import formats
from popflip.golden.datasets.loading import load
from popflip.scripts.documentation.blocks import ROOT

PAGE = (ROOT / "docs/layout.md").read_text("utf-8")


def named_paths():
    """Paths of the repository that the page names, those in tables below their room."""
    room, found = "", []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and re.fullmatch(r"`\w+/`", cells[0]):
            room = cells[0].strip("`")
        if len(cells) == 3 and (not cells[0] or cells[0].startswith("`")):
            found += [room + path for path in re.findall(r"`([\w/]+/|[\w/]+\.py)`", cells[1])]
            if "model.py" in line:
                found += [room + path for path in re.findall(r"`(\w+\.py)`", cells[2])]
        else:
            rooms = "golden|rtl|boards|cocotb_tests|scripts|popflip"
            found += re.findall(rf"`((?:{rooms})/[a-z_/]*(?:\.py)?)`", line)
    return sorted(set(found))


def test_paths_are_found():
    assert len(named_paths()) > 25


@pytest.mark.parametrize("path", named_paths())
def test_the_path_is_there(path):
    assert (ROOT / path).exists()


def test_the_example_of_a_data_format_is_read(tmp_path, monkeypatch):
    (source,) = re.findall(r"```python\n(\"\"\"Files of lines.*?)```", PAGE, re.DOTALL)
    (tmp_path / "lines_of_a_test.py").write_text(source)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    path = tmp_path / "mine.lines"
    path.write_text("1 2 cat\n3 4 dog\n" * 5)
    try:
        dataset = load(path)
    finally:
        sys.modules.pop(f"{formats.__name__}.lines_of_a_test", None)
    assert dataset.name == "mine.lines"
    assert dataset.classes == ("cat", "dog")
    np.testing.assert_array_equal(dataset.train_images.max(axis=(1, 2)) > 0, dataset.train_labels)
