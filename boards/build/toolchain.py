"""Where the programs of a family come from: YoWASP's packages, or the system's own."""

import hashlib
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from popflip.boards.families.family import Family, Program
from popflip.boards.tools import ToolError
from popflip.golden.support.errors import InputError

__all__ = ["SOURCES", "Tool", "find_tool", "toolchain"]

#: Where tools come from, in the order of preference. YoWASP first: who installs the extra means it,
#: and it is the same everywhere, while a distribution's may be years old.
SOURCES = ("yowasp", "native")

#: Older releases do not read what Amaranth, or each other, write today.
_OLDEST = {"yosys": (0, 40), "nextpnr": (0, 7)}


@dataclass(frozen=True)
class Tool:
    """A program that is there.

    Parameters
    ----------
    name : str
        As it is natively called.
    path : Path
    source : str
        One of :data:`SOURCES`, or the package of a program that is the same for both.
    version : str
    """

    name: str
    path: Path
    source: str
    version: str

    def __str__(self):
        return f"{self.name} {self.version} ({self.source})"


def _which(name: str) -> str | None:
    """Find a program beside this Python, else on the path."""
    scripts = sysconfig.get_path("scripts")
    return shutil.which(name, path=scripts) or shutil.which(name)


@cache
def find_tool(program: Program | str, source: str) -> Tool | str:
    """Find a program of one source.

    Parameters
    ----------
    program : Program or str
        A name, such as ``yosys``, stands for the program that YoWASP has a package of that name
        for.
    source : str
        One of :data:`SOURCES`.

    Returns
    -------
    Tool or str
        A string says how to get it.
    """
    program = Program(program) if isinstance(program, str) else program
    name, package = program.name, program.package
    if program.portable:
        path = _which(name)
        if path is None:
            return f"{name} (pip install {package})"
        return Tool(name, Path(path), package, metadata.version(package))
    if source == "yowasp":
        path = _which(f"yowasp-{name}")
        if path is None:
            return f"{name} (pip install {package})"
        try:
            return Tool(name, Path(path), source, metadata.version(package))
        except metadata.PackageNotFoundError:
            return f"{name} ({path} is not of this Python: pip install {package})"
    path = shutil.which(name)
    if path is None:
        return f"{name} (not on the path)"
    return _native(name, Path(path))


def _native(name: str, path: Path) -> Tool | str:
    oldest = next((_OLDEST[k] for k in _OLDEST if name.startswith(k)), None)
    if oldest is None:
        # The packers do not tell their version: their content does.
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Tool(name, path, "native", digest[:12])
    option = "-V" if name == "yosys" else "--version"
    try:
        run = subprocess.run([path, option], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{name} ({path} does not run: {error})"
    found = re.search(r"(\d+)\.(\d+)\S*", run.stdout + run.stderr)
    if found is None:
        return f"{name} ({path} does not tell its version)"
    if (int(found[1]), int(found[2])) < oldest:
        need = "{}.{}".format(*oldest)
        return f"{name} ({path} is version {found[0]}, at least {need} is needed)"
    return Tool(name, path, "native", found[0].rstrip(")"))


def toolchain(family: Family, source: str | None = None) -> tuple[Tool, ...]:
    """Find the programs of a family, all from one source.

    Parameters
    ----------
    family : Family
    source : str, optional
        One of :data:`SOURCES`; the first that is complete if left out.

    Returns
    -------
    tuple of Tool
        In the order of :attr:`Family.tools`.

    Raises
    ------
    ToolError
        One line that names every program that is missing, by source, and how to get each.
    """
    if source is not None and source not in SOURCES:
        raise InputError(f"tools must be {' or '.join(SOURCES)}, not {source!r}")
    complaints = []
    for candidate in SOURCES if source is None else (source,):
        found = [find_tool(program, candidate) for program in family.tools]
        tools = tuple(tool for tool in found if isinstance(tool, Tool))
        if len(tools) == len(found):
            return tools
        missing = ", ".join(text for text in found if isinstance(text, str))
        complaints.append(f"{candidate}: {missing}")
    fix = "pip install 'popflip[fpga]'"
    raise ToolError(f"no whole set of tools for {family.name}: {'; '.join(complaints)}; {fix}")
