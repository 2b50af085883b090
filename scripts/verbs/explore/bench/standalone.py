"""Whether a board in standalone training has to wait for its flash, board by board."""

from popflip.boards.host.link import Link
from popflip.boards.host.machine import virtual_board
from popflip.boards.host.monitor import watch
from popflip.boards.registry import BOARDS
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.flash_image import write_image
from popflip.golden.description.params import Params
from popflip.golden.training.standalone import image_of
from popflip.scripts.console import Display
from popflip.scripts.cycle_counts import counted_cycles
from popflip.scripts.flash_budget import flash_budget, mean_record
from popflip.scripts.tables import new_table, put

__all__ = ["bench_standalone", "show_standalone"]

#: Test images that are simulated beside the training images.
TESTS = 16


def simulated(params: Params, dataset: Dataset, samples: int) -> dict:
    """Have the virtual board train standalone for an epoch, and count what its core waits.

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


def show_standalone(rows: list[dict]) -> None:
    """Print what training alone takes of each board's flash."""
    table = new_table("Cycles per training sample")
    table.add_column("board", no_wrap=True)
    table.add_column("net")
    for name in ("flash", "MHz", "bytes", "of the flash", "of the core", "simulated", "waiting"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["obstacle"]:
            table.add_row(row["board"], row["net"], "none")
            continue
        cells = ["", ""]
        if row["simulated"]:
            cells = [f"{row['simulated'][name]:,.1f}" for name in ("cycles", "wait")]
        table.add_row(
            row["board"], row["net"], f"{row['flash']}/{row['divider']}", f"{row['flash_mhz']:g}",
            str(row["sample_bytes"]), f"{row['flash_cycles']:,}", f"{row['train_cycles']:,.0f}",
            *cells,
        )  # fmt: skip
    table.caption = "of the core: after the first epoch; simulated: from the first sample on"
    put(table)
