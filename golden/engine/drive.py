"""The drive: what layer 1 receives from the clamped input, computed once per sample."""

import numpy as np

from popflip.golden.engine.compilation import compiled, inlined
from popflip.golden.engine.lanes import (
    ABREAST,
    ENTRIES,
    LANES,
    TOGETHER,
    add_found,
    complete,
    look_both,
    look_unlike,
    popcount,
    sum_where,
    word_at,
)
from popflip.golden.engine.layout import TILE

__all__ = [
    "abreast_of",
    "cut_windows",
    "drive_from_bits",
    "drive_from_pixels",
    "drive_together",
    "pack_lines",
]

#: Offsets that a window may have, a power of two: so many low bits of a key.
OFFSET_BITS = 8
MOST_OFFSETS = 1 << OFFSET_BITS

#: Less than any key.
LEAST = -(1 << 62)

#: Words of a row whose pixels are summed up at once.
_SUMMED = 64


@compiled
def pack_lines(layout, x, top, height, left, into, at):
    """Pack part of an image: bits from ``left`` on of some lines end to end, from a word on."""
    span, full = layout.span, np.uint64(LANES)
    gathered, n_gathered = np.uint64(0), 0
    for line in range(top, top + height):
        for begin in range(left, left + span, LANES):
            n = min(LANES, left + span - begin)
            word, offset = line * layout.line_words + (begin >> 6), begin & 63
            bits = x[word] >> np.uint64(offset)
            if offset + n > LANES:
                bits |= x[word + 1] << (full - np.uint64(offset))
            if n < LANES:
                bits &= (np.uint64(1) << np.uint64(n)) - np.uint64(1)
            gathered |= bits << np.uint64(n_gathered)
            n_gathered += n
            if n_gathered >= LANES:
                into[at] = gathered
                at += 1
                n_gathered -= LANES
                # What did not fit; a shift by all 64 would be none.
                gathered = np.uint64(0)
                if n_gathered:
                    gathered = bits >> np.uint64(n - n_gathered)
    if n_gathered:
        into[at] = gathered


@compiled
def cut_windows(layout, x, strips, seen):
    """Pack what each window sees of an image: its lines end to end."""
    full, top = np.uint64(LANES), np.int64(0)
    for strip in range(len(layout.strips)):
        at = strip * layout.strip_words
        pack_lines(layout, x, top, layout.lines, layout.strips[strip], strips, at)
    words = layout.window_words
    for window in range(len(layout.window_strips)):
        # Windows of a strip lie in it one line after the other.
        begin = layout.window_tops[window] * layout.span
        at = layout.window_strips[window] * layout.strip_words + (begin >> 6)
        into, offset = window * layout.seen_words, np.uint64(begin & 63)
        if offset:
            for k in range(words):
                low = word_at(strips, at + k) >> offset
                seen[into + k] = low | word_at(strips, at + k + 1) << (full - offset)
        else:
            for k in range(words):
                seen[into + k] = word_at(strips, at + k)
        seen[into + words - 1] &= layout.window_tail


