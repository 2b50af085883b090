"""Names that have changed: the old ones still read in this version, with a notice.

An entry stays for one version after the change; delete it then, and nothing else.
"""

import warnings
from collections.abc import Mapping

from popflip.golden.description.sections.common import ParamsError
from popflip.golden.support.errors import RenamedWarning

__all__ = ["KEYS", "REGISTERS", "current", "with_current_keys"]

#: Keys of TOML files, checkpoints and builds: old to new, sections as ``section``, others as
#: ``section.key``.
KEYS: dict[str, str] = {
    "alone": "standalone",
}

#: Registers: old to new.
REGISTERS: dict[str, str] = {
    "alone": "standalone",
}


def current(name: str, renamed: Mapping[str, str], kind: str) -> str:
    """Return what ``name`` is called today; warn if that is something else.

    Parameters
    ----------
    name : str
    renamed : mapping of str to str
    kind : str
        What it is the name of, for the notice.
    """
    if name not in renamed:
        return name
    new = renamed[name]
    warnings.warn(
        f"{kind} {name!r} is called {new!r} now; the old name stops with the next version",
        RenamedWarning,
        stacklevel=3,
    )
    return new


def with_current_keys(tree):
    """Give the keys of a nested dict their present names; warn of those that change.

    Parameters
    ----------
    tree : dict
        Not changed. Anything but a dict is returned as it is, for validation to refuse.

    Raises
    ------
    ParamsError
        If a key is given under both names.
    """
    if not isinstance(tree, dict):
        return tree
    tree = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    for old, new in KEYS.items():
        place, key = _place(tree, old)
        if key not in place:
            continue
        new_place, new_key = _place(tree, new)
        if new_key in new_place:
            raise ParamsError(f"{new} and its old name, {old}, are both given: delete {old}")
        current(old, KEYS, "parameter")
        new_place[new_key] = place.pop(key)
        if "." in new:
            tree[new.rpartition(".")[0]] = new_place
    return tree


def _place(tree: dict, dotted: str) -> tuple[dict, str]:
    """Return the section of a tree that may hold a key, an empty one if it has none; the key."""
    section, _, key = dotted.rpartition(".")
    place = tree.get(section, {}) if section else tree
    return (place if isinstance(place, dict) else {}), key
