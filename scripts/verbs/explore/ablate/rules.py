"""Train the rules side by side, and write the page that compares them."""

import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import check_data
from popflip.golden.description.params import Params
from popflip.golden.support.files import prepare_folder, write_atomically
from popflip.golden.training.trainer import Trainer
from popflip.scripts.verbs.explore.ablate import AblationsReport
from popflip.scripts.verbs.explore.ablate.rule_model import Rule, RuleMachine
from popflip.scripts.verbs.explore.ablate.trainings import (
    Training,
    check_counts,
    figures,
    run_trainings,
)
from popflip.scripts.verbs.explore.sweep.study import default_validation, hold_back

__all__ = ["BASE", "VARIANTS", "Variant", "run_rules"]

#: What all networks are, but for what a variant changes: a large one, without pooling.
BASE = Params.load("ecp5-85f").replace(
    learning={"latent_bits": 8, "tau": [14, 6]},
    machine={"overlap": False},  # which wants lanes for all outputs
)


@dataclass(frozen=True)
class Variant:
    """A rule, and what else a network needs for it.

    Parameters
    ----------
    name, title : str
    rule : Rule
    changes : dict
        Sections of parameters, as :meth:`Params.replace` takes them.
    """

    name: str
    title: str
    rule: Rule = field(default_factory=Rule)
    changes: dict = field(default_factory=dict)

    def params(self, base: Params) -> Params:
        """Return the network."""
        return base.replace(**self.changes)


#: More pairs of nudged states count more contrasts, so tau is as many times greater.
VARIANTS = (
    Variant("machine", "the machine's own"),
    Variant(
        "two-strengths", "nudged by 4 and by 16 instead of 8; tau doubled",
        Rule(strengths=(4, 16)), {"learning": {"tau": [28, 12]}},
    ),
    Variant(
        "three-strengths", "nudged by 2, 8 and 32; tau times 3",
        Rule(strengths=(2, 8, 32)), {"learning": {"tau": [42, 18]}},
    ),
    Variant("negative", "nudged away from the target alone", Rule(negative=True)),
    Variant("rival", "target and strongest other class nudged", Rule(rival=True)),
    Variant(
        "random-feedback", "feedback through random signs that do not learn",
        Rule(random_feedback=True),
    ),
    Variant("thresholds-1", "thresholds learn, in steps of 1", Rule(threshold_step=1)),
    Variant("thresholds-4", "thresholds learn, in steps of 4", Rule(threshold_step=4)),
    Variant(
        "copies", "3 outputs for each class, feedback a third",
        Rule(), {"network": {"copies": 3}, "dynamics": {"feedback_gains": [21]}},
    ),
    Variant(
        "copy-gains", "3 outputs for each class with gains 1, 2 and 3 times 3, feedback alike",
        Rule(copy_gains=(1, 2, 3)),
        {"network": {"copies": 3}, "dynamics": {"gains": [16, 3], "feedback_gains": [10]}},
    ),
    Variant(
        "output-latents-10", "latents of the output layer 10 bits wide, tau times 4",
        Rule(output_latent_bits=10, output_tau=4),
    ),
    Variant(
        "output-latents-12", "latents of the output layer 12 bits wide, tau times 16",
        Rule(output_latent_bits=12, output_tau=16),
    ),
)  # fmt: skip


def train_rule(tree: dict, rule: dict, source: str, validation: int, epochs: int, seed: int):
    """Train one network; runs on a worker.

    Returns
    -------
    dict
        Of the last epoch: ``error``, in percent of the images that judge, and ``train_error``.
    """
    params = Params.build(tree)
    data = hold_back(loading.load(source, params=params), validation)
    trainer = Trainer(params, data, RuleMachine(params, Rule(**rule)), seed=seed)
    trainer.run(epochs)
    last = trainer.history[-1]
    return {"error": last.test_error, "train_error": last.train_error}


def run_rules(
    source: str,
    work: Path,
    page: Path,
    epochs: int,
    seeds: int,
    workers: int | None = None,
    base: Params = BASE,
    variants: tuple[Variant, ...] = VARIANTS,
) -> AblationsReport:
    """Train what is left to train of all rules, and write the page.

    Parameters
    ----------
    source : str
        The data set's name or folder.
    work : Path
        Folder of the results, which a later call goes on with.
    page : Path
    epochs, seeds : int
    workers : int, optional
        Processes; as many as there are threads if left out.
    base : Params
        What the variants change.
    variants : tuple of Variant

    Returns
    -------
    AblationsReport
        What ``--json`` prints.

    Raises
    ------
    ValueError
        If a number is out of its range, or the data do not fit.
    """
    check_counts(epochs, seeds, workers)
    data = loading.load(source, params=base)
    check_data(base, data)
    validation = default_validation(data)
    for folder in (work, page.parent):
        prepare_folder(folder)
    trainings = []
    for variant in variants:
        params = variant.params(base)
        for seed in range(1, seeds + 1):
            settings = {
                "tree": params.model_dump(mode="json"), "rule": asdict(variant.rule),
                "source": source, "validation": validation, "epochs": epochs, "seed": seed,
            }  # fmt: skip
            trainings.append(Training(work / f"{variant.name}-seed{seed}.json", settings))
    found = run_trainings(train_rule, trainings, workers)
    rows = []
    for number, variant in enumerate(variants):
        mine = found[number * seeds : (number + 1) * seeds]
        rows.append({"rule": variant.name, "title": variant.title, **figures(mine)})
    text = _page(base, rows, source, validation, epochs, seeds)
    write_atomically(page, text.encode())
    return {"verb": "ablate", "page": str(page), "reports": rows}


def _page(base, rows, source, validation, epochs, seeds) -> str:
    intro = textwrap.fill(
        f"Written by `popflip ablate rules --epochs {epochs} --seeds {seeds}`. The networks are "
        f"those of the preset `{base.name}` ({base.n_synapses:,} synapses), with latents of "
        f"{base.learning.latent_bits} bits and tau {list(base.learning.tau)}. They learn in "
        f"software by rules that the hardware does not know, for {epochs} epochs, with seeds 1 to "
        f"{seeds}, from all training images of {source} but the last {validation:,}, which judge; "
        "the test set is not touched. Errors are percentages after the last epoch, mean and "
        "standard deviation over the seeds: differences below these mean nothing. "
        "The model is `scripts/verbs/explore/ablate/rule_model.py`: the golden model, but that "
        "latents saturate once for a batch.",
        100,
    )
    lines = ["# Other learning rules", "", "<!-- all commands take: an hour -->", "", intro, ""]
    lines += ["| rule | | error | training error |", "|---|---|---:|---:|"]
    for row in rows:
        lines.append(
            f"| `{row['rule']}` | {row['title']} | {row['error']:.2f} ± {row['spread']:.2f} "
            f"| {row['train_error']:.2f} |"
        )
    return "\n".join([*lines, ""])
