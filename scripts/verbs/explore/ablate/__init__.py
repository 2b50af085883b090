"""``popflip ablate``: what each setting of the learning, or of the windows, is worth.

Each is a sweep over a grid (:mod:`.settings`), judged by the last training images. What they come
to is written as one page, with its plots and the commands that repeat them. What the machine does
not know has pages of its own: other rules of learning (:mod:`.rules`), and a second layer of
windows (:mod:`.layers`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from popflip.golden.support.errors import InputError
from popflip.scripts.options import Data, Json, Workers
from popflip.scripts.session import choose_data
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "AblationsReport"]


class AblationsReport(TypedDict):
    """What ``--json`` prints: the reports of the sweeps."""

    verb: str
    page: str
    reports: list[dict]


def ablate(
    topic: Annotated[
        str,
        typer.Argument(
            help="What is varied: learning, its settings; windows, those of the first layer; and, "
            "in software alone, rules of learning, or layers of windows, one or two.",
            metavar="[TOPIC]",
        ),
    ] = "learning",
    epochs: Annotated[int, typer.Option(help="Epochs of each training.")] = 5,
    seeds: Annotated[int, typer.Option(help="Trainings of each setting.")] = 3,
    data: Data = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the sweeps; one that exists is gone on with. runs/ablations-TOPIC if "
            "left out.",
            metavar="DIR",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Page to write; its plots go beside it. That of the documentation if left out.",
            metavar="MD",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Vary the settings of a small network one by one, and write a page with what they are worth.

    It takes from half an hour to hours; called again it goes on where it ended.
    """
    from popflip.scripts.verbs.explore.ablate.layers import run_layers
    from popflip.scripts.verbs.explore.ablate.rules import run_rules
    from popflip.scripts.verbs.explore.ablate.settings import TOPICS, run_ablations
    from popflip.scripts.verbs.explore.ablate.trainings import Study

    others: dict[str, Callable[..., AblationsReport]] = {"rules": run_rules, "layers": run_layers}
    if topic not in (*TOPICS, *others):
        raise InputError(f"topic must be one of {', '.join((*TOPICS, *others))}, not {topic!r}")
    _, source = choose_data(data)
    work = out or Path(f"runs/ablations-{topic}")
    if topic in others:
        page = page or Path(f"docs/ablations-{topic}.md")
        report = others[topic](Study(source, work, page, epochs, seeds, workers))
    else:
        chosen = TOPICS[topic]
        report = run_ablations(chosen, source, work, page or chosen.page, epochs, seeds, workers)
    print_json(report) if as_json else typer.echo(f"written: {report['page']}")


VERB = Verb(
    ablate,
    examples=(
        "popflip ablate",
        "popflip ablate windows --epochs 4",
        "popflip ablate rules --epochs 8 --workers 1",
        "popflip ablate --epochs 20 --seeds 5 --page ablations.md",
    ),
)
