"""One layer of windows or two: trained side by side in software, and a page to compare them."""

import textwrap
from dataclasses import asdict, dataclass, replace

import numpy as np

from popflip.golden.datasets import loading
from popflip.golden.datasets.encoding import input_of
from popflip.golden.datasets.feed import epoch_images
from popflip.golden.description.first_layer import Windows
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.scripts.verbs.explore.ablate import AblationsReport
from popflip.scripts.verbs.explore.ablate.stack import Layer, Stack, StackSettings
from popflip.scripts.verbs.explore.ablate.trainings import Study, figures
from popflip.scripts.verbs.explore.sweep.study import hold_back

__all__ = ["BASE", "STACKS", "StackPlan", "WindowPlan", "build_stack", "run_layers"]

#: What the stacks take of a preset: its input, its outputs and how it learns.
BASE = Params.load("ecp5-25f-pooled")

#: Training images of an epoch: NumPy takes far longer than the fast engine.
SAMPLES = 10_000

#: Images that thresholds are chosen by.
_LOOKED_AT = 128


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """A hidden layer, as far as it does not follow from what is below it.

    Parameters
    ----------
    size, step, pool : int
        Side of the windows, pixels between them, and side of the square of them that a neuron takes
        the best of.
    features : int
        Neurons at each position, whose weights all positions share.
    gain, feedback, tau, latent_bits : int
        As of :class:`popflip.scripts.verbs.explore.ablate.stack.Layer`.
    threshold : int, optional
        Chosen, if left out, so that a share ``active`` of the neurons is active at the start.
    active : float
    """

    size: int
    step: int = 2
    pool: int = 2
    features: int
    gain: int = 1
    feedback: int = 1
    tau: int = 200
    latent_bits: int = 12
    threshold: int | None = None
    active: float = 0.065


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """A network that is tried.

    Parameters
    ----------
    name, title : str
    layers : tuple of WindowPlan
    gain : int
        Of the outputs.
    """

    name: str
    title: str
    layers: tuple[WindowPlan, ...]
    gain: int


#: Nine positions add to a row of it, where 49 add to one of the first network: tau is less.
_SECOND = WindowPlan(size=4, features=80, tau=40, active=0.03)

#: About as many bits each. The first is as its preset was tuned; of the others, which learn slowly
#: here, few settings were tried.
STACKS = (
    StackPlan(
        name="one",
        title="60 features of 7 x 7 pixels, as `ecp5-25f-pooled`",
        layers=(WindowPlan(size=7, features=60, threshold=9),),
        gain=3,
    ),
    StackPlan(
        name="two",
        title="16 features of 5 x 5 pixels, 80 of 4 x 4 positions",
        layers=(WindowPlan(size=5, features=16, gain=4), _SECOND),
        gain=6,
    ),
    StackPlan(
        name="two-weaker-feedback",
        title="the same, feedback to the first layer half as strong",
        layers=(WindowPlan(size=5, features=16, gain=8), _SECOND),
        gain=6,
    ),
    StackPlan(
        name="two-stronger-output",
        title="the same as `two`, outputs driven twice as strongly",
        layers=(WindowPlan(size=5, features=16, gain=4), _SECOND),
        gain=12,
    ),
    StackPlan(
        name="two-first-fixed",
        title="the same as `two`, without feedback to the first layer, which stays as it was drawn",
        layers=(WindowPlan(size=5, features=16, gain=4, feedback=0), _SECOND),
        gain=6,
    ),
)


def build_stack(plan: StackPlan, base: Params, x: np.ndarray, seed: int) -> Stack:
    """Draw a network, and choose the thresholds that it leaves open.

    Parameters
    ----------
    plan : StackPlan
    base : Params
        Of the input, the outputs and the learning.
    x : ndarray of bool, shape (n, n_in)
        Samples that thresholds are chosen by.
    seed : int
    """
    image, planes, layers = base.first_layer.image, base.first_layer.planes, []
    for wanted in plan.layers:
        windows = Windows(
            image=image, planes=planes, block=wanted.features, pool=(wanted.pool,) * 2,
            shared=True, size=(wanted.size,) * 2, step=(wanted.step,) * 2,
        )  # fmt: skip
        layers.append(
            Layer(
                windows=windows, gain=wanted.gain, threshold=wanted.threshold or 0,
                feedback=wanted.feedback, tau=wanted.tau, latent_bits=wanted.latent_bits,
            )
        )  # fmt: skip
        image, planes = windows.grid, windows.block
    dynamics, learning = base.dynamics, base.learning
    settings = StackSettings(
        layers=tuple(layers), gain=plan.gain, tau=learning.tau[-1],
        latent_bits=learning.latent_bits, free_sweeps=dynamics.free_sweeps,
        nudged_sweeps=learning.nudged_sweeps, beta=learning.beta, v_max=dynamics.v_max,
        classes=base.network.classes,
    )  # fmt: skip
    below = x
    for l, wanted in enumerate(plan.layers):
        received = Stack(settings, seed).receives(l, below)
        if wanted.threshold is None:
            level = int(np.quantile(received, 1 - wanted.active)) + 1
            layers[l] = replace(layers[l], threshold=level)
            settings = replace(settings, layers=tuple(layers))
            received = received - level
        below = received >= 0
    return Stack(settings, seed)


