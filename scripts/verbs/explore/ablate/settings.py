"""The settings that are varied, each in a sweep over a grid, and the page of what they came to."""

import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from popflip.golden.datasets import loading
from popflip.golden.description.params import Params
from popflip.golden.support.files import prepare_file, prepare_folder, write_atomically
from popflip.scripts.console import say
from popflip.scripts.verbs.explore.ablate import AblationsReport

__all__ = ["TOPICS", "Ablation", "Topic", "run_ablations"]


class Ablation(NamedTuple):
    """One question; ``vary`` is what ``popflip sweep --vary`` takes."""

    name: str
    title: str
    vary: tuple[str, ...]


class Topic(NamedTuple):
    """Questions of one page.

    Attributes
    ----------
    name, title : str
    base : str
        The preset that all of them vary.
    page : Path
        Where the documentation has them.
    calibrate : bool
        Whether each network's gains and threshold are chosen by what it receives.
    ablations : tuple of Ablation
    """

    name: str
    title: str
    base: str
    page: Path
    calibrate: bool
    ablations: tuple[Ablation, ...]


_LEARNING = (
    Ablation(
        "latent-bits",
        "Width of the latent accumulators (16 bits: unbounded), with a tau that fits all of them",
        ("learning.latent_bits=3,4,5,6,7,8,16", "learning.tau=[3,3]"),
    ),
    Ablation(
        "latent-bits-tau",
        "The same with the preset's flip thresholds",
        ("learning.latent_bits=5,6,7,8,16",),
    ),
    Ablation("tau-hidden", "Flip threshold of layer 0", ("learning.tau.0=2,4,7,14,28,56",)),
    Ablation("tau-output", "Flip threshold of layer 1", ("learning.tau.1=1,3,6,12,24",)),
    Ablation("tau-growth", "Growth of tau per epoch", ("learning.tau_growth=0,4,10,20",)),
    Ablation("batch", "Samples between flips", ("learning.batch=1,16,64",)),
    Ablation("free-sweeps", "T, sweeps of the free phase", ("dynamics.free_sweeps=1,2,3,5",)),
    Ablation("nudged-sweeps", "K, of the nudged phases", ("learning.nudged_sweeps=1,2,4,6",)),
    Ablation("nudging", "Signs of beta", ("learning.nudging=centered,random-sign,positive",)),
    Ablation("beta", "Nudge strength", ("learning.beta=1,2,4,8",)),
    Ablation(
        "copies",
        "Output neurons per class, each with half the preset's feedback gain",
        ("network.copies=1,2,4,8", "dynamics.feedback_gains=[14]"),
    ),
    Ablation(
        "feedback",
        "Feedback gain of a single output neuron per class",
        ("dynamics.feedback_gains.0=7,14,28,56,112",),
    ),
    Ablation(
        "leaky",
        "The paper's leaky dynamics, T = 20 and K = 10, by its gains",
        (
            "dynamics.gains=[4,2],[8,4],[15,7],[30,14]",
            "dynamics.kind=leaky",
            "dynamics.free_sweeps=20",
            "learning.nudged_sweeps=10",
        ),
    ),
    Ablation("hidden", "Hidden neurons per window", ("network.features=4,8,16,31,62",)),
    Ablation(
        "thresholds",
        "Pixel thresholds",
        ("network.thresholds=[127],[85,170],[64,127,191],[50,110,170,220]",),
    ),
    Ablation("shift", "Shifts of training images, in pixels", ("learning.shift=0,1,2",)),
)

#: What weights that all positions share need besides: wide latents, and more sweeps to settle.
_SHARED = (
    "network.sharing=full", "learning.first_latent_bits=16", "learning.tau.0=300",
    "learning.tau.1=6", "dynamics.free_sweeps=6", "learning.nudged_sweeps=5", "network.stride=2",
    "network.pool=3",
)  # fmt: skip

_WINDOWS = (
    Ablation("pool", "Windows that a neuron takes the best of: p x p", ("network.pool=1,2,3,4,5",)),
    Ablation(
        "pool-features",
        "Pooled windows or more neurons",
        ("network.pool=1,3", "network.features=8,16,31,62"),
    ),
    Ablation(
        "kernel",
        "Side of the windows",
        ("network.window=5,6,7,8,9,10,12", "network.pool=3", "machine.row_lanes=50"),
    ),
    Ablation(
        "thresholds-pooled",
        "Pixel thresholds",
        (
            "network.thresholds=[127],[85,170],[64,127,191],[50,110,170,220]",
            "network.pool=3",
        ),
    ),
    Ablation(
        "shared-features",
        "Features that all positions share",
        ("network.features=16,32,64,128,256", "network.window=10", *_SHARED),
    ),
    Ablation(
        "shared-kernel",
        "Side of the windows, with 32 shared features",
        ("network.window=5,7,10,12", "network.features=32", "machine.row_lanes=50", *_SHARED),
    ),
    Ablation(
        "shared-pool",
        "Windows that a neuron takes the best of, with 32 shared features",
        ("network.pool=1,2,3,5", "network.features=32", "network.window=10", *_SHARED[:-1]),
    ),
)

