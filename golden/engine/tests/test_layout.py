"""Packed words."""

import numpy as np
import pytest

from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.engine.layout import layout_of, packed_bits, packed_bytes


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
def test_bits_are_packed_from_bit_0_on_and_padded_with_zeros(n):
    bits = np.random.default_rng(n).random((3, n)) < 0.5
    words = packed_bits(bits)
    assert words.dtype == np.uint64
    assert words.shape == (3, -(-n // 64))
    for row, packed in zip(bits, words.tolist(), strict=True):
        number = sum(word << 64 * k for k, word in enumerate(packed))
        assert number == sum(1 << i for i in np.flatnonzero(row).tolist())


def test_bytes_are_packed_from_the_low_bits_on():
    (words,) = packed_bytes(np.arange(1, 11, dtype=np.uint8)[None])
    assert [hex(word) for word in words.tolist()] == ["0x807060504030201", "0xa09"]


@pytest.mark.parametrize("preset", preset_names())
def test_every_row_and_every_neuron_has_its_words(preset):
    params = Params.load(preset)
    layout = layout_of(params)
    assert layout.base[0] == layout.rows[0] == layout.place[1] == 0
    for layer in range(params.depth):
        shape = params.synapses(layer)
        assert layout.rows[layer + 1] - layout.rows[layer] == shape.rows
        assert layout.base[layer + 1] - layout.base[layer] == shape.rows * layout.row_words[layer]
        assert layout.row_words[layer] == -(-shape.row_bits // 64)
        ones = int(layout.row_tails[layer]).bit_count()
        assert 64 * (layout.row_words[layer] - 1) + ones == shape.row_bits
    for layer in range(1, params.depth + 1):
        ones = int(layout.tails[layer]).bit_count()
        assert 64 * (layout.words[layer] - 1) + ones == params.sizes[layer]
