"""The boards and the families, found by the files that describe them.

A board is a :class:`~popflip.boards.board.Board` in a module of :mod:`popflip.boards.recipes`, a
family a :class:`~popflip.boards.families.family.Family` in one of :mod:`popflip.boards.families`.
There is no list to add one to.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from popflip.boards import families, recipes
from popflip.boards.board import Board
from popflip.boards.families.family import Family
from popflip.golden.description.renamed import current
from popflip.golden.support.errors import InputError

__all__ = ["BOARDS", "FAMILIES", "boards_in", "families_in", "find_board", "is_board"]


def _modules(package: ModuleType) -> list[ModuleType]:
    """Import the modules of a package, in the order of their names."""
    names = sorted(
        found.name for found in pkgutil.iter_modules(package.__path__) if not found.ispkg
    )
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def families_in(package: ModuleType) -> Mapping[str, Family]:
    """Return the families of a package by name.

    Parameters
    ----------
    package : module
        Each of whose modules may hold some.
    """
    found: dict[str, Family] = {}
    for module in _modules(package):
        for thing in vars(module).values():
            if isinstance(thing, Family) and found.setdefault(thing.name, thing) is not thing:
                raise ValueError(f"there must be one family {thing.name}, not two: {module}")
    return MappingProxyType(found)


def boards_in(package: ModuleType) -> Mapping[str, Board]:
    """Return the boards of a package by name, small ones first, those of one family together.

    Parameters
    ----------
    package : module
        Each of whose modules may hold some.
    """
    found: dict[str, Board] = {}
    # By family and by module, the tables of its smallest device.
    least: dict[object, int] = {}
    places: dict[str, str] = {}
    for module in _modules(package):
        for thing in vars(module).values():
            if not isinstance(thing, Board):
                continue
            if found.setdefault(thing.name, thing) is not thing:
                raise ValueError(f"there must be one board {thing.name}, not two: {module}")
            places.setdefault(thing.name, module.__name__)
            for group in (thing.device.family, places[thing.name]):
                least[group] = min(least.get(group, thing.device.luts), thing.device.luts)

    def key(board: Board):
        family, place = board.device.family, places[board.name]
        return least[family], family.name, least[place], place, board.device.luts, board.name

    return MappingProxyType({board.name: board for board in sorted(found.values(), key=key)})


FAMILIES = families_in(families)

#: In the order in which tables show them.
BOARDS = boards_in(recipes)


def is_board(name: str) -> bool:
    """Whether :func:`find_board` finds a board of a name."""
    return name in BOARDS or any(name in board.former for board in BOARDS.values())


def find_board(name: str) -> Board:
    """Return the board of a name.

    Raises
    ------
    InputError
        If there is none; names those that there are.
    """
    former = {old: board.name for board in BOARDS.values() for old in board.former}
    name = current(name, former, "board")
    if name not in BOARDS:
        raise InputError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
