"""A trained network on its way: from a board to a file, and from a file to a board.

The file is the checkpoint of a training. Weights and latents stand in it as arrays, whatever words
a machine keeps them in, so that it fits every machine of the same network.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from popflip.boards.host.machine import BoardMachine
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import VERSION
from popflip.golden.support.errors import InputError
from popflip.golden.training.checkpoint import CheckpointError, Origin
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState, differences
from popflip.golden.training.trainer import Trainer
from popflip.rtl.identity import identity
from popflip.scripts.console import say
from popflip.scripts.session import Target, open_machine, same_network
from popflip.scripts.training import compared_bits, prepare_folder

__all__ = ["compare_board", "load_board", "save_board"]


@dataclass(frozen=True)
class _Settings:
    """What a board's registers hold that belongs to a training."""

    batch: int
    tau: tuple[int, ...]
    reset_on_flip: bool
    pending: int = 0

    @classmethod
    def on(cls, machine: BoardMachine) -> "_Settings":
        values = machine.registers()
        tau = tuple(values[f"tau{layer}"] for layer in range(machine.params.depth))
        return cls(values["batch"], tau, bool(values["options"] & 1), values["pending"])

    @classmethod
    def of(cls, meta: dict) -> "_Settings":
        """Those of a checkpoint."""
        origin = meta.get("origin")
        if origin and not meta["epoch"] and not meta["position"]:
            return cls(origin["batch"], tuple(origin["tau"]), origin["reset_on_flip"])
        learning = Params.build(meta["params"]).learning
        return cls(learning.batch, learning.tau_in_epoch(meta["epoch"]), learning.reset_on_flip)


def save_board(
    params: Params, dataset: Dataset, target: Target, out: Path, *, seed: int = 1
) -> dict:
    """Save what a board has learned, and return the report that ``--json`` prints.

    Parameters
    ----------
    params : Params
        Of the design that the board runs.
    dataset : Dataset
        What a training that goes on from the file learns from.
    target : Target
        A serial port.
    out : Path
    seed : int
        Of the order of samples of a training that goes on.
    """
    if target.virtual or target.board is None:
        raise InputError(
            "board must be a serial port, not virtual: the virtual board ends with its command "
            "(popflip train has saved it in checkpoint.npz); popflip serve keeps one at a port"
        )
    plan = Trainer(params, dataset, GoldenMachine(params), seed=seed)
    prepare_folder(out.parent)
    with open_machine(params, target) as machine:
        assert isinstance(machine, BoardMachine)
        plan.machine.write_state(machine.read_state())
        settings = _Settings.on(machine)
    if settings.pending:
        say(
            f"saved in the midst of a batch, {settings.pending} of {settings.batch} samples: the "
            "next batch begins anew"
        )
    plan.origin = Origin(
        board=target.board, design=identity(params).hex(), protocol=VERSION,
        batch=settings.batch, tau=list(settings.tau), reset_on_flip=settings.reset_on_flip,
        pending=settings.pending,
    )  # fmt: skip
    plan.save(out)
    return {
        "verb": "save",
        "preset": params.name,
        "checkpoint": str(out),
        **target.report,
        "bits": compared_bits(params),
        "origin": asdict(plan.origin),
        "digest": params.digest,
    }


def _check_words(path: Path, saved: Params, wanted: Params) -> None:
    """Raise CheckpointError if a machine cannot hold the network of a file."""
    same_network(path, saved, wanted)
    mine, theirs = saved.learning.latent_bits, wanted.learning.latent_bits
    if wanted.machine.training and mine != theirs:
        raise CheckpointError(f"{path} has latents of {mine} bits, and the board's have {theirs}")


def _held(params: Params, state: NetworkState) -> NetworkState:
    """What a machine of some parameters holds of a network: without training logic no latents."""
    if params.machine.training:
        return state
    return NetworkState(state.weights, [np.zeros_like(m) for m in state.latents], state.sign_state)


def load_board(path: Path, meta: dict, state: NetworkState, params: Params, target: Target) -> dict:
    """Load a checkpoint's network into a board, read it back, and return the report.

    Parameters
    ----------
    path : Path
        Of the checkpoint.
    meta : dict
    state : NetworkState
        What it holds.
    params : Params
        Of the design that the board runs.
    target : Target

    Raises
    ------
    CheckpointError
        If the board's network is another one, or has other latents.
    """
    _check_words(path, Params.build(meta["params"]), params)
    settings, held = _Settings.of(meta), _held(params, state)
    learning = params.learning
    fixed = (learning.batch, learning.reset_on_flip)
    if params.machine.shared_update and (settings.batch, settings.reset_on_flip) != fixed:
        raise CheckpointError(
            f"{path} learns in batches of {settings.batch}"
            f"{' and resets on flip' * settings.reset_on_flip}; the board's shared update engine "
            "cannot"
        )
    with open_machine(params, target) as machine:
        assert isinstance(machine, BoardMachine)
        machine.write_state(held)
        machine.configure(
            batch=settings.batch, tau=settings.tau, reset_on_flip=settings.reset_on_flip
        )
        found = _unlike(machine, held, settings)
    return _compared("load", path, params, target, found, settings)


def compare_board(
    path: Path, meta: dict, state: NetworkState, params: Params, target: Target
) -> dict:
    """Compare what a board holds with a checkpoint, and return the report.

    Parameters
    ----------
    path, meta, state, params, target
        As for :func:`load_board`.
    """
    if target.virtual:
        raise InputError("board must be a serial port, not virtual: a new one has learned nothing")
    _check_words(path, Params.build(meta["params"]), params)
    settings = _Settings.of(meta)
    with open_machine(params, target) as machine:
        assert isinstance(machine, BoardMachine)
        found = _unlike(machine, _held(params, state), None)
    return _compared("verify", path, params, target, found, settings)


def _unlike(machine: BoardMachine, state: NetworkState, settings: _Settings | None) -> list[str]:
    found = differences(machine.read_state(), state)
    if settings is not None:
        got = asdict(_Settings.on(machine))
        found += [f"{k}: {got[k]}, not {v}" for k, v in asdict(settings).items() if got[k] != v]
    return found


def _compared(verb, path, params, target, found, settings) -> dict:
    latents = params.learning.latent_bits if params.machine.training else 0
    return {
        "verb": verb,
        "preset": params.name,
        "checkpoint": str(path),
        **target.report,
        "verified": not found,
        "differences": found,
        "compared_bits": params.n_synapses * (1 + latents),
        "batch": settings.batch,
        "tau": list(settings.tau),
    }
