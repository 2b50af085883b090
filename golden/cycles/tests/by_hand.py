"""Networks whose cycles can be counted by hand.

Constants that the sums below use: a drive engine's first item leaves 5 cycles and a tree's latency
after its word is addressed; the head of a queue is 2 cycles behind its push; an application is
over 5 cycles after its last word; a visit's change is pushed 7 and a tree's latency after its
word; outputs take 4 cycles beside their chunks, a readout 3 beside its classes, a row's flips 6.
"""

import numpy as np

from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.params import Params
from popflip.golden.model import Model


def build(network, gains, learning=None, machine=None, **dynamics):
    """Parameters of a tiny network."""
    layers = len(gains)
    return Params.build({
        "network": {"image": [1, 2], "classes": 2, **network},
        "dynamics": {"gains": gains, **dynamics},
        "learning": {"tau": [1] * layers, "nudged_sweeps": 1, **(learning or {})},
        "machine": {
            "row_lanes": 2, "relax_lanes": 2, "latent_lanes": [2] * layers, **(machine or {}),
        },
    })  # fmt: skip


def model(params, *rows):
    """Model with these weights, each -1 or +1, as stored."""
    return Model(params, [np.array(layer) > 0 for layer in rows])


def relax(model, x, label=None):
    """Relax one sample."""
    labels = None if label is None else np.array([label])
    return model.relax(np.array([x], bool), labels, keep_history=True)


# Words that fit the lanes: one chunk, one step. 2 pixels, 2 hidden neurons, 2 outputs.
TINY = {"hidden": [2]}


#: 3 x 3 pixels, 2 x 2 windows, one neuron each: with 2 lanes its row takes 2 words.
WINDOWS = {"first": "local", "window": 2, "stride": 1, "features": 1, "image": [3, 3]}


def network(machine, **dynamics):
    """A network of windows, for machines of any width."""
    return build(
        {"first": "local", "window": 3, "stride": 1, "features": 4, "image": [7, 7], "classes": 5},
        [50, 90], {"nudged_sweeps": 3, "batch": 4}, machine, **dynamics,
    )  # fmt: skip


WIDE = {"row_lanes": 9, "neuron_lanes": 4, "relax_lanes": 5, "latent_lanes": [9, 5]}


def totals(params, relaxation):
    """Cycles of all samples, and how often one started again."""
    clock, total = CycleModel(params), StageCycles()
    for i in range(len(relaxation.drive)):
        total = total.plus(clock.sample(relaxation, i))
    return total, clock.restarts


#: Neuron 1 follows output 0, which neuron 0 turns on: both are undecided.
FOLLOWING = ([[1, 1], [1, -1]], [[1, -1], [1, -1]])
