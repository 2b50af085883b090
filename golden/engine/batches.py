"""Batches: samples are relaxed and learned from in blocks, shared out among threads in chunks.

Chunk ``i`` of ``n`` is every n-th sample of a block, or every n-th group of 64 rows, from number
``i`` on.

Numba would compile a kernel, and all that it calls, once more for a literal among its arguments.
So constants that are handed on say that they are ``np.int64``.
"""

import numpy as np

from popflip.golden.engine.compilation import compiled, driver
from popflip.golden.engine.drive import (
    cut_windows,
    drive_from_bits,
    drive_from_pixels,
    drive_together,
)
from popflip.golden.engine.lanes import TOGETHER
from popflip.golden.engine.layout import BLOCK
from popflip.golden.engine.meeting import meet
from popflip.golden.engine.relaxation import relax
from popflip.golden.engine.update import count_ones, learn
from popflip.golden.engine.words import copy

__all__ = ["infer", "train"]

#: Samples from which on tables of their 8-bit pixels, made once for all neurons, are worth it.
_TABLED = 8


@compiled
def _relax_chunk(
    layout, synapses, workspace, x, labels, first, count, phases, predictions, chunk, chunks
):
    """Settle every ``chunks``-th of a block of samples."""
    strips, drive = workspace.strips[chunk], workspace.drive[chunk]
    for begin in range(chunk, count, chunks * TOGETHER):
        end = min(count, begin + chunks * TOGETHER)
        # Nobody learns from an inference: the next samples may use the places of these.
        place = begin if phases else chunk
        offsets = workspace.offsets[place : place + end - begin : chunks]
        together = layout.pixels and end - begin > (_TABLED - 1) * chunks
        if together:
            for i, sample in enumerate(range(begin, end, chunks)):
                cut_windows(layout, x[first + sample], strips, workspace.seen[chunk, i])
            drive_together(
                layout, synapses.weights, workspace.seen[chunk, : len(offsets)],
                workspace.tables[chunk], workspace.sums[chunk], workspace.seeing[chunk],
                workspace.ahead[chunk], offsets,
            )  # fmt: skip
        for i, sample in enumerate(range(begin, end, chunks)):
            if together:
                copy(workspace.ahead[chunk, i, : len(drive)], drive)
            else:
                seen = workspace.seen[chunk, 0]
                cut_windows(layout, x[first + sample], strips, seen)
                if layout.pixels:
                    drive_from_pixels(layout, synapses.weights, seen, drive, offsets[i])
                else:
                    drive_from_bits(
                        layout, synapses.abreast, seen, workspace.ones[chunk],
                        workspace.dots[chunk], workspace.keys[chunk], drive, offsets[i],
                    )  # fmt: skip
            predictions[sample] = relax(
                layout, synapses, workspace, chunk, labels[first + sample], sample, phases
            )


@driver
def infer(
    layout, synapses, workspace, x, labels, first, count, predictions, meeting, chunk, chunks
):  # fmt: skip
    """Predict one chunk of some samples."""
    none = np.int64(0)
    _relax_chunk(
        layout, synapses, workspace, x, labels, first, count, none, predictions, chunk, chunks
    )


@driver
def train(
    layout, synapses, latents, dirty, workspace, x, labels, first, count, pending, batch, tau,
    phases, predictions, totals, flush, meeting, chunk, chunks,
):  # fmt: skip
    """Learn one chunk of samples, batch after batch; return the samples left pending.

    All chunks meet behind each step, since the next one needs what others computed in it.
    """
    done, batches, met = 0, 0, 0
    while done < count:
        n = min(count - done, batch - pending, BLOCK)
        at = first + done
        _relax_chunk(
            layout, synapses, workspace, x, labels, at, n, phases[batches], predictions[done:],
            chunk, chunks,
        )  # fmt: skip
        met = meet(meeting, met, chunks)
        pending += n
        done += n
        flipping = pending == batch or (flush and done == count)
        learn(
            layout, synapses, latents, dirty, workspace, x, at, n, tau, chunk, chunks, flipping,
            totals,
        )  # fmt: skip
        met = meet(meeting, met, chunks)
        if flipping:
            pending = 0
            batches += 1
            if layout.sign or layout.leaky:
                if chunk == 0:
                    count_ones(layout, synapses)
                met = meet(meeting, met, chunks)
    return pending