def train_stack(
    plan: dict, base: dict, source: str, validation: int, samples: int, epochs: int, seed: int
) -> dict:
    """Train a network of the :class:`StackPlan` that ``plan`` describes; runs on a worker.

    Returns
    -------
    dict
        ``error``, in percent of the images that judge, and ``train_error`` of the last epoch;
        ``synapses`` and ``memory_bits``.
    """
    layers = tuple(WindowPlan(**layer) for layer in plan["layers"])
    wanted = StackPlan(**{**plan, "layers": layers})
    params = Params.build(base)
    data = hold_back(loading.load(source, params=params), validation)
    batch, growth = params.learning.batch, 1 + params.learning.tau_growth / 100
    start = input_of(params.network, data.train_images[:_LOOKED_AT])
    stack, right = build_stack(wanted, params, start, seed), 0
    for epoch in range(epochs):
        images, labels = epoch_images(params, data, seed=seed, samples=samples, epoch=epoch)
        x, labels, right = input_of(params.network, images), labels.astype(int), 0
        for first in range(0, samples, batch):
            part = slice(first, first + batch)
            right += stack.train(x[part], labels[part], growth**epoch)
    x = input_of(params.network, data.test_images)
    found = np.concatenate([stack.relax(x[i : i + 256])[0] for i in range(0, len(x), 256)])
    return {
        "error": 100 * float((found != data.test_labels).mean()),
        "train_error": 100 * (1 - right / samples),
        "synapses": stack.settings.synapses,
        "memory_bits": stack.settings.memory_bits,
    }


def run_layers(
    study: Study,
    base: Params = BASE,
    samples: int = SAMPLES,
    plans: tuple[StackPlan, ...] = STACKS,
) -> AblationsReport:
    """Train what is left to train of all networks, and write the page.

    Parameters
    ----------
    study : Study
    base : Params
        Of the input, the outputs and the learning.
    samples : int
        Training images of an epoch, at most all but those that judge.
    plans : tuple of StackPlan
        What is compared.

    Returns
    -------
    AblationsReport
        What ``--json`` prints.

    Raises
    ------
    ValueError
        If the data do not fit, or the base is another kind of network.
    """
    dynamics, learning = base.dynamics, base.learning
    plain = (
        dynamics.code == "heaviside" and dynamics.kind == "sweeps" and dynamics.v0 == 0
        and learning.nudging == "centered" and not learning.hold_nudge
        and not learning.reset_on_flip
        and base.network.copies == 1 and base.network.pixel_bits == 1
    )  # fmt: skip
    if not plain:
        raise InputError(
            "base must have the heaviside code, sweeps, v0 = 0, centered nudging that is not held, "
            "no reset on flips, one output for each class and binary pixels"
        )
    split = study.prepare(base)
    samples = min(samples, split.taught)
    networks = {
        plan.name: {
            "plan": asdict(plan), "base": base.model_dump(mode="json"), "samples": samples,
        }
        for plan in plans
    }  # fmt: skip
    rows = []
    for plan, results in zip(plans, study.run(train_stack, networks, split), strict=True):
        sizes = {name: results[0][name] for name in ("synapses", "memory_bits")}
        rows.append({"network": plan.name, "title": plan.title, **sizes, **figures(results)})
    write_atomically(study.page, _page(study, rows, split.judging, samples).encode())
    return {"verb": "ablate", "page": str(study.page), "reports": rows}


def _page(study, rows, judging, samples) -> str:
    source, epochs, seeds = study.source, study.epochs, study.seeds
    intro = textwrap.fill(
        f"Written by `popflip ablate layers --epochs {epochs} --seeds {seeds}`. Networks with one "
        "and with two hidden layers of pooled windows that share their weights, with about as much "
        f"memory each, learn in software for {epochs} epochs of {samples:,} training images of "
        f"{source}, with seeds 1 to {seeds}. The last {judging:,} training images judge; the "
        "test set is not touched. The first network has the settings of its preset. Those of the "
        "others come of a few short trainings; their thresholds are chosen so that at most 6.5 % "
        "of the first layer and 3 % of the second one are active at the start. Errors are "
        "percentages, mean and standard deviation over the seeds.",
        100,
    )
    lines = ["# One layer of windows or two", "", "<!-- all commands take: an hour -->", "", intro]
    lines += ["", "| network | | synapses | kbit | error | training error |"]
    lines.append("|---|---|---:|---:|---:|---:|")
    for row in rows:
        lines.append(
            f"| `{row['network']}` | {row['title']} | {row['synapses']:,} "
            f"| {row['memory_bits'] / 1000:,.0f} "
            f"| {row['error']:.2f} ± {row['spread']:.2f} | {row['train_error']:.2f} |"
        )
    return "\n".join([*lines, ""])
