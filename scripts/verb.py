"""What a verb of the command is: a function with typer's options, and examples for its help.

A verb is a module ``verbs/GROUP/NAME.py`` (or a package of that name) that exposes one object,
``VERB``. The command finds it by listing the packages; nothing else has to be changed.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import typer

from popflip.golden.support.files import file_errors
from popflip.scripts.console import say

__all__ = ["Verb", "fail_unless_learned", "fail_unless_verified", "help_of", "print_json"]


def help_of(docstring: str) -> str:
    """Return a docstring with each paragraph in one line."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


@dataclass(frozen=True)
class Verb:
    """A verb of the command.

    Parameters
    ----------
    run : callable
        The work behind the options, which are its typer-annotated parameters. Its name is the
        verb's, its docstring is the help.
    examples : tuple of str
        Command lines that the help ends with.
    """

    run: Callable[..., None]
    examples: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the user types."""
        return self.run.__name__

    @property
    def help(self) -> str:
        """The docstring, each paragraph in one line."""
        return help_of(self.run.__doc__ or "")

    def add_to(self, app: typer.Typer, group: str) -> None:
        """Add the verb to an application, below the title of its group."""
        epilog = "\n\n".join(["Examples:", *self.examples])
        app.command(help=self.help, epilog=epilog, rich_help_panel=group)(self.run)


def print_json(report: Mapping | list) -> None:
    """Print a report as ``--json`` does."""
    with file_errors("standard output"):
        print(json.dumps(report, indent=1), flush=True)  # here, not at the exit, if it fails


def fail_unless_learned(report: Mapping) -> None:
    """End with status 1 if a network was trained and does not learn."""
    if report["learns"] is False:
        say(f"popflip: {report['preset']} has not learned; see the warning above")
        raise typer.Exit(1)


def fail_unless_verified(report: Mapping) -> None:
    """End with status 1 if something is not as the golden model says."""
    if report["verified"] is False:
        say(f"popflip: not verified: {'; '.join(report['differences'])}")
        raise typer.Exit(1)
