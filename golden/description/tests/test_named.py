"""Tables by name and by number."""

from typing import NamedTuple

import pytest

from popflip.golden.description.named import Table


class Thing(NamedTuple):
    name: str


A, B, C = map(Thing, "abc")
TABLE = Table([A, B, C], renamed={"old": "b"})


def test_entries_in_order():
    assert list(TABLE) == [A, B, C]
    assert TABLE.names == ["a", "b", "c"]
    assert len(TABLE) == 3
    assert (TABLE[0], TABLE[-1], TABLE[1:]) == (A, C, (B, C))
    assert repr(TABLE) == "<Table of a, b, c>"


def test_entries_by_name():
    assert TABLE["b"] is B
    assert "b" in TABLE
    assert B in TABLE
    assert "old" not in TABLE, "an old name is found, but it is nobody's name"
    with pytest.raises(KeyError, match="entry must be one of a, b, c, not 'd'"):
        TABLE["d"]
    with pytest.raises(IndexError):
        TABLE[3]


def test_an_old_name_is_found_with_a_notice():
    with pytest.warns(FutureWarning, match="entry 'old' is called 'b' now"):
        assert TABLE["old"] is B
