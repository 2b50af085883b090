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
    (source,) = re.findall(r"```python\n(\"\"\"NumPy archives.*?)```", PAGE, re.DOTALL)
    (tmp_path / "archive_of_a_test.py").write_text(source)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    images, labels = np.zeros((4, 8, 8), np.uint8), np.arange(4, dtype=np.uint8)
    path = tmp_path / "mine.npz"
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    try:
        dataset = load(path)
    finally:
        sys.modules.pop(f"{formats.__name__}.archive_of_a_test", None)
    assert dataset.name == "mine.npz"
    np.testing.assert_array_equal(dataset.train_labels, labels)
