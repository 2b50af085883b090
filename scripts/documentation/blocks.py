"""The marked blocks of README and the pages, which are written from the store of results.

A block is what stands between ``<!-- results: NAME -->`` and ``<!-- end of results -->``. ``make
docs`` writes all of them anew; a test fails if one is not as the store has it.
"""

import re
from pathlib import Path

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.scripts.documentation.tables import BLOCKS

__all__ = ["ROOT", "fill", "pages", "update"]

#: Top of the repository.
ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"(<!-- results: ([^>]+?) -->\n)(.*?)(<!-- end of results -->)", re.DOTALL)


def fill(text: str) -> str:
    """Write the blocks of a page anew.

    Raises
    ------
    InputError
        If a block has no such name, or no end.
    """

    def replace(match: re.Match) -> str:
        name = match[2]
        if name not in BLOCKS:
            raise InputError(f"results must be one of {', '.join(BLOCKS)}, not {name!r}")
        # A blank line on either side, else a table is taken for part of the comment.
        return f"{match[1]}\n{BLOCKS[name]().rstrip()}\n\n{match[4]}"

    if text.count("<!-- results: ") != len(_BLOCK.findall(text)):
        raise InputError("a block of results has no end: <!-- end of results -->")
    return _BLOCK.sub(replace, text)


def pages() -> list[Path]:
    """List the pages that may have blocks: README, and those of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def update() -> list[Path]:
    """Write all blocks anew, and return the pages that changed."""
    changed = []
    for path in pages():
        text = path.read_text("utf-8")
        if (filled := fill(text)) != text:
            write_atomically(path, filled.encode())
            changed.append(path)
    return changed


if __name__ == "__main__":
    for page in update():
        print(f"written: {page.relative_to(ROOT)}")
