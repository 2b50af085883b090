"""Train the rules side by side, and write the page that compares them."""

import json
import statistics
import textwrap
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from distributed import as_completed

from popflip.golden.datasets import loading
from popflip.golden.datasets.dataset import check_data
from popflip.golden.description.params import Params
from popflip.golden.engine.threads import most_threads
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import MOST_TEXT, prepare_folder, read_file, write_atomically
from popflip.golden.training.trainer import Trainer
from popflip.scripts.console import Display
from popflip.scripts.verbs.explore.ablate import AblationsReport
from popflip.scripts.verbs.explore.ablate.rule_model import Rule, RuleMachine
from popflip.scripts.verbs.explore.sweep.study import connect, default_validation, hold_back

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


def train_rule(tree: dict, rule: Rule, source: str, validation: int, epochs: int, seed: int):
    """Train one network; runs on a worker.

    Returns
    -------
    dict
        Of the last epoch: ``error``, in percent of the images that judge, and ``train_error``.
    """
    params = Params.build(tree)
    data = hold_back(loading.load(source, params=params), validation)
    trainer = Trainer(params, data, RuleMachine(params, rule), seed=seed)
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
    for name, value in (("epochs", epochs), ("seeds", seeds)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, not {value}")
    if workers is not None and not 1 <= workers <= most_threads():
        raise InputError(
            f"workers must be 1 to {most_threads()}, as many as there are threads, not {workers}"
        )
    data = loading.load(source, params=base)
    check_data(base, data)
    validation = default_validation(data)
    for folder in (work, page.parent):
        prepare_folder(folder)
    jobs = []
    for variant in variants:
        params = variant.params(base)
        for seed in range(1, seeds + 1):
            what = {
                "tree": params.model_dump(mode="json"), "rule": variant.rule, "source": source,
                "validation": validation, "epochs": epochs, "seed": seed,
            }  # fmt: skip
            jobs.append((work / f"{variant.name}-seed{seed}.json", what))
    found = _train(jobs, workers or most_threads())
    rows = []
    for number, variant in enumerate(variants):
        mine = found[number * seeds : (number + 1) * seeds]
        rows.append({"rule": variant.name, "title": variant.title, **_figures(mine)})
    text = _page(base, rows, source, validation, epochs, seeds)
    write_atomically(page, text.encode())
    return {"verb": "ablate", "page": str(page), "reports": rows}


def _train(jobs, workers) -> list[dict]:
    """Run the jobs that no file of results knows; return all results in order."""
    found: list[dict | None] = [_saved(path, what) for path, what in jobs]
    left = [number for number, result in enumerate(found) if result is None]
    done = len(jobs) - len(left)
    if left:
        with Display() as display, connect(min(workers, len(left))) as client:
            futures = {
                client.submit(train_rule, **jobs[number][1], pure=False): number for number in left
            }
            waiting = as_completed(futures)
            display.show("rules", done, len(jobs), "")
            for _ in left:
                while not waiting.has_ready():
                    interrupts.check()
                    time.sleep(0.02)
                future = next(waiting)
                number = futures[future]
                path, what = jobs[number]
                found[number] = result = future.result()
                saved = {"settings": _settings(what), **result}
                write_atomically(path, json.dumps(saved, indent=1).encode())
                done += 1
                display.show("rules", done, len(jobs), path.stem)
    return [result for result in found if result is not None]


def _settings(what: dict) -> dict:
    return json.loads(json.dumps({**what, "rule": asdict(what["rule"])}))


def _saved(path: Path, what: dict) -> dict | None:
    """Return the results that a file has of a job; None if there is none of the same."""
    if not path.exists():
        return None
    try:
        saved = json.loads(read_file(path, MOST_TEXT, "results of a rule"))
        settings = saved.pop("settings")
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} has no results of a rule; remove it, or name another folder"
        ) from None
    if settings != _settings(what):
        raise InputError(f"{path} is of other settings; name another folder")
    return saved


def _figures(results: list[dict]) -> dict:
    errors = [result["error"] for result in results]
    return {
        "error": round(statistics.mean(errors), 4),
        "spread": round(statistics.stdev(errors), 4) if len(errors) > 1 else 0.0,
        "train_error": round(statistics.mean(result["train_error"] for result in results), 4),
    }


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
