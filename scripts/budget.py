"""Whether a board that trains alone has to wait for its flash: arithmetic, and simulation."""

from popflip.boards.board import Board
from popflip.boards.host.link import Link
from popflip.boards.host.machine import virtual_board
from popflip.boards.host.monitor import watch
from popflip.boards.registry import BOARDS
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.flash_image import (
    TURN_CYCLES,
    flash_cycles,
    most_samples,
    record_lengths,
    write_image,
)
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.training.standalone import image_of
from popflip.scripts.console import Display
from popflip.scripts.facts import flash_facts
from popflip.scripts.rates import counted_cycles

__all__ = ["bench_standalone", "flash_budget", "mean_record", "simulated"]

#: Test images that are simulated beside the training images.
TESTS = 16


def flash_budget(
    board: Board,
    params: Params,
    core_mhz: float,
    train_cycles: float | None,
    record: float | None = None,
) -> dict:
    """Compare what a sample takes of the flash with what it takes of the core.

    The core fetches samples ahead, so that only the means count.

    Parameters
    ----------
    board : Board
    params : Params
    core_mhz : float
        The machine's clock.
    train_cycles : float, optional
        Mean clock cycles of a training sample in the core.
    record : float, optional
        Mean length of a record, if samples come as such; the longest that can be if left out.

    Returns
    -------
    dict
        ``obstacle``, why the machine does not train alone, or None; then ``flash`` (its lines) and
        ``divider``, ``flash_mhz``, ``sample_bytes`` (those that are read), ``flash_cycles`` per
        sample, ``train_cycles``, ``bound`` (whether the flash is the slower one; None if the core's
        cycles are not known),
        ``room`` (samples of either kind that the flash holds) and ``ways``, the cycles of every way
        to read.
    """
    why = board.obstacle(params)
    params = board.params(params, core_mhz)
    standalone = params.standalone
    if not standalone.lines:
        return {"obstacle": why}
    assert board.flash is not None
    cycles = round(flash_cycles(params, record) + TURN_CYCLES)
    read = (record or standalone.record_bytes) if standalone.record_bytes else params.sample_bytes
    return {
        "obstacle": None,
        "flash": standalone.flash,
        "divider": standalone.flash_divider,
        "flash_mhz": core_mhz / standalone.flash_divider,
        "sample_bytes": round(read),
        "flash_cycles": cycles,
        "train_cycles": train_cycles,
        "bound": None if train_cycles is None else cycles > train_cycles,
        "room": most_samples(params.replace(standalone={"order_bits": 20}), 0, board.flash.bytes),
        "ways": flash_facts(params, record),
    }


def mean_record(params: Params, dataset: Dataset) -> float | None:
    """Return the mean length of the training samples' records; None if they do not come as such."""
    if not params.standalone.record_bytes:
        return None
    bits = input_of(params.network, dataset.train_images)
    return float(record_lengths(pack_samples(params, bits, dataset.train_labels)).mean())


def simulated(params: Params, dataset: Dataset, samples: int) -> dict:
    """Have the virtual board train alone for an epoch, and count what its core waits.

    Parameters
    ----------
    params : Params
        With a flash.
    dataset : Dataset
    samples : int
        Training images.

    Returns
    -------
    dict
        ``samples``; ``cycles`` and ``wait``, both per training sample.
    """
    params = params.replace(standalone={"epochs": 1})
    image = write_image(params, *image_of(params, dataset, samples, TESTS))
    with virtual_board(params, image) as board:
        (epoch,) = watch(params, Link(board, params))
        if board.flash_errors:
            raise RuntimeError(f"the flash did not understand {board.flash_errors} commands")
    trained = epoch.trained
    return {
        "samples": samples,
        "cycles": trained.report.cycles["total"] / samples,
        "wait": trained.wait_cycles / samples,
    }


def bench_standalone(dataset: Dataset, samples: int, boards: list[str] | None = None) -> list[dict]:
    """Make the budget of every board's own network, and simulate it.

    Parameters
    ----------
    dataset : Dataset
    samples : int
        Training images to simulate; 0 for none. Machines that several boards share are simulated
        once.
    boards : list of str, optional
        Names; all of them if left out.

    Returns
    -------
    list of dict
        What ``--json`` prints: :func:`flash_budget` with ``board``, ``net`` and ``simulated``.
    """
    chosen = [BOARDS[name] for name in boards or BOARDS]
    rows: list[dict] = []
    found: dict[str, dict] = {}
    with Display() as display:
        for board in chosen:
            display.show("boards", len(rows), len(chosen), board.name)
            preset = Params.load(board.preset)
            params = board.params(preset)
            cycles = counted_cycles(preset, dataset)["train"] if params.standalone.lines else None
            row: dict = {"board": board.name, "net": params.name}
            record = mean_record(params, dataset)
            row |= flash_budget(board, preset, board.core_mhz, cycles, record)
            row["simulated"] = None
            if samples and params.standalone.lines:
                # Nothing else of the board is in the machine that is simulated.
                same = {"uart_divisor": 8}
                machine = params.replace(machine=same, standalone={"flash_base": 8192})
                if machine.digest not in found:
                    display.show("boards", len(rows), len(chosen), f"{board.name}: simulated")
                    found[machine.digest] = simulated(machine, dataset, samples)
                row["simulated"] = found[machine.digest]
            rows.append(row)
        display.show("boards", len(rows), len(chosen))
    return rows
