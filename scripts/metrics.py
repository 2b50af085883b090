"""How easily a newcomer finds things: figures of the code's arrangement, at two commits.

``make metrics`` compares the tree as it is with the commit before the rooms were rebuilt. Measured
is, of the sources without their tests:

- the longest function or method of each room, in lines;
- Python files in the fullest folder of each room;
- comparisons with a kind of first layer, outside the modules that describe a network;
- modules that name one example of a thing: what somebody who adds another has to look at.
"""

import ast
import io
import subprocess
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple

import typer
from rich import box
from rich.table import Table

from popflip.golden.support.errors import InputError

__all__ = ["Figure", "measure", "read_commit", "read_tree"]

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("golden", "rtl", "boards", "cocotb_tests", "scripts")

#: The last commit before the rooms.
BEFORE = "fdde765"

#: Kinds of a first layer, as strings in the source.
LAYER_KINDS = {"dense", "local"}

#: Modules that describe a network: who else knows a kind of layer knows too much. Before the rooms
#: they were files of golden/.
_DESCRIPTION = ("golden/description/", "golden/params.py", "golden/random_params.py")


class Example(NamedTuple):
    """One of its kind, whose name is looked for. Of a family, its boards are left out."""

    kind: str
    words: frozenset[str]


#: What a newcomer would copy.
EXAMPLES = (
    Example("verb", frozenset({"doctor"})),
    Example("board", frozenset({"orangecrab"})),
    Example("family", frozenset({"nexus"})),
)


class Figure(NamedTuple):
    """One measured figure.

    Parameters
    ----------
    group, name : str
    value : int
    where : str
        What it is of.
    """

    group: str
    name: str
    value: int
    where: str


# Sources ----------------------------------------------------------------------------------------


def read_tree(root: Path = ROOT) -> dict[str, str]:
    """Read the sources of a checkout: from path to text, tests left out."""
    found = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if not _of_tests(name):
                found[name] = path.read_text("utf-8")
    return found


def read_commit(commit: str, root: Path = ROOT) -> dict[str, str]:
    """Read the sources of a commit, from git.

    Raises
    ------
    InputError
        If there is no such commit, or no git.
    """
    try:
        listed = _git(root, "ls-tree", "-r", "--name-only", commit, "--", *ROOMS)
        names = [
            name for name in listed.splitlines() if name.endswith(".py") and not _of_tests(name)
        ]
        return {name: _git(root, "show", f"{commit}:{name}") for name in names}
    except (subprocess.CalledProcessError, OSError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise InputError(f"cannot read commit {commit}: {said[0] if said else error}") from None


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
    ).stdout


def _of_tests(name: str) -> bool:
    """Whether a file is not to be measured: tests, and this module, which names the examples."""
    path = PurePosixPath(name)
    return (
        name == "scripts/metrics.py"
        or "tests" in path.parts
        or path.name.startswith("test_")
        or path.name == "conftest.py"
    )


# Measures ---------------------------------------------------------------------------------------


def measure(sources: dict[str, str]) -> list[Figure]:
    """Measure the sources of a tree.

    Parameters
    ----------
    sources : dict
        From path to text, as :func:`read_tree` gives them.
    """
    trees = {name: ast.parse(text) for name, text in sources.items()}
    return [
        *_longest(trees),
        *_fullest(sources),
        _comparisons(trees),
        *_touched(sources, trees),
    ]


def _room(name: str) -> str:
    return PurePosixPath(name).parts[0]


def _longest(trees: dict[str, ast.Module]) -> Iterator[Figure]:
    """Lines of the longest function or method of each room."""
    found: dict[str, tuple[int, str]] = {}
    for name, tree in trees.items():
        for where, node in _functions(tree):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            best = found.get(_room(name), (0, ""))
            found[_room(name)] = max(best, (lines, f"{name}: {where}"))
    for room in ROOMS:
        lines, where = found.get(room, (0, ""))
        yield Figure("lines in the longest method", room, lines, where)


def _functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{getattr(child, 'name', '')}"
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name, child  # type: ignore[misc]
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{name}.")


def _fullest(sources: dict[str, str]) -> Iterator[Figure]:
    """Python files in the fullest folder of each room."""
    folders = Counter(
        PurePosixPath(name).parent.as_posix()
        for name in sources
        if PurePosixPath(name).name != "__init__.py"
    )
    for room in ROOMS:
        inside = [(count, folder) for folder, count in folders.items() if _room(folder) == room]
        count, folder = max(inside, default=(0, ""))
        yield Figure("files in the fullest folder", room, count, folder)


def _comparisons(trees: dict[str, ast.Module]) -> Figure:
    """Comparisons of anything with a kind of first layer."""
    found = Counter(
        name
        for name, tree in trees.items()
        if not name.startswith(_DESCRIPTION)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(_is_kind(side) for side in (node.left, *node.comparators))
    )
    where = ", ".join(found)
    return Figure("comparisons with layer kinds", "all", found.total(), where)


def _is_kind(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in LAYER_KINDS


def _touched(sources: dict[str, str], trees: dict[str, ast.Module]) -> Iterator[Figure]:
    """Modules that name an example of a thing, those that are the example itself included."""
    group = "modules that a new one touches"
    for example in EXAMPLES:

        def names(name: str, text: str, example: Example = example) -> bool:
            if example.kind == "family" and "recipes/" in name:
                return False
            return not example.words.isdisjoint(_words(text))

        yield _modules(group, example.kind, sources, names)
    kinds = {
        name
        for name, tree in trees.items()
        if any(isinstance(node, ast.Compare) and any(map(_is_kind, (node.left, *node.comparators)))
               for node in ast.walk(tree))
    }  # fmt: skip
    yield _modules(group, "kind of first layer", sources, lambda name, _: name in kinds)


def _modules(
    group: str, kind: str, sources: dict[str, str], names: Callable[[str, str], bool]
) -> Figure:
    found = [name for name, text in sources.items() if names(name, text)]
    return Figure(group, kind, len(found), ", ".join(found))


def _words(text: str) -> set[str]:
    """Collect the words of all identifiers, and strings that are one word, in lower case."""
    found: set[str] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            found.update(token.string.lower().split("_"))
        elif token.type == tokenize.STRING:
            word = token.string.strip("\"'").lower()
            if word.isidentifier() and "_" not in word:
                found.add(word)
    return found


# Report -----------------------------------------------------------------------------------------


def compare(before: list[Figure], after: list[Figure]) -> Table:
    """Put the figures of two trees side by side."""
    table = Table(title="How the code is arranged", box=box.SIMPLE, pad_edge=False)
    for heading in ("figure", "of"):
        table.add_column(heading)
    for heading in ("before", "after"):
        table.add_column(heading, justify="right")
    table.add_column("where, after", overflow="fold")
    earlier = {(one.group, one.name): one.value for one in before}
    for one in after:
        value = earlier.get((one.group, one.name))
        table.add_row(
            one.group, one.name, "" if value is None else str(value), str(one.value), one.where
        )
    return table


def main(
    before: Annotated[str, typer.Option(help="Commit to compare with.")] = BEFORE,
    at: Annotated[str | None, typer.Option(help="Commit to measure; the tree if left out.")] = None,
) -> None:
    """Measure the arrangement of the code, before and after."""
    from rich.console import Console

    earlier = measure(read_commit(before))
    Console().print(compare(earlier, measure(read_commit(at) if at else read_tree())))


if __name__ == "__main__":
    typer.run(main)
