"""Checkpoints: all that a training needs to go on, in one file.

The file is an ``.npz`` of NumPy: ``meta``, a JSON text that says what the checkpoint is of, and the
arrays. Of each array only as much is read as the network must have, whatever the file promises.
"""

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from popflip.golden.datasets.encoder import EDGES, Encoder
from popflip.golden.description.params import Params, ParamsError
from popflip.golden.model import Report
from popflip.golden.support.arrays import array_body, array_header
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import file_errors, write_atomically
from popflip.golden.training.log import EpochLog
from popflip.golden.training.state import NetworkState, check_state

__all__ = [
    "FORMAT",
    "Arrays",
    "CheckpointError",
    "Origin",
    "Streamed",
    "opened_checkpoint",
    "read_checkpoint",
    "read_encoder",
    "save_network",
    "write_checkpoint",
]

#: Of the checkpoints of networks; another number is another layout.
FORMAT = 1

#: Bytes of ``meta`` that are read at most. (Of an array, those that it must have.)
MOST_META = 1 << 26


_Side = Annotated[int, Field(ge=1, le=1024)]


class CheckpointError(InputError):
    """A checkpoint that cannot be used; the message is one line for the user."""

    @classmethod
    def of_another_network(cls, path: str | Path, parts: Sequence[str]) -> "CheckpointError":
        """Return the refusal of a checkpoint some of whose parameters are not what they should be.

        Parameters
        ----------
        path : str or Path
        parts : sequence of str
            Sections of the parameters.
        """
        verb = "differs" if len(parts) == 1 else "differ"
        return cls(f"{path} is of another network: its {', '.join(parts)} {verb}")


class Arrays:
    """The arrays in an opened checkpoint."""

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive

    def text(self, name: str, most: int) -> str:
        """Read a text of at most so many bytes."""
        with self._archive.open(f"{name}.npy") as file:
            shape, kind, _ = array_header(file)
            if shape or kind.kind != "U" or kind.itemsize > most:
                raise InputError(f"{name} is no text, or a long one")
            return str(np.frombuffer(array_body(file, kind.itemsize), kind)[0])

    def read(self, name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Read the array of a name, which must have this shape and type."""
        with self._archive.open(f"{name}.npy") as file:
            found, kind, order = array_header(file)
            if found != tuple(shape) or kind != np.dtype(dtype):
                raise InputError(f"{name} has {kind} of shape {found}")
            n_bytes = int(np.prod(shape, dtype=object)) * kind.itemsize
            return np.frombuffer(array_body(file, n_bytes), kind).reshape(shape, order=order)


@contextmanager
def opened_checkpoint(path: str | Path, layout: int, kind: str) -> Iterator[tuple["Arrays", dict]]:
    """Open a checkpoint; what fails while it is open means that it is damaged.

    Parameters
    ----------
    path : path
    layout : int
        The format that is known.
    kind : str
        What it is to be, for messages.

    Yields
    ------
    Arrays
    dict
        What it says of itself.

    Raises
    ------
    CheckpointError
        If it does not exist, is of another format, or is damaged.
    FileError
        If it cannot be read.
    """
    with file_errors(path):
        try:
            file = open(path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            raise CheckpointError(f"{path} does not exist") from None
    try:
        with file, zipfile.ZipFile(file) as archive:
            arrays = Arrays(archive)
            meta = json.loads(arrays.text("meta", MOST_META))
            if meta["format"] != layout:
                raise CheckpointError(
                    f"{path} is a checkpoint of format {meta['format']}; this popflip reads "
                    f"format {layout}"
                )
            yield arrays, meta
    except CheckpointError:
        raise
    except Exception:  # of zipfile, zlib, NumPy's headers: damage has half a dozen kinds
        raise CheckpointError(f"{path} is not {kind}, or is damaged") from None


@dataclass(frozen=True)
class Origin:
    """Where a training's first network came from, if it was not drawn from the seed: a board.

    Attributes
    ----------
    board : str
        Its serial port.
    design : str
        Its bitstream id, in hexadecimal digits.
    protocol : int
        Version of the host link's protocol.
    batch : int
        Samples between flips.
    tau : list of int
        Flip thresholds.
    reset_on_flip : bool
    pending : int
        Samples of a batch that had not flipped yet; the next batch begins anew.
    """

    board: str
    design: str
    protocol: int
    batch: int
    tau: list[int]
    reset_on_flip: bool
    pending: int


class _Encoding(BaseModel):
    """What a checkpoint says of its encoder: see :meth:`Encoder.describe`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    image: tuple[_Side, _Side]
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=2)]
    columns: list[str]
    categories: list[list[str] | None]
    groups: Annotated[int, Field(ge=0, le=1 << 20)] | None
    per: Literal["value", "row", "all"]
    invert: bool
    resize: Literal["none", "stretch", "pad", "crop"]

    @model_validator(mode="after")
    def _consistent(self) -> "_Encoding":
        if len(self.columns) != len(self.categories):
            raise InputError("each column has its categories")
        if self.resize == "none" and math.prod(self.shape) != math.prod(self.image):
            raise InputError("samples make no such image")
        return self


