"""One sample on its way through a machine with the ``leaky`` dynamics.

Layer 1 is driven, then the steps of each phase follow. A step is a *pass* over each hidden layer,
``neuron_lanes`` neurons side by side, and then an update of the outputs.
"""

from itertools import pairwise

import numpy as np

from popflip.golden.cycles.latencies import (
    LEAKY_LATENCY,
    MARGIN_LATENCY,
    OUTPUT_LATENCY,
    READOUT_LATENCY,
    line_waits,
    tree_latency,
)
from popflip.golden.cycles.sample import SampleRun
from popflip.golden.cycles.update import ContrastScan
from popflip.golden.description.params import Params
from popflip.golden.model import Relaxation

__all__ = ["LeakyRun", "step_cycles"]


def step_cycles(params: Params) -> int:
    """Cycles of one synchronous step of all layers."""
    cycles = params.output_chunks + OUTPUT_LATENCY
    for layer in range(1, params.depth):
        shape = params.synapses(layer)
        cycles += shape.weight_depth + tree_latency(shape.word_bits) + LEAKY_LATENCY
    return cycles


class LeakyRun(SampleRun):
    """One sample on its way through a machine with the ``leaky`` dynamics."""

    def __init__(self, params: Params, relaxation: Relaxation, i: int):
        super().__init__(params, relaxation, i)
        self._potentials = [
            [[s[i] for s in state.s] for state in phase] for phase in relaxation.history
        ]

    def relax(self):
        p = self.params
        self.spend("drive", 2 + self._drive_cycles())
        for number, states in enumerate(self._potentials):
            stage = "nudged" if number else "free"
            self.spend(stage, 1)
            for before, after in pairwise(states):
                self.spend(stage, step_cycles(p))
                # A step that changes nothing ends its phase.
                if all(np.array_equal(s, t) for s, t in zip(before, after, strict=True)):
                    break
            self.spend(stage, 1)
            if number == 0:
                self.readout_done = self.now - 1 + p.network.classes + READOUT_LATENCY

    def _drive_cycles(self) -> int:
        p, shape = self.params, self.shape_of(0)
        first = p.first_layer
        words = shape.weight_depth
        # The cycles in which a group waits for rows of the image.
        if p.machine.serial_windows:
            words += (p.positions - 1) * max(0, first.load_rows - shape.groups)
        else:
            words += (p.grid[0] - 1) * line_waits(p)
        return first.load_rows + words + tree_latency(shape.word_bits) + MARGIN_LATENCY

    def _scan(self, layer, above) -> ContrastScan:
        shape = self.shape_of(layer)
        differs, needed = self._contrasts(layer, above)
        rows = np.flatnonzero(needed)
        groups = shape.slot(rows)
        # A group takes a cycle for each of its neurons that has a contrast, and one if none has.
        at = np.concatenate([groups[:1], np.maximum(1, np.diff(groups))]).cumsum()
        length = int(at[-1] + shape.slots - groups[-1]) if len(rows) else shape.slots
        return ContrastScan(rows, at, differs[rows], length)
