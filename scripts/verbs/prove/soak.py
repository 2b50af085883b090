"""``popflip soak``: a long training on the virtual board, whole and in parts."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.scripts.options import Config, Data, Json, Seed
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.tables import add_verdict, pairs, put
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB"]


def soak(
    preset: Annotated[str, typer.Option(help="Named network.", metavar="NAME")] = "ecp5-85f",
    config: Config = None,
    samples: Annotated[
        int | None, typer.Option(help="Training images of the epoch; all if left out.", min=1)
    ] = None,
    stops: Annotated[
        int, typer.Option(help="How many times the second training is stopped.", min=0)
    ] = 10,
    stop_samples: Annotated[
        int | None,
        typer.Option(help="Training images of the second training; a tenth if left out.", min=1),
    ] = None,
    data: Data = None,
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the checkpoints.", metavar="DIR")] = Path(
        "runs/soak"
    ),
    as_json: Json = False,
) -> None:
    """Learn a whole epoch on the virtual board, and again with stops; compare every bit.

    At each stop the network is saved and the board lost; a new one goes on from the checkpoint.
    What both come to must be what the fast engine comes to.
    """
    from popflip.scripts.campaigns.soak import run_soak

    params = named_network(None, config, preset)
    if config is None:
        # The fastest line: states take less time to come and go, and no bit depends on it.
        params = params.replace(machine={"uart_divisor": 4})
    dataset, source = choose_data(data, params=params)
    report = run_soak(
        params, dataset, source, out, seed=seed, samples=samples, stops=stops,
        stop_samples=stop_samples,
    )  # fmt: skip
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


VERB = Verb(
    soak,
    examples=(
        "popflip soak",
        "popflip soak --preset local-small --samples 6000",
        "popflip soak --stop-samples 60000 --json",
    ),
)


def show(report: dict) -> None:
    """Print the report of a soak."""
    table = pairs(
        f"{report['preset']}, seed {report['seed']}: a long training on the virtual board"
    )
    whole, parts = report["whole"], report["in_parts"]
    table.add_row("without a break", f"{report['samples']:,} images of {report['data']}")
    table.add_row("  cycles", f"{whole['cycles']:,}, in {whole['seconds']:,.0f} s")
    table.add_row("  per sample", f"{whole['cycles_per_sample']:,.1f} cycles")
    table.add_row("in parts", f"{report['stop_samples']:,} images, {len(report['stops'])} stops")
    table.add_row("  cycles", f"{parts['cycles']:,}, in {parts['seconds']:,.0f} s")
    table.add_row("compared", f"{report['compared_bits']:,} bits of weights and latents, counters")
    add_verdict(table, report, "equal to the software, every one", "NOT as it should be")
    put(table)
