"""The drive: what layer 1 receives from the clamped input, computed once per sample."""

import numpy as np

from popflip.golden.engine.compilation import compiled, inlined
from popflip.golden.engine.lanes import (
    ENTRIES,
    LANES,
    TOGETHER,
    add_found,
    complete,
    sum_where,
    word_at,
)
from popflip.golden.engine.layout import TILE
from popflip.golden.engine.words import common, unlike

__all__ = ["cut_windows", "drive_from_bits", "drive_from_pixels", "drive_together"]

#: Words of a row whose pixels are summed up at once.
_SUMMED = 64


@compiled
def cut_windows(layout, x, windows):
    """Pack what each position sees of an image: rows of the window end to end."""
    image_words, height = layout.image_words, layout.height
    span, full = layout.width * layout.pixel_bits, np.uint64(LANES)
    for position in range(layout.positions):
        top = layout.tops[position]
        left = layout.lefts[position] * layout.pixel_bits
        gathered, n_gathered = np.uint64(0), 0
        into = position * layout.seen_words
        for row in range(top, top + height):
            for at in range(left, left + span, LANES):
                n = min(LANES, left + span - at)
                word, offset = row * image_words + (at >> 6), at & 63
                bits = x[word] >> np.uint64(offset)
                if offset + n > LANES:
                    bits |= x[word + 1] << (full - np.uint64(offset))
                if n < LANES:
                    bits &= (np.uint64(1) << np.uint64(n)) - np.uint64(1)
                gathered |= bits << np.uint64(n_gathered)
                n_gathered += n
                if n_gathered >= LANES:
                    windows[into] = gathered
                    into += 1
                    n_gathered -= LANES
                    # What did not fit; a shift by all 64 would be none.
                    gathered = np.uint64(0)
                    if n_gathered:
                        gathered = bits >> np.uint64(n - n_gathered)
        if n_gathered:
            windows[into] = gathered


@compiled
def drive_from_bits(layout, weights, windows, drive):
    """Potential of layer 1 from the input alone, minus its threshold."""
    words, gain, threshold, block = (
        layout.row_words[0],
        layout.gains[0],
        layout.threshold,
        layout.block,
    )
    row = 0
    for position in range(layout.positions):
        seen = position * words
        neurons = range(position * block, (position + 1) * block)
        if layout.sign:
            for neuron in neurons:
                dot = layout.sizes[0] - 2 * unlike(weights, row, windows, seen, words)
                drive[neuron] = gain * dot - threshold
                row += words
        else:
            ones = common(windows, seen, windows, seen, words)
            for neuron in neurons:
                dot = 2 * common(weights, row, windows, seen, words) - ones
                drive[neuron] = gain * dot - threshold
                row += words


@compiled
def drive_from_pixels(layout, weights, windows, drive):
    """Potential of layer 1 from pixels of 8 bits alone, minus its threshold."""
    words, gain, threshold, block = (
        layout.row_words[0],
        layout.gains[0],
        layout.threshold,
        layout.block,
    )
    for position in range(layout.positions):
        seen = position * layout.seen_words
        # Images are often blank at their edges: words that see nothing are left out.
        first, end = 0, words
        while first < end and _blank(windows, seen + 8 * first):
            first += 1
        while first < end and _blank(windows, seen + 8 * (end - 1)):
            end -= 1
        whole = _sum(windows, seen, layout.everything, 0, first, end)
        for neuron in range(position * block, (position + 1) * block):
            dot = 2 * _sum(windows, seen, weights, neuron * words, first, end) - whole
            drive[neuron] = (gain * dot >> 8) - threshold


@compiled
def _tabulate(layout, windows, seen, tables, seeing):
    """Tabulate the pixels that a position sees of some samples; return the words with tables.

    ``seeing`` says which they are, in order: words that are blank in all samples are left out.
    """
    n = 0
    for k in range(layout.row_words[0]):
        at = seen + k * 8
        blank = True
        for sample in range(len(windows)):
            blank &= _blank(windows[sample], at)
        if blank:
            continue
        first = n * ENTRIES
        for sample in range(len(windows)):
            for eight in range(8):
                pixels = windows[sample, at + eight]
                for i in range(8):
                    entry = first + 32 * eight + 16 * (i >> 2) + (1 << (i & 3))
                    tables[entry * TOGETHER + sample] = pixels >> np.uint64(8 * i) & np.uint64(255)
        for table in range(first, first + ENTRIES, 16):
            complete(tables, table)
        seeing[n] = k
        n += 1
    return n


@compiled
def drive_together(layout, weights, windows, tables, sums, seeing, drives):
    """Potentials of layer 1 from pixels of 8 bits alone, minus its threshold, of some samples."""
    words, gain, threshold, block = (
        layout.row_words[0],
        layout.gains[0],
        layout.threshold,
        layout.block,
    )
    whole = sums[TILE * TOGETHER :]
    for position in range(layout.positions):
        n = _tabulate(layout, windows, position * layout.seen_words, tables, seeing)
        whole[:] = 0
        for k in range(n):
            add_found(whole, 0, tables, k * ENTRIES, ~np.uint64(0))
        end = (position + 1) * block
        for first in range(position * block, end, TILE):
            tile = min(TILE, end - first)
            sums[: tile * TOGETHER] = 0
            for k in range(n):
                for i in range(tile):
                    word = word_at(weights, (first + i) * words + seeing[k])
                    add_found(sums, i * TOGETHER, tables, k * ENTRIES, word)
            for i in range(tile):
                for sample in range(len(windows)):
                    dot = 2 * np.int64(sums[i * TOGETHER + sample]) - whole[sample]
                    drives[sample, first + i] = (gain * dot >> 8) - threshold


@inlined
def _blank(pixels, at):
    """Whether all 64 pixels are 0."""
    found = np.uint64(0)
    for i in range(8):
        found |= word_at(pixels, at + i)
    return found == 0


@inlined
def _sum(pixels, seen, matrix, row, first, end):
    """Sum of the pixels that are set in the words ``first`` to ``end`` of a row."""
    total = 0
    for k in range(first, end, _SUMMED):
        total += sum_where(pixels, seen + 8 * k, matrix, row + k, min(_SUMMED, end - k))
    return total
