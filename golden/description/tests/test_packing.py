"""Bit order by examples written out by hand, and round trips at sizes that fill no word."""

import numpy as np
import pytest

from popflip.golden.description.layout import Synapses
from popflip.golden.description.packing import (
    bits_to_bytes,
    bytes_to_bits,
    latents_from_bytes,
    latents_to_bytes,
    pack_samples,
    weights_from_bytes,
    weights_to_bytes,
)
from popflip.golden.description.params import Params


def synapses(**changes):
    """Six rows of five weights in words of two, in blocks of three rows, without banks."""
    shape = {
        "layer": 0,
        "rows": 6,
        "row_bits": 5,
        "word_bits": 2,
        "banks": 1,
        "block": 3,
        "latent_lanes": 2,
        "latent_bits": 4,
    }
    return Synapses(**{**shape, **changes})


#: Layouts in which something does not divide: (id, changes to :func:`synapses`).
SHAPES = {
    "one of each": {"rows": 1, "row_bits": 1, "word_bits": 1, "block": 1, "latent_lanes": 1},
    "padded last word": {},
    "word is the row": {"word_bits": 5, "latent_lanes": 5},
    "padded last latents": {"word_bits": 5, "latent_lanes": 2},
    "padded both": {"row_bits": 7, "word_bits": 3, "latent_lanes": 2, "latent_bits": 5},
    "padded last group": {"banks": 2},
    "a bank per row": {"banks": 3},
    "wide": {"rows": 14, "row_bits": 100, "word_bits": 37, "banks": 5, "block": 7},
    "narrow latents": {"latent_bits": 2},
    "wide latents": {"latent_bits": 16},
    "odd latents": {"word_bits": 5, "latent_lanes": 3, "latent_bits": 11},
    "shared latents": {"word_bits": 5, "shared": True},
    "sliced weights": {"row_bits": 7, "word_bits": 5, "banks": 2, "weight_slice": 2},
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def shape(request):
    return synapses(**request.param)


# Bits and bytes ---------------------------------------------------------------------------------


def test_bit_0_is_the_least_significant():
    assert bits_to_bytes([1, 0, 0, 0, 0, 0, 0, 0]).tolist() == [0x01]
    assert bits_to_bytes([0, 0, 0, 0, 0, 0, 0, 1]).tolist() == [0x80]
    assert bits_to_bytes([0, 1, 1]).tolist() == [0x06]


def test_byte_0_is_the_least_significant_and_the_last_is_padded_with_zeros():
    bits = [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    assert bits_to_bytes(bits).tolist() == [0x03, 0x05]


@pytest.mark.parametrize("n", [1, 7, 8, 9, 31, 100, 784])
def test_bits_come_back(n):
    bits = np.random.default_rng(n).random((3, 2, n)) < 0.5
    data = bits_to_bytes(bits)
    assert data.shape == (3, 2, (n + 7) // 8)
    back = bytes_to_bits(data, n)
    assert back.dtype == bool
    np.testing.assert_array_equal(back, bits)


# Samples ----------------------------------------------------------------------------------------


def dense(row_lanes):
    """Describe a dense network on images of 2 by 5 bits."""
    return Params.build({
        "network": {"image": [2, 5], "hidden": [3], "classes": 2},
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {"row_lanes": row_lanes, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })


def local(**network):
    """Describe a local network on images of 2 by 5 pixels."""
    first = {"first": "local", "window": 2, "stride": 1, "features": 1}
    return Params.build({
        "network": {"image": [2, 5], **first, "classes": 2, **network},
        "dynamics": {"gains": [1, 1]},
        "learning": {"tau": [1, 1]},
        "machine": {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]},
    })


#: A sample of ten bits: 1101 0010 11, read from bit 0.
TEN_BITS = [[1, 1, 0, 1, 0, 0, 1, 0, 1, 1]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param(dense(10), [0b0100_1011, 0b11, 1], id="one word of two bytes"),
        pytest.param(dense(8), [0b0100_1011, 0b11, 1], id="a padded last word"),
        pytest.param(dense(4), [0b1011, 0b0100, 0b11, 1], id="words below a byte"),
        pytest.param(dense(9), [0b0100_1011, 0b1, 0b1, 0, 1], id="words above a byte"),
        pytest.param(local(), [0b01011, 0b11010, 1], id="an image row per word"),
    ],
)
def test_sample_words_by_hand(params, expected):
    packed = pack_samples(params, TEN_BITS, [1])
    assert packed.dtype == np.uint8
    assert packed.tolist() == [expected]
    assert params.sample_bytes == len(expected)


def test_planes_of_a_pixel_lie_side_by_side():
    params = local(thresholds=[85, 170])
    x = np.zeros((1, 20), bool)
    x[0, [0, 3, 18]] = True  # pixel 0 plane 0, pixel 1 plane 1, last pixel plane 0
    # An image row is 5 pixels of 2 planes: 10 bits in 2 bytes.
    assert pack_samples(params, x, [0]).tolist() == [[0b1001, 0, 0, 0b1, 0]]


def test_samples_keep_their_order_and_labels():
    params = Params.load("local-small")
    rng = np.random.default_rng(3)
    x = rng.random((4, params.n_in)) < 0.5
    labels = np.array([9, 0, 7, 1])
    packed = pack_samples(params, x, labels)
    assert packed.shape == (4, params.sample_bytes)
    assert packed[:, -1].tolist() == labels.tolist()
    rows = bytes_to_bits(packed[:, :-1].reshape(4, 28, 4), 28)
    np.testing.assert_array_equal(rows.reshape(4, 784), x)


# Weights ----------------------------------------------------------------------------------------


def test_weight_words_by_hand():
    shape = synapses(rows=2, block=2)
    weights = np.array([[1, 0, 1, 1, 1], [0, 1, 0, 0, 0]], bool)
    # Chunks of two bits, bit 0 first: 10 11 1, 01 00 0.
    expected = [[0b01], [0b11], [0b01], [0b10], [0b00], [0b00]]
    assert weights_to_bytes(shape, weights).tolist() == expected


def test_banked_weight_words_by_hand():
    # Two positions with three neurons each, two banks: of each position rows 0 and 2 are in bank
    # 0, row 1 is in bank 1, the second word of which is empty.
    shape = synapses(row_bits=2, banks=2)
    weights = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [0, 1], [1, 0]], bool)
    expected = [[0b01], [0b10], [0b00], [0b01], [0b11], [0b00], [0b10], [0b00]]
    assert weights_to_bytes(shape, weights).tolist() == expected


