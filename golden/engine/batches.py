"""Batches: samples are relaxed and learned from in blocks, shared out among threads in chunks.

Chunk ``i`` of ``n`` is every n-th sample of a block, or every n-th group of 64 rows, from number
``i`` on.

Numba would compile a kernel, and all that it calls, once more for a literal among its arguments.
So constants that are handed on say that they are ``np.int64``.
"""

import numpy as np
from numba import prange

from popflip.golden.engine.compilation import compiled, driver, parallel
from popflip.golden.engine.drive import (
    cut_windows,
    drive_from_bits,
    drive_from_pixels,
    drive_together,
)
from popflip.golden.engine.lanes import TOGETHER
from popflip.golden.engine.layout import BLOCK
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
    for begin in range(chunk, count, chunks * TOGETHER):
        end = min(count, begin + chunks * TOGETHER)
        # Nobody learns from an inference: the next samples may use the places of these.
        place = begin if phases else chunk
        for sample in range(begin, end, chunks):
            windows = workspace.windows[place + sample - begin]
            if layout.windowed:
                cut_windows(layout, x[first + sample], windows)
            else:
                copy(x[first + sample], windows)
        together = layout.pixels and end - begin > (_TABLED - 1) * chunks
        if together:
            drive_together(
                layout, synapses.weights, workspace.windows[place : place + end - begin : chunks],
                workspace.tables[chunk], workspace.sums[chunk], workspace.seeing[chunk],
                workspace.ahead[chunk],
            )  # fmt: skip
        for i, sample in enumerate(range(begin, end, chunks)):
            windows, drive = workspace.windows[place + sample - begin], workspace.drive[chunk]
            if together:
                copy(workspace.ahead[chunk, i, : len(drive)], drive)
            elif layout.pixels:
                drive_from_pixels(layout, synapses.weights, windows, drive)
            else:
                drive_from_bits(layout, synapses.weights, windows, drive)
            predictions[sample] = relax(
                layout, synapses, workspace, chunk, labels[first + sample], sample, phases
            )


@parallel
def _relax_all(layout, synapses, workspace, x, labels, first, count, phases, predictions, threads):
    for turn in prange(threads):
        chunk = np.int64(turn)  # unsigned, with a signed number it would become a float
        _relax_chunk(
            layout, synapses, workspace, x, labels, first, count, phases, predictions, chunk,
            threads,
        )  # fmt: skip


@parallel
def _learn_all(
    layout, synapses, latents, dirty, workspace, samples, tau, flipping, totals, threads
):
    for chunk in prange(threads):
        learn(
            layout, synapses, latents, dirty, workspace, samples, tau, chunk, threads, flipping,
            totals,
        )  # fmt: skip


@driver
def infer(layout, synapses, workspace, x, labels, first, count, predictions, threads):
    """Predict samples."""
    chunk, none = np.int64(0), np.int64(0)
    if threads == 1:
        _relax_chunk(
            layout, synapses, workspace, x, labels, first, count, none, predictions, chunk, threads
        )
    else:
        _relax_all(layout, synapses, workspace, x, labels, first, count, none, predictions, threads)


@driver
def train(
    layout, synapses, latents, dirty, workspace, x, labels, first, count, pending, batch, tau,
    phases, predictions, totals, flush, threads,
):  # fmt: skip
    """Learn from samples, batch after batch; return the samples left pending."""
    done, batches, chunk = 0, 0, np.int64(0)
    while done < count:
        n = min(count - done, batch - pending, BLOCK)
        at, said, drawn = first + done, predictions[done:], phases[batches]
        if threads == 1:
            _relax_chunk(layout, synapses, workspace, x, labels, at, n, drawn, said, chunk, threads)
        else:
            _relax_all(layout, synapses, workspace, x, labels, at, n, drawn, said, threads)
        pending += n
        done += n
        flipping = pending == batch or (flush and done == count)
        if threads == 1:
            learn(
                layout, synapses, latents, dirty, workspace, n, tau, chunk, threads, flipping,
                totals,
            )  # fmt: skip
        else:
            _learn_all(
                layout, synapses, latents, dirty, workspace, n, tau, flipping, totals, threads
            )
        if flipping:
            pending = 0
            batches += 1
            count_ones(layout, synapses)
    return pending
