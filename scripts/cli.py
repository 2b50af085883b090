"""The command ``popflip``: it collects the verbs, and says how a call ends.

A verb is a module ``verbs/GROUP/NAME.py`` with an object ``VERB``, whose function has the verb's
name. Only the module of the verb that is called is imported. The help that lists all verbs reads
their docstrings from the source: importing all takes most of a second.
"""

import ast
import errno
import os
import pkgutil
import sys
import traceback
import warnings
from importlib import import_module, util
from typing import Annotated

import typer

from popflip import __version__
from popflip.golden.support import interrupts
from popflip.golden.support.errors import PopflipError, RenamedWarning
from popflip.scripts import verbs
from popflip.scripts.console import listen, say
from popflip.scripts.verb import help_of

__all__ = ["main", "run", "verb_help", "verb_modules"]

#: Groups of the help, in this order: packages of :mod:`popflip.scripts.verbs`.
GROUPS = ("train", "hardware", "explore", "prove")

#: Packages, and the extra that brings them.
_EXTRAS = {
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "distributed": "sweep",
    "fastapi": "live",
    "hypothesis": "test",
    "nicegui": "live",
    "optuna": "sweep",
    "torch": "paper",
    "uvicorn": "live",
}

#: Errors of files that are nobody's fault, whichever file it is: a disk that is full, or read only.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

#: Whether an expected error shows where it came from.
_debug = False


def verb_modules() -> dict[str, str]:
    """Return the module of each verb by its name, group by group; nothing is imported."""
    found = {}
    for group in GROUPS:
        folders = [f"{folder}/{group}" for folder in verbs.__path__]
        for module in pkgutil.iter_modules(folders, f"{verbs.__name__}.{group}."):
            name = module.name.rpartition(".")[2]
            if name != "tests":
                found[name] = module.name
    return found


def _application(words: list[str]) -> typer.Typer:
    """Return an application with the verb that some words name, or with all of them."""
    app = typer.Typer(
        name="popflip",
        help="Binary neural networks that train themselves on an FPGA by Equilibrium Propagation.",
        epilog="Begin with:  popflip demo",
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    modules = verb_modules()
    named = next((word for word in words if not word.startswith("-")), None)
    if named in modules:
        import_module(modules[named]).VERB.add_to(app, _group_title(modules[named]))
    elif named is not None or "--version" not in words:
        for name, module in modules.items():
            title = _group_title(module)
            app.command(name, help=verb_help(module), rich_help_panel=title)(_only_listed)
    return app


def _group_title(module: str) -> str:
    return import_module(module.rpartition(".")[0]).TITLE


def _only_listed() -> None:
    """Stand for a verb where none is called."""


def verb_help(module: str) -> str:
    """Return the help of a verb, from the source of its module."""
    spec = util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    name = module.rpartition(".")[2]
    with open(spec.origin, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    found = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return help_of(ast.get_docstring(next(found)) or "")


def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
):
    global _debug
    _debug = debug
    if version:
        print(f"popflip {__version__}", flush=True)  # not at the exit, if it fails
        raise typer.Exit()
    if context.invoked_subcommand is None:
        # Where typer draws its own help this prints it and returns nothing.
        print(context.get_help(), end="")
        raise typer.Exit(2)


def run(argv: list[str]) -> int:
    """Run the command with some arguments and return its exit status.

    What the user can put right ends in one line and status 2. Any other exception is a fault of
    popflip, and shows its trace.
    """
    global _debug
    _debug = False
    listen()
    # typer keeps its own copy of click from some version on; this is the class in either.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        app = _application(argv)
        status = int(app(args=argv, prog_name="popflip", standalone_mode=False) or 0)
        if status == 130:  # what some versions of typer make of Ctrl-C
            raise KeyboardInterrupt
        return status
    except (KeyboardInterrupt, typer.Abort):
        say(interrupts.LAST_WORDS)
        return 2
    except typer.Exit as done:
        return done.exit_code
    except usage_error as error:
        return _refuse_usage(error)
    except (BrokenPipeError, SystemExit):  # the latter is what click makes of the former
        # Whoever read our words has gone, and wants no complaint.
        _let_go(sys.stdout, sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        # Of an extra that a verb needs; everything else that is imported has to be there.
        missing = (error.name or "").split(".")[0]
        if _debug or missing not in _EXTRAS:
            return _report_fault()
        verb = next(word for word in argv if not word.startswith("-"))
        fix = f"pip install 'popflip[{_EXTRAS[missing]}]'"
        say(f"popflip: {verb} needs {missing}, which is not installed: {fix}")
        return 2
    except MemoryError as error:
        say(f"popflip: out of memory: {_one_line(error)}")
        return 2
    except PopflipError as error:
        return _refuse(_one_line(error))
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            return _report_fault()
        # Neither print nor tempfile names its file.
        where = error.filename or "standard output, or a temporary file"
        return _refuse(f"{where}: {error.strerror}")
    except Exception:
        return _report_fault()


def _refuse(line: str) -> int:
    if _debug:
        traceback.print_exc()
    say(f"popflip: {line}")
    try:
        sys.stdout.flush()
    except OSError:
        _let_go(sys.stdout)
    return 2


def _let_go(*streams) -> None:
    """Have what a stream still holds go nowhere: Python's exit would complain of it again."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refuse_usage(error) -> int:
    where = error.ctx.command_path if error.ctx else "popflip"
    text = " ".join(error.format_message().split()).rstrip(".")
    say(f"popflip: {text} ({where} --help says more)")
    return 2


def _report_fault() -> int:
    traceback.print_exc()
    say(
        f"popflip: this is a fault of popflip {__version__}, not yours: please report it with the "
        "lines above and the command that you typed"
    )
    return 1


def _say_notices() -> None:
    """Have each notice about an old name shown once, as a line without file and number."""
    show, said = warnings.showwarning, set()

    def show_notice(message, category, filename, lineno, file=None, line=None):
        if not issubclass(category, RenamedWarning):
            show(message, category, filename, lineno, file, line)
        elif str(message) not in said:
            said.add(str(message))
            say(f"popflip: {message}")

    warnings.showwarning = show_notice


def _one_line(error: BaseException) -> str:
    # A tool's own log may follow the first line.
    first, *more = str(error).rstrip().splitlines() or [type(error).__name__]
    return f"{first} (popflip --debug shows {len(more)} lines of it)" if more else first


def main() -> None:
    """Run the command, with its own handling of Ctrl-C."""
    interrupts.install()
    _say_notices()
    status = run(sys.argv[1:])
    interrupts.retire()
    sys.exit(status)


if __name__ == "__main__":
    main()
