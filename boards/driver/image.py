"""A network's image: weights, latents and settings, as a machine of one design keeps them.

A program in C loads it from its memory, and saves one there. It is, integers low byte first,

======== ============================================================================
magic    8 bytes: ``popflip``, and the number of this layout
identity 16 bytes: of the design
bytes    u32, of what follows but the CRC
settings u32 each: registers ``batch``, ``options``, ``seed``, and a flip threshold of each layer
memories regions from the first weights on, in order, as the host link has them
CRC      u32, that of zlib, of all bytes before it
======== ============================================================================
"""

import struct
import zlib
from dataclasses import dataclass
from itertools import islice

import numpy as np

from popflip.golden.description.layout import Region
from popflip.golden.description.packing import (
    latents_from_bytes,
    latents_to_bytes,
    weights_from_bytes,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTITY_BYTES
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState

__all__ = ["ImageError", "NetworkImage", "c_array", "image_bytes"]

_MAGIC = b"popflip\x01"
_HEAD = struct.Struct(f"<8s{IDENTITY_BYTES}sI")
_WORD = struct.Struct("<I")

#: Registers before the thresholds.
_SETTINGS = ("batch", "options", "seed")


class ImageError(InputError):
    """Bytes that are no image of this design; the message is one line for the user."""


@dataclass(frozen=True)
class NetworkImage:
    """What an image holds.

    Attributes
    ----------
    state : NetworkState
    batch : int
        Samples between flips.
    reset_on_flip : bool
    tau : tuple of int
        Flip thresholds.
    """

    state: NetworkState
    batch: int
    reset_on_flip: bool
    tau: tuple[int, ...]

    def pack(self, params: Params, identity: bytes) -> bytes:
        """Write the image.

        Parameters
        ----------
        params : Params
            Of the design.
        identity : bytes
        """
        settings = (self.batch, int(self.reset_on_flip), self.state.sign_state, *self.tau)
        body = struct.pack(f"<{len(settings)}I", *settings)
        for layer in range(params.depth):
            shape = params.synapses(layer)
            body += weights_to_bytes(shape, self.state.weights[layer]).tobytes()
            if params.machine.training:
                body += latents_to_bytes(shape, self.state.latents[layer]).tobytes()
        image = _HEAD.pack(_MAGIC, identity, len(body)) + body
        return image + _WORD.pack(zlib.crc32(image))

    @classmethod
    def unpack(cls, params: Params, identity: bytes, image: bytes) -> "NetworkImage":
        """Read an image.

        Parameters
        ----------
        params : Params
            Of the design.
        identity : bytes
        image : bytes

        Raises
        ------
        ImageError
            If it is damaged, or of another design.
        """
        if len(image) < _HEAD.size or image[: len(_MAGIC)] != _MAGIC:
            raise ImageError("this is no image of a network, or one of another popflip")
        _, found, n = _HEAD.unpack_from(image)
        if found != identity:
            raise ImageError(
                f"the image is of design {found.hex()}, not {identity.hex()}: of another network, "
                "or behind another front end"
            )
        wanted = image_bytes(params)
        if len(image) != wanted or n != wanted - _HEAD.size - _WORD.size:
            raise ImageError(f"the image must have {wanted} bytes, not {len(image)}")
        if zlib.crc32(image[: -_WORD.size]) != _WORD.unpack(image[-_WORD.size :])[0]:
            raise ImageError("the image is damaged: its CRC is wrong")
        count = len(_SETTINGS) + params.depth
        batch, options, seed, *tau = struct.unpack_from(f"<{count}I", image, _HEAD.size)
        at, words = _HEAD.size + count * _WORD.size, {}
        for region in _memories(params):
            words[region.name] = np.frombuffer(image, np.uint8, region.n_bytes, at)
            at += region.n_bytes
        weights, latents, regions = [], [], params.regions
        for layer in range(params.depth):
            shape = params.synapses(layer)
            weights.append(weights_from_bytes(shape, words[regions.weights(layer).name]))
            if params.machine.training:
                latents.append(latents_from_bytes(shape, words[regions.latents(layer).name]))
            else:
                latents.append(np.zeros((shape.rows, shape.row_bits), np.int16))
        reset_on_flip = bool(params.registers["options"]["reset_on_flip"].get(options))
        return cls(NetworkState(weights, latents, seed), batch, reset_on_flip, tuple(tau))


def image_bytes(params: Params) -> int:
    """Return how long the image of a network is."""
    settings = _WORD.size * (len(_SETTINGS) + params.depth)
    return _HEAD.size + settings + sum(r.n_bytes for r in _memories(params)) + _WORD.size


def _memories(params: Params) -> list[Region]:
    """Regions that an image has."""
    return list(islice(params.regions, params.regions.weights(0).index, None))


def c_array(name: str, data: bytes, about: str) -> str:
    """Write bytes as a constant array in C, which a source file may include.

    Parameters
    ----------
    name : str
        Of the array.
    data : bytes
    about : str
        A line of comment.
    """
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "\n".join([
        f"/* {about} */",
        f"static const unsigned char {name}[{len(data)}] = {{",
        *("    " + ", ".join(f"0x{byte:02x}" for byte in row) + "," for row in rows),
        "};",
        "",
    ])