_TOPICS = (
    Topic(
        "learning", "Ablations", "local-medium", Path("docs/ablations.md"), False, _LEARNING
    ),
    Topic(
        "windows", "Ablations of the windows", "local-medium", Path("docs/ablations-windows.md"),
        True, _WINDOWS,
    ),
)  # fmt: skip

#: By their names.
TOPICS = {topic.name: topic for topic in _TOPICS}

#: What the page says of networks that are calibrated.
_CALIBRATED = (
    "Each network's gains and threshold are those that `popflip calibrate` finds: pooling raises "
    "what every neuron receives. "
)


def run_ablations(
    topic: Topic,
    source: str,
    work: Path,
    page: Path,
    epochs: int,
    seeds: int,
    workers: int | None = None,
    validation: int | None = None,
) -> AblationsReport:
    """Run what is left to run of all ablations, and write the page.

    Parameters
    ----------
    topic : Topic
    source : str
        The data set's name or folder.
    work : Path
        Folder of the sweeps, which a later call goes on with.
    page : Path
        Markdown; its plots go to a folder of its name beside it.
    epochs, seeds, workers, validation : int, optional
        As in :class:`popflip.scripts.verbs.explore.sweep.study.Sweep`.

    Returns
    -------
    dict
        What ``--json`` prints: the reports of the sweeps.
    """
    from popflip.scripts.verbs.explore.sweep.axis import Axis
    from popflip.scripts.verbs.explore.sweep.study import (
        Sweep,
        check_sweep,
        default_validation,
        run_sweep,
    )

    prepare_file(page, "page")
    prepare_folder(work)
    base, reports, parts = Params.load(topic.base), [], []
    if validation is None:
        validation = default_validation(loading.load(source))
    pictures = page.with_suffix("")
    for number, (name, title, vary) in enumerate(topic.ablations, 1):
        axes = tuple(map(Axis.parse, vary))
        plan = Sweep(
            base,
            axes,
            source,
            work / name,
            epochs=epochs,
            seeds=seeds,
            validation=validation,
            grid=True,
            workers=workers,
            calibrate=topic.calibrate,
        )
        check_sweep(plan)  # before any word but its own
        say(f"{number} of {len(topic.ablations)}: {title}")
        report = run_sweep(plan)
        picture = Path(report["files"]["picture"]).read_bytes()
        write_atomically(pictures / f"{name}.png", picture)
        options = " ".join(f"--vary '{text}'" for text in vary)
        command = (
            f"popflip sweep --preset {topic.base} {options}{' --calibrate' * topic.calibrate} "
            f"--grid --epochs {epochs} --seeds {seeds}"
        )
        varied = [axis.name for axis in axes if len(axis.choices) > 1]
        picture_name = f"{pictures.name}/{name}.png"
        parts.append(
            _section(title, command, report["rows"], varied, picture_name, topic.calibrate)
        )
        reports.append({"name": name, "title": title, "command": command, **report})
    intro = textwrap.fill(
        f"Written by `popflip ablate {topic.name} --epochs {epochs} --seeds {seeds}`. Each table "
        f"varies one setting of the preset `{topic.base}` ({base.n_synapses:,} synapses), and what "
        f"its command names besides. {_CALIBRATED if topic.calibrate else ''}Networks learn for "
        f"{epochs} epochs, with seeds 1 to {seeds}, from all training images of {source} but the "
        f"last {validation:,}, which judge; the test set is not touched. Errors are percentages "
        "after the last epoch, mean and standard deviation over the seeds: differences below these "
        "mean nothing.",
        100,
    )
    intro = f"# {topic.title}\n\n<!-- all commands take: minutes -->\n\n{intro}\n"
    write_atomically(page, "\n".join([intro, *parts]).encode())
    return {"verb": "ablate", "page": str(page), "reports": reports}


def _section(title, command, rows, varied, picture, memory: bool) -> str:
    """Markdown of one ablation, with the memory that each network takes if it is wanted."""
    names = [name.split(".", 1)[1] for name in varied]
    lines = [f"## {title}", "", "```", command, "```", "", f"![{title}]({picture})", ""]
    heads = [*names, "error", "first epoch", "training error"] + ["kbit"] * memory
    lines.append("| " + " | ".join(heads) + " |")
    lines.append("|" + "---|" * len(heads))
    for row in sorted(rows, key=lambda row: [_order(row[name]) for name in varied]):
        cells = [str(row[name]) for name in varied]
        cells.append(f"{row['error']:.2f} ± {row['spread']:.2f}")
        cells.append(f"{row['first_epoch_error']:.2f} ± {row['first_epoch_spread']:.2f}")
        cells.append(f"{row['train_error']:.2f}")
        if memory:
            cells.append(f"{row['memory_bits'] / 1000:,.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _order(value):
    """Numbers and arrays of them by size, words by the alphabet."""
    return str(value) if isinstance(value, str) else np.ravel(value).tolist()
