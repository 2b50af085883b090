"""What the verbs have in common: the parameters, the data and the machine that a user names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeGuard

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import DataError, Dataset
from popflip.golden.datasets.named.registry import DEFAULT, NAMED
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.support.cache import locked
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.support.files import prepare_folder
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.machine import GoldenMachine, Machine

if TYPE_CHECKING:
    from popflip.boards.host.line import SerialLine
    from popflip.boards.host.transport import SerialTransport

__all__ = [
    "CLOCKS_MHZ",
    "DEFAULT_PRESET",
    "VIRTUAL",
    "Failure",
    "Target",
    "TargetReport",
    "check_trains",
    "choose_data",
    "choose_params",
    "named_network",
    "open_machine",
    "open_serial",
    "per_second",
    "results_folder",
    "same_network",
    "source_of",
    "with_label",
]

#: What is trained if the user names nothing.
DEFAULT_PRESET = "local-small"

#: Clock rates, in MHz, that cycle counts are translated for.
CLOCKS_MHZ = (25, 50, 100)


#: Software that trains without a board: the model to read, and the one to wait for less.
ENGINES = ("fast", "golden")


class Failure(PopflipError):
    """Something did not come to its end; the message is one line for the user."""


def choose_params(
    preset: str | None, config: Path | None, board: str | None = None
) -> Params | None:
    """Load the parameters that were named, None if none were.

    Parameters
    ----------
    preset, config
        A preset, or a file.
    board : str, optional
        Of a board's name: the parameters are as it runs them, and if none are named its build's.

    Raises
    ------
    ParamsError
        If both are named, or what is named is not valid.
    """
    if preset is not None and config is not None:
        raise ParamsError("name one of --preset and --config, not both")
    named = None if preset is None else Params.load(preset)
    if config is not None:
        if config.suffix != ".toml":
            raise ParamsError(f"config must be a .toml file, not {str(config)!r}")
        named = Params.load(config)
    if _is_name(board):
        from popflip.boards.host.line import params_of

        return params_of(board, named)
    return named


def _is_name(board: str | None) -> TypeGuard[str]:
    """Whether a board is neither the virtual one nor a serial port."""
    if board in (None, "virtual"):
        return False
    return "/" not in board and not Path(board).exists()


def named_network(
    preset: str | None,
    config: Path | None,
    default: str = DEFAULT_PRESET,
    board: str | None = None,
) -> Params:
    """Load the parameters that were named, else those of a preset.

    Raises
    ------
    ParamsError
        As of :func:`choose_params`.
    """
    return choose_params(preset, config, board) or Params.load(default)


def same_network(path: Path, saved: Params, wanted: Params) -> None:
    """Raise CheckpointError if weights of ``saved`` do not mean the same in ``wanted``."""
    parts = [
        part for part in ("network", "dynamics") if getattr(saved, part) != getattr(wanted, part)
    ]
    if parts:
        raise CheckpointError.of_another_network(path, parts)


def choose_data(
    named: str | None,
    path: Path | None = None,
    meta: dict | None = None,
    params: Params | None = None,
) -> tuple[Dataset, str]:
    """Load the data set that was named, else the checkpoint's, else the default one.

    Parameters
    ----------
    named : str, optional
    path, meta
        The checkpoint, and what it says of itself.
    params : Params, optional
        Whose section ``data`` says how it is read; the checkpoint's if left out.

    Returns
    -------
    Dataset
    str
        How to name it in another process.

    Raises
    ------
    DataError
        If it cannot be had or read.
    CheckpointError
        If none was named, and the checkpoint's is not there or has changed.
    """
    if named == "":
        raise DataError("data must be the name of a data set, a file or a folder, not ''")
    if params is None and meta is not None:
        params = Params.build(meta["params"])
    if named is not None or meta is None:
        source = DEFAULT if named is None else named
        return loading.load(source, params=params), source
    source = source_of(path, meta)
    dataset = loading.load(source, params=params)
    if dataset.digest != meta["data_digest"]:
        raise CheckpointError(
            f"{path} was trained on other data than are in {source!r} now; name them with --data"
        )
    return dataset, source


def source_of(path: Path | None, meta: dict) -> str:
    """Return where the data set of a checkpoint is.

    Raises
    ------
    CheckpointError
        If it is not there any more, or nobody has noted where it was.
    """
    source = meta.get("data_source")
    if source is None and meta["data"] in NAMED:  # of an earlier popflip
        source = meta["data"]
    if source is None:
        raise CheckpointError(
            f"{path} was trained on {meta['data']!r}: name that data set with --data"
        )
    if source not in NAMED and not loading.is_there(source):
        raise CheckpointError(
            f"{path} was trained on {source}, which is not there any more; name it with --data"
        )
    return source


def with_label(params: Params, label: str | None) -> Params:
    """Return parameters for a table whose labels are in a column that was named, if one was."""
    return params if label is None else params.replace(data={"label": label})


class TargetReport(TypedDict):
    """What reports say of the machine that computed a network; one of the two is None."""

    board: str | None
    engine: str | None


@dataclass(frozen=True)
class Target:
    """What a network is to be computed on.

    Parameters
    ----------
    board : str, optional
        ``virtual``, as if left out, the name of a serial port, or that of a board at ``port``.
    baud : int, optional
        Of the serial port. If left out it is the build's, as far as ``board`` or ``config`` lead to
        one; see :func:`popflip.boards.host.line.line_of`.
    engine : str, optional
        One of :data:`ENGINES`: software, instead of a board.
    threads : int, optional
        Of the fast engine; all there are if left out.
    port : str, optional
        The serial port, if ``board`` is a board's name or left out.
    config : Path, optional
        The file of the parameters, beside which their build may lie.

    Raises
    ------
    ValueError
        If there can be no such thing.
    """

    board: str | None = None
    baud: int | None = None
    engine: str | None = None
    threads: int | None = None
    port: str | None = None
    config: Path | None = None

    def __post_init__(self):
        if self.engine is not None and self.engine not in ENGINES:
            raise InputError(f"engine must be {' or '.join(ENGINES)}, not {self.engine!r}")
        if self.engine is not None and self.board is not None:
            raise InputError("name one of --board and --engine, not both")
        if self.engine is not None and self.port is not None:
            raise InputError("name one of --port and --engine, not both")
        if self.baud is not None and self.engine is not None:
            raise InputError("name one of --baud and --engine, not both")
        if self.threads is not None and self.engine != "fast":
            raise InputError("threads are the fast engine's: name them with --engine fast")
        if _is_name(self.board):
            from popflip.boards.registry import is_board

            if not is_board(self.board):
                raise InputError(
                    "board must be virtual or a serial port such as /dev/ttyUSB0 (or the name of "
                    f"a board, with --port), not {self.board!r}"
                )
        # Says what does not go together, before any work is done.
        if self.port is not None or _is_name(self.board):
            assert self.line

    def __str__(self):
        return f"the {self.engine} engine" if self.engine else f"board {self.report['board']}"

    @property
    def virtual(self) -> bool:
        """Whether it is the virtual board."""
        return self.engine is None and self.port is None and self.board in (None, "virtual")

    @property
    def line(self) -> "SerialLine | None":
        """The serial line to the board; None if it is at none."""
        from popflip.boards.host.line import line_of

        return line_of(self.board, self.port, self.baud, self.config)

    @property
    def report(self) -> TargetReport:
        """What reports say of it."""
        return {
            "board": None if self.engine else self.board or self.port or "virtual",
            "engine": self.engine,
        }

    @property
    def options(self) -> list[str]:
        """Words of the command that name it."""
        named = {
            "--board": None if self.board == "virtual" else self.board,
            "--port": self.port,
            "--baud": self.baud,
            "--engine": self.engine,
            "--threads": self.threads,
        }
        return [w for option, value in named.items() if value for w in (option, str(value))]


#: The virtual board.
VIRTUAL = Target()


@contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Make a folder for results, and have it for oneself for the length of a ``with`` block.

    Raises
    ------
    LockedError
        If another process writes its results there.
    FileError
        If it cannot be written.
    """
    prepare_folder(folder)
    refusal = f"another popflip writes its results to {folder}: name another folder with --out"
    with locked(folder / ".lock", refusal=refusal):
        yield


