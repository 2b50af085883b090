"""Markdown, as far as the documentation's generated parts need it."""

from collections.abc import Iterable, Sequence

__all__ = ["code", "number", "table"]


def table(header: Sequence[str], rows: Iterable[Sequence], right: Iterable[int] = ()) -> str:
    """Write a table.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequence
        Cells; None is an empty one. A bar in a cell is escaped.
    right : iterable of int
        Columns that are aligned to the right.
    """
    right = set(right)
    lines = [_row(header), _row(["---:" if i in right else "---" for i in range(len(header))])]
    lines += [_row(row) for row in rows]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable) -> str:
    texts = ("" if cell is None else " ".join(str(cell).split()) for cell in cells)
    return "| " + " | ".join(text.replace("|", r"\|") for text in texts) + " |"


def number(value: float | None, digits: int = 0) -> str:
    """Write a number with thousands separated and so many digits behind the point."""
    return "" if value is None else f"{value:,.{digits}f}"


def code(text) -> str:
    """Set a text as code."""
    return f"`{text}`"
