"""Bit order, stated once.

Everywhere a vector of bits becomes a word, element 0 is bit 0, the least significant. A word
becomes bytes least significant byte first, padded with zeros to whole bytes. A weight bit is 1 for
+1 and 0 for -1; an activation bit is 1 for the larger value. A latent accumulator is a two's
complement field of its word.

The host sees every memory of the machine as a *region*: words of one width, numbered from 0
(:class:`popflip.golden.description.layout.MemoryMap`). The functions ``*_to_bytes`` and
``*_from_bytes`` convert between NumPy arrays in their mathematical shape and the bytes of a region.
"""

import numpy as np

from popflip.golden.description.layout import Synapses
from popflip.golden.description.params import Params

__all__ = [
    "bits_to_bytes",
    "bytes_to_bits",
    "latents_from_bytes",
    "latents_to_bytes",
    "pack_samples",
    "weights_from_bytes",
    "weights_to_bytes",
]


def bits_to_bytes(bits):
    """Pack the last axis into bytes: element 0 is bit 0 of byte 0.

    Parameters
    ----------
    bits : ndarray of bool, shape (..., n)

    Returns
    -------
    ndarray of uint8, shape (..., ceil(n / 8))
    """
    return np.packbits(np.asarray(bits, bool), axis=-1, bitorder="little")


def bytes_to_bits(data, n):
    """Undo :func:`bits_to_bytes`: the first ``n`` bits of each row.

    Parameters
    ----------
    data : ndarray of uint8, shape (..., ceil(n / 8))
    n : int

    Returns
    -------
    ndarray of bool, shape (..., n)
    """
    return np.unpackbits(np.asarray(data, np.uint8), axis=-1, bitorder="little", count=n).view(bool)


def pack_samples(params: Params, x, labels):
    """Pack samples as the machine's sample buffer reads them.

    Each of a sample's words (:attr:`Params.sample_words`) is padded to whole bytes; the label
    follows in one byte.

    Parameters
    ----------
    params : Params
    x : ndarray of bool, shape (n, n_in)
        Input bits.
    labels : ndarray of int, shape (n,)
        Classes, 0 to ``classes - 1``.

    Returns
    -------
    ndarray of uint8, shape (n, sample_bytes)
    """
    x = np.asarray(x, bool)
    n = len(x)
    padded = np.zeros((n, params.sample_words * params.sample_word_bits), bool)
    padded[:, : params.n_in] = x
    words = padded.reshape(n, params.sample_words, params.sample_word_bits)
    packed = bits_to_bytes(words).reshape(n, -1)
    return np.concatenate([packed, np.asarray(labels, np.uint8)[:, None]], axis=1)


def _rows_padded(values, shape: Synapses, dtype):
    """Cut rows into chunks: (rows, row_bits) -> (rows, chunks, word_bits), zero-padded."""
    padded = np.zeros((shape.rows, shape.chunks * shape.word_bits), dtype)
    padded[:, : shape.row_bits] = values
    return padded.reshape(shape.rows, shape.chunks, shape.word_bits)


def _weight_addresses(shape: Synapses):
    """Addresses of all slices of all chunks in region ``weights<l>``: (rows, chunks, slices)."""
    rows = np.arange(shape.rows)[:, None, None]
    in_bank = shape.slot(rows) * shape.chunks + np.arange(shape.chunks)[:, None]
    part = shape.bank(rows) * shape.slices + np.arange(shape.slices)
    return (part << shape.part_bits) + in_bank


def weights_to_bytes(shape: Synapses, weights):
    """Lay out one layer's weights as region ``weights<l>``.

    Parameters
    ----------
    shape : Synapses
    weights : ndarray of bool, shape (rows, row_bits)

    Returns
    -------
    ndarray of uint8, shape (depth of the region, word_bytes)
    """
    chunked = _rows_padded(weights, shape, bool)
    padded = np.zeros((*chunked.shape[:2], shape.slices * shape.slice_bits), bool)
    padded[..., : shape.word_bits] = chunked
    words = np.zeros((shape.weight_region_depth, shape.slice_bits), bool)
    words[_weight_addresses(shape)] = padded.reshape(*chunked.shape[:2], shape.slices, -1)
    return bits_to_bytes(words)


def weights_from_bytes(shape: Synapses, data):
    """Undo :func:`weights_to_bytes`."""
    data = np.asarray(data).reshape(shape.weight_region_depth, -1)
    words = bytes_to_bits(data, shape.slice_bits)[_weight_addresses(shape)]
    chunked = words.reshape(shape.rows, shape.chunks, -1)[..., : shape.word_bits]
    return chunked.reshape(shape.rows, -1)[:, : shape.row_bits]


def _latent_addresses(shape: Synapses):
    """Addresses of all parts of all words in region ``latents<l>``: (latent_depth, parts)."""
    part = np.arange(len(shape.latent_part_widths)) << shape.latent_part_bits
    return np.arange(shape.latent_depth)[:, None] + part


def latents_to_bytes(shape: Synapses, latents):
    """Lay out one layer's latent accumulators as region ``latents<l>``.

    Parameters
    ----------
    shape : Synapses
    latents : ndarray of int16, shape (rows, row_bits)

    Returns
    -------
    ndarray of uint8, shape (depth of the region, word_bytes)
    """
    chunked = _rows_padded(latents, shape, np.int16)
    padded = np.zeros((shape.rows, shape.chunks, shape.steps * shape.latent_lanes), np.int16)
    padded[..., : shape.word_bits] = chunked
    spaced = np.zeros((shape.rows, shape.latent_stride, shape.latent_lanes), np.int16)
    spaced[:, : shape.chunks * shape.steps] = padded.reshape(shape.rows, -1, shape.latent_lanes)
    fields = spaced.reshape(shape.latent_depth, shape.latent_lanes)
    bits = (fields[..., None].view(np.uint16) >> np.arange(shape.latent_bits, dtype=np.uint16)) & 1
    parts, first = shape.latent_part_widths, shape.latent_part_widths[0]
    padded_bits = np.zeros((shape.latent_depth, len(parts) * first), bool)
    padded_bits[:, : sum(parts)] = bits.reshape(shape.latent_depth, -1)
    words = np.zeros((len(parts) << shape.latent_part_bits, first), bool)
    words[_latent_addresses(shape)] = padded_bits.reshape(shape.latent_depth, len(parts), first)
    return bits_to_bytes(words[: shape.latent_region_depth])


def latents_from_bytes(shape: Synapses, data):
    """Undo :func:`latents_to_bytes`."""
    addresses, width = _latent_addresses(shape), shape.latent_lanes * shape.latent_bits
    data = np.asarray(data).reshape(shape.latent_region_depth, -1)
    bits = bytes_to_bits(data, shape.latent_part_widths[0])[addresses]
    bits = bits.reshape(shape.latent_depth, -1)[:, :width]
    bits = bits.reshape(shape.latent_depth, shape.latent_lanes, shape.latent_bits)
    weights = 1 << np.arange(shape.latent_bits, dtype=np.int32)
    weights[-1] = -weights[-1]
    fields = (bits * weights).sum(-1).astype(np.int16)
    used = fields.reshape(shape.rows, shape.latent_stride, -1)[:, : shape.chunks * shape.steps]
    padded = used.reshape(shape.rows, shape.chunks, shape.steps * shape.latent_lanes)
    return padded[..., : shape.word_bits].reshape(shape.rows, -1)[:, : shape.row_bits]
