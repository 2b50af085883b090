"""One step of a build: a tool that runs in a folder of the cache, and what it says if it fails."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.toolchain import Tool
from popflip.boards.families.family import Family
from popflip.boards.tools import Jobs
from popflip.golden.support.errors import PopflipError

__all__ = ["BuildError", "Progress", "family_of", "link", "run_tool", "silent"]

#: Lines of a failed tool's log that go into the message.
_TAIL = 25

#: Is told of each stage: its name, how many of its steps are done, and of how many.
Progress = Callable[[str, int, int], None]


class BuildError(PopflipError):
    """There is no bitstream; the first line of the message says why."""


def silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


def family_of(board: Board) -> Family:
    """Return the family of a board's FPGA.

    Raises
    ------
    BuildError
        If no open tools make bitstreams of it.
    """
    family = board.device.family
    if not family.makes_bitstreams:
        raise BuildError(
            f"{board.title} takes its maker's tools: popflip build --board {board.name} writes "
            "a project for them, not a bitstream"
        )
    return family


def run_tool(
    jobs: Jobs,
    tool: Tool,
    arguments: list[str],
    folder: Path,
    log: str,
    hopeless: Callable[[Path], bool] = lambda log: False,
) -> None:
    """Run a tool in a folder.

    Parameters
    ----------
    jobs : Jobs
    tool : Tool
    arguments : list of str
        Names of files are relative to the folder, as WebAssembly builds of the tools see no other
        way into ``/tmp``.
    folder : Path
    log : str
        The file that the tool writes its log to.
    hopeless : callable, optional
        Is asked, with the log's path, whether the tool can still come to something.

    Raises
    ------
    BuildError
        If it fails; with the end of the log, or of what it wrote if it has none.
    """
    path = folder / log
    status, text = jobs.run(
        [str(tool.path), *arguments], folder, dict(os.environ), lambda: hopeless(path)
    )
    if status:
        # WebAssembly builds lose part of what they write to a pipe.
        logged = path.read_text(errors="replace") if path.is_file() else ""
        lines = (logged + text).splitlines()
        errors = [line for line in lines if line.startswith("ERROR")]
        said = errors[0].removeprefix("ERROR: ") if errors else f"exit status {status}"
        tail = "\n".join(lines[-_TAIL:])
        raise BuildError(f"{tool.name} failed: {said}\n{tail}")


def link(source: Path, target: Path) -> None:
    """Give a file another name, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
