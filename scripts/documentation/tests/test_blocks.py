"""README and the pages quote what the store of results has."""

import pytest

from popflip.golden.support.errors import InputError
from popflip.scripts.documentation.blocks import ROOT, fill, pages
from popflip.scripts.documentation.tables import BLOCKS


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_blocks_are_as_the_store_has_them(page):
    text = page.read_text("utf-8")
    assert fill(text) == text, "write them anew: make docs"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_every_block_stands_on_a_page():
    text = "".join(page.read_text("utf-8") for page in pages())
    assert [name for name in BLOCKS if f"<!-- results: {name} -->" not in text] == []


def test_a_block_that_drifted_is_written_anew():
    text = "a\n<!-- results: demo -->\nstale\n<!-- end of results -->\nb\n"
    filled = fill(text)
    assert filled.startswith("a\n<!-- results: demo -->\n\nAfter one epoch")
    assert filled.endswith("\n\n<!-- end of results -->\nb\n")
    assert "stale" not in filled
    assert fill(filled) == filled


def test_a_block_of_no_such_name_is_refused():
    with pytest.raises(InputError, match=r"^results must be one of .*, not 'nothing'$"):
        fill("<!-- results: nothing -->\n<!-- end of results -->\n")


def test_a_block_without_an_end_is_refused():
    with pytest.raises(InputError, match=r"^a block of results has no end"):
        fill("<!-- results: demo -->\nold\n")
