"""What the verbs have in common: the parameters, the data and the machine that a user names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import DataError
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.machine import GoldenMachine, Machine

__all__ = [
    "CLOCKS_MHZ",
    "DEFAULT_BAUD",
    "DEFAULT_PRESET",
    "VIRTUAL",
    "Failure",
    "Target",
    "check_trains",
    "choose_data",
    "choose_params",
    "open_machine",
    "per_second",
    "same_network",
]

#: What is trained if the user names nothing.
DEFAULT_PRESET = "local-small"

#: Bits per second of a serial port, if the user names none.
DEFAULT_BAUD = 115200

#: Clock rates, in MHz, that cycle counts are translated for.
CLOCKS_MHZ = (25, 50, 100)


#: Software that trains without a board: the model to read, and the one to wait for less.
ENGINES = ("fast", "golden")


class Failure(PopflipError):
    """Something did not come to its end; the message is one line for the user."""


def choose_params(preset: str | None, config: Path | None) -> Params | None:
    """Load the parameters that were named, None if none were.

    Raises
    ------
    ParamsError
        If both are named, or what is named is not valid.
    """
    if preset is not None and config is not None:
        raise ParamsError("name one of --preset and --config, not both")
    if config is not None:
        if config.suffix != ".toml":
            raise ParamsError(f"config must be a .toml file, not {str(config)!r}")
        return Params.load(config)
    return None if preset is None else Params.load(preset)


def same_network(path: Path, saved: Params, wanted: Params) -> None:
    """Raise CheckpointError if weights of ``saved`` do not mean the same in ``wanted``."""
    parts = [
        part for part in ("network", "dynamics") if getattr(saved, part) != getattr(wanted, part)
    ]
    if parts:
        raise CheckpointError(f"{path} is of another network: its {', '.join(parts)} differ")


def choose_data(named: str | None, path: Path | None = None, meta: dict | None = None):
    """Load the data set that was named, else the checkpoint's, else MNIST.

    Returns
    -------
    Dataset
    str
        How to name it in another process.
    """
    if named is None and meta is not None and meta["data"] != "mnist":
        raise CheckpointError(
            f"{path} was trained on {meta['data']!r}: name the folder of that data set with --data"
        )
    source = "mnist" if named is None else named
    if source == "":
        raise DataError("data must be mnist or a folder with IDX files, not ''")
    dataset = loading.load(source)
    if named is None and meta is not None and dataset.digest != meta["data_digest"]:
        raise CheckpointError(
            f"{path} was trained on other data that is called 'mnist': name its folder with --data"
        )
    return dataset, source


@dataclass(frozen=True)
class Target:
    """What a network is to be computed on.

    Parameters
    ----------
    board : str, optional
        ``virtual``, as if left out, or the name of a serial port.
    baud : int, optional
        Of the serial port; :data:`DEFAULT_BAUD` if left out.
    engine : str, optional
        One of :data:`ENGINES`: software, instead of a board.
    threads : int, optional
        Of the fast engine; all there are if left out.

    Raises
    ------
    ValueError
        If there can be no such thing.
    """

    board: str | None = None
    baud: int | None = None
    engine: str | None = None
    threads: int | None = None

    def __post_init__(self):
        if self.engine is not None and self.engine not in ENGINES:
            raise InputError(f"engine must be {' or '.join(ENGINES)}, not {self.engine!r}")
        if self.engine is not None and self.board is not None:
            raise InputError("name one of --board and --engine, not both")
        if self.threads is not None and self.engine != "fast":
            raise InputError("threads are the fast engine's: name them with --engine fast")
        if self.board not in (None, "virtual") and "/" not in self.board:
            raise InputError(
                f"board must be virtual or a serial port such as /dev/ttyUSB0, not {self.board!r}"
            )

    def __str__(self):
        return f"the {self.engine} engine" if self.engine else f"board {self.board or 'virtual'}"

    @property
    def virtual(self) -> bool:
        """Whether it is the virtual board."""
        return self.engine is None and self.board in (None, "virtual")

    @property
    def report(self) -> dict:
        """What reports say of it."""
        return {
            "board": None if self.engine else self.board or "virtual",
            "engine": self.engine,
        }

    @property
    def options(self) -> list[str]:
        """Words of the command that name it."""
        named = {
            "--board": None if self.board == "virtual" else self.board,
            "--baud": self.baud,
            "--engine": self.engine,
            "--threads": self.threads,
        }
        return [w for option, value in named.items() if value for w in (option, str(value))]


#: The virtual board.
VIRTUAL = Target()


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
    from popflip.boards.host.transport import SerialTransport

    with ExitStack() as stack:
        if target.board is None or target.virtual:
            machine = virtual_machine(params)
            stack.callback(machine.transport.close)
        else:
            port = SerialTransport(target.board, target.baud or DEFAULT_BAUD)
            machine = BoardMachine(params, stack.enter_context(port))
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
