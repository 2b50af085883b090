"""How many cycles a sample takes on a network's machine, on real images, after the first epoch.

Early in training much more changes, and the machine skips what cannot: so the fast engine learns
for an epoch, and the formulas of :mod:`popflip.golden.cycles`, which simulation agrees with to the
cycle, count what the next samples take.
"""

import json

import numpy as np

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.encoding import input_of
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.support.cache import cache_folder, key_of, text_entry
from popflip.golden.training.state import NetworkState
from popflip.golden.training.trainer import Trainer
from popflip.rtl.identity import identity

__all__ = ["after_learning", "counted_cycles", "cycles_of"]

#: Samples that are counted, whole batches of them, of training and of inference each.
COUNTED = 512


def counted_cycles(params: Params, dataset: Dataset) -> dict:
    """Count the cycles of training samples and of test samples, or recall them.

    Parameters
    ----------
    params : Params
        The link's settings do not matter.
    dataset : Dataset

    Returns
    -------
    dict
        ``train`` and ``infer``, the mean cycles of a sample; ``stages``, those of training by what
        they are spent on; ``counted``, the first samples of the second epoch.
    """
    params = params.replace(machine={"uart_divisor": 8})
    key = key_of(identity(params), params.digest, dataset.digest, str(COUNTED))
    text = text_entry(
        cache_folder() / "cycles" / key, lambda: json.dumps(_count(params, dataset), indent=1)
    )
    return json.loads(text)


def after_learning(
    params: Params, dataset: Dataset
) -> tuple[NetworkState, tuple[int, ...], np.ndarray, np.ndarray]:
    """Learn the first epoch, and return what comes next.

    Parameters
    ----------
    params : Params
    dataset : Dataset

    Returns
    -------
    state : NetworkState
    tau : tuple of int
        Flip thresholds of the next samples.
    x, labels : ndarray
        They, in their order: the second epoch.
    """
    # Not at the top: compilers take a while to import.
    from popflip.golden.engine.machine import FastMachine

    machine = FastMachine(params)
    plan = Trainer(params, dataset, machine, seed=1)
    x, labels = plan.epoch_samples(0)
    n = len(labels)
    machine.set_tau(params.learning.tau_in_epoch(0))
    machine.load(x, labels)
    for first in range(0, n, machine.chunk):
        machine.train(first, min(machine.chunk, n - first), flush=False)
    return machine.read_state(), params.learning.tau_in_epoch(1), *plan.epoch_samples(1)


def cycles_of(
    params: Params, state: NetworkState, tau: tuple[int, ...], x, labels, touched: bool = False
) -> StageCycles:
    """Count the cycles of learning samples, whole batches of them.

    Parameters
    ----------
    params : Params
    state : NetworkState
        The network before.
    tau : tuple of int
        Flip thresholds.
    x, labels : array_like
        Samples.
    touched : bool
        A host has written weights just before.
    """
    batch = params.learning.batch
    model = Model(params, state.weights, state.latents, state.sign_state)
    model.tau = tau
    clock, total = CycleModel(params), StageCycles()
    clock.touched = touched
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        _, relaxation = model.train(x[part], labels[part], keep_history=True)
        for i in range(batch):
            total = total.plus(clock.sample(relaxation, i))
    return total


def _count(params: Params, dataset: Dataset) -> dict:
    batch = params.learning.batch
    counted = max(1, min(COUNTED, len(dataset.train_labels)) // batch) * batch
    state, tau, x, labels = after_learning(params, dataset)
    total = cycles_of(params, state, tau, x[:counted], labels[:counted])
    tests = min(COUNTED, len(dataset.test_labels))
    bits = input_of(params.network, dataset.test_images[:tests])
    relaxation = Model(params, state.weights).relax(bits, keep_history=True)
    idle = CycleModel(params)
    infer = sum(idle.sample(relaxation, i, last=i == tests - 1).total for i in range(tests))
    return {
        "train": round(total.total / counted, 2),
        "infer": round(infer / tests, 2),
        "stages": {k: round(v / counted, 2) for k, v in total._asdict().items()},
        "counted": counted,
    }
