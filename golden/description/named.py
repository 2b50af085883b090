"""Tables whose entries are found by their name as well as by their number; numbers with names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Protocol, TypeVar, overload

from popflip.golden.description.renamed import current

__all__ = ["Meanings", "Named", "Table"]


class Meanings(IntEnum):
    """Numbers with names, each of which says what it means: ``NAME = 3, "what it means"``.

    Attributes
    ----------
    meaning : str
    """

    meaning: str

    def __new__(cls, value: int, meaning: str = ""):
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Named(Protocol):
    """What a table holds."""

    @property
    def name(self) -> str:
        """What the entry is called; no two of a table share it."""


Entry = TypeVar("Entry", bound=Named)


class Table(Sequence[Entry]):
    """Entries in order of their number, each with a name.

    ``table["name"]`` and ``table[number]`` are entries, ``"name" in table`` tells whether there is
    one, and iterating yields the entries in order.

    Parameters
    ----------
    entries : iterable
    renamed : mapping of str to str
        Names of earlier versions, which are still found, with a notice.
    """

    #: What an entry is called in messages.
    kind = "entry"

    def __init__(self, entries: Iterable[Entry], renamed: Mapping[str, str] | None = None):
        self._entries = tuple(entries)
        self._by_name = {entry.name: entry for entry in self._entries}
        self._renamed = dict(renamed or {})

    def __repr__(self):
        return f"<{type(self).__name__} of {', '.join(self.names)}>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __contains__(self, item: object) -> bool:
        return item in self._by_name if isinstance(item, str) else item in self._entries

    @property
    def names(self) -> list[str]:
        """Names of the entries, in order."""
        return list(self._by_name)

    @overload
    def __getitem__(self, key: int | str) -> Entry: ...

    @overload
    def __getitem__(self, key: slice) -> Sequence[Entry]: ...

    def __getitem__(self, key):
        if not isinstance(key, str):
            return self._entries[key]
        if key not in self._by_name:
            name = current(key, self._renamed, self.kind)
            if name not in self._by_name:
                raise KeyError(f"{self.kind} must be one of {', '.join(self.names)}, not {key!r}")
            key = name
        return self._by_name[key]
