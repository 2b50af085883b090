"""``popflip demo``: the generated Verilog learns MNIST, checked bit for bit."""

from pathlib import Path
from typing import Annotated

import typer

from popflip.scripts.console import say
from popflip.scripts.options import Json, Seed
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.verb import Verb
from popflip.scripts.verbs.train.train import conclude

__all__ = ["VERB"]


def demo(
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the results.", metavar="DIR")] = Path(
        "runs/demo"
    ),
    samples: Annotated[int | None, typer.Option(help="Training images; all if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Watch the generated Verilog learn MNIST, with the golden model checking every bit."""
    from popflip.scripts.training.job import TrainingJob, rehearse, run_training

    params = named_network(None, None)
    dataset, source = choose_data(None, params=params)
    job = TrainingJob(
        params=params, dataset=dataset, source=source, out=out, seed=seed, samples=samples
    )
    rehearse(job)
    _tell_story(job)
    conclude(job, run_training(job), as_json)


VERB = Verb(
    demo,
    examples=(
        "popflip demo",
        "popflip demo --json > demo.json",
    ),
)


def _tell_story(job) -> None:
    """Say what the demonstration is about to do."""
    p = job.params
    images = job.samples or len(job.dataset.train_labels)
    tests = len(job.dataset.test_labels)
    window = "x".join(map(str, p.first_layer.kernel))
    lines = [
        f"popflip learns MNIST: {images:,} images, once each, then {tests:,} others as a test.",
        f"network: {p.sizes[1]:,} hidden neurons that each see a {window} window of the image,",
        f"    {p.n_out} outputs, {p.n_synapses:,} binary synapses",
        "board: virtual, the Verilog of the whole machine, compiled (half a minute or more, once),",
        "    then driven with the bytes that a real board gets through its UART",
        "proof: the golden model, plain NumPy in a second process, learns the same images",
        "    meanwhile; in the end every weight and every latent accumulator must be equal",
        "",
    ]
    for line in lines:
        say(line)
