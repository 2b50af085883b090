"""The commands that README and the documentation tell people to type.

Every fenced block whose lines begin with ``popflip`` or ``make`` counts. A block stands for itself,
or a comment above it says why nobody runs it in a test::

    <!-- needs: board -->
    <!-- takes: minutes -->

A comment of the form ``<!-- all commands take: minutes -->`` holds for the whole page.
"""

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import typer

from popflip.golden.support.errors import InputError
from popflip.scripts.cli import verb_modules
from popflip.scripts.documentation.blocks import ROOT, pages

__all__ = ["Command", "find_commands", "parse_verb", "verb_command"]

#: What a comment may give as a reason.
REASONS = {
    "needs": ("board", "browser", "virtual board", "your data"),
    "takes": ("minutes", "hours"),
}

_FENCE = re.compile(
    r"(?:<!-- (needs|takes): ([a-z ]+?) -->\s*\n)?^(`{3,})([\w{}-]*)[^\n]*\n(.*?)^\3\s*$",
    re.DOTALL | re.MULTILINE,
)
_PAGE = re.compile(r"<!-- all commands take: ([a-z]+) -->")


class Command(NamedTuple):
    """A command of a page.

    Parameters
    ----------
    page : str
        Path below the top of the repository.
    line : int
    words : list of str
    reason : str
        Why no test runs it, such as ``takes: minutes``; empty if one does.
    """

    page: str
    line: int
    words: list[str]
    reason: str


def find_commands(paths: list[Path] | None = None) -> list[Command]:
    """Find all commands of some pages, README and the documentation if none are named.

    Raises
    ------
    InputError
        If a comment gives a reason that there is not.
    """
    found = []
    for path in paths or [path for path in pages() if "generated" not in path.parts]:
        text = path.read_text("utf-8")
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
        whole = _PAGE.search(text)
        for match in _FENCE.finditer(text):
            reason = _reason(name, match[1], match[2]) if match[1] else ""
            if whole and not reason:
                reason = _reason(name, "takes", whole[1])
            first = text.count("\n", 0, match.start(5)) + 1
            for number, line in enumerate(match[5].splitlines()):
                line = line.removeprefix("$ ")
                if line.startswith(("popflip ", "make ")):
                    words = shlex.split(line, comments=True)
                    found.append(Command(name, first + number, words, reason))
    return found


def _reason(page: str, what: str, value: str) -> str:
    if value not in REASONS[what]:
        raise InputError(f"{page}: {what} must be {' or '.join(REASONS[what])}, not {value!r}")
    return f"{what}: {value}"


def parse_verb(words: list[str]) -> None:
    """See that the command line accepts the words of a command, without running it.

    Parameters
    ----------
    words : list of str
        From ``popflip`` on.

    Raises
    ------
    InputError
        If there is no such verb, option or argument.
    """
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    verb, *rest = words[1:]
    if verb not in verb_modules():
        raise InputError(f"there is no verb {verb!r}: {shlex.join(words)}")
    try:
        verb_command(verb).make_context(verb, rest)
    except usage_error as error:
        raise InputError(f"{shlex.join(words)}: {error}") from None


def verb_command(name: str):
    """Return the command object of a verb, as typer makes it: its parameters, its parser."""
    module = import_module(verb_modules()[name])
    app = typer.Typer(
        add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
    )
    group = import_module(module.__name__.rpartition(".")[0])
    module.VERB.add_to(app, group.TITLE)
    return typer.main.get_command(app)
