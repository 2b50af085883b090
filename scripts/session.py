"""What the verbs have in common: the parameters, the data and the machine that a user names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from popflip.golden import data
from popflip.golden.params import Params, ParamsError
from popflip.golden.trainer import CheckpointError, GoldenMachine, Machine

__all__ = [
    "CLOCKS_MHZ",
    "DEFAULT_BAUD",
    "DEFAULT_PRESET",
    "Failure",
    "check_board",
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


class Failure(RuntimeError):
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
        raise data.DataError("data must be mnist or a folder with IDX files, not ''")
    dataset = data.load(source)
    if named is None and meta is not None and dataset.digest != meta["data_digest"]:
        raise CheckpointError(
            f"{path} was trained on other data that is called 'mnist': name its folder with --data"
        )
    return dataset, source


@contextmanager
def open_machine(params: Params, board: str, baud: int) -> Iterator[Machine]:
    """Connect to a machine for the length of a ``with`` block.

    Parameters
    ----------
    params : Params
    board : str
        ``golden``, ``virtual`` or the name of a serial port.
    baud : int
        Of the serial port.
    """
    check_board(board)
    if board == "golden":
        yield GoldenMachine(params)
        return
    # Imported where they are used: the hardware's description takes a second to import.
    from popflip.boards.machine import BoardMachine, virtual_machine
    from popflip.boards.transport import SerialTransport

    with ExitStack() as stack:
        if board == "virtual":
            machine = virtual_machine(params)
            stack.callback(machine.transport.close)
        else:
            machine = BoardMachine(params, stack.enter_context(SerialTransport(board, baud)))
        yield machine


def check_board(board: str) -> None:
    """Raise ValueError if a board's name cannot be one."""
    if board in ("virtual", "golden") or "/" in board:
        return
    raise ValueError(
        f"board must be virtual, golden or a serial port such as /dev/ttyUSB0, not {board!r}"
    )


def check_trains(params: Params, board: str) -> None:
    """Raise ValueError if there can be no such board, or none that trains these parameters."""
    check_board(board)
    if board == "golden":
        return
    if not params.machine.training:
        raise ValueError("machine.training must be true to train on a board, not false")
    from popflip.rtl.interface import check_hardware

    try:
        check_hardware(params)
    except ValueError as error:
        raise ValueError(f"{error}; --board golden trains it") from None


def per_second(cycles: float | None) -> dict[str, float] | None:
    """How often per second something of so many cycles happens, by clock rate in MHz."""
    if cycles is None:
        return None
    return {str(mhz): round(mhz * 1e6 / cycles, 1) for mhz in CLOCKS_MHZ}
