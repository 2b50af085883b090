"""Cycles by what they were spent on, and the most that a sample can take."""

from typing import NamedTuple

from popflip.golden.cycles.latencies import (
    APPLY_LATENCY,
    DRIVE_LATENCY,
    OUTPUT_LATENCY,
    QUEUE_LATENCY,
    READOUT_LATENCY,
    SHARED_LATENCY,
    UPDATE_LATENCY,
    VISIT_LATENCY,
    pool_latency,
    tree_latency,
)
from popflip.golden.description.params import Params
from popflip.golden.description.software_only import check_network

__all__ = ["StageCycles", "most_cycles"]


class StageCycles(NamedTuple):
    """Cycles of one sample by what they were spent on."""

    drive: int = 0
    free: int = 0
    nudged: int = 0
    update: int = 0

    @property
    def total(self) -> int:
        """All cycles of the sample."""
        return sum(self)

    def plus(self, other: "StageCycles") -> "StageCycles":
        """Stage by stage, the sum of both."""
        return StageCycles(*(a + b for a, b in zip(self, other, strict=True)))


def most_cycles(params: Params) -> int:
    """Cycles that a training sample never exceeds, whatever the weights, latents and pixels are.

    Every attempt but the last is taken to end with its last sweep, every neuron to be visited and
    to change in every sweep, every row to differ and to be tested for flips. Samples take far less.
    """
    check_network(params)
    p = params
    load_rows, step_rows = p.load_rows, p.first_layer.step_rows
    shapes = [p.synapses(layer) for layer in range(p.depth)]
    hidden = shapes[1:]
    latency = max(tree_latency(s.word_bits) for s in shapes)
    fixed = VISIT_LATENCY + QUEUE_LATENCY + APPLY_LATENCY + OUTPUT_LATENCY + latency + 8
    # A group's words, its items and the rows of the image that it waits for; then applications.
    first = shapes[0]
    looked = p.looks * (first.chunks * (1 + p.machine.mask_words) + load_rows)
    drive = p.neuron_groups * (looked + first.banks + step_rows) + load_rows + pool_latency(p)
    drive += sum(s.rows * s.chunks for s in hidden) + DRIVE_LATENCY + fixed
    # Each neuron's words are visited, and applied if it has changed.
    half = sum(2 * s.rows * s.chunks for s in hidden) + p.output_chunks + fixed
    sweeps = p.dynamics.free_sweeps + 2 * p.learning.nudged_sweeps
    relax = 2 * (half + 2) * (sweeps + 2)
    # The scans, the window's way to each row, and a flush of everything, one after the other.
    rows = sum(s.rows * (s.row_cycles + 2) for s in hidden)
    rows += p.sizes[1] * (shapes[0].row_cycles + 2)
    rows += p.positions * (load_rows + step_rows + 2)
    if p.first_layer.pooled and p.machine.serial_windows:
        rows += p.sizes[1] * (load_rows + 2)
    update = 2 * rows + 2 * (UPDATE_LATENCY + SHARED_LATENCY + fixed)
    readout = p.network.classes + READOUT_LATENCY + 2
    return len(p.active_bounds) * (drive + relax + 4) + update + readout
