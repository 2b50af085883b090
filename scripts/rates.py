"""How many cycles a sample takes on a network's machine, on real images, after some training.

Early in training much more changes, and the machine skips what cannot: so the fast engine trains
for a while, and the formulas of :mod:`popflip.golden.cycles`, which simulation agrees with to the
cycle, count what the next samples take.
"""

import hashlib
import json

from popflip.golden.cycles import CycleModel, StageCycles
from popflip.golden.data import Dataset, cache_folder, input_of
from popflip.golden.engine import FastMachine
from popflip.golden.model import Model
from popflip.golden.params import Params
from popflip.golden.trainer import Trainer, write_atomically
from popflip.rtl.top import identity

__all__ = ["counted_cycles"]

#: Samples that the network has learned before any are counted.
LEARNED = 20_000

#: Samples that are counted, whole batches of them, of training and of inference each.
COUNTED = 512


def counted_cycles(params: Params, dataset: Dataset, learned: int = LEARNED) -> dict:
    """Count the cycles of training samples and of test samples, or recall them.

    Parameters
    ----------
    params : Params
        The link's settings do not matter.
    dataset : Dataset
    learned : int
        Samples that are learned first.

    Returns
    -------
    dict
        ``train`` and ``infer``, the mean cycles of a sample; ``stages``, those of training by what
        they are spent on; ``learned`` and ``counted``, samples.
    """
    params = params.replace(machine={"uart_divisor": 8})
    learned = min(learned, len(dataset.train_labels) - COUNTED)
    key = hashlib.sha256(
        json.dumps([identity(params).hex(), dataset.digest, learned, COUNTED]).encode()
    ).hexdigest()[:32]
    path = cache_folder() / "cycles" / f"{key}.json"
    if path.is_file():
        return json.loads(path.read_text())
    facts = _count(params, dataset, learned)
    write_atomically(path, json.dumps(facts, indent=1).encode())
    return facts


def _count(params: Params, dataset: Dataset, learned: int) -> dict:
    batch = params.learning.batch
    counted = max(1, COUNTED // batch) * batch
    machine = FastMachine(params)
    plan = Trainer(params, dataset, machine, seed=1)
    x, labels = plan.epoch_samples(0)
    machine.set_tau(params.learning.tau_in_epoch(0))
    whole = learned // batch * batch
    machine.load(x[:whole], labels[:whole])
    for first in range(0, whole, machine.chunk):
        machine.train(first, min(machine.chunk, whole - first), flush=False)
    state = machine.read_state()
    model = Model(params, state.weights, state.latents, state.sign_state)
    model.tau = params.learning.tau_in_epoch(0)
    clock, total = CycleModel(params), StageCycles()
    clock.touched = False  # by the host, which wrote weights before all these samples
    for start in range(whole, whole + counted, batch):
        part = slice(start, start + batch)
        _, relaxation = model.train(x[part], labels[part], keep_history=True)
        for i in range(batch):
            total = total.plus(clock.sample(relaxation, i))
    tests = min(COUNTED, len(dataset.test_labels))
    bits = input_of(params.network, dataset.test_images[:tests])
    relaxation = Model(params, model.weights).relax(bits, keep_history=True)
    idle = CycleModel(params)
    infer = sum(idle.sample(relaxation, i).total for i in range(tests))
    return {
        "train": round(total.total / counted, 2),
        "infer": round(infer / tests, 2),
        "stages": {k: round(v / counted, 2) for k, v in total._asdict().items()},
        "learned": whole,
        "counted": counted,
    }
