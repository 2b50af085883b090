"""What was built, as its host has to know it: parameters, serial line, clock and identity.

``popflip build`` writes it into ``build.json`` beside the bitstream and ``params.toml``, so that a
host that is given one of these files, or their folder, knows at which rate the board talks.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from popflip.boards.board import Board
from popflip.golden.description.params import Params
from popflip.golden.description.presets import MOST
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import TooLargeError, read_file, read_json, write_atomically
from popflip.rtl.identity import identity

__all__ = ["BUILDS", "Built", "build_beside", "builds_in", "find_build", "write_build"]

#: Where ``popflip build`` puts a folder for each board, unless it is told otherwise.
BUILDS = Path("build")

_FILE, _PARAMS = "build.json", "params.toml"

#: Of the format of the file.
_VERSION = 1

#: A longer file is none of ours.
_LARGEST = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Built:
    """A design that was built for a board.

    Parameters
    ----------
    folder : Path
    board : str
        Its name.
    preset : str
        The network's name.
    core_mhz : float
        The machine's clock.
    baud : int
        Bits per second of the serial line.
    identity : str
        Of the design, as hexadecimal digits; what the board answers when it is asked.
    bitstream : str
        File beside this one; empty for a project that a maker's tools turn into one.
    """

    folder: Path
    board: str
    preset: str
    core_mhz: float
    baud: int
    identity: str
    bitstream: str = ""

    @property
    def params(self) -> Params:
        """The parameters that it was built with."""
        return Params.load(self.folder / _PARAMS)


def write_build(
    folder: Path, board: Board, params: Params, core_mhz: float, bitstream: str = ""
) -> Built:
    """Write down what is built in a folder.

    Parameters
    ----------
    folder : Path
        Where its ``params.toml`` lies.
    board : Board
    params : Params
        As :meth:`~popflip.boards.board.Board.params` returns them.
    core_mhz : float
    bitstream : str
        Name of the file, if there is one.
    """
    built = Built(
        folder=folder,
        board=board.name,
        preset=params.name,
        core_mhz=core_mhz,
        baud=board.line_rate(core_mhz),
        identity=identity(params).hex(),
        bitstream=bitstream,
    )
    values = asdict(built) | {"popflip_build": _VERSION}
    del values["folder"]
    write_atomically(folder / _FILE, json.dumps(values, indent=1).encode())
    return built


def _read(folder: Path) -> Built | None:
    """Read what was built in a folder; None if nothing was, as far as we can read."""
    path = folder / _FILE
    try:
        values = read_json(path, "the note of a build", _LARGEST)
        if values.pop("popflip_build") != _VERSION:
            return None
        values["core_mhz"] = float(values["core_mhz"])
        values["baud"] = int(values["baud"])
        built = Built(folder=folder, **values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    except (OverflowError, RecursionError):  # an endless number; brackets within brackets
        return None
    texts = (built.board, built.preset, built.identity, built.bitstream)
    return built if built.baud > 0 and all(isinstance(text, str) for text in texts) else None


def build_beside(path: Path) -> Built | None:
    """Return the build that a file belongs to, None if it belongs to none.

    Parameters
    ----------
    path : Path
        Parameters, a bitstream or a report.
    """
    found = _read(path.parent)
    if found is None or path.suffix != ".toml" or path.name == _PARAMS:
        return found
    # Another file of parameters that happens to lie there is no part of it, unless it is a copy.
    try:
        ours = read_file(found.folder / _PARAMS, MOST, "a file of parameters")
        return found if read_file(path, MOST, "a file of parameters") == ours else None
    except (OSError, TooLargeError):
        return None


def find_build(name: str | Path, builds: Path | None = None) -> Built:
    """Return what was built.

    Parameters
    ----------
    name : str or Path
        A board, of which the build in ``build/NAME`` is meant; else a folder, or a file of a build.
    builds : Path, optional
        Instead of :data:`BUILDS`, where the folders of boards are.

    Raises
    ------
    InputError
        If there is none; says how to make one.
    """
    path = Path(name)
    if path.parent == Path() and not path.suffix:
        folder = (builds or BUILDS) / path
        how = f"popflip build --board {name} makes one"
        found = _read(folder)
    else:
        folder = path if path.is_dir() else path.parent
        how = f"popflip build --out {folder} makes one"
        found = _read(path) if path.is_dir() else build_beside(path)
    if found is None:
        if (folder / _FILE).exists():
            raise InputError(f"{folder / _FILE} is damaged, or of another version: {how} anew")
        raise InputError(f"{folder} holds no build: {how}")
    return found


def builds_in(folder: Path | None = None) -> list[Built]:
    """Return all builds in the folders of a folder, :data:`BUILDS` if left out."""
    folder = folder or BUILDS
    found = (_read(path.parent) for path in sorted(folder.glob(f"*/{_FILE}")))
    return [built for built in found if built is not None]
