"""Train the rules side by side, and write the page that compares them."""

import textwrap
from dataclasses import asdict, dataclass, field

from popflip.golden.datasets import loading
from popflip.golden.description.params import Params
from popflip.golden.support.files import write_atomically
from popflip.golden.training.trainer import Trainer
from popflip.scripts.verbs.explore.ablate import AblationsReport
from popflip.scripts.verbs.explore.ablate.rule_model import Rule, RuleMachine
from popflip.scripts.verbs.explore.ablate.trainings import Study, figures
from popflip.scripts.verbs.explore.sweep.study import hold_back

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


#: More pairs of nudged states count more contrasts, so tau and the latents' range grow with them; a
#: nudge of one sign counts fewer.
VARIANTS = (
    Variant("machine", "the machine's own"),
    Variant(
        "two-strengths", "nudged by 4 and by 16 instead of 8; tau doubled, latents of 9 bits",
        Rule(strengths=(4, 16)), {"learning": {"tau": [28, 12], "latent_bits": 9}},
    ),
    Variant(
        "three-strengths", "nudged by 2, 8 and 32; tau times 3, latents of 10 bits",
        Rule(strengths=(2, 8, 32)), {"learning": {"tau": [42, 18], "latent_bits": 10}},
    ),
    Variant(
        "negative", "nudged away from the target alone; tau halved", Rule(negative=True),
        {"learning": {"tau": [7, 3]}},
    ),
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
        "copy-gains", "3 outputs for each class, of gains 3, 6 and 9, and feedback 10, 20 and 30",
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
    study: Study, base: Params = BASE, variants: tuple[Variant, ...] = VARIANTS
) -> AblationsReport:
    """Train what is left to train of all rules, and write the page.

    Parameters
    ----------
    study : Study
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
        If the data do not fit.
    """
    split = study.prepare(base)
    networks = {
        variant.name: {
            "tree": variant.params(base).model_dump(mode="json"), "rule": asdict(variant.rule),
        }
        for variant in variants
    }  # fmt: skip
    rows = [
        {"rule": variant.name, "title": variant.title, **figures(results)}
        for variant, results in zip(variants, study.run(train_rule, networks, split), strict=True)
    ]
    write_atomically(study.page, _page(study, base, rows, split.judging).encode())
    return {"verb": "ablate", "page": str(study.page), "reports": rows}


def _page(study, base, rows, judging) -> str:
    source, epochs, seeds = study.source, study.epochs, study.seeds
    intro = textwrap.fill(
        f"Written by `popflip ablate rules --epochs {epochs} --seeds {seeds}`. The networks are "
        f"those of the preset `{base.name}` ({base.n_synapses:,} synapses), with latents of "
        f"{base.learning.latent_bits} bits and tau {list(base.learning.tau)}, but for what a row "
        "says. They learn in "
        f"software by rules that the hardware does not know, for {epochs} epochs, with seeds 1 to "
        f"{seeds}, from all training images of {source} but the last {judging:,}, which judge; "
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