@inlined
def abreast_of(layout, place, k):
    """Where word ``k`` of a row lies among those that lie side by side.

    ``place`` is the row's number if every position is filled up to whole vectors.
    """
    return (place // ABREAST * layout.row_words[0] + k) * ABREAST + place % ABREAST


@inlined
def _look(layout, keys, at, rows, first, seen, window, ones, offset):
    """Raise the keys of some neurons to what they see in a window."""
    words = layout.row_words[0]
    begin = window * words
    # The dot product, and behind it the offset so that the lowest is the greatest.
    base = MOST_OFFSETS - 1 - offset
    if layout.sign:
        base += layout.sizes[0] * MOST_OFFSETS
        look_unlike(keys, at, rows, first, seen, begin, words, -2 * MOST_OFFSETS, base)
    else:
        base -= ones * MOST_OFFSETS
        look_both(keys, at, rows, first, seen, begin, words, 2 * MOST_OFFSETS, base)


@compiled
def _dots_of_all_windows(layout, abreast, seen, ones, dots):
    """Dot products of shared rows with each window, as keys of the lowest offset."""
    words, n = layout.row_words[0], layout.abreast
    dots[:] = LEAST
    for window in range(len(layout.window_strips)):
        for at in range(0, n, ABREAST):
            _look(layout, dots, window * n + at, abreast, at * words, seen, window, ones[window], 0)


@compiled
def drive_from_bits(layout, abreast, seen, ones, dots, keys, drive, offsets):
    """Potential of layer 1 from the input alone, minus its threshold; and the windows' offsets."""
    words, n, block = layout.row_words[0], layout.abreast, layout.block
    gain, threshold, blank = layout.gains[0], layout.threshold, not layout.sign
    for window in range(len(layout.window_strips)):
        ones[window] = 0
        for k in range(window * words, (window + 1) * words):
            ones[window] += popcount(seen[k])
    if layout.shared:
        _dots_of_all_windows(layout, abreast, seen, ones, dots)
    for position in range(layout.positions):
        keys[:] = LEAST
        for look in range(layout.looks[position], layout.looks[position + 1]):
            window, offset = layout.look_windows[look], layout.look_offsets[look]
            if blank and not ones[window]:
                # Whatever the weights: of such windows the first counts.
                key = MOST_OFFSETS - 1 - offset
                for i in range(n):
                    keys[i] = max(keys[i], key)
            elif layout.shared:
                at = window * n
                for i in range(n):
                    keys[i] = max(keys[i], dots[at + i] - offset)
            else:
                first = position * n * words
                for at in range(0, n, ABREAST):
                    _look(
                        layout, keys, at, abreast, first + at * words, seen, window, ones[window],
                        offset,
                    )  # fmt: skip
        neuron = position * block
        for i in range(block):
            drive[neuron + i] = gain * (keys[i] >> OFFSET_BITS) - threshold
            offsets[neuron + i] = MOST_OFFSETS - 1 - (keys[i] & (MOST_OFFSETS - 1))


@compiled
def drive_from_pixels(layout, weights, seen, drive, offsets):
    """Potential of layer 1 from pixels of 8 bits alone, minus its threshold; and the offsets."""
    words, gain, threshold, block = (
        layout.row_words[0],
        layout.gains[0],
        layout.threshold,
        layout.block,
    )
    for position in range(layout.positions):
        neuron, row = position * block, 0 if layout.shared else position * block
        begin = layout.looks[position]
        for look in range(begin, layout.looks[position + 1]):
            at = layout.look_windows[look] * layout.seen_words
            # Images are often blank at their edges: words that see nothing are left out.
            first, end = 0, words
            while first < end and _blank(seen, at + 8 * first):
                first += 1
            while first < end and _blank(seen, at + 8 * (end - 1)):
                end -= 1
            whole = _sum(seen, at, layout.everything, 0, first, end)
            for i in range(block):
                dot = 2 * _sum(seen, at, weights, (row + i) * words, first, end) - whole
                if look == begin or dot > drive[neuron + i]:
                    drive[neuron + i] = dot
                    offsets[neuron + i] = layout.look_offsets[look]
        for i in range(neuron, neuron + block):
            drive[i] = (gain * np.int64(drive[i]) >> 8) - threshold


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
def drive_together(layout, weights, windows, tables, sums, seeing, drives, offsets):
    """Potentials of layer 1 from pixels of 8 bits alone, minus its threshold, of some samples."""
    words, gain, threshold, block = (
        layout.row_words[0],
        layout.gains[0],
        layout.threshold,
        layout.block,
    )
    whole = sums[TILE * TOGETHER :]
    for position in range(layout.positions):
        neuron, row = position * block, 0 if layout.shared else position * block
        begin = layout.looks[position]
        for look in range(begin, layout.looks[position + 1]):
            at = layout.look_windows[look] * layout.seen_words
            n = _tabulate(layout, windows, at, tables, seeing)
            whole[:] = 0
            for k in range(n):
                add_found(whole, 0, tables, k * ENTRIES, ~np.uint64(0))
            for first in range(0, block, TILE):
                tile = min(TILE, block - first)
                sums[: tile * TOGETHER] = 0
                for k in range(n):
                    for i in range(tile):
                        word = word_at(weights, (row + first + i) * words + seeing[k])
                        add_found(sums, i * TOGETHER, tables, k * ENTRIES, word)
                for i in range(tile):
                    for sample in range(len(windows)):
                        dot = 2 * sums[i * TOGETHER + sample] - whole[sample]
                        if look == begin or dot > drives[sample, neuron + first + i]:
                            drives[sample, neuron + first + i] = dot
                            offsets[sample, neuron + first + i] = layout.look_offsets[look]
        for sample in range(len(windows)):
            for i in range(neuron, neuron + block):
                drives[sample, i] = (gain * np.int64(drives[sample, i]) >> 8) - threshold


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