class Streamed(BaseModel):
    """Samples that a network has learned as they came, after its training.

    Attributes
    ----------
    samples, correct : int
        Learned, and of these predicted rightly before.
    flips : list of int
        Weights flipped, by weight layer.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    samples: Annotated[int, Field(ge=0)]
    correct: Annotated[int, Field(ge=0)]
    flips: list[Annotated[int, Field(ge=0)]]


class _Description(BaseModel):
    """What a checkpoint says of itself: see :meth:`Trainer.save`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: int
    params: dict
    seed: Annotated[int, Field(ge=0)]
    samples: Annotated[int, Field(ge=1)]
    test_samples: Annotated[int, Field(ge=1)]
    data: str
    data_digest: str
    data_source: str | None = None
    classes: Annotated[list[str], Field(max_length=256)] = []
    encoder: _Encoding | None = None
    epoch: Annotated[int, Field(ge=0)]
    position: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    so_far: Report
    history: list[EpochLog]
    sign_state: Annotated[int, Field(ge=1, lt=1 << 32)]
    origin: Origin | None = None
    streamed: Streamed | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "_Description":
        if self.position > self.samples or len(self.history) != self.epoch:
            raise InputError("no training comes to this")
        depth = len(self.params["dynamics"]["gains"])
        for flips in (self.so_far.flips, *(log.flips for log in self.history)):
            if len(flips) != depth or not all(type(count) is int for count in flips):
                raise InputError("flips are counts, one for each weight layer")
        return self


def read_checkpoint(path: str | Path) -> tuple[dict, NetworkState]:
    """Read a checkpoint of a network, and see that it can be one.

    Returns
    -------
    meta : dict
        What :class:`popflip.golden.training.trainer.Trainer` was made with and how far it came;
        ``params`` is a dict that :meth:`Params.build` takes.
    state : NetworkState

    Raises
    ------
    CheckpointError
        If the file does not exist, or is not a whole checkpoint.
    FileError
        If it cannot be read.
    """
    with opened_checkpoint(path, FORMAT, "a checkpoint of popflip") as (arrays, meta):
        _Description.model_validate_json(json.dumps(meta))
        try:
            params = Params.build(meta["params"])
        except ParamsError as error:
            raise CheckpointError(f"{path} holds parameters that are not valid: {error}") from None
        shapes = [params.synapses(layer) for layer in range(params.depth)]
        state = NetworkState(
            [arrays.read(f"weights{l}", (s.rows, s.row_bits), bool) for l, s in enumerate(shapes)],
            [
                arrays.read(f"latents{l}", (s.rows, s.row_bits), np.int16)
                for l, s in enumerate(shapes)
            ],
            meta["sign_state"],
        )
        check_state(params, state)
    return meta, state


def read_encoder(path: str | Path) -> Encoder | None:
    """Read what made the images that a checkpoint's network has learned from.

    Returns
    -------
    Encoder, optional
        None if the checkpoint is of an earlier popflip, or of a data set without one.

    Raises
    ------
    CheckpointError
        As of :func:`read_checkpoint`.
    FileError
        If it cannot be read.
    """
    with opened_checkpoint(path, FORMAT, "a checkpoint of popflip") as (arrays, meta):
        tree = meta.get("encoder")
        if tree is None:
            return None
        _Encoding.model_validate_json(json.dumps(tree))
        groups, edges = tree["groups"], None
        if groups is not None:
            edges = arrays.read("edges", (groups, EDGES), np.float64)
        return Encoder.described(tree, edges)


def save_network(
    path: str | Path, params: Params, state: NetworkState, encoder: Encoder | None, meta: dict
) -> None:
    """Write the checkpoint of a network; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    params : Params
    state : NetworkState
    encoder : Encoder, optional
        What made the images that it has learned from.
    meta : dict
        What else the checkpoint says: of the data, and of how far the training is.
    """
    meta = meta | {
        "format": FORMAT,
        "params": params.model_dump(mode="json"),
        "sign_state": state.sign_state,
    }
    meta.pop("encoder", None)
    arrays = {}
    if encoder is not None:
        meta["encoder"] = encoder.describe()
        if encoder.edges is not None:
            arrays["edges"] = encoder.edges
    for layer, (weights, latents) in enumerate(zip(state.weights, state.latents, strict=True)):
        arrays[f"weights{layer}"], arrays[f"latents{layer}"] = weights, latents
    write_checkpoint(path, meta, arrays)


def write_checkpoint(
    path: str | Path, meta: dict, arrays: Mapping[str, np.ndarray], compress: bool = True
) -> None:
    """Write a checkpoint; the file appears whole or not at all."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    content: dict = {"meta": np.array(json.dumps(meta)), **arrays}
    save(buffer, **content)
    write_atomically(path, buffer.getvalue())