@contextmanager
def open_serial(target: Target) -> Iterator["SerialTransport"]:
    """Open the serial port of a board for the length of a ``with`` block."""
    from popflip.boards.host.line import open_line

    line = target.line
    assert line is not None, f"{target} is at no serial port"
    with open_line(line) as transport:
        yield transport


@contextmanager
def open_machine(params: Params, target: Target) -> Iterator[Machine]:
    """Connect to a machine for the length of a ``with`` block."""
    # Imported where they are used: compilers and the hardware's description take a while.
    if target.engine == "golden":
        yield GoldenMachine(params)
        return
    if target.engine == "fast":
        from popflip.golden.engine.machine import FastMachine

        yield FastMachine(params, target.threads)
        return
    from popflip.boards.host.machine import BoardMachine, virtual_machine

    with ExitStack() as stack:
        if target.virtual:
            machine = virtual_machine(params)
            stack.callback(machine.transport.close)
        else:
            machine = BoardMachine(params, stack.enter_context(open_serial(target)))
        yield machine


def check_trains(params: Params, target: Target) -> None:
    """Raise ValueError if there can be no such machine, or none that trains these parameters."""
    if target.engine == "fast":
        from popflip.golden.engine.threads import check_threads

        check_threads(target.threads)
    if target.engine:
        return
    if not params.machine.training:
        raise InputError("machine.training must be true to train on a board, not false")
    from popflip.rtl.interface import check_hardware

    try:
        check_hardware(params)
    except ValueError as error:
        raise InputError(f"{error}; --engine fast trains it") from None


def per_second(cycles: float | None) -> dict[str, float] | None:
    """How often per second something of so many cycles happens, by clock rate in MHz."""
    if cycles is None:
        return None
    return {str(mhz): round(mhz * 1e6 / cycles, 1) for mhz in CLOCKS_MHZ}