def test_weights_come_back(shape):
    weights = np.random.default_rng(5).random((shape.rows, shape.row_bits)) < 0.5
    data = weights_to_bytes(shape, weights)
    assert data.dtype == np.uint8
    parts = shape.banks * shape.slices
    depth = (parts - 1) * (1 << shape.part_bits) + shape.weight_depth
    assert data.shape == (depth, (shape.slice_bits + 7) // 8)
    assert np.unpackbits(data).sum() == weights.sum(), "padding is not zero"
    np.testing.assert_array_equal(weights_from_bytes(shape, data), weights)


def test_each_weight_has_its_own_bit(shape):
    seen = set()
    for row, i in np.ndindex(shape.rows, shape.row_bits):
        weights = np.zeros((shape.rows, shape.row_bits), bool)
        weights[row, i] = True
        bits = bytes_to_bits(weights_to_bytes(shape, weights), shape.slice_bits)
        (word,), (bit,) = np.nonzero(bits)
        # The bank, the address in it, and the slice that Synapses documents.
        chunk, lane = divmod(i, shape.word_bits)
        part, address = divmod(word, 1 << shape.part_bits)
        bank, number = divmod(part, shape.slices)
        assert (bank, address) == (shape.bank(row), shape.slot(row) * shape.chunks + chunk)
        assert number * shape.slice_bits + bit == lane
        seen.add((word, bit))
    assert len(seen) == shape.rows * shape.row_bits


# Latents ----------------------------------------------------------------------------------------


def test_latent_words_by_hand():
    shape = synapses(rows=1, row_bits=3, block=1)
    # Two fields of 4 bits in a word, lane 0 in the low bits: 3 and -1, then -7 and padding.
    latents = np.array([[3, -1, -7]], np.int16)
    assert latents_to_bytes(shape, latents).tolist() == [[0xF3], [0x09]]


def test_latent_fields_cross_byte_boundaries():
    # Three fields of 6 bits, -1, 1 and -31: 18 bits, 100001 000001 111111 from the top.
    shape = synapses(rows=1, row_bits=3, word_bits=3, block=1, latent_lanes=3, latent_bits=6)
    latents = np.array([[-1, 1, -31]], np.int16)
    assert latents_to_bytes(shape, latents).tolist() == [[0b01_111111, 0b0001_0000, 0b10]]


def test_latents_come_back(shape):
    top = (1 << (shape.latent_bits - 1)) - 1
    size = (shape.rows, shape.row_bits)
    latents = np.random.default_rng(6).integers(-top, top, size, np.int16, endpoint=True)
    latents.flat[0], latents.flat[-1] = top, -top
    data = latents_to_bytes(shape, latents)
    assert data.dtype == np.uint8
    assert data.shape == (shape.latent_depth, (shape.latent_lanes * shape.latent_bits + 7) // 8)
    back = latents_from_bytes(shape, data)
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, latents)


def test_each_latent_has_its_own_field(shape):
    for row, i in np.ndindex(shape.rows, shape.row_bits):
        latents = np.zeros((shape.rows, shape.row_bits), np.int16)
        latents[row, i] = 1
        width = shape.latent_lanes * shape.latent_bits
        bits = bytes_to_bits(latents_to_bytes(shape, latents), width)
        (word,), (bit,) = np.nonzero(bits)
        # The address that Synapses documents.
        chunk, in_chunk = divmod(i, shape.word_bits)
        step, lane = divmod(in_chunk, shape.latent_lanes)
        assert word == row * shape.latent_stride + chunk * shape.steps + step
        assert bit == lane * shape.latent_bits


def test_a_wide_sliced_word_of_latents_is_given_in_parts():
    shape = synapses(rows=3, row_bits=100, word_bits=100, block=1, latent_lanes=100, latent_bits=6)
    shape = shape._replace(latent_slice=9)
    assert (shape.latent_part_widths, shape.latent_part_bits) == ([252, 252, 96], 2)
    latents = np.random.default_rng(3).integers(-31, 32, (3, 100), np.int16)
    data = latents_to_bytes(shape, latents)
    assert data.shape == (2 * 4 + 3, 32)
    assert not data[3].any()
    assert not data[7].any()
    words = [sum((int(v) & 63) << 6 * i for i, v in enumerate(row)) for row in latents]
    for part, width in enumerate(shape.latent_part_widths):
        for row, word in enumerate(words):
            there = int.from_bytes(data[4 * part + row].tobytes(), "little")
            assert there == word >> 252 * part & (1 << width) - 1
    np.testing.assert_array_equal(latents_from_bytes(shape, data), latents)
