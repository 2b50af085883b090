"""``popflip upsets``: bit flips during training, and the accuracy that they cost."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.golden.support.files import prepare_folder
from popflip.scripts.options import Config, Data, Json, Threads
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.tables import add_verdict, pairs, put
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB"]


def upsets(
    preset: Annotated[str, typer.Option(help="Named network.", metavar="NAME")] = "ice40up5k",
    config: Config = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Upsets per bit and epoch; can be given several times.", metavar="R"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings at each rate.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Epochs of each training.", min=1)] = 1,
    samples: Annotated[
        int | None, typer.Option(help="Training images per epoch; all if left out.", min=1)
    ] = None,
    board_samples: Annotated[
        int, typer.Option(help="Samples for the virtual board; 0 for none.", min=0)
    ] = 2000,
    data: Data = None,
    threads: Threads = None,
    picture: Annotated[Path, typer.Option(help="Picture of the errors.", metavar="PNG")] = Path(
        "runs/upsets.png"
    ),
    as_json: Json = False,
) -> None:
    """Turn bits of weights and latents over during training, and see what it costs.

    The fast engine trains at several rates of upsets. The virtual board learns with a bit turned
    over behind each sample, and has to end all of them within their bound of cycles.
    """
    from popflip.scripts.campaigns.upsets import RATES, run_upsets

    params = named_network(None, config, preset)
    dataset, source = choose_data(data, params=params)
    prepare_folder(picture.parent)
    report = run_upsets(
        params, dataset, source, picture, rates=tuple(rate or RATES), seeds=seeds,
        samples=samples, epochs=epochs, board_samples=board_samples, threads=threads,
    )  # fmt: skip
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


VERB = Verb(
    upsets,
    examples=(
        "popflip upsets",
        "popflip upsets --preset local-small --rate 0.01 --samples 6000",
    ),
)


def show(report: dict) -> None:
    """Print the report of trainings with upsets."""
    table = pairs(f"{report['preset']}: {report['bits']:,} bits that may turn over")
    trained = f"{report['epochs']} x {report['samples']:,} images of {report['data']}"
    table.add_row("trained", f"{trained}, {report['seeds']} seeds")
    for row in report["rows"]:
        error = f"{row['error']:.2f} ± {row['spread']:.2f} % test error"
        table.add_row(
            f"  {row['rate']:g} per bit", f"{error}, {row['upsets_per_epoch']:,.0f} upsets"
        )
    if report["board"]:
        board = report["board"]
        text = f"{board['samples']:,} samples, {board['upsets']:,} upsets, at most "
        text += f"{board['most_cycles']:,} cycles, bound {board['bound']:,}"
        table.add_row("virtual board", text)
    table.add_row("picture", report["picture"])
    add_verdict(table, report, "every sample ended within its bound", "NOT as it should be")
    put(table)
