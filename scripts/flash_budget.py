"""Whether a board in standalone training has to wait for its flash: arithmetic, and simulation."""

from popflip.boards.board import Board
from popflip.boards.build.flash_pins import PINS_DELAY
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.flash_image import (
    TURN_CYCLES,
    flash_cycles,
    most_samples,
    record_lengths,
)
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params

__all__ = ["flash_budget", "mean_record", "ways_to_read"]


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
        ``obstacle``, why there is no standalone machine, or None; then ``flash`` (its lines) and
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
        "ways": ways_to_read(params, record),
    }


def mean_record(params: Params, dataset: Dataset) -> float | None:
    """Return the mean length of the training samples' records; None if they do not come as such."""
    if not params.standalone.record_bytes:
        return None
    bits = input_of(params.network, dataset.train_images)
    return float(record_lengths(pack_samples(params, bits, dataset.train_labels)).mean())


def ways_to_read(params: Params, record: float | None = None) -> list[dict]:
    """Say how many clock cycles each way of reading a flash takes over a sample.

    ``record`` is as of :func:`popflip.golden.description.flash_image.flash_cycles`.
    """
    rows = []
    for flash, divider in (
        ("quad", 1), ("quad", 2), ("dual", 1), ("dual", 2), ("single", 1), ("single", 2),
    ):  # fmt: skip
        delay = PINS_DELAY if divider == 1 else 0
        standalone = {"flash": flash, "flash_divider": divider, "flash_delay": delay}
        cycles = round(flash_cycles(params.replace(standalone=standalone), record) + TURN_CYCLES)
        rows.append({"flash": flash, "divider": divider, "cycles_per_sample": cycles})
    return rows
