"""How what a machine takes grows with its size."""

from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.bitstream import build
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.scripts.console import Display
from popflip.scripts.cycle_counts import counted_cycles
from popflip.scripts.plots.benchmarks import growth
from popflip.scripts.plots.style import save_figure
from popflip.scripts.tables import new_table, put

__all__ = ["bench_growth", "show_growth"]

#: A clock that every size meets; how fast each could be is told.
GROWTH_MHZ = 25.0


#: What is varied, each from the network and machine below by itself.
BASE = {
    "network": {
        "thresholds": [128],
        "first": "local",
        "window": 10,
        "stride": 3,
        "features": 6,
    },
    "dynamics": {"gains": [26, 9], "active_bound": 4},
    "learning": {"beta": 2, "tau": [12, 8], "latent_bits": 8},
    "machine": {"row_lanes": 100, "relax_lanes": 10, "latent_lanes": [20, 10]},
}


def _sizes() -> list[tuple[str, int, Params]]:
    """What is varied, its value, and the network with it."""
    base = Params.build({"name": "growth", **BASE})

    def point(curve: str, value: int | None = None, **change) -> tuple[str, int, Params]:
        params = base.replace(**change)
        told = {"hidden": params.sizes[1], "inputs": params.n_in}
        return curve, told[curve] if value is None else value, params

    return [
        *(point("hidden", network={"features": n}) for n in (3, 6, 12, 24)),
        *(
            point("inputs", network={"thresholds": t}, machine={"row_lanes": 100 * len(t)})
            for t in ([128], [85, 170], [64, 128, 192])
        ),
        *(point("lanes", n, machine={"neuron_lanes": n}) for n in (1, 2, 3, 6)),
        *(
            point(
                "latent bits",
                n,
                learning={"latent_bits": n, "tau": [min(12, 1 << n - 2), min(8, 1 << n - 2)]},
            )
            for n in (4, 6, 8, 10)
        ),
    ]


def bench_growth(
    board: Board, dataset: Dataset, picture: Path | None, tools: str | None = None
) -> list[dict]:
    """Build machines of several sizes for a board, and tell how what they take grows.

    Builds come from the cache if they are there, so that a run that was interrupted goes on.

    Parameters
    ----------
    board : Board
    dataset : Dataset
    picture : Path, optional
        Draw the curves there, as PNG.
    tools : str, optional
        As for :func:`popflip.boards.build.bitstream.build`.

    Returns
    -------
    list of dict
        What ``--json`` prints: ``curve`` (what is varied), ``value``, ``sizes``, ``synapses``,
        ``cycles`` per training sample, ``lut``, ``ff``, ``block`` (block RAMs) and ``fmax_mhz``, an
        estimate after placing and routing.
    """
    points = _sizes()
    rows: list[dict] = []
    with Display() as display:
        for curve, value, params in points:
            note = f"{curve} {value}"

            def progress(stage, done, total, note=note):
                display.show(f"{len(rows)} of {len(points)} sizes", done, total, f"{note}: {stage}")

            facts = build(
                board, params, core_mhz=GROWTH_MHZ, tools=tools, workers=1, progress=progress
            ).facts
            rows.append({
                "curve": curve,
                "value": value,
                "board": board.name,
                "sizes": list(params.sizes),
                "synapses": params.n_synapses,
                "cycles": counted_cycles(params, dataset)["train"],
                **{kind: facts["used"][kind] for kind in ("lut", "ff", "block")},
                "fmax_mhz": facts["fmax_mhz"],
            })
    if picture is not None:
        save_figure(growth(rows), picture)
    return rows


def show_growth(rows: list[dict], picture) -> None:
    """Print what machines of several sizes take."""
    table = new_table("What a machine takes (estimates after place and route)")
    table.add_column("varied", no_wrap=True)
    for name in ("", "synapses", "cycles", "LUTs", "flip-flops", "block RAMs", "Fmax, MHz"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["curve"], f"{row['value']:,}", f"{row['synapses']:,}", f"{row['cycles']:,.1f}",
            f"{row['lut']:,}", f"{row['ff']:,}", f"{row['block']:,}", f"{row['fmax_mhz']:.1f}",
        )  # fmt: skip
    table.caption = f"drawn in {picture}"
    put(table)
