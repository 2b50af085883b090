"""What each front end takes of a device, and how fast a machine behind it is."""

from popflip.boards.board import Board
from popflip.boards.build.shell import measure_front_end
from popflip.boards.registry import find_board
from popflip.golden.description.bus import BUSES
from popflip.golden.description.params import Params
from popflip.scripts.console import Display
from popflip.scripts.tables import new_table, put

__all__ = ["bench_buses", "show_buses"]

#: A small machine: what it takes itself is not the point.
NETWORK = {
    "name": "64-12-3",
    "network": {"image": [8, 8], "hidden": [12], "classes": 3},
    "dynamics": {"gains": [40, 30]},
    "learning": {"beta": 4, "tau": [3, 2]},
    "machine": {
        "row_lanes": 16, "relax_lanes": 3, "latent_lanes": [4, 3], "sample_slots": 2,
    },
}  # fmt: skip

#: Boards whose devices are asked, and the clock in MHz that the placer is to reach.
DEVICES = {"ulx3s-25f": 100.0, "hx8k-b-evn": 60.0}

#: The core alone first: the others are compared with it.
_ORDER = ("none", *(bus for bus in BUSES if bus != "none"))


def bench_buses(boards: dict[str, float] | None = None, tools: str | None = None) -> list[dict]:
    """Synthesize, place and route a small machine behind each front end, for each device.

    What was measured before comes from the cache, so that a run that was interrupted goes on.

    Parameters
    ----------
    boards : dict of str to float, optional
        Boards of the devices, and the clock in MHz that is asked for; :data:`DEVICES` if left out.
    tools : str, optional
        As for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    list of dict
        What ``--json`` prints: ``front_end``, ``device``, ``lut`` (look-up tables, of iCE40 logic
        cells), ``more_lut`` (than the core alone), ``block`` (block RAMs) and ``fmax_mhz``, an
        estimate after placing and routing.
    """
    params = Params.build(NETWORK)
    chosen = DEVICES if boards is None else boards
    jobs: list[tuple[Board, float, str]] = [
        (find_board(name), mhz, bus) for name, mhz in chosen.items() for bus in _ORDER
    ]
    rows: list[dict] = []
    core = 0
    with Display() as display:
        for board, mhz, bus in jobs:
            note = f"{board.device.part}, {bus}"

            def progress(stage, done, total, note=note):
                display.show(f"{len(rows)} of {len(jobs)}", done, total, f"{note}: {stage}")

            found = measure_front_end(board, params, bus, mhz, tools=tools, progress=progress)
            core = found.lut if bus == "none" else core
            rows.append({
                "front_end": bus,
                "device": board.device.part,
                "lut": found.lut,
                "more_lut": found.lut - core,
                "block": found.block,
                "fmax_mhz": round(found.fmax_mhz, 1),
            })
    return rows


def show_buses(rows: list[dict]) -> None:
    """Print what front ends take."""
    table = new_table(f"{NETWORK['name']} behind each front end (estimates after place and route)")
    table.add_column("front end", no_wrap=True)
    table.add_column("device", no_wrap=True)
    for name in ("LUTs", "more than the core", "block RAMs", "Fmax, MHz"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["front_end"], row["device"], f"{row['lut']:,}", f"{row['more_lut']:+,}",
            f"{row['block']:,}", f"{row['fmax_mhz']:.1f}",
        )  # fmt: skip
    put(table)
